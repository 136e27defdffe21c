"""The ledger: what one listing of the claims directory says."""

import pytest

from shadowd.core.ledger import EpochRecord, Ledger
from shadowd.core.values import OUTCOMES, Epoch, NoticeKind, Problem, Unknown
from tests.core.rounds import confirmed, ledger, record

OPEN = {NoticeKind.LAUNCHING, NoticeKind.STARTED, NoticeKind.STEPPING_DOWN}


def test_an_empty_directory() -> None:
    """Nobody ever claimed: the highest number is 0 and nobody is suspect."""
    empty = Ledger()
    assert empty.highest == 0
    assert empty.last_confirmed is None
    assert empty.suspects == ()
    assert empty.get(Epoch(1)) is None
    assert empty.superseder(Epoch(0)) is None


@pytest.mark.parametrize("kind", NoticeKind)
def test_only_outcomes_close(kind: NoticeKind) -> None:
    """The four outcomes close an epoch, the other notices do not."""
    epoch = record(1, kind)
    assert epoch.open is (kind in OPEN)
    assert epoch.outcome == (kind if kind in OUTCOMES else None)


def test_two_outcomes_are_never_a_riddle() -> None:
    """Should two outcomes lie there all the same, the one that comes first in an epoch's life is taken."""
    assert record(1, NoticeKind.DIED, NoticeKind.STOPPED).outcome is NoticeKind.STOPPED


def test_started_implies_launching() -> None:
    """An epoch that was seen to run may have launched, whether or not that notice was listed."""
    assert record(1, NoticeKind.STARTED).launching
    assert record(1, NoticeKind.STARTED).confirmed
    assert record(1, NoticeKind.LAUNCHING).launching
    assert not record(1, NoticeKind.LAUNCHING).confirmed
    assert not record(1).launching


def test_the_last_confirmed_and_all_later_ones_are_suspects() -> None:
    """Whoever comes before the last confirmed epoch was accounted for when that one began."""
    listing = ledger(confirmed(1), confirmed(2), record(3, NoticeKind.FAILED), record(4))
    assert listing.highest == 4
    assert listing.last_confirmed == confirmed(2)
    assert [suspect.epoch for suspect in listing.suspects] == [2, 3, 4]
    assert listing.get(Epoch(3)) == record(3, NoticeKind.FAILED)


def test_without_a_confirmed_epoch_all_are_suspects() -> None:
    """As long as nobody was seen to run, everybody might."""
    assert [suspect.epoch for suspect in ledger(record(1), record(2)).suspects] == [1, 2]


def test_a_failed_claim_supersedes_nobody() -> None:
    """The first higher claim counts that was not closed as failed (rules 8 and 10)."""
    listing = ledger(confirmed(1), record(2, NoticeKind.FAILED), record(3), record(4))
    assert listing.superseder(Epoch(1)) == record(3)
    assert listing.superseder(Epoch(4)) is None
    assert ledger(confirmed(1), record(2, NoticeKind.FAILED)).superseder(Epoch(1)) is None


@pytest.mark.parametrize("notices", [(), (NoticeKind.DIED,), (NoticeKind.LAUNCHING, NoticeKind.STARTED)])
def test_a_number_without_a_readable_claim_supersedes_nobody(notices: tuple[NoticeKind, ...]) -> None:
    """A name in the directory is a doubt: nobody's master is stopped for it (rule 15)."""
    unreadable = EpochRecord(Epoch(2), Unknown(Problem.MISSING, "claims/2"), frozenset(notices))
    assert ledger(confirmed(1), unreadable).superseder(Epoch(1)) is None
    assert ledger(confirmed(1), unreadable, record(3)).superseder(Epoch(1)) == record(3)


@pytest.mark.parametrize("outcome", sorted(OUTCOMES - {NoticeKind.FAILED}, key=str))
def test_every_other_outcome_supersedes(outcome: NoticeKind) -> None:
    """A later epoch that ran and ended superseded us all the same."""
    assert ledger(confirmed(1), confirmed(2, outcome)).superseder(Epoch(1)) is not None
