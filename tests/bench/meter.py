"""What a process costs, asked of the kernel from outside: CPU, memory, threads, system calls.

CPU is read from the process's own clock (``clock_getcpuclockid``, nanoseconds, all threads, ended ones too)
because the ticks of ``/proc/PID/stat`` are as long as fifty checks of ours. System calls are counted by
``strace`` in a run of their own, as tracing makes everything slow.
"""

import re
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.lab.processes import wait_for

_SCHED = 2
_CALL = re.compile(r"^\d+ +(?:[\d:.]+ +)?(\w+)\(")


@dataclass(frozen=True)
class Memory:
    """Sizes in KiB."""

    rss: int
    pss: int
    threads: int


def cpu(pid: int) -> float:
    """Return the CPU seconds that a process has used so far."""
    # What clock_getcpuclockid(3) computes; Python offers only the thread's.
    return time.clock_gettime((~pid << 3) | _SCHED)


def memory(pid: int) -> Memory:
    """Return what a process holds."""
    rows = dict(
        re.findall(r"^(\w+):\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    )
    return Memory(int(rows["Rss"]), int(rows["Pss"]), len(list(Path(f"/proc/{pid}/task").iterdir())))


@dataclass(frozen=True)
class Calls:
    """The system calls of a while, by name, and how many checks there were in it."""

    by_name: Counter[str]
    seconds: float
    checks: int

    @property
    def total(self) -> int:
        """Return all calls."""
        return self.by_name.total()


class Trace:
    """A ``strace`` of one running process, from ``with`` to the end of its block."""

    def __init__(self, pid: int, file: Path) -> None:
        self._pid = pid
        self._file = file
        self._begun = 0.0
        self._seconds = 0.0

    def __enter__(self) -> Self:
        argv = ["strace", "-f", "-qq", "-o", str(self._file), "-p", str(self._pid)]
        self._strace = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        status = Path(f"/proc/{self._pid}/status")
        wait_for(lambda: "TracerPid:\t0\n" not in status.read_text(), 10, "strace is attached")
        self._begun = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self._seconds = time.monotonic() - self._begun
        self._strace.send_signal(signal.SIGINT)
        self._strace.wait(20)

    @property
    def calls(self) -> Calls:
        """Return what was counted; a check is an opened heartbeat."""
        names: Counter[str] = Counter()
        checks = 0
        for line in self._file.read_text(errors="replace").splitlines():
            # A call that another thread's interrupts is two lines, of which the second has no bracket.
            if found := _CALL.match(line):
                names[found[1]] += 1
                checks += 'heartbeat"' in line and found[1] in {"open", "openat"}
        return Calls(names, self._seconds, checks)
