"""Masters that need longer than their lease to become ready: a launch is bounded by its own time."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.generics import SINGLETON, Generic
from tests.daemon.toys import LONG, patiently
from tests.lab import processes

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

READY_AFTER = 5
"""Seconds; twice the lease."""
TIMERS: dict[str, float | str] = {"lease": 2.4, "launch_timeout": 30, "window": 34.0}
"""As the defaults of a generic cell stand to each other: the launch may take longer than the lease."""


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Generic]:
    """Give a cell whose master is well a while after its start, and not before."""
    cell = Generic(tmp_path / "cell", keys=dict(TIMERS)).create()
    home = f"{cell.root}/{{host}}"
    begun = f"{home}/begun"
    cell.command = lambda host: (
        "/bin/sh",
        "-c",
        f"date +%s > {begun}; exec python3 {SINGLETON} {cell.journal} {host} {home}/".format(host=host),
    )
    well = f"test $(($(date +%s) - $(cat {begun}))) -gt {READY_AFTER}"
    cell.more = f'[cell.health]\ncommand = ["/bin/sh", "-c", "{well}"]\ninterval = 0.2\ntimeout = 2\n'
    yield cell
    cell.close()


def launching(cell: Generic, host: str) -> int:
    """Wait until a host's master runs and is not confirmed yet; return it."""
    patiently(lambda: cell.masters(host) != [], LONG, f"a launch on {host}", cell.story)
    assert cell.daemons[host].record().get("state") == "launching"
    return cell.masters(host)[0]


def test_a_master_that_needs_longer_than_its_lease_starts_and_lives(slow: Generic) -> None:
    """The first start, and a takeover: each at the first attempt."""
    slow.begin()
    assert slow.reigns() == [("1", "alpha")]
    processes.kill(slow.all_of("alpha"))
    slow.wait_master("beta")
    assert slow.reigns() == [("1", "alpha"), ("2", "beta")]
    slow.never_two()


def test_a_daemon_that_is_killed_while_it_launches_goes_on_when_it_comes_back(slow: Generic) -> None:
    """The launch is resumed: no second start, no second claim."""
    slow.serve()
    slow.daemons["alpha"].verb("start", "single", "--timeout", "1")
    master = launching(slow, "alpha")
    slow.daemons["alpha"].kill()
    slow.serve_again("alpha")
    slow.wait_master("alpha")
    assert slow.masters("alpha") == [master]
    assert slow.reigns() == [("1", "alpha")]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_daemon_that_is_lost_while_it_launches(slow: Generic, end: signal.Signals) -> None:
    """Its enforcer ends the master at the bound of the launch; the other host waits for that."""
    slow.keys |= {"launch_timeout": 8, "window": 11.0}
    slow.serve()
    slow.daemons["alpha"].verb("start", "single", "--timeout", "1")
    master = launching(slow, "alpha")
    os.kill(slow.daemons["alpha"].pid, end)
    slow.wait_master("beta")
    assert not processes.alive(master)
    slow.never_two()
    assert slow.daemons["alpha"].told("master.lease_over", level="critical")
