"""Memory: dates are this host's own, and an outcome holds until something lives after it."""

import pytest

from shadowd.core.ledger import EpochRecord
from shadowd.core.memory import Memory
from shadowd.core.silence import Change, Silence
from shadowd.core.values import Epoch, Instant, NoticeKind, Seconds
from tests.core.rounds import (
    BEGINNING,
    ELSEWHERE,
    HERE,
    PAUSE,
    THERE,
    UNREADABLE,
    confirmed,
    ledger,
    observed,
    reading,
    record,
)

DIED, STOPPED = NoticeKind.DIED, NoticeKind.STOPPED


def memory() -> Memory:
    """Return an empty memory."""
    return Memory(Silence(Seconds(60)), HERE, now=BEGINNING)


def rounds(*items: object) -> Memory:
    """Return a memory of rounds a minute apart, each a (ledger, beat) pair."""
    fresh = memory()
    for number, (listing, beat) in enumerate(items):  # type: ignore[misc]
        fresh.absorb(observed(BEGINNING + 60 * number, ledger=listing, beat=beat))
    return fresh


def test_before_the_first_round() -> None:
    """Nothing is known; the last beat is taken to be our own beginning (rule 2)."""
    fresh = memory()
    assert fresh.last_beat == BEGINNING
    assert fresh.round is None
    assert not fresh.shut_down
    assert not fresh.death


def test_the_last_beat_is_the_first_read_that_shows_it() -> None:
    """Dated late."""
    fresh = rounds((ledger(), 1), (ledger(), 1), (ledger(), 2), (ledger(), 2))
    assert fresh.last_beat == BEGINNING + 120
    assert fresh.silence.total == 60


def test_an_epoch_is_dated_at_its_first_listing() -> None:
    """And keeps that date; one that vanished and came back gets a new one."""
    fresh = rounds((ledger(record(1, window=50.0)), 1), (ledger(record(1, window=50.0)), 1))
    (account,) = fresh.unsettled(own=None, step_down=Seconds(0), now=BEGINNING)
    assert account.until == BEGINNING + 51
    fresh.absorb(observed(2000, ledger=ledger()))
    fresh.absorb(observed(3000, ledger=ledger(record(1, window=50.0))))
    (account,) = fresh.unsettled(own=None, step_down=Seconds(0), now=Instant(3000))
    assert account.until == 3051
    assert fresh.peak == 1


def test_the_peak_does_not_sink() -> None:
    """The highest number ever listed is remembered beyond a directory that lost it."""
    fresh = rounds((ledger(record(7)), 1), (ledger(record(2)), 1))
    assert fresh.peak == 7
    assert fresh.ledger.highest == 2


def test_a_doubtful_record_that_a_person_took_away_is_no_loss() -> None:
    """The remedy of a doubt must not raise the alarm that records were lost."""
    fresh = rounds((ledger(EpochRecord(Epoch(3), UNREADABLE), doubts=(UNREADABLE,)), 1))
    assert fresh.peak == 0


def test_a_closed_epoch_that_lost_its_claim_still_counts() -> None:
    """Its number is taken and nobody doubts it, so the next bid is above it."""
    closed = EpochRecord(Epoch(3), UNREADABLE, frozenset({NoticeKind.FAILED}))
    assert rounds((ledger(closed), 1)).peak == 3


def test_an_unreadable_listing_leaves_the_old_one() -> None:
    """Unknown is no news."""
    fresh = rounds((ledger(confirmed(1)), 1), (UNREADABLE, 1))
    assert fresh.ledger.last_confirmed == confirmed(1)


@pytest.mark.parametrize("kind", [DIED, NoticeKind.STEPPED_DOWN])
def test_a_fresh_death(kind: NoticeKind) -> None:
    """The last confirmed epoch ended after we had seen it open."""
    fresh = rounds((ledger(confirmed(1)), 1), (ledger(confirmed(1, kind)), 1))
    assert fresh.death
    assert not fresh.shut_down


def test_a_death_that_was_there_before_us() -> None:
    """Old news hastens nothing; the death of a later epoch does."""
    fresh = rounds((ledger(confirmed(1, DIED)), 1), (ledger(confirmed(1, DIED)), 1))
    assert not fresh.death
    fresh.absorb(observed(2000, ledger=ledger(confirmed(1, DIED), confirmed(2)), beat=1))
    assert not fresh.death
    fresh.absorb(observed(2060, ledger=ledger(confirmed(1, DIED), confirmed(2, DIED)), beat=1))
    assert fresh.death


@pytest.mark.parametrize("active", [ELSEWHERE, UNREADABLE])
def test_a_death_of_another_than_the_master(active: object) -> None:
    """The master was moved by hand since: a rebooted host closes its old epoch, and that hastens nothing."""
    fresh = memory()
    fresh.absorb(observed(1000, ledger=ledger(confirmed(1)), active=active))
    fresh.absorb(observed(1060, ledger=ledger(confirmed(1, DIED)), active=active))
    assert not fresh.death
    assert fresh.death_listed
    fresh.absorb(observed(1120, ledger=ledger(confirmed(1, DIED))))
    assert fresh.death


def test_a_death_before_the_first_round() -> None:
    """As long as act_qmaster was not read nothing is hastened, nor by an epoch that nobody can read."""
    fresh = memory()
    fresh.absorb_listing(ledger(confirmed(1)), BEGINNING)
    fresh.absorb_listing(ledger(confirmed(1, DIED)), BEGINNING)
    assert not fresh.death
    fresh = rounds((ledger(confirmed(1)), 1))
    fresh.absorb_listing(ledger(EpochRecord(Epoch(1), UNREADABLE, confirmed(1, DIED).notices)), BEGINNING)
    assert not fresh.death


def test_a_death_with_a_later_claim_open() -> None:
    """All later claims have to be closed (rule 12)."""
    fresh = rounds((ledger(confirmed(1)), 1), (ledger(confirmed(1, DIED), record(2)), 1))
    assert not fresh.death
    fresh.absorb(observed(2000, ledger=ledger(confirmed(1, DIED), record(2, NoticeKind.FAILED)), beat=1))
    assert fresh.death


@pytest.mark.parametrize("kind", [DIED, STOPPED])
def test_a_beat_after_the_end_overtakes_it(kind: NoticeKind) -> None:
    """Somebody started a master by hand: neither haste nor a ban any more."""
    fresh = rounds(
        (ledger(confirmed(1)), 1), (ledger(confirmed(1, kind)), 2), (ledger(confirmed(1, kind)), 2)
    )
    assert fresh.death is (kind is DIED)
    assert fresh.shut_down is (kind is STOPPED)
    assert fresh.absorb(observed(2000, ledger=ledger(confirmed(1, kind)), beat=3)) is Change.MOVED
    assert not fresh.death
    assert not fresh.shut_down


def test_an_unreadable_beat_overtakes_nothing() -> None:
    """The first value that can be read after the end is the one to compare with."""
    fresh = rounds((ledger(confirmed(1)), 1), (ledger(confirmed(1, STOPPED)), UNREADABLE))
    fresh.absorb(observed(2000, ledger=ledger(confirmed(1, STOPPED)), beat=2))
    assert fresh.shut_down
    fresh.absorb(observed(2060, ledger=ledger(confirmed(1, STOPPED)), beat=3))
    assert not fresh.shut_down


def test_a_late_read_overtakes_nothing() -> None:
    """An old value is no new beat."""
    fresh = rounds((ledger(confirmed(1)), 1), (ledger(confirmed(1, STOPPED)), 2))
    late = observed(2000, ledger=ledger(confirmed(1, STOPPED)), beat=reading(1, BEGINNING))
    assert fresh.absorb(late) is Change.LATE
    assert fresh.shut_down


def test_a_shutdown_binds_a_daemon_that_starts_later() -> None:
    """It was there before us, and still nobody but a person starts a master."""
    assert rounds((ledger(confirmed(1, STOPPED)), 1)).shut_down


def test_a_new_epoch_forgets_what_overtook_the_old_one() -> None:
    """A beat that overtook the end of one epoch says nothing about the end of the next."""
    fresh = rounds(
        (ledger(confirmed(1)), 1),
        (ledger(confirmed(1, STOPPED)), 1),
        (ledger(confirmed(1, STOPPED)), 2),
        (ledger(confirmed(1, STOPPED), confirmed(2)), 3),
        (ledger(confirmed(1, STOPPED), confirmed(2, STOPPED)), 4),
    )
    assert fresh.shut_down


def test_an_answer_is_life() -> None:
    """An answering master restarts the silence and overtakes an end."""
    fresh = rounds((ledger(confirmed(1)), 1), (ledger(confirmed(1, DIED)), 1))
    assert fresh.death
    fresh.answered(Instant(2000))
    assert not fresh.death
    assert fresh.last_beat == 2000
    assert fresh.silence.total == 0


def test_the_end_of_a_pause_is_a_beat_and_overtakes_nothing() -> None:
    """It renewed leases, so silence begins anew; but a shutdown during the maintenance still binds."""
    fresh = memory()
    listing = ledger(confirmed(1, STOPPED))
    fresh.absorb(observed(1000, ledger=listing, pause=PAUSE))
    fresh.absorb(observed(1060, ledger=listing, pause=PAUSE))
    assert fresh.silence.total == 60
    fresh.absorb(observed(1120, ledger=listing, pause=UNREADABLE))
    assert fresh.silence.total == 120
    fresh.absorb(observed(1180, ledger=listing))
    assert fresh.silence.total == 0
    assert fresh.last_beat == 1180
    assert fresh.shut_down
    fresh.absorb(observed(1240, ledger=listing))
    assert fresh.silence.total == 60
    assert fresh.last_beat == 1180


def test_accounts_are_asked_of_the_memory() -> None:
    """With its own dates: here the lease counts from the last beat."""
    fresh = rounds((ledger(confirmed(3, lease=100.0, window=1.0)), 1), (ledger(confirmed(3, lease=100.0)), 2))
    (account,) = fresh.unsettled(own=None, step_down=Seconds(15), now=BEGINNING)
    assert (account.epoch, account.host) == (3, THERE)
    assert account.until == pytest.approx(BEGINNING + 60 + 117)
    assert fresh.unsettled(own=Epoch(3), step_down=Seconds(15), now=BEGINNING) == ()


def test_a_pause_that_nobody_here_saw_counts_as_a_beat() -> None:
    """The guard counted it as one: its lease may run from the end of what we did not see."""
    memory = Memory(Silence(Seconds(60)), HERE, now=Instant(1000))
    guarded = ledger(confirmed(1))
    memory.absorb(observed(1000, ledger=guarded, pauses=4))
    memory.absorb(observed(1060, ledger=guarded, pauses=4))
    (before,) = memory.unsettled(own=None, step_down=Seconds(15), now=Instant(1060))
    memory.absorb(observed(1120, ledger=guarded, pause=UNREADABLE, pauses=None))
    assert memory.silence.total == 120
    memory.absorb(observed(1180, ledger=guarded, pauses=5))
    (after,) = memory.unsettled(own=None, step_down=Seconds(15), now=Instant(1180))
    assert after.until - before.until == 180
    assert memory.silence.total == 0
