"""What the verification before a claim saw, and what in a later round contradicts it.

A bid acts on one picture of the cell. This module only compares; what follows from a difference is
``shadowd.core.bid``'s part.
"""

from dataclasses import dataclass

from shadowd.core.events import Observed
from shadowd.core.ledger import Ledger
from shadowd.core.values import Epoch, Host, NoticeKind, Unknown


@dataclass(frozen=True, slots=True)
class Verified:
    """What the verification saw; anything else seen later ends the bid."""

    beat: int | Unknown
    active: Host | Unknown
    guarded: Epoch | None
    """The open confirmed epoch whose guard our claim may move to stop its master."""

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
            isinstance(part, Unknown) for part in (seen.ledger, seen.lock, seen.active, seen.pause)
        )
