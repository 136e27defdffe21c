"""The process that enforces the leases of a daemon that is gone, without the daemon."""

import subprocess
from pathlib import Path

from shadowd.adapters.clock import SystemClock
from shadowd.adapters.identity import read_boot_id
from shadowd.adapters.kept import Keeper, write_lease
from shadowd.app.enforcer import Orders, stand_by
from shadowd.core.values import Epoch, Instant, KeptLease, Seconds


class Counting(SystemClock):
    """A clock that counts how often it is read."""

    def __init__(self) -> None:
        self.reads = 0

    def now(self) -> Instant:
        """Return the time."""
        self.reads += 1
        return super().now()


def orders(runtime_dir: Path) -> Orders:
    """Return those of a daemon that has died already."""
    with subprocess.Popen(["true"]) as daemon:
        daemon.wait()
    return Orders(daemon.pid, Seconds(20), Seconds(0), "", str(runtime_dir), ("one", "two"))


def keep(runtime_dir: Path, cell: str, seconds: float) -> None:
    """Keep a lease that ends so soon."""
    ends = Instant(SystemClock().now() + seconds)
    kept = KeptLease(Epoch(7), "nonce", Seconds(seconds), ends)
    write_lease(Keeper(runtime_dir / f"{cell}@alpha.lease.json", read_boot_id()), kept)


def test_a_daemon_that_died_before_it_was_watched_leaves_nothing_to_do(tmp_path: Path) -> None:
    """Without a lease there is nothing to wait for."""
    stand_by(orders(tmp_path), SystemClock())


def test_it_sleeps_until_the_lease_is_over(tmp_path: Path) -> None:
    """A dead daemon's pidfd is ready for ever: that must not keep a processor busy."""
    keep(tmp_path, "one", 0.5)
    clock = Counting()
    stand_by(orders(tmp_path), clock)
    assert clock.reads < 50


def test_only_the_cells_that_another_daemon_serves_are_left_to_it(tmp_path: Path) -> None:
    """The other cell has nobody else."""
    keep(tmp_path, "one", 0.5)
    keep(tmp_path, "two", 3600)
    (tmp_path / "two@alpha.lock").write_text("1\n")
    before = SystemClock().now()
    stand_by(orders(tmp_path), SystemClock())
    assert SystemClock().now() - before >= 0.4
