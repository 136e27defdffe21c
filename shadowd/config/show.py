"""The effective configuration with the origin of each value, as TOML and as plain data.

The TOML can be saved and loaded again with the same result: what a person copies from a screen works.
This module refuses to print anything that the models do not hold.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from shadowd.config.load import Loaded
from shadowd.config.models import DERIVED_DURATIONS, CellSettings
from shadowd.config.syntax import KeyPath
from shadowd.config.tables import FenceSettings, HealthSettings, ProbeSettings
from shadowd.config.toml import key, scalar

HIDDEN = "(hidden)"
"""In place of a value that may be a password: what a person copies from a screen must not hold one."""


_OF_ONE_KIND = {"sge_root", "directory", "lock", "lock_file", "retry_interval", "clean_exit"}


class Entry(NamedTuple):
    """One value of the effective configuration."""

    path: KeyPath
    value: Any
    """None where the value is found later, from the cell's own files or the system."""
    origin: str


def entries(loaded: Loaded) -> Iterator[Entry]:
    """Yield every value: the top level, ``[log]``, then each cell with its tables."""
    yield from _table(loaded, loaded.settings, ())
    yield from _table(loaded, loaded.settings.log, ("log",))
    for index, cell in enumerate(loaded.settings.cells):
        where: KeyPath = ("cell", index)
        yield from _table(loaded, cell, where)
        yield from _table(loaded, cell.launch, (*where, "launch"))
        yield from _table(loaded, cell.probe, (*where, "probe"))
        if cell.kind != "gridengine":
            yield from _table(loaded, cell.health, (*where, "health"))
        yield from _table(loaded, cell.fence, (*where, "fence"))
        yield from _options(loaded, cell.fence, (*where, "fence", "options"))


def _options(loaded: Loaded, fence: FenceSettings, where: KeyPath) -> Iterator[Entry]:
    """Yield the options of a fence agent, without those that may be secrets."""
    for name, value in fence.options.items():
        path = (*where, name)
        yield Entry(path, HIDDEN if name in fence.secrets else value, loaded.origin(path))


def _table(loaded: Loaded, model: BaseModel, where: KeyPath) -> Iterator[Entry]:
    timing = model.timing() if isinstance(model, CellSettings) else None
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel) or name in {"cells", "options"}:
            continue
        if value is None and (name in _OF_ONE_KIND or isinstance(model, FenceSettings | HealthSettings)):
            continue
        if value is None and isinstance(model, ProbeSettings) and name == "command":
            continue
        if name == "shared" and isinstance(model, CellSettings) and model.kind != "generic":
            continue
        if name == "sge_cell" and isinstance(model, CellSettings) and model.sge_root is None:
            continue
        path = (*where, name)
        if timing is not None and name in DERIVED_DURATIONS:
            value = getattr(timing, name)
        if path == ("log", "file") and value is None:
            value = ""
        yield Entry(path, value, loaded.origin(path))


def as_toml(loaded: Loaded) -> str:
    """Return the configuration as TOML, each line with its origin as a comment."""
    lines: list[str] = []
    table: KeyPath = ()
    for entry in entries(loaded):
        if entry.path[:-1] != table:
            table = entry.path[:-1]
            lines += ["", _header(table)]
        name = key(str(entry.path[-1]))
        if entry.value is None:
            lines.append(f"# {name} = found at run time")
        elif entry.value == HIDDEN:
            lines.append(f"# {name} = {HIDDEN}  # {_comment(entry.origin)}")
        else:
            lines.append(f"{name} = {scalar(entry.value)}  # {_comment(entry.origin)}")
    return "\n".join(lines)


def as_data(loaded: Loaded) -> dict[str, Any]:
    """Return the configuration as values of JSON: a list of keys, so that a filter is one expression."""
    return {
        "file": str(loaded.source.path) if loaded.source.path else None,
        "values": [
            {
                "cell": _cell_name(loaded, entry.path),
                "key": ".".join(part for part in entry.path if isinstance(part, str)).removeprefix("cell."),
                "value": str(entry.value) if isinstance(entry.value, Path) else entry.value,
                "origin": entry.origin,
            }
            for entry in entries(loaded)
        ],
        "warnings": list(loaded.warnings()),
    }


def _cell_name(loaded: Loaded, path: KeyPath) -> str | None:
    """Return the cell that a path lies in, None for the keys of the whole daemon."""
    index = path[1] if len(path) > 1 else None
    return loaded.settings.cells[index].name if isinstance(index, int) else None


def _header(table: KeyPath) -> str:
    names = ".".join(part for part in table if isinstance(part, str))
    return f"[[{names}]]" if isinstance(table[-1], int) else f"[{names}]"


def _comment(origin: str) -> str:
    """Return an origin that cannot end its comment."""
    return origin.encode("ascii", "backslashreplace").decode() if origin.isprintable() else ascii(origin)
