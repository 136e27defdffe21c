"""How long a shadow waits after what came to nothing: longer each time, and never for ever.

Failed attempts to start a master and doubts about the old one are counted apart: whoever reads of seven
failed starts looks for a program that does not start. Refuses to decide what a failure is.
"""

from shadowd.core.reasons import Reason
from shadowd.core.timing import DelayApplies, Timing
from shadowd.core.values import Instant

_FAILED_HERE = frozenset({Reason.MASTER_ENDED, Reason.HANDED_OVER, Reason.LEASE_OVER})


class BackOff:
    """The waiting of one shadow."""

    def __init__(self, timing: Timing, now: Instant) -> None:
        self.attempts = 0
        """Failed attempts to start a master, in a row."""
        self.doubts = 0
        """Verifications in a row that proved nothing about the old master."""
        self._timing = timing
        self.retry_at = now
        self._back_until = now
        """Others go first until then, whatever beats meanwhile."""
        self._falls = 0
        """Masters of this host in a row that ended soon."""

    @property
    def until(self) -> Instant:
        """Until when it waits."""
        return max(self.retry_at, self._back_until)

    def end(self, now: Instant) -> None:
        """Begin to count anew, and wait no more for what failed: a master lives."""
        self.attempts = 0
        self.retry_at = now

    def failed(self, now: Instant) -> None:
        """Wait after a failed attempt."""
        self.attempts += 1
        self.retry_at = Instant(now + self._timing.pause_after(self.attempts))
        self.bid_over(now)

    def doubted(self, now: Instant) -> None:
        """Wait after a doubt."""
        self.doubts += 1
        self.retry_at = Instant(now + self._timing.pause_after(self.doubts))

    def bid_over(self, now: Instant) -> None:
        """Begin the delay where it applies after a bid that came to nothing."""
        if self._timing.delay_applies is DelayApplies.AFTER_FAILED_BID:
            self.retry_at = max(self.retry_at, Instant(now + self._timing.delay))

    def ended_here(self, reason: Reason, since: Instant, now: Instant) -> None:
        """Let others go first, after the master here, guarded ``since``, ended and nobody shut the cell down.

        Longer each time that it did not last, or two hosts would hand over one that cannot live thousands of
        times a day.
        """
        if reason in _FAILED_HERE:
            self._falls = 1 if now >= since + self._timing.retry_limit else self._falls + 1
            self._back_until = Instant(now + self._timing.pause_after(self._falls))
