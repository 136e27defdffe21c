"""``shadowd demo``: it shows a failover, and leaves nothing behind, interrupted or not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.daemon.toys import end_all, living, surroundings
from tests.lab.processes import wait_for

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def start(place: Path, *more: str) -> "subprocess.Popen[str]":
    """Start the demonstration with its files below this directory."""
    return subprocess.Popen(
        [sys.executable, "-m", "shadowd", "demo", *more],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=surroundings() | {"TMPDIR": str(place), "NO_COLOR": "1"},
    )


def left(place: Path) -> list[object]:
    """Return what there is of files and processes."""
    return [*place.iterdir(), *living(place)]


def test_it_shows_a_failover_and_leaves_nothing(place: Path) -> None:
    """Status 0 in under 30 s: the death, each step, one new master; no file, no process after it."""
    began = time.monotonic()
    process = start(place)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, out + err
    assert err == ""
    for word in ("kill -9", "heartbeat.stale", "takeover.claiming", "master.confirmed", "guards the master"):
        assert word in out, out
    assert "masters running now: 1" in out
    assert "CRITICAL" not in out, out
    assert "\033" not in out
    assert left(place) == []
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("after", ["", "kill -9", "takeover.launching"])
def test_interrupted_it_leaves_nothing(place: Path, number: signal.Signals, after: str) -> None:
    """Ctrl-C, TERM or a closed terminal, at its beginning or in the midst of a launch."""
    process = start(place)
    assert process.stdout is not None
    if after:
        while after not in (line := process.stdout.readline()):
            assert line, "it ended before"
    else:
        wait_for(lambda: list(place.iterdir()), 30, "it has begun")
    process.send_signal(number)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode in {130, -number}, err
    if after:
        assert process.returncode == 130
    assert "Traceback" not in err
    assert left(place) == []


def test_a_reader_who_leaves_ends_it_cleanly(place: Path) -> None:
    """``shadowd demo | head -3``: no traceback, nothing left."""
    process = start(place)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) in {141, 130}
    said = process.stderr.read()
    process.stderr.close()
    assert "Traceback" not in said
    assert left(place) == []


def test_kept_files_are_kept_and_no_process(place: Path) -> None:
    """``--keep`` names the directory, and what is in it is at rest."""
    process = start(place, "--keep")
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, out + err
    (kept,) = place.iterdir()
    assert str(kept) in out
    assert (kept / "sge" / "default" / "common" / "bootstrap").exists()
    assert list(living(place)) == []
    assert os.access(kept, os.R_OK)
    end_all(place)
