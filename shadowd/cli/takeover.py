"""``shadowd takeover``: ask this host's daemon to take over now.

The timers are skipped and nothing else: a master that answers or beats, a lock, a pause, a running lease
refuse the request as they would refuse a bid of the daemon's own.
"""

import argparse
import getpass
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from shadowd.errors import ControlError

_EXAMPLE = """\
examples:
  # shadowd takeover                    asks first
  # shadowd takeover --yes --cell prod  for scripts

Exit status: 0 this host is master now, 1 refused or failed (the reason is printed), 69 no daemon answers.
"""
_TAKING = {"verifying", "claiming", "accounting", "launching"}


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "takeover",
        description="Take over on this host without waiting for the timers; every safety check stays.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="the configuration")
    parser.add_argument("--cell", metavar="NAME", help="which cell, where this host serves several")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--timeout", type=float, default=300, metavar="SECONDS", help="how long to wait for the end (300)"
    )
    parser.add_argument("--json", action="store_true", help="print the last record of the daemon")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask, then follow the daemon's own record until the attempt has ended."""
    from shadowd.adapters.control import ask

    stem = _cell(args.config, args.cell)
    pid = _daemon(stem)
    if not args.yes and not _confirmed(stem.name):
        print("nothing was asked for", file=sys.stderr)
        return 1
    before = _record(stem)
    request = {"do": "takeover", "cell": stem.name.rsplit("@", 1)[0], "by": getpass.getuser()}
    ask(stem.with_name(f"control-{pid}.sock"), request)
    return _follow(stem, before, args)


def _cell(config: Path | None, name: str | None) -> Path:
    """Return the stem of the local runtime files of the cell."""
    from shadowd.config.light import light_settings

    settings = light_settings(config, os.environ)
    names = [cell.name for cell in settings.cells]
    if name is None and len(names) == 1:
        name = names[0]
    if name not in names:
        raise ControlError("--cell", f"{name!r} is not one of: {', '.join(names)}", "name one of them")
    locks = sorted(settings.runtime_dir.glob(f"{name}@*.lock"))
    if settings.host is not None:
        locks = [lock for lock in locks if lock.name == f"{name}@{settings.host}.lock"] or locks
    alive = [lock for lock in locks if _pid(lock) is not None]
    if not alive:
        raise ControlError(f"cell {name}", "no daemon of this host serves it", "start it with `shadowd run`")
    own = os.uname().nodename.split(".")[0].lower()
    mine = [lock for lock in alive if lock.stem.rsplit("@", 1)[1].split(".")[0].lower() == own]
    return (mine or alive)[0].with_suffix("")


def _pid(lock: Path) -> int | None:
    try:
        pid = int(lock.read_text("ascii")[:20])
    except (OSError, ValueError):
        return None
    return pid if Path(f"/proc/{pid}").exists() else None


def _daemon(stem: Path) -> int:
    pid = _pid(stem.with_name(f"{stem.name}.lock"))
    if pid is None:
        raise ControlError(str(stem), "its daemon has ended", "start it with `shadowd run`")
    return pid


def _confirmed(cell: str) -> bool:
    if not sys.stdin.isatty():
        raise ControlError("--yes", "is needed where nobody can be asked", "add --yes")
    print(f"Take over {cell} on this host now, without waiting for the timers? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _record(stem: Path) -> dict[str, Any]:
    try:
        record = json.loads(stem.with_name(f"{stem.name}.state.json").read_bytes()[:65536])
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _follow(stem: Path, before: dict[str, Any], args: argparse.Namespace) -> int:
    """Print each state once, until the daemon rests again."""
    ends = time.monotonic() + args.timeout
    shown = (before.get("state"), before.get("since"))
    while time.monotonic() < ends:
        record = _record(stem)
        now = (record.get("state"), record.get("since"))
        if now != shown:
            shown = now
            if not args.json:
                print(f"{record.get('state')}: {record.get('text')}", flush=True)
            if record.get("state") not in _TAKING | {"stale"}:
                break
        elif record.get("state") == "active" == before.get("state"):
            break  # nothing to do: this host is master already
        time.sleep(0.1)
    record = _record(stem)
    if args.json:
        print(json.dumps(record))
    return _verdict(record, args)


def _verdict(record: dict[str, Any], args: argparse.Namespace) -> int:
    if record.get("state") == "active":
        return 0
    if args.json:
        return 1
    for refusal in record.get("refusals", ()):
        detail = f" ({refusal.get('detail')})" if refusal.get("detail") else ""
        print(f"refused: {refusal.get('text')}{detail}", file=sys.stderr)
    print(f"this host is {record.get('state')}; `shadowd status` says more", file=sys.stderr)
    return 1
