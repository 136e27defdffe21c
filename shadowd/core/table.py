"""The transitions of a cell on one host: which state, for which reason, becomes which.

The table is literal so that a person can check it against the diagram in ``shadowd.core``; a pair that is
not in it is a programming error and raises. The event is the name under which the log prints the row.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from shadowd.core.actions import Level
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State


@dataclass(frozen=True, slots=True)
class Row:
    """One transition."""

    state: State
    reason: Reason
    next: State
    event: str
    level: Level = Level.INFO


REFUSALS = (
    Reason.CELL_UNREADABLE,
    Reason.CELL_FOREIGN,
    Reason.LEDGER_DOUBT,
    Reason.LEDGER_SHRANK,
    Reason.LOCK_UNKNOWN,
    Reason.LOCKED,
    Reason.SERVER_LOCK_UNKNOWN,
    Reason.FOREIGN_SERVER,
    Reason.SERVER_UNLOCKED,
    Reason.BEAT_UNKNOWN,
    Reason.SHUT_DOWN,
    Reason.PAUSE_UNKNOWN,
    Reason.PAUSED,
    Reason.SHADOWS_UNKNOWN,
    Reason.NOT_A_SHADOW,
    Reason.CANNOT_RUN,
    Reason.NOT_SHARED,
    Reason.DUPLICATE_HOST,
    Reason.ACTIVE_UNKNOWN,
    Reason.LISTENS,
    Reason.ACTIVE_UNASKED,
    Reason.RESIDENT,
    Reason.WINDOW_OPEN,
    Reason.LEASE_RUNS,
    Reason.OWES_OUTCOME,
    Reason.BACKING_OFF,
    Reason.NOT_GUARDED,
    Reason.BEATING,
)
"""What ``eligibility.refusals`` may return."""
_PASSED = (Reason.BACKING_OFF, Reason.BEATING)
"""Refusals that are over for good when a verification begins."""
_NOT_ASKED = (Reason.BACKING_OFF, Reason.SHUT_DOWN, Reason.LISTENS, Reason.ACTIVE_UNASKED)
"""Refusals that do not bind an operator, and only an operator's request is refused aloud while STALE."""

ABANDONED = (
    Reason.SUPERSEDED,
    Reason.LICENCE_OVER,
    Reason.BEAT_MOVED,
    Reason.LEDGER_SHRANK,
    Reason.LOCKED,
    Reason.PAUSED,
    Reason.SHUT_DOWN,
    Reason.ACTIVE_CHANGED,
    Reason.RESIDENT,
    Reason.FOREIGN_SERVER,
)
"""Why a won claim is given up before its launch."""


def _rows(
    state: State,
    reasons: Iterable[Reason],
    following: State,
    event: str,
    level: Level,
) -> tuple[Row, ...]:
    return tuple(Row(state, reason, following, event, level) for reason in reasons)


def _refused(state: State, *, but: tuple[Reason, ...]) -> tuple[Row, ...]:
    reasons = (reason for reason in REFUSALS if reason not in but)
    return _rows(state, reasons, State.STANDBY, "takeover.refused", Level.WARNING)


TABLE: tuple[Row, ...] = (
    Row(State.STANDBY, Reason.SILENT, State.STALE, "heartbeat.stale", Level.WARNING),
    Row(State.STANDBY, Reason.DEATH_NOTICE, State.STALE, "heartbeat.stale", Level.WARNING),
    Row(State.STANDBY, Reason.VACANT, State.STALE, "cell.vacant"),
    Row(State.STANDBY, Reason.ASKED, State.STALE, "takeover.asked"),
    Row(State.STANDBY, Reason.ASKED_MOVE, State.STALE, "takeover.asked"),
    Row(State.STANDBY, Reason.RESTARTING, State.CLAIMING, "master.restarting", Level.WARNING),
    Row(State.STANDBY, Reason.ADOPTING, State.CLAIMING, "master.adopting", Level.WARNING),
    Row(State.STANDBY, Reason.ATTACHED, State.ACTIVE, "master.attached"),
    Row(State.STANDBY, Reason.RESUMED, State.LAUNCHING, "takeover.resumed"),
    Row(State.STALE, Reason.BEAT_MOVED, State.STANDBY, "shadow.standby"),
    Row(State.STALE, Reason.DELAY_OVER, State.VERIFYING, "takeover.verifying"),
    Row(State.STALE, Reason.DEATH_NOTICE, State.VERIFYING, "takeover.verifying"),
    Row(State.STALE, Reason.VACANT, State.VERIFYING, "takeover.verifying"),
    Row(State.STALE, Reason.ASKED, State.VERIFYING, "takeover.verifying"),
    Row(State.STALE, Reason.ASKED_MOVE, State.VERIFYING, "takeover.verifying"),
    Row(State.STALE, Reason.ADOPTING, State.CLAIMING, "master.adopting", Level.WARNING),
    Row(State.STALE, Reason.ATTACHED, State.ACTIVE, "master.attached"),
    Row(State.STALE, Reason.RESUMED, State.LAUNCHING, "takeover.resumed"),
    *_refused(State.STALE, but=_NOT_ASKED),
    Row(State.VERIFYING, Reason.BEAT_MOVED, State.STANDBY, "shadow.standby"),
    Row(State.VERIFYING, Reason.MASTER_ANSWERS, State.STANDBY, "heartbeat.stuck", Level.WARNING),
    *_refused(State.VERIFYING, but=_PASSED),
    Row(State.VERIFYING, Reason.ALL_CLEAR, State.CLAIMING, "takeover.claiming"),
    Row(State.CLAIMING, Reason.WON, State.ACCOUNTING, "takeover.accounting"),
    Row(State.CLAIMING, Reason.LOST, State.STANDBY, "takeover.lost"),
    Row(State.CLAIMING, Reason.CLAIM_UNKNOWN, State.STANDBY, "takeover.lost", Level.WARNING),
    Row(State.CLAIMING, Reason.ADOPTED, State.ACTIVE, "master.adopted", Level.WARNING),
    Row(State.CLAIMING, Reason.ADOPTION_FAILED, State.STANDBY, "master.not_adopted", Level.WARNING),
    Row(State.CLAIMING, Reason.INTRUDER, State.STANDBY, "shadow.standby"),
    Row(State.ACCOUNTING, Reason.GUARD_SILENT, State.STANDBY, "takeover.abandoned", Level.WARNING),
    Row(State.ACCOUNTING, Reason.NOTICE_FAILED, State.STANDBY, "takeover.abandoned", Level.WARNING),
    Row(State.ACCOUNTING, Reason.ACCOUNTED, State.LAUNCHING, "takeover.launching", Level.WARNING),
    *_rows(State.ACCOUNTING, ABANDONED, State.STANDBY, "takeover.abandoned", Level.WARNING),
    Row(State.ACCOUNTING, Reason.FENCE_FAILED, State.STANDBY, "takeover.abandoned", Level.ALARM),
    *_rows(State.LAUNCHING, ABANDONED, State.STANDBY, "takeover.abandoned", Level.WARNING),
    Row(State.LAUNCHING, Reason.LOCK_UNKNOWN, State.STANDBY, "takeover.abandoned", Level.WARNING),
    Row(State.LAUNCHING, Reason.NOTICE_FAILED, State.STANDBY, "takeover.abandoned", Level.WARNING),
    Row(State.LAUNCHING, Reason.LAUNCH_FAILED, State.STANDBY, "takeover.failed", Level.ALARM),
    Row(State.LAUNCHING, Reason.LAUNCH_TIMEOUT, State.STANDBY, "takeover.failed", Level.ALARM),
    Row(State.LAUNCHING, Reason.CONFIRMED, State.ACTIVE, "master.confirmed", Level.WARNING),
    Row(State.ACTIVE, Reason.MASTER_ENDED, State.STANDBY, "master.ended", Level.ALARM),
    Row(State.ACTIVE, Reason.HANDED_OVER, State.STANDBY, "master.ended"),
    Row(State.ACTIVE, Reason.MOVED, State.STANDBY, "master.ended"),
    Row(State.ACTIVE, Reason.SHUT_DOWN_HERE, State.STANDBY, "master.ended"),
    Row(State.ACTIVE, Reason.SUPERSEDED, State.STANDBY, "master.superseded", Level.ALARM),
    Row(State.ACTIVE, Reason.LEASE_OVER, State.STANDBY, "master.lease_over", Level.ALARM),
    Row(State.ACTIVE, Reason.ACTIVE_CHANGED, State.STANDBY, "master.superseded", Level.ALARM),
    Row(State.ACTIVE, Reason.FOREIGN_SERVER, State.STANDBY, "master.superseded", Level.ALARM),
    Row(State.ACTIVE, Reason.EPOCH_CLOSED, State.STANDBY, "master.superseded", Level.ALARM),
    Row(State.ACTIVE, Reason.GONE_BEFORE, State.STANDBY, "shadow.standby"),
    Row(State.ACTIVE, Reason.RESUMED, State.LAUNCHING, "takeover.resumed"),
)

_ROWS = {(row.state, row.reason): row for row in TABLE}


def transition(state: State, reason: Reason) -> Row:
    """Return the row for this state and reason; KeyError for a transition that does not exist."""
    return _ROWS[state, reason]
