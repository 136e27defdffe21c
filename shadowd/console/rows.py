"""One host of the cell in one row: where it stands, what it will do at what time, and why not if not.

Made from that host's own record, so it is as old as the record; a record that is too old says nothing
about what will happen, and the row says that instead. This module refuses to judge; ``checks`` does.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from shadowd.console.clock import ahead, at, span
from shadowd.console.records import HostRecord, RefusalRecord, in_words
from shadowd.console.remedies import remedy, remedy_for
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State, Timer
from shadowd.core.timing import DelayApplies
from shadowd.core.values import Unknown

OF_THE_MOMENT: Final = frozenset(
    {
        Reason.BEATING.value,
        Reason.LEASE_RUNS.value,
        Reason.WINDOW_OPEN.value,
        Reason.BACKING_OFF.value,
        Reason.MASTER_ANSWERS.value,
        Reason.OWES_OUTCOME.value,
        Reason.FOREIGN_SERVER.value,
        Reason.LOOKING.value,
    }
)
"""Refusals of the moment: they do not make a host unfit to take over later."""
UNFIT: Final = frozenset({Reason.CANNOT_RUN.value, Reason.NOT_SHARED.value})
"""Refusals of a host that could not run the master, or not this one."""
NO_NEWS: Final = frozenset({Reason.BEATING.value, Reason.LEASE_RUNS.value})
"""Refusals that every healthy standby has, because the master lives."""
_KNOWN: Final = {
    Reason.DEATH_NOTICE.value: "the master is dead",
    Reason.VACANT.value: "no server holds the lock",
}
"""Why a host does not wait for silence."""
_UNLESS: Final = "unless the heartbeat moves"
BIDDING: Final = {
    State.VERIFYING.value: "step 1 of 4: looks at everything once more before it bids for epoch {epoch}",
    State.CLAIMING.value: "step 2 of 4: bids for epoch {epoch}",
    State.ACCOUNTING.value: "step 3 of 4: has won epoch {epoch} and makes sure that no other master runs",
    State.LAUNCHING.value: "step 4 of 4: starts the master of epoch {epoch}",
}
"""The steps of a takeover, in order."""
_LIMITS: Final = {
    Timer.LICENCE.value: "gives up if the launch has not begun by {due}",
    Timer.LAUNCH_TIMEOUT.value: "stops it and lets others try if it does not beat by {due}",
}


class RefusalView(NamedTuple):
    """One thing that speaks against a takeover by a host, with what to do about it."""

    reason: str
    text: str
    until: float | None
    remedy: str
    detail: str = ""
    """The end of the text, behind the reason."""


def unfit(rows: "Iterable[HostRow]") -> "list[tuple[HostRow, RefusalView]]":
    """Return the listed hosts that could not run the master, each with the first reason why."""
    reasons = (
        (each, next((one for one in each.refusals if one.reason in UNFIT), None))
        for each in rows
        if each.fresh and each.rank is not None
    )
    return [(each, reason) for each, reason in reasons if reason is not None]


class HostRow(NamedTuple):
    """One host; times are Unix seconds, ages seconds."""

    host: str
    rank: int | None
    """Place in shadow_masters from 1; None where it is not listed."""
    here: bool
    problem: str
    """Why there is no record; empty where there is one."""
    unreadable: bool = False
    """There is a record, and it cannot be read."""
    state: str = "unknown"
    reason: str = ""
    text: str = ""
    since: float | None = None
    age: float | None = None
    fresh: bool = False
    gone: bool = False
    """Its daemon runs no more, as can be seen from here."""
    ahead: float = 0.0
    """Seconds by which that host's clock is ahead of ours, as far as its record shows."""
    does: str = ""
    """What that host will do; where refusals follow, they are the reason why not."""
    timer: str = ""
    due: float | None = None
    refusals: tuple[RefusalView, ...] = ()
    eligible: bool = False
    """Would take over if the heartbeat stopped now."""
    runs_master: bool = False
    """A master that its shadowd did not start runs there, and act_qmaster agrees."""
    attempts: int = 0
    io_stuck: float | None = None
    version: str = ""
    pid: int | None = None
    complaints: tuple[RefusalView, ...] = ()
    """What the guard there cannot put right."""


def row(
    host: str,
    record: HostRecord | Unknown | None,
    rank: int | None,
    *,
    here: bool,
    now: float,
    spool: str,
    hold: Reason | None = None,
    claimed: int | None = None,
) -> HostRow:
    """Make the row of one host.

    ``hold`` is what keeps the whole cell from failover, seen by us just now; ``claimed`` the epoch that
    the host holds and has not confirmed.
    """
    if record is None:
        return HostRow(
            host=host, rank=rank, here=here, problem="no record: no shadowd runs there, or a legacy daemon"
        )
    if isinstance(record, Unknown):
        problem = f"its record {in_words(record)}"
        return HostRow(host=host, rank=rank, here=here, problem=problem, unreadable=True)
    fresh = is_fresh(record, now)
    refusals = [_refusal(refusal, spool) for refusal in record.refusals]
    guarding = record.state == State.ACTIVE.value
    if hold and not guarding and all(refusal.reason != hold.value for refusal in refusals):
        refusals.append(RefusalView(hold.value, hold.text, None, remedy(hold, spool)))
    home = at_home(record)
    expected = OF_THE_MOMENT | {Reason.RESIDENT.value} if home else OF_THE_MOMENT
    hard = any(refusal.reason not in expected for refusal in refusals)
    does = intent(record, now, hindered=hard, claimed=claimed)
    return HostRow(
        host=host,
        rank=rank,
        here=here,
        problem="",
        state=record.state,
        reason=record.reason,
        text=record.text,
        since=record.since,
        age=max(0.0, now - record.wall),
        fresh=fresh,
        gone=record.gone,
        ahead=max(0.0, record.wall - now),
        does=does if fresh else _silent_since(record, now),
        timer=record.timer.name if fresh else "",
        due=record.timer.due if fresh else None,
        refusals=tuple(refusals),
        eligible=fresh and not hard and not guarding and not home and record.io_stuck is None,
        runs_master=home,
        attempts=record.attempts,
        io_stuck=record.io_stuck,
        version=record.version,
        pid=record.pid,
        complaints=tuple(_refusal(item, spool) for item in record.complaints),
    )


def _silent_since(record: HostRecord, now: float) -> str:
    if record.gone:
        return f"nothing: its daemon does not run; its last word was at {at(record.wall, now)}"
    return f"unknown: no sign of its daemon since {at(record.wall, now)}"


def is_fresh(record: HostRecord, now: float) -> bool:
    """Tell whether the record is young enough to speak for a living daemon.

    A daemon publishes at each check; two checks may be missed, and a slow disk gets half a minute.
    """
    return not record.gone and now - record.wall <= 2 * record.durations.get("check_interval", 60.0) + 30


def earliest(record: HostRecord) -> float:
    """Return the silence in seconds at which that host takes over at the earliest."""
    stale_after = record.durations.get("stale_after", 240.0)
    delayed = record.delay_applies == DelayApplies.BEFORE_TAKEOVER.value
    return stale_after + (record.durations.get("delay", 600.0) if delayed else 0.0)


def at_home(record: HostRecord) -> bool:
    """Tell whether a master that shadowd did not start runs there as it should: act_qmaster agrees.

    Where act_qmaster names another host, such a master is an intruder.
    """
    resident = any(refusal.reason == Reason.RESIDENT.value for refusal in record.refusals)
    return resident and record.active == record.host


def intent(record: HostRecord, now: float, *, hindered: bool, claimed: int | None = None) -> str:
    """Say what that host will do, and when; ``hindered``: reasons why not follow."""
    if record.io_stuck is not None:
        return f"nothing: its reads of the cell's files hang since {at(record.io_stuck, now)}"
    if record.state in BIDDING:
        return _bidding(record, now, claimed)
    if record.state == State.ACTIVE.value:
        return _guarding(record, now)
    if at_home(record):
        return (
            "runs the master, which shadowd did not start and does not guard; while it runs this host cannot "
            "take over from itself"
        )
    if record.state == State.STALE.value:
        return _waiting(record, now, hindered=hindered)
    if record.timer.name == Timer.STALE_AFTER.value and _half_silent(record):
        what = f"calls the heartbeat stale at {_due(record, now)} unless it moves"
        return f"{what}, but takes nothing over" if hindered else what
    if any(refusal.reason == Reason.NOT_A_SHADOW.value for refusal in record.refusals):
        return "watches only, as an observer"
    if hindered:
        return "watches only, takes nothing over"
    return f"watches; takes over after {span(earliest(record))} of silence"


def _half_silent(record: HostRecord) -> bool:
    """Tell whether the silence is news: a healthy heartbeat has that timer too."""
    return record.silence > record.durations.get("stale_after", 240.0) / 2


def _guarding(record: HostRecord, now: float) -> str:
    if record.timer.name != Timer.LEASE.value or record.timer.due is None:
        return "guards the master"
    return f"guards the master; stops it if its heartbeat does not move by {_due(record, now)}"


def _waiting(record: HostRecord, now: float, *, hindered: bool) -> str:
    """Say when a host that is STALE takes over; its silence does not matter once the master is known dead."""
    known = _KNOWN.get(record.reason)
    if known:
        ends = [refusal.until for refusal in record.refusals]
        waits = [end for end in ends if end is not None]
        when = f"at {ahead(max(waits), now)}" if waits and len(waits) == len(ends) else "at once"
        return f"would take over {when}, {known}, but" if hindered else f"takes over {when}"
    due = _due(record, now)
    return f"would take over at {due}, but" if hindered else f"takes over at {due} {_UNLESS}"


def _due(record: HostRecord, now: float) -> str:
    return "no known time" if record.timer.due is None else ahead(record.timer.due, now)


def _bidding(record: HostRecord, now: float, claimed: int | None) -> str:
    """Name the step, the epoch and the deadline; the record's own epoch is the last one *listed*."""
    epoch = claimed if claimed is not None else record.epoch + 1
    limit = _LIMITS.get(record.timer.name, "").format(due=_due(record, now))
    return f"takes over, {BIDDING[record.state].format(epoch=epoch)}{'; ' if limit else ''}{limit}"


def _refusal(refusal: RefusalRecord, spool: str) -> RefusalView:
    detail = f": {refusal.detail}" if refusal.detail else ""
    return RefusalView(
        refusal.reason,
        f"{refusal.text}{detail}",
        refusal.until,
        remedy_for(refusal.reason, spool),
        refusal.detail,
    )
