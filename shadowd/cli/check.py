"""``shadowd check``: would failover work now? One line for monitoring, then each item with its remedy.

The output and the exit status are those of a monitoring plugin, so that Nagios, Icinga and their kin can
call it as it is. A configuration that cannot be read is UNKNOWN, on standard output, where they look.
"""

import argparse
import os
from typing import Final

from shadowd.cli.look import add_options, leave, look
from shadowd.console.health import Health
from shadowd.console.records import clean
from shadowd.console.report import as_json, overall
from shadowd.console.text import checks
from shadowd.errors import ShadowdError

TROUBLE_EXIT: Final = Health.UNKNOWN.value
_EPILOG = """\
examples:
  $ shadowd check | head -1             # what monitoring shows
  $ shadowd check --cell default --timeout 10
  # shadowd check --fence               # would the fence work? changes nothing

Exit status: 0 all well, 1 warning, 2 critical, 3 nobody can say.
"""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "check",
        description="Judge whether failover would work now, for monitoring.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.add_argument(
        "--fence",
        action="store_true",
        help="also ask the fence agent for the status of each other host; switches nothing off",
    )


def run(args: argparse.Namespace) -> int:
    """Print the verdicts; return the gravest."""
    try:
        reports = look(args)
        if args.fence:
            from shadowd.app.fencetrial import tried

            reports = tried(args.config, os.environ, reports)
    except ShadowdError as error:
        print(f"SHADOWD UNKNOWN - {clean(error.subject)}: {clean(error.reason)}".replace("|", "/"))
        if error.remedy:
            print(f"hint: {clean(error.remedy)}")
        return leave(TROUBLE_EXIT)
    print(as_json(reports) if args.json else checks(reports))
    return leave(overall(reports).value)
