"""Reports as plain text for 80 columns: terminals, pipes, mails and monitoring's detail page.

No colour and no escape sequence, so that a pipe and NO_COLOR need no care; the words OK, WARNING,
CRITICAL and UNKNOWN stand at the beginning of their lines to be searched for. Wall times are local, with
the age beside them. A word longer than a line (a path) is not broken: it may be copied. This module
refuses to judge and to leave anything out that ``--json`` shows as a problem.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from shadowd.console.clock import ago, at, span, times
from shadowd.console.fencing import told
from shadowd.console.health import Health, Item, gravest_first, worst
from shadowd.console.project import CellView, moved_text
from shadowd.console.records import clean
from shadowd.console.report import Report, overall
from shadowd.console.rows import BIDDING, NO_NEWS, HostRow, unfit
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State

WIDTH: Final = 80
_LABEL: Final = 12
_VERDICT: Final = 10
_HOST: Final = 24
_LONGEST: Final = 4000
_FENCES: Final = 5
_SHOWN: Final = 2
"""Problems of a cell that the overview of many cells spells out."""
_QUANTITY: Final = re.compile(r"(\d) (s|min|h|d)\b")
"""A number and its unit stay on one line."""


def status(reports: Sequence[Report], *, compact: bool = False) -> str:
    """Return the whole of ``shadowd status``; ``compact`` gives each cell a line and what is wrong."""
    if compact and len(reports) > 1:
        return "\n".join(_overview(reports))
    return "\n\n".join("\n".join(_cell(report)) for report in reports)


def checks(reports: Sequence[Report]) -> str:
    """Return the whole of ``shadowd check``: the plugin's one line, then every item."""
    lines = [f"{summary(reports)} | {perfdata(reports)}"]
    for report in reports:
        if len(reports) > 1:
            lines += ["", f"cell {report.view.name}"]
        for item in gravest_first(report.items):
            lines += _item(item)
    return "\n".join(lines)


def summary(reports: Sequence[Report]) -> str:
    """Return the first line of the plugin, without its performance data."""
    health = overall(reports)
    bad = [report for report in reports if report.health is not Health.OK]
    if not reports:
        text = "no cell is configured"
    elif bad:
        leading = max(bad, key=lambda report: report.health is worst(r.health for r in bad))
        others = f"; {len(bad)} of {len(reports)} cells have problems" if len(reports) > 1 else ""
        text = f"{leading.view.name}: {_worst_items(leading.items)}{others}"
    elif len(reports) == 1:
        view = reports[0].view
        text = f"{view.name}: master {view.master.host}, {_beat_age(view)}, {_ready(view)}"
    else:
        text = f"{len(reports)} cells, all well"
    return clean(f"SHADOWD {health.name} - {text}", _LONGEST).replace("|", "/")


def perfdata(reports: Sequence[Report]) -> str:
    """Return performance data as the monitoring-plugins guidelines have it."""
    words = []
    for report in reports:
        view = report.view
        prefix = f"{view.name}_" if len(reports) > 1 else ""
        if view.beat.age is not None:
            limits = f"{view.stale_after:g};{view.earliest:g};0"
            words.append(f"{prefix}beat_age={view.beat.age:.0f}s;{limits}")
        words.append(f"{prefix}ready={sum(1 for r in view.rows if r.eligible and r.rank)};;;0")
        words.append(f"{prefix}attempts={sum(row.attempts for row in view.rows if row.fresh)};;;0")
        if view.epoch is not None:
            words.append(f"{prefix}epoch={view.epoch}c")
    return " ".join(words)


def _worst_items(items: Sequence[Item]) -> str:
    bad = [item for item in gravest_first(items) if item.health is not Health.OK]
    others = f" (+{len(bad) - 1} more)" if len(bad) > 1 else ""
    return f"{bad[0].name}: {bad[0].text}{others}"


def _cell(report: Report) -> Iterable[str]:
    view = report.view
    yield f"cell {view.name} ({view.kind}), seen from {view.host} at {at(view.now, view.now)}"
    yield ""
    if view.unreached:
        yield from _labelled("files", view.unreached)
    yield from _labelled("server" if view.kind == "torque" else "master", _master(view))
    yield from _labelled("heartbeat", _beat(view))
    if view.takeover:
        yield from _labelled("takeover", view.takeover)
    if view.lock:
        since = f"since {ago(view.lock.since, view.now)}" if view.lock.since is not None else ""
        owner = f"owner {view.lock.owner}" if view.lock.owner else ""
        yield from _labelled("lock", ", ".join(part for part in (since, owner, view.lock.text) if part))
    elif not view.unreached:
        yield from _labelled("lock", "none")
    if view.server_lock:
        yield from _labelled("server.lock", view.server_lock.text)
    if view.pause:
        yield from _labelled("pause", view.pause)
    yield from _labelled("protection", f"{view.protection.level}: {view.protection.text}")
    for fence in view.fences[:_FENCES]:
        yield from _labelled("fence", told(fence, view.now))
    yield ""
    yield from _rows(view)
    bad = [item for item in gravest_first(report.items) if item.health is not Health.OK]
    if bad:
        yield ""
    for item in bad:
        yield from _item(item)


def _overview(reports: Sequence[Report]) -> Iterable[str]:
    now = reports[0].view.now
    yield f"{len(reports)} cells, seen at {at(now, now)}; all of one: shadowd status --cell NAME"
    yield ""
    names = min(_HOST, max([len(report.view.name) for report in reports] + [4])) + 2
    hosts = min(_HOST, max([len(_master_name(report.view)) for report in reports] + [6])) + 2
    yield f"{'VERDICT':<{_VERDICT}}{'CELL':<{names}}{'MASTER':<{hosts}}HEARTBEAT, TAKEOVER"
    for report in gravest_first(reports):
        view = report.view
        head = f"{report.health.name:<{_VERDICT}}{clean(view.name):<{names}}{_master_name(view):<{hosts}}"
        age = f"moved {span(view.beat.age)} ago" if view.beat.age is not None else "unknown"
        yield from wrapped(f"{age}; {view.takeover or _ready(view)}", " " * len(head), head)
        yield from _worst_of(report)


def _worst_of(report: Report) -> Iterable[str]:
    bad = [item for item in gravest_first(report.items) if item.health is not Health.OK]
    worst_ones = [item for item in bad if item.health is report.health][:_SHOWN]
    for item in worst_ones:
        yield from wrapped(f"{item.name}: {item.text}", " " * (_VERDICT + 2), f"{'':<{_VERDICT}}- ")
    if len(bad) > len(worst_ones):
        yield f"{'':<{_VERDICT}}- and {len(bad) - len(worst_ones)} more"


def _master_name(view: CellView) -> str:
    silent = view.beat.age is not None and view.beat.age >= view.stale_after
    return f"{view.master.host}{' (SILENT)' if silent else ''}" if view.master.host else "none"


def _rows(view: CellView) -> Iterable[str]:
    width = min(_HOST, max([len(_name(row)) for row in view.rows] + [4])) + 2
    yield f"  {'HOST':<{width}}{'STATE':<12}{'SINCE':<18}REPORTED"
    for row in view.rows:
        name = _name(row)
        if len(name) > width - 2:
            yield f"  {name}"
            name = ""
        since = at(row.since, view.now) if row.since is not None else "-"
        age = f"{span(row.age)} ago" if row.age is not None else "never"
        state = row.state if row.fresh or row.problem else f"{row.state}?"
        yield f"  {name:<{width}}{state:<12}{since:<18}{age}"
        for text in _what(row, view):
            hanging = "  " if text.startswith("- ") else ""
            yield from wrapped(text, " " * (width + 2) + hanging, " " * (width + 2))


def _what(row: HostRow, view: CellView) -> Iterable[str]:
    if row.problem:
        yield row.problem
        return
    yield row.does
    if not row.fresh:
        return
    for refusal in row.refusals:
        if row.state in BIDDING or (row.runs_master and refusal.reason == Reason.RESIDENT.value):
            continue
        if row.state == State.STANDBY.value and refusal.reason in NO_NEWS:
            continue
        until = f" (until {at(refusal.until, view.now)})" if refusal.until is not None else ""
        yield f"- {refusal.text}{until}"
    if row.attempts:
        yield f"failed to start a master {times(row.attempts)}"


def _name(row: HostRow) -> str:
    return f"{row.host} (here)" if row.here else row.host


def _master(view: CellView) -> str:
    master = view.master
    if not master.host:
        return master.text
    since = f" since {ago(master.since, view.now)}" if master.since is not None else ""
    epoch = f", epoch {master.epoch}" if master.epoch is not None else ""
    return f"{_master_name(view)}{since}{epoch} ({master.text})"


def _beat(view: CellView) -> str:
    beat = view.beat
    if beat.moved is None:
        return f"{beat.shown}, nobody watched it move"
    return f"{beat.shown}, {moved_text(view)}"


def _beat_age(view: CellView) -> str:
    return f"beat {span(view.beat.age)} ago" if view.beat.age is not None else "beat unknown"


def _ready(view: CellView) -> str:
    ready = sum(1 for row in view.rows if row.eligible and row.rank)
    lacking = len(unfit(view.rows))
    if lacking:
        return f"{ready} of {ready + lacking} hosts can take over"
    return f"{ready} {'host' if ready == 1 else 'hosts'} ready to take over"


def _item(item: Item) -> Iterable[str]:
    head = f"{item.health.name:<{_VERDICT}}"
    indent = " " * _VERDICT
    yield from wrapped(f"{item.name}: {item.text}", indent, head)
    if item.remedy and item.health is not Health.OK:
        yield from wrapped(item.remedy, f"{indent}   ", f"{indent}-> ")


def _labelled(label: str, text: str) -> Iterable[str]:
    return wrapped(text, " " * (_LABEL + 2), f"  {label:<{_LABEL}}")


def wrapped(text: str, indent: str, first: str | None = None) -> list[str]:
    """Fold a text at blanks; by hand, because textwrap costs 2 ms of a call that may take 80."""
    # Paths and details come from files of anybody's making; nothing of them may move a cursor.
    words = _QUANTITY.sub("\\1\xa0\\2", clean(text, _LONGEST)).split(" ")
    lines = [(indent if first is None else first) + words[0]]
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word) <= WIDTH:
            lines[-1] += f" {word}"
        else:
            lines.append(indent + word)
    return [line.replace("\xa0", " ") for line in lines]
