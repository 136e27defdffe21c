"""Runs reads that may never come back, and comes back without them.

A read on a hung mount cannot be interrupted (NFS.md, "The server goes away"). So each runs in a daemon
thread, all of them together get one deadline, and what is not there by then is reported as such. The
caller then has to leave with ``os._exit``: ``abandoned`` says so. This module refuses to use executors
of the standard library, whose threads are joined at exit.
"""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

MAX_THREADS: Final = 64
_NAME: Final = "shadowd-reader"

T = TypeVar("T")


def run_all(jobs: Sequence[Callable[[], T]], timeout: float) -> list[T | Exception | None]:
    """Run all jobs at once, at most ``timeout`` seconds; None where no answer came."""
    deadline = time.monotonic() + timeout
    answers: list[T | Exception | None] = [None] * len(jobs)
    todo = itertools.count()  # its steps are atomic, and the standard queue costs a call of ours 1 ms

    def work() -> None:
        while (index := next(todo)) < len(jobs):
            try:
                answers[index] = jobs[index]()
            except Exception as error:  # noqa: BLE001 - handed to the caller, who tells kinds apart
                answers[index] = error

    threads = [
        threading.Thread(target=work, name=_NAME, daemon=True) for _ in range(min(len(jobs), MAX_THREADS))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    # A late answer must not change what the caller is looking at.
    return list(answers)


def abandoned() -> bool:
    """Tell whether a reader is still out there; then only ``os._exit`` ends this process for sure."""
    return any(thread.name == _NAME for thread in threading.enumerate())
