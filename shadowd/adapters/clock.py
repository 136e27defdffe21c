"""The two clocks of this host.

Why CLOCK_BOOTTIME: every decision is an interval of one host's own clock (PROTOCOL rule 3). Wall time is
stepped by people and NTP; CLOCK_MONOTONIC stands still while the host is suspended, and a lease that
sleeps with its host outlives itself. BOOTTIME does neither (clock_gettime(2)).

Both clocks are called through the ``time`` module at every reading, so that a test that freezes
``time.time`` freezes ``wall``; ``now`` stays real under freezegun, which cannot tell a stepped wall clock
from passing time. Refuses to compare anything with another host's clock.
"""

import time

from shadowd.core.values import Instant


class SystemClock:
    """The port ``Clock`` on this host's kernel."""

    __slots__ = ()

    def now(self) -> Instant:
        """Return the seconds since boot, suspended time included; never goes back."""
        return Instant(time.clock_gettime(time.CLOCK_BOOTTIME))

    def wall(self) -> float:
        """Return Unix time in seconds, for people only."""
        return time.time()
