"""A generic cell is never sent to Grid Engine's files and scripts."""

import re

import pytest

from shadowd.console import remedies
from shadowd.console.health import Health, Item
from shadowd.console.wording import worded
from shadowd.core.reasons import Reason

FOREIGN = re.compile(r"sgemaster|act_qmaster|sge_qmaster|binary_path|startup script")
NOT_THERE = {Reason.NOT_GUARDED, Reason.RESIDENT, Reason.ADOPTION_FAILED}
"""Reasons of masters that somebody starts past the daemon: RUNBOOK.md has the words for both kinds."""


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in NOT_THERE])
def test_no_remedy_names_what_is_not_there(reason: Reason) -> None:
    """Neither in the text of a reason nor in its remedy."""
    for text in (reason.text, remedies.remedy(reason, "/shared/x")):
        assert FOREIGN.search(worded("generic", "licences", text)) is None


def test_the_verbs_take_the_place_of_the_script() -> None:
    """With the name of the cell, so that the line can be copied."""
    said = worded("generic", "licences", remedies.remedy(Reason.LOCKED, "/shared/x"))
    assert "shadowd start licences" in said
    assert "sgemaster start" in remedies.remedy(Reason.LOCKED, "/x")
    for advice in (remedies.START, remedies.RESTART, remedies.STATUS):
        assert "init.d" not in worded("generic", "licences", advice)


def test_names_and_other_kinds_stay() -> None:
    """What programs compare is the same for every kind; what is no text too."""
    item = Item("act_qmaster", Health.OK, "act_qmaster names alpha", "")
    assert worded("gridengine", "x", item) is item
    assert worded("generic", "x", (item, 7, None)) == (
        Item("act_qmaster", Health.OK, "the file master names alpha", ""),
        7,
        None,
    )
