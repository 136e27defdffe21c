"""``shadowd status``: every cell of this host, from the files, whether or not a daemon runs.

Who is master and since when, the age of its beat, and for every host which timer runs, what it will do at
what time, and why not if not; then what is wrong and what to do about it.
"""

import argparse
from typing import Final

from shadowd.cli.look import add_options, leave, look
from shadowd.console.health import Health
from shadowd.console.report import as_json, overall
from shadowd.console.text import status

TROUBLE_EXIT: Final = Health.UNKNOWN.value
_EPILOG = """\
examples:
  $ shadowd status                      # all cells; several in brief
  $ shadowd status --cell prod          # all of one
  $ shadowd status --json | jq '.cells[].master'

Exit status, as for check: 0 all well, 1 warning, 2 critical, 3 nobody can say.
"""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "status",
        description="Show every cell: who is master, and what each host will do when.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the cells; return the gravest verdict."""
    reports = look(args, everything=True)
    text = as_json(reports) if args.json else status(reports, compact=not args.cell)
    print(text or "no cell is configured")
    return leave(overall(reports).value)
