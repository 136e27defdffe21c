"""A whole cell in memory, without I/O, clocks or chance: it answers actions, and time is a number.

``World`` is what the hosts share and what runs on them; ``Seat`` is one host's ``Cell`` with its unanswered
requests. A test moves time with ``run`` and ``until``, changes the world between two answers, and looks at
what was done. The simulator of the package is another thing: it has latencies, faults and chance.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from shadowd.core.actions import (
    Action,
    ClearLock,
    Inspect,
    Launch,
    LaunchScheduler,
    ListEpochs,
    MakeClaim,
    Observe,
    PlaceLock,
    Probe,
    Say,
    StopPair,
    WriteNotice,
)
from shadowd.core.cell import Cell
from shadowd.core.events import (
    ClaimAnswered,
    Event,
    Inspected,
    Launched,
    Listed,
    LockAnswered,
    LockCleared,
    NoticeAnswered,
    Observed,
    Probed,
)
from shadowd.core.ledger import EpochRecord, Ledger
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State
from shadowd.core.timing import Timing
from shadowd.core.values import (
    BeatReading,
    Epoch,
    ExitKind,
    Host,
    Instant,
    Lock,
    LockKind,
    NoticeKind,
    PairView,
    Pause,
    ProbeOutcome,
    Problem,
    Unknown,
)
from shadowd.core.watch import Policy
from tests.core.rounds import ABSENT, BEGINNING, ELSEWHERE, HERE, THERE, claim, policy, timing

BEAT = 30.0
Kind = TypeVar("Kind", bound=Action)


@dataclass(slots=True)
class Pair:
    """The processes of one epoch on one host."""

    master: ExitKind = ExitKind.RUNNING
    strays: int = 0
    """Live processes besides the master."""
    beating: bool = True
    unkillable: bool = False

    @property
    def alive(self) -> int:
        """How many processes live."""
        return self.strays + (self.master is ExitKind.RUNNING)


@dataclass(slots=True)
class World:
    """What all hosts of one cell share, and the processes on each."""

    records: dict[Epoch, EpochRecord] = field(default_factory=dict)
    doubts: tuple[Unknown, ...] = ()
    unlisted: Unknown | None = None
    """Why the claims cannot be listed, while they cannot."""
    lock: Lock | Unknown = ABSENT
    beat: int | Unknown = 100
    active: Host | Unknown = THERE
    shadows: tuple[Host, ...] | Unknown = (THERE, HERE, ELSEWHERE)
    pause: Pause | Unknown | None = None
    resident: int | None = None
    probe: ProbeOutcome = ProbeOutcome.REFUSES
    pairs: dict[tuple[Host, Epoch], Pair] = field(default_factory=dict)
    refuses: dict[type[Action] | NoticeKind, Unknown] = field(default_factory=dict)
    """What cannot be done, and why."""
    launch: Callable[["World", Host, Epoch], None] | None = None
    """What a launched program does; by default it is a good master at once."""
    lives: int = 0
    """How many daemons died so far; each new one draws other nonces."""

    def add(self, *records: EpochRecord) -> None:
        """Put epochs on disk."""
        self.records.update({record.epoch: record for record in records})

    def note(self, epoch: int, *kinds: NoticeKind) -> None:
        """Put notices of an epoch on disk."""
        lost = EpochRecord(Epoch(epoch), Unknown(Problem.MISSING, f"claims/{epoch}"))
        old = self.records.get(lost.epoch, lost)
        self.records[old.epoch] = EpochRecord(old.epoch, old.claim, old.notices | set(kinds))

    def start(self, host: Host, epoch: Epoch) -> None:
        """Be a good sge_qmaster: beat, take the lock away, name the host."""
        self.pairs[host, epoch] = Pair()
        self.advance_beat()
        self.lock = ABSENT
        self.active = host

    def advance_beat(self) -> None:
        """Let the heartbeat move by one."""
        if isinstance(self.beat, int):
            self.beat += 1

    def ledger(self) -> Ledger | Unknown:
        """Return a fresh listing."""
        return self.unlisted or Ledger(tuple(self.records[key] for key in sorted(self.records)), self.doubts)

    def perform(self, host: Host, action: Action, now: Instant) -> Event:
        """Carry out one action and return its answer."""
        problem = self.refuses.get(type(action))
        match action:
            case Observe():
                return self._observe(now)
            case ListEpochs():
                return Listed(now, self.ledger())
            case Probe(asked):
                return Probed(asked, self.probe)
            case MakeClaim():
                return self._claim(host, action, problem)
            case WriteNotice(epoch, kind):
                return self._notice(epoch, kind)
            case PlaceLock(epoch, nonce):
                return LockAnswered(problem or self._place(epoch, nonce))
            case ClearLock():
                if problem is None and isinstance(self.lock, Lock) and self.lock.kind is LockKind.CLAIM:
                    self.lock = ABSENT
                return LockCleared(problem)
            case _:
                return self._handle_pair(host, action, problem)

    def _observe(self, now: Instant) -> Observed:
        beat = BeatReading(self.beat, now, now)
        rest = (self.active, self.shadows, self.pause, self.resident)
        return Observed(now, self.ledger(), self.lock, beat, *rest, now)

    def _claim(self, host: Host, action: MakeClaim, problem: Unknown | None) -> ClaimAnswered:
        stated = {name: getattr(action, name) for name in action.__slots__ if name != "epoch"}
        nonce = f"{host}-{action.epoch}" + (f"-{self.lives}" if self.lives else "")
        ours = claim(action.epoch, host, nonce=nonce, **stated)
        if problem is not None:
            return ClaimAnswered(action.epoch, ours.nonce, problem)
        held = self.records.setdefault(action.epoch, EpochRecord(action.epoch, ours))
        return ClaimAnswered(action.epoch, ours.nonce, held.claim)

    def _notice(self, epoch: Epoch, kind: NoticeKind) -> NoticeAnswered:
        problem = self.refuses.get(kind)
        if problem is None:
            self.note(epoch, kind)
        return NoticeAnswered(epoch, kind, problem)

    def _place(self, epoch: Epoch, nonce: str) -> Lock | Unknown:
        lock = self.lock
        if isinstance(lock, Unknown):
            return lock
        if lock.kind is LockKind.ABSENT or (lock.kind is LockKind.CLAIM and (lock.epoch or 0) < epoch):
            self.lock = Lock(LockKind.CLAIM, epoch, nonce)
        return self.lock

    def _handle_pair(self, host: Host, action: Any, problem: Unknown | None) -> Event:
        key = (host, action.epoch)
        if isinstance(action, Launch | LaunchScheduler):
            if problem is None and isinstance(action, Launch):
                (self.launch or World.start)(self, *key)
            if problem is None and isinstance(action, LaunchScheduler) and key in self.pairs:
                self.pairs[key].strays += 1
            return Launched(action.epoch, problem)
        assert isinstance(action, Inspect | StopPair)
        pair = self.pairs.get(key)
        if pair is None:
            return Inspected(action.epoch, PairView(ExitKind.UNSEEN, None, None, 0))
        if isinstance(action, StopPair) and not pair.unkillable:
            if pair.master is ExitKind.RUNNING:
                pair.master = ExitKind.FAILED
            pair.strays = 0
        return Inspected(action.epoch, PairView(pair.master, 4711, None, pair.alive))


class Seat:
    """One host's cell: its virtual time, its unanswered requests, and all that it did and said."""

    def __init__(
        self,
        world: World | None = None,
        *,
        timing: Timing = timing(),
        policy: Policy = policy(),
        now: Instant = BEGINNING,
    ) -> None:
        self.world = World() if world is None else world
        self.host = policy.host
        self.now = now
        self.cell = Cell(timing, policy, now=now)
        self.pending: list[Action] = []
        self.done: list[tuple[Instant, Action]] = []
        """Every request, with the time at which it was made."""
        self.said: list[Say] = []
        self.rows: list[tuple[State, Reason, State]] = []
        """Every transition."""
        self._meddle: Callable[[], None] | None = None
        self._record_transitions()

    @property
    def state(self) -> State:
        """Where the cell stands."""
        return self.cell.snapshot().state

    @property
    def reasons(self) -> list[Reason]:
        """Return why a bid now would be refused."""
        return [refusal.reason for refusal in self.cell.snapshot().refusals]

    def times(self, kind: type[Action]) -> list[Instant]:
        """Return when requests of this kind were made."""
        return [when for when, action in self.done if isinstance(action, kind)]

    def requests(self, kind: type[Kind]) -> list[Kind]:
        """Return the requests of this kind."""
        return [action for _, action in self.done if isinstance(action, kind)]

    def heard(self, event: str) -> list[Say]:
        """Return the lines of this name."""
        return [line for line in self.said if line.event == event]

    def step(self, event: Event) -> None:
        """Give the cell one event now."""
        self._take(self.cell.step(event, self.now))

    def tick(self) -> None:
        """Let the cell do what is due now."""
        self._take(self.cell.tick(self.now))

    def answer(self, action: Action | None = None) -> None:
        """Carry out the oldest request, or this one."""
        chosen = self.pending[0] if action is None else action
        self.pending.remove(chosen)
        event = self.world.perform(self.host, chosen, self.now)
        if self._meddle is not None:
            self._meddle()
        self.step(event)

    def settle(self) -> None:
        """Answer until nothing is asked for any more at this moment."""
        for _ in range(1000):
            if self.pending:
                self.answer()
            elif self.cell.deadline() <= self.now:
                self.tick()
            else:
                return
        raise AssertionError("the cell is busy for ever")

    def run(
        self, seconds: float, *, masters_beat: bool = False, after: Callable[[], None] | None = None
    ) -> None:
        """Let time pass, answering everything at once; ``after`` meddles after each answer."""
        self._meddle = after
        self._pass(Instant(self.now + seconds), None, masters_beat=masters_beat)
        self._meddle = None

    def until(self, kind: type[Kind] | NoticeKind, seconds: float = 3000.0) -> Kind:
        """Let time pass until a request of this kind waits for its answer; return it unanswered."""
        found = self._pass(Instant(self.now + seconds), kind)
        assert found is not None, f"no {kind} within {seconds} s; {self.state}, {self.reasons}"
        return found  # type: ignore[return-value]

    def _pass(
        self, end: Instant, kind: type[Action] | NoticeKind | None, *, masters_beat: bool = False
    ) -> Action | None:
        beat_at = self.now + BEAT
        for _ in range(200_000):
            while self.pending:
                if kind is not None and _is(self.pending[0], kind):
                    return self.pending[0]
                self.answer()
            due = max(self.now, min(self.cell.deadline(), beat_at if masters_beat else end))
            if due > end or (due == end and due < self.cell.deadline()):
                self.now = end
                return None
            self.now = Instant(due)
            if masters_beat and due >= beat_at:
                beat_at += BEAT
                self.world.advance_beat()
            self.tick()
        raise AssertionError("the cell is busy for ever")

    def _take(self, actions: tuple[Action, ...]) -> None:
        self.said += [action for action in actions if isinstance(action, Say)]
        asked = [action for action in actions if not isinstance(action, Say)]
        self.done += [(self.now, action) for action in asked]
        self.pending += asked

    def _record_transitions(self) -> None:
        course = self.cell._shadow.course
        go = course.go

        def recorded(reason: Reason, now: Instant, **words: Any) -> tuple[Action, ...]:
            before = course.state
            said = go(reason, now, **words)
            self.rows.append((before, reason, course.state))
            return said

        course.go = recorded  # type: ignore[method-assign]


def _is(action: Action, kind: type[Action] | NoticeKind) -> bool:
    if isinstance(kind, NoticeKind):
        return isinstance(action, WriteNotice) and action.kind is kind
    return isinstance(action, kind)
