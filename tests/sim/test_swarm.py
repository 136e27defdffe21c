"""Days of random bad weather: never two masters of a guarded cell, never none for long, and nothing false.

The standard run lives through 300 days; ten thousand take an hour::

    SWARM_SEEDS=10000 python -m pytest -n auto tests/sim/test_swarm.py
"""

import os

import pytest

from shadowd.sim.swarm import SeedResult, run_seed

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
    result = run_seed(seed)
    if result.verdicts:
        complain(result)


def test_the_same_seed_is_the_same_day() -> None:
    """A seed is a bug report."""
    assert run_seed(17) == run_seed(17)
