"""Until when a guarded master may live without having been seen to beat (PROTOCOL rule 9).

The lease is dated *early*: from the issue of the latest read that still showed the old beat (rule 2), so
that a guard that was itself frozen never takes an old beat for a new one. Shadows date late; between the
two lies the margin in which nobody runs a master. An expired lease is never renewed: its holder tests
``over`` before it uses any answer.

A master that is found running without a record of its lease, or with one that ran out after its daemon had
been told to end, is *on trial*: its lease counts as run out, so there must be a listing without a higher
claim within one step-down, and an advance within two beats more.
"""

from dataclasses import dataclass

from shadowd.core.events import Observed
from shadowd.core.timing import Timing
from shadowd.core.values import BeatReading, Claim, ClaimKey, Epoch, Instant, KeptLease, Pause, Seconds

_PATIENCE = 0.25
"""Of a lease: a daemon that works renews it more often."""


class Lease:
    """The lease of one epoch's master."""

    def __init__(self, epoch: Epoch, nonce: str, length: Seconds, *, begins: Instant) -> None:
        self.epoch = epoch
        self.nonce = nonce
        self.ends = Instant(begins + length)
        self._length = length
        self._beat: int | None = None
        self._unmoved = begins
        """Issue of the latest read that still showed the present beat as the old one."""
        self._trial: Instant | None = None

    @classmethod
    def recalled(cls, kept: KeptLease) -> "Lease":
        """Return that which was kept on this host."""
        return cls(kept.epoch, kept.nonce, kept.lease, begins=Instant(kept.ends - kept.lease))

    def try_from(self, now: Instant, timing: Timing) -> None:
        """Put the master on trial: nobody knows when it was seen to beat last."""
        self.ends = Instant(now + timing.step_down_timeout)
        self._trial = Instant(now + trial(timing))

    def over(self, now: Instant) -> bool:
        """Tell whether the master must be gone."""
        return now >= self.ends

    def neglected(self, now: Instant) -> bool:
        """Tell whether nobody has renewed it for so long that whoever stands in reads the heartbeat."""
        return now - (self.ends - self._length) > _PATIENCE * self._length

    def renew(self, seen: Observed) -> bool:
        """Take in a round that showed no higher open claim; True if the lease ends later now."""
        before = self.ends
        if self._trial is not None:
            self.ends, self._trial = self._trial, None
        self.heed(seen.beat)
        if isinstance(seen.pause, Pause) and seen.pause.counted(seen.pauses):
            self.ends = max(self.ends, Instant(seen.listed + self._length))
        return self.ends > before

    def heed(self, beat: BeatReading) -> bool:
        """Take in a reading of the heartbeat alone; True if the lease ends later now."""
        before = self.ends
        if isinstance(beat.value, int):
            if self._beat is not None and beat.value != self._beat:
                self.ends = max(self.ends, Instant(self._unmoved + self._length))
            self._beat = beat.value
            self._unmoved = beat.issued
        return self.ends > before

    def kept(self) -> KeptLease:
        """Return what a daemon that starts anew must know."""
        return KeptLease(self.epoch, self.nonce, self._length, self.ends)


def trial(timing: Timing) -> Seconds:
    """Return how long a master may take to show that it is well, where no record says until when it may live.

    One step-down for a listing, and three beats, so that two of them begin and end within it.
    """
    return Seconds(timing.step_down_timeout + 3 * timing.beat_interval)


@dataclass(frozen=True, slots=True)
class Reign:
    """A master of this host that wants a guard."""

    epoch: Epoch
    nonce: str
    lease: Lease
    confirmed: bool = True
    """False: only the kept lease is known, and the listing will tell whether it was ever confirmed."""
    planned: bool = False
    """Its planned end was begun, and is to be brought to its own end."""

    @property
    def claim(self) -> ClaimKey:
        """Whose master it is."""
        return ClaimKey(self.epoch, self.nonce)

    @classmethod
    def begun(cls, epoch: Epoch, nonce: str, length: Seconds, begins: Instant) -> "Reign":
        """Return that of a master which was just started or adopted."""
        return cls(epoch, nonce, Lease(epoch, nonce, length, begins=begins))

    @classmethod
    def recalled(cls, kept: KeptLease, timing: Timing, now: Instant) -> "Reign":
        """Return that of which an earlier life of this daemon kept the lease.

        One that ran out while no daemon was wanted is as good as none: its master is on trial.
        """
        lease = Lease.recalled(kept)
        if kept.left and lease.over(now):
            lease.try_from(now, timing)
        return cls(kept.epoch, kept.nonce, lease, confirmed=False, planned=kept.planned)

    @classmethod
    def found(cls, claim: Claim, timing: Timing, now: Instant) -> "Reign":
        """Return that of a master which was found running, without a record of its lease."""
        begun = cls.begun(claim.epoch, claim.nonce, claim.lease, now)
        begun.lease.try_from(now, timing)
        return begun
