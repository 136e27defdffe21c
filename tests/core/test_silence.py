"""Silence: only what this process itself observed counts (PROTOCOL rules 1 and 2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowd.core.silence import Change, Silence
from shadowd.core.values import Instant, Problem, Seconds, Unknown
from tests.core.rounds import UNREADABLE, reading

CHECK = Seconds(60)


def silence(**options: bool) -> Silence:
    """Return a silence that is checked each minute."""
    return Silence(CHECK, **options)


def test_begins_with_nothing() -> None:
    """Before the first read there is no silence and no date."""
    fresh = silence()
    assert fresh.total == 0
    assert fresh.changed is None
    assert fresh.reaches(Seconds(240)) is None


def test_first_read_is_the_beginning() -> None:
    """The first read counts nothing and is dated at its completion."""
    fresh = silence()
    assert fresh.read(reading(7, 10, 12)) is Change.FIRST
    assert fresh.total == 0
    assert fresh.changed == 12


def test_adds_the_intervals_between_completed_reads() -> None:
    """The same beat at each check adds up, from completion to completion."""
    fresh = silence()
    for issued, completed in ((0, 1), (60, 65), (120, 121)):
        change = fresh.read(reading(7, issued, completed))
    assert change is Change.SAME
    assert fresh.total == 120
    assert fresh.changed == 1


@pytest.mark.parametrize("beat", [8, 6, 0, -5, 1, 99_999_999_999], ids=str)
def test_any_change_is_a_sign_of_life(beat: int) -> None:
    """Up, down, wrapped round or absurd: another value ends the silence."""
    fresh = silence()
    fresh.read(reading(7, 0))
    fresh.read(reading(7, 60))
    assert fresh.read(reading(beat, 90, 91)) is Change.MOVED
    assert fresh.total == 0
    assert fresh.changed == 91


@pytest.mark.parametrize(("interval", "counted"), [(120, 120), (120.1, 0), (3600, 0)])
def test_a_gap_is_our_outage(interval: float, counted: float) -> None:
    """An interval longer than two checks adds nothing; one of two checks does."""
    fresh = silence()
    fresh.read(reading(7, 0))
    fresh.read(reading(7, interval))
    assert fresh.total == counted


def test_goes_on_counting_after_a_gap() -> None:
    """A gap does not wipe out what was observed before it."""
    fresh = silence()
    for at in (0, 60, 1000, 1060):
        fresh.read(reading(7, at))
    assert fresh.total == 120


def test_a_late_reply_is_dropped() -> None:
    """A read issued before one already used may show an old value and changes nothing."""
    fresh = silence()
    fresh.read(reading(7, 0))
    fresh.read(reading(8, 60))
    assert fresh.read(reading(7, 30, 70)) is Change.LATE
    assert fresh.changed == 60
    assert fresh.read(reading(8, 120)) is Change.SAME
    assert fresh.total == 60


def test_two_reads_of_one_moment_are_both_used() -> None:
    """Only an *earlier* issue makes a reply late."""
    fresh = silence()
    fresh.read(reading(7, 5, 6))
    assert fresh.read(reading(7, 5, 9)) is Change.SAME
    assert fresh.total == 3


def test_an_unreadable_beat_is_neither_silence_nor_life() -> None:
    """Unknown adds nothing, before or after it, and keeps what was observed."""
    fresh = silence()
    fresh.read(reading(7, 0))
    fresh.read(reading(7, 60))
    assert fresh.read(reading(UNREADABLE, 90)) is Change.UNKNOWN
    assert fresh.reaches(Seconds(240)) is None
    assert fresh.read(reading(7, 120)) is Change.SAME
    assert fresh.total == 60
    fresh.read(reading(7, 150))
    assert fresh.total == 90


def test_a_beat_that_comes_back_changed_is_life() -> None:
    """After an unreadable stretch another value is a move."""
    fresh = silence()
    fresh.read(reading(7, 0))
    fresh.read(reading(UNREADABLE, 60))
    assert fresh.read(reading(8, 120)) is Change.MOVED


def test_an_unreadable_first_read_is_no_beginning() -> None:
    """Nothing readable yet: the first value, later, is the first."""
    fresh = silence()
    assert fresh.read(reading(UNREADABLE, 0)) is Change.UNKNOWN
    assert fresh.read(reading(7, 60)) is Change.FIRST
    assert fresh.total == 0


def test_unknown_counts_where_configured() -> None:
    """With ``unknown_counts`` a missing heartbeat is a value: its duration counts, its coming is a change."""
    missing = Unknown(Problem.MISSING, "heartbeat", "one")
    fresh = silence(unknown_counts=True)
    assert fresh.read(reading(missing, 0)) is Change.FIRST
    assert fresh.read(reading(Unknown(Problem.MISSING, "heartbeat", "two"), 60)) is Change.SAME
    assert fresh.total == 60
    assert fresh.read(reading(UNREADABLE, 120)) is Change.MOVED
    assert fresh.read(reading(7, 180)) is Change.MOVED


def test_restart_counts_as_life() -> None:
    """A sign of life that was no beat begins a new silence at its own moment."""
    fresh = silence()
    fresh.read(reading(7, 0))
    fresh.read(reading(7, 60))
    fresh.restart(Instant(70))
    assert fresh.total == 0
    assert fresh.changed == 70
    fresh.read(reading(7, 120))
    assert fresh.total == 50, "what passed before the sign of life is not silence after it"


def test_restart_while_nothing_is_readable() -> None:
    """A restart during an unreadable stretch does not make that stretch count."""
    fresh = silence()
    fresh.read(reading(UNREADABLE, 0))
    fresh.restart(Instant(10))
    assert fresh.changed == 10
    assert fresh.reaches(Seconds(1)) is None


def test_restart_does_not_go_back() -> None:
    """A sign of life older than the last read leaves the count where the read put it."""
    fresh = silence()
    fresh.read(reading(7, 0))
    fresh.read(reading(7, 60))
    fresh.restart(Instant(50))
    fresh.read(reading(7, 90))
    assert fresh.total == 30


def test_reaches_names_the_moment() -> None:
    """``reaches`` is the last read plus what is missing, and never before the last read."""
    fresh = silence()
    fresh.read(reading(7, 0))
    fresh.read(reading(7, 60))
    assert fresh.reaches(Seconds(240)) == 240
    assert fresh.reaches(Seconds(10)) == 60


@given(
    st.lists(st.tuples(st.sampled_from([1, 2, None]), st.floats(0, 150), st.floats(0, 5)), max_size=40),
)
def test_silence_is_never_longer_than_the_truth(reads: list[tuple[int | None, float, float]]) -> None:
    """Whatever is read whenever: the silence never exceeds the time since the beat was first shown."""
    fresh, now, since, shown = silence(), 0.0, 0.0, None
    for value, pause, took in reads:
        issued = now + pause
        now = issued + took
        change = fresh.read(reading(UNREADABLE if value is None else value, issued, now))
        if value is not None and value != shown:
            shown, since = value, now
            assert change in {Change.FIRST, Change.MOVED}
        assert 0 <= fresh.total <= now - since + 1e-6 or change is Change.UNKNOWN
