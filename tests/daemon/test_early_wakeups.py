"""File events make the next look sooner, never more frequent than once a second, and nothing needs them."""

import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from tests.daemon.toys import LONG, SLOW, Daemon, Toys, launch, patiently
from tests.lab.processes import wait_for

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

IDLE = SLOW | {"check_interval": 300, "notice_interval": 300}
"""Nothing is looked at for five minutes unless somebody wakes us."""
EXHAUST = """
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
while libc.inotify_init() >= 0:
    pass
print("exhausted", flush=True)
time.sleep(600)
"""


def looks(daemon: Daemon) -> list[float]:
    """Return when the daemon looked at its cell."""
    lines = (daemon.home / "witness").read_text().splitlines()
    return [float(line.split()[0]) for line in lines if line.endswith(" Observe")]


def idle(toys: Toys, *before: str) -> Daemon:
    """Start a daemon that has looked once and waits for its next check."""
    (toys.cell.spool / "heartbeat").write_text("00041\n")
    daemon = toys.start("beta", wish={}, before=before, **IDLE)
    daemon.wait_told("daemon.started")
    patiently(lambda: looks(daemon), LONG, "the first look", daemon.story)
    time.sleep(1.5)
    return daemon


def test_a_change_of_a_watched_file_is_seen_early(toys: Toys) -> None:
    """A lock that comes, an act_qmaster that changes: known in a moment and not at the next check."""
    daemon = idle(toys)
    assert len(looks(daemon)) == 1
    (toys.cell.spool / "lock").touch()
    daemon.wait_refused("locked")
    (toys.cell.common / "act_qmaster").write_text("gamma\n")
    patiently(lambda: daemon.record()["active"] == "gamma", LONG, "the change", daemon.story)
    seen = len(looks(daemon))
    (toys.cell.spool / "heartbeat").write_text("00042\n")
    patiently(lambda: len(looks(daemon)) > seen, LONG, "another look", daemon.story)


def test_a_storm_of_changes_is_one_look_a_second(toys: Toys) -> None:
    """A file that changes a thousand times costs no more than one that changes once a second."""
    daemon = idle(toys)
    heartbeat = toys.cell.spool / "heartbeat"
    before = len(looks(daemon))
    began = time.monotonic()
    for beat in range(1000):
        heartbeat.write_text(f"{beat + 1:05d}\n")
        time.sleep(0.003)
    took = time.monotonic() - began
    time.sleep(2)
    found = looks(daemon)
    assert 2 <= len(found) - before <= took + 3, daemon.story()
    assert all(later - earlier > 0.7 for earlier, later in pairwise(found))


def test_its_own_files_wake_it_not(toys: Toys) -> None:
    """What the daemon writes into the spool itself is no reason to look."""
    daemon = idle(toys)
    time.sleep(3)
    assert len(looks(daemon)) == 1


def test_without_inotify_there_is_one_warning_and_a_takeover(place: Path) -> None:
    """No instance left for this user: said once, and the regular checks do it all."""
    # A user of its own, for the limit is one of each user; the capability lets it read what root may.
    user = str(200_000 + os.getpid())
    become = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups")
    become = (*become, "--inh-caps=+dac_override", "--ambient-caps=+dac_override")
    greedy = subprocess.Popen(
        [*become, sys.executable, "-IS", "-c", EXHAUST], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert greedy.stdout is not None
    try:
        assert greedy.stdout.readline() == b"exhausted\n"
        toys = Toys.make(place / "cell")
        toys.start_master()
        daemon = toys.start("beta", before=become)
        daemon.wait_eligible()
        (told,) = daemon.wait_told("watch.unavailable")
        assert "inotify" in told["detail"] or "Too many open files" in told["detail"]
        toys.kill_pair("alpha")
        assert toys.wait_master(("beta",)) == "beta"
        assert len(daemon.told("watch.unavailable")) == 1
    finally:
        greedy.kill()
        greedy.wait(LONG)
        greedy.stdout.close()


def test_switched_off_nothing_is_watched(toys: Toys) -> None:
    """``watch = false``: no inotify instance, no thread for it."""
    path = toys.cell.configure("beta", **IDLE)
    path.write_text("watch = false\n" + path.read_text())
    (toys.cell.spool / "heartbeat").write_text("00041\n")
    daemon = launch(toys.cell.home("beta"), "beta")
    daemon.wait_eligible()
    wait_for(lambda: daemon.told("daemon.started"), LONG, "it started")
    links = [str(link.readlink()) for link in Path(f"/proc/{daemon.pid}/fd").iterdir() if link.is_symlink()]
    assert not any("inotify" in link for link in links)
