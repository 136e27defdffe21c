"""The items about the cell's hosts: who is fit to take over, who is not, and why.

A host of shadow_masters without a record is critical: a legacy daemon there knows no claims and may
start a second master, and no daemon there is a failover that will not happen (PROTOCOL, "Promises,
exactly"). This module refuses to ask the hosts: their records are all it has.
"""

from collections.abc import Iterator

from shadowd.console.clock import ago, at, span, times
from shadowd.console.health import Health, Item
from shadowd.console.project import CellView
from shadowd.console.remedies import RESTART, STATUS, remedy
from shadowd.console.rows import OF_THE_MOMENT, HostRow, unfit
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State

_OK, _WARNING, _CRITICAL = Health.OK, Health.WARNING, Health.CRITICAL
MANY_ATTEMPTS = 3
_CLOCK_TOLERANCE = 5.0


def host_items(view: CellView) -> Iterator[Item]:
    """Judge every host, then whether enough of them are fit."""
    told = _told(view)
    for row in view.rows:
        yield from _row(view, row, told)
    if not view.unreached:
        yield _enough(view)


def failover_is_off(view: CellView) -> bool:
    """Tell whether people switched failover off: a shutdown, a lock, a pause."""
    return view.master.stopped or bool(view.pause) or (view.lock is not None and view.lock.blocks)


def _told(view: CellView) -> frozenset[str]:
    """Return the refusals that an item of the cell tells already; each host would only repeat it."""
    told = {
        Reason.LOCKED: view.lock is not None and view.lock.blocks,
        Reason.LOCK_UNKNOWN: view.lock is not None and view.lock.kind == "unknown",
        Reason.PAUSED: bool(view.pause),
        Reason.PAUSE_UNKNOWN: bool(view.pause),
        Reason.SHUT_DOWN: view.master.stopped,
        Reason.BEAT_UNKNOWN: view.beat.value is None,
    }
    return frozenset(reason.value for reason, holds in told.items() if holds)


def _row(view: CellView, row: HostRow, told: frozenset[str]) -> Iterator[Item]:
    name = f"host {row.host}"
    if row.problem:
        # Of this host the item "daemon" tells; a record that others cannot read is news all the same.
        told_by_daemon = row.here and not row.unreadable
        if not told_by_daemon and (row.rank is not None or row.host == view.master.host):
            grave = _CRITICAL if row.rank is not None else _WARNING
            yield Item(name, grave, row.problem, _missing(view, row))
        return
    if row.io_stuck is not None and row.fresh:
        grave = _CRITICAL if row.here or row.rank is not None else _WARNING
        text = f"its reads of the cell's files hang since {ago(row.io_stuck, view.now)}"
        yield Item(name, grave, text, "See its mount of the shared directory, and the file server.")
    if not row.fresh:
        # Of a daemon of this host that does not run the item "daemon" tells.
        if not row.gone and (row.rank is not None or row.host == view.master.host):
            text = f"no sign of its daemon for {span(row.age or 0)}; it was {row.state}"
            yield Item(name, _CRITICAL, text, STATUS)
        return
    if row.attempts:
        grave = _CRITICAL if row.attempts >= MANY_ATTEMPTS else _WARNING
        text = f"failed to start a master {times(row.attempts)}"
        unproved = any(one.failed and one.required and one.by == row.host for one in view.fences)
        reason = Reason.FENCE_FAILED if unproved else Reason.LAUNCH_FAILED
        yield Item(name, grave, text, remedy(reason, view.spool))
    if row.ahead > _CLOCK_TOLERANCE:
        text = f"its clock is {span(row.ahead)} ahead of this host's: shown times are off"
        yield Item(name, _WARNING, text, "Set the clocks (NTP). No decision depends on them.")
    for complaint in row.complaints:
        yield Item(name, _CRITICAL, complaint.text, complaint.remedy)
    yield from _fitness(row, name, told)


def _missing(view: CellView, row: HostRow) -> str:
    if row.unreadable:
        return f"On {row.host}: {RESTART} It writes its record anew."
    return (
        f"Run shadowd on {row.host} and stop any sge_shadowd there, or take it off shadow_masters. "
        f"Its record would be {view.spool}/shadowd/hosts/{row.host}.json."
    )


def _fitness(row: HostRow, name: str, told: frozenset[str]) -> Iterator[Item]:
    expected = OF_THE_MOMENT | {Reason.RESIDENT.value} if row.runs_master else OF_THE_MOMENT
    hard = [refusal for refusal in row.refusals if refusal.reason not in expected]
    if not hard or row.state == State.ACTIVE.value or row.rank is None:
        yield Item(name, _OK, f"{row.state}: {row.does}")
        return
    if all(refusal.reason in told for refusal in hard):
        yield Item(name, _OK, f"{row.state}: {row.does}")
    for refusal in (refusal for refusal in hard if refusal.reason not in told):
        until = f" until {at(refusal.until, refusal.until)}" if refusal.until is not None else ""
        intruder = refusal.reason == Reason.RESIDENT.value
        apart = refusal.reason == Reason.NOT_SHARED.value
        text = f"{refusal.text}, but act_qmaster does not name it" if intruder else refusal.text
        yield Item(
            name,
            _CRITICAL if intruder or apart else _WARNING,
            f"would not take over: {text}{until}",
            refusal.remedy,
        )


def _enough(view: CellView) -> Item:
    fit = [row.host for row in view.rows if row.eligible and row.rank is not None]
    if failover_is_off(view):
        return Item("shadows", _WARNING, "nobody would take over", "See master, lock and pause.")
    lacking = unfit(view.rows)
    lacks = "; ".join(f"{row.host}: {reason.detail or reason.text}" for row, reason in lacking[:8])
    names = ", ".join(fit[:8])
    if fit and lacking:
        text = f"{len(fit)} of {len(fit) + len(lacking)} can take over: {names}; {lacks}"
        return Item("shadows", _WARNING, text, lacking[0][1].remedy)
    if fit:
        return Item("shadows", _OK, f"{len(fit)} ready to take over: {names}")
    text = "no other host would take over if the master died now"
    if lacking:
        return Item("shadows", _CRITICAL, f"{text}: {lacks}", lacking[0][1].remedy)
    waiting = [r for r in view.rows if r.rank is not None and r.fresh and r.refusals and not r.runs_master]
    advice = waiting[0].refusals[0].remedy if waiting else "Start shadowd on a second host of shadow_masters."
    return Item("shadows", _CRITICAL, text, advice)
