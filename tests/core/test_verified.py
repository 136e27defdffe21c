"""Verified: what in a later round contradicts the picture that the claim was made on."""

from typing import Any

import pytest

from shadowd.core.ledger import Ledger
from shadowd.core.values import Epoch, NoticeKind, Problem, Unknown
from shadowd.core.verified import Verified
from tests.core.rounds import PAUSE, THERE, UNREADABLE, confirmed, ledger, observed

MISSING = Unknown(Problem.MISSING, "heartbeat")


@pytest.mark.parametrize(
    ("then", "later", "moved"),
    [(7, 7, False), (7, 8, True), (7, UNREADABLE, True), (UNREADABLE, 7, True), (MISSING, UNREADABLE, False)],
    ids=str,
)
def test_moved(then: int | Unknown, later: int | Unknown, *, moved: bool) -> None:
    """Another beat has moved; two unreadable ones are equal, whatever is wrong with each."""
    assert Verified(then, THERE, None).moved(observed(0, beat=later)) is moved


@pytest.mark.parametrize("part", ["ledger", "lock", "active", "pause", "beat"])
def test_doubtful(part: str) -> None:
    """A part that could be read before the claim and cannot be now is a doubt, and doubt starts nothing."""
    assert Verified(7, THERE, None).doubtful(observed(0, **{part: UNREADABLE}))


@pytest.mark.parametrize("seen", [{}, {"pause": PAUSE}, {"shadows": UNREADABLE}, {"beat": 8}], ids=str)
def test_not_doubtful(seen: dict[str, Any]) -> None:
    """What was read is no doubt, and who may be a shadow was settled before the claim."""
    assert not Verified(7, THERE, None).doubtful(observed(0, **seen))


def test_a_beat_that_was_never_readable_is_no_new_doubt() -> None:
    """Where an unreadable heartbeat counts as silence, it may go on being unreadable."""
    assert not Verified(MISSING, THERE, None).doubtful(observed(0, beat=MISSING))


@pytest.mark.parametrize(
    ("listing", "shut_down"),
    [
        (ledger(confirmed(3)), False),
        (ledger(confirmed(3, NoticeKind.DIED)), False),
        (ledger(confirmed(3, NoticeKind.STOPPED)), True),
        (ledger(confirmed(2, NoticeKind.STOPPED), confirmed(3)), False),
        (Ledger(), False),
    ],
    ids=["runs", "died", "stopped", "an older one stopped", "nothing listed"],
)
def test_shut_down_since(listing: Ledger, *, shut_down: bool) -> None:
    """Only the epoch that ran at the verification, shut down since, forbids to go on."""
    assert Verified(7, THERE, Epoch(3)).shut_down(listing) is shut_down
    assert not Verified(7, THERE, None).shut_down(listing)
