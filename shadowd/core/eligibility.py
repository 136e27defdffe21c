"""May this host bid now, and if not, what exactly speaks against it.

Every check of PROTOCOL rules 4, 5, 12, 15, 16 and 19 in the order in which a person would want to hear
them. All that fail are returned, not only the first: ``status`` shows the whole list, so that nobody
removes one obstacle at 3 a.m. only to meet the next.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from shadowd.core.accounts import Account
from shadowd.core.events import Observed, Probed
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import Refusal
from shadowd.core.values import (
    Epoch,
    Host,
    Instant,
    LockKind,
    ProbeOutcome,
    Problem,
    Seconds,
    ServerLock,
    Unknown,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a shadow knows besides the round it just read."""

    host: Host
    observer: bool
    unknown_beat_counts: bool
    peak: Epoch
    """The highest epoch ever listed."""
    shut_down: bool
    """The newest confirmed epoch was stopped on purpose, and no beat was seen since."""
    accounts: tuple[Account, ...]
    unproved: Probed | None
    """The last probe, where it proved nothing, and nothing else accounts for the old master."""
    retry_at: Instant
    owes_outcome: bool
    duplicate: Refusal | None
    """There were signs of another machine of this name."""
    asked: bool
    """An operator asked: back-off, a recorded shutdown and a listener do not bind, a fresh beat does."""
    moving: bool
    """An operator wants the master moved here: it may beat, and its guard must be able to step down."""
    guarded: bool
    """The last confirmed epoch is open, guarded, and another host's."""
    silent_at: Instant | None
    """When the silence will have reached stale_after; None where it has."""
    last_beat: Instant
    fresh_beat: Seconds
    """How long after a beat the master counts as beating, whoever asks."""


def refusals(seen: Observed, known: Circumstances, now: Instant) -> tuple[Refusal, ...]:
    """Return all that speaks against a bid by this host; empty means eligible."""
    return (
        *_records(seen, known),
        *_files(seen, known),
        *_hosts(seen, known),
        *_unfit(seen, known),
        *_waits(known, now),
    )


def unproved(event: Probed) -> Refusal | None:
    """Return what a probe leaves in doubt; None where its outcome says what is there."""
    if event.outcome is ProbeOutcome.LISTENS:
        return Refusal(Reason.LISTENS, f"on {event.host}")
    return Refusal(Reason.ACTIVE_UNASKED, event.doubt) if event.doubt else None


def _records(seen: Observed, known: Circumstances) -> Iterator[Refusal]:
    if isinstance(seen.ledger, Unknown):
        foreign = seen.ledger.problem is Problem.FOREIGN
        yield _unreadable(Reason.CELL_FOREIGN if foreign else Reason.CELL_UNREADABLE, seen.ledger)
        return
    for doubt in seen.ledger.doubts[:3]:
        yield _unreadable(Reason.LEDGER_DOUBT, doubt)
    if seen.ledger.highest < known.peak:
        detail = f"epoch {known.peak} was there, now the highest is {seen.ledger.highest}"
        yield Refusal(Reason.LEDGER_SHRANK, detail)


def _files(seen: Observed, known: Circumstances) -> Iterator[Refusal]:
    if isinstance(seen.lock, Unknown):
        yield _unreadable(Reason.LOCK_UNKNOWN, seen.lock)
    elif seen.lock.kind is LockKind.FOREIGN:
        yield Refusal(Reason.LOCKED)
    if isinstance(seen.server_lock, Unknown):
        yield _unreadable(Reason.SERVER_LOCK_UNKNOWN, seen.server_lock)
    elif seen.server_lock is ServerLock.HELD:
        yield Refusal(Reason.FOREIGN_SERVER)
    elif seen.server_lock is ServerLock.UNLOCKED:
        yield Refusal(Reason.SERVER_UNLOCKED)
    elif seen.server_lock is ServerLock.NAMED and known.silent_at is not None:
        yield Refusal(Reason.FOREIGN_SERVER, until=known.silent_at)
    if isinstance(seen.beat.value, Unknown) and not known.unknown_beat_counts:
        yield _unreadable(Reason.BEAT_UNKNOWN, seen.beat.value)
    if known.shut_down and not known.asked:
        yield Refusal(Reason.SHUT_DOWN)
    if isinstance(seen.pause, Unknown):
        yield _unreadable(Reason.PAUSE_UNKNOWN, seen.pause)
    elif seen.pause is not None:
        yield Refusal(Reason.PAUSED, f"by {seen.pause.who}: {seen.pause.why}")
    if seen.resident is not None:
        yield Refusal(Reason.RESIDENT, f"pid {seen.resident}")


def _hosts(seen: Observed, known: Circumstances) -> Iterator[Refusal]:
    if isinstance(seen.shadows, Unknown):
        yield _unreadable(Reason.SHADOWS_UNKNOWN, seen.shadows)
    elif known.observer or known.host not in seen.shadows:
        yield Refusal(Reason.NOT_A_SHADOW, "configured as observer" if known.observer else "")
    if known.duplicate is not None:
        yield known.duplicate
    if isinstance(seen.active, Unknown):
        yield _unreadable(Reason.ACTIVE_UNKNOWN, seen.active)
    elif known.unproved is not None and seen.active == known.unproved.host and not known.asked:
        refusal = unproved(known.unproved)
        yield from () if refusal is None else (replace(refusal, until=known.retry_at),)


def _unfit(seen: Observed, known: Circumstances) -> Iterator[Refusal]:
    """Yield what this host lacks to run the master, and which of its directories hold other data.

    The directories of the master's host count. Where nothing is known of those, one on a local disk that is
    not that of any other host counts as another one. The host that act_qmaster names has the right ones.
    """
    for lack in seen.fitness.lacks:
        yield Refusal(Reason.CANNOT_RUN, lack)
    listed = () if isinstance(seen.shadows, Unknown) else seen.shadows
    for each in seen.fitness.paths if seen.active != known.host else ():
        apart = tuple(host for host in each.other if host == seen.active or host in listed)
        alone = each.local and not each.same and bool(apart)
        if seen.active in apart or alone:
            yield Refusal(Reason.NOT_SHARED, f"{each.path} is not that of {', '.join(apart)}")


def _waits(known: Circumstances, now: Instant) -> Iterator[Refusal]:
    if known.moving and not known.guarded:
        yield Refusal(Reason.NOT_GUARDED)
    for account in known.accounts:
        yield Refusal(account.reason, f"epoch {account.epoch} on {account.host}", account.until)
    if known.owes_outcome:
        yield Refusal(Reason.OWES_OUTCOME)
    if known.retry_at > now and not known.asked:
        yield Refusal(Reason.BACKING_OFF, until=known.retry_at)
    beating_until = Instant(known.last_beat + known.fresh_beat)
    if known.asked and not known.moving and beating_until > now:
        yield Refusal(Reason.BEATING, until=beating_until)


def _unreadable(reason: Reason, unknown: Unknown) -> Refusal:
    detail = f" ({unknown.detail})" if unknown.detail else ""
    return Refusal(reason, f"{unknown.subject}: {unknown.problem.value}{detail}")
