"""The enforcer of one host: what keeps the leases of its masters while its daemon is dead or stands still.

The real one is a process of its own (``app.enforcer``), and so is this: what freezes or kills the daemon
leaves it alone, what happens to its whole host happens to it. It is idle while a daemon that works renews its
leases, so only the other times are simulated; and the bounds of launches, which nobody renews.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from shadowd.core.actions import Level, Say
from shadowd.core.lease import Lease
from shadowd.core.reasons import Reason
from shadowd.core.values import BeatReading, KeptLease, Seconds
from shadowd.sim.seat import Seat

if TYPE_CHECKING:
    from shadowd.sim.host import SimHost

EVERY = Seconds(20)
"""Between two looks."""


class Enforcer:
    """Ends the masters of its host by their kept leases, which it renews by their beats alone."""

    def __init__(self, host: "SimHost") -> None:
        self.dismissed = False
        """Its daemon was stopped in an orderly way: masters that were confirmed are left alone."""
        self._host = host
        self._leases: dict[str, tuple[KeptLease, Lease]] = {}
        """Of each cell the lease that it keeps, by the record that this began with or wrote last."""
        self._spell = 0
        """Counts the times without a daemon, so that looks of an earlier one come to nothing."""
        self._late = False
        self._bounds: list[Callable[[], None]] = []
        """Looks at launches that were due while the host stood still."""

    @property
    def here(self) -> bool:
        """True while it has anything to see to."""
        return not self.dismissed or any(map(self._launching, self._host.seats.values()))

    @staticmethod
    def _launching(seat: Seat) -> bool:
        return seat.kept is not None and seat.kept.launching

    def stand_in(self) -> None:
        """Begin to look: the daemon died, or stands still."""
        self._spell += 1
        self._look_in(Seconds(0))

    def go_on(self) -> None:
        """Do what was due while the host stood still."""
        if self._late:
            self._late = False
            self._look(self._spell)
        bounds, self._bounds = self._bounds, []
        for look in bounds:
            look()

    def bound(self, seat: Seat, kept: KeptLease) -> None:
        """End a launch at its bound, whatever its daemon does, if nothing else was kept by then."""
        host = self._host

        def look() -> None:
            if seat.kept is not kept:
                return
            if host.stopped is not None:
                self._bounds.append(look)
            elif host.now() >= kept.ends + self._grace:
                self._end(seat, kept)
            else:  # the clock stood still
                again()

        def again() -> None:
            left = kept.ends + self._grace - host.now()
            host.timeline.after(left / host.rate + 1e-6, look, host)

        again()

    @property
    def _grace(self) -> Seconds:
        """How long the daemon goes first."""
        return Seconds(self._host.timing.step_down_timeout / 4)

    @staticmethod
    def _end(seat: Seat, kept: KeptLease) -> None:
        if seat.kill(kept.epoch, kept.nonce):
            line = Say("master.lease_over", Reason.LEASE_OVER, Level.ALARM, kept.epoch, "by the enforcer")
            seat.say(line)

    def _look_in(self, seconds: Seconds) -> None:
        host = self._host
        host.timeline.after(seconds / host.rate + 1e-6, partial(self._look, self._spell), host)

    def _look(self, spell: int) -> None:
        host = self._host
        daemon_works = host.daemon is not None and not host.frozen
        if spell != self._spell or daemon_works or not (self.here and host.up):
            return
        if host.stopped is not None:
            self._late = True
            return
        left = [seat for seat in host.seats.values() if not self.dismissed or self._launching(seat)]
        again = [self._see_to(seat, seat.kept) for seat in left if seat.kept is not None]
        if again:  # no lease appears while the daemon is away
            self._look_in(min(again))

    def _see_to(self, seat: Seat, kept: KeptLease) -> Seconds:
        """End what must be over; return when to come again."""
        now = self._host.now()
        record, lease = self._leases.get(seat.cell, (None, Lease.recalled(kept)))
        if record is not kept:
            lease = Lease.recalled(kept)
            self._leases[seat.cell] = kept, lease
        if lease.over(now):
            self._end(seat, kept)
            return EVERY
        looks = lease.neglected(now) and not (kept.planned or kept.launching)
        if looks and lease.heed(self._read(seat)):
            seat.kept = lease.kept()
            self._leases[seat.cell] = seat.kept, lease
        return min(EVERY, Seconds(lease.ends - now))

    def _read(self, seat: Seat) -> BeatReading:
        now = self._host.now()
        return BeatReading(seat.glimpse(), now, now)
