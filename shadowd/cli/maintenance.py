"""What ``pause`` and ``resume`` have in common: which cells, by whose rights, and how long to wait.

Both work on the shared directory alone, so they need no daemon, and use it as the cell's admin user when
called by root, as the daemons do. Everything there happens in a thread that is left behind when the file
server does not answer. This module refuses to print what a verb has done: the verbs do.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from shadowd.cli import UsageError
from shadowd.cli.look import leave
from shadowd.cli.takeover import asker
from shadowd.config.light import LightCell, light_settings
from shadowd.console.deadline import run_all
from shadowd.core.values import Pause, Unknown
from shadowd.errors import CellError, ShadowdError

PATIENCE: Final = 20.0
_MOST: Final = 300.0

T = TypeVar("T")


class PauseError(ShadowdError):
    """The pause is not as it was asked for."""

    exit_code = 1


class NoAnswerError(ShadowdError):
    """The shared directory did not answer in time."""

    exit_code = 75  # EX_TEMPFAIL


class Site(NamedTuple):
    """One cell's pause file, seen with the rights that may change it."""

    path: Path
    owner: str
    read: Callable[[], Pause | Unknown | None]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of both verbs."""
    parser.add_argument("--cell", metavar="NAME", help="which cell, where this host serves several")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--timeout",
        type=_patience,
        default=PATIENCE,
        metavar="SECONDS",
        help=f"how long the shared directory may take (default {PATIENCE:g})",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="read FILE (else SHADOWD_CONFIG, else /etc/shadowd/shadowd.toml, else the environment)",
    )


def chosen(args: argparse.Namespace) -> LightCell:
    """Return the one cell that is meant."""
    cells = {cell.name: cell for cell in light_settings(args.config, os.environ).cells}
    name = args.cell if args.cell is not None or len(cells) != 1 else next(iter(cells))
    if name not in cells:
        wrong = f"there is no cell {name[:64]!r}" if name is not None else "this host serves several cells"
        raise UsageError("--cell", wrong, f"name one of: {', '.join(list(cells)[:20])}")
    return cells[name]


def at_site(cell: LightCell, seconds: float, job: Callable[[Site], T]) -> T:
    """Do something with a cell's pause file, within the time; raises ``ShadowdError``."""
    (answer,) = run_all([lambda: job(_site(cell))], seconds)
    if answer is None:
        raise NoAnswerError(
            str(cell.directory),
            f"no answer within {seconds:g} s: the file system hangs, or a host that died holds the file",
            "it may still be done later: look with `shadowd status`; on NFSv4 try again in two minutes",
        )
    if isinstance(answer, Exception):
        raise answer
    return answer


def who() -> str:
    """Return who is at it, for everybody to see."""
    return f"{asker()}@{os.uname().nodename.partition('.')[0].lower()}"


def done(code: int) -> int:
    """Return the exit status, leaving behind what hangs."""
    return leave(code)


def refused(site: Site, problem: Unknown) -> PauseError:
    """Return what to say about a file that cannot be changed."""
    remedy = f"call it as root or as {site.owner}, on a host where {site.path.parent.parent} is mounted"
    return PauseError(problem.subject, problem.detail or problem.problem.value, remedy)


def _site(cell: LightCell) -> Site:
    from shadowd.adapters.cellfiles import GridEngineFiles
    from shadowd.adapters.gridengine import discover, host_names
    from shadowd.adapters.resident import ResidentSearch
    from shadowd.adapters.user import become, lookup
    from shadowd.core.values import Host

    found = discover(cell.sge_root, cell.sge_cell)
    if not found.spool.is_dir():
        raise CellError(str(found.spool), "there is no such directory", "is the file system mounted?")
    if os.geteuid() == 0 and found.admin_user:
        become(lookup(found.admin_user))
    search = ResidentSearch(pid_file=found.paths.pid_file, spool=found.spool)
    files = GridEngineFiles(cell.name, Host(""), found.paths, host_names(found), search)
    return Site(found.paths.pause, found.admin_user or "root", files.read_pause)


def _patience(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number of seconds") from None
    if not 0 < seconds <= _MOST:
        raise argparse.ArgumentTypeError(f"{text[:40]!r}: more than 0, at most {_MOST:g} seconds")
    return seconds
