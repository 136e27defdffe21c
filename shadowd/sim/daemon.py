"""The daemon of one host, twice: whole, with the real loop and lanes, and light, for millions of hours.

``Whole`` runs the real loop, runners, lanes and executor. ``Light`` runs the real machines and the real
executor and nothing else of the runtime: its lanes are queues, its dates callbacks, it publishes nothing,
and a machine that breaks breaks the whole simulation instead of beginning anew. A test lives the same
stories with both and compares their traces.

Both wake a guard when a process ends, as a pidfd does, and a light one sends and hears hints, so that it may
poll less often than a real one: what matters is noticed as soon.
"""

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Protocol

from shadowd.core.actions import Action, KeepLease, MakeClaim, Observe, Probe, Say, WriteNotice
from shadowd.core.cell import Cell
from shadowd.core.events import Event, LeaseKept
from shadowd.core.snapshot import Snapshot
from shadowd.core.values import NEVER, Instant
from shadowd.runtime.executor import Executor, Lane, Ports, lane_of
from shadowd.runtime.lanes import Lanes
from shadowd.runtime.loop import Loop
from shadowd.runtime.record import Publisher
from shadowd.runtime.requests import Request
from shadowd.runtime.runner import Runner
from shadowd.sim.seat import Seat

if TYPE_CHECKING:
    from shadowd.sim.host import SimHost

_WRITING = 0.001
"""Seconds in which a host writes its lease record, as those of whole daemons do."""
_ROUNDING = 1e-6
"""A date is kept this much late: rounding must not let it be missed, for ever."""


class Daemon(Protocol):
    """What a host needs of its daemon."""

    @property
    def loop(self) -> Loop | None:
        """The real loop, where there is one."""
        ...

    def feed(self, cell: str, event: Event) -> None:
        """Give one event to the machines of a cell."""
        ...

    def snapshot(self, cell: str) -> Snapshot | None:
        """Return what the machines of a cell think."""
        ...

    def turn(self) -> None:
        """Take one turn of the decision thread, if there is one."""
        ...

    def patience(self) -> float:
        """Return how long until the next turn."""
        ...


class Whole:
    """The real runtime over a simulated host."""

    def __init__(self, host: "SimHost") -> None:
        self._host = host
        self._raised: list[Exception] = []
        """What the real loop survives is a bug here, and to be seen."""
        self.loop = Loop(host, host, alive=host.feed_watchdog, failed=self._raised.append)
        for seat in host.seats.values():
            self.loop.runners[seat.cell] = self._make_runner(seat)
        host.wake()

    def feed(self, cell: str, event: Event) -> None:
        """Post the event."""
        self.loop.post(lambda: self.loop.runners[cell].feed(event))

    def snapshot(self, cell: str) -> Snapshot | None:
        """Return what the machines of a cell think; None while they are about to begin anew."""
        return self.loop.runners[cell].snapshot()

    def turn(self) -> None:
        """Take one turn of the real loop."""
        self.loop.turn()
        if self._raised:
            raise self._raised[0]

    def patience(self) -> float:
        """Return how long the real loop would sleep."""
        return self.loop.patience()

    def _make_runner(self, seat: Seat) -> Runner:
        host = self._host
        ports, make = host.ports(seat), host.maker(seat)
        identity = ports.identity
        publisher = Publisher(
            cell=seat.cell,
            kind="gridengine",
            host=host.name,
            version="simulated",
            pid=identity.pid,
            start=identity.start_token,
            boot_id=identity.boot_id,
            timing=host.timing,
        )
        lanes = Lanes(host, submit=host.submit, post=self.loop.post, note=self.loop.note, timing=host.timing)
        return Runner(
            make=make,
            executor=Executor(ports),
            lanes=lanes,
            clock=host,
            journal=seat,
            outlet=seat,
            publisher=publisher,
        )


class Light:
    """The machines of each cell and the executor, without the rest of the runtime."""

    loop = None

    def __init__(self, host: "SimHost") -> None:
        self._crews = {seat.cell: Crew(host, seat) for seat in host.seats.values()}
        for crew in self._crews.values():
            crew.plan()

    def feed(self, cell: str, event: Event) -> None:
        """Give one event to the machines of a cell."""
        self._crews[cell].feed(event)

    def snapshot(self, cell: str) -> Snapshot:
        """Return what the machines of a cell think."""
        return self._crews[cell].machines.snapshot()

    def crew(self, cell: str) -> "Crew":
        """Return the crew of a cell."""
        return self._crews[cell]

    def turn(self) -> None:
        """Do nothing: each crew keeps its own dates."""

    def patience(self) -> float:
        """Return for ever: there is no decision thread."""
        return NEVER


class Crew:
    """One cell at work: its machines, and a queue for each lane."""

    def __init__(self, host: "SimHost", seat: Seat) -> None:
        ports: Ports = host.ports(seat)
        self.machines: Cell = host.maker(seat)(host.now())
        self._host = host
        self._seat = seat
        self._perform = Executor(ports).perform
        self._lanes: dict[Lane, deque[Request]] = {}
        """A lane that is in here is busy."""
        self._due = NEVER

    @property
    def idle(self) -> bool:
        """True while nothing is under way."""
        return not self._lanes

    def feed(self, event: Event) -> None:
        """Give the machines one event, and carry out what they want."""
        self._carry_out(self.machines.step(event, self._host.now()))
        self.plan()

    def plan(self) -> None:
        """Keep the date that the machines have now."""
        due = self.machines.deadline()
        if due != self._due:
            self._due = due
            if due != NEVER:
                host = self._host
                host.soon((due - host.now()) / host.rate + _ROUNDING, partial(self._keep, due))

    def _keep(self, due: Instant) -> None:
        if due == self._due:
            self._due = NEVER
            self._carry_out(self.machines.tick(self._host.now()))
            self.plan()

    def _carry_out(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            if isinstance(action, Say):
                self._seat.say(action)
                continue
            if isinstance(action, KeepLease):
                self._seat.keep_lease(action.kept)
                if action.answered:
                    self._host.soon(_WRITING, partial(self.feed, LeaseKept(action.kept)))
                continue
            lane = lane_of(action)
            if lane in self._lanes:
                self._lanes[lane].append(action)
            else:
                self._lanes[lane] = deque()
                self._begin(lane, action)

    def _begin(self, lane: Lane, action: Request) -> None:
        self._host.submit(partial(self._work, lane, action), waits=isinstance(action, Probe))

    def _work(self, lane: Lane, action: Request) -> None:
        event = self._perform(action)
        self._host.job_done()
        if self._host.delivery is None:
            self._deliver(lane, action, event)
        else:
            self._host.soon(self._host.delivery(), partial(self._deliver, lane, action, event))

    def _deliver(self, lane: Lane, action: Request, event: Event) -> None:
        waiting = self._lanes[lane]
        if waiting:
            self._begin(lane, waiting.popleft())
        else:
            del self._lanes[lane]
        namesake = (
            self._host.publish(self._host.timing.check_interval) if isinstance(action, Observe) else None
        )
        if namesake is not None:
            self.feed(namesake)
        if isinstance(action, MakeClaim | WriteNotice):
            self._host.hint(self._seat.cell)
        self.feed(event)
