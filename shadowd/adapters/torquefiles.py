"""The files of a ``torque`` cell: those of a generic one in ``server_priv/shadowd/``, and TORQUE's own lock.

``server_priv`` is shared by all hosts; ``serverdb`` in it is the proof that it is mounted. What this project
writes lies in a directory of its own there, so that nothing that TORQUE or its administrator knows is touched
but ``server.lock``. There may be a ``shadow_masters``; without one every host that runs a daemon is eligible,
as with TORQUE every host that starts a server is.

A server that no claim started, a real ``pbs_server --ha``, is a master whose beat moves: as long as it holds
the lock, or when the lock's date moves. Any change is life. Where the method is ``fcntl`` and a server lives
that holds no lock, the ``Witness`` says so: whoever finds that lock free has learnt nothing.
Refuses to read a date as anything but a value that changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from shadowd.adapters.cellfiles import CellPaths, GridEngineFiles
from shadowd.adapters.genericfiles import paths_of as generic_paths
from shadowd.adapters.reading import list_dir
from shadowd.adapters.serverlock import FCNTL, Holder, ServerLockFile
from shadowd.core.values import Host, Problem, ServerLock, Unknown
from shadowd.errors import CellError

_PROOF = "serverdb"
_MOST_HOSTS = 1000
_MOVES = 3
"""A guard may write a beat or two before it sees that its server has ended."""


@dataclass(slots=True)
class Witness:
    """What the looks at a lock by ``fcntl`` have shown so far of who holds it. For one thread at a time."""

    held: str = ""
    """What the file said when the kernel called it locked last: unlocked, that server has ended."""
    last: tuple[str, int] = ("", 0)
    """What it said in the last look, and the sign of life there was."""
    moves: int = 0
    """Signs of life in a row of a server whose file is not locked."""

    def judge(self, holder: Holder, beat: int) -> ServerLock:
        """Take in one look, with the heartbeat of that moment; return what is known by now."""
        now = holder.content, beat + holder.mtime
        if holder.locked or not holder.content or holder.content != self.last[0]:
            self.moves = 0
        elif now != self.last:
            self.moves += 1
        self.last = now
        if holder.locked:
            self.held = holder.content
        elif self.moves >= _MOVES:
            return ServerLock.UNLOCKED
        elif holder.lock is ServerLock.NAMED and holder.content == self.held:
            return ServerLock.CLEAR
        return holder.lock


def paths_of(directory: Path) -> CellPaths:
    """Return where the files of the cell in this ``server_priv`` lie."""
    ours = generic_paths(directory / "shadowd")
    return replace(ours, spool=directory)


def require_mounted(directory: Path) -> None:
    """Raise ``CellError`` where this is no ``server_priv`` of a TORQUE that was set up."""
    if not (directory / _PROOF).exists():
        raise CellError(
            str(directory / _PROOF),
            "there is no such file",
            f"mount server_priv, and write nothing below it before: findmnt -T {directory}",
        )


@dataclass(frozen=True, slots=True)
class TorqueFiles(GridEngineFiles):
    """The ``CellFiles`` of a TORQUE cell."""

    server_lock: ServerLockFile
    everybody: bool = False
    """Without a list of hosts, return all that ever ran a daemon, for people; else this one."""
    _looks: Iterator[int] = field(default_factory=lambda: count(1))
    _witness: Witness = field(default_factory=Witness)

    def read_server_lock(self) -> ServerLock | Unknown:
        """Read who holds ``server.lock``."""
        holder = self.server_lock.look()
        if isinstance(holder, Unknown) or self.server_lock.method != FCNTL:
            return holder if isinstance(holder, Unknown) else holder.lock
        value = GridEngineFiles.read_beat(self)
        return self._witness.judge(holder, 0 if isinstance(value, Unknown) else value)

    def read_beat(self) -> int | Unknown:
        """Read the heartbeat counter, and let a server that no claim started beat too."""
        value = GridEngineFiles.read_beat(self)
        holder = self.server_lock.look()
        if isinstance(value, Unknown) or isinstance(holder, Unknown):
            return value
        if holder.lock is ServerLock.NAMED and holder.content == self._witness.held:
            return value  # the date of a lock that its server held until it ended
        return value + (next(self._looks) if holder.lock is ServerLock.HELD else holder.mtime)

    def read_shadows(self) -> tuple[Host, ...] | Unknown:
        """Read the list of hosts; without one this host is eligible."""
        shadows = GridEngineFiles.read_shadows(self)
        if not isinstance(shadows, Unknown) or shadows.problem is not Problem.MISSING:
            return shadows
        names = list_dir(self.paths.state / "hosts", _MOST_HOSTS) if self.everybody else ()
        known = () if isinstance(names, Unknown) else sorted(names)
        hosts = (Host(name.removesuffix(".json")) for name in known if name.endswith(".json"))
        return tuple(dict.fromkeys((self.host, *(host for host in hosts if not host.startswith(".")))))
