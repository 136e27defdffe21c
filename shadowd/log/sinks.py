"""Where finished lines go on this host: a stream that may be stuck, and a file that may be missing.

Lines come from the decision thread, so nothing here may wait: a pipe or terminal whose reader has
stopped is skipped and the loss counted; a full disk or a missing directory costs the line, never the
daemon. The file is followed by name, so that logrotate needs no signal. Only local files belong here:
a regular file's write cannot be made to return, so the shared spool has ``shadowd.log.journal``.
"""

import os
import select
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

MAX_LINE = 4096
"""PIPE_BUF on Linux: what a writable pipe takes whole, without waiting."""


class Sink(Protocol):
    """Takes one line without its line end; never raises, never waits."""

    def write(self, line: str) -> None:
        """Write the line or count it as lost."""
        ...


class StreamSink:
    """A descriptor of ours (standard error): skipped while it cannot take a line at once."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self.lost = 0

    def write(self, line: str) -> None:
        """Write one line; say first how many were lost before it."""
        if self._ready() and self.lost and self._put(f"({self.lost} lines lost: nobody read them)"):
            self.lost = 0
        if not (self._ready() and self._put(line)):
            self.lost += 1

    def _ready(self) -> bool:
        try:
            return any(mask & select.POLLOUT for _, mask in self._poll.poll(0))
        except OSError:
            return False

    def _put(self, line: str) -> bool:
        try:
            os.write(self._descriptor, encode(line))
        except OSError:
            return False
        return True


class FileSink:
    """A local file, appended to, reopened when its name means another file than before."""

    def __init__(self, path: Path, complain: Callable[[str], None]) -> None:
        self.path = path
        self._complain = complain
        self._descriptor: int | None = None
        self._identity: tuple[int, int] | None = None
        self._well = True

    def write(self, line: str) -> None:
        """Append one line; the first failure after a success is complained about once."""
        try:
            self._follow()
            if self._descriptor is not None:
                os.write(self._descriptor, encode(line))
        except OSError as error:
            self.close()
            if self._well:
                self._well = False
                self._complain(f"{self.path}: {error.strerror or error}")
        else:
            self._well = True

    def close(self) -> None:
        """Let go of the file; the next line opens it again (the whole of a reopen on SIGHUP)."""
        descriptor, self._descriptor, self._identity = self._descriptor, None, None
        if descriptor is not None:
            os.close(descriptor)

    def _follow(self) -> None:
        try:
            found = self.path.stat()
            identity = (found.st_dev, found.st_ino)
        except FileNotFoundError:
            identity = None
        if self._descriptor is not None and identity == self._identity:
            return
        self.close()
        # O_NONBLOCK: a FIFO under this name must be an error, not a wait.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(self.path, flags, 0o640)
        opened = os.fstat(descriptor)
        if not stat.S_ISREG(opened.st_mode):
            os.close(descriptor)
            raise OSError(0, "not a regular file")
        self._descriptor, self._identity = descriptor, (opened.st_dev, opened.st_ino)


def encode(line: str) -> bytes:
    """Return one line as bytes with its line end, at most ``MAX_LINE`` of them."""
    data = line.encode("utf-8", "backslashreplace").replace(b"\x00", b"?")
    return data[: MAX_LINE - 1] + b"\n"
