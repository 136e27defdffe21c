"""What the verbs share that change a file of a cell: which one, by whose rights, how long to wait.

``pause``, ``resume``, ``stop`` and ``start`` change the shared directory, which needs no daemon, and
use it as the cell's admin user when called by root, as the daemons do. Everything there happens in a thread
that is left behind when the file server does not answer. This module refuses to print what a verb has done.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from shadowd.cli import UsageError
from shadowd.cli.look import leave
from shadowd.cli.takeover import asker
from shadowd.config.light import LightCell, light_settings
from shadowd.console.deadline import run_all
from shadowd.core.ledger import Ledger
from shadowd.core.values import Host, PauseReading, Seconds, Unknown
from shadowd.errors import CellError, ShadowdError

if TYPE_CHECKING:
    from shadowd.adapters.cellfiles import CellPaths

PATIENCE: Final = 20.0
_MOST: Final = 300.0
_DNS: Final = Seconds(5)

T = TypeVar("T")


class PauseError(ShadowdError):
    """The pause is not as it was asked for."""

    exit_code = 1


class NoAnswerError(ShadowdError):
    """The shared directory did not answer in time."""

    exit_code = 75  # EX_TEMPFAIL


class Site(NamedTuple):
    """One cell's files, seen with the rights that may change them."""

    path: Path
    """The pause file."""
    owner: str
    read: Callable[[], PauseReading]
    paths: "CellPaths"
    ledger: Callable[[], Ledger | Unknown]
    own: Callable[[], Host]
    """The name of this host in the cell; asks the resolver where none is configured."""
    listed: bool
    """The hosts of the cell must be listed before its first start."""


def add_options(parser: argparse.ArgumentParser, *, named: bool = True, patience: float = PATIENCE) -> None:
    """Add the options that such verbs share; ``named``: the cell is given by one of them."""
    if named:
        parser.add_argument("--cell", metavar="NAME", help="which cell, where this host serves several")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--timeout",
        type=_patience,
        default=patience,
        metavar="SECONDS",
        help=f"how long it may take (default {patience:g})",
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


def generic(args: argparse.Namespace) -> LightCell:
    """Return the one cell that is meant, of a kind whose masters have no startup script of their own."""
    cell = chosen(args)
    if cell.kind == "gridengine":
        raise UsageError(
            f"cell {cell.name}",
            f"is of kind {cell.kind}: its own startup script does that",
            f"/etc/init.d/sgemaster {args.verb}",
        )
    return cell


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
    from shadowd.adapters.claimlog import DirectoryClaimLog
    from shadowd.adapters.ground import survey
    from shadowd.adapters.hostnames import machine_names
    from shadowd.adapters.user import become, files_user

    found = survey(cell.sge_root, cell.sge_cell, cell.directory, cell.user, cell.server_lock)
    spool = found.paths.spool
    if not spool.is_dir():
        raise CellError(str(spool), "there is no such directory", "is the file system mounted?")
    become(files_user(found.owner, spool, found.paths.active.parent, found.paths.state))
    files = found.files(cell.name, Host(""))
    claims = DirectoryClaimLog(found.paths.state, cell.name, Host(""), time.time)

    def own() -> Host:
        names = (cell.host,) if cell.host else machine_names(_DNS)
        return found.names.knowing(names).canonical(names[0])

    return Site(
        found.paths.pause,
        found.owner or "root",
        files.read_pause,
        found.paths,
        claims.list,
        own,
        cell.kind != "torque",
    )


def _patience(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number of seconds") from None
    if not 0 < seconds <= _MOST:
        raise argparse.ArgumentTypeError(f"{text[:40]!r}: more than 0, at most {_MOST:g} seconds")
    return seconds
