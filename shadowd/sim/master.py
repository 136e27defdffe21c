"""A master with sge_qmaster's manners, good and bad, as GRIDENGINE.md measured them.

It forks and returns at once whatever comes of it; asks the host in act_qmaster whether it still has a
master; beats *before* it takes away the lock, whoever made that; looks at act_qmaster afterwards only at
every twentieth beat; leaves an empty lock when it ends in an orderly way and none when it does not. Frozen
or blocked on a hung mount it does nothing, and goes on where it stood.

This module refuses to be better than the real one: it checks no epoch and fences nobody.
"""

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from shadowd.core.values import Epoch, ExitKind, Host, ProbeOutcome, Seconds
from shadowd.sim.clock import Timeline
from shadowd.sim.disk import Disk, View

_TO_BIND = Seconds(0.1)
_TO_WRITE = Seconds(0.01)
_TO_READ_SPOOL = Seconds(1)
_TO_EXIT = Seconds(2)
_FROZEN_PEER = Seconds(60)
_BIND_AGAIN = Seconds(5)
_BINDS = 6
_LOOKS_EVERY = 20
_REPLACED = 100
_KILLED = -9


class Program(Enum):
    """What lies where the master program should be."""

    GOOD = "good"
    EXITS = "exits with 1"
    FALLS = "beats once, and exits with 1"
    DEAF = "runs and does nothing"
    MISSING = "missing"


class Home(Protocol):
    """What a master needs of its host."""

    disk: Disk
    view: View
    timeline: Timeline
    beat_every: Seconds
    program: Program
    slow: Seconds
    """How much longer a start takes."""

    @property
    def host(self) -> Host:
        """The name that the host has now."""
        ...

    @property
    def machine(self) -> Host:
        """The machine, whatever it is called."""
        ...

    def is_here(self, host: Host) -> bool:
        """Tell whether a name is one of this host."""
        ...

    def probe(self, host: Host) -> ProbeOutcome:
        """Ask a host whether its master answers."""
        ...

    def port_taken(self) -> bool:
        """Tell whether a master of the cell holds its port on this host."""
        ...

    @property
    def stopped(self) -> bool:
        """True while the host stands still whole."""
        ...

    def stir(self) -> None:
        """Hear that a process changed."""
        ...


class Process:
    """A process of a cell on some host, as signals and /proc see it. The scheduler is one."""

    def __init__(self, home: Home, *, pid: int, epoch: Epoch | None, nonce: str, parent: int) -> None:
        self.pid = pid
        self.epoch = epoch
        """None for a master that no claim started."""
        self.nonce = nonce
        self.status: int | None = None
        """Exit status; None while it lives."""
        self._home = home
        self._frozen = False
        self._parent = parent

    @property
    def alive(self) -> bool:
        """True until it ended; a frozen process is alive."""
        return self.status is None

    @property
    def frozen(self) -> bool:
        """True while it is stopped (SIGSTOP) or its host is; setting it false is not enough, see ``thaw``."""
        return self._frozen or self._home.stopped

    @frozen.setter
    def frozen(self, frozen: bool) -> None:
        self._frozen = frozen
        self._home.stir()

    def kill(self) -> None:
        """SIGKILL."""
        if self.alive:
            self.end(_KILLED)

    def end(self, status: int) -> None:
        """End with this status."""
        self.status = status
        self._home.stir()

    def terminate(self) -> None:
        """SIGTERM."""
        self.kill()

    def thaw(self) -> None:
        """SIGCONT: whatever was due meanwhile happens now."""
        self.frozen = False
        self.go_on()

    def go_on(self) -> None:
        """Do what was due while it could not."""

    def seen_by(self, life: int) -> ExitKind:
        """Return how it stands for a daemon of this life: only its parent sees the exit status."""
        if self.alive:
            return ExitKind.RUNNING
        if self._parent != life:
            return ExitKind.UNSEEN
        return ExitKind.CLEAN if self.status == 0 else ExitKind.FAILED


class Master(Process):
    """The master process."""

    def __init__(self, home: Home, *, pid: int, epoch: Epoch | None, nonce: str, parent: int) -> None:
        super().__init__(home, pid=pid, epoch=epoch, nonce=nonce, parent=parent)
        self.bound = False
        self.writing = False
        """It has written into the cell's files, and may do so until it ends."""
        self.serving = False
        """Clients have got answers."""
        self.ending = False
        """It was told to end in an orderly way."""
        self.began = home.timeline.now
        self.called = home.host
        """By which name it knows its host, whatever that is called later."""
        self._parked: list[Callable[[], None]] = []
        self._binds = 0
        if home.program is Program.EXITS:
            self._then(_TO_BIND, lambda: self.end(1))
        elif home.program in {Program.GOOD, Program.FALLS}:
            self._then(Seconds(_TO_BIND + home.slow), self._bind)

    @property
    def where(self) -> Host:
        """The machine it runs on."""
        return self._home.machine

    def answers(self) -> ProbeOutcome:
        """Return what a client of this process hears."""
        if not (self.alive and self.bound):
            return ProbeOutcome.REFUSES
        blocked = self.frozen or self._home.view.hangs or not self.serving
        return ProbeOutcome.SILENT if blocked else ProbeOutcome.ANSWERS

    @property
    def able(self) -> bool:
        """True while it can write into the cell's files, now."""
        return self.alive and self.writing and not self.frozen and not self._home.view.hangs

    def terminate(self) -> None:
        """SIGTERM or ``qconf -km``: a clean exit, which leaves the mark of a regular shutdown."""
        self.ending = True
        self._then(_TO_EXIT, self._end_cleanly)

    def go_on(self) -> None:
        """Do what was due while it could not."""
        if self.frozen:
            return
        parked, self._parked = self._parked, []
        for step in parked:
            self._then(Seconds(0), step)

    def _then(self, seconds: Seconds, step: Callable[[], None]) -> None:
        def go() -> None:
            if not self.alive:
                return
            if self.frozen:
                self._parked.append(step)
            elif self._home.view.hangs:
                self._home.view.wait(lambda: self._then(Seconds(0), step))
            else:
                step()

        self._home.timeline.after(seconds, go, self)

    def _bind(self) -> None:
        if self._home.port_taken():
            self._binds += 1
            self._then(_BIND_AGAIN, self._bind if self._binds < _BINDS else lambda: self.end(1))
            return
        self.bound = True
        active = self._home.disk.active
        if not isinstance(active, str) or self._home.is_here(active):
            self._start()
            return
        match self._home.probe(active):
            case ProbeOutcome.ANSWERS:
                self.end(1)
            case ProbeOutcome.SILENT:
                self._then(_FROZEN_PEER, self._start)
            case _:
                self._start()

    def _start(self) -> None:
        if self._home.view.broken:
            self.end(1)
            return
        self.writing = True
        self._home.stir()
        self._home.disk.advance_beat()
        self._then(_TO_WRITE, self._take_over_files)

    def _take_over_files(self) -> None:
        if self._home.program is Program.FALLS:
            self.end(1)
            return
        self._home.disk.remove_lock()
        self._home.disk.active = self.called
        self._then(_TO_READ_SPOOL, self._serve)
        self._then(self._home.beat_every, self._beat)

    def _serve(self) -> None:
        self.serving = True
        self._home.stir()

    def _beat(self) -> None:
        disk = self._home.disk
        if not self._home.view.broken:
            disk.advance_beat()
            looks = isinstance(disk.beat, int) and disk.beat % _LOOKS_EVERY == 0
            if looks and disk.active != self.called:
                self.end(_REPLACED)
                return
        self._then(self._home.beat_every, self._beat)

    def _end_cleanly(self) -> None:
        self._home.disk.mark_shutdown()
        self.end(0)
