"""Days of random bad weather: never two masters of a guarded cell, never none for long, and nothing false.

The standard run lives through 300 days; ten thousand take an hour::

    SWARM_SEEDS=10000 python -m pytest -n auto tests/sim/test_swarm.py
"""

import os

import pytest

from shadowd.core.timing import Timing
from shadowd.core.values import Seconds
from shadowd.sim.swarm import SeedResult, run_seed
from shadowd.sim.weather import LATER, ORDINARY, Kind

pytestmark = pytest.mark.timeout(600)

FIRST = int(os.environ.get("SWARM_FIRST", "1"))
SEEDS = int(os.environ.get("SWARM_SEEDS", "300"))
TOGETHER = 10
"""Seeds in one test."""
KEPT = (1300, 5131, 6263, 9335)
"""Days that broke a promise once."""


def complain(result: SeedResult) -> None:
    """Show what was broken, how it came to that, and how to see it again."""
    verdicts = "\n".join(str(verdict) for verdict in result.verdicts)
    tail = "\n".join(result.trace)
    command = f"SWARM_FIRST={result.seed} SWARM_SEEDS=1 python -m pytest tests/sim/test_swarm.py"
    pytest.fail(f"{verdicts}\n{tail}\nseed {result.seed}, again with: {command}", pytrace=False)


@pytest.mark.parametrize("first", range(FIRST, FIRST + SEEDS, TOGETHER))
def test_no_weather_breaks_a_promise(first: int) -> None:
    """Crashes, freezes, hung mounts, cuts, lies, lost replies and people, in any order."""
    for seed in range(first, min(first + TOGETHER, FIRST + SEEDS)):
        result = run_seed(seed)
        if result.verdicts:
            complain(result)


@pytest.mark.parametrize("seed", KEPT)
def test_a_day_that_broke_a_promise_breaks_none(seed: int) -> None:
    """Found among ten thousand, and kept."""
    result = run_seed(seed, kinds=ORDINARY - LATER)
    if result.verdicts:
        complain(result)


STARTS = frozenset(
    {
        *(Kind.SLOW_START, Kind.BREAK_PROGRAM, Kind.AMBUSH, Kind.CRASH, Kind.KILL_MASTER, Kind.KILL_DAEMON),
        *(Kind.STOP_DAEMON, Kind.FREEZE_DAEMON, Kind.FREEZE_HOST, Kind.FREEZE_MASTER, Kind.UNPLUG, Kind.LATE),
    }
)
"""Weather for launches: slow ones, and whatever may happen while they last."""
SHORT_LEASE = Timing(
    check_interval=Seconds(10),
    beat_interval=Seconds(10),
    stale_after=Seconds(30),
    delay=Seconds(80),
    launch_timeout=Seconds(240),
)
"""A lease of 88 s, and 240 s to become ready."""


@pytest.mark.parametrize("level", ["guarded", "fenced"])
@pytest.mark.parametrize("first", range(1, 1 + SEEDS // 10, TOGETHER))
def test_starts_that_take_longer_than_the_lease(first: int, level: str) -> None:
    """Masters that need up to launch_timeout and beyond, fences that take a minute, and short leases."""
    for seed in range(first, first + TOGETHER):
        result = run_seed(seed, level, SHORT_LEASE, hours=8, kinds=STARTS)
        if result.verdicts:
            complain(result)


def test_the_same_seed_is_the_same_day() -> None:
    """A seed is a bug report."""
    assert run_seed(17) == run_seed(17)
