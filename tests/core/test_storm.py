"""A storm: several cells on one world, whose answers come late, out of order or never.

Hosts freeze, are cut off from the shared directory, reboot and lose their daemon; masters die, hang or are
shut down; people pause and ask. Each host has a clock of its own, up to one percent fast or slow. What must
hold is checked at every request and every start; when the storm is over, one master has to be left.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shadowd.core.actions import (
    Action,
    ClearLock,
    Inspect,
    Launch,
    LaunchScheduler,
    MakeClaim,
    Observe,
    PlaceLock,
    Probe,
    Say,
    StopPair,
    WriteNotice,
)
from shadowd.core.cell import Cell
from shadowd.core.events import Event, Observed, TakeoverAsked, Woken
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
    LockKind,
    NoticeKind,
    ProbeOutcome,
    Seconds,
)
from tests.core.rounds import (
    ABSENT,
    ELSEWHERE,
    FOREIGN,
    HERE,
    PAUSE,
    THERE,
    UNREADABLE,
    confirmed,
    policy,
)
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
    local = isinstance(action, Launch | LaunchScheduler | Inspect | StopPair)
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

    def clock(self, time: float) -> Instant:
        """Return what this host's clock shows."""
        return Instant(self.offset + self.rate * time)

    def moment(self, instant: Instant) -> float:
        """Return when this host's clock shows that."""
        return (instant - self.offset) / self.rate

    def begin(self, time: float) -> None:
        """Start the daemon."""
        self.now = self.clock(time)
        self.cell = Cell(TIMING, policy(host=self.name, machine_id=f"machine-{self.name}"), now=self.now)
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
        for host, epoch in self.masters(frozen=False):
            if self.world.pairs[host, epoch].beating and not self.machines[host].cut:
                self.world.advance_beat()

    # --- requests and answers ------------------------------------------------------------------------

    def take(self, machine: Machine, actions: tuple[Action, ...]) -> None:
        """Queue what a cell asks for, after a look at whether it may."""
        for action in actions:
            if isinstance(action, Say):
                continue
            if isinstance(action, MakeClaim):
                self._may_bid(machine, action)
            if isinstance(action, Launch):
                self._may_launch(machine, action)
            machine.lanes[lane_of(action)].append(Request(action))

    def _may_bid(self, machine: Machine, action: MakeClaim) -> None:
        before, last = machine.rounds
        assert last.listed <= machine.now
        assert last.beat.value == before.beat.value, "never a bid while the beat moves"
        assert last.lock.kind is not LockKind.FOREIGN, "never a bid under a foreign lock"  # type: ignore[union-attr]
        assert last.pause is None
        if action.reason is not ClaimReason.TAKEOVER:
            confirmed_last = last.ledger.last_confirmed  # type: ignore[union-attr]
            overtaken = machine.cell._shadow.memory._overtaken
            assert overtaken or confirmed_last is None or confirmed_last.outcome is not NoticeKind.STOPPED
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
            if isinstance(event, Observed) and machine.blind == "beat":
                event = replace(event, beat=replace(event.beat, value=UNREADABLE))
            elif isinstance(event, Observed) and machine.blind:
                event = replace(event, **{machine.blind: UNREADABLE})
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
            actions = machine.cell.tick(machine.now)
            self.take(machine, actions)
            assert actions or machine.cell.deadline() > machine.now, "a busy loop"

    def settle(self, until: Callable[[], bool] = lambda: False) -> None:
        """Answer all that can be answered at this moment, or until something is the case."""
        for _ in range(TURNS):
            busy = False
            for machine in self.machines.values():
                if machine.frozen:
                    continue
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


hosts = st.sampled_from(HOSTS)
points = st.sampled_from([MakeClaim, Observe, PlaceLock, WriteNotice, ClearLock])
troubles = st.sampled_from(["death", "hang", "freeze", "cut", "none"])
rates = st.sampled_from([1.0, 0.99, 1.01])


class Storm(RuleBasedStateMachine):
    """The weather."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = Cluster()

    def machine(self, host: Host) -> Machine:
        """Return a host."""
        return self.cluster.machines[host]

    @initialize(speeds=st.tuples(rates, rates, rates), watched=st.sampled_from([1.0, 30.0]))
    def begin(self, speeds: tuple[float, ...], watched: float) -> None:
        """All daemons start."""
        self.cluster.begin(speeds)
        self.cluster.calm(watched)

    @rule(seconds=st.sampled_from([0.3, 2.0, 9.0, 35.0, 110.0]))
    def calm(self, seconds: float) -> None:
        """Time passes."""
        self.cluster.calm(seconds)

    @rule(
        host=hosts,
        point=points,
        trouble=troubles,
        then=st.sampled_from(["freeze", "cut", "restart", "go on"]),
    )
    def ambush(self, host: Host, point: type[Action], trouble: str, then: str) -> None:
        """The master gets into trouble, and a bidder too, just when it asks for something."""
        cluster, machine = self.cluster, self.machine(host)
        for place, epoch in list(cluster.masters(frozen=False)):
            if trouble == "death":
                cluster.world.pairs[place, epoch] = Pair(ExitKind.FAILED)
            elif trouble == "hang":
                cluster.world.pairs[place, epoch].beating = False
            elif trouble == "freeze":
                self.freeze(place)
            elif trouble == "cut":
                self.machine(place).cut = True
        cluster.calm(200, lambda: self.bids(machine, point))
        if then == "freeze":
            self.freeze(host)
        elif then == "cut":
            self.cut(host, done=True)
        elif then == "restart":
            self.lose(host)

    @staticmethod
    def bids(machine: Machine, point: type[Action]) -> bool:
        """Tell whether a host is at this point of a bid."""
        heads = [queue[0].action for queue in machine.lanes.values() if queue]
        bidding = machine.cell._shadow.bid is not None
        return bidding and any(isinstance(head, point) for head in heads)

    @rule(host=hosts)
    def freeze(self, host: Host) -> None:
        """The whole host stands still; not between the last test and exec, which nobody promises."""
        machine = self.machine(host)
        if not machine.frozen:
            while machine.lanes[Lane.LOCAL]:
                self.cluster.carry_out(machine, Lane.LOCAL)
                self.cluster.deliver(machine, Lane.LOCAL)
            machine.frozen = True

    @rule(host=hosts, tick_first=st.booleans())
    def thaw(self, host: Host, tick_first: bool) -> None:  # noqa: FBT001 - drawn
        """It goes on where it was: an answer or a date may come first."""
        machine = self.machine(host)
        if machine.frozen:
            machine.frozen = False
            if tick_first:
                self.cluster.tick(machine)
            self.cluster.settle()

    @rule(host=hosts, done=st.booleans())
    def cut(self, host: Host, done: bool) -> None:  # noqa: FBT001 - drawn
        """The shared directory hangs, perhaps after it did what was asked for."""
        machine = self.machine(host)
        if machine.lanes[Lane.SHARED] and done and not machine.cut and not machine.frozen:
            self.cluster.carry_out(machine, Lane.SHARED)
        machine.cut = True

    @rule(host=hosts)
    def heal(self, host: Host) -> None:
        """It answers again."""
        self.machine(host).cut = False

    @rule(host=hosts, part=st.sampled_from(["", "ledger", "lock", "beat", "active", "shadows", "pause"]))
    def blind(self, host: Host, part: str) -> None:
        """A part of each round cannot be read there, or all can again."""
        self.machine(host).blind = part

    @rule(host=hosts)
    def lose(self, host: Host) -> None:
        """What hangs is never answered: the daemon is restarted, unless a master runs there."""
        if not any(place == host for place, _ in self.cluster.masters(frozen=True)):
            self.restart(host)

    @rule(host=hosts)
    def reboot(self, host: Host) -> None:
        """The host loses all its processes."""
        for (place, _), pair in self.cluster.world.pairs.items():
            if place == host and pair.alive:
                pair.master, pair.strays = ExitKind.UNSEEN, 0
        self.restart(host)

    def restart(self, host: Host) -> None:
        """Start a daemon that knows nothing of its earlier life."""
        machine = self.machine(host)
        self.cluster.world.lives += 1
        machine.frozen = machine.cut = False
        machine.begin(self.cluster.time)

    @rule(kind=st.sampled_from([ExitKind.FAILED, ExitKind.UNSEEN]), strays=st.integers(0, 1))
    def kill(self, kind: ExitKind, strays: int) -> None:
        """A master dies."""
        for host, epoch in self.cluster.masters(frozen=True):
            pair = self.cluster.world.pairs[host, epoch]
            pair.master, pair.strays = kind, min(strays, pair.strays)

    @rule()
    def hang(self) -> None:
        """A master runs on without a beat."""
        for host, epoch in self.cluster.masters(frozen=False):
            self.cluster.world.pairs[host, epoch].beating = False

    @rule()
    def revive(self) -> None:
        """A master that hung beats again."""
        for pair in self.cluster.world.pairs.values():
            pair.beating = True

    @rule()
    def stranger(self) -> None:
        """A real shadow daemon of old is at work, and its lock stays."""
        if self.cluster.world.lock == ABSENT:
            self.cluster.world.lock = FOREIGN

    @rule(kind=st.sampled_from([ExitKind.CLEAN, ExitKind.UNSEEN]))
    def shut_down(self, kind: ExitKind) -> None:
        """A person shuts the master down, and it leaves its mark."""
        for host, epoch in list(self.cluster.masters(frozen=False)):
            if not self.machine(host).cut:
                pair = self.cluster.world.pairs[host, epoch]
                pair.master, pair.strays = kind, 0
                if self.cluster.world.lock == ABSENT:
                    self.cluster.world.lock = FOREIGN

    @rule()
    @precondition(lambda self: self.cluster.world.lock == FOREIGN)
    def remove_mark(self) -> None:
        """A person takes the lock away."""
        self.cluster.world.lock = ABSENT

    @rule(pause=st.sampled_from([None, PAUSE]))
    def pause(self, pause: object) -> None:
        """A person pauses or resumes."""
        self.cluster.world.pause = pause  # type: ignore[assignment]

    @rule(host=hosts, event=st.sampled_from([Woken(), TakeoverAsked("eve")]))
    def ask(self, host: Host, event: Event) -> None:
        """A hint comes, or a person asks for a takeover."""
        machine = self.machine(host)
        if not machine.frozen:
            machine.now = max(machine.now, machine.clock(self.cluster.time))
            self.cluster.take(machine, machine.cell.step(event, machine.now))

    @rule(kind=st.sampled_from(["good", "hangs", "fails", "half"]))
    def next_program(self, kind: str) -> None:
        """What the next launched program does."""
        self.cluster.program = kind

    @rule(outcome=st.sampled_from(ProbeOutcome))
    def probes(self, outcome: ProbeOutcome) -> None:
        """What the port of a host says."""
        self.cluster.world.probe = outcome

    @invariant()
    def always_a_date(self) -> None:
        """A machine that waits for nothing has a date."""
        for machine in self.cluster.machines.values():
            assert machine.waits or machine.cell.deadline() < NEVER

    @invariant()
    def one_master(self) -> None:
        """Of the hosts that are not frozen, one at most runs a master."""
        assert len(list(self.cluster.masters(frozen=False))) <= 1

    def teardown(self) -> None:
        """When the storm is over there is a master again, if need be after a person asked."""
        cluster = self.cluster
        if not cluster.machines:
            return
        cluster.world.lock = ABSENT if cluster.world.lock == FOREIGN else cluster.world.lock
        cluster.world.pause = None
        cluster.world.probe = ProbeOutcome.REFUSES
        cluster.program = "good"
        for machine in cluster.machines.values():
            machine.cut, machine.blind = False, ""
            self.thaw(machine.name, tick_first=True)
        self.revive()
        for _ in range(4):
            cluster.calm(400, cluster.one_master)
            if cluster.one_master():
                break
            for host in HOSTS:
                self.ask(host, TakeoverAsked("eve"))
        assert cluster.one_master(), "nobody is master"
        cluster.calm(120)
        assert cluster.one_master(), "it did not last"


TestStorm = Storm.TestCase
TestStorm.settings = settings(max_examples=25, stateful_step_count=25)
