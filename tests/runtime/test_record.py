"""The published record: what the snapshot says, in wall-clock time and plain JSON."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shadowd.core.reasons import Reason
from shadowd.core.snapshot import Refusal, Snapshot, State, Timer
from shadowd.core.timing import Timing
from shadowd.core.values import (
    NEVER,
    Epoch,
    FenceAttempt,
    FenceOutcome,
    FencePolicy,
    Host,
    Instant,
    Lock,
    LockKind,
    Pause,
    Problem,
    Protection,
    Seconds,
    Unknown,
)
from shadowd.runtime.record import FORMAT, Publisher, boot_of, encode

PUBLISHER = Publisher(
    cell="prod", kind="gridengine", host="h1", version="1.0",
    pid=42, start="99", boot_id="b", timing=Timing().derived(),
)  # fmt: skip
UNREADABLE = Unknown(Problem.EMPTY, "heartbeat")


def snapshot(**changes: Any) -> Snapshot:
    """Return a snapshot with some fields changed."""
    fields: dict[str, Any] = {
        "state": State.STALE,
        "reason": Reason.SILENT,
        "since": Instant(900),
        "refusals": (Refusal(Reason.BACKING_OFF, "detail", Instant(1030)), Refusal(Reason.LOCKED)),
        "timer": Timer.TAKEOVER,
        "due": Instant(1100),
        "silence": Seconds(300.12345),
        "beat": 17,
        "active": Host("h0"),
        "epoch": Epoch(3),
        "master": Host("h0"),
        "protection": Protection.GUARDED,
        "lock": Lock(LockKind.CLAIM, Epoch(3), "n", 5.0),
        "pause": Pause("root", "upgrade", 77.0),
        "observed": Instant(999),
        "attempts": 2,
        "complaints": (Refusal(Reason.NAME_UNWRITTEN, "read-only"),),
        "fence": FencePolicy.REQUIRED,
        "fenced": (FenceAttempt(Epoch(3), Host("h0"), FenceOutcome.FAILED, "no route", Instant(980)),),
    }
    return Snapshot(**(fields | changes))


def record(thought: Snapshot, io_stuck: Instant | None = None) -> dict[str, Any]:
    """Return the record as a reader would have it, written at instant 1000 = Unix time 5000."""
    line = encode(thought, PUBLISHER, now=Instant(1000), wall=5000.0, io_stuck=io_stuck)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_record_holds_everything_in_wall_clock_time() -> None:
    """This host's instants become Unix times; names, words and texts are there for status."""
    found = record(snapshot(), Instant(990))
    timing = found.pop("timing")
    assert found == {
        "format": FORMAT,
        "cell": "prod",
        "kind": "gridengine",
        "host": "h1",
        "version": "1.0",
        "pid": 42,
        "start_token": "99",
        "boot_id": "b",
        "wall": 5000.0,
        "state": "stale",
        "reason": "silent",
        "text": Reason.SILENT.text,
        "since": 4900.0,
        "refusals": [
            {
                "reason": "backing_off",
                "text": Reason.BACKING_OFF.text,
                "detail": "detail",
                "until": 5030.0,
            },
            {"reason": "locked", "text": Reason.LOCKED.text, "detail": "", "until": None},
        ],
        "complaints": [
            {
                "reason": "name_unwritten",
                "text": Reason.NAME_UNWRITTEN.text,
                "detail": "read-only",
                "until": None,
            }
        ],
        "timer": {"name": "takeover", "due": 5100.0},
        "silence": 300.123,
        "beat": 17,
        "beat_problem": None,
        "active": "h0",
        "epoch": 3,
        "master": "h0",
        "protection": "guarded",
        "lock": {"kind": "claim", "epoch": 3, "since": 5.0},
        "pause": {"who": "root", "why": "upgrade", "until": 77.0},
        "observed": 4999.0,
        "attempts": 2,
        "io_stuck": 4990.0,
        "fence": {
            "policy": "required",
            "attempts": [
                {"epoch": 3, "host": "h0", "outcome": "failed", "detail": "no route", "when": 4980.0}
            ],
        },
        "hints": None,
        "machine_id": "",
        "addresses": [],
        "paths": [],
        "notes": [],
    }
    assert timing["stale_after"] == 240
    assert timing["delay_applies"] == "before_takeover"
    assert set(timing) == set(Timing.__slots__)


def test_a_record_says_which_machine_it_is_and_where_it_is_reached() -> None:
    """For the day on which its name is gone."""
    told = replace(PUBLISHER, machine_id="m", addresses=lambda: ("192.0.2.1", "2001:db8::1"))
    record = json.loads(encode(snapshot(), told, now=Instant(0), wall=0.0, io_stuck=None))
    assert (record["machine_id"], record["addresses"]) == ("m", ["192.0.2.1", "2001:db8::1"])


def test_a_record_says_where_hints_are_heard() -> None:
    """Port and addresses as they are when the record is written, for the other hosts."""
    heard = replace(PUBLISHER, hints=lambda: (41234, ("192.0.2.1", "2001:db8::1")))
    line = encode(snapshot(), heard, now=Instant(0), wall=0.0, io_stuck=None)
    assert json.loads(line)["hints"] == {"port": 41234, "addresses": ["192.0.2.1", "2001:db8::1"]}


def test_what_is_unknown_is_null_and_the_reason_is_beside_it() -> None:
    """A reader never meets a guess: no value where there is none."""
    found = record(
        snapshot(
            beat=UNREADABLE,
            active=UNREADABLE,
            lock=UNREADABLE,
            pause=UNREADABLE,
            master=None,
            observed=None,
            due=NEVER,
        )
    )
    for key in ("beat", "active", "lock", "pause", "master", "observed", "io_stuck"):
        assert found[key] is None
    assert found["beat_problem"] == "heartbeat: empty"
    assert found["timer"]["due"] is None


@pytest.mark.parametrize("pause", [None, UNREADABLE])
def test_no_pause_is_null(pause: Unknown | None) -> None:
    """An unreadable pause is told by the refusals, not by an invented pause."""
    assert record(snapshot(pause=pause))["pause"] is None


def test_a_record_tells_in_which_boot_it_was_written() -> None:
    """By whichever release; what is no record tells nothing."""
    line = encode(snapshot(), replace(PUBLISHER, boot_id="0f-9"), now=Instant(1), wall=1.0, io_stuck=None)
    assert boot_of(line) == "0f-9"
    assert boot_of(b'{"host": "a", "boot_id": "x"}') == "x"
    assert [boot_of(data) for data in (b"", b"{}", b'{"boot_id":7}', b'"boot_id":"' + b"x" * 99)] == [
        None
    ] * 4
