"""A cell's journal never waits, and loses nothing without saying so."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shadowd.core.actions import Level, Say
from shadowd.core.reasons import Reason
from shadowd.core.values import Epoch
from shadowd.log.journal import CellJournal, SpoolLog

Job = Callable[[], None]
SAY = Say("takeover.launching", Reason.ACCOUNTED, Level.WARNING, Epoch(7), "h1 was silent\nto the probe")


def test_one_say_is_one_line_everywhere() -> None:
    """Structlog gets the fields, the spool the line in the ancestor's format."""
    spool: list[bytes] = []
    with capture_logs() as logs:
        CellJournal("default", "h2.example.org", spool.append, lambda: 0.0).say(SAY)
    assert logs == [
        {
            "event": "takeover.launching",
            "log_level": "warning",
            "cell": "default",
            "host": "h2.example.org",
            "epoch": 7,
            "reason": "accounted",
            "text": Reason.ACCOUNTED.text,
            "detail": "h1 was silent\nto the probe",
        }
    ]
    (line,) = spool
    assert line.endswith(
        b"|  main|h2|W|takeover.launching (epoch 7): everyone who might run a master is accounted for: "
        b"h1 was silent to the probe\n"
    )


def test_lines_are_appended_by_the_worker_and_the_file_is_not_kept(tmp_path: Path) -> None:
    """Nothing touches the disk until the worker runs; the first flush writes all that waits."""
    jobs: list[Job] = []
    log = SpoolLog(tmp_path / "messages_shadowd.h2", jobs.append)
    log(b"one\n")
    log(b"two\n")
    assert not log.path.exists()
    jobs.pop()()
    jobs.pop()()
    log.path.rename(tmp_path / "rotated")
    log(b"three\n")
    jobs.pop()()
    assert (tmp_path / "rotated").read_bytes() == b"one\ntwo\n"
    assert log.path.read_bytes() == b"three\n"
    log.flush()


def test_a_spool_that_is_away_costs_the_oldest_lines_and_says_how_many(tmp_path: Path) -> None:
    """The buffer is bounded; the gap is marked in the file once it can be written again."""
    directory = tmp_path / "spool"
    jobs: list[Job] = []
    log = SpoolLog(directory / "messages", jobs.append, host="h2", wall=lambda: 0.0, limit=3)
    with capture_logs() as logs:
        for number in range(5):
            log(f"{number}\n".encode())
            while jobs:
                jobs.pop()()
    assert [entry["event"] for entry in logs] == ["log.unwritable"]
    assert "No such file" in log.problem
    directory.mkdir()
    log(b"5\n")
    jobs.pop()()
    gap, *rest = log.path.read_bytes().splitlines()
    assert b"|h2|W|3 lines lost" in gap
    assert rest == [b"3", b"4", b"5"]
    assert log.problem == ""


def test_a_flush_that_was_dropped_costs_nothing(tmp_path: Path) -> None:
    """A worker whose queue is full never runs the job; the next line's flush writes both."""
    jobs: list[Job] = []
    log = SpoolLog(tmp_path / "messages", jobs.append)
    log(b"one\n")
    jobs.clear()
    log(b"two\n")
    jobs.pop()()
    assert log.path.read_bytes() == b"one\ntwo\n"


@pytest.mark.parametrize("kind", ["fifo", "directory"])
def test_a_log_name_that_is_no_file_holds_nobody(tmp_path: Path, kind: str) -> None:
    """A FIFO or directory under the log's name is a problem with a name, not a wait."""
    path = tmp_path / "messages"
    if kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    log = SpoolLog(path, lambda _: None)
    log(b"line\n")
    with capture_logs():
        log.flush()
    assert str(path) in log.problem
