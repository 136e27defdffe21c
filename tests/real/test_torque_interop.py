"""Ours beside a ``pbs_server --ha`` of TORQUE's own on one ``server_priv``: each respects the other's lock.

Both methods, both ways round: theirs serves and ours wait; ours serve and theirs waits; whoever serves dies,
and the other takes over. Never two. The clocks of ours are an hour wrong: theirs would believe them.
"""

import os
import signal
import time

import pytest

from tests.lab import processes
from tests.lab.torque import RELEASES, Reign, TorqueCell, skewed, torque_cell

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

METHODS = pytest.mark.parametrize("lock", RELEASES)
PATIENCE = {"fcntl": 2.5, "lease": 6.5}
"""Seconds in which a standby of theirs looks twice at least."""
SOON = {"fcntl": 5.0, "lease": 12.0}
"""Seconds in which a dead server is replaced by the other sort: a free lock is seen, a date must grow old."""


def wait_server(cell: TorqueCell, host: str, after: Reign, within: float) -> Reign:
    """Wait for the server that replaces one that has just ended."""
    begun = time.monotonic()
    new = cell.wait_server(host, after=after)
    assert time.monotonic() - begun < within, cell.story()
    return new


@METHODS
def test_theirs_is_respected_and_replaced(lock: str) -> None:
    """While it lives nobody of ours starts, frozen moments included; its death is seen from its lock."""
    with torque_cell("h1", "h2", **RELEASES[lock]) as cell:
        theirs = cell.start_rival("h1", "--ha")
        reign = cell.wait_server("h1")
        cell.serve("h2", lock=lock, env=skewed(cell.lab, 3600))
        cell.steady(4)
        assert cell.claims() == 0
        processes.kill([theirs.pid])
        wait_server(cell, "h2", reign, SOON[lock])
        cell.settled()
        cell.never_two()


@METHODS
def test_ours_is_respected_and_replaced(lock: str) -> None:
    """Theirs waits while ours serves, longer than its check time, and has its turn when ours is stopped."""
    with torque_cell("h1", "h2", **RELEASES[lock]) as cell:
        (ours,) = cell.serve("h1", lock=lock, env=skewed(cell.lab, -3600))
        reign = cell.settled()
        theirs = cell.start_rival("h2", "--ha")
        cell.steady(PATIENCE[lock])
        assert theirs.poll() is None
        assert ours.verb("stop", "torque").returncode == 0
        wait_server(cell, "h2", reign, SOON[lock])
        cell.steady(1)
        cell.never_two()


@METHODS
def test_ours_and_theirs_race_for_the_turn_of_a_dead_server(lock: str) -> None:
    """Two of ours and one of theirs; whoever is first has it, and the others go on waiting."""
    with torque_cell(**RELEASES[lock]) as cell:
        cell.serve("h1", "h2", lock=lock)
        reign = cell.settled()
        cell.start_rival("h3", "--ha")
        time.sleep(1.5)
        for _ in range(2):
            processes.kill([reign.pid])
            reign = cell.wait_server(after=reign)
            cell.steady(1)
            cell.start_rival("h3", "--ha")
        cell.never_two()


@METHODS
def test_a_frozen_server_of_ours_is_replaced_beside_a_standby_of_theirs(lock: str) -> None:
    """Its guard kills it, so the lock is free, or its date grows old; whoever is first has the turn."""
    with torque_cell(**RELEASES[lock]) as cell:
        cell.serve("h1", "h2", lock=lock)
        reign = cell.settled()
        cell.start_rival("h3", "--ha")
        time.sleep(1.5)
        os.kill(reign.pid, signal.SIGSTOP)
        cell.wait_server(after=reign)
        assert not processes.alive(reign.pid)
        cell.steady(2)
        cell.never_two()


def test_a_frozen_host_of_ours_is_waited_for_beside_a_standby_of_theirs() -> None:
    """It has the lock file open, and would have the frozen server's lock if a new file took the name."""
    with torque_cell(**RELEASES["fcntl"]) as cell:
        cell.serve("h1", lock="fcntl")
        reign = cell.settled()
        cell.serve("h2", lock="fcntl")
        cell.start_rival("h3", "--ha")
        cell.wait(lambda: cell.pids("h3"), "theirs waits")
        time.sleep(1)
        for pid in cell.lab["h1"].pids():
            os.kill(pid, signal.SIGSTOP)
        time.sleep(6)
        assert cell.reigns() == [reign]
        cell.lab["h1"].stop()
        cell.wait_server(("h2", "h3"), after=reign)
        cell.steady(3)
        cell.never_two()


def test_a_server_of_theirs_that_is_started_by_hand_quits() -> None:
    """Without --ha: ours holds the lock, and goes on."""
    with torque_cell("h1", "h2", **RELEASES["fcntl"]) as cell:
        cell.serve("h1")
        cell.settled()
        alone = cell.start_rival("h2")
        assert alone.wait(20) == 1
        assert "another server running" in (cell.lab.dir / "torque-h2.rival").read_text()
        cell.steady(1)


def test_ours_waits_for_a_frozen_server_of_theirs_as_long_as_it_holds_the_lock() -> None:
    """Nobody of ours may kill it, and it may go on at any moment; the alternative is two servers."""
    with torque_cell("h1", "h2", **RELEASES["fcntl"]) as cell:
        theirs = cell.start_rival("h1", "--ha")
        reign = cell.wait_server("h1")
        cell.serve("h2", lock="fcntl")
        os.kill(theirs.pid, signal.SIGSTOP)
        time.sleep(4)
        assert cell.reigns() == [reign]
        os.kill(theirs.pid, signal.SIGCONT)
        cell.steady(1)
        processes.kill([theirs.pid])
        wait_server(cell, "h2", reign, SOON["fcntl"])
        cell.never_two()


def test_ours_gives_way_to_a_server_of_theirs_that_stole_the_lock() -> None:
    """Theirs believes a clock that is wrong and is not to be kept out; two that go on would be worse."""
    with torque_cell("h1", "h2", **RELEASES["lease"]) as cell:
        (ours,) = cell.serve("h1", lock="lease")
        reign = cell.settled()
        cell.start_rival("h2", "--ha", env=skewed(cell.lab, 3600))
        cell.wait_server("h2", after=reign)
        cell.wait(lambda: not processes.alive(reign.pid), "ours ends")
        cell.wait_server("h2")
        cell.steady(5)
        assert cell.pids("h1") == [], cell.story()
        assert ours.said("master.superseded", reason="foreign_server")


def test_with_fcntl_a_later_servers_ha_is_respected_all_the_same() -> None:
    """It locks nothing after 2.3, yet its date moves: nobody bids, and somebody is told."""
    with torque_cell("h1", "h2", **RELEASES["lease"]) as cell:
        theirs = cell.start_rival("h1", "--ha")
        cell.wait_server("h1")
        (ours,) = cell.serve("h2", lock="fcntl")
        cell.wait(
            lambda: ours.said("shadow.ineligible", reason="server_unlocked"), "it says why it does not bid"
        )
        cell.steady(4)
        assert cell.claims() == 0
        assert theirs.poll() is None
        checked = ours.verb("check")
        assert "lock is fcntl" in checked.stdout, checked.stdout
        assert checked.returncode == 2


def test_with_fcntl_a_later_server_of_ours_is_told_and_nobody_bids() -> None:
    """Without --ha it drops what it inherits, so that nobody holds the lock that others must find held."""
    with torque_cell("h1", "h2", **RELEASES["lease"]) as cell:
        (guard,) = cell.serve("h1", lock="fcntl")
        reign = cell.settled()
        (standby,) = cell.serve("h2", lock="fcntl")
        cell.wait(lambda: guard.said("server.unlocked", reason="server_unlocked"), "the alarm")
        cell.wait(lambda: standby.said("shadow.ineligible", reason="server_unlocked"), "the standby knows")
        processes.kill([reign.pid])
        time.sleep(4)
        assert cell.reigns() == [reign]
        assert cell.claims() == 1
