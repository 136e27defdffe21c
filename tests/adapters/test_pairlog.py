"""The log of what a pair prints: its place, whose file it is, and its bound."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shadowd.adapters.pairlog import log_path, open_log, shorten
from tests.lab.processes import wait_for

LARGEST = 10_000


def test_it_lies_beside_the_daemons_log_and_never_in_the_runtime_directory() -> None:
    """A master that prints without end must not take the space of what its guard keeps."""
    run = Path("/run/shadowd")
    assert log_path(Path("/var/log/shadowd"), run, "a@b") == Path("/var/log/shadowd/a@b.master.log")
    assert log_path(run, run, "a@b") is None
    assert log_path(None, run, "a@b") is None


def test_a_log_that_is_too_long_is_begun_anew_under_a_master_that_goes_on(tmp_path: Path) -> None:
    """It appends at the new end; the last part of what there was is kept once."""
    path = tmp_path / "a.master.log"
    script = "import os\nwhile True: os.write(1, b'x' * 500 + b'\\n')"
    log = open_log(path)
    with subprocess.Popen([sys.executable, "-IS", "-c", script], stdout=log) as master:
        os.close(log)
        try:
            for _ in range(3):
                wait_for(lambda: path.stat().st_size > LARGEST, 30, "a long log")
                os.kill(master.pid, 19)
                shorten([None, path], LARGEST)
                assert path.stat().st_size < LARGEST
                assert path.with_name("a.master.log.1").stat().st_size == LARGEST
                os.kill(master.pid, 18)
            wait_for(lambda: path.stat().st_size > LARGEST, 30, "a long log again")
            assert b"\0" not in path.read_bytes()
        finally:
            master.kill()


def test_what_is_short_or_missing_is_left_alone(tmp_path: Path) -> None:
    """Nothing is made, and no copy."""
    path = tmp_path / "log"
    shorten([path], LARGEST)
    path.write_text("short")
    shorten([path], LARGEST)
    assert [each.name for each in tmp_path.iterdir()] == ["log"]


def test_no_link_is_followed_and_no_strangers_file_written(tmp_path: Path) -> None:
    """The master runs all the same, and prints to nowhere."""
    precious = tmp_path / "precious"
    precious.write_text("x" * 2 * LARGEST)
    link, hard, fifo = tmp_path / "link", tmp_path / "hard", tmp_path / "fifo"
    link.symlink_to(precious)
    hard.hardlink_to(precious)
    os.mkfifo(fifo)
    for path in (link, hard, fifo, tmp_path, tmp_path / "missing" / "log"):
        assert open_log(path) == subprocess.DEVNULL
        shorten([path], LARGEST)
    assert precious.read_text() == "x" * 2 * LARGEST


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_another_users_log_is_not_written(tmp_path: Path) -> None:
    """He could read what a master prints, or have made it a link a moment later."""
    path = tmp_path / "log"
    path.touch()
    os.chown(path, 65534, 65534)
    assert open_log(path) == subprocess.DEVNULL
    assert open_log(None) == subprocess.DEVNULL


def test_a_full_disk_keeps_no_log_long(tmp_path: Path) -> None:
    """The copy cannot be made (something else has its name): the log is begun anew all the same."""
    path = tmp_path / "log"
    path.write_text("x" * 2 * LARGEST)
    path.with_name("log.1").mkdir()
    shorten([path], LARGEST)
    assert path.read_text() == ""
