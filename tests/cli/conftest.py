"""Fixtures of the tests of the command line."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.handmade import HandMade, handmade


@pytest.fixture
def made(tmp_path: Path) -> Iterator[HandMade]:
    """Give a healthy cell of hand-made files, with a process in the place of this host's daemon."""
    daemon = subprocess.Popen(["shadowd", "60"], executable="/bin/sleep")
    cell = handmade(tmp_path)
    cell.pid = daemon.pid
    cell.local("h2")
    yield cell
    daemon.kill()
    daemon.wait(10)


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
