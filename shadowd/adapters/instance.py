"""One daemon a host and cell: an flock on a local runtime file, which a dead process cannot hold.

A lock by program name or pid file refuses on a zombie or a recycled pid (GRIDENGINE.md, "second
shadowd"); the kernel's lock goes with its process, whatever ended it. The file must be on a local disk.
"""

import fcntl
import os
import stat
from pathlib import Path

from shadowd.errors import AlreadyRunningError, ConfigError

_REMEDY = "set runtime_dir to a local directory that may be written"


def ensure_directory(path: Path) -> None:
    """Make the runtime directory, or say what stands in the way."""
    try:
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(str(path), f"cannot be made: {error.strerror}", _REMEDY) from None


def lock_instance(path: Path) -> int:
    """Take the lock of this file and return its descriptor; keep it open for as long as you serve."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, 0o644)
    except OSError as error:
        raise ConfigError(str(path), f"cannot be opened: {error.strerror}", _REMEDY) from None
    try:
        _lock(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _lock(path: Path, descriptor: int) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise ConfigError(str(path), "is not a regular file", "remove it")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        who = f"by pid {holder}" if holder.isdigit() else "by another process"
        remedy = "this host serves the cell already; see `shadowd status`, or stop the other daemon first"
        raise AlreadyRunningError(str(path), f"is locked {who}", remedy) from None
    except OSError as error:
        raise ConfigError(str(path), f"cannot be locked: {error.strerror}", _REMEDY) from None
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        raise ConfigError(str(path), f"cannot be written: {error.strerror}", "is the disk full?") from None
