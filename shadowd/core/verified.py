"""What the verification before a claim saw, and what in a later round forbids to go on.

A bid acts on one picture of the cell. This module only compares; what follows from a difference is
``shadowd.core.bid``'s part.
"""

from dataclasses import dataclass

from shadowd.core.events import Observed
from shadowd.core.ledger import Ledger
from shadowd.core.reasons import Reason
from shadowd.core.values import Epoch, Host, LockKind, NoticeKind, ServerLock, Unknown


@dataclass(frozen=True, slots=True)
class Verified:
    """What the verification saw; anything else seen later ends the bid."""

    beat: int | Unknown
    active: Host | Unknown
    guarded: Epoch | None
    """The open confirmed epoch whose guard our claim may move to stop its master."""

    def against(
        self, seen: Observed, epoch: Epoch, ledger: Ledger, *, over: bool, steps_down: bool
    ) -> Reason | None:
        """Return what forbids the bid for this epoch to go on; the round is of before the licence's test.

        ``ledger``: the last one that could be read; ``over``: the licence has ended; ``steps_down``: an old
        master that steps down leaves a mark in the place of the lock, until its guard has taken it away.
        """
        if not isinstance(seen.ledger, Unknown):
            if seen.ledger.highest > epoch:
                return Reason.SUPERSEDED
            if seen.ledger.get(epoch) is None:
                return Reason.LEDGER_SHRANK
        if over:
            return Reason.LICENCE_OVER
        marked = not isinstance(seen.lock, Unknown) and seen.lock.kind is LockKind.FOREIGN
        if marked and not steps_down:
            return Reason.LOCKED
        if self.shut_down(ledger):
            return Reason.SHUT_DOWN
        if seen.pause is not None and not isinstance(seen.pause, Unknown):
            return Reason.PAUSED
        if not isinstance(seen.active, Unknown) and seen.active != self.active:
            return Reason.ACTIVE_CHANGED
        if seen.server_lock is ServerLock.HELD:
            return Reason.FOREIGN_SERVER
        return Reason.RESIDENT if seen.resident is not None else None

    def shut_down(self, ledger: Ledger) -> bool:
        """Tell whether the master that was open at the verification was shut down since (rule 12)."""
        record = None if self.guarded is None else ledger.get(self.guarded)
        return record is not None and record.outcome is NoticeKind.STOPPED

    def moved(self, seen: Observed) -> bool:
        """Tell whether this round shows another beat; two unreadable ones are equal."""
        known = not isinstance(self.beat, Unknown) or not isinstance(seen.beat.value, Unknown)
        return known and seen.beat.value != self.beat

    def doubtful(self, seen: Observed) -> bool:
        """Tell whether this round could not read something that the verification could."""
        lost = isinstance(seen.beat.value, Unknown) and not isinstance(self.beat, Unknown)
        return lost or any(
            isinstance(part, Unknown)
            for part in (seen.ledger, seen.lock, seen.active, seen.pause, seen.server_lock)
        )
