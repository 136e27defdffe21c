"""Every reason has its remedy."""

import pytest

from shadowd.console.remedies import REMEDIES, RESTART, START, STATUS, remedy, remedy_for
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


def test_an_unknown_spool_is_named_in_words() -> None:
    """The verb that asks a daemon does not know the directory; no half of a path is printed."""
    assert "remove lock in the spool directory." in remedy(Reason.LOCKED, "")
    assert all("directory/" not in remedy(reason, "") for reason in Reason)


@pytest.mark.parametrize("text", [START, RESTART, STATUS])
def test_advice_about_the_daemon_fits_sites_without_systemd(text: str) -> None:
    """The startup script knows whether there is a unit; who has systemd finds its words too."""
    assert "/etc/init.d/sgemaster" in text
    assert text.index("sgemaster") < text.index("systemctl")


def test_nothing_is_advised_that_the_runbook_forbids() -> None:
    """What the runbook forbids is advised nowhere: starting a master by hand, TERM to a replaced one."""
    advice = " ".join(REMEDIES.values())
    assert "sge_qmaster by hand" not in advice
    assert "master by hand" not in advice
    for reason in (Reason.RESIDENT, Reason.ACTIVE_CHANGED):
        assert "kill -KILL it, never TERM" in REMEDIES[reason]


def test_a_reason_of_another_release_has_no_remedy() -> None:
    """An unknown word is shown without advice, not with a wrong one."""
    assert remedy_for("quantum", "/spool") == ""
    assert remedy_for("paused", "/spool") == remedy(Reason.PAUSED, "/spool")
