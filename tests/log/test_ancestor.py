"""The ancestor's line format, whatever is put into it."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowd.log import ancestor
from shadowd.log.ancestor import Letter

WALL = 1_795_172_705.0


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_line_has_the_ancestor_s_fields() -> None:
    """A script that reads sge_shadowd's log reads ours."""
    got = ancestor.line(WALL, "h1.example.org", Letter.WARNING, "heartbeat.stale: silent")
    assert got == b"11/20/2026 11:05:05|  main|h1|W|heartbeat.stale: silent\n"


@given(st.text(), st.text(), st.floats())
def test_any_text_stays_one_line_of_five_fields(host: str, text: str, wall: float) -> None:
    """Line ends, separators, control characters and odd clocks cannot forge or break a line."""
    got = ancestor.line(wall, host, Letter.INFO, text)
    assert got.endswith(b"\n")
    assert got.count(b"\n") == 1
    assert got.count(b"|") == 4
    assert len(got) <= ancestor.MAX_BYTES
    assert got.decode("utf-8")[:-1].isprintable()


def test_a_cut_never_splits_a_character() -> None:
    """A text beyond the limit ends in dots and is still UTF-8."""
    got = ancestor.line(WALL, "h1", Letter.INFO, "ü" * 5000)
    assert got.endswith(b"...\n")
    assert set(got.decode("utf-8").rsplit("|", 1)[1][:-4]) == {"ü"}


@pytest.mark.parametrize(("host", "short"), [("h1.a.b", "h1"), ("h1", "h1"), ("", "unknown"), (".x", ".x")])
def test_hosts_are_named_up_to_the_first_dot(host: str, short: str) -> None:
    """The short name is what the ancestor writes and names its files by."""
    assert ancestor.short(host) == short
