"""Which style is chosen, and what lines look like in each."""

import json
import logging
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from freezegun import freeze_time

from shadowd.core.actions import Level
from shadowd.log.setup import Style, announce, pick_style, set_up


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    before = list(logging.getLogger().handlers)
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = before


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Put a pipe in the place of standard error."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_a_pipe_gets_json(pipe: tuple[int, int]) -> None:
    """Whatever is no terminal and no journal gets one JSON object a line."""
    reader, writer = pipe
    set_up(descriptor=writer, environ={})
    announce("daemon.started", cell="default", pid=7, nothing=None)
    got = json.loads(os.read(reader, 4096))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+[+-]\d{4}", got.pop("timestamp"))
    assert got == {"event": "daemon.started", "level": "info", "cell": "default", "pid": 7}


def test_the_journal_gets_priorities(pipe: tuple[int, int]) -> None:
    """JOURNAL_STREAM that names our descriptor means ``<N>`` lines for people, without a time."""
    reader, writer = pipe
    found = os.fstat(writer)
    environ = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
    assert set_up(descriptor=writer, environ=environ).style is Style.JOURNAL
    announce("master.ended", cell="default", host="h1", text="the master's process ended", epoch=7)
    assert os.read(reader, 4096) == b"<2>default: master.ended: the master's process ended epoch=7\n"


def test_an_inherited_journal_stream_is_not_believed(pipe: tuple[int, int]) -> None:
    """A child of a service whose output goes to a file is not under the journal."""
    assert pick_style(pipe[1], {"JOURNAL_STREAM": "1:2"}) is Style.JSON
    assert pick_style(12345, {}) is Style.JSON


@pytest.mark.parametrize(
    ("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_a_terminal_gets_colours_unless_told_not_to(environ: dict[str, str], *, coloured: bool) -> None:
    """NO_COLOR and a dumb terminal are respected."""
    master, slave = pty.openpty()
    try:
        assert set_up(descriptor=slave, environ=environ).style is Style.CONSOLE
        announce("shadow.standby", cell="default", text="\x1b[2Jevil\n")
        got = os.read(master, 4096).decode()
        assert ("\x1b[" in got) is coloured
        assert "\x1b[2J" not in got
        assert got.count("\n") == 1
    finally:
        os.close(master)
        os.close(slave)


def test_the_file_has_json_whatever_the_terminal_has(pipe: tuple[int, int], tmp_path: Path) -> None:
    """The local log file is for programs; it can be reopened on SIGHUP."""
    path = tmp_path / "shadowd.log"
    logs = set_up(descriptor=pipe[1], environ={}, file=path, style=Style.JOURNAL)
    with freeze_time("2026-11-20 11:05:52"):
        announce("daemon.reloaded")
    logs.reopen()
    announce("config.warning", detail="x" * 20_000)
    logs.close()
    first, second = map(json.loads, path.read_text().splitlines())
    assert first["timestamp"].startswith("2026-11-20T")
    assert second["level"] == "warning"
    assert len(second["detail"]) <= 120


def test_an_unwritable_file_is_reported_and_stops_nothing(pipe: tuple[int, int], tmp_path: Path) -> None:
    """The daemon runs on without its file, and says so once."""
    set_up(descriptor=pipe[1], environ={}, file=tmp_path / "no" / "log", style=Style.JOURNAL)
    announce("daemon.started")
    announce("daemon.started")
    lines = os.read(pipe[0], 4096).decode().splitlines()
    assert lines.count("<6>daemon.started") == 2
    assert len([line for line in lines if line.startswith("<4>log.unwritable")]) == 1


def test_libraries_are_heard(pipe: tuple[int, int]) -> None:
    """A warning by the standard library's logging becomes a line like all others."""
    set_up(descriptor=pipe[1], environ={}, style=Style.JOURNAL)
    set_up(descriptor=pipe[1], environ={}, style=Style.JOURNAL)
    logging.getLogger("watchdog").warning("lost %s", "a watch")
    assert os.read(pipe[0], 4096) == b"<4>library.message library=watchdog detail=lost a watch\n"


def test_quiet_levels_are_left_out(pipe: tuple[int, int]) -> None:
    """The minimum level is respected."""
    set_up(descriptor=pipe[1], environ={}, minimum=Level.WARNING, style=Style.JOURNAL)
    announce("daemon.started")
    announce("daemon.reload_failed")
    assert os.read(pipe[0], 4096) == b"<4>daemon.reload_failed\n"


def test_rich_is_kept_out() -> None:
    """Structlog would import rich where it is installed: 5 MB in a daemon that has no use for it."""
    program = "import sys, shadowd.log.setup; sys.exit(bool(sys.modules.get('rich')))"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=30).returncode == 0


def test_a_silent_start_hears_only_that_the_log_cannot_be_written(
    pipe: tuple[int, int], tmp_path: Path
) -> None:
    """A daemon that goes to the background leaves the terminal alone, unless nobody would hear of it."""
    logs = set_up(descriptor=pipe[1], environ={}, file=tmp_path / "log", style=Style.JOURNAL, silent=True)
    announce("daemon.started", pid=7)
    assert "daemon.started" in (tmp_path / "log").read_text()
    logs.close()
    set_up(descriptor=pipe[1], environ={}, file=tmp_path / "no" / "log", style=Style.JOURNAL, silent=True)
    announce("daemon.started", pid=7)
    said = os.read(pipe[0], 4096)
    assert said.startswith(b"<4>log.unwritable")
    assert said.count(b"\n") == 1
