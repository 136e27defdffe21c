"""Under a service manager: its words are said when they are true, and the journal gets its priorities."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.daemon.toys import LONG, SLOW, Toys, configure, launch, patiently
from tests.lab.processes import wait_for

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]
QUARTER_S = 250_000
"""Microseconds of WATCHDOG_USEC: a word is due each eighth of a second."""


class Manager:
    """A socket in the place of systemd's, and what was said to it."""

    def __init__(self, path: Path) -> None:
        self.environ = {"NOTIFY_SOCKET": str(path)}
        self.heard: list[tuple[float, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(0.1)
        self._socket.bind(str(path))
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while not self._done.is_set():
            try:
                self.heard.append((time.monotonic(), self._socket.recv(4096).decode()))
            except TimeoutError:
                continue

    def words(self, start: str) -> list[str]:
        """Return the datagrams that begin so."""
        return [words for _, words in self.heard if words.startswith(start)]

    def wait(self, start: str, least: int = 1) -> str:
        """Wait for so many datagrams that begin so; return the last."""
        wait_for(lambda: len(self.words(start)) >= least, LONG, f"{least} of {start}: {self.heard[-5:]}")
        return self.words(start)[-1]

    def close(self) -> None:
        """Stop listening."""
        self._done.set()
        self._thread.join(LONG)
        self._socket.close()


@pytest.fixture
def manager(place: Path) -> Iterator[Manager]:
    """Give a manager that listens."""
    name = Path(f"/tmp/shadowd-{os.getpid()}-{os.urandom(4).hex()}")
    made = Manager(name)
    yield made
    made.close()
    name.unlink()
    assert place


def test_ready_is_said_once_the_cells_are_served(toys: Toys, manager: Manager) -> None:
    """READY with the main pid and how many cells; STOPPING on TERM."""
    daemon = toys.start("beta", env=manager.environ, **SLOW)
    words = manager.wait("READY=1").splitlines()
    assert words == ["READY=1", "STATUS=1 of 1 cells", f"MAINPID={daemon.pid}"]
    assert daemon.told("daemon.started")
    daemon.process.terminate()
    assert daemon.process.wait(LONG) == 0
    manager.wait("STOPPING=1")


def test_a_start_that_fails_is_never_ready(place: Path, manager: Manager) -> None:
    """The manager hears nothing of a daemon that serves no cell."""
    home = place / "beta"
    home.mkdir()
    text = f'runtime_dir = "{home}/run"\n[[cell]]\nname = "x"\nsge_root = "/nowhere"\n'
    (home / "shadowd.toml").write_text(text)
    assert launch(home, "beta", env=manager.environ).process.wait(LONG) == 66
    assert manager.words("READY=1") == []


def test_a_reload_is_announced_and_over_whether_good_or_bad(toys: Toys, manager: Manager) -> None:
    """RELOADING with the moment, then READY again: with a bad file too, for the old one is in force."""
    daemon = toys.start("beta", env=manager.environ, **SLOW)
    manager.wait("READY=1")
    daemon.process.send_signal(signal.SIGHUP)
    moment = manager.wait("RELOADING=1").splitlines()[1]
    assert moment.startswith("MONOTONIC_USEC=")
    manager.wait("READY=1", 2)
    (daemon.home / "shadowd.toml").write_text("torn")
    daemon.process.send_signal(signal.SIGHUP)
    manager.wait("RELOADING=1", 2)
    assert "the old configuration is in force" in manager.wait("READY=1", 3)


def test_the_watchdog_is_fed_as_often_as_it_wants(toys: Toys, manager: Manager) -> None:
    """However idle the cells and however impatient the manager, no gap is as long as its limit."""
    watchdog = manager.environ | {"WATCHDOG_USEC": "2000000"}
    keys = SLOW | {"check_interval": 600, "stale_after": 1200, "notice_interval": 600}
    toys.start("beta", env=watchdog, **keys)
    manager.wait("READY=1")
    first = len(manager.words("WATCHDOG=1"))
    manager.wait("WATCHDOG=1", first + 4)
    times = [when for when, words in manager.heard if words == "WATCHDOG=1"]
    assert max(later - earlier for earlier, later in pairwise(times)) < 1.9


def test_the_watchdog_is_no_longer_fed_when_the_loop_stands_still(toys: Toys, manager: Manager) -> None:
    """The words come from the decision thread: held up, it is silent, whatever its workers do."""
    stall = toys.root / "stall"
    environ = manager.environ | {"WATCHDOG_USEC": str(QUARTER_S)}
    daemon = toys.start("beta", wish={"stall_when": str(stall)}, env=environ, **SLOW)
    manager.wait("WATCHDOG=1", 5)
    stall.touch()
    time.sleep(1)
    before = len(manager.words("WATCHDOG=1"))
    time.sleep(2)
    assert len(manager.words("WATCHDOG=1")) == before
    assert daemon.process.poll() is None
    stall.unlink()
    manager.wait("WATCHDOG=1", before + 3)


def test_each_line_for_the_journal_bears_its_priority(toys: Toys) -> None:
    """Standard error is the journal's own stream: ``<N>`` and no time of ours."""
    reader, writer = socket.socketpair()
    status = os.fstat(writer.fileno())
    stream = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
    home = toys.cell.home("beta")
    path = toys.cell.configure("beta", **SLOW)
    path.write_text(path.read_text().replace('format = "json"', 'format = "auto"'))
    daemon = launch(home, "beta", env=stream, stderr=writer.fileno())
    daemon.wait_told("daemon.started")
    writer.close()
    said = reader.recv(65536).decode().splitlines()
    started = next(line for line in said if "daemon.started" in line)
    assert started.startswith("<6>"), said
    warned = [line for line in said if "config.warning" in line]
    assert warned
    assert all(line.startswith("<4>") for line in warned)
    reader.close()


def test_a_child_of_a_service_is_not_taken_for_the_service(toys: Toys) -> None:
    """JOURNAL_STREAM of somebody else, output to a file: JSON, without priorities."""
    home = toys.cell.home("beta")
    path = toys.cell.configure("beta", **SLOW)
    path.write_text(path.read_text().replace('format = "json"', 'format = "auto"'))
    daemon = launch(home, "beta", env={"JOURNAL_STREAM": "1:2"})
    daemon.wait_told("daemon.started")
    patiently(lambda: "daemon.started" in (home / "stderr").read_text(), LONG, "a line", daemon.story)
    assert (home / "stderr").read_text().startswith("{")


def test_forty_cells_start_and_are_served(place: Path, manager: Manager) -> None:
    """One daemon, forty cells: all looked at, one replaced in time, few threads, few descriptors."""
    many = [Toys.make(place / f"c{number}", f"c{number}") for number in range(40)]
    for toys in many:
        (toys.cell.spool / "heartbeat").write_text("00041\n")
        (toys.cell.spool / "lock").touch()
    configure(place / "beta", "beta", *many)
    daemon = launch(place / "beta", "beta", env=manager.environ)
    assert "40 of 40 cells" in manager.wait("READY=1")
    for toys in many:
        daemon.wait_refused("locked", toys.cell.name)
    assert len(daemon.told("watch.unavailable")) <= 1
    dead = many[-1]
    (dead.cell.spool / "lock").unlink()
    assert dead.wait_master(("beta",)) == "beta"
    assert not daemon.told("io.stuck"), daemon.story()
    assert not daemon.told("cell.disabled"), daemon.story()
    tasks = len(list(Path(f"/proc/{daemon.pid}/task").iterdir()))
    descriptors = len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))
    assert tasks < 200, tasks
    assert descriptors < 300, descriptors
    began = time.monotonic()
    daemon.process.terminate()
    assert daemon.process.wait(LONG) == 0
    assert time.monotonic() - began < 5
