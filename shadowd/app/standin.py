"""What an enforcer does for the masters of one cell: it keeps their leases while no daemon does.

It renews a lease by what its master's heartbeat shows, dated as early as a guard dates it (PROTOCOL rules 2
and 9), and by nothing else; a master whose beats the guard writes is never renewed here, for nobody beats for
it any more. Nor is one that was not confirmed yet: its launch is bounded, however it beats, for other hosts
wait for no longer (rule 8). A renewed lease is kept on this host like the daemon's own, so that the next
daemon finds it.

The heartbeat lies in the shared directory, so a read of it may hang for ever: it is made on a thread of its
own, at most one at a time for each master, and nobody waits for it.
"""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from shadowd.adapters.cellfiles import read_beat
from shadowd.adapters.cellidentity import is_identity
from shadowd.adapters.clock import SystemClock
from shadowd.adapters.identity import read_boot_id
from shadowd.adapters.kept import BeatPlace, Keeper, read_lease, read_place, write_lease
from shadowd.adapters.user import become
from shadowd.app.leases import KeptLeases, tried
from shadowd.core.lease import Lease
from shadowd.core.values import BeatReading, Instant, KeptLease, Problem, Seconds, Unknown

_AGAIN = Seconds(1)
_TRIAL = 5
"""Graces that a daemon has to see to a master which is on trial."""


@dataclass(slots=True, eq=False)
class _Ward:
    """One master, its lease as it stands, and the read of its heartbeat that is under way."""

    kept: KeptLease
    """The record that this began with, or wrote last: any other is the daemon's, and counts instead."""
    lease: Lease
    place: BeatPlace | None
    reading: bool = False
    answer: BeatReading | None = None

    def read(self, place: BeatPlace, clock: SystemClock) -> None:
        """Read the heartbeat on a thread of its own; the answer is there some time, or never."""
        if self.reading:
            return
        self.reading = True

        def work() -> None:
            issued = clock.now()
            become(place.user)
            value = read_beat(place.path)
            if place.cell and not is_identity(place.path.parent / "shadowd", place.cell):
                value = Unknown(Problem.FOREIGN, str(place.path), "another directory lies there now")
            self.answer = BeatReading(value, issued, clock.now())
            self.reading = False

        try:
            threading.Thread(target=work, name="shadowd-beat", daemon=True).start()
        except (RuntimeError, MemoryError):  # none left: at the next look
            self.reading = False


@dataclass(slots=True)
class StandIn:
    """The masters of one cell on this host."""

    leases: KeptLeases
    _wards: dict[Path, _Ward] = field(default_factory=dict)

    def attend(self, grace: Seconds, *, dismissed: bool) -> Instant | None:
        """End each master whose lease has been over for so long; return when to come again, None: never.

        ``dismissed``: the daemon was stopped in an orderly way; masters that beat by themselves go on alone.
        """
        kept = self.leases.kept()
        now, again = self.leases.clock.now(), []
        trial = Instant(now + _TRIAL * grace)
        self._wards = {path: self._ward(path, lease, trial) for path, lease in kept.items()}
        for path, ward in self._wards.items():
            if dismissed and ward.place is not None and not kept[path].launching:
                continue
            if now < ward.lease.ends + grace:
                if not ward.lease.over(now):
                    self._look_after(path, ward, kept[path], now)
                again.append(Instant(ward.lease.ends + grace))
            elif not self.leases.stop(path, kept[path], "and its daemon did not see to it"):
                again.append(Instant(now + _AGAIN))
        return min(again, default=None)

    def _ward(self, path: Path, kept: KeptLease, trial: Instant) -> _Ward:
        """Return what is known of this master; anew when a daemon kept another lease, be it a shorter one."""
        known = self._wards.get(path)
        if known is not None and known.kept == kept:
            return known
        return _Ward(kept, Lease.recalled(tried(kept, trial)), read_place(Keeper(path, read_boot_id())))

    def _look_after(self, path: Path, ward: _Ward, kept: KeptLease, now: Instant) -> None:
        """Renew the lease by a beat; not that of a master which was told to end, or was not confirmed yet."""
        if ward.place is None or kept.planned or kept.launching:
            return
        answer, ward.answer = ward.answer, None
        if answer is not None and ward.lease.heed(answer):
            keeper = Keeper(path, read_boot_id())
            if read_lease(keeper) == kept:  # else the daemon is at work again
                ward.kept = ward.lease.kept()
                write_lease(keeper, ward.kept, ward.place)
        if ward.lease.neglected(now):
            ward.read(ward.place, self.leases.clock)
