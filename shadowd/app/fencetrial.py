"""Would the fence of a cell work? For a person who wants to know it before the night.

It asks the agent for the ``status`` of every other host and switches nothing off. It finds what would
otherwise be found in the night: a missing agent, a password that expired, a host that is in no table, and
the plug of another host, which would prove a living master dead. This module refuses to run a command of
the site: that would switch the host off.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from shadowd.adapters.ground import survey
from shadowd.adapters.switch import AgentSwitch, Order, Power
from shadowd.app.fencing import switch_of
from shadowd.config.load import load
from shadowd.config.models import CellSettings
from shadowd.config.tables import FenceSettings
from shadowd.console.deadline import run_all
from shadowd.console.health import Health, Item
from shadowd.console.report import Report
from shadowd.console.rows import HostRow
from shadowd.core.values import Host
from shadowd.errors import ShadowdError

_PATIENCE = 5.0
_UNREAD = "Parse error"
"""What an agent says of an option that it does not know."""


def tried(config: Path | None, environ: Mapping[str, str], reports: Sequence[Report]) -> list[Report]:
    """Return the reports with one item more for each host that a fence was asked about."""
    cells = {cell.name: cell for cell in load(config, environ).cells}
    return [
        report._replace(items=(*report.items, *_try(cells[report.view.name], report)))
        if report.view.name in cells
        else report
        for report in reports
    ]


def _try(cell: CellSettings, report: Report) -> list[Item]:
    fence = cell.fence
    if not fence.configured:
        return [Item("fence", Health.WARNING, "none is configured", "See [cell.fence] in shadowd.toml.")]
    if fence.command is not None:
        return [Item("fence", Health.OK, "a command cannot be asked; only its program was looked for")]
    rows = [
        row for row in report.view.rows if not row.here and (row.rank or row.host == report.view.master.host)
    ]
    answers = run_all(
        [_question(cell, Host(report.view.host), row) for row in rows], fence.timeout + _PATIENCE
    )
    return [_judged(fence, row, answer) for row, answer in zip(rows, answers, strict=True)]


def _question(cell: CellSettings, own: Host, row: HostRow) -> Callable[[], tuple[Power, str]]:
    def ask() -> tuple[Power, str]:
        names = survey(cell.sge_root, cell.sge_cell, cell.place).names
        switch = switch_of(cell.fence, names)
        if not isinstance(switch, AgentSwitch):
            raise TypeError("only an agent can be asked")
        order = Order(cell.name, names.canonical(row.host), own)
        return switch.status(order, time.monotonic() + cell.fence.timeout)

    return ask


def _judged(fence: FenceSettings, row: HostRow, answer: tuple[Power, str] | Exception | None) -> Item:
    name, grave = f"fence {row.host}", Health.CRITICAL if fence.required else Health.WARNING
    agent = os.path.basename(fence.agent or "")  # noqa: PTH119 - a name, as the file has it
    if answer is None:
        return Item(name, grave, f"{agent} does not answer", _REMEDY)
    if isinstance(answer, ShadowdError):
        return Item(name, grave, f"{answer.subject}: {answer.reason}", answer.remedy)
    if isinstance(answer, Exception):
        raise answer
    power, said = answer
    if power is Power.UNKNOWN:
        return Item(name, grave, said, _REMEDY)
    if power is Power.OFF and row.fresh:
        text = f"{agent} says off, and that host's shadowd lives: the plug of another host?"
        return Item(name, Health.CRITICAL, text, "Such a fence proves a living master dead. " + _REMEDY)
    if _UNREAD in said:
        return Item(name, Health.WARNING, f"{agent} says {power.value}, and: {said}", _REMEDY)
    return Item(name, Health.OK, f"{agent} says {power.value}")


_REMEDY = "Correct [cell.fence.options]; then again, as root: shadowd check --fence"
