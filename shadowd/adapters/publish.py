"""Putting complete files where others read them: write-once by ``link``, or replaced by ``rename``.

Both write a private file first, so that nobody ever reads half a record and a crash leaves the old
state plus a hidden file. ``create_file`` is the atomic election under every claim, notice and lock:
link(2) has exactly one winner on every file system measured (NFS.md), but its *answer* may lie, since
NFSv3 says EEXIST to the winner whose first reply was lost. So the answer is never believed alone: the
name is read back. ``replace_file`` is for people's files only; rename elects nobody.

This module refuses to create the shared directory itself: where the mount is missing, a record written
into the empty mount point would be a cell of its own.
"""

import os
import re
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from shadowd.adapters.mounts import direct, persist
from shadowd.adapters.reading import list_dir, read_small, unreadable
from shadowd.core.values import Problem, Unknown

_ANEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_IN_PLACE = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

Link = Callable[[str, str], None]
"""The system call link(2), as a parameter where a test has to lose its reply."""

MAX_FILE = 64 * 1024
"""Bytes that ``replace_file`` writes, and ``create_file`` reads back, at most."""
MAX_NAMES = 100_000
"""Entries of a directory that are looked at; more is no directory of this project's making."""
_MOST_LINKS = 8


def create_file(
    path: Path, data: bytes, *, private: str, mode: int = 0o644, link: Link = os.link
) -> bytes | Unknown:
    """Put the data at ``path`` unless something lies there; return what lies there now.

    The same bytes came back: they are ours, if they carry a nonce. ``private`` names the hidden file
    beside it. Unknown: the name is free as far as anybody can see, or cannot be read.
    """
    temp = str(path.with_name(private))
    failure: OSError | None = None
    linked = False
    try:
        write_private(temp, data, mode)
        link(temp, str(path))
        linked = True
    except OSError as error:
        failure = error
        linked = _has_second_name(temp)
    # Before the read, so that a request still on its way to the server finds nothing to link any more.
    _unlink(temp)
    if linked:
        _sync_directory(path.parent)
    # Only a listing makes every NFS show names that others created (NFS.md).
    names = list_dir(path.parent, MAX_NAMES)
    found = read_small(path, MAX_FILE, listed=not isinstance(names, Unknown) and path.name in names)
    if not isinstance(found, Unknown):
        return found
    if linked and found.problem is Problem.UNREADABLE:
        return data
    if failure is not None and found.problem is Problem.MISSING:
        return Unknown(Problem.UNREADABLE, str(path), f"could not be created: {failure.strerror or failure}")
    return found


def replace_file(path: Path, data: bytes, mode: int = 0o644) -> Unknown | None:
    """Replace the file at once for every reader; None when done.

    Not synced: it is for people, and the next one comes soon. Makes the directory, and the one above it.
    """
    if len(data) > MAX_FILE:
        return Unknown(Problem.TOO_LARGE, str(path), f"{len(data)} bytes; at most {MAX_FILE} are published")
    temp = _beside(path, os.getpid())
    try:
        try:
            write_private(temp, data, mode, sync=False, anew=True)
        except FileNotFoundError:
            make_directories(path.parent.parent, path.parent)
            write_private(temp, data, mode, sync=False, anew=True)
        temp.rename(path)
    except OSError as error:
        if not _unlink(temp) and isinstance(error, FileNotFoundError) and path.exists():
            return None  # a server that lost its reply says ENOENT although done (NFS.md)
        return Unknown(Problem.UNREADABLE, str(path), f"could not be replaced: {error.strerror or error}")
    return None


def rewrite_file(path: Path, data: bytes, mode: int = 0o644) -> Unknown | None:
    """Write a small shared file in place, so that every reader sees it at its next open; None when done.

    Not by rename, which other hosts of an NFSv4 mount may see 31 s late, and without truncating it first,
    which shows an empty file to one reader in a thousand (NFS.md): for a moment the end of a longer old
    content follows the new. A symbolic link is refused; whoever may follow one asks ``behind_links`` before.
    """
    try:
        descriptor = os.open(path, _IN_PLACE | direct(path.parent), mode)
        try:
            os.pwrite(descriptor, data, 0)
            os.ftruncate(descriptor, len(data))
            persist(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        return Unknown(Problem.UNREADABLE, str(path), f"could not be written: {error.strerror or error}")
    return None


def behind_links(path: Path, uid: int) -> Path | Unknown:
    """Return the file that a name stands for, where only this user or root can have made the links.

    Each directory that holds one of them, and the one that holds the file, belongs to one of the two and is
    not writable for everybody: else somebody else chose what is written. A file that is no link is returned
    as it is.
    """
    if not path.is_symlink():
        return path
    here, left, links = Path("/"), list(reversed(path.parts[1:])), 0
    while left:
        part = left.pop()
        name = here / part
        if part == ".." or not name.is_symlink():
            here = here.parent if part == ".." else name
            continue
        links += 1
        flaw = _foreign(path, here, uid)
        if flaw is not None or links > _MOST_LINKS:
            return flaw or Unknown(Problem.NOT_A_FILE, str(path), "a symbolic link that leads to itself")
        target = name.readlink()
        left += reversed(target.parts[1:] if target.is_absolute() else target.parts)
        here = Path("/") if target.is_absolute() else here
    return _foreign(path, here.parent, uid) or here


def _foreign(path: Path, directory: Path, uid: int) -> Unknown | None:
    """Return why a name in this directory may be anybody's doing; None where it is not."""
    try:
        status = directory.stat()
    except OSError as error:
        return unreadable(path, error)
    open_to_all = bool(status.st_mode & stat.S_IWOTH)
    if status.st_uid in {0, uid} and not open_to_all:
        return None
    whose = "is writable for everybody" if open_to_all else f"belongs to uid {status.st_uid}"
    detail = f"a symbolic link that is not followed: {directory} {whose}"
    return Unknown(Problem.NOT_A_FILE, str(path), detail)


@lru_cache(maxsize=4096)
def _beside(path: Path, pid: int) -> Path:
    # Remembered, as the same few files are replaced at each check.
    return path.with_name(f".{path.name}.new.{pid}")


def write_private(temp: str | Path, data: bytes, mode: int, *, sync: bool = True, anew: bool = False) -> None:
    """Write a complete new file of this mode, whatever the umask says. Raises OSError."""
    flags = _ANEW | direct(os.path.dirname(temp))  # noqa: PTH120 - a str, or a Path that is one soon
    try:
        descriptor = os.open(temp, flags, mode)
    except FileExistsError:
        if not anew:
            raise
        _unlink(temp)
        descriptor = os.open(temp, flags, mode)
    try:
        os.fchmod(descriptor, mode)
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        if sync:
            persist(descriptor)
    finally:
        os.close(descriptor)


def make_directories(*directories: Path) -> None:
    """Make each directory that is missing, in this order, never one above them. Raises OSError."""
    for directory in directories:
        with suppress(FileExistsError):
            directory.mkdir(0o755)
            directory.chmod(0o755)  # a strict umask must not hide the records from `status`


def private_name(stem: str, host: str) -> str:
    """Return a fresh hidden name that tells whose it is: ``.<stem>.<host>.<pid>.<random>``."""
    return f"{private_prefix(stem, host)}{os.getpid()}.{os.urandom(8).hex()}"


def private_prefix(stem: str, host: str) -> str:
    """Return how all hidden names of this host begin."""
    return f".{stem}.{re.sub('[^A-Za-z0-9-]', '_', host)[:64]}."


def sweep(directory: Path, names: Iterable[str], stem: str, host: str, limit: int = 64) -> None:
    """Remove hidden files that an earlier daemon of this host left behind when it crashed.

    One daemon serves a cell on a host, so a name with our host and another pid belongs to nobody. If
    that is ever wrong, the other's link fails and its bid with it: it costs a bid, never a claim.
    """
    prefix = private_prefix(stem, host)
    own = f"{prefix}{os.getpid()}."
    left = [name for name in names if name.startswith(prefix) and not name.startswith(own)]
    for name in left[:limit]:
        _unlink(str(directory / name))


def _has_second_name(temp: str) -> bool:
    # Opened anew, because an open asks the server where a stat may answer from an old cache.
    try:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(temp, flags | direct(os.path.dirname(temp)))  # noqa: PTH120 - a str
    except OSError:
        return False
    try:
        return os.fstat(descriptor).st_nlink == 2
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _unlink(name: str | Path) -> bool:
    """Remove a name; True if it was there and is gone."""
    try:
        Path(name).unlink()
    except OSError:
        return False
    return True


def _sync_directory(directory: Path) -> None:
    # For a claim made on the file server's own disk: no export option makes that one durable.
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            persist(descriptor)
        finally:
            os.close(descriptor)
