"""What ``locate``, ``exec`` and ``config acl-hosts`` have in common: which servers, of what kind.

Only TORQUE's way is loaded at once, without so much as pathlib; what reads a Grid Engine cell comes when
there is one. Refuses to guess between the two where a host is a client of both.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from shadowd.cli.seconds import MOST, up_to
from shadowd.client.lastgood import LastGood
from shadowd.client.locating import PROBE_TIMEOUT, TIMEOUT, NotLocatedError, Source
from shadowd.client.servers import parse_servers
from shadowd.client.sources import HOMES, VARIABLES, ServerList, server_name, torque_list
from shadowd.errors import ConfigError

if TYPE_CHECKING:
    from shadowd.config.light import LightCell

TORQUE: Final = "torque"
GRIDENGINE: Final = "gridengine"
_LONGEST: Final = 86400.0
_SYSTEM_FILE: Final = "/etc/shadowd/shadowd.toml"


def add_list(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which servers."""
    group = parser.add_argument_group("which servers")
    group.add_argument(
        "--servers", metavar="LIST", help="these: host, host:port, [IPv6]:port, divided by commas"
    )
    group.add_argument(
        "--server-name",
        metavar="FILE",
        help=f"TORQUE's file server_name (default: in PBS_HOME, {', '.join(HOMES)})",
    )
    group.add_argument("--cell", metavar="NAME", help="the hosts of this Grid Engine cell")
    group.add_argument(
        "--only",
        action="store_true",
        help="nobody but the one name in PBS_DEFAULT, or in act_qmaster",
    )
    group.add_argument(
        "--kind", choices=(TORQUE, GRIDENGINE), help="of what kind, where it cannot be told from the rest"
    )
    group.add_argument(
        "--config",
        metavar="FILE",
        help="the file that describes the cell (else SHADOWD_CONFIG, else "
        "/etc/shadowd/shadowd.toml, else the environment)",
    )


def add_patience(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how long to wait."""
    parser.add_argument(
        "--timeout",
        type=up_to(_LONGEST, zero=True),
        default=TIMEOUT,
        metavar="SECONDS",
        help=f"go on that long while nobody answers (default {TIMEOUT:g}; 0: ask each once)",
    )
    parser.add_argument(
        "--probe-timeout",
        type=up_to(MOST),
        default=PROBE_TIMEOUT,
        metavar="SECONDS",
        help=f"how long one server may take to answer (default {PROBE_TIMEOUT:g})",
    )
    parser.add_argument(
        "--no-cache", action="store_true", help="do not ask the one that answered last time first"
    )


def tell(error: NotLocatedError) -> int:
    """Print who was tried; not cut, as errors usually are, for of a long list each one counts."""
    print(
        "shadowd:", "".join(c if c.isprintable() or c == "\n" else "?" for c in str(error)), file=sys.stderr
    )
    return error.exit_code


def cache(args: argparse.Namespace) -> LastGood | None:
    """Return the memory of the server that answered last, unless it is not wanted."""
    return None if args.no_cache else LastGood(os.environ)


def kind(args: argparse.Namespace, environ: Mapping[str, str]) -> str:
    """Return what the servers are; raises ``ConfigError`` where that is not clear."""
    if args.kind:
        return str(args.kind)
    if args.cell or args.config:
        return TORQUE if _of_torque(args, environ, askable=False) else GRIDENGINE
    if args.servers or args.server_name:
        return TORQUE
    told = [_told(environ, "", VARIABLES), _told(environ, "", ("SGE_ROOT",))]
    named = server_name(environ)
    if not any(told):
        told = [
            named if os.path.exists(named) else "",  # noqa: PTH110 - pathlib costs a tenth of a call
            _told(environ, _SYSTEM_FILE, ("SHADOWD_CONFIG",)),
        ]
        if told[1] and _of_torque(args, environ):
            return TORQUE
    torque, gridengine = told
    if torque and gridengine:
        raise ConfigError(
            f"{torque} and {gridengine}",
            "one tells of TORQUE, the other of Grid Engine",
            f"say which by --kind {TORQUE} or --kind {GRIDENGINE}",
        )
    if not torque and not gridengine:
        raise ConfigError(
            "servers",
            f"none are named: neither PBS_DEFAULT nor SGE_ROOT is set, and there is no {named}",
            "name them by --servers h1,h2",
        )
    return TORQUE if torque else GRIDENGINE


def _of_torque(args: argparse.Namespace, environ: Mapping[str, str], *, askable: bool | None = None) -> bool:
    """Tell whether the cell that is meant, or each that the file describes, is TORQUE's.

    Its clients go by ``server_name`` on the hosts that may have the server too. ``askable``: only one whose
    hosts can (or cannot) be asked as the cell's, by the port of its probe. What is wrong with the file is
    left to whoever needs the cell.
    """
    from pathlib import Path

    from shadowd.config.light import light_settings

    try:
        cells = light_settings(Path(args.config) if args.config else None, environ).cells
    except ConfigError:
        return False
    meant = [one for one in cells if args.cell in {None, one.name}]
    fit = askable in {None, all(one.port is not None for one in meant)}
    return bool(meant) and fit and all(one.kind == TORQUE for one in meant)


def servers(args: argparse.Namespace, environ: Mapping[str, str]) -> ServerList:
    """Return a list that stays as it is; raises ``ConfigError``, also for a cell, which has none."""
    if kind(args, environ) == GRIDENGINE:
        raise ConfigError("Grid Engine", "has no list of servers", "this is for TORQUE: give --servers")
    return torque_list(environ, args.servers, file=args.server_name, only=args.only)


def source(args: argparse.Namespace, environ: Mapping[str, str]) -> Source:
    """Return the list, or what gives the list of the moment; raises ``ConfigError``."""
    if kind(args, environ) == TORQUE:
        return servers(args, environ)
    from shadowd.client.gridengine import CellSource, named_list

    if args.servers is not None:
        return named_list(parse_servers(args.servers, "--servers"), environ)
    return CellSource(cell(args, environ), environ, args.probe_timeout, only=args.only)


def cell(args: argparse.Namespace, environ: Mapping[str, str]) -> "LightCell":
    """Return the one Grid Engine cell that is meant; raises ``ConfigError``."""
    from pathlib import Path

    from shadowd.config.light import light_settings

    config = Path(args.config) if args.config else None
    cells = {one.name: one for one in light_settings(config, environ).cells}
    known = ", ".join(sorted(cells)[:20])
    if args.cell is None and len(cells) > 1:
        raise ConfigError("--cell", "is missing, and there is more than one", f"cells here: {known}")
    name = args.cell if args.cell is not None else next(iter(cells))
    if name not in cells:
        raise ConfigError("--cell", f"there is no cell {name[:64]!a}", f"cells here: {known}")
    return cells[name]


def _told(environ: Mapping[str, str], file: str, variables: tuple[str, ...]) -> str:
    """Return the variable that is set, or the file that exists; empty where neither."""
    found = next((name for name in variables if environ.get(name)), "")
    return found or (file if os.path.exists(file) else "")  # noqa: PTH110 - likewise
