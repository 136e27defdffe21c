"""Accounts: who might still run a master, and until when (PROTOCOL rules 5 and 7)."""

import pytest

from shadowd.core.accounts import Account, unsettled
from shadowd.core.ledger import EpochRecord, Ledger
from shadowd.core.reasons import Reason
from shadowd.core.values import NEVER, OUTCOMES, Epoch, Instant, NoticeKind, Seconds
from tests.core.rounds import UNREADABLE, confirmed, ledger, record

STEP_DOWN = Seconds(15)
LEASE, WINDOW = 100.0, 50.0
TERMS = {"lease": LEASE, "window": WINDOW}
SEEN = Instant(1000)


def accounts(
    listing: Ledger, *, now: float, own: int | None = None, last_beat: float = 0, seen: bool = True
) -> tuple[Account, ...]:
    """Return the accounts of this listing, all of it first seen at SEEN."""
    dates = {item.epoch: SEEN for item in listing.records} if seen else {}
    return unsettled(
        listing,
        own=None if own is None else Epoch(own),
        seen=dates,
        last_beat=Instant(last_beat),
        step_down=STEP_DOWN,
        now=Instant(now),
    )


def test_nobody_claimed() -> None:
    """An empty ledger has no accounts."""
    assert accounts(Ledger(), now=0) == ()


@pytest.mark.parametrize("outcome", sorted(OUTCOMES, key=str))
def test_an_outcome_settles(outcome: NoticeKind) -> None:
    """Every outcome settles its account at once."""
    assert accounts(ledger(confirmed(1, outcome, **TERMS)), now=1000) == ()


def test_a_claim_without_launching_is_settled_by_its_window() -> None:
    """It may launch until its window, widened by drift, is over; then it launched nothing."""
    listing = ledger(record(1, **TERMS))
    (account,) = accounts(listing, now=1050.9)
    assert account.reason is Reason.WINDOW_OPEN
    assert account.until == pytest.approx(1000 + 50 * 1.02)
    assert account.host == "beta"
    assert accounts(listing, now=account.until) == ()


def test_one_that_was_confirmed_is_settled_by_its_lease() -> None:
    """From ``started`` on only the stated lease settles: lease + drift + step-down after it was seen."""
    listing = ledger(record(1, NoticeKind.STARTED, **TERMS))
    (account,) = accounts(listing, now=1100)
    assert account.reason is Reason.LEASE_RUNS
    assert account.until == pytest.approx(1000 + 100 * 1.02 + 15)
    assert accounts(listing, now=account.until) == ()


def test_the_lease_counts_from_the_last_beat() -> None:
    """First seen or last beat, whichever is later."""
    (account,) = accounts(ledger(confirmed(1, **TERMS)), now=1500, last_beat=1490)
    assert account.until == pytest.approx(1490 + 117)


@pytest.mark.parametrize("lease", [1.0, 50.0])
def test_one_that_announced_a_launch_is_settled_by_its_window(lease: float) -> None:
    """Its holder ends such a launch within the window, however short the lease; a step-down more for that."""
    (account,) = accounts(ledger(record(1, NoticeKind.LAUNCHING, lease=lease, window=200.0)), now=1100)
    assert account.until == pytest.approx(1000 + 200 * 1.02 + 15)
    assert account.reason is Reason.WINDOW_OPEN


def test_a_launch_of_the_first_release_is_settled_by_its_lease_too() -> None:
    """Its enforcer let beats renew the lease of a launch that nobody had confirmed."""
    listing = ledger(record(1, NoticeKind.LAUNCHING, lease=300.0, window=200.0, bound=False))
    (account,) = accounts(listing, now=1100, last_beat=1050)
    assert account.until == pytest.approx(1050 + 300 * 1.02 + 15)


def test_a_confirmed_one_launches_nothing_more() -> None:
    """Its window is of no matter any more: the lease alone settles it."""
    (account,) = accounts(ledger(confirmed(1, lease=100.0, window=5000.0)), now=1100)
    assert account.until == pytest.approx(1117)


def test_the_values_in_the_claim_count() -> None:
    """Two claims of differently configured hosts are each settled by their own terms."""
    listing = ledger(record(1, lease=1.0, window=10.0), record(2, lease=1.0, window=500.0))
    assert [account.epoch for account in accounts(listing, now=1100)] == [2]


def test_our_own_epoch_needs_no_account() -> None:
    """After the claim we do not wait for ourselves."""
    listing = ledger(record(1, **TERMS), record(2, **TERMS))
    assert [account.epoch for account in accounts(listing, now=1000, own=2)] == [1]


def test_an_epoch_without_a_date_counts_from_now() -> None:
    """What this host has no date for is taken to be as new as can be."""
    (account,) = accounts(ledger(record(1, **TERMS)), now=5000, seen=False)
    assert account.until == pytest.approx(5051)


def test_an_unreadable_claim_is_never_settled_by_time() -> None:
    """Whose lease and window nobody knows, nobody can wait for."""
    listing = ledger(EpochRecord(Epoch(1), UNREADABLE))
    (account,) = accounts(listing, now=10**9)
    assert account.until == NEVER
    assert account.reason is Reason.LEDGER_DOUBT
    assert accounts(ledger(EpochRecord(Epoch(1), UNREADABLE, frozenset({NoticeKind.DIED}))), now=0) == ()
