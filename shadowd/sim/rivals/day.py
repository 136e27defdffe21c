"""A day of bad weather over a rival: the faults that ours meets in the same seed, and the same measure.

Judged are two masters that can write at one moment, and outages. Nothing is excused, for a rival promises
nothing that could have exceptions; and only what is true at the end of a day counts as left without a
master, which is milder than what ours is held to (``judges.SomeMaster``).

Kinder than life: no clock is ever wrong by more than an hour, and half an hour after a step it is right; and
what becomes of names, copies and mounts strikes only ours.
"""

from random import Random
from typing import Final, cast

from shadowd.core.timing import Timing
from shadowd.sim.clock import Moment
from shadowd.sim.court import Court
from shadowd.sim.faults import Faults
from shadowd.sim.host import SimHost
from shadowd.sim.judges import Promise, SomeMaster
from shadowd.sim.machines import Maker
from shadowd.sim.master import Master
from shadowd.sim.onemaster import Excuse, OneMaster
from shadowd.sim.rivals.host import Rival, RivalWorld
from shadowd.sim.swarm import HOSTS, Day
from shadowd.sim.weather import OF_IDENTITY, Kind, Strike
from shadowd.sim.world import World

_MOST_WRONG: Final = 3600.0
_SET_RIGHT: Final = 1800.0
_USUAL: Final = 0.02
"""Standard deviation of a clock that is kept by NTP."""


class RivalDay(Day):
    """One seed of one rival; ``live`` it once."""

    def __init__(self, rival: Rival, seed: int, *, level: str, timing: Timing, hours: float) -> None:
        self._rival = rival
        self._clocks = Random(f"clocks of {seed}")  # noqa: S311 - replay needs a seed, nobody guesses anything
        super().__init__(seed, level=level, timing=timing, hours=hours, skip=False)
        self.strikes = tuple(strike for strike in self.strikes if strike.kind not in OF_IDENTITY)

    def build(self, timing: Timing, make: Maker) -> World:
        """Make the world with the rival in it."""
        del make
        return RivalWorld(HOSTS, self._rival, timing=timing)

    def convene(self) -> Court:
        """Return who judges."""
        return _RivalCourt(self.world, self.faults)

    def begin(self) -> None:
        """Bring up the cell in the rival's way, with clocks that are a little off."""
        world = cast("RivalWorld", self.world)
        for host in world.hosts.values():
            self._set_right(host)
        world.begin()
        world.run(100)
        for strike in self.strikes:
            if strike.kind is Kind.STEP_WALL:
                self._bound(strike)

    def story(self) -> tuple[str, ...]:
        """Return what the rival's programs did."""
        return tuple(map(str, cast("RivalWorld", self.world).story))

    def _bound(self, strike: Strike) -> None:
        """Let a step of a clock be one that NTP mends."""
        hosts = self.world.hosts.values()

        def mend() -> None:
            for host in hosts:
                self._set_right(host)

        def limit() -> None:
            for host in hosts:
                host.wall_offset = max(-_MOST_WRONG, min(_MOST_WRONG, host.wall_offset))

        self.world.after(strike.at + 0.001 - self.world.now, limit)
        self.world.after(strike.at + _SET_RIGHT - self.world.now, mend)

    def _set_right(self, host: SimHost) -> None:
        host.wall_offset = self._clocks.gauss(0.0, _USUAL)


class _TwoMasters(OneMaster):
    """Counts every second; no rival has epochs to tell of."""

    def _convict(self, promise: Promise, detail: str) -> None:
        super()._convict(promise, detail.replace("epoch None ", ""))

    def _excuse(self, able: list[Master]) -> tuple[Excuse | None, Moment]:
        del able
        return None, self._world.now


class _LeftWithout(SomeMaster):
    """Measures outages, and looks at the end whether there is a master."""

    def _due(self, changes: int) -> None:
        """Look at the end only."""

    def close(self) -> None:
        """Look whether anybody serves, an hour after everything was repaired."""
        if not any(master.serving and master.able for master in self._world.masters()):
            self._convict(Promise.SOME_MASTER, "at the end of the day")


class _RivalCourt(Court):
    """Judges what a rival can be held to."""

    def __init__(self, world: World, faults: Faults) -> None:
        super().__init__(world, faults)
        self.one = _TwoMasters(world, faults)
        self.some = _LeftWithout(world, faults)
        self._judges = (self.one, self.some)
