"""The spool's ``lock`` explained: since when, whose, and what to do (GRIDENGINE.md, failure table).

The ancestor's daemon stays silent for ever beside an orphaned lock. Whether a lock is a regular
shutdown's or somebody at work can only be judged together with the heartbeat, and the remedy differs: a
foreign lock beside a beating master swallows the mark of the next shutdown. This module refuses to
remove anything.
"""

from typing import NamedTuple

from shadowd.console.gather import Shared
from shadowd.console.records import HostRecord, clean, in_words
from shadowd.core.ledger import EpochRecord, Ledger
from shadowd.core.values import Epoch, Lock, LockKind, Unknown


class LockView(NamedTuple):
    """What lies there."""

    kind: str
    epoch: int | None
    since: float | None
    owner: str
    text: str
    remedy: str
    blocks: bool
    """True while it keeps every host from taking over."""
    beside_master: bool = False
    """A master beats beside it, and has for longer than a shutdown takes."""


def lock_view(shared: Shared, record: HostRecord | None, *, beating: float | None) -> LockView | None:
    """Explain the lock; None where there is none.

    ``beating``: when a master that beats was last seen to, in Unix seconds; None where none does.
    ``record`` is the freshest daemon's: a lock is for its owner's eyes (0600), and monitoring need not be
    root, so its word counts where ours is refused.
    """
    lock = _second_hand(shared.lock, record)
    path = f"{shared.spool}/lock"
    if isinstance(lock, Unknown):
        text = in_words(lock)
        remedy = f"As root see what it is (ls -ld {path}): absent or a small regular file is right."
        return LockView("unknown", None, None, "", text, remedy, blocks=True)
    match lock.kind:
        case LockKind.ABSENT:
            return None
        case LockKind.CLAIM:
            return _of_claim(lock, shared, path)
        case LockKind.FOREIGN:
            return _foreign(lock, shared.lock_owner, path, beside=_outlived(lock, record, beating))


def _outlived(lock: Lock, record: HostRecord | None, beating: float | None) -> bool:
    """Tell whether a master goes on beating beside the lock.

    One that is being shut down may beat once more after its lock came (GRIDENGINE.md: it takes 8 to 19 s),
    and its last beat is young for minutes afterwards; neither makes the lock of its shutdown a stray one.
    """
    if beating is None or lock.wall is None:
        return beating is not None
    return beating > lock.wall + 2 * (record.durations.get("beat_interval", 30.0) if record else 30.0)


def _second_hand(lock: Lock | Unknown, record: HostRecord | None) -> Lock | Unknown:
    if not isinstance(lock, Unknown) or "ermission" not in lock.detail or record is None or not record.lock:
        return lock
    kind = {LockKind.CLAIM.value: LockKind.CLAIM, LockKind.FOREIGN.value: LockKind.FOREIGN}.get(
        record.lock.kind
    )
    if kind is None:  # the daemon saw none yet
        return lock
    epoch = None if record.lock.epoch is None else Epoch(record.lock.epoch)
    return Lock(kind, epoch, wall=record.lock.since)


def _of_claim(lock: Lock, shared: Shared, path: str) -> LockView:
    ledger = shared.ledger
    record = ledger.get(lock.epoch) if isinstance(ledger, Ledger) and lock.epoch is not None else None
    whose = f"of the takeover of epoch {lock.epoch}{_holder(record)}"
    if record and record.open and not record.confirmed:
        text, remedy = f"{whose}, which is under way", "Wait: the launch ends with a master or is closed."
    else:
        text = f"{whose}, which is over"
        remedy = f"Nothing to do: the guard or the next takeover removes {path}."
    return LockView("claim", lock.epoch, lock.wall, shared.lock_owner, text, remedy, blocks=False)


def _holder(record: EpochRecord | None) -> str:
    return "" if record is None or isinstance(record.claim, Unknown) else f" by {clean(record.claim.host)}"


def _foreign(lock: Lock, owner: str, path: str, *, beside: bool) -> LockView:
    if beside:
        text = "not ours, beside a master that beats: nobody takes over while it lies there"
        remedy = (
            "It would also hide the next regular shutdown. If no shutdown and no takeover is going on now, "
            f"remove it: rm {path}"
        )
    else:
        text = "of a regular shutdown, or of another shadow daemon (sge_shadowd) at work"
        remedy = (
            "After a shutdown: start the master with the startup script, it removes the lock. If nobody shut "
            f"it down and no sge_shadowd is at work, switch failover on again: rm {path}"
        )
    return LockView("foreign", None, lock.wall, owner, text, remedy, blocks=True, beside_master=beside)
