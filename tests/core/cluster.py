"""Several hosts with a cell each on one world, whose answers come late, out of order or never.

Each host has a clock of its own, up to one percent fast or slow, and lanes that hang one by one, as in the
runtime. ``Cluster`` looks at every bid and every launch whether it may be, and finds busy loops; who plays
the weather is ``test_storm``'s part.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

from shadowd.core.actions import (
    Action,
    Inspect,
    KeepLease,
    Launch,
    LaunchScheduler,
    MakeClaim,
    Probe,
    Say,
    StopPair,
    TermPair,
)
from shadowd.core.cell import Cell
from shadowd.core.events import Event, Observed
from shadowd.core.snapshot import State
from shadowd.core.timing import Timing
from shadowd.core.values import (
    NEVER,
    Claim,
    ClaimReason,
    Epoch,
    ExitKind,
    Host,
    Instant,
    KeptLease,
    LockKind,
    NoticeKind,
    Seconds,
)
from tests.core.rounds import ELSEWHERE, HERE, THERE, UNREADABLE, confirmed, policy
from tests.core.world import Pair, World

HOSTS = (HERE, THERE, ELSEWHERE)
BEAT = 5.0
TIMING = Timing(
    check_interval=Seconds(10),
    stale_after=Seconds(40),
    delay=Seconds(60),
    beat_interval=Seconds(BEAT),
    probe_timeout=Seconds(2),
    io_timeout=Seconds(2),
    launch_timeout=Seconds(20),
    retry_after=Seconds(5),
    retry_limit=Seconds(30),
).derived()
TERMS = {"lease": TIMING.lease, "licence": TIMING.licence, "window": TIMING.window}
TURNS = 5000
"""Rounds of the loop in one stretch of time before it counts as a busy loop."""


class Lane(Enum):
    """What may hang together, as in the runtime: answers come in order within a lane only."""

    SHARED = "shared"
    LOCAL = "local"
    NETWORK = "network"


def lane_of(action: Action) -> Lane:
    """Return the lane of a request."""
    if isinstance(action, Probe):
        return Lane.NETWORK
    local = isinstance(action, Launch | LaunchScheduler | Inspect | StopPair | TermPair)
    return Lane.LOCAL if local else Lane.SHARED


@dataclass(slots=True)
class Request:
    """One request and, once it was carried out, the answer that has not arrived yet."""

    action: Action
    answer: Event | None = None


@dataclass(slots=True)
class Machine:
    """One host: its clock, its daemon's cell, its lanes."""

    name: Host
    rate: float
    offset: float
    cell: Cell = field(init=False)
    now: Instant = field(init=False)
    lanes: dict[Lane, deque[Request]] = field(default_factory=lambda: {lane: deque() for lane in Lane})
    frozen: bool = False
    cut: bool = False
    blind: str = ""
    """The part of a round that it cannot read."""
    rounds: deque[Observed] = field(default_factory=lambda: deque(maxlen=2))
    """The last rounds that its cell was given."""
    claimed: dict[Epoch, Instant] = field(default_factory=dict)
    kept: KeptLease | None = None
    """The lease on this host's own disk; a boot clears it."""

    def clock(self, time: float) -> Instant:
        """Return what this host's clock shows."""
        return Instant(self.offset + self.rate * time)

    def moment(self, instant: Instant) -> float:
        """Return when this host's clock shows that."""
        return (instant - self.offset) / self.rate

    def begin(self, time: float) -> None:
        """Start the daemon."""
        self.now = self.clock(time)
        ours = policy(host=self.name, machine_id=f"machine-{self.name}", restart_limit=2)
        self.cell = Cell(TIMING, ours, now=self.now, kept=self.kept)
        self.rounds.clear()
        for lane in self.lanes.values():
            lane.clear()

    @property
    def waits(self) -> bool:
        """Tell whether a request is unanswered."""
        return any(self.lanes.values())


class Cluster:
    """Hosts, a world, and the rules that nobody may break."""

    def __init__(self) -> None:
        self.time = 0.0
        self.next_beat = BEAT
        self.world = World(launch=self._program)
        self.program = "good"
        self.machines: dict[Host, Machine] = {}
        self.launched: dict[Epoch, Host] = {}
        self.asked = False

    # --- the world -----------------------------------------------------------------------------------

    def begin(self, rates: tuple[float, ...]) -> None:
        """Start with a master of THERE that everybody knows."""
        self.world.add(confirmed(1, host=THERE, **TERMS))
        self.world.pairs[THERE, Epoch(1)] = Pair()
        for number, (name, rate) in enumerate(zip(HOSTS, rates, strict=True)):
            self.machines[name] = Machine(name, rate, 1000.0 * number)
            self.machines[name].begin(0.0)

    def _program(self, world: World, host: Host, epoch: Epoch) -> None:
        assert not list(self.masters(frozen=False)), f"a second master: epoch {epoch} on {host}"
        if self.program == "good":
            world.start(host, epoch)
        elif self.program == "hangs":
            world.pairs[host, epoch] = Pair(beating=False)
        elif self.program == "half":  # beats, and fails after it
            world.start(host, epoch)
            world.pairs[host, epoch] = Pair(ExitKind.FAILED)

    def masters(self, *, frozen: bool) -> Iterator[tuple[Host, Epoch]]:
        """Return the live masters; those of frozen hosts only if wanted."""
        for (host, epoch), pair in self.world.pairs.items():
            if pair.alive and (frozen or not self.machines[host].frozen):
                yield host, epoch

    def beat(self) -> None:
        """Let each master that can reach the file beat."""
        beating = [key for key in self.masters(frozen=False) if self.world.pairs[key].beating]
        for _ in [host for host, _ in beating if not self.machines[host].cut]:
            self.world.advance_beat()

    # --- requests and answers ------------------------------------------------------------------------

    def take(self, machine: Machine, actions: tuple[Action, ...]) -> None:
        """Queue what a cell asks for, after a look at whether it may."""
        for action in actions:
            if isinstance(action, KeepLease):
                machine.kept = action.kept
            if isinstance(action, Say) or (isinstance(action, KeepLease) and not action.answered):
                continue
            if isinstance(action, MakeClaim):
                self._may_bid(machine, action)
            if isinstance(action, Launch):
                self._may_launch(machine, action)
            machine.lanes[lane_of(action)].append(Request(action))

    def _may_bid(self, machine: Machine, action: MakeClaim) -> None:
        if action.reason is ClaimReason.RESTART:
            self._may_restart(machine, action)
            return
        before, last = machine.rounds
        assert last.listed <= machine.now
        assert last.beat.value == before.beat.value, "never a bid while the beat moves"
        assert last.lock.kind is not LockKind.FOREIGN, "never a bid under a foreign lock"  # type: ignore[union-attr]
        assert last.pause is None
        newest = last.ledger.last_confirmed  # type: ignore[union-attr]
        if action.reason is not ClaimReason.TAKEOVER and not machine.cell._shadow.memory._overtaken:
            assert newest is None or newest.outcome is not NoticeKind.STOPPED
        machine.claimed[action.epoch] = machine.now

    def _may_restart(self, machine: Machine, action: MakeClaim) -> None:
        last = machine.rounds[-1]
        own = last.ledger.last_confirmed  # type: ignore[union-attr]
        assert own is not None
        assert own.claim.host == machine.name, "never a restart of another host's master"  # type: ignore[union-attr]
        assert not self.world.pairs[machine.name, own.epoch].alive, "never while it lives"
        assert last.lock.kind is not LockKind.FOREIGN, "never a restart under a foreign lock"  # type: ignore[union-attr]
        assert last.pause is None
        machine.claimed[action.epoch] = machine.now

    def _may_launch(self, machine: Machine, action: Launch) -> None:
        last = machine.rounds[-1]
        record = last.ledger.get(action.epoch)  # type: ignore[union-attr]
        assert record is not None
        assert isinstance(record.claim, Claim)
        assert record.claim.nonce == action.nonce, "never without holding the claim"
        assert last.ledger.highest == action.epoch, "never below the highest claim"  # type: ignore[union-attr]
        assert NoticeKind.LAUNCHING in record.notices, "never unannounced"
        assert record.open, "never after an outcome"
        assert last.lock.nonce == action.nonce, "never without our lock"  # type: ignore[union-attr]
        assert machine.now < machine.claimed[action.epoch] + TIMING.licence, "never after the licence"
        assert action.epoch not in self.launched, "at most one launch per epoch"
        self.launched[action.epoch] = machine.name

    def carry_out(self, machine: Machine, lane: Lane) -> None:
        """Carry out the head of a lane; its answer is on its way."""
        request = machine.lanes[lane][0]
        if request.answer is None:
            machine.now = max(machine.now, machine.clock(self.time))
            event = self.world.perform(machine.name, request.action, machine.now)
            if isinstance(event, Observed) and machine.blind:
                unread = replace(event.beat, value=UNREADABLE) if machine.blind == "beat" else UNREADABLE
                event = replace(event, **{machine.blind: unread})
            request.answer = event

    def deliver(self, machine: Machine, lane: Lane) -> None:
        """Let an answer arrive."""
        answer = machine.lanes[lane].popleft().answer
        assert answer is not None
        if isinstance(answer, Observed):
            machine.rounds.append(answer)
        machine.now = max(machine.now, machine.clock(self.time))
        self.take(machine, machine.cell.step(answer, machine.now))

    def open_lanes(self, machine: Machine) -> list[Lane]:
        """Return the lanes that have something to do and can."""
        return [
            lane
            for lane, queue in machine.lanes.items()
            if queue and not (machine.cut and lane is Lane.SHARED)
        ]

    # --- time ----------------------------------------------------------------------------------------

    def tick(self, machine: Machine) -> None:
        """Let a cell do what is due; it must ask for something or have a later date."""
        machine.now = max(machine.now, machine.clock(self.time))
        due = machine.cell.deadline()
        if due <= machine.now + 1e-6:
            machine.now = max(machine.now, due)
            self.take(machine, machine.cell.tick(machine.now))
            assert machine.cell.deadline() > machine.now, "a busy loop"

    def settle(self, until: Callable[[], bool] = lambda: False, *, only: Machine | None = None) -> None:
        """Answer all that can be answered at this moment, or until something is the case.

        ``only``: for this host alone, which goes on after it stood still: until its guard has looked two
        masters may run, and nobody promises otherwise.
        """
        for _ in range(TURNS):
            busy = False
            awake = [each for each in self.machines.values() if not each.frozen and (only or each) is each]
            for machine in awake:
                for lane in self.open_lanes(machine):
                    busy = True
                    self.carry_out(machine, lane)
                    self.deliver(machine, lane)
                    if until():
                        return
                if machine.cell.deadline() <= machine.clock(self.time):
                    busy = True
                    self.tick(machine)
            if not busy:
                return
        raise AssertionError("busy for ever")

    def calm(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let time pass for all that are not frozen."""
        end = self.time + seconds
        for _ in range(TURNS):
            self.settle(until)
            if until():
                return
            dates = [
                machine.moment(machine.cell.deadline())
                for machine in self.machines.values()
                if not machine.frozen and machine.cell.deadline() < NEVER
            ]
            self.time = max(self.time, min([*dates, self.next_beat, end]))
            if self.time >= self.next_beat:
                self.next_beat += BEAT
                self.beat()
            for machine in self.machines.values():
                if not machine.frozen:
                    self.tick(machine)
            if self.time >= end:
                self.settle()
                return
        raise AssertionError("busy for ever")

    def one_master(self) -> bool:
        """Tell whether all is well: one master, guarded by its host, on disk as such."""
        masters = list(self.masters(frozen=True))
        if len(masters) != 1:
            return False
        host, epoch = masters[0]
        at_home = self.machines[host].cell.snapshot().state is State.ACTIVE
        return at_home and self.world.records[epoch].confirmed and self.world.records[epoch].open
