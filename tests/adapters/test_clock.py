"""The two clocks."""

import time
from datetime import UTC, datetime

from freezegun import freeze_time

from shadowd.adapters.clock import SystemClock


def test_now_is_the_boottime_clock() -> None:
    """``now`` lies between two readings of CLOCK_BOOTTIME."""
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    now = SystemClock().now()
    assert before <= now <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_now_never_goes_back() -> None:
    """A thousand readings in a row never decrease."""
    clock = SystemClock()
    readings = [clock.now() for _ in range(1000)]
    assert readings == sorted(readings)


def test_a_stepped_wall_clock_does_not_touch_now() -> None:
    """Wall time follows a step of an hour back; ``now`` does not notice."""
    clock = SystemClock()
    start = clock.now()
    with freeze_time("2026-11-20 12:00:00") as frozen:
        assert clock.wall() == datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
        frozen.move_to("2026-11-20 11:00:00")
        assert clock.wall() == datetime(2026, 11, 20, 11, tzinfo=UTC).timestamp()
        assert 0 <= clock.now() - start < 60
