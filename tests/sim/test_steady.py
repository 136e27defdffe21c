"""Skipping steady time changes nothing but the time that it takes."""

import os

import pytest

from shadowd.sim.swarm import Day

SEEDS = max(3, int(os.environ.get("SWARM_SEEDS", "300")) // 25)

pytestmark = pytest.mark.long

ROUNDING = 0.2
"""Each date is kept a millionth of a second late, and each look begins when the one before was answered: in a
day such phases walk, and what hangs on one (which of two looks saw a change first) comes that much later."""


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_day_with_skipping_is_the_same_day(seed: int) -> None:
    """Same lines at the same moments, same verdicts, same outages, though clocks differ by one per cent."""
    brief = Day(seed, exact=True)
    whole = Day(seed, exact=True, skip=False)
    skipped, lived = brief.live(), whole.live()
    assert skipped.skipped > 0.1 * skipped.hours * 3600
    assert lived.skipped == 0
    for one, other in zip(brief.world.trace, whole.world.trace, strict=True):
        assert (one.host, one.say) == (other.host, other.say)
        assert one.when == pytest.approx(other.when, abs=ROUNDING)
    assert [str(v) for v in skipped.verdicts] == [str(v) for v in lived.verdicts]
    assert skipped.outages == pytest.approx(lived.outages, abs=ROUNDING)
    assert brief.world.disk.claims.keys() == whole.world.disk.claims.keys()
