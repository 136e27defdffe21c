"""Two daemons of ours on one host, which life does not allow: the instance lock refuses the second.

They share what a host has once: its runtime directory with the lease record, its processes, its seat at the
shared directory. Both hear every event. Worse than life, for nothing refuses either of them; kinder, for both
have one pid, and so both see the exit status of a master that either started.

This module refuses to let them know of each other: whatever order there is comes from the claims.
"""

from typing import TYPE_CHECKING, Final

from shadowd.core.events import Event
from shadowd.core.snapshot import Snapshot
from shadowd.core.timing import Timing
from shadowd.core.values import NEVER
from shadowd.sim.daemon import Daemon, Light
from shadowd.sim.machines import Maker
from shadowd.sim.swarm import HOSTS, Day
from shadowd.sim.world import World

if TYPE_CHECKING:
    from shadowd.sim.host import SimHost

HOME: Final = HOSTS[0]
"""The host with two daemons; the first master is asked for there."""


class Twins:
    """Two light daemons in the place of one."""

    loop = None

    def __init__(self, host: "SimHost") -> None:
        self.both = (Light(host), Light(host))

    def feed(self, cell: str, event: Event) -> None:
        """Give the event to both."""
        for light in self.both:
            light.feed(cell, event)

    def snapshot(self, cell: str) -> Snapshot:
        """Return what the first one thinks."""
        return self.both[0].snapshot(cell)

    def turn(self) -> None:
        """Do nothing: light daemons have no decision thread."""

    def patience(self) -> float:
        """Return for ever."""
        return NEVER


def settle(host: "SimHost") -> Daemon:
    """Return the daemons of this host: two on one host, one elsewhere."""
    return Twins(host) if host.name == HOME else Light(host)


class TwinsDay(Day):
    """One seed with two daemons on one host; ``live`` it once."""

    def build(self, timing: Timing, make: Maker) -> World:
        """Make the world."""
        return World(HOSTS, timing=timing, make=make, runtime=settle)
