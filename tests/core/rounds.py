"""Values for the tests of the core: a claim, a ledger, a round, each ordinary unless told otherwise."""

from typing import Any

from shadowd.core.events import Observed
from shadowd.core.ledger import EpochRecord, Ledger
from shadowd.core.policy import Policy
from shadowd.core.timing import Timing
from shadowd.core.values import (
    BeatReading,
    Claim,
    ClaimReason,
    Epoch,
    ExitKind,
    Host,
    Instant,
    Lock,
    LockKind,
    NoticeKind,
    PairView,
    Pause,
    Problem,
    Protection,
    Unknown,
)

HERE = Host("alpha")
"""The host whose cell is tested."""
THERE = Host("beta")
"""The host whose master is watched."""
ELSEWHERE = Host("gamma")
"""One more shadow."""
BEGINNING = Instant(1000.0)

ABSENT = Lock(LockKind.ABSENT)
FOREIGN = Lock(LockKind.FOREIGN)
PAUSE = Pause("eve", "new disks", None, number=1)
UNREADABLE = Unknown(Problem.UNREADABLE, "a file", "input/output error")

RUNNING = PairView(ExitKind.RUNNING, 4711, None, 1)
GONE = PairView(ExitKind.UNSEEN, None, None, 0)


def timing(**changes: Any) -> Timing:
    """Return the default timing (60/240/600), with these changes, derived."""
    return Timing(**changes).derived()


def policy(**changes: Any) -> Policy:
    """Return the policy of HERE, with these changes; a master that dies is handed over at once."""
    usual = {"host": HERE, "machine_id": f"machine-{HERE}", "boot_id": "boot", "restart_limit": 0}
    return Policy(**{**usual, **changes})


def claim(epoch: int, host: Host = THERE, **changes: Any) -> Claim:
    """Return a host's claim of an epoch, stated with the default timing."""
    usual = timing()
    fields = {
        "cell": "default",
        "epoch": Epoch(epoch),
        "host": host,
        "machine_id": f"machine-{host}",
        "boot_id": "boot",
        "pid": 12,
        "start_token": "34",
        "nonce": f"{host}-{epoch}",
        "reason": ClaimReason.SILENCE,
        "supersedes": Epoch(epoch - 1),
        "lease": usual.lease,
        "licence": usual.licence,
        "window": usual.window,
        "protection": Protection.GUARDED,
        "wall": 0.0,
    }
    return Claim(**{**fields, **changes})


def record(epoch: int, *notices: NoticeKind, host: Host = THERE, **changes: Any) -> EpochRecord:
    """Return a host's epoch with these notices."""
    return EpochRecord(Epoch(epoch), claim(epoch, host, **changes), frozenset(notices))


def confirmed(epoch: int, *more: NoticeKind, host: Host = THERE, **changes: Any) -> EpochRecord:
    """Return an epoch whose master was seen to run."""
    return record(epoch, NoticeKind.LAUNCHING, NoticeKind.STARTED, *more, host=host, **changes)


def ledger(*records: EpochRecord, doubts: tuple[Unknown, ...] = ()) -> Ledger:
    """Return a listing of these epochs."""
    return Ledger(records, doubts)


def reading(value: int | Unknown, issued: float, completed: float | None = None) -> BeatReading:
    """Return one read of the heartbeat."""
    return BeatReading(value, Instant(issued), Instant(issued if completed is None else completed))


def observed(now: float, **changes: Any) -> Observed:
    """Return a round that was read in no time: beat 7, no lock, the master at THERE, nothing special."""
    when = Instant(now)
    beat = changes.pop("beat", 7)
    fields = {
        "listed": when,
        "ledger": Ledger(),
        "lock": ABSENT,
        "beat": beat if isinstance(beat, BeatReading) else reading(beat, now),
        "active": THERE,
        "shadows": (THERE, HERE, ELSEWHERE),
        "pause": None,
        "resident": None,
        "completed": when,
    }
    return Observed(**{**fields, **changes})
