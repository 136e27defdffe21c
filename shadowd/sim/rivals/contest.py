"""Every protocol under the same weather: who takes part, at which protection levels, and one run of one.

A seed's faults are drawn whole before anything runs (``sim.weather``), so no protocol's own behaviour can
change what strikes the others. This module refuses to know how a protocol works; it starts it and hands
back what the judges counted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shadowd.core.timing import Timing
from shadowd.sim.rivals.day import RivalDay
from shadowd.sim.rivals.host import Rival
from shadowd.sim.rivals.sge_shadowd import SgeShadowd
from shadowd.sim.rivals.torque import Torque
from shadowd.sim.rivals.torque_fcntl import TorqueFcntl
from shadowd.sim.swarm import LEVELS as MACHINES
from shadowd.sim.swarm import Day, SeedResult, timed

OURS: Final = "shadowd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: everything that its outcome depends on."""

    protocol: str
    level: str
    seed: int
    hours: float
    timing: Timing


def _sge_shadowd(timing: Timing) -> Rival:
    return SgeShadowd(timing.check_interval, timing.stale_after, timing.delay)


RIVALS: Final[dict[str, Callable[[Timing], Rival]]] = {
    "sge_shadowd": _sge_shadowd,
    "torque": lambda _timing: Torque(),
    "torque-2.3": lambda _timing: TorqueFcntl(),
}
"""The others. Of a site's timers ``sge_shadowd`` has its three; TORQUE's servers keep their own defaults."""
_IN_ORDER: Final = ("none", "guarded", "fenced")
LEVELS: Final[dict[str, tuple[str, ...]]] = {
    OURS: tuple(level for level in _IN_ORDER if level in MACHINES),
    **dict.fromkeys(RIVALS, ("none",)),
}
"""Every protocol with its protection levels, the least first."""


def compete(run: Run) -> SeedResult:
    """Live through the day of one seed under one protocol."""
    return day(run).live()


def day(run: Run) -> Day:
    """Return the day of one seed under one protocol, not yet lived."""
    if run.protocol == OURS:
        timing, make = timed(run.timing, run.level), MACHINES[run.level]
        return Day(run.seed, level=run.level, timing=timing, hours=run.hours, make=make)
    rival = RIVALS[run.protocol](run.timing)
    return RivalDay(rival, run.seed, level=run.level, timing=run.timing, hours=run.hours)
