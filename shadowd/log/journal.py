"""A cell's journal: each ``Say`` to structlog at once, and in the ancestor's format to the spool later.

The spool is on the shared file system, whose writes may hang; so its lines wait in a bounded buffer and
are written by the cell's I/O worker. While the spool is away the oldest lines are lost and counted: the
local log has them all. The file is opened for each flush and never kept, because a descriptor kept on a
shared file is the wrong file after a rename (NFS.md). This module refuses to decide and to wait.
"""

import os
import stat
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from shadowd.adapters.mounts import direct
from shadowd.core.actions import Level, Say
from shadowd.log import ancestor
from shadowd.log.setup import announce

Submit = Callable[[Callable[[], None]], object]
"""Runs a function on the cell's I/O worker, some time or never (a full queue); returns at once."""

MAX_LINES: Final = 1000


class CellJournal:
    """Implements ``ports.Journal`` for one cell on one host."""

    def __init__(
        self, cell: str, host: str, spool_sink: Callable[[bytes], None], wall: Callable[[], float]
    ) -> None:
        self._cell = cell
        self._host = host
        self._spool_sink = spool_sink
        self._wall = wall

    def say(self, line: Say) -> None:
        """Write one line to every log of the cell; never waits for a disk."""
        announce(
            line.event,
            level=line.level,
            cell=self._cell,
            host=self._host,
            epoch=line.epoch,
            reason=line.reason.value,
            text=line.reason.text,
            detail=line.detail or None,
        )
        self._spool_sink(
            ancestor.line(self._wall(), self._host, ancestor.LETTERS[line.level], sentence(line))
        )


def sentence(line: Say) -> str:
    """Return a ``Say`` as the text of one line for people."""
    epoch = f" (epoch {line.epoch})" if line.epoch is not None else ""
    detail = f": {line.detail}" if line.detail else ""
    return f"{line.event}{epoch}: {line.reason.text}{detail}"


class SpoolLog:
    """``messages_shadowd.<short host>`` in the spool, fed without waiting, written by ``flush``."""

    def __init__(
        self,
        path: Path,
        submit: Submit,
        *,
        host: str = "",
        wall: Callable[[], float] | None = None,
        limit: int = MAX_LINES,
    ) -> None:
        self.path = path
        self.problem = ""
        """Why the last flush failed; empty after one that did not."""
        self._submit = submit
        self._host = host
        self._wall = wall
        self._lock = threading.Lock()
        self._lines: deque[bytes] = deque()
        self._limit = limit
        self._lost = 0

    def __call__(self, line: bytes) -> None:
        """Take a line and ask the worker for a flush; one that was dropped is made up for by the next."""
        with self._lock:
            self._lines.append(line)
            self._trim()
        self._submit(self.flush)

    def flush(self) -> None:
        """Append all waiting lines; on failure keep them for the next time. Runs on the I/O worker."""
        with self._lock:
            lines, lost = list(self._lines), self._lost
            self._lines.clear()
            self._lost = 0
        if not lines:
            return
        notice = [self._gap(lost)] if lost and self._wall else []
        try:
            _append(self.path, b"".join(notice + lines))
        except OSError as error:
            self._put_back(lines, lost)
            self._report(f"{self.path}: {error.strerror or error}")
        else:
            self.problem = ""

    def _put_back(self, lines: list[bytes], lost: int) -> None:
        with self._lock:
            self._lines.extendleft(reversed(lines))
            self._lost += lost
            self._trim()

    def _trim(self) -> None:
        while len(self._lines) > self._limit:
            self._lines.popleft()
            self._lost += 1

    def _gap(self, lost: int) -> bytes:
        wall = self._wall() if self._wall else 0.0
        text = f"{lost} lines lost while this file could not be written; the local log has them"
        return ancestor.line(wall, self._host, ancestor.LETTERS[Level.WARNING], text)

    def _report(self, problem: str) -> None:
        if not self.problem:
            announce("log.unwritable", host=self._host or None, detail=problem)
        self.problem = problem


def _append(path: Path, data: bytes) -> None:
    # O_NONBLOCK and the type test: a FIFO or device under this name must not hold the worker. No O_APPEND,
    # which O_DIRECT excludes on NFS; nobody else writes into this host's file.
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
    descriptor = os.open(path, flags | direct(path.parent), 0o644)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "not a regular file")
        end = status.st_size
        while data:
            written = os.pwrite(descriptor, data, end)
            data, end = data[written:], end + written
    finally:
        os.close(descriptor)
