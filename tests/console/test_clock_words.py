"""Times as people read them."""

import pytest

from shadowd.console import clock
from tests.console.handmade import NOW


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (0.4, "0 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (250, "4 min 10 s"),
        (3600, "1 h"),
        (10_920, "3 h 2 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float, words: str) -> None:
    """Nobody divides by 3600 at night, and no age is below zero."""
    assert clock.span(seconds) == words


def test_today_needs_no_date() -> None:
    """The date is shown where it is another day."""
    assert clock.at(NOW - 60, NOW) == "11:04:52"
    assert clock.at(NOW - 86400, NOW) == "2026-11-19 11:05"
    assert clock.at(1e300, NOW) == "at an impossible time"


def test_what_has_passed_is_due() -> None:
    """A time that should be in the future and is not says so."""
    assert clock.ahead(NOW + 90, NOW) == "11:07:22 (in 1 min 30 s)"
    assert clock.ahead(NOW - 90, NOW) == "11:04:22 (due)"
