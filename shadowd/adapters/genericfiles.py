"""The files of a ``generic`` cell: one shared directory, and the heartbeat that a guard writes there.

The files have the forms of Grid Engine's (``cellfiles`` reads both): ``lock``, ``heartbeat``, ``master`` (the
host, in the place of ``act_qmaster``), ``shadow_masters``, and ``shadowd/`` with claims, notices and records.
Why ``shadow_masters`` is a file here too and no key of the configuration: it is one list for all hosts, and a
change counts at the next look of each.

A beat is one record of fixed size, written in place: whoever reads never sees an empty file. The file is
opened for each beat and closed after it. A descriptor that is kept would hold up the daemon's end while the
file server is away, for its last close waits for the server (``tests/nfs``). That a beat has arrived is not
for this module to say: the guard reads it back.

Refuses to make the directory, and to write a heartbeat where the records are not: an empty mount point must
not become a cell.
"""

import os
import threading
from pathlib import Path

from shadowd.adapters.cellfiles import CellPaths, parse_beat
from shadowd.adapters.mounts import direct, persist
from shadowd.adapters.publish import create_file, make_directories, private_name
from shadowd.core.values import Epoch, Host, Problem, Unknown

_WIDTH = 19
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_LIMIT = 128


def paths_of(directory: Path) -> CellPaths:
    """Return where the files of the cell in this directory lie."""
    return CellPaths(
        spool=directory,
        lock=directory / "lock",
        beat=directory / "heartbeat",
        active=directory / "master",
        shadows=directory / "shadow_masters",
        pid_file=directory / "master.pid",
    )


def found(paths: CellPaths, host: Host) -> Unknown | None:
    """Make what a cell needs before its first master and does not have: heartbeat, ``master``, records."""
    try:
        make_directories(paths.state)
    except OSError as error:
        return Unknown(Problem.UNREADABLE, str(paths.state), error.strerror or str(error))
    for path, data in ((paths.beat, _record(1)), (paths.active, f"{host}\n".encode("ascii", "replace"))):
        there = create_file(path, data, private=private_name(f"{path.name}-new", host))
        if isinstance(there, Unknown):
            return there
    return None


class BeatFile:
    """The heartbeat of one cell, as its guard writes it; safe to call from several threads."""

    def __init__(self, paths: CellPaths) -> None:
        self._path = paths.beat
        self._state = paths.state
        self._lock = threading.Lock()
        self._epoch = Epoch(0)
        self._value = 0

    def write(self, epoch: Epoch) -> Unknown | None:
        """Count up by one; None when the server has it on disk."""
        with self._lock:
            try:
                self._state.stat()
                descriptor = os.open(self._path, _FLAGS | direct(self._path.parent), 0o644)
                try:
                    self._count_up(descriptor, epoch)
                finally:
                    os.close(descriptor)
            except OSError as error:
                self._epoch = Epoch(0)
                return Unknown(Problem.UNREADABLE, str(self._path), error.strerror or str(error))
            return None

    def _count_up(self, descriptor: int, epoch: Epoch) -> None:
        if epoch != self._epoch:
            # Other hosts have counted on since an earlier epoch of ours.
            value = parse_beat(os.pread(descriptor, _LIMIT, 0), str(self._path))
            self._value = value if isinstance(value, int) and value < 10**_WIDTH - 1 else 0
            self._epoch = epoch
        self._value += 1
        os.pwrite(descriptor, _record(self._value), 0)
        if os.fstat(descriptor).st_size > len(_record(0)):
            # Of another's making: the end of what was there must go, once.
            os.ftruncate(descriptor, len(_record(0)))
        persist(descriptor)


def _record(value: int) -> bytes:
    return b"%0*d\n" % (_WIDTH, value)
