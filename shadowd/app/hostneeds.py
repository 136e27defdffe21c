"""What a host lacks to run the masters of a configuration, for `config check`: nobody serves anything.

The same needs that the daemon looks at (``adapters.hostcheck``), and what keeps it from serving a cell:
files that are not there, an account that this host does not know. Leaves nothing anywhere. May hang.
"""

import pwd
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from shadowd.adapters import gridengine as installation
from shadowd.adapters.hostcheck import missing
from shadowd.adapters.torquefiles import require_mounted
from shadowd.app import generic, gridengine
from shadowd.config.models import CellSettings, Settings
from shadowd.errors import ShadowdError


def looks(settings: Settings, environ: Mapping[str, str]) -> list[Callable[[], tuple[str, ...]]]:
    """Return for each cell what looks, and returns all that is missing and all that a person should know."""
    return [partial(_all, cell, environ) for cell in settings.cells]


def _all(cell: CellSettings, environ: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(_told(cell, environ))


def _told(cell: CellSettings, environ: Mapping[str, str]) -> Iterator[str]:
    lacks: list[str] = []
    notes: tuple[str, ...] = ()
    try:
        match cell.kind:
            case "gridengine":
                found = installation.discover(cell.sge_root or Path("/"), cell.sge_cell)
                needs = gridengine.needs(cell, found, environ)
                notes = needs.notes
                lacks = [
                    *_account(found.admin_user),
                    *_directory(found.spool),
                    *needs.lacking(),
                    *needs.absent(),
                ]
            case "torque":
                require_mounted(cell.place)
                lacks = [*_account(cell.launch.user), *generic.needs(cell).lacking()]
            case _:
                needs = generic.needs(cell)
                lacks = [
                    *_account(cell.launch.user),
                    *_directory(cell.place),
                    *needs.lacking(),
                    *needs.absent(),
                ]
    except ShadowdError as error:
        lacks = [f"{error.subject}: {error.reason}"]
    for lack in dict.fromkeys(lacks):
        yield f"this host could not run the master: {lack}"
    yield from notes


def _account(name: str | None) -> Iterator[str]:
    try:
        if name is not None:
            pwd.getpwnam(name)
    except (KeyError, ValueError):
        yield f"this host knows no user {name}"


def _directory(path: Path) -> Iterator[str]:
    if not path.is_dir():
        yield f"no such directory {path}{missing(path)}"
