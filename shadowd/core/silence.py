"""How long the heartbeat has been silent, counting only what this process itself observed.

Silence is a sum over the intervals between successive completed reads that showed the same beat
(PROTOCOL rule 1): a hung mount, a suspended host or a failed read is our outage and not the master's
silence, so such an interval adds nothing. A beat is dated late, at the completion of the read that first
showed it (rule 2). This module refuses to look at modification times or at anybody else's clock.
"""

from enum import Enum

from shadowd.core.values import BeatReading, Instant, Problem, Seconds, Unknown


class Change(Enum):
    """What one more read of the heartbeat told."""

    FIRST = "first"
    SAME = "same"
    MOVED = "moved"
    UNKNOWN = "unknown"
    LATE = "late"
    """Issued before a read that was used already: dropped, for it may show an old value."""


class Silence:
    """The observed silence of one heartbeat.

    ``unknown_counts``: an unreadable heartbeat is a value like any other, so that its duration counts
    (configured for sites where the file may be lost together with its master).
    """

    def __init__(self, check_interval: Seconds, *, unknown_counts: bool = False) -> None:
        self.longest = Seconds(2 * check_interval)
        """An interval longer than this between two reads was our own outage."""
        self._unknown_counts = unknown_counts
        self._issued: Instant | None = None
        self._completed: Instant | None = None
        self._shown: int | Problem | None = None
        self.total = Seconds(0)
        self.changed: Instant | None = None
        """Completion of the first read that showed the present beat."""

    def read(self, reading: BeatReading) -> Change:
        """Take one reading into account."""
        if self._issued is not None and reading.issued < self._issued:
            return Change.LATE
        self._issued = reading.issued
        shown = self._key(reading.value)
        if shown is None:
            self._completed = None
            return Change.UNKNOWN
        if shown == self._shown:
            if self._completed is not None:
                interval = Seconds(reading.completed - self._completed)
                self.total = Seconds(self.total + (interval if interval <= self.longest else 0))
            self._completed = reading.completed
            return Change.SAME
        change = Change.FIRST if self._shown is None else Change.MOVED
        self._shown = shown
        self._completed = reading.completed
        self.changed = reading.completed
        self.total = Seconds(0)
        return change

    def restart(self, now: Instant) -> None:
        """Count a sign of life that was no beat: an answering master, the end of a pause."""
        self.total = Seconds(0)
        self.changed = now
        if self._completed is not None:  # what passed before this sign of life is not silence after it
            self._completed = max(self._completed, now)

    def reaches(self, threshold: Seconds) -> Instant | None:
        """Return when a read that shows the same beat would make the silence this long."""
        if self._completed is None:
            return None
        return Instant(self._completed + max(0.0, threshold - self.total))

    def _key(self, value: int | Unknown) -> int | Problem | None:
        if not isinstance(value, Unknown):
            return value
        return value.problem if self._unknown_counts else None
