"""Skipping steady time: while nothing happens but what always happens, move every clockwork on.

In a steady world one healthy master beats, its guard looks, the shadows check and see that the beat moved,
and no fault stands. Everybody's state then repeats with a period of his own: a master's is its beat, a
host's its check interval, as its own clock counts it. So instead of living through ten quiet hours each
clockwork is moved on by a whole number of *its own* periods: its pending dates, its host's clock (so that
what the machines remember stays as long ago as it was) and, for a master, the number of its beats. Every
phase between two hosts is then what it would have been, for clocks of different rates too.

What makes it honest: it never goes beyond ``SETTLE`` before the next thing that belongs to no clockwork (a
fault, its repair, an operator), and in that time every memory of a beat is renewed, so whatever happens
meets the state that it would have met. A test compares traces with and without. What it cannot keep is the
walk of phases whose latencies are drawn (a guard's looks): there one possible phase stands for another.

This module refuses whenever it is not sure: an open claim, a host that stands still, a job under way, a
process left over, a view that is not sound, an actor that it does not know.
"""

from math import floor

from shadowd.core.snapshot import State
from shadowd.core.values import LockKind, Seconds
from shadowd.sim.clock import Moment
from shadowd.sim.daemon import Light
from shadowd.sim.host import SimHost
from shadowd.sim.master import Master
from shadowd.sim.world import World

SETTLE = Seconds(200)
"""Lived through after the last change before a skip, and after a skip before the next change."""
REMEMBERED = Seconds(3600)
"""For so long a host counts the restarts of its master (``Policy.restart_window``). None of it is skipped,
for the clock by which it forgets stands still meanwhile."""
_WORTH = Seconds(600)
"""Shorter gaps are not worth it."""
_AGAIN = Seconds(17)
"""No divisor of a check interval: some host is always busy just when it checks."""


class Steady:
    """Skips steady time of a world with light daemons and one cell."""

    def __init__(self, world: World) -> None:
        self.skipped = Seconds(0)
        self._world = world
        self.next = world.now
        """When to try again."""

    def skip(self, until: Moment) -> None:
        """Move on towards this moment, or not."""
        world = self._world
        self.next = Moment(world.now + _AGAIN)
        fixed = world.timeline.fixed()
        end = until if fixed is None else min(until, fixed)
        gap = Seconds(end - SETTLE - world.now)
        if gap < _WORTH or world.now < max(world.stirred_at + SETTLE, world.restarted_at + REMEMBERED):
            return
        master = self._steady_master()
        if master is not None:
            self._move(master, gap)

    def _steady_master(self) -> Master | None:
        world, disk = self._world, self._world.disk
        masters = world.masters()
        if len(masters) != 1 or not (masters[0].serving and masters[0].able):
            return None
        master = masters[0]
        quiet = disk.lock.kind is LockKind.ABSENT and disk.pause is None and disk.active == master.called
        closed = all(not record.open or record.epoch == master.epoch for record in disk.ledger().records)
        if not (quiet and closed and isinstance(disk.beat, int) and isinstance(disk.shadows, tuple)):
            return None
        if not all(self._at_rest(host, master) for host in world.hosts.values()):
            return None
        known: set[object] = {*world.hosts.values(), master}
        return master if self._actors() <= known else None

    def _actors(self) -> frozenset[object]:
        """Return who has something to do; the dead have nothing, whatever lies in the heap."""
        owners = self._world.timeline.owners()
        return frozenset(owner for owner in owners if not isinstance(owner, Master) or owner.alive)

    def _at_rest(self, host: SimHost, master: Master) -> bool:
        if not host.up:
            return True
        seat = host.seats[self._world.disk.cell]
        if seat.disk is not self._world.disk:
            return False
        if host.still or host.cut or host.on_operation is not None or not seat.view.sound:
            return False
        if any(process.alive and process.epoch != master.epoch for process in seat.processes):
            return False
        if host.daemon is None:
            return seat.kept is None  # else a lease runs out there, while nobody renews it
        here = host.machine == master.where
        wanted = State.ACTIVE if here and master.epoch is not None else State.STANDBY
        light = host.daemon
        return (
            isinstance(light, Light)
            and light.crew(seat.cell).idle
            and light.snapshot(seat.cell).state is wanted
        )

    def _move(self, master: Master, gap: Seconds) -> None:
        world, disk = self._world, self._world.disk
        by: dict[object, Seconds] = dict.fromkeys(world.timeline.owners(), Seconds(0))
        beats = floor(gap / world.timing.beat_interval)
        by[master] = Seconds(beats * world.timing.beat_interval)
        for host in world.hosts.values():
            period = host.timing.check_interval / host.rate
            by[host] = Seconds(floor(gap / period) * period)
            host.booted = Moment(host.booted + by[host])
        dead = [owner for owner in by if isinstance(owner, Master) and not owner.alive]
        for owner in dead:
            by[owner] = by[master]
        assert isinstance(disk.beat, int)  # noqa: S101 - looked at above
        disk.beat = (disk.beat + beats - 1) % 99999 + 1
        before = world.now
        world.timeline.shift(by)
        self.skipped = Seconds(self.skipped + world.now - before)
        self.next = Moment(world.now + _AGAIN)
