"""Finds a master of the cell that runs on this host although no epoch of ours started it.

Why: an init script, a person or a real ``sge_shadowd`` may have started it; a second one beside it must
not be started, and the guard adopts it (PROTOCOL rule 13). The only address is the spool's pid file,
which lies on the shared directory, stays after a clean stop, and names a process *of whichever host
wrote it last*. So the number alone proves nothing, and a process counts only like this:

1. it lives (no zombie), bears the master's program name, and runs as nobody but a user that a master may
   run as: in all its user ids, because anybody may run a program that changes its user under any name;
2. it is in this daemon's network: two hosts that share a process table are two hosts;
3. it is of this cell: its environment names SGE_ROOT and SGE_CELL, or it works in the spool directory
   (sge_qmaster changes to it). Where neither can be read (the master dropped its privileges and we
   have none), ``act_qmaster`` must name this host;
4. its environment does not carry the mark of an epoch.

Both mistakes cost: a stranger taken for ours would be stopped as an intruder, ours overlooked would get
a rival. Rule 3 errs towards "ours" only where act_qmaster agrees, because the answer then merely keeps
this host from bidding.

Refuses to search the process table: that costs more than the rest of a check together, and a master
that no pid file names is found by the probe and by its heartbeat.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from shadowd.adapters import marks, procfs
from shadowd.adapters.reading import read_small
from shadowd.core.values import Unknown

_PID = re.compile(rb"\s*0*([1-9][0-9]{0,9})\s*")
_PID_LIMIT = 64
_STAT_LIMIT = 4096
_ENVIRON_LIMIT = 1024 * 1024
_COMM_LENGTH = 15  # proc(5): longer names are cut
_DEAD = frozenset({b"Z", b"X", b"x"})


@dataclass(frozen=True, slots=True)
class ResidentSearch:
    """What tells a master of the cell from any other process."""

    pid_file: Path
    spool: Path
    program: str = "sge_qmaster"
    environment: tuple[tuple[str, str], ...] = ()
    """Variables that a master of this cell carries, with their values: SGE_ROOT, SGE_CELL."""
    users: frozenset[int] = field(default_factory=marks.users_of)
    """Ids that a master of this cell may run as."""
    proc: Path = procfs.PROC

    def find(self, active_is_us: Callable[[], bool]) -> int | None:
        """Return its pid, or None; ``active_is_us`` is asked only where nothing better is to be had."""
        pid = self._pid()
        if pid is None:
            return None
        process = self.proc / str(pid)
        if not self._is_master(process) or not self._may(pid) or self._elsewhere(process):
            return None
        variables = self._variables(pid)
        if variables is not None and marks.NONCE.encode() in variables:
            return None
        ours = self._of_this_cell(process, variables)
        if ours is None:
            ours = active_is_us()
        return pid if ours else None

    def _pid(self) -> int | None:
        data = read_small(self.pid_file, _PID_LIMIT)
        if isinstance(data, Unknown):
            return None
        match = _PID.fullmatch(data)
        return int(match[1]) if match else None

    def _may(self, pid: int) -> bool:
        try:
            ids = procfs.user_ids(pid, self.proc)
        except OSError:  # out of descriptors or memory for the moment
            return False
        return bool(ids) and ids <= self.users

    def _is_master(self, process: Path) -> bool:
        data = read_small(process / "stat", _STAT_LIMIT)
        if isinstance(data, Unknown):
            return False
        # The name may hold blanks and parentheses itself: the last one closes it (proc(5)).
        name, found, rest = data.partition(b"(")[2].rpartition(b")")
        if not found or rest[1:2] in _DEAD:
            return False
        if name == self.program.encode()[:_COMM_LENGTH]:
            return True
        try:
            return (process / "exe").readlink().name == self.program
        except OSError:
            return False

    def _elsewhere(self, process: Path) -> bool:
        """Tell whether it is certain that the process belongs to another host's network."""
        try:
            theirs = (process / "ns" / "net").readlink()
            return theirs != (self.proc / "self" / "ns" / "net").readlink()
        except OSError:
            return False

    def _variables(self, pid: int) -> dict[bytes, bytes] | None:
        try:
            return procfs.environment(pid, _ENVIRON_LIMIT, self.proc) or None
        except OSError:  # out of descriptors or memory for the moment
            return None

    def _of_this_cell(self, process: Path, variables: dict[bytes, bytes] | None) -> bool | None:
        """Return None where the process can neither be shown to be ours nor to be another's."""
        if variables is not None and self.environment and self._agrees(variables):
            return True
        try:
            return os.path.samestat((process / "cwd").stat(), self.spool.stat())
        except OSError:
            return None if variables is None else False

    def _agrees(self, variables: dict[bytes, bytes]) -> bool:
        return all(
            variables.get(os.fsencode(name), b"").rstrip(b"/") == os.fsencode(value).rstrip(b"/")
            for name, value in self.environment
        )
