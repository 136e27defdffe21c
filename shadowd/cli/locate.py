"""``shadowd locate``: the host that serves, for scripts and people, within moments.

It asks the servers themselves and believes nothing else. It refuses to load more than it needs: it runs in
front of every command of a job script.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from shadowd.cli.seconds import MOST, up_to
from shadowd.cli.serverlist import add_list, add_patience, cache, servers, source, tell
from shadowd.client.locating import (
    WATCH_INTERVAL,
    Located,
    Missing,
    NotLocatedError,
    Source,
    locate,
    serving,
    survey,
    watch,
)
from shadowd.client.race import Sighting
from shadowd.client.servers import job_name
from shadowd.client.sources import ServerList

_EPILOG = """\
examples:
  $ shadowd locate                  # of PBS_DEFAULT, server_name or SGE_ROOT
  $ shadowd locate --servers h1,h2:15002,[2001:db8::3]
  $ ssh "$(shadowd locate)" uptime
  $ shadowd locate --all                # each host, and why it does not serve
  $ shadowd locate --watch | while read when host; do echo "now $host"; done
  $ qdel "$(shadowd locate --job-name 12)@$(shadowd locate)"

The first server of the list that answers is it; the next is asked after a
tenth of a second, so one that hangs or has no address delays nobody. While no
one answers it goes on asking until --timeout, for a server may be starting.

Exit status: 0 somebody serves, 69 nobody answers, 78 the list is wrong,
66 the cell's files cannot be read.
"""
_NOBODY: Final = NotLocatedError.exit_code


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "locate",
        description="Print the host that serves.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--all", action="store_true", help="ask everybody once; print each with its reason")
    what.add_argument("--watch", action="store_true", help="go on, and print every change with its time")
    what.add_argument("--job-name", metavar="SEQ", help="ask nobody; print SEQ.<first server of the list>")
    parser.add_argument("--json", action="store_true", help="print JSON (with --watch one line a change)")
    parser.add_argument(
        "--interval",
        type=up_to(MOST),
        default=WATCH_INTERVAL,
        metavar="SECONDS",
        help=f"how often --watch asks (default {WATCH_INTERVAL:g})",
    )
    add_patience(parser)
    add_list(parser)


def run(args: argparse.Namespace) -> int:
    """Print what was asked for; raises what is wrong with the list."""
    if args.job_name is not None:
        name = job_name(args.job_name, servers(args, os.environ).first)
        print(_json({"job": name}) if args.json else name)
        return 0
    wanted = source(args, os.environ)
    if args.watch:
        return _watch(args, wanted)
    if args.all:
        return _all(args, wanted)
    try:
        found = locate(wanted, probe_timeout=args.probe_timeout, timeout=args.timeout, cache=cache(args))
    except NotLocatedError as error:
        if args.json:
            print(_json(_data(None, error.sightings)))
        return tell(error)
    print(_json(_located(found)) if args.json else found.server)
    return 0


def _all(args: argparse.Namespace, wanted: Source) -> int:
    asked = wanted() if callable(wanted) else wanted
    seen = survey(asked, probe_timeout=args.probe_timeout)
    if args.json:
        found = serving(seen)
        print(_json({**_data(found, seen), **_about(asked)}))
    else:
        width = max(len(str(one.server)) for one in seen)
        for one in seen:
            reason = f"{one.reason} ({one.seconds * 1000:.1f} ms)"
            print(f"{one.server!s:<{width}}  {one.state.value:<12}  {reason}")
        for note in asked.notes:
            print(f"note: {_clean(note)}")
    return _NOBODY if serving(seen) is None else 0


def _watch(args: argparse.Namespace, wanted: Source) -> int:
    import gc

    gc.enable()  # the program's start took this for a call that ends in a moment
    changes = watch(wanted, probe_timeout=args.probe_timeout, interval=args.interval, cache=cache(args))
    for seen in changes:
        when = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        if args.json:
            data = _located(seen) if isinstance(seen, Located) else _data(None, seen.sightings)
            print(_json({"time": when, **data}, indent=None), flush=True)
        else:
            print(when, seen.server if isinstance(seen, Located) else "-", flush=True)
        if isinstance(seen, Missing):
            print(f"shadowd: {_clean(seen.reason)}", file=sys.stderr)
    return 0


def _located(found: Located) -> dict[str, Any]:
    return {
        **_data(found.server, found.sightings),
        **_about(found.servers),
        "seconds": round(found.seconds, 6),
    }


def _about(asked: ServerList) -> dict[str, Any]:
    return {"kind": asked.protocol.kind, "origin": asked.origin, "notes": list(asked.notes)}


def _data(found: object, seen: Sequence[Sighting]) -> dict[str, Any]:
    return {
        "server": None if found is None else str(found),
        "servers": [
            {
                "server": str(one.server),
                "state": one.state.value,
                "reason": one.reason,
                "seconds": round(one.seconds, 6),
            }
            for one in seen
        ],
    }


def _json(data: dict[str, Any], indent: int | None = 2) -> str:
    import json

    return json.dumps(data, indent=indent)


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
