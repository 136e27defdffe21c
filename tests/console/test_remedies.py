"""Every reason has its remedy."""

import pytest

from shadowd.console.remedies import REMEDIES, remedy, remedy_for
from shadowd.core.reasons import Reason


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_says_what_to_do(reason: Reason) -> None:
    """A reason without a remedy would leave somebody alone at 3 a.m."""
    text = remedy(reason, "/spool")
    assert len(text) > 10
    assert "SPOOL" not in text


@pytest.mark.parametrize("reason", list(REMEDIES))
def test_no_remedy_deletes_a_claim(reason: Reason) -> None:
    """Claims are the history and the lock; nobody is told to remove one."""
    text = remedy(reason, "/spool").lower()
    assert "rm /spool/shadowd/claims" not in text
    assert "remove /spool/shadowd/claims" not in text


def test_a_reason_of_another_release_has_no_remedy() -> None:
    """An unknown word is shown without advice, not with a wrong one."""
    assert remedy_for("quantum", "/spool") == ""
    assert remedy_for("paused", "/spool") == remedy(Reason.PAUSED, "/spool")
