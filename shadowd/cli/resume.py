"""``shadowd resume``: end a pause, whoever began it and whatever is in its file.

The end of a pause counts as a heartbeat for every shadow, so nobody takes over because of the silence that
the maintenance caused: the timers begin anew. This verb refuses nothing: where no pause lies it says so.
"""

import argparse
import json
import time
from pathlib import Path

from shadowd.cli.maintenance import Site, add_options, at_site, chosen, done, refused
from shadowd.console.clock import span
from shadowd.console.records import clean, in_words
from shadowd.console.text import wrapped
from shadowd.core.values import Pause, Unknown

_EPILOG = """\
example:
  # shadowd resume && shadowd check

Exit status: 0 no pause lies there any more, 1 it cannot be removed, 64 the
command line is wrong, 66 no such cell, 75 the file system did not answer,
78 wrong configuration.
"""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "resume",
        description="End a pause: failover is on again, and every timer begins anew.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Remove the pause and say whose it was."""
    cell = chosen(args)
    path, before = at_site(cell, args.timeout, _remove)
    if args.json:
        print(
            json.dumps({"format": 1, "cell": cell.name, "paused": False, "file": str(path), **_was(before)})
        )
    else:
        print("\n".join(_text(cell.name, before)))
    return done(0)


def _remove(site: Site) -> tuple[Path, Pause | Unknown | None]:
    from shadowd.adapters.pausefile import remove_pause

    before = site.read().pause
    problem = None if before is None else remove_pause(site.path)
    if problem is not None:
        raise refused(site, problem)
    return site.path, before


def _text(name: str, before: Pause | Unknown | None) -> list[str]:
    if before is None:
        return [f"cell {name} was not paused"]
    lines = [f"cell {name} is not paused any more"]
    if isinstance(before, Unknown):
        was = in_words(before).replace(" is ", ", which was ", 1)
    else:
        lasted = "" if before.since_wall is None else f" (for {span(time.time() - before.since_wall)})"
        was = f"the pause of {clean(before.who, 60)}{lasted}: {clean(before.why, 200)}"
    lines += wrapped(was, " " * 15, f"  {'removed':<13}")
    means = "On each host at its next look failover is on again. The end of a pause counts as a heartbeat: "
    return lines + wrapped(f"{means}all timers begin anew.", " " * 15, f"  {'it means':<13}")


def _was(before: Pause | Unknown | None) -> dict[str, object]:
    if isinstance(before, Pause):
        was = {"who": before.who, "why": before.why, "since": before.since_wall, "until": before.until_wall}
        return {"was": was}
    return {"was": None if before is None else before.problem.value}
