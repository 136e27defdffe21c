"""What a protocol's runs come to: the figures of one row of ``shadowd simulate``.

An outage that did not end counts as an infinite one, in the median and the percentile too: whoever leaves
a cell without a master for ever must not look quick. This module refuses to compare; people do.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from shadowd.sim.judges import Promise
from shadowd.sim.rivals.contest import OURS
from shadowd.sim.swarm import SeedResult

_SHOWN: Final = 5
SURPRISES: Final = (Promise.SHUTDOWN, Promise.SWITCHED_OFF, Promise.DEATH, Promise.CAUSE)
"""What only ours is judged by: the others have neither outcomes nor a guard that could be wrong."""


@dataclass(frozen=True, slots=True)
class Score:
    """All runs of one protocol at one protection level."""

    protocol: str
    level: str
    runs: int
    runs_double: int
    seconds_double: float
    """All of them: for comparison nothing is excused."""
    broken: float
    """Those that no exclusion covers."""
    excused: dict[str, float]
    """The others, by the name of what PROTOCOL.md excludes; a rival promises nothing that could be."""
    runs_left: int
    outages: tuple[float, ...]
    """In order; infinite for those that did not end."""
    seeds_double: tuple[int, ...]
    """A few seeds to replay, those that nothing excludes first."""
    seeds_left: tuple[int, ...]
    surprises: dict[Promise, int] = field(default_factory=dict)
    """How often each of ``SURPRISES`` happened in all runs; empty for a rival."""
    seeds_surprised: dict[Promise, tuple[int, ...]] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        """True if every promise that a guard or a fence makes was kept in every run."""
        return not (self.broken or self.runs_left or any(self.surprises.values()))

    @property
    def median(self) -> float | None:
        """The outage that half of all outages do not exceed; None without any."""
        return percentile(self.outages, 50)

    @property
    def p99(self) -> float | None:
        """The outage that 99 % of all outages do not exceed; None without any."""
        return percentile(self.outages, 99)


def score(protocol: str, level: str, results: Iterable[SeedResult]) -> Score:
    """Add up the runs."""
    ordered = sorted(results, key=lambda result: result.seed)
    double = [result for result in ordered if _double(result) > 0]
    left = [result for result in ordered if result.left_without]
    excused: dict[str, float] = {}
    for result in ordered:
        for name, seconds in result.excused.items():
            excused[name] = excused.get(name, 0.0) + seconds
    outages = sorted(outage for result in ordered for outage in result.outages)
    judged = SURPRISES if protocol == OURS else ()
    return Score(
        protocol=protocol,
        level=level,
        runs=len(ordered),
        runs_double=len(double),
        seconds_double=math.fsum(_double(result) for result in double),
        broken=math.fsum(result.two_masters for result in ordered),
        excused=excused,
        runs_left=len(left),
        outages=(*outages, *[math.inf] * len(left)),
        seeds_double=tuple(
            result.seed for result in sorted(double, key=lambda result: not result.two_masters)[:_SHOWN]
        ),
        seeds_left=tuple(result.seed for result in left[:_SHOWN]),
        surprises={promise: sum(result.count(promise) for result in ordered) for promise in judged},
        seeds_surprised={
            promise: tuple(result.seed for result in ordered if result.count(promise))[:_SHOWN]
            for promise in judged
        },
    )


def _double(result: SeedResult) -> float:
    return result.two_masters + math.fsum(result.excused.values())


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Return the least value that this share (in per cent) of all values does not exceed."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]
