"""One cell's directory hangs; the daemon, its other cells and the verbs do not.

The directory is on a FUSE file system of the test's own that stops answering, as a file server does that
is gone: every call into it sleeps in the kernel (``frozen`` says how it is made like NFS).
"""

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.daemon.frozen import Freezer, freezer
from tests.daemon.toys import FAST, LONG, SLOW, Daemon, Toys, configure, launch, patiently
from tests.lab import processes
from tests.lab.fusefs import mounted, why_not

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(200),
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
]
EARLIEST = float(FAST["stale_after"]) + float(FAST["delay"])
"""Seconds of silence before a takeover."""
QUICK = 5.0
"""What must take under a second takes less than this on the busiest machine."""


@dataclass
class House:
    """Three cells of which one can be made to hang, and where their daemon lives."""

    freezer: Freezer
    hanging: Toys
    second: Toys
    third: Toys
    home: Path

    @property
    def cells(self) -> tuple[Toys, Toys, Toys]:
        """All three."""
        return self.hanging, self.second, self.third

    def configure(self) -> None:
        """Write the configuration of beta's daemon."""
        configure(self.home, "beta", *self.cells)

    def start(self, **wish: float) -> Daemon:
        """Start beta's daemon."""
        self.configure()
        return launch(self.home, "beta", wish=dict(wish) if wish else None)

    def serve(self) -> Daemon:
        """Start a master in each cell, and beta's daemon."""
        for cell in self.cells:
            cell.start_master("alpha")
        daemon = self.start()
        for cell in self.cells:
            daemon.wait_eligible(cell.cell.name)
        return daemon


@pytest.fixture
def house(place: Path) -> Iterator[House]:
    """Give three cells, one of them on a mount that hangs on request."""
    with mounted(place / "fuse") as mount, freezer(mount, place) as cold:
        hanging = Toys.make(mount.path / "cell", "hanging", journal=place / "journal")
        made = House(
            cold,
            hanging,
            Toys.make(place / "second", "second"),
            Toys.make(place / "third", "third"),
            place / "beta",
        )
        yield made
        cold.thaw()
        for cell in made.cells:
            cell.close()


def end(daemon: Daemon) -> float:
    """Ask the daemon to end and return how long it took."""
    began = time.monotonic()
    daemon.process.terminate()
    assert daemon.process.wait(LONG) == 0, daemon.story()
    return time.monotonic() - began


def test_a_cell_that_hangs_keeps_no_other_from_its_takeover(house: House) -> None:
    """The other cells' masters are replaced in time; ``status`` names the stuck one; TERM ends the daemon."""
    daemon = house.serve()
    house.freezer.freeze()
    daemon.wait_told("io.stuck", cell="hanging")
    house.second.kill_pair("alpha")
    house.third.kill_pair("alpha")
    killed = time.monotonic()
    for cell in (house.second, house.third):
        cell.wait_master(("beta",))
        cell.never_two()
    assert time.monotonic() - killed < EARLIEST + 15
    began = time.monotonic()
    status = daemon.verb("status", "--timeout", "1")
    assert time.monotonic() - began < 1 + QUICK
    assert "hanging" in status.stdout, status.stdout
    assert "no answer within 1 s: the file system hangs" in " ".join(status.stdout.split()), status.stdout
    assert "hang since" in " ".join(status.stdout.split()), status.stdout
    assert status.returncode == 2, status.stdout
    assert not daemon.told("takeover.claiming", cell="hanging")
    assert end(daemon) < QUICK


def test_after_the_hang_the_silence_goes_on_where_it_was(house: House) -> None:
    """What could not be read was no silence: a master that died meanwhile is replaced a full wait later."""
    daemon = house.serve()
    house.freezer.freeze()
    daemon.wait_told("io.stuck", cell="hanging")
    house.hanging.kill_pair("alpha")
    time.sleep(EARLIEST)
    house.freezer.thaw()
    healed = time.monotonic()
    daemon.wait_told("io.resumed", cell="hanging")
    assert house.hanging.wait_master(("beta",)) == "beta"
    assert time.monotonic() - healed > EARLIEST - 0.8, daemon.story()
    house.hanging.never_two()


def test_a_master_that_lives_through_the_hang_is_left_alone(house: House) -> None:
    """A hang much longer than all timers is nobody's death."""
    daemon = house.serve()
    house.freezer.freeze()
    daemon.wait_told("io.stuck", cell="hanging")
    time.sleep(EARLIEST + 2)
    house.freezer.thaw()
    daemon.wait_told("io.resumed", cell="hanging")
    beats = house.hanging.beats()
    patiently(lambda: house.hanging.beats() > beats + 10, LONG, "the master beats", daemon.story)
    assert not daemon.told("heartbeat.stale", cell="hanging"), daemon.story()
    assert house.hanging.reigns() == [("0", "alpha")]


def test_a_guard_whose_directory_hangs_stops_its_master_when_the_lease_is_over(house: House) -> None:
    """The lease needs no file: the master is gone in time, and there is one again after the hang."""
    daemon = house.serve()
    house.hanging.kill_pair("alpha")
    daemon.wait_told("master.confirmed", cell="hanging")
    house.freezer.freeze()
    daemon.wait_told("master.lease_over", cell="hanging")
    patiently(lambda: not house.hanging.pids("beta"), LONG, "the master is stopped", daemon.story)
    house.freezer.thaw()
    house.hanging.wait_master(("beta",))
    house.hanging.never_two()
    notices = house.hanging.cell.spool / "shadowd" / "notices"
    assert (notices / "0000000001.stepped_down.json").exists()


def test_a_lease_outlives_the_daemon_that_kept_it(house: House) -> None:
    """A new daemon that cannot read the shared directory ends the master at its lease, and not before."""
    lease = 6.0
    configure(house.home, "beta", house.hanging, **SLOW | {"lease": lease})
    (house.hanging.cell.spool / "heartbeat").write_text("00041\n")
    first = launch(house.home, "beta")
    silent = lambda: first.record("hanging").get("silence", 0) > 1  # noqa: E731 - a name for a long line
    patiently(silent, LONG, "some silence", first.story)
    first.verb("takeover", "--yes", "--timeout", "30")
    first.wait_told("master.confirmed", cell="hanging")
    beats = house.hanging.beats()
    patiently(lambda: house.hanging.beats() > beats + 10, LONG, "the lease was renewed", first.story)
    house.freezer.freeze()
    frozen = time.monotonic()
    first.kill()
    second = launch(house.home, "beta")
    patiently(lambda: not house.hanging.pids("beta"), LONG, "the master is stopped", second.story)
    lived = time.monotonic() - frozen
    assert lease - 2 < lived < lease + 3, second.story()
    house.freezer.thaw()
    house.hanging.wait_master(("beta",))
    house.hanging.never_two()
    notices = house.hanging.cell.spool / "shadowd" / "notices"
    assert (notices / "0000000001.died.json").exists(), house.hanging.story() + second.story()


def test_a_cell_that_hangs_from_the_start_holds_one_thread(house: House) -> None:
    """The others are served, people are told, and looking again and again costs no further threads."""
    house.second.start_master("alpha")
    house.freezer.freeze()
    daemon = house.start(retry=0.1, first_look=1.0)
    daemon.wait_told("daemon.started")
    (told,) = daemon.wait_told("cell.disabled", cell="hanging")
    assert "do not answer" in told["detail"]
    daemon.wait_eligible("second")
    before = threads(daemon.pid)
    time.sleep(3)
    assert threads(daemon.pid) <= before + 2, "a thread for each try"
    house.freezer.thaw()
    house.hanging.start_master("alpha")
    daemon.wait_eligible("hanging")
    house.hanging.kill_pair("alpha")
    house.hanging.wait_master(("beta",))


def test_a_daemon_of_which_every_cell_hangs_can_be_stopped(house: House) -> None:
    """TERM ends it although every call that it made hangs."""
    house.freezer.freeze()
    configure(house.home, "beta", house.hanging)
    daemon = launch(house.home, "beta")
    patiently(lambda: catches(daemon.pid, signal.SIGTERM), LONG, "it knows TERM", daemon.story)
    assert end(daemon) < QUICK


def catches(pid: int, number: int) -> bool:
    """Tell whether a process has a handler for a signal."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "SigCgt" in line)
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)


def threads(pid: int) -> int:
    """Return how many threads a process has."""
    return int(processes.stat_fields(pid)[17])
