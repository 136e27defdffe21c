"""The shared directory of one cell, in memory, and how each host sees it.

``Disk`` is the server: every operation is atomic there, as NFS.md measured for link, create-exclusive and
rename. ``View`` is one host's mount and everything else that can answer badly on that host: an operation
may fail, be done while its reply is lost, answer late, or hang until somebody heals it.

This module refuses to decide anything: what an answer means is the host's part, what to do the core's.
"""

from collections import deque
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass
from enum import Enum
from typing import Any

from shadowd.core.ledger import EpochRecord, Ledger
from shadowd.core.timing import Timing
from shadowd.core.values import (
    NEVER,
    OUTCOMES,
    Claim,
    ClaimKey,
    ClaimReason,
    Epoch,
    Host,
    Lock,
    LockKind,
    NoticeKind,
    Pause,
    PauseReading,
    Problem,
    Protection,
    Seconds,
    Unknown,
)


class Op(Enum):
    """What a host asks of the world: the places where a fault can strike."""

    LIST = "list"
    LINK_CLAIM = "link claim"
    READ_CLAIM = "read claim"
    LINK_NOTICE = "link notice"
    READ_LOCK = "read lock"
    READ_BEAT = "read heartbeat"
    READ_ACTIVE = "read act_qmaster"
    READ_SHADOWS = "read shadow_masters"
    READ_PAUSE = "read pause"
    LINK_LOCK = "link lock"
    CLEAR_LOCK = "clear lock"
    WRITE_ACTIVE = "write act_qmaster"
    PUBLISH = "publish"
    PROBE = "probe"
    LAUNCH = "launch"
    SCHEDULE = "launch scheduler"
    INSPECT = "inspect"
    STOP = "stop"
    ADOPT = "adopt"
    FENCE = "fence"


LOCAL = (Op.LAUNCH, Op.SCHEDULE, Op.INSPECT, Op.STOP, Op.ADOPT)
NETWORK = (Op.PROBE, Op.FENCE)
SHARED = tuple(op for op in Op if op not in LOCAL and op not in NETWORK)
"""What hangs when the mount does."""


@dataclass(frozen=True, slots=True)
class Fault:
    """How one operation goes wrong."""

    done: bool
    """The effect takes place."""
    known: bool
    """The answer arrives as it should; else it is Unknown."""
    late: Seconds = Seconds(0)
    """The answer comes this long after the effect."""


FAILS = Fault(done=False, known=False)
LOST = Fault(done=True, known=False)
HANGS = Fault(done=False, known=True)
DONE_BUT_HANGS = Fault(done=True, known=True, late=Seconds(NEVER))
"""The server did it and went away: no answer until it is back."""


def late(seconds: float) -> Fault:
    """Return the fault of an answer that comes so many seconds after it was true."""
    return Fault(done=True, known=True, late=Seconds(seconds))


_PRUNES = frozenset({NoticeKind.STARTED, NoticeKind.FAILED})
PRUNE_ABOVE, PRUNE_TO = 400, 200


class Disk:
    """The files of one cell. Fields are set by tests as a person would edit the files."""

    def __init__(self, cell: str, shadows: Iterable[Host]) -> None:
        self.cell = cell
        self.beat: int | Problem = 1
        self.lock = Lock(LockKind.ABSENT)
        self.shadows: tuple[Host, ...] | Problem = tuple(shadows)
        self.active: Host | Problem = self.shadows[0]
        self.pause: Pause | Problem | None = None
        self.pauses = 0
        """How many pauses there were."""
        self.published: dict[Host, bytes] = {}
        self.claims: dict[Epoch, Claim] = {}
        self.notices: dict[Epoch, frozenset[NoticeKind]] = {}
        self.identity = ""
        """Of the cell; empty until it is founded."""
        self.stir: Callable[[], None] = lambda: None
        """Called when an epoch gets a notice."""
        self._ledger: Ledger | None = None

    def ledger(self) -> Ledger:
        """Return a fresh listing."""
        if self._ledger is None:
            records = [
                EpochRecord(epoch, claim, self.notices.get(epoch, frozenset()))
                for epoch, claim in sorted(self.claims.items())
            ]
            first = max((record.epoch for record in records if record.launched), default=0)
            self._ledger = Ledger(tuple(record for record in records if record.epoch >= first or record.open))
        return self._ledger

    def link_claim(self, claim: Claim) -> Claim:
        """Create the claim if its number is free; return whose it is now."""
        self._ledger = None
        return self.claims.setdefault(claim.epoch, claim)

    def link_notice(self, claim: ClaimKey, kind: NoticeKind) -> Unknown | None:
        """Create the notice; an epoch that was closed otherwise has its one outcome already."""
        epoch = claim.epoch
        holder = self.claims.get(epoch)
        if holder is not None and holder.key != claim:
            return Unknown(Problem.FOREIGN, f"claims/{epoch}", "another claim holds the number")
        present = self.notices.get(epoch, frozenset())
        if kind in OUTCOMES and present & OUTCOMES - {kind}:
            return Unknown(Problem.UNREADABLE, f"notices/{epoch}.{kind.value}", "closed before")
        self._ledger = None
        self.notices[epoch] = present | {kind}
        if kind in _PRUNES and len(self.claims) > PRUNE_ABOVE:
            self._prune()
        self.stir()
        return None

    def add_failed(self, host: Host, count: int, timing: Timing) -> None:
        """Have so many epochs that were claimed and closed ``failed``, one after the other."""
        told = frozenset({NoticeKind.LAUNCHING, NoticeKind.FAILED})
        terms = (timing.lease, timing.licence, timing.window, Protection.GUARDED, 0.0)
        for _ in range(count):
            last = max(self.claims, default=Epoch(0))
            epoch = Epoch(last + 1)
            who = (host, f"machine-{host}", "boot", 1, "start", f"failed-{epoch}")
            self.claims[epoch] = Claim(self.cell, epoch, *who, ClaimReason.SILENCE, last, *terms)
            self.notices[epoch] = told
        self._ledger = None
        self._prune()
        self.stir()

    def _prune(self) -> None:
        """Remove the oldest epochs that account for nothing, as the real directory is pruned."""
        kinds = {epoch: self.notices.get(epoch, frozenset()) for epoch in sorted(self.claims)}
        first = min((record.epoch for record in self.ledger().suspects), default=Epoch(0))
        spent = [
            epoch
            for epoch in list(kinds)[:-1]
            if epoch < first or (NoticeKind.FAILED in kinds[epoch] and NoticeKind.STARTED not in kinds[epoch])
        ]
        for epoch in spent[: len(self.claims) - PRUNE_TO]:
            del self.claims[epoch]
            self.notices.pop(epoch, None)
        self._ledger = None

    def old_copy(self, highest: int, *, identified: bool) -> "Disk":
        """Return what lies beneath the mount point: a copy from when this was the highest epoch."""
        old = copy(self)
        old.stir = lambda: None
        old.published = {}
        old.identity = self.identity if identified else ""
        old.put_back(highest)
        return old

    def put_back(self, highest: int) -> None:
        """Lose every record above this epoch, as a restored directory does."""
        self.claims = {epoch: claim for epoch, claim in self.claims.items() if epoch <= highest}
        self.notices = {epoch: kinds for epoch, kinds in self.notices.items() if epoch <= highest}
        self._ledger = None
        self.stir()

    def link_lock(self, epoch: Epoch, nonce: str) -> Lock:
        """Create the lock of a claim, over one of a lower epoch; return what lies there now."""
        older = self.lock.kind is LockKind.CLAIM and (self.lock.epoch or 0) < epoch
        if older or self.lock.kind is LockKind.ABSENT:
            self.lock = Lock(LockKind.CLAIM, epoch, nonce)
        return self.lock

    def clear_lock(self) -> None:
        """Remove the lock if it names a claim."""
        if self.lock.kind is LockKind.CLAIM:
            self.lock = Lock(LockKind.ABSENT)

    def clear_mark(self) -> None:
        """Remove an empty lock."""
        if self.lock.kind is LockKind.FOREIGN:
            self.lock = Lock(LockKind.ABSENT)

    def mark_shutdown(self) -> None:
        """Create the empty lock, as a master's clean exit does: a lock that lies there swallows it."""
        if self.lock.kind is LockKind.ABSENT:
            self.lock = Lock(LockKind.FOREIGN)

    def remove_lock(self) -> None:
        """Remove the lock whoever made it, as a master does when it starts."""
        self.lock = Lock(LockKind.ABSENT)

    def advance_beat(self) -> None:
        """Advance the counter, as a master does; one that cannot be read begins anew."""
        self.beat = self.beat % 99999 + 1 if isinstance(self.beat, int) else 1

    def begin_pause(self, why: str) -> None:
        """Pause failover, as `shadowd pause` does."""
        self.pauses += 1
        self.pause = Pause("a person", why, None, number=self.pauses)

    def read_pause(self) -> PauseReading:
        """Return the pause record."""
        if isinstance(self.pause, Problem):
            return PauseReading(Unknown(self.pause, "pause"), None)
        return PauseReading(self.pause, self.pauses)

    def read(self, name: str) -> int | Host | tuple[Host, ...] | Unknown:
        """Return one of the plain files as a value."""
        value: int | Host | tuple[Host, ...] | Problem = getattr(self, name)
        return Unknown(value, name) if isinstance(value, Problem) else value


class View:
    """How one host sees one cell: what is wrong now, what will be, and who waits for it to heal."""

    def __init__(self, stir: Callable[[], None] = lambda: None) -> None:
        self.draw: Callable[[Op], Fault | None] | None = None
        """Draws a fault for one operation: where a swarm comes in."""
        self.stale: dict[Op, Callable[[], Any]] = {}
        """What is read instead of the truth: an attribute cache that has not expired."""
        self._standing: dict[Op, Fault] = {}
        self._next: dict[Op, deque[Fault]] = {}
        self._waiting: deque[Callable[[], None]] = deque()
        self._stir = stir

    @property
    def sound(self) -> bool:
        """True while nothing is wrong and nothing will be."""
        return not (self._standing or self._next or self._waiting or self.stale or self.draw)

    @property
    def hangs(self) -> bool:
        """True while the mount hangs, for this host's masters too."""
        return self._standing.get(Op.READ_BEAT) is HANGS

    @property
    def broken(self) -> bool:
        """True while the mount answers with errors, to this host's masters too."""
        return self._standing.get(Op.READ_BEAT) is FAILS

    def inject(self, op: Op, fault: Fault) -> None:
        """Let the next operation of this kind go wrong."""
        self._next.setdefault(op, deque()).append(fault)

    def set(self, fault: Fault, ops: Iterable[Op] = SHARED) -> None:
        """Let all these operations go wrong until ``heal``."""
        self._standing.update(dict.fromkeys(ops, fault))
        self._stir()

    def heal(self) -> None:
        """End all standing faults; whatever hung goes on, in its order."""
        self._standing.clear()
        waiting, self._waiting = self._waiting, deque()
        self._stir()
        for go_on in waiting:
            go_on()

    def wait(self, go_on: Callable[[], None]) -> None:
        """Call this when healed."""
        self._waiting.append(go_on)

    def fate(self, op: Op) -> Fault | None:
        """Tell how the operation that begins now will go wrong, if at all."""
        if op in self._standing:
            return self._standing[op]
        if op in self._next:
            fault = self._next[op].popleft()
            if not self._next[op]:
                del self._next[op]
            return fault
        return None if self.draw is None else self.draw(op)
