"""What was done to a simulated world, and how it is undone: at its time, or all at once.

``troubles`` is the list of what happened to whom and when. The judges ask it for causes (``sim.judges``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from shadowd.core.values import Host
from shadowd.sim.clock import Moment
from shadowd.sim.host import SimHost
from shadowd.sim.master import Master
from shadowd.sim.seat import Seat
from shadowd.sim.weather import Kind
from shadowd.sim.world import World

Repair = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something was done to a host, or to the whole cell (``host`` None)."""

    kind: Kind
    host: Host | None
    begin: Moment
    end: Moment
    """When it is repaired, or was, at the latest."""


class Repairs:
    """The open repairs of a world with one cell."""

    def __init__(self, world: World, random: Random) -> None:
        self.troubles: list[Trouble] = []
        self.down_on_purpose = False
        """A person shut the master down and has not started one since."""
        self.ordered: list[Master] = []
        """Masters that a person told to end."""
        self.standing = 0
        """Faults that are not repaired yet."""
        self.changes = 0
        """Faults and repairs so far."""
        self._world = world
        self._random = random
        self._repairs: dict[int, Repair] = {}
        self._number = 0

    def heal(self) -> None:
        """Repair everything now, in the order in which it was broken."""
        for number in sorted(self._repairs):
            self._repair(number)

    def _seat(self, host: SimHost) -> Seat:
        return host.seats[self._world.disk.cell]

    def _note(self, kind: Kind, host: Host | None, lasts: float = 0.0) -> None:
        now = self._world.now
        self.changes += 1
        self.troubles.append(Trouble(kind, host, now, Moment(now + lasts)))

    def _later(self, seconds: float, repair: Repair) -> None:
        self._number += 1
        number = self._number
        self._repairs[number] = repair
        self.standing += 1
        self._world.after(seconds, lambda: self._repair(number))

    def _repair(self, number: int) -> None:
        repair = self._repairs.pop(number, None)
        if repair is not None:
            self.standing -= 1
            self.changes += 1
            repair()
            self._world.stir()
