"""Counts the masters that live, fifty times a second, so that a test can say "never two" and mean it.

Looking only at the end of a test would miss the second master that came and went. What stands still
(SIGSTOP) counts, because it can write again; what is a zombie does not. A start of ``sge_qmaster`` is three
processes for some milliseconds, as it forks twice: a process that lived for less than ``brief`` seconds is
no master. An overlap shorter than the longest gap between two looks (``blind``) can escape, so the gap
is part of the report.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType
from typing import Self

from tests.lab import processes
from tests.lab.host import Host, keepers

LOOK_EVERY = 0.02


@dataclass
class Life:
    """One process as the recorder saw it; times are this machine's monotonic clock."""

    host: str
    pid: int
    first: float
    last: float
    ended: bool = False

    @property
    def seconds(self) -> float:
        """Return how long it was seen to live."""
        return self.last - self.first


class Masters:
    """Watches the hosts for processes of one name, from ``with`` to the end of its block."""

    def __init__(self, hosts: Iterable[Host], comm: str = "sge_qmaster", brief: float = 0.2) -> None:
        self.hosts = {host.inode: host.name for host in hosts}
        self.comm = comm
        self.brief = brief
        self.lives: list[Life] = []
        self.blind = 0.0
        self._living: dict[tuple[str, int, int | None], Life] = {}
        self._done = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._watch, name=f"count {comm}", daemon=True)

    def __enter__(self) -> Self:
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join(10)
        assert not self._thread.is_alive(), "the recorder does not stop"
        if self._failure is not None:
            raise self._failure

    @property
    def masters(self) -> list[Life]:
        """Return the lives that count, in the order of their beginning."""
        counted = [life for life in self.lives if not life.ended or life.seconds >= self.brief]
        return sorted(counted, key=lambda life: life.first)

    @property
    def maximum(self) -> int:
        """Return the largest number of masters that were seen alive in one look."""
        counted = self.masters
        # The number can only grow where a life begins.
        return max(
            (sum(other.first <= life.first <= other.last for other in counted) for life in counted),
            default=0,
        )

    @property
    def overlap(self) -> float:
        """Return for how many seconds two or more masters were alive."""
        edges = sorted({edge for life in self.masters for edge in (life.first, life.last)})
        return sum(
            (
                end - begin
                for begin, end in pairwise(edges)
                if sum(life.first <= begin and life.last >= end for life in self.masters) > 1
            ),
            start=0.0,
        )

    def life(self, pid: int) -> Life:
        """Return the latest life of this pid."""
        return next(life for life in reversed(self.lives) if life.pid == pid)

    def never_two(self) -> None:
        """Fail, with who lived when, if two masters were ever alive at once."""
        assert self.maximum <= 1, str(self)

    def __str__(self) -> str:
        if not self.masters:
            return "no master was seen"
        zero = self.masters[0].first
        rows = [
            f"  {life.host} pid {life.pid}: {life.first - zero:.2f} s … {life.last - zero:.2f} s"
            for life in self.masters
        ]
        head = f"at most {self.maximum} at once, overlap {self.overlap:.2f} s, blind for {self.blind:.3f} s"
        return "\n".join([head, *rows])

    def _watch(self) -> None:
        before = time.monotonic()
        try:
            while not self._done.wait(LOOK_EVERY):
                self._look()
                self.blind, before = max(self.blind, time.monotonic() - before), time.monotonic()
        except BaseException as failure:  # noqa: BLE001 - handed to the test when its block ends
            self._failure = failure

    def _census(self) -> Iterator[tuple[str, int]]:
        """Yield host and pid of each master of this moment."""
        for pid, inode in processes.networks(self.hosts.keys()):
            if pid not in keepers and processes.name(pid) == self.comm and processes.alive(pid):
                yield self.hosts[inode], pid

    def _look(self) -> None:
        """Take one census and date the lives by it."""
        seen: dict[tuple[str, int, int | None], Life] = {}
        now = time.monotonic()
        for host, pid in self._census():
            key = (host, pid, processes.start_time(pid))
            life = self._living.get(key)
            if life is None:
                life = Life(host, pid, now, now)
                self.lives.append(life)
            life.last = now
            seen[key] = life
        for key in self._living.keys() - seen.keys():
            self._living[key].ended = True
        self._living = seen
