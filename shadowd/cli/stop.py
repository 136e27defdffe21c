"""``shadowd stop``: shut the master of a generic cell down in order, from any host of the cell.

It puts the empty ``lock`` into the shared directory, the mark of a regular shutdown, and waits. From then on
nobody takes over; the guard on the master's host sees the mark, ends the master with SIGTERM (and kills what
has not ended within the lease), and writes ``stopped``. The mark stays until `shadowd start`. This verb
refuses cells whose masters leave their own mark, and signals nobody itself.
"""

import argparse
import json
import time
from typing import Final

from shadowd.cli.maintenance import Site, add_options, at_site, done, generic, refused
from shadowd.console.records import clean
from shadowd.core.ledger import EpochRecord
from shadowd.core.values import Claim, Lock, LockKind, Unknown
from shadowd.errors import ShadowdError

_EPILOG = """\
example:
  # shadowd stop licences      on any host of the cell
  # shadowd start licences     on the host that shall have the master

Exit status: 0 no master runs, 1 the mark lies there and the end was not seen
in time, or it cannot be put there, 64 the command line is wrong, 66 no such
cell, 75 the file system did not answer, 78 wrong configuration.
"""
_AGAIN: Final = 0.25


class StopError(ShadowdError):
    """The master is not shut down, as far as anybody can see."""

    exit_code = 1


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "stop",
        description="Shut the master of a generic cell down: SIGTERM, and nobody takes over.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cell", nargs="?", metavar="CELL", help="which cell, where there are several")
    add_options(parser, named=False, patience=120.0)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Put the mark there and wait until the master's host says that it has ended."""
    cell = generic(args)
    ends = time.monotonic() + args.timeout
    while True:
        left = max(1.0, ends - time.monotonic())
        lock, record = at_site(cell, left, _mark)
        if lock.kind is LockKind.FOREIGN and record is None:
            break
        if time.monotonic() >= ends:
            raise _late(cell.name, lock, record)
        time.sleep(_AGAIN)
    if args.json:
        print(json.dumps({"format": 1, "cell": cell.name, "stopped": True}))
    else:
        print(f"cell {cell.name} is shut down; nobody takes over until: shadowd start {cell.name}")
    return done(0)


def _mark(site: Site) -> tuple[Lock, EpochRecord | None]:
    """Return the lock that lies there now, and the epoch whose master has not ended yet."""
    from shadowd.adapters.lockfile import place_mark

    lock = place_mark(site.paths.lock)
    if isinstance(lock, Unknown):
        raise refused(site, lock)
    ledger = site.ledger()
    if isinstance(ledger, Unknown):
        raise refused(site, ledger)
    last = ledger.last_confirmed
    since = 0 if last is None else last.epoch
    alive = (
        record for record in ledger.records if record.epoch >= since and record.open and record.launching
    )
    return lock, next(alive, None)


def _late(name: str, lock: Lock, record: EpochRecord | None) -> StopError:
    if lock.kind is not LockKind.FOREIGN:
        return StopError(f"cell {name}", "a takeover is under way, and its lock lies there", "ask again")
    claim = None if record is None else record.claim
    host = clean(claim.host, 60) if isinstance(claim, Claim) else "its host"
    reason = f"the mark lies there, so nobody takes over; {host} has not said that the master ended"
    return StopError(f"cell {name}", reason, f"does shadowd run on {host}? see: shadowd status")
