"""One cell's view with its verdicts, and the whole as JSON: what ``status`` and ``check`` share.

The JSON is for programs: stable words, Unix seconds, and the same facts as the text, because it is the
same objects. A field may be added, none changes its meaning within one format number. This module
refuses to print.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from shadowd.console.checks import check
from shadowd.console.gather import Gathered
from shadowd.console.health import Health, Item, worst
from shadowd.console.project import CellView, project
from shadowd.console.wording import worded

JSON_FORMAT: Final = 1


class Report(NamedTuple):
    """One cell, looked at and judged."""

    view: CellView
    items: tuple[Item, ...]

    @property
    def health(self) -> Health:
        """The gravest verdict."""
        return worst(item.health for item in self.items)


def report(gathered: Gathered) -> Report:
    """Project and judge one cell."""
    view = project(gathered)
    return worded(gathered.kind, gathered.cell, Report(view, tuple(check(gathered, view))))


def overall(reports: Iterable[Report]) -> Health:
    """Return the gravest verdict of all cells; UNKNOWN where there is no cell at all."""
    verdicts = [report.health for report in reports]
    return worst(verdicts) if verdicts else Health.UNKNOWN


def as_json(reports: Sequence[Report]) -> str:
    """Return everything as one JSON document."""
    cells = [
        {"health": _word(report.health), **_plain(report.view), "checks": [_item(i) for i in report.items]}
        for report in reports
    ]
    document = {"format": JSON_FORMAT, "health": _word(overall(reports)), "cells": cells}
    return json.dumps(document, indent=2)


def _plain(view: CellView) -> dict[str, Any]:
    """Return the view as dictionaries: a named tuple would become a bare list."""
    return {
        **view._asdict(),
        "master": view.master._asdict(),
        "beat": (view.beat._replace(value=None) if view.beat.foreign else view.beat)._asdict(),
        "lock": view.lock._asdict() if view.lock else None,
        "server_lock": view.server_lock._asdict() if view.server_lock else None,
        "protection": view.protection._asdict(),
        "fences": [fence._asdict() for fence in view.fences],
        "rows": [{**row._asdict(), "refusals": [r._asdict() for r in row.refusals]} for row in view.rows],
    }


def _item(item: Item) -> dict[str, Any]:
    return {"name": item.name, "health": _word(item.health), "text": item.text, "remedy": item.remedy}


def _word(health: Health) -> str:
    return health.name.lower()
