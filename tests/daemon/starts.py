"""Every start of a master: which claim it belongs to, when it began, and when the last of it was gone.

All processes that carry one nonce are one start, however often they fork to become a daemon; so nothing is
too brief to count. Toys are found by their words. A process that is known for a second and no toy becomes
none: reading the words of everybody, fifty times a second, would starve those who are watched.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab import processes
from tests.lab.host import Host
from tests.lab.masters import Life, Masters

_SETTLED = 1.0


@dataclass(frozen=True)
class Start:
    """What the environment of a master says."""

    epoch: int
    nonce: str


class Starts(Masters):
    """Watches the masters on these hosts, from ``with`` to the end of its block."""

    def __init__(self, hosts: Iterable[Host]) -> None:
        super().__init__(hosts, brief=0.0)
        self._marks: dict[int, Start] = {}
        self.starts: dict[Start, Life] = {}

    @property
    def masters(self) -> list[Life]:
        """Return one life for each start, in the order of their beginning."""
        return sorted(self.starts.values(), key=lambda life: life.first)

    def _census(self) -> Iterator[tuple[str, int]]:
        now = time.monotonic()
        candidates = {pid: host for host, pid in self._candidates()}
        self._marks = {pid: start for pid, start in self._marks.items() if pid in candidates}
        for pid, host in candidates.items():
            start = self._start(pid)
            if start is not None:
                self.starts.setdefault(start, Life(host, pid, now, now)).last = now
                yield host, pid

    def _candidates(self) -> Iterator[tuple[str, int]]:
        return super()._census()

    def _start(self, pid: int) -> Start | None:
        if pid not in self._marks:
            marks = dict(word.partition("=")[::2] for word in _words(pid, "environ"))
            if "SHADOWD_NONCE" not in marks:
                return None
            self._marks[pid] = Start(int(marks.get("SHADOWD_EPOCH", "0")), marks["SHADOWD_NONCE"])
        return self._marks[pid]


class ToyStarts(Starts):
    """Watches the masters of the toy cell below ``root``."""

    def __init__(self, root: Path) -> None:
        super().__init__(())
        self._below = f"{root}/"
        self._known: dict[int, float] = {}
        """Everybody on this machine, and when they were seen first."""

    def _candidates(self) -> Iterator[tuple[str, int]]:
        now = time.monotonic()
        pids = set(processes.everybody())
        self._known = {pid: since for pid, since in self._known.items() if pid in pids}
        for pid in pids:
            young = now - self._known.setdefault(pid, now) < _SETTLED
            host = self._host(pid) if young or pid in self._marks else ""
            if host and processes.alive(pid):
                yield host, pid

    def _host(self, pid: int) -> str:
        """Return whose master it is; empty for everybody else."""
        words = _words(pid, "cmdline")
        toy = (
            words[1:2] == ["-IS"] and words[3:4] == ["master"] and any(self._below in word for word in words)
        )
        return words[words.index("--host") + 1] if toy else ""


def _words(pid: int, name: str) -> list[str]:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []
