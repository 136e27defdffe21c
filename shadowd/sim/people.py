"""What people do to a cell: shut it down, touch its lock, pause, ask, start things by hand, restore backups.

What a person did, a person undoes: whoever shut a master down wants one again later, and asks until it runs.
"""

from random import Random

from shadowd.core.events import TakeoverAsked
from shadowd.core.values import Epoch, Host, Lock, LockKind, NoticeKind, Seconds
from shadowd.sim.host import SimHost
from shadowd.sim.network import other_name
from shadowd.sim.repairs import Repair, Repairs
from shadowd.sim.weather import Kind, Strike
from shadowd.sim.world import World

_ASK_AGAIN = Seconds(120)
_LOOK_AFTER = Seconds(900)


class People(Repairs):
    """Everybody with a shell."""

    def __init__(self, world: World, random: Random) -> None:
        super().__init__(world, random)
        self._touched = False
        """Somebody keeps failover off with a lock of his own."""

    def meddled(self, host: Host) -> None:
        """Note that something on this host had a hand in the cell, past every claim."""
        self._note(Kind.STRAY, host)

    def _shutdown(self, _host: SimHost, _strike: Strike) -> Repair | None:
        masters = [master for master in self._world.masters() if master.serving]
        if not masters:
            return None
        self.down_on_purpose = True
        self.ordered.append(masters[0])
        masters[0].terminate()
        return self._start

    def _start(self) -> None:
        """Want a master, as a person does, and ask until there is one.

        A master that stood still when it was told to end may end much later, and leave its mark beside the
        next one: whoever gave the order takes that away.
        """
        self.down_on_purpose = False
        disk = self._world.disk
        serving = any(master.serving and not master.ending for master in self._world.masters())
        if disk.lock.kind is LockKind.FOREIGN and not self._touched:
            disk.remove_lock()
        if not serving:
            ready = [
                host for host in self._world.hosts.values() if host.daemon is not None and not host.still
            ]
            if ready:
                self._note(Kind.TAKEOVER, None)
                self._random.choice(ready).ask_takeover(self._world.disk.cell)
        if not serving or any(master.alive for master in self.ordered):
            self._later(_ASK_AGAIN, self._start)

    def _touch_lock(self, _host: SimHost, _strike: Strike) -> Repair | None:
        disk = self._world.disk
        if disk.lock.kind is LockKind.FOREIGN:
            return None
        disk.lock = Lock(LockKind.FOREIGN)
        self._touched = True

        def untouch() -> None:
            self._touched = False
            if self.down_on_purpose:
                return
            if disk.lock.kind is LockKind.FOREIGN:
                disk.remove_lock()
            last = disk.ledger().last_confirmed
            if last is not None and last.outcome is NoticeKind.STOPPED:  # it ended under this lock
                self._start()
            else:
                self._later(_LOOK_AFTER, look_after)

        def look_after() -> None:
            """Start a master if there is none: one that ended under this lock may be closed later."""
            if not self.down_on_purpose:
                self._start()

        return untouch

    def _pause(self, _host: SimHost, _strike: Strike) -> Repair:
        disk = self._world.disk
        disk.begin_pause("maintenance")
        return lambda: setattr(disk, "pause", None)

    def _takeover(self, host: SimHost, _strike: Strike) -> None:
        host.ask_takeover(self._world.disk.cell)

    def _migrate(self, host: SimHost, _strike: Strike) -> None:
        host.feed(self._world.disk.cell, TakeoverAsked("a person", migrate=True))

    def _stray(self, host: SimHost, _strike: Strike) -> None:
        if host.up and not host.still:
            self._seat(host).start_master()

    def _rename(self, host: SimHost, strike: Strike) -> None:
        """Give a host another name, and put that into the list of shadows."""
        old, new = host.name, Host(f"{host.machine}-{int(strike.dice * 1e6)}")
        disk = self._world.disk
        if any(other is not host and other.name == old for other in self._world.hosts.values()):
            return  # a clone is about: nobody who knows of it renames a host now
        if isinstance(disk.shadows, tuple):
            disk.shadows = tuple(new if shadow == old else shadow for shadow in disk.shadows)
        host.rename(new)

    def _clone(self, host: SimHost, _strike: Strike) -> Repair | None:
        """Boot a copy of a host, which somebody notices later and switches off."""
        if any(other is not host and other.name == host.name for other in self._world.hosts.values()):
            return None
        clone = self._world.clone(host)

        def sort_out() -> None:
            """Switch the copy off, and the right one on: perhaps the copy had it fenced."""
            self._world.remove(clone)
            if not host.up:
                host.boot()

        return sort_out

    def _alias(self, _host: SimHost, _strike: Strike) -> None:
        masters = [master for master in self._world.masters() if master.serving]
        if masters and self._world.disk.active == masters[0].where:
            self._world.disk.active = other_name(masters[0].where)

    def _empty(self, _host: SimHost, _strike: Strike) -> None:
        self._put_back(0)

    def _restore(self, _host: SimHost, strike: Strike) -> None:
        self._put_back(int(strike.dice * len(self._world.disk.claims)))

    def _put_back(self, highest: int) -> None:
        """Lose records; whoever did it tells every host to accept what lies there now."""
        self._world.disk.put_back(highest)
        for host in self._world.hosts.values():
            self._seat(host).remembered_epoch = Epoch(0)
