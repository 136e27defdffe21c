"""A program that does one thing after another, as C programs do, played in virtual time.

The program is a generator: it yields what it wants done (``Sleep``, ``Do``, ``Until``) and is resumed with
the answer. So a rival reads like the real one's main loop, and every manner of a sequential program comes for
free: it hangs with its mount, goes on where it stood when it is thawed, and dies between any two operations.

Faults strike where they strike our own daemon: ``View.fate`` is asked for each operation. This module
refuses to decide anything for a program, and gives none a second thread.
"""

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, assert_never

from shadowd.core.values import Problem, Seconds, Unknown
from shadowd.sim.disk import HANGS, Fault, Op
from shadowd.sim.master import Process

if TYPE_CHECKING:
    from shadowd.sim.rivals.host import RivalHost
    from shadowd.sim.seat import Seat

_SOUND = Fault(done=True, known=True)


@dataclass(frozen=True, slots=True)
class Sleep:
    """Do nothing for so long by this host's clock; a stopped process sleeps on."""

    seconds: Seconds


@dataclass(frozen=True, slots=True)
class Do:
    """One operation on the shared directory, the network or this host; the answer may be ``Unknown``."""

    op: Op
    effect: Callable[[], Any]
    takes: Callable[[Any], float] = lambda _answer: 0.0
    """How long the caller waits for this answer, in seconds, beside the host's latency."""
    often: bool = False
    """It is one of very many that find nothing new: answered at once while all is well."""


class Free(Protocol):
    """Something that somebody waits for, asking again and again."""

    def when_free(self, wake: Callable[[], None]) -> None:
        """Call this once it may be free."""
        ...


@dataclass(frozen=True, slots=True)
class Until:
    """Sleep as often as it takes until something may be free: what polls in life, without the events."""

    free: Free
    every: Seconds
    """The length of one sleep: the end comes at a whole multiple of it."""


Step = Sleep | Do | Until
Script = Generator[Step, Any, Any]


class Player(Process):
    """A process that plays a script. It can be frozen, thawed and killed at any moment."""

    def __init__(self, host: "RivalHost", seat: "Seat") -> None:
        super().__init__(seat, pid=host.next_pid(), epoch=None, nonce="", parent=host.life)
        self.host = host
        self.seat = seat
        self._parked: list[Callable[[], None]] = []
        self._script: Script | None = None
        self._view = seat.view

    def play(self, script: Script) -> None:
        """Begin a script, or another one in its place: what was under way is forgotten."""
        self._script = script
        self._go_on(script, None)

    def thaw(self) -> None:
        """SIGCONT: whatever was due meanwhile happens now."""
        super().thaw()
        self.go_on()

    def go_on(self) -> None:
        """Do what was due while it could not."""
        if self.frozen:
            return
        parked, self._parked = self._parked, []
        for step in parked:
            self.host.timeline.after(Seconds(0), step)

    def _after(self, seconds: float, script: Script, step: Callable[[], None]) -> None:
        def fire() -> None:
            if not self.alive or script is not self._script:
                return
            if self.frozen:
                self._parked.append(fire)
            else:
                step()

        self.host.timeline.after(Seconds(seconds), fire)

    def _go_on(self, script: Script, answer: Any) -> None:
        while True:
            try:
                step = script.send(answer)
            except StopIteration:
                if script is self._script and self.alive:
                    self.end(0)
                return
            if isinstance(step, Do) and step.often and self.host.on_operation is None and self._view.sound:
                answer = step.effect()
                continue
            self._begin(script, step)
            return

    def _begin(self, script: Script, step: Step) -> None:
        match step:
            case Sleep():
                self._after(step.seconds / self.host.rate, script, partial(self._go_on, script, None))
            case Do():
                self._do(script, step)
            case Until():
                self._until(script, step)
            case _:
                assert_never(step)

    def _until(self, script: Script, step: Until) -> None:
        began, every = self.host.timeline.now, step.every / self.host.rate

        def wake() -> None:
            slept = (self.host.timeline.now - began) % every
            self._after(every - slept, script, partial(self._go_on, script, None))

        step.free.when_free(wake)

    def _do(self, script: Script, step: Do) -> None:
        fault = self._view.fate(step.op) or _SOUND
        if fault is HANGS:
            self._view.wait(lambda: self._after(0, script, partial(self._do, script, step)))
            return
        failure = Unknown(Problem.UNREADABLE, step.op.value, "simulated fault")
        effect = self._view.stale.get(step.op, step.effect)
        value = effect() if fault.done else failure
        answer = value if fault.known else failure
        if self.host.on_operation is not None:
            self.host.on_operation(self.seat.cell, step.op)
        go_on = partial(self._go_on, script, answer)
        if math.isinf(fault.late):
            self._view.wait(lambda: self._after(0, script, go_on))
            return
        self._after(fault.late + step.takes(answer) + self.host.latency(), script, go_on)
