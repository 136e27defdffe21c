"""The daemon with a witness inside, which ends it or holds it up at a moment that the test chose.

Run as a program: ``puppet.py WISH VERB ARGUMENT…`` is ``shadowd VERB ARGUMENT…`` with these wishes (JSON):

    witness          file that gets a line "time what" after each action, and after each changing call
    kill_after       [action, n]: SIGKILL after the n-th action of this kind of the first takeover
    kill_after_call  n: SIGKILL after the n-th call of the first takeover that changes a file
    reload_after     [action, n]: SIGHUP after the n-th action of this kind of the first takeover
    stall_when       file: while it is there, the decision thread sleeps
    exhausted_when   file: while it is there, no cell gets memory for its turn, and no thread can be started
    retry            seconds after which a cell that could not be served is tried again
    first_look       seconds that the start waits for the cells' files

Why not in the product: a daemon that can be told to die at a certain point will one day be told so. A
takeover begins here with its probe; what the cell did before, and what it writes for people only, counts
for nothing.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHANGING = ("chmod", "fchmod", "link", "mkdir", "open", "rename", "replace", "rmdir", "unlink", "write")
KILLED = -signal.SIGKILL


class Witness:
    """Sees every action, and every changing call within one."""

    def __init__(self, wish: dict[str, Any]) -> None:
        self._wish = wish
        self._file = os.open(wish["witness"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._write = os.write
        self._began = False
        self._seen: dict[str, int] = {}
        self._calls = 0
        self._here = threading.local()

    def watch_calls(self) -> None:
        """Wrap the system calls that change a file."""
        for name in CHANGING:
            setattr(os, name, self._wrapped(name, getattr(os, name)))

    def watch_actions(self) -> None:
        """Wrap what the executor does."""
        from shadowd.runtime.executor import Executor

        plain = Executor.perform

        def perform(executor: Executor, action: Any) -> Any:
            kind = type(action).__name__
            self._began = self._began or kind == "Probe"
            self._here.inside = True
            try:
                answer = plain(executor, action)
            finally:
                self._here.inside = False
            self._note(kind)
            if self._began:
                self._seen[kind] = self._seen.get(kind, 0) + 1
                now = [kind, self._seen[kind]]
                if now == self._wish.get("kill_after"):
                    os.kill(os.getpid(), signal.SIGKILL)
                if now == self._wish.get("reload_after"):
                    os.kill(os.getpid(), signal.SIGHUP)
            return answer

        Executor.perform = perform  # type: ignore[method-assign]

    def watch_turns(self) -> None:
        """Hold up the decision thread while the file of ``stall_when`` is there."""
        from shadowd.runtime.loop import Loop

        plain, file = Loop.turn, Path(self._wish["stall_when"])

        def turn(loop: Loop) -> None:
            while file.exists():
                time.sleep(0.02)
            plain(loop)

        Loop.turn = turn  # type: ignore[method-assign]

    def watch_resources(self) -> None:
        """Let there be neither memory nor another thread while the file of ``exhausted_when`` is there."""
        from shadowd.runtime.runner import Runner

        file = Path(self._wish["exhausted_when"])
        turn, start = Runner.turn, threading.Thread.start

        def short_turn(runner: Runner) -> None:
            if file.exists():
                raise MemoryError("none left")
            turn(runner)

        def short_start(thread: threading.Thread) -> None:
            if file.exists():
                raise RuntimeError("can't start new thread")
            start(thread)

        Runner.turn = short_turn  # type: ignore[method-assign]
        threading.Thread.start = short_start  # type: ignore[method-assign]

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            result = call(*args, **kwargs)
            changes = name != "open" or (len(args) > 1 and args[1] & (os.O_CREAT | os.O_TRUNC))
            if changes and self._began and getattr(self._here, "inside", False):
                self._calls += 1
                self._note(f"call {self._calls} {name}")
                if self._calls == self._wish.get("kill_after_call"):
                    os.kill(os.getpid(), signal.SIGKILL)
            return result

        return wrapper

    def _note(self, what: str) -> None:
        self._write(self._file, f"{time.monotonic():.3f} {what}\n".encode())


def main() -> int:
    """Be the daemon."""
    wish = json.loads(sys.argv[1])
    witness = Witness(wish)
    # Before anything of the daemon is imported: it binds some of them at import.
    witness.watch_calls()
    witness.watch_actions()
    if "stall_when" in wish:
        witness.watch_turns()
    if "exhausted_when" in wish:
        witness.watch_resources()
    if "retry" in wish:
        from shadowd.app import cells, daemon

        cells._TRY_AGAIN = wish["retry"]
        daemon._FIRST_LOOK = wish["first_look"]
    from shadowd.cli import main as shadowd

    return shadowd(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
