"""Facts about processes, read from ``/proc``, and the one way in which tests wait.

Why not psutil: tests ask four questions of a process, and a zombie must never count as alive, which is
easy to get wrong through a library. This refuses to sleep a fixed time: every wait polls, and is bounded.
"""

import os
import signal
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
PROC = Path("/proc")


def stat_fields(pid: int) -> list[str]:
    """Return ``/proc/PID/stat`` from the state on (0 state, 1 ppid, 19 start time); empty when gone."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return []
    # The name in front may itself hold blanks and brackets.
    return text.rpartition(")")[2].split()


def state(pid: int) -> str:
    """Return the one-letter state (R, S, D, T, Z…), or an empty string when the process is gone."""
    fields = stat_fields(pid)
    return fields[0] if fields else ""


def start_time(pid: int) -> int | None:
    """Return the start in clock ticks since boot, which together with the pid names a process for good."""
    fields = stat_fields(pid)
    return int(fields[19]) if fields else None


def alive(pid: int) -> bool:
    """Say whether the process exists and is no zombie."""
    return state(pid) not in ("", "Z", "X")


def name(pid: int) -> str:
    """Return the kernel's name of a process (15 characters at most), empty when it is gone."""
    try:
        return (PROC / str(pid) / "comm").read_text(errors="replace").rstrip("\n")
    except OSError:
        return ""


def arguments(pid: int) -> str:
    """Return the command line for messages; the kernel's name where there is none."""
    try:
        raw = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return "(gone)"
    return raw.replace(b"\0", b" ").decode(errors="replace").strip() or f"[{name(pid)}]"


def everybody() -> Iterator[int]:
    """Yield the pids of this moment."""
    return (int(entry) for entry in os.listdir(PROC) if entry.isdigit())  # noqa: PTH208 - 50 times a second


def networks(wanted: Collection[int]) -> Iterator[tuple[int, int]]:
    """Yield pid and network namespace of whoever lives in one of these namespaces (inode numbers)."""
    for pid in everybody():
        try:
            # A zombie has no namespaces any more, so this leaves it out by itself.
            inode = os.stat(f"/proc/{pid}/ns/net").st_ino  # noqa: PTH116 - 50 times a second
        except OSError:
            continue
        if inode in wanted:
            yield pid, inode


def in_network(inode: int) -> list[int]:
    """Return the pids in one network namespace, zombies left out."""
    return [pid for pid, _ in networks((inode,))]


def kill(pids: Iterable[int]) -> None:
    """Send SIGKILL to each; one that is gone already is what we wanted."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def wait_for(question: Callable[[], T], seconds: float, what: str, every: float = 0.02) -> T:
    """Poll until the answer is true and return it; fail, saying ``what``, after ``seconds``."""
    end = time.monotonic() + seconds
    while True:
        if answer := question():
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what} (last answer: {answer!r})")
        time.sleep(every)
