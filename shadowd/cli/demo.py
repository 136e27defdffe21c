"""``shadowd demo``: a failover to watch, on this machine and with nothing but this machine.

A toy master/scheduler pair and two shadows in a temporary directory, with the timers a hundred times
faster; the master is killed, and every line is what the daemons themselves logged.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shadowd.errors import ShadowdError
from shadowd.sim.toycell import HOSTS, ToyCell, environment

_EXAMPLE = """\
example:
  $ shadowd demo

Takes about 15 seconds, needs no root, leaves nothing behind, interrupted or not
(--keep keeps the files).
Exit status: 0 exactly one new master came up, 1 not, 130 interrupted.
"""
_LIMIT = 25.0
_CALM = 2.0
_LOOKS = 4
_INTERESTING = ("heartbeat.", "takeover.", "master.", "shadow.", "scheduler.", "ledger.")
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "demo",
        description="Show a failover on this machine: a toy master dies, a shadow takes over.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--keep", action="store_true", help="keep the files for a look around")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show it; exit status 0 if exactly one new master came up in time."""
    ends = _Ends()
    with contextlib.ExitStack() as stack:
        with ends.held():
            if args.keep:
                root = Path(tempfile.mkdtemp(prefix="shadowd-demo-"))
            else:
                root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shadowd-demo-")))
            stack.callback(_stop_all, root)
            stack.callback(ends.ignore)
        cell = ToyCell(root, shadows=HOSTS[1:])
        cell.create()
        succeeded = _Show(cell, os.environ, ends).play()
        if args.keep:
            print(f"\nThe files are in {root}.")
        return 0 if succeeded else 1


class _Ends:
    """The signals that end a demonstration: by a clean-up that no further one cuts short.

    While something is being started they wait: a process that is not yet seen would be left behind.
    """

    def __init__(self) -> None:
        self._held = False
        self._told = False
        for number in _ENDING:
            signal.signal(number, self._hear)

    def ignore(self) -> None:
        """Hear nothing any more."""
        for number in _ENDING:
            signal.signal(number, signal.SIG_IGN)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let signals wait until the end of the block."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._told:
            raise KeyboardInterrupt

    def _hear(self, _number: int, _frame: object) -> None:
        self._told = True
        if not self._held:
            self.ignore()
            raise KeyboardInterrupt


class _Show:
    """The three hosts and what they say."""

    def __init__(self, cell: ToyCell, environ: "os._Environ[str]", ends: _Ends) -> None:
        self._cell = cell
        self._ends = ends
        self._began = time.monotonic()
        self._offsets: dict[str, int] = {}
        self._colour = sys.stdout.isatty() and not environ.get("NO_COLOR")

    def play(self) -> bool:
        cell, (old, *shadows) = self._cell, self._cell.hosts
        earliest = float(cell.timers["stale_after"]) + float(cell.timers["delay"])
        print(f"One cell, three hosts: a master on {old}, shadows on {' and '.join(shadows)}.")
        print(f"A beat each {cell.beat:g} s; a takeover is due after {earliest:g} s of silence.\n")
        with self._ends.held():
            cell.start_master(old)
            daemons = [cell.start_shadowd(host) for host in shadows]
        self._line(old, "the toy pair is started, as an init script would")
        self._wait_for_daemons(daemons, shadows)
        self._follow(_CALM)
        pair = [pid for role in ("master", "scheduler") for pid in _toys(cell.root, role)]
        for pid in pair:
            os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        self._line(old, f"kill -9 {' '.join(map(str, pair))}: master and scheduler are dead")
        winner = self._follow(_LIMIT, until="master.confirmed")
        after = time.monotonic() - killed
        self._follow(1.5)
        masters = _toys(cell.root, "master")
        if winner is None or len(masters) != 1:
            print(f"\nNo single new master: {len(masters)} found. Please report this.")
            return False
        print(f"\n{winner} is master {after:.1f} s after the kill; masters running now: {len(masters)}.")
        print("What `shadowd status` says:\n", flush=True)
        config = cell.root / winner / "shadowd.toml"
        status = (sys.executable, "-m", "shadowd", "status", "--config", str(config))
        subprocess.run(status, check=False, env=environment(), timeout=_LIMIT)
        return True

    def _wait_for_daemons(self, daemons: "list[subprocess.Popen[bytes]]", hosts: list[str]) -> None:
        ends = time.monotonic() + _LIMIT
        while time.monotonic() < ends:
            for daemon, host in zip(daemons, hosts, strict=True):
                if daemon.poll() is not None:
                    said = (self._cell.root / host / "stderr").read_text("utf-8", "replace")[-2000:]
                    raise ShadowdError(f"the shadowd of {host}", f"ended at its start:\n{said}")
            if all((self._cell.spool / "shadowd" / "hosts" / f"{host}.json").exists() for host in hosts):
                return
            time.sleep(0.02)

    def _follow(self, seconds: float, until: str = "") -> str | None:
        """Print what the daemons log for this long, or until this event; return the host that said it."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            for host in self._cell.hosts[1:]:
                for said in self._new_lines(host):
                    event = str(said.get("event", ""))
                    if event.startswith(_INTERESTING):
                        detail = f" ({said['detail']})" if said.get("detail") else ""
                        self._line(host, f"{event:<22}{said.get('text', '')}{detail}")
                    if until and event == until:
                        return host
            time.sleep(0.02)
        return None

    def _new_lines(self, host: str) -> Iterator[dict[str, Any]]:
        path = self._cell.root / host / "shadowd.log"
        with contextlib.suppress(OSError), path.open("rb") as log:
            log.seek(self._offsets.get(host, 0))
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._offsets[host] = self._offsets.get(host, 0) + len(line)
                with contextlib.suppress(ValueError):
                    yield json.loads(line)

    def _line(self, host: str, text: str) -> None:
        at = time.monotonic() - self._began
        name = f"\033[1m{host:<6}\033[0m" if self._colour else f"{host:<6}"
        print(f"{at:5.1f} s  {name} {text}", flush=True)


def _toys(root: Path, role: str) -> list[int]:
    """Return the toys of this demonstration that play this role."""
    return [pid for pid, words in _processes(root) if role in words[:5]]


def _processes(root: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the processes of this demonstration with their words, by the directory on their command line."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            if any(word.startswith(f"{root}/") for word in words):
                yield int(entry.name), words


def _stop_all(root: Path) -> None:
    """Stop every process of the demonstration, by pid; the daemons first, or they would mind."""
    ends = time.monotonic() + 5
    empty = 0
    # Several looks in a row that find nobody: one alone can miss who is forking.
    while empty < _LOOKS and time.monotonic() < ends:
        left = sorted(_processes(root), key=lambda item: "run" not in item[1][:5])
        empty = 0 if left else empty + 1
        for pid, _ in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
