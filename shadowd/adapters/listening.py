"""Which process of this host listens on the master's port: one of ours, or another (proc(5)).

Why: two things may start masters on one host, this daemon and a service manager with ``Restart=always``. The
second one waits for the port, and the heartbeat that moves then is that of the first. A beat alone does not
tell whose it is; who holds the port does.

The kernel lists listening sockets before all others, so a host with ten thousand connections costs no more
than one without. Only the descriptors of the processes that are asked about are looked at.

Refuses to find out who the other one is: that would take a walk through all processes.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from shadowd.adapters.procfs import PROC

_TABLES = ("tcp", "tcp6")
_LISTENS = "0A"
_MOST = 4096
"""Lines of a table, and descriptors of a process, that are read."""


def held_by(port: int, pids: Iterable[int], proc: Path = PROC) -> bool | None:
    """Tell whether one of these processes listens on the port; False: only others do; None: nobody can say.

    Nobody can say either where nobody listens, or where the descriptors of a process cannot be read.
    """
    try:
        inodes = {inode for table in _TABLES for inode in _listeners(proc / "self" / "net" / table, port)}
        if not inodes:
            return None
        return any(not inodes.isdisjoint(_sockets(proc / str(pid) / "fd")) for pid in pids)
    except OSError:
        return None


def _listeners(table: Path, port: int) -> Iterator[str]:
    """Yield the inodes of the sockets that listen on the port. Raises OSError."""
    try:
        file = table.open(encoding="ascii", errors="replace")
    except FileNotFoundError:  # a kernel without IPv6
        return
    with file:
        for _, line in zip(range(_MOST), file, strict=False):
            fields = line.split()
            if len(fields) < 10 or not fields[0].endswith(":") or fields[3] != _LISTENS:
                continue
            if int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _sockets(descriptors: Path) -> Iterator[str]:
    """Yield the inodes of a process's sockets; none of one that has ended. Raises OSError."""
    try:
        entries = os.scandir(descriptors)
    except (FileNotFoundError, ProcessLookupError):
        return
    with entries:
        for _, entry in zip(range(_MOST), entries, strict=False):
            try:
                target = os.readlink(entry.path)  # noqa: PTH115 - a Path for each would cost as much again
            except FileNotFoundError:
                continue
            if target.startswith("socket:["):
                yield target[8:-1]
