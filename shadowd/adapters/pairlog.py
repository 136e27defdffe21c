"""The local log that takes what the pair prints, and keeps within bounds.

A log that cannot be opened is no reason to be without a master, so whoever asks gets something to write to in
any case. The master keeps it open for as long as it runs; so it is shortened in place, after a copy of what
there was, and the master, which appends, goes on at the new end. What it prints in between is lost.

Refuses what is no regular file of ours (a FIFO or a device would hold up the start, or the master; a link or
another user's file would be written by root), and the runtime directory: a master that prints without end
must not take the space of what its guard keeps there.
"""

import os
import stat
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

LARGEST: Final = 16 * 1024 * 1024
"""Bytes of the log, and of the one older copy beside it, at which it is shortened."""
_PART: Final = 1024 * 1024
_FLAGS: Final = os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW


def log_path(directory: Path | None, runtime_dir: Path, name: str) -> Path | None:
    """Return where the pair of this name prints to by default; None: nowhere.

    ``directory``: that of the daemon's own log, if it has one.
    """
    return None if directory is None or directory == runtime_dir else directory / f"{name}.master.log"


def open_log(path: Path | None) -> int:
    """Return a descriptor to append to, or ``subprocess.DEVNULL``."""
    if path is None:
        return subprocess.DEVNULL
    try:
        return _open(path, os.O_WRONLY | os.O_CREAT)
    except (OSError, ValueError):
        return subprocess.DEVNULL


def shorten(paths: Iterable[Path | None], largest: int = LARGEST) -> None:
    """Begin logs anew that are too long, and keep what there was as ``<name>.1``; what fails is left."""
    for path in paths:
        if path is not None:
            _shorten(path, largest)


def _shorten(path: Path, largest: int) -> None:
    with suppress(OSError, ValueError):
        if path.stat().st_size <= largest:
            return
        descriptor = _open(path, os.O_RDWR)
        try:
            _copy(descriptor, path.with_name(f"{path.name}.1"), largest)
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)


def _open(path: Path, flags: int) -> int:
    descriptor = os.open(path, _FLAGS | flags, 0o640)
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_uid in {0, os.geteuid()} and found.st_nlink == 1:
        return descriptor
    os.close(descriptor)
    raise OSError(0, "no regular file of ours")


def _copy(descriptor: int, older: Path, largest: int) -> None:
    """Keep the last part of the log under another name; a full disk is no reason to let it grow."""
    with suppress(OSError):
        older.unlink(missing_ok=True)
        target = os.open(older, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        try:
            end = os.fstat(descriptor).st_size
            at = max(0, end - largest)
            while at < end:
                part = os.pread(descriptor, min(_PART, end - at), at)
                if not part:
                    break
                os.write(target, part)
                at += len(part)
        finally:
            os.close(target)
