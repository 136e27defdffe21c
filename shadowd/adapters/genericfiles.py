"""The files of a ``generic`` cell: one shared directory, and the heartbeat that a guard writes there.

The files have the forms of Grid Engine's (``cellfiles`` reads both): ``lock``, ``heartbeat``, ``master`` (the
host, in the place of ``act_qmaster``), ``shadow_masters``, and ``shadowd/`` with claims, notices and records.
Why ``shadow_masters`` is a file here too and no key of the configuration: it is one list for all hosts, and a
change counts at the next look of each.

A beat is one record of fixed size, written in place and synced, on a descriptor that is kept open for one
epoch (NFS.md, "What follows" 1): whoever reads never sees an empty file, and over NFSv4 a reader that died
holds up the next *opening* for writing for 104 s, but no write. Another epoch opens anew, for other hosts
have counted on meanwhile. That a beat has arrived is not for this module to say: the guard reads it back.

Refuses to make the directory, and to write a heartbeat where the records are not: an empty mount point must
not become a cell.
"""

import os
import threading
from pathlib import Path

from shadowd.adapters.cellfiles import CellPaths, parse_beat
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
        self._descriptor = -1
        self._epoch = Epoch(0)
        self._value = 0

    def write(self, epoch: Epoch) -> Unknown | None:
        """Count up by one; None when the server has it on disk."""
        with self._lock:
            try:
                if epoch != self._epoch or not self._is_still_there():
                    self._open(epoch)
                self._value += 1
                os.pwrite(self._descriptor, _record(self._value), 0)
                os.fsync(self._descriptor)
            except OSError as error:
                self._close()
                return Unknown(Problem.UNREADABLE, str(self._path), error.strerror or str(error))
            return None

    def close(self) -> None:
        """Give the descriptor back."""
        with self._lock:
            self._close()

    def _is_still_there(self) -> bool:
        """Tell whether the name still leads to the open file: somebody may have restored another one."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def _open(self, epoch: Epoch) -> None:
        self._close()
        self._state.stat()
        self._descriptor = os.open(self._path, _FLAGS, 0o644)
        value = parse_beat(os.pread(self._descriptor, _LIMIT, 0), str(self._path))
        known = value if isinstance(value, int) else 0
        self._value = known if known < 10**_WIDTH - 1 else 0
        if os.fstat(self._descriptor).st_size != len(_record(0)):
            # Not of our size, so it is new or of another's making: the end of what was there must go, once.
            os.pwrite(self._descriptor, _record(self._value + 1), 0)
            os.ftruncate(self._descriptor, len(_record(0)))
        self._epoch = epoch

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._epoch = -1, Epoch(0)


def _record(value: int) -> bytes:
    return b"%0*d\n" % (_WIDTH, value)
