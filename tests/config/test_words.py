"""What each value may be, and that nothing near it is taken for it."""

from math import inf, nan
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowd.config import words


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (60, 60.0),
        (0.5, 0.5),
        ("240s", 240.0),
        ("4m", 240.0),
        ("1h", 3600.0),
        ("1.5m", 90.0),
        (604800, 604800.0),
    ],
)
def test_durations_are_numbers_or_numbers_with_a_unit(written: object, seconds: float) -> None:
    """Seconds may be written as a number or with one of three units."""
    assert words.interval(written) == seconds


@pytest.mark.parametrize(
    "written",
    [
        "",
        "60",
        "60abc",
        "4 m",
        "m",
        "-4m",
        "1d",
        "1e3s",
        "٦s",
        "4m\n",
        "9" * 400 + "s",
        True,
        None,
        [],
        {},
        10**400,
        nan,
        inf,
        -inf,
        -1,
        604801,
        "169h",
    ],
)
def test_everything_else_is_no_duration(written: object) -> None:
    """No value is repaired into a duration, and none is endless."""
    for meaning in (words.wait, words.interval):
        with pytest.raises(words.UnfitError):
            meaning(written)


def test_only_a_wait_may_be_zero() -> None:
    """Zero is a delay that is not waited, but as an interval it would be a busy loop."""
    assert words.wait(0) == 0.0
    for value in (0, 0.0, "0s", 0.01):
        with pytest.raises(words.UnfitError):
            words.interval(value)


@pytest.mark.parametrize(
    ("meaning", "good"), [(words.cell_name, "a.b-c_1"), (words.host_name, "n1.example.org")]
)
def test_names_that_become_file_names_cannot_leave_their_directory(meaning: object, good: str) -> None:
    """A name holds no slash, no blank, no control character, and does not begin like an option or '..'."""
    assert callable(meaning)
    assert meaning(good) == good
    for bad in ("", ".", "..", "-x", "a/b", "a b", "a\n", "a\0", "ä", "x" * 300, 5, None):
        with pytest.raises(words.UnfitError):
            meaning(bad)


def test_a_cell_name_has_at_most_64_characters() -> None:
    """64 is the last length that is taken."""
    assert words.cell_name("x" * 64)
    with pytest.raises(words.UnfitError):
        words.cell_name("x" * 65)


@pytest.mark.parametrize("bad", ["", "a/b", ".", "..", "a\0", "x" * 256, 5])
def test_sge_cell_is_one_directory(bad: object) -> None:
    """SGE_CELL names one directory below SGE_ROOT and nothing else."""
    with pytest.raises(words.UnfitError):
        words.sge_cell(bad)


def test_paths_are_absolute() -> None:
    """A path must not depend on where the daemon was started, nor be longer than the system takes."""
    assert words.path("/opt/sge") == Path("/opt/sge")
    for bad in ("", "opt", "~/x", "/a\0b", "/" + "x" * 4096, 1, None, Path("x")):
        with pytest.raises(words.UnfitError):
            words.path(bad)


def test_a_program_is_a_list_that_begins_with_an_absolute_path() -> None:
    """No shell splits a string, and no PATH is searched."""
    assert words.program(["/bin/true", ""]) == ("/bin/true", "")
    assert words.arguments([]) == ()
    for bad in (
        [],
        "/bin/true",
        ["true"],
        ["/bin/true", 5],
        {"a": 1},
        None,
        ["/bin/true"] * 1001,
        ["/a", "\0"],
    ):
        with pytest.raises(words.UnfitError):
            words.program(bad)


@pytest.mark.parametrize("bad", [0, 65536, -1, "x", "", True, 1.5, None])
def test_ports_are_whole_numbers_in_range(bad: object) -> None:
    """A port is a number from 1 to 65535; from a variable also its digits."""
    assert words.port(6444) == words.port("6444") == 6444
    with pytest.raises(words.UnfitError):
        words.port(bad)


@pytest.mark.parametrize("bad", [65536, -1, "6446", True, 1.5, None])
def test_a_port_for_hints_may_be_left_to_the_kernel(bad: object) -> None:
    """Zero is any port; the rest is as for all ports."""
    assert (words.port_or_any(0), words.port_or_any(6446)) == (0, 6446)
    with pytest.raises(words.UnfitError):
        words.port_or_any(bad)


def test_accounts_and_variables_have_their_usual_names() -> None:
    """Names of accounts and of variables are taken in the usual spelling only."""
    assert words.user_name("sge-admin") == "sge-admin"
    assert words.variable_name("LD_LIBRARY_PATH") == "LD_LIBRARY_PATH"
    for bad in ("", "a b", "root:root", "A=B", "\0"):
        with pytest.raises(words.UnfitError):
            words.user_name(bad)
        with pytest.raises(words.UnfitError):
            words.variable_name(bad)


@given(
    st.one_of(
        st.none(), st.text(), st.integers(), st.floats(), st.binary(), st.lists(st.text()), st.booleans()
    )
)
def test_any_value_is_taken_or_refused_with_a_short_reason(value: object) -> None:
    """No value makes a function raise anything but UnfitError, whose text stays on one line."""
    for meaning in (
        words.interval,
        words.wait,
        words.path,
        words.cell_name,
        words.host_name,
        words.user_name,
        words.variable_name,
        words.sge_cell,
        words.kind,
        words.program,
        words.port,
    ):
        try:
            told = repr(meaning(value))[:200]
        except words.UnfitError as error:
            told = str(error)
        assert len(told) < 300
        assert told.isprintable()


@pytest.mark.parametrize("bad", [-1, 101, True, 1.0, "3", None])
def test_restarts_are_whole_numbers_in_range(bad: object) -> None:
    """From none at all to a hundred."""
    assert [words.restarts(number) for number in (0, 3, 100)] == [0, 3, 100]
    with pytest.raises(words.UnfitError, match="is no number of restarts"):
        words.restarts(bad)
