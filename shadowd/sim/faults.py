"""All faults together: each kind of ``sim.weather`` strikes by the method of its name."""

from collections.abc import Callable
from functools import partial

from shadowd.sim.diskfaults import DiskFaults
from shadowd.sim.host import SimHost
from shadowd.sim.hostfaults import HostFaults
from shadowd.sim.people import People
from shadowd.sim.repairs import Repair
from shadowd.sim.weather import OF_THE_CELL, Strike


class Faults(HostFaults, DiskFaults, People):
    """Strikes a world with one cell."""

    def expect(self, strikes: tuple[Strike, ...]) -> None:
        """Let these come in their time."""
        for strike in strikes:
            self._world.after(strike.at - self._world.now, partial(self.strike, strike))

    def strike(self, strike: Strike) -> None:
        """Strike now."""
        host = self._target(strike)
        act: Callable[[SimHost, Strike], Repair | None] = getattr(self, f"_{strike.kind.value}")
        repair = act(host, strike)
        struck = None if strike.kind in OF_THE_CELL else host.machine
        self._note(strike.kind, struck, strike.lasts if repair is not None else 0.0)
        if repair is not None:
            self._later(strike.lasts, repair)
        self._world.stir()

    def _target(self, strike: Strike) -> SimHost:
        hosts = tuple(self._world.hosts.values())
        masters = self._world.masters()
        if strike.target < 0.5 and masters:
            return self._world.hosts[masters[-1].where]
        return hosts[int(strike.target * 2 * len(hosts)) % len(hosts)]
