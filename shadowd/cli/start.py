"""``shadowd start``: start the master of a generic cell on this host.

After `shadowd stop` it takes the mark of the shutdown away; in a new directory it makes what a cell needs
before its first master. Then it asks this host's daemon for a takeover, with every safety check, and asks
again as long as all that speaks against it passes by itself. It refuses to start anything itself.
"""

import argparse
import time
from pathlib import Path
from typing import Final

from shadowd.cli import takeover
from shadowd.cli.maintenance import Site, add_options, at_site, generic, refused
from shadowd.console.records import HostRecord
from shadowd.core.snapshot import State
from shadowd.core.values import Unknown
from shadowd.errors import CellError

_EPILOG = """\
examples:
  # shadowd start licences                     after: shadowd stop licences
  # echo "alpha beta" > DIRECTORY/shadow_masters && shadowd start licences
                                               for the first time

Exit status: 0 this host is master now, 1 refused, failed or not over in time
(the reason is printed), 64 the command line is wrong, 66 no such cell or no
shadow_masters in it, 69 no daemon answers, 75 the file system did not answer,
78 wrong configuration.
"""
_A_MOMENT: Final = 0.2


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "start",
        description="Start the master of a generic cell on this host.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cell", nargs="?", metavar="CELL", help="which cell, where there are several")
    add_options(parser, named=False, patience=300.0)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Take the mark away, ask for a takeover, and follow it."""
    from shadowd.adapters.control import ask, socket_path

    cell = generic(args)
    ends = time.monotonic() + args.timeout
    stem = takeover.stem_of(args.config, cell.name)
    pid = takeover.daemon_of(stem)
    at_site(cell, args.timeout, _prepare)
    while True:
        before = takeover.record_of(stem)
        ask(socket_path(stem.parent, pid), {"do": "takeover", "cell": cell.name, "by": takeover.asker()})
        args.timeout = max(1.0, ends - time.monotonic())
        record, ended = takeover.follow(stem, before, args)
        wait = _passes(record) if ended else None
        if wait is None or time.monotonic() + wait >= ends:
            return takeover.verdict(record, before, args, ended=ended)
        time.sleep(wait)


def _prepare(site: Site) -> Path:
    """Make what is missing and take the mark away; return the directory."""
    from shadowd.adapters.genericfiles import found
    from shadowd.adapters.lockfile import clear_mark

    try:
        missing = site.listed and not site.paths.shadows.exists()
    except OSError as error:
        reason = f"cannot be read: {(error.strerror or str(error)).lower()}"
        raise CellError(
            str(site.paths.shadows), reason, "let the owner of the cell's files reach it"
        ) from error
    if missing:
        remedy = f"write into it the hosts that may have the master, the first choice first ({site.own()})"
        raise CellError(str(site.paths.shadows), "there is no such file", remedy)
    problem = found(site.paths, site.own()) or clear_mark(site.paths.lock)
    if isinstance(problem, Unknown):
        raise refused(site, problem)
    return site.paths.spool


def _passes(record: HostRecord | None) -> float | None:
    """Return after how many seconds nothing may speak against it any more; None: something does for good."""
    if record is None or record.state == State.ACTIVE.value or not record.refusals:
        return None
    dates = [refusal.until for refusal in record.refusals]
    if any(date is None for date in dates):
        return None
    return max(0.0, max(date for date in dates if date is not None) - time.time()) + _A_MOMENT
