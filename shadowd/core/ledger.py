"""What the claims directory says: epochs, their claims and their notices, as one immutable view.

A ledger is one fresh listing (PROTOCOL, "Terms"). It answers the questions that the rules ask of it:
which epoch is the highest, which was confirmed last, which later ones are still open. It decides
nothing; ``shadowd.core.accounts`` does.
"""

from dataclasses import dataclass, field
from functools import cache

from shadowd.core.values import OUTCOMES, Claim, ClaimKey, ClaimReason, Epoch, NoticeKind, Unknown


@cache
def _outcome(notices: frozenset[NoticeKind]) -> NoticeKind | None:
    """Return the outcome among these: there are few combinations, and thousands of epochs in each listing."""
    return next((kind for kind in NoticeKind if kind in notices & OUTCOMES), None)


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch: its claim and the kinds of its notices."""

    epoch: Epoch
    claim: Claim | Unknown
    notices: frozenset[NoticeKind] = frozenset()

    @property
    def outcome(self) -> NoticeKind | None:
        """The outcome that closed this epoch; at most one is ever written (PROTOCOL, "Records")."""
        return _outcome(self.notices)

    @property
    def open(self) -> bool:
        """True while no outcome was written."""
        return self.outcome is None

    @property
    def confirmed(self) -> bool:
        """True once its master was seen to run."""
        return NoticeKind.STARTED in self.notices

    @property
    def launched(self) -> bool:
        """True once its master was seen to run, and was started by its holder."""
        adopted = not isinstance(self.claim, Unknown) and self.claim.reason is ClaimReason.ADOPTED
        return self.confirmed and not adopted

    def belongs_to(self, claim: ClaimKey) -> bool:
        """Tell whether this is the epoch of that claim, as far as the claim on disk can be read."""
        return isinstance(self.claim, Unknown) or self.claim.key == claim

    @property
    def launching(self) -> bool:
        """True once its holder may have started a process."""
        return NoticeKind.LAUNCHING in self.notices or self.confirmed


@dataclass(frozen=True, slots=True)
class Ledger:
    """The epochs in ascending order: the older ones left open, and all from the last confirmed one on."""

    records: tuple[EpochRecord, ...] = ()
    doubts: tuple[Unknown, ...] = ()
    """Records that could not be read as this cell's: reported, and no bid (PROTOCOL rule 15)."""
    last_confirmed: EpochRecord | None = field(init=False, repr=False, compare=False)
    """The newest epoch whose master was seen to run."""
    suspects: tuple[EpochRecord, ...] = field(init=False, repr=False, compare=False)
    """The last epoch confirmed by a launch and all later ones: whoever might be running (rule 7).

    An adopted epoch does not end this chain: that its master ran proves nothing about those before.
    """
    unclosed: tuple[EpochRecord, ...] = field(init=False, repr=False, compare=False)
    """Those without an outcome."""

    def __post_init__(self) -> None:
        # Each round asks for these several times, and there may be thousands of records.
        newest = list(reversed(self.records))
        last = next((record for record in newest if record.confirmed), None)
        first = next((record.epoch for record in newest if record.launched), Epoch(0))
        object.__setattr__(self, "last_confirmed", last)
        object.__setattr__(self, "suspects", tuple(each for each in self.records if each.epoch >= first))
        object.__setattr__(self, "unclosed", tuple(record for record in self.records if record.open))

    @property
    def highest(self) -> Epoch:
        """The highest number seen; 0 in an empty directory."""
        return self.records[-1].epoch if self.records else Epoch(0)

    def get(self, epoch: Epoch) -> EpochRecord | None:
        """Return one epoch, or None where the listing does not have it."""
        return next((record for record in self.records if record.epoch == epoch), None)

    def superseder(self, epoch: Epoch) -> EpochRecord | None:
        """Return the first higher claim that was not closed as failed (PROTOCOL rules 8 and 10).

        A number without a readable claim is a doubt, and supersedes nobody: a bid that is worth anything
        accounts for this epoch's master whether that gives way or not (rules 7 and 15).
        """
        return next(
            (
                record
                for record in self.records
                if record.epoch > epoch
                and not isinstance(record.claim, Unknown)
                and record.outcome is not NoticeKind.FAILED
            ),
            None,
        )
