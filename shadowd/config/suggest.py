"""What may have been meant by an unknown key, and what could stand where a value is wrong.

The models are the only list of keys, with their examples, so that a remedy never names a key that does
not exist. This module refuses to correct anything by itself.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel

from shadowd.config.environment import INTERVALS
from shadowd.config.models import CellSettings, Settings
from shadowd.config.syntax import KeyPath
from shadowd.config.tables import FenceSettings, HealthSettings, LaunchSettings, LogSettings, ProbeSettings
from shadowd.config.toml import scalar

TABLES: Mapping[tuple[str, ...], type[BaseModel]] = {
    (): Settings,
    ("log",): LogSettings,
    ("cell",): CellSettings,
    ("cell", "launch"): LaunchSettings,
    ("cell", "probe"): ProbeSettings,
    ("cell", "health"): HealthSettings,
    ("cell", "fence"): FenceSettings,
}
_ANCESTORS = INTERVALS | {"SGE_ROOT": "sge_root", "SGE_CELL": "sge_cell", "SGE_QMASTER_PORT": "port"}


def _names(path: KeyPath) -> tuple[str, ...]:
    return tuple(part for part in path if isinstance(part, str))


def _keys(table: tuple[str, ...]) -> dict[str, Any]:
    """Return the fields of a table by the names that the file uses."""
    model = TABLES.get(table)
    return {field.alias or name: field for name, field in model.model_fields.items()} if model else {}


def suggestion(path: KeyPath) -> str:
    """Return a key that may have been meant: by the ancestor's name, in another table, or by likeness."""
    *table, key = _names(path)
    here = _keys(tuple(table))
    meant = _ANCESTORS.get(key.upper(), key.lower().replace("-", "_"))
    if meant in here:
        return f"did you mean {meant}?"
    for other in TABLES:
        if meant in _keys(other):
            return f"{meant} belongs {_place(other)}"
    close = get_close_matches(meant[:60], list(here), n=1)
    if close:
        return f"did you mean {close[0]}?"
    return "`shadowd config schema` lists all keys"


def _place(table: tuple[str, ...]) -> str:
    if not table:
        return "at the top of the file, before the first [table]"
    return "below [[cell]]" if table == ("cell",) else f"below [{'.'.join(table)}]"


def example(path: KeyPath) -> str:
    """Return what could be written at a path."""
    names = _names(path)
    if names[-1:] == ("cell",) or len(names) == 0:
        return "write [[cell]], with two brackets, and its keys below it"
    for cut in range(len(names), 0, -1):
        table, key = names[: cut - 1], names[cut - 1]
        field = _keys(table).get(key)
        if field is not None and (*table, key) in TABLES:
            return f"write it {_place((*table, key))}"
        if field is not None and field.examples:
            return f"for example: {key} = {scalar(field.examples[0])}"
    return "`shadowd config schema` describes all keys"
