"""One daemon a host and cell: an flock on a local runtime file, which a dead process cannot hold.

A lock by program name or pid file refuses on a zombie or a recycled pid (GRIDENGINE.md, "second
shadowd"); the kernel's lock goes with its process, whatever ended it. The file must be on a local disk.

Whoever may open a file may lock it. So the file is ours alone (0600), lies in a directory that nobody else
may write, and where somebody else holds it from the time when an earlier release left it open to all, it is
replaced. Refuses links, and a directory or a file that is another user's.
"""

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from shadowd.errors import AlreadyRunningError, ConfigError

_REMEDY = "set runtime_dir to a local directory that may be written"
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_MOST_LOCKS = 100_000
"""Lines of the kernel's list of locks that are looked at."""


def ensure_directory(path: Path) -> None:
    """Make the runtime directory if it is missing; raises ConfigError unless it is ours alone to write.

    Below a directory that everybody may write (``/tmp``) it must be ours with mode 0700.
    """
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        public = bool(path.parent.stat().st_mode & stat.S_IWOTH)
        with suppress(FileExistsError):
            path.mkdir(mode=0o700 if public else 0o755)
        found = path.lstat() if public else path.stat()
    except OSError as error:
        raise ConfigError(str(path), f"cannot be made: {error.strerror}", _REMEDY) from None
    remedy = f"remove it or set runtime_dir: it must belong to uid {os.geteuid()}, and only that may write it"
    if not stat.S_ISDIR(found.st_mode):
        raise ConfigError(str(path), "is not a directory", remedy)
    if found.st_uid not in ({os.geteuid()} if public else {0, os.geteuid()}):
        raise ConfigError(str(path), f"belongs to uid {found.st_uid}", remedy)
    mode = stat.S_IMODE(found.st_mode)
    shared_with = stat.S_IWGRP if found.st_gid not in {0, os.getegid()} else 0
    if mode & (0o077 if public else stat.S_IWOTH | shared_with):
        raise ConfigError(
            str(path),
            f"others may {'enter' if public else 'write'} it (mode {mode:04o})",
            f"chmod {'0700' if public else 'go-w'} {path}",
        )


def lock_instance(path: Path) -> int:
    """Take the lock of this file and return its descriptor; keep it open for as long as you serve."""
    descriptor = _open(path)
    try:
        if not _locked(path, descriptor):
            _replace(path, descriptor)
        _name_holder(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _replace(path: Path, descriptor: int) -> None:
    """Lock a new file in the place of one that another user's process holds, and can never open again."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(str(path), f"cannot be replaced: {error.strerror}", _REMEDY) from None
    fresh = _open(path)
    os.dup2(fresh, descriptor, inheritable=False)
    os.close(fresh)
    if not _locked(path, descriptor):
        raise ConfigError(str(path), "is locked by another user's process", "end that process")


def _open(path: Path) -> int:
    try:
        descriptor = os.open(path, _FLAGS, 0o600)
    except OSError as error:
        raise ConfigError(str(path), f"cannot be opened: {error.strerror}", _REMEDY) from None
    found = os.fstat(descriptor)
    wrong = ""
    if not stat.S_ISREG(found.st_mode):
        wrong = "is not a regular file"
    elif found.st_uid not in {0, os.geteuid()}:
        wrong = f"belongs to uid {found.st_uid}"
    elif found.st_nlink > 1:
        wrong = "has a second name"
    if wrong:
        os.close(descriptor)
        raise ConfigError(str(path), wrong, "remove it, if no daemon of another user serves the cell")
    with suppress(PermissionError):  # root's, and we are not root: the directory keeps others out
        os.fchmod(descriptor, 0o600)
    return descriptor


def _locked(path: Path, descriptor: int) -> bool:
    """Take the lock; False where only processes of other users hold it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holders = _holders(descriptor)
        owners = {uid for uid in map(_owner, holders) if uid is not None}
        if owners and owners.isdisjoint({0, os.geteuid()}):
            return False
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        who = f"by pid {holder}" if holder.isdigit() else "by another process"
        remedy = "this host serves the cell already; see `shadowd status`, or stop the other daemon first"
        raise AlreadyRunningError(str(path), f"is locked {who}", remedy) from None
    except OSError as error:
        raise ConfigError(str(path), f"cannot be locked: {error.strerror}", _REMEDY) from None
    return True


def _name_holder(path: Path, descriptor: int) -> None:
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        raise ConfigError(str(path), f"cannot be written: {error.strerror}", "is the disk full?") from None


def _holders(descriptor: int) -> list[int]:
    """Return the pids that hold a flock on this file, as far as the kernel tells (proc(5), /proc/locks)."""
    found = os.fstat(descriptor)
    file = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    holders: list[int] = []
    with suppress(OSError), Path("/proc/locks").open(encoding="ascii", errors="replace") as locks:
        for _, line in zip(range(_MOST_LOCKS), locks, strict=False):
            words = line.split()
            if len(words) == 8 and words[1] == "FLOCK" and words[5] == file and words[4].isdigit():
                holders.append(int(words[4]))
    return holders


def _owner(pid: int) -> int | None:
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return None
