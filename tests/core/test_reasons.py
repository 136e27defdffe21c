"""Reasons: stable words for machines, sentences for people."""

import pytest

from shadowd.core.reasons import Reason


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_speaks(reason: Reason) -> None:
    """Each has a word that does not change and a text without a full stop that a line can be built from."""
    assert reason.value == reason.name.lower()
    assert Reason(reason.value) is reason
    assert reason.text
    assert reason.text == reason.text.strip()
    assert not reason.text.endswith(".")


def test_no_two_reasons_sound_alike() -> None:
    """Two reasons with one text would be one reason."""
    assert len({reason.text for reason in Reason}) == len(Reason)
