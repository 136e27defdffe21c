"""The local log that takes what the pair prints.

A log that cannot be opened is no reason to be without a master, so whoever asks gets something to write to in
any case. Refuses what is no regular file: a FIFO or a device would hold up the start, or the master.
"""

import os
import stat
import subprocess
from pathlib import Path


def open_log(path: Path | None) -> int:
    """Return a descriptor to append to, or ``subprocess.DEVNULL``; a FIFO or device must not hold us up."""
    if path is None:
        return subprocess.DEVNULL
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    try:
        descriptor = os.open(path, flags, 0o640)
    except (OSError, ValueError):
        return subprocess.DEVNULL
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return subprocess.DEVNULL
