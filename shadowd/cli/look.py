"""What ``status`` and ``check`` have in common: which cells, how long to wait, how to leave.

Both only read files, so they work while the daemon does not and need no rights beyond reading. Neither
loads pydantic, structlog or watchdog. This module refuses to print a verdict: the verbs do.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Final

from shadowd.cli.seconds import MOST, up_to
from shadowd.console.cells import all_places, places
from shadowd.console.deadline import abandoned
from shadowd.console.gather import gather
from shadowd.console.report import Report, report

PATIENCE: Final = 3.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of both verbs."""
    parser.add_argument(
        "--cell", action="append", default=[], metavar="NAME", help="only this cell (may recur)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--timeout",
        type=up_to(MOST),
        default=PATIENCE,
        metavar="SECONDS",
        help=f"how long the shared directories may take (default {PATIENCE:g})",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="read FILE (else SHADOWD_CONFIG, else /etc/shadowd/shadowd.toml, else the environment)",
    )


def look(args: argparse.Namespace, *, everything: bool = False) -> list[Report]:
    """Look at the cells that the arguments name; raises ``ConfigError``.

    ``everything`` adds those of which only a daemon at work here knows: for people, not for monitoring,
    which is told what to watch, and where the hosts of a cell are not found by their names.
    """
    if everything and not args.cell:
        wanted = all_places(args.config, os.environ)
    else:
        wanted = places(args.config, args.cell, os.environ, thorough=not everything)
    return [report(gathered) for gathered in gather(wanted, args.timeout, time.time)]


def leave(code: int) -> int:
    """Return the exit status; where a read still hangs, end the process here and now."""
    if not abandoned():
        return code
    try:
        sys.stdout.flush()
    finally:
        os._exit(code)
