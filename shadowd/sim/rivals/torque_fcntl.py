"""``pbs_server --ha`` of TORQUE 2.3: an fcntl lock on ``server.lock``, tried once a second.

Every host runs a server; the one that has the lock is the active one, and never looks at it again. What it
does well: the kernel frees the lock of a dead process at once, so a killed server is replaced in a second.
What it does not do: replace one that is frozen, or notice that the file server gave its lock away when its
host was not heard of for the lease (NFS.md: nothing says so to the old holder).

Kinder than life: NFSv4; on v3 the lock of a host that does not come back is never free again.
"""

from typing import TYPE_CHECKING, Final

from shadowd.core.values import Seconds
from shadowd.sim.disk import Op
from shadowd.sim.rivals.lockfile import V4_LEASE, FcntlLock
from shadowd.sim.rivals.script import Do, Script, Sleep, Until
from shadowd.sim.rivals.torque import Server, Servers

if TYPE_CHECKING:
    from shadowd.sim.rivals.host import RivalHost, RivalWorld
    from shadowd.sim.seat import Seat

_AGAIN: Final = Seconds(1)
_LONG: Final = Seconds(3600)


class TorqueFcntl(Servers):
    """The rival; ``lock_lease`` None stands for NFSv3."""

    def __init__(self, *, lock_lease: Seconds | None = V4_LEASE) -> None:
        self._lock_lease = lock_lease
        self.lock: FcntlLock

    def open(self, world: "RivalWorld") -> None:
        """Make the lock."""
        self.lock = FcntlLock(world.timeline, self._lock_lease)
        world.locks.append(self.lock)

    def start(self, host: "RivalHost", seat: "Seat") -> Server:
        """Start one server process, which waits for the lock."""
        server = _Locked(self, host, seat)
        server.play(server.main())
        return server


class _Locked(Server):
    """A server of release 2.3."""

    def __init__(self, rival: TorqueFcntl, host: "RivalHost", seat: "Seat") -> None:
        super().__init__(host, seat)
        self._rival = rival

    def main(self) -> Script:
        while (yield Do(Op.LINK_LOCK, lambda: self._rival.lock.take(self))) is not True:
            yield Until(self._rival.lock, _AGAIN)
        yield from self.serve()
        while True:
            yield Sleep(_LONG)
