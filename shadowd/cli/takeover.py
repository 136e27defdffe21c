"""``shadowd takeover``: ask this host's daemon to take over now.

The timers are skipped and nothing else: a master that answers or beats, a lock, a pause, a running lease
refuse the request as they would refuse a bid of the daemon's own. The verb only asks and then follows the
daemon's own local record; what was begun goes on without it. It refuses to touch a file of the cell.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Final

from shadowd.cli import UsageError
from shadowd.console import records
from shadowd.console.clock import at
from shadowd.console.records import HostRecord, RefusalRecord, clean
from shadowd.console.remedies import remedy_for
from shadowd.console.rows import BIDDING
from shadowd.console.wording import worded
from shadowd.core.snapshot import State
from shadowd.core.values import Unknown
from shadowd.errors import ControlError

_EXAMPLE = """\
examples:
  # shadowd takeover                    asks first
  # shadowd takeover --yes --cell prod  for scripts

Exit status: 0 this host is master now, 1 refused, failed or not over in time
(the reason is printed), 64 the command line is wrong, 69 no daemon answers,
130 interrupted (the takeover goes on).
"""
_QUESTIONS: Final = {
    "takeover": "Take over {} on this host now, without waiting for the timers?",
    "migrate": "End the master of {} where it runs, and start it on this host?",
}
_LONGEST: Final = 3600.0
_POLL: Final = 0.1
_SAME: Final = 0.5
"""Seconds by which one moment may differ between two records: wall clocks are read anew for each."""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    what = "Take over on this host without waiting for the timers; every safety check stays."
    add_verb(subparsers, "takeover", what, _EXAMPLE)


def add_verb(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]", verb: str, what: str, examples: str
) -> None:
    """Add a verb that asks this host's daemon to become master, and follows it."""
    parser = subparsers.add_parser(
        verb,
        description=what,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="the configuration")
    parser.add_argument("--cell", metavar="NAME", help="which cell, where this host serves several")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=300.0,
        metavar="SECONDS",
        help="how long to wait for the end (300)",
    )
    parser.add_argument("--json", action="store_true", help="print the last record of the daemon")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask, then follow the daemon's own record until the attempt has ended."""
    from shadowd.adapters.control import ask, socket_path

    stem = stem_of(args.config, args.cell)
    pid = daemon_of(stem)
    cell = stem.name.rpartition("@")[0]
    if not args.yes and not _confirmed(cell, args.verb):
        print("nothing was asked for", file=sys.stderr)
        return 1
    before = record_of(stem)
    ask(socket_path(stem.parent, pid), {"do": args.verb, "cell": cell, "by": asker()})
    try:
        record, ended = follow(stem, before, args)
    except KeyboardInterrupt:
        print("no longer watching; what was begun goes on: shadowd status", file=sys.stderr)
        raise
    if args.json:
        print(_raw(stem))
    return verdict(record, before, args, ended=ended)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number of seconds") from None
    if not 0 < seconds <= _LONGEST:
        raise argparse.ArgumentTypeError(f"{text[:40]!r}: more than 0, at most {_LONGEST:g} seconds")
    return seconds


_START: Final = {
    "gridengine": "start it: /etc/init.d/sgemaster start -shadowd (or: systemctl start shadowd)",
    "torque": "start it: /etc/init.d/pbs_server start (or: systemctl start shadowd pbs_server)",
    "generic": "start it: systemctl start shadowd",
}
"""By the startup script that a host of this kind has."""


# --- whom to ask ------------------------------------------------------------------------------------


def stem_of(config: Path | None, name: str | None) -> Path:
    """Return how the local runtime files of the cell begin."""
    from shadowd.config.light import light_settings

    settings = light_settings(config, os.environ)
    names = [cell.name for cell in settings.cells]
    if name is None and len(names) == 1:
        name = names[0]
    if name not in names:
        wrong = f"there is no cell {name!r}" if name is not None else "this host serves several cells"
        raise UsageError("--cell", wrong, f"name one of: {', '.join(names[:20])}")
    alive = [lock for lock in settings.runtime_dir.glob(f"{name}@*.lock") if _pid(lock) is not None]
    own = _short(settings.host or os.uname().nodename)
    mine = [lock for lock in alive if _short(lock.stem.rpartition("@")[2]) == own]
    # Aliases may have given this host any name; a configured one is the daemon's too.
    if not mine and settings.host is None and len(alive) == 1:
        mine = alive
    if not mine:
        raise ControlError(
            f"cell {name}",
            "no daemon of this host serves it",
            _START[next(cell.kind for cell in settings.cells if cell.name == name)],
        )
    return mine[0].with_suffix("")


def _short(host: str) -> str:
    return host.partition(".")[0].lower()


def _pid(lock: Path) -> int | None:
    try:
        pid = int(lock.read_bytes()[:20])
    except (OSError, ValueError):
        return None
    return pid if 0 < pid < 1 << 31 and Path(f"/proc/{pid}").exists() else None


def daemon_of(stem: Path) -> int:
    """Return the pid of the daemon that serves the cell; raises ControlError."""
    pid = _pid(stem.with_name(f"{stem.name}.lock"))
    if pid is None:
        raise ControlError(f"cell {stem.name}", "its daemon has ended", "see its log, and start it again")
    return pid


def asker() -> str:
    """Return whom the log shall name: the person behind sudo rather than root."""
    import pwd

    try:
        return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _confirmed(cell: str, verb: str) -> bool:
    if not (sys.stdin and sys.stdin.isatty()):
        raise ControlError("--yes", "is needed where nobody can be asked", "add --yes")
    question = f"{_QUESTIONS[verb].format(cell)} [y/N] "
    print(question, end="", flush=True, file=sys.stderr)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


# --- what comes of it -------------------------------------------------------------------------------


def _state_file(stem: Path) -> Path:
    return stem.with_name(f"{stem.name}.state.json")


def record_of(stem: Path) -> HostRecord | None:
    """Return what the daemon thought last of the cell."""
    record = records.read(_state_file(stem))
    return None if isinstance(record, Unknown) else record


def _raw(stem: Path) -> str:
    """Return the record as one line of ASCII."""
    try:
        return json.dumps(json.loads(_state_file(stem).read_bytes()[: records.MAX_BYTES]))
    except (OSError, ValueError):
        return "null"


def follow(stem: Path, before: HostRecord | None, args: argparse.Namespace) -> tuple[HostRecord | None, bool]:
    """Print each step once, until the daemon rests again; False: it did not within the time."""
    ends = time.monotonic() + args.timeout
    shown = before
    while time.monotonic() < ends:
        record = record_of(stem)
        if record is None or _same(record, shown):
            if record and before and record.state == before.state == State.ACTIVE.value:
                return record, True
        elif record.state not in BIDDING:
            return record, True
        else:
            shown = record
            if not args.json:
                print(f"{record.state}: {record.text}", flush=True)
        daemon_of(stem)
        _pause(_POLL)
    return record_of(stem), False


def _pause(seconds: float) -> None:
    time.sleep(seconds)


def _same(record: HostRecord, shown: HostRecord | None) -> bool:
    """Tell whether no transition lies between two records."""
    if shown is None or (record.state, record.reason) != (shown.state, shown.reason):
        return False
    return abs((record.since or 0.0) - (shown.since or 0.0)) < _SAME


def verdict(
    record: HostRecord | None, before: HostRecord | None, args: argparse.Namespace, *, ended: bool
) -> int:
    """Say what came of it, and return the exit status."""
    if record is not None and ended and record.state == State.ACTIVE.value:
        already = before is not None and before.state == State.ACTIVE.value
        if not args.json:
            print("this host is master already" if already else f"active: {record.text}")
        return 0
    if args.json:
        return 1
    if record is None:
        print("the daemon's record cannot be read; see: shadowd status", file=sys.stderr)
        return 1
    if not ended:
        _say_unfinished(record, args.timeout)
        return 1
    refused = any(refusal.reason == record.reason for refusal in record.refusals)
    if not refused:
        print(f"not taken over: {record.text}", file=sys.stderr)
        _hint(record, record.reason)
    for refusal in record.refusals if refused else ():
        _say_refusal(record, refusal)
    print(f"this host is {record.state}; more: shadowd status", file=sys.stderr)
    return 1


def _say_unfinished(record: HostRecord, timeout: float) -> None:
    print(f"not over within {timeout:g} s: this host is {record.state}", file=sys.stderr)
    if record.io_stuck is not None:
        print(f"its reads of the cell's files hang since {at(record.io_stuck, record.wall)}", file=sys.stderr)
    print("it goes on without this command; see: shadowd status", file=sys.stderr)


def _say_refusal(record: HostRecord, refusal: RefusalRecord) -> None:
    detail = f" ({refusal.detail})" if refusal.detail else ""
    until = f", until {at(refusal.until, time.time())}" if refusal.until is not None else ""
    text = worded(record.kind, record.cell, refusal.text)
    print(f"refused: {text}{detail}{until}", file=sys.stderr)
    _hint(record, refusal.reason)


def _hint(record: HostRecord, reason: str) -> None:
    remedy = worded(record.kind, record.cell, remedy_for(reason, ""))
    if remedy:
        print(f"hint: {clean(remedy)}", file=sys.stderr)
