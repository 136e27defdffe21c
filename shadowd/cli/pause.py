"""``shadowd pause``: switch failover off for a while, on all hosts of a cell, without a shutdown.

It writes ``pause.json`` into the shared directory and nothing else, so no daemon has to run. The end that is
named is for people: a pause ends when somebody ends it (``adapters.pausefile`` says why). This verb refuses
an end that has passed, and to write over another's pause unless told to.
"""

import argparse
import json
import time
from datetime import datetime
from typing import Final

from shadowd.cli import UsageError
from shadowd.cli.maintenance import PauseError, Site, add_options, at_site, chosen, done, refused, who
from shadowd.config.words import UnfitError, duration
from shadowd.console.clock import ahead, at
from shadowd.console.records import clean
from shadowd.console.text import wrapped
from shadowd.core.values import Pause, Unknown

_EPILOG = """\
examples:
  # shadowd pause --why "switch upgrade" --for 2h
  # shadowd pause --why "new file server" --until 18:30
  # shadowd pause --replace --until "2026-12-01 08:00"     a later end
  # shadowd resume                                         the end

While a cell is paused no host starts a master, whatever becomes of the present
one, and the present one is not stopped when its heartbeat stands still. The end
that is named ends nothing: after it `shadowd status` and `shadowd check`
complain until somebody resumes.

Exit status: 0 paused, 1 refused or not possible, 64 the command line is wrong,
66 no such cell, 75 the file system did not answer, 78 wrong configuration.
"""
_YEAR: Final = 366 * 86400
_LONGEST: Final = 500


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "pause",
        description="Switch failover off: nobody starts a master until `shadowd resume`.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--why", default="", metavar="TEXT", help="for everybody who looks")
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--until", metavar="TIME", help='planned end: "18:30", "2026-12-01 08:00"')
    end.add_argument("--for", dest="length", metavar="DURATION", help='planned length: "90m", "2h"')
    parser.add_argument("--replace", action="store_true", help="instead of a pause that lies there")
    add_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the pause and say what it means."""
    now = time.time()
    until = _end(args, now)
    if len(args.why) > _LONGEST:
        raise UsageError("--why", f"is longer than {_LONGEST} characters", "put the rest on the wiki")
    cell = chosen(args)
    wanted = Pause(who(), args.why.strip() or "no reason given", until, round(now, 3))
    path, found = at_site(
        cell, args.timeout, lambda site: (site.path, _write(site, wanted, replace=args.replace))
    )
    if (found.who, found.since_wall) != (wanted.who, wanted.since_wall):
        raise PauseError(
            f"cell {cell.name}",
            f"is paused already, by {clean(found.who, 60)}{_since(found, now)}: {clean(found.why, 200)}",
            "`shadowd pause --replace` writes another one, `shadowd resume` ends it",
        )
    if args.json:
        print(
            json.dumps({"format": 1, "cell": cell.name, "paused": True, "file": str(path), **_plain(found)})
        )
    else:
        print("\n".join(_text(cell.name, found, now)))
    return done(0)


def _write(site: Site, wanted: Pause, *, replace: bool) -> Pause:
    from shadowd.adapters.pausefile import write_pause

    found = write_pause(site.path, wanted, who().partition("@")[2], replace=replace)
    if isinstance(found, Unknown):
        raise refused(site, found)
    seen = site.read().pause
    if isinstance(seen, Unknown):
        raise refused(site, seen)
    if seen is None:
        raise PauseError(str(site.path), "was written, and is gone again", "did somebody resume just now?")
    return seen


# --- when it is to end ------------------------------------------------------------------------------


def _end(args: argparse.Namespace, now: float) -> float | None:
    """Return the planned end in Unix seconds, None for none."""
    if args.length is not None:
        try:
            bare = args.length.isascii() and args.length.isdigit() and len(args.length) < 10
            seconds = duration(int(args.length) if bare else args.length)
        except UnfitError as error:
            raise UsageError("--for", str(error), "for example: --for 2h; days go into --until") from None
        if seconds <= 0:
            raise UsageError("--for", "is no time at all", "for example: --for 2h")
        return now + seconds
    return None if args.until is None else _moment(args.until.strip(), now)


def _moment(text: str, now: float) -> float:
    today = datetime.fromtimestamp(now).astimezone()
    try:
        if len(text) <= 8 and ":" in text:
            spelt = text.zfill(len(text) + (text.index(":") == 1))
            moment = datetime.fromisoformat(f"{today:%Y-%m-%d} {spelt}").astimezone().timestamp()
        else:
            moment = datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        wrong = f"{clean(text, 40)!r} is no time"
        raise UsageError("--until", wrong, 'write "18:30" or "2026-12-01 08:00"') from None
    if moment <= now:
        raise UsageError("--until", f"{clean(text, 40)!r} is past", f"it is {today:%Y-%m-%d %H:%M} now")
    if moment > now + _YEAR:
        raise UsageError("--until", f"{clean(text, 40)!r} is more than a year ahead", "is that meant?")
    return moment


# --- what is printed --------------------------------------------------------------------------------


def _text(name: str, pause: Pause, now: float) -> list[str]:
    end = (
        "open"
        if pause.until_wall is None
        else f"{ahead(pause.until_wall, now)}, and then still not by itself"
    )
    rows = (
        ("by", f"{pause.who}: {pause.why}"),
        ("planned end", end),
        ("it means", "No host starts a master, whatever becomes of the present one. The present one goes on: "
         "its guard counts the pause as a heartbeat and does not stop it while it can read the pause."),
        ("in force", "On each host at its next look: within check_interval, 60 s by default."),
        ("to end it", f"shadowd resume{'' if name == 'default' else f' --cell {name}'}"),
    )  # fmt: skip
    lines = [f"cell {name} is paused"]
    for label, text in rows:
        lines += wrapped(text, " " * 15, f"  {label:<13}")
    return lines


def _since(pause: Pause, now: float) -> str:
    return "" if pause.since_wall is None else f" since {at(pause.since_wall, now)}"


def _plain(pause: Pause) -> dict[str, str | float | None]:
    return {"who": pause.who, "why": pause.why, "since": pause.since_wall, "until": pause.until_wall}
