"""A whole cell in memory, without I/O, clocks or chance: it answers actions, and time is a number.

``World`` is what the hosts share and what runs on them. The simulator of the package is another thing: it has
latencies, faults and chance.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shadowd.core.actions import (
    Action,
    Adopt,
    AskHealth,
    ClearLock,
    ClearMark,
    Fence,
    Identify,
    Inspect,
    KeepLease,
    Launch,
    LaunchScheduler,
    ListEpochs,
    MakeClaim,
    NameMaster,
    Observe,
    PlaceLock,
    Probe,
    RestoreClaim,
    StopPair,
    StopStray,
    TermPair,
    WriteBeat,
    WriteNotice,
)
from shadowd.core.events import (
    BeatWritten,
    ClaimAnswered,
    Event,
    Fenced,
    HealthAnswered,
    Identified,
    Inspected,
    Launched,
    LeaseKept,
    Listed,
    LockAnswered,
    LockCleared,
    MasterNamed,
    NoticeAnswered,
    Observed,
    Probed,
    StrayStopped,
)
from shadowd.core.fitness import NOTHING_LACKS, Fitness
from shadowd.core.ledger import EpochRecord, Ledger
from shadowd.core.values import (
    BeatReading,
    Claim,
    ClaimKey,
    Epoch,
    ExitKind,
    FenceOutcome,
    Host,
    Instant,
    Lock,
    LockKind,
    NoticeKind,
    PairView,
    Pause,
    ProbeOutcome,
    Problem,
    ServerLock,
    Unknown,
)
from tests.core.rounds import ABSENT, ELSEWHERE, FOREIGN, HERE, THERE, claim


@dataclass(slots=True)
class Pair:
    """The processes of one epoch on one host."""

    master: ExitKind = ExitKind.RUNNING
    strays: int = 0
    """Live processes besides the master."""
    beating: bool = True
    scheduler: ExitKind | None = None
    unkillable: bool = False
    frozen: bool = False
    serving: bool | None = None

    @property
    def alive(self) -> int:
        """How many processes live."""
        return self.strays + sum(kind is ExitKind.RUNNING for kind in (self.master, self.scheduler))

    @property
    def view(self) -> PairView:
        """What an inspection shows."""
        pid = 4711 if self.master is ExitKind.RUNNING else None
        return PairView(self.master, pid, self.scheduler, self.alive, self.frozen, self.serving)

    def end(self, kind: ExitKind = ExitKind.FAILED) -> None:
        """Let all of it end."""
        self.master = kind if self.master is ExitKind.RUNNING else self.master
        self.scheduler = kind if self.scheduler is ExitKind.RUNNING else self.scheduler
        self.strays = 0


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
    pauses: int = 0
    """How many there were."""
    resident: int | None = None
    server_lock: ServerLock | Unknown = ServerLock.NONE
    fitness: Fitness = NOTHING_LACKS
    """Of every host."""
    probe: ProbeOutcome = ProbeOutcome.REFUSES
    pairs: dict[tuple[Host, Epoch], Pair] = field(default_factory=dict)
    refuses: dict[type[Action] | NoticeKind, Unknown] = field(default_factory=dict)
    """What cannot be done, and why."""
    launch: Callable[["World", Host, Epoch], None] | None = None
    """What a launched program does; by default it is a good master at once."""
    nonces: dict[tuple[Host, Epoch], str] = field(default_factory=dict)
    """What the processes of an epoch carry, whatever becomes of its record."""
    fences: dict[Host, FenceOutcome] = field(default_factory=dict)
    """What becomes of an attempt to switch a host off; by default it is proved dead."""
    here: dict[Host, bool] = field(default_factory=dict)
    """Whose names lead to the host that asks, or not; of others nobody knows."""
    lives: int = 0
    """How many daemons died so far; each new one draws other nonces."""

    def add(self, *records: EpochRecord) -> None:
        """Put epochs on disk."""
        self.records.update({record.epoch: record for record in records})
        claims = [record.claim for record in records if isinstance(record.claim, Claim)]
        self.nonces.update({(claim.host, claim.epoch): claim.nonce for claim in claims})

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
            case ClearMark():
                if problem is None and self.lock == FOREIGN:
                    self.lock = ABSENT
                return LockCleared(problem)
            case NameMaster(named):
                self.active = named if problem is None else self.active
                return MasterNamed(problem)
            case RestoreClaim(lost):
                if problem is not None:
                    return ClaimAnswered(lost.epoch, lost.nonce, problem)
                held = self.records.setdefault(lost.epoch, EpochRecord(lost.epoch, lost))
                return ClaimAnswered(lost.epoch, lost.nonce, held.claim)
            case WriteBeat(epoch):
                if problem is None:
                    self.advance_beat()
                return BeatWritten(epoch, problem)
            case AskHealth(epoch):
                return HealthAnswered(epoch, problem)
            case KeepLease(kept):
                return LeaseKept(kept)
            case StopStray(pid):
                self.resident = self.resident if problem else None
                return StrayStopped(pid, alive=problem is not None)
            case _:
                return self._perform(host, action, now, problem)

    def _perform(self, host: Host, action: Action, now: Instant, problem: Unknown | None) -> Event:
        match action:
            case Observe():
                return self._observe(now)
            case ListEpochs():
                return Listed(now, self.ledger())
            case Probe(asked):
                return Probed(asked, self.probe)
            case Identify(asked):
                return Identified(asked, self.here.get(asked))
            case Fence(epoch, asked):
                return Fenced(epoch, asked, self.fences.get(asked, FenceOutcome.DEAD), "by hand")
            case MakeClaim():
                return self._claim(host, action, problem)
            case WriteNotice(epoch, kind, nonce):
                return self._notice(ClaimKey(epoch, nonce), kind)
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
        number = self.pause.number if isinstance(self.pause, Pause) else 0
        self.pauses = max(self.pauses, number)
        more = (self.pauses, self.server_lock, self.fitness)
        return Observed(now, self.ledger(), self.lock, beat, *rest, now, *more)

    def _claim(self, host: Host, action: MakeClaim, problem: Unknown | None) -> ClaimAnswered:
        stated = {name: getattr(action, name) for name in action.__slots__ if name != "epoch"}
        nonce = f"{host}-{action.epoch}" + (f"-{self.lives}" if self.lives else "")
        ours = claim(action.epoch, host, nonce=nonce, **stated)
        if problem is not None:
            return ClaimAnswered(action.epoch, ours.nonce, problem)
        held = self.records.setdefault(action.epoch, EpochRecord(action.epoch, ours))
        if held.claim == ours:
            self.nonces[host, action.epoch] = ours.nonce
        return ClaimAnswered(action.epoch, ours.nonce, held.claim)

    def _notice(self, claim: ClaimKey, kind: NoticeKind) -> NoticeAnswered:
        problem = self.refuses.get(kind)
        held = self.records.get(claim.epoch)
        if held is not None and not held.belongs_to(claim):
            problem = Unknown(Problem.FOREIGN, f"claims/{claim.epoch}")
        if problem is None:
            self.note(claim.epoch, kind)
        return NoticeAnswered(claim.epoch, kind, problem)

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
                self.pairs[key].scheduler = ExitKind.RUNNING
            return Launched(action.epoch, problem)
        assert isinstance(action, Inspect | StopPair | TermPair | Adopt)
        if isinstance(action, Adopt) and action.pid == self.resident and problem is None:
            self.resident, self.pairs[key] = None, Pair()
        pair = self.pairs.get(key)
        if pair is None or action.nonce != self.nonces.get(key):
            return Inspected(action.epoch, PairView(ExitKind.UNSEEN, None, None, 0))
        if isinstance(action, StopPair) and not pair.unkillable:
            pair.end()
        if isinstance(action, TermPair) and not pair.unkillable:
            pair.end(ExitKind.CLEAN)
            self.lock = FOREIGN if self.lock == ABSENT else self.lock
        return Inspected(action.epoch, pair.view)
