"""Records of other hosts are checked, bounded and made harmless."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowd.console import jsonfields, records
from shadowd.console.records import HostRecord
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import Refusal, Snapshot, State, Timer
from shadowd.core.timing import Timing
from shadowd.core.values import (
    NEVER,
    Epoch,
    Host,
    Instant,
    Lock,
    LockKind,
    Problem,
    Protection,
    Seconds,
    Unknown,
)
from shadowd.runtime.record import Publisher, encode
from tests.console.handmade import standard

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def parse(record: object) -> HostRecord | Unknown:
    """Check one record as it would lie on disk."""
    return records.parse(json.dumps(record).encode(), "h2.json")


def test_what_the_daemon_writes_is_what_is_read() -> None:
    """The runtime's encoder and this reader agree on every field, open ends included."""
    snapshot = Snapshot(
        state=State.ACTIVE, reason=Reason.CONFIRMED, since=Instant(40.0),
        refusals=(Refusal(Reason.RESIDENT, "pid 7"), Refusal(Reason.BACKING_OFF, until=Instant(60.0))),
        timer=Timer.LEASE, due=NEVER, silence=Seconds(3.0), beat=Unknown(Problem.EMPTY, "heartbeat"),
        active=Host("h1"), epoch=Epoch(7), master=None, protection=Protection.GUARDED,
        lock=Lock(LockKind.ABSENT), pause=None, observed=Instant(49.0), attempts=2,
    )  # fmt: skip
    publisher = Publisher(
        cell="c", kind="gridengine", host="h1", version="1",
        pid=7, start="99", boot_id="b", timing=Timing().derived(),
    )  # fmt: skip
    data = encode(snapshot, publisher, now=Instant(50.0), wall=1000.0, io_stuck=Instant(45.0))
    found = records.parse(data, "h1.json")
    assert isinstance(found, HostRecord)
    assert (found.state, found.since, found.observed, found.io_stuck) == ("active", 990.0, 999.0, 995.0)
    assert found.timer == ("lease", None)
    assert (found.pid, found.start_token, found.boot_id) == (7, "99", "b")
    assert found.refusals[0].detail == "pid 7"
    assert found.refusals[1].until == 1010.0
    assert found.beat is None
    assert found.beat_problem == "heartbeat: empty"
    assert found.durations["stale_after"] == 240
    assert found.delay_applies == "before_takeover"


@given(st.binary(max_size=300))
def test_garbage_is_a_named_problem(data: bytes) -> None:
    """No bytes whatever raise."""
    found = records.parse(data, "h2.json")
    assert isinstance(found, Unknown)
    assert found.subject == "h2.json"


@given(st.sampled_from(sorted(standard("h2"))), JSON)
def test_a_record_with_any_field_changed_is_whole_or_a_problem(key: str, value: object) -> None:
    """Every field is checked for its type and range; nothing hostile survives in a text."""
    found = parse({**standard("h2"), key: value})
    if isinstance(found, HostRecord):
        assert all(text.isprintable() for text in found if isinstance(text, str))
        assert all(len(text) <= jsonfields.MAX_TEXT for text in found if isinstance(text, str))
    else:
        assert found.detail.isprintable()


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"pid": True}, "pid is not a whole number"),
        ({"wall": 1e300}, "wall is not a number of this world"),
        ({"wall": 10**400}, "wall is not a number of this world"),
        ({"host": None}, "host is not a string"),
        ({"refusals": {}}, "refusals is not a list"),
        ({"refusals": [7]}, "refusals[0] is no JSON object"),
        ({"timer": []}, "timer is no JSON object"),
        ({"timer": {"name": "lease", "due": "soon"}}, "timer.due is not a number"),
        ({"format": 0}, "format 0 is none of ours"),
    ],
)
def test_a_bad_field_is_named(change: dict[str, Any], detail: str) -> None:
    """Whoever wrote the record wrong can find the field."""
    assert parse({**standard("h2"), **change}) == Unknown(Problem.GARBAGE, "h2.json", detail)


def test_a_missing_field_is_named() -> None:
    """A record is whole or it is a problem."""
    record = standard("h2")
    del record["silence"]
    assert parse(record) == Unknown(Problem.GARBAGE, "h2.json", "silence is missing")


def test_a_newer_format_is_told_apart_from_garbage() -> None:
    """In the middle of an upgrade nobody should look for a broken disk."""
    found = parse({**standard("h2"), "format": 2})
    assert found == Unknown(Problem.NEWER_FORMAT, "h2.json", "format 2, this release reads 1")


@pytest.mark.parametrize(
    "data", [b"[" * 30_000, b"NaN", b'{"format": ' + b"9" * 5000 + b"}", b"\xff\xfe", b"null"]
)
def test_hostile_json_is_garbage(data: bytes) -> None:
    """Deep nesting, endless numbers and what is no JSON at all end as a problem."""
    found = records.parse(data, "x")
    assert isinstance(found, Unknown)
    assert found.problem is Problem.GARBAGE


def test_what_lies_in_the_directory_is_read_by_name(tmp_path: Path) -> None:
    """A FIFO, a directory and a huge file cost neither time nor the others' records."""
    (tmp_path / "h2.json").write_text(json.dumps(standard("h2")))
    (tmp_path / ".h2.json.new.7").write_text("half")
    os.mkfifo(tmp_path / "fifo.json")
    (tmp_path / "dir.json").mkdir()
    with (tmp_path / "huge.json").open("wb") as huge:
        huge.truncate(1 << 30)
    found = records.read_hosts(tmp_path)
    assert isinstance(found, dict)
    assert {host: type(record).__name__ for host, record in found.items()} == {
        "dir": "Unknown",
        "fifo": "Unknown",
        "h2": "HostRecord",
        "huge": "Unknown",
    }


def test_a_directory_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    """Missing is said, not taken for empty."""
    found = records.read_hosts(tmp_path / "hosts")
    assert isinstance(found, Unknown)
    assert found.problem is Problem.MISSING


@given(st.text())
def test_clean_text_is_one_printable_line(text: str) -> None:
    """Nothing that a record says can move the cursor of whoever reads it."""
    assert records.clean(text).isprintable()
