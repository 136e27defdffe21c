"""Bounded reads of files that somebody else writes, on a disk that may be anything.

Why: every decision starts with a few bytes from a shared mount. The file may be missing, half written,
a gigabyte, a FIFO without a writer or a symbolic link to itself; the server may have forgotten the
handle. Each of these ends here in bounded time and memory, as bytes or as ``Unknown``.

Sources: NFS.md ("How old is what another host reads?", "What follows" 2): open, read and close at every
look; list the directory first where a name may appear, vanish or be replaced; reopen once on ESTALE or
EIO. No descriptor outlives a call: over NFSv4 a kept one shows old data for ever.

Refuses to decide what a missing file means, to use the modification time for anything but people, and
to wait: a hung mount still hangs these calls, which is why the I/O worker makes them.
"""

import errno
import os
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from shadowd.adapters.mounts import direct
from shadowd.core.values import Problem, Unknown

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_REOPEN = frozenset({errno.ESTALE, errno.EIO})
_REOPEN_LISTED = _REOPEN | {errno.ENOENT}
_NO_FILE = frozenset({errno.ENXIO, errno.ENODEV, errno.ELOOP, errno.EISDIR})


@dataclass(frozen=True, slots=True)
class Content:
    """The whole of a small file."""

    data: bytes
    wall: float
    """Modification time in Unix seconds, for people."""


def read_small(path: Path, limit: int, *, listed: bool = False) -> bytes | Unknown:
    """Return the bytes of a regular file of at most ``limit`` bytes.

    ``listed``: a fresh listing showed the name, so that a missing file is worth a second look (another
    host may be renaming over it).
    """
    content = read_content(path, limit, listed=listed)
    return content if isinstance(content, Unknown) else content.data


def read_content(path: Path, limit: int, *, listed: bool = False) -> Content | Unknown:
    """Return bytes and modification time of a regular file of at most ``limit`` bytes."""
    try:
        try:
            return _attempt(path, limit)
        except OSError as error:
            if error.errno not in (_REOPEN_LISTED if listed else _REOPEN):
                raise
            return _attempt(path, limit)
    except (OSError, ValueError) as error:
        return unreadable(path, error)


def list_dir(path: Path, most: int) -> tuple[str, ...] | Unknown:
    """Return the names in a directory, unordered; Unknown where there are more than ``most``.

    Also the only way to make a network file system look afresh at names (NFS.md: "listdir of its
    directory first, then open: 0, everywhere").
    """
    try:
        try:
            return _names(path, most)
        except OSError as error:
            if error.errno not in _REOPEN:
                raise
            return _names(path, most)
    except (OSError, ValueError) as error:
        return unreadable(path, error)


@lru_cache(maxsize=16384)
def place(path: Path) -> tuple[Path, str]:
    """Return the directory and the name of a path.

    Remembered: the same few paths of each cell are taken apart at each check, and pathlib takes longer for
    it than the kernel for the read that follows.
    """
    return path.parent, path.name


def unreadable(path: Path, error: OSError | ValueError) -> Unknown:
    """Return the value for what the system said about a path."""
    if not isinstance(error, OSError):
        return Unknown(Problem.UNREADABLE, str(path), str(error))
    if error.errno == errno.EFBIG:
        return Unknown(Problem.TOO_LARGE, str(path), error.strerror or "")
    detail = error.strerror or str(error)
    if error.errno == errno.ENOENT:
        return Unknown(Problem.MISSING, str(path))
    if error.errno in _NO_FILE:
        return Unknown(Problem.NOT_A_FILE, str(path), detail)
    return Unknown(Problem.UNREADABLE, str(path), detail)


def _attempt(path: Path, limit: int) -> Content | Unknown:
    """Open, look, read, close; O_NONBLOCK keeps the open of a FIFO from waiting for its writer."""
    descriptor = os.open(path, _FLAGS | direct(place(path)[0]))
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return Unknown(Problem.NOT_A_FILE, str(path), _kind(status.st_mode))
        if status.st_size > limit:
            return _too_large(path, limit)
        data = _all(descriptor, limit, status.st_size)
    finally:
        os.close(descriptor)
    return _too_large(path, limit) if len(data) > limit else Content(data, status.st_mtime)


def _all(descriptor: int, limit: int, size: int) -> bytes:
    """Read to the end, at most ``limit`` + 1 bytes: each turn brings at least one or ends it.

    One read brings a small file; that it ended there is asked only where it had another size a moment ago.
    """
    data = os.read(descriptor, limit + 1)
    while data and len(data) != size and len(data) <= limit:
        more = os.read(descriptor, limit + 1 - len(data))
        if not more:
            break
        data += more
    return data


def _names(path: Path, most: int) -> tuple[str, ...] | Unknown:
    names: list[str] = []
    with os.scandir(path) as entries:
        for entry in entries:
            if len(names) == most:
                return Unknown(Problem.TOO_LARGE, str(path), f"more than {most} entries")
            names.append(entry.name)
    return tuple(names)


def _too_large(path: Path, limit: int) -> Unknown:
    return Unknown(Problem.TOO_LARGE, str(path), f"more than {limit} bytes")


def _kind(mode: int) -> str:
    names = {
        stat.S_IFDIR: "a directory",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFCHR: "a character device",
        stat.S_IFBLK: "a block device",
        stat.S_IFSOCK: "a socket",
    }
    return names.get(stat.S_IFMT(mode), "an unknown kind of file")
