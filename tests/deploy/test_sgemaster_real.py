"""The startup script on a real cell: orderly ends, and never two masters while one moves."""

import os
import signal
import subprocess
from collections.abc import Callable

import pytest

from tests.deploy.toy_cell import SCRIPT
from tests.lab.gridengine import Cell
from tests.lab.processes import wait_for

pytestmark = pytest.mark.real

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def call(cell: Cell) -> Call:
    """Return a call of the script on a host; without settings of the machine that runs the tests."""

    def run(host: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        settings = {"SHADOWD_DEFAULTS": "/nowhere", "SHADOWD_COMMAND": str(cell.bin / "sge_shadowd")}
        return cell.run(host, SCRIPT, *words, env=settings | environment, timeout=110)

    return run


def test_start_and_stop(cell: Cell, call: Call) -> None:
    """Start returns when the master answers, stop when its process is gone and the shutdown marked."""
    done = call("a", "start", "-qmaster")
    assert done.returncode == 0, done.stderr
    assert cell.qstat_ok("a")
    assert call("a", "status", "-qmaster").returncode == 0
    done = call("a", "stop", "-qmaster")
    assert done.returncode == 0, done.stderr
    assert cell.qmasters() == []
    assert cell.lock.read_bytes() == b""
    assert cell.lock.owner() == cell.heartbeat.owner()
    assert call("a", "status", "-qmaster").returncode == 3


def test_a_hung_master_is_not_killed(cell: Cell, call: Call) -> None:
    """A master that cannot end in time lives on and is marked; it ends by itself when it can."""
    call("a", "start", "-qmaster")
    ((_, pid, _),) = cell.qmasters()
    os.kill(pid, signal.SIGSTOP)
    try:
        done = call("a", "stop", "-qmaster", SHADOWD_STOP_TIMEOUT="1")
        assert done.returncode == 1
        assert "was not killed" in done.stderr
        assert [master[1] for master in cell.qmasters()] == [pid]
        assert cell.lock.exists()
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: not cell.qmasters(), 60, "the thawed master ends")


def test_migrate_never_runs_two(cell: Cell, call: Call) -> None:
    """The new master starts only after the old one's process is gone, though its lock came before."""
    call("a", "start", "-qmaster")
    with cell.masters() as masters:
        done = call("b", "-migrate")
    assert done.returncode == 0, done.stderr
    assert [master[0] for master in cell.qmasters()] == ["b"]
    assert cell.active() == "b"
    assert cell.qstat_ok("c")
    masters.never_two()


def test_migrate_needs_an_admin_host(cell: Cell, call: Call) -> None:
    """A host without the right is refused, and the master goes on."""
    call("a", "start", "-qmaster")
    cell.run("a", "qconf", "-dh", cell.lab["c"].fqdn, check=True)
    done = call("c", "-migrate")
    assert done.returncode == 1
    assert "denied" in done.stderr
    assert [master[0] for master in cell.qmasters()] == ["a"]


def test_migrate_from_a_crashed_master_is_refused(cell: Cell, call: Call) -> None:
    """A master that left no lock may be alive elsewhere: that is a takeover, not a migration."""
    call("a", "start", "-qmaster")
    cell.kill_qmaster("a")
    done = call("b", "-migrate", SHADOWD_MIGRATE_TIMEOUT="2")
    assert done.returncode == 1
    assert "may have crashed" in done.stderr
    assert cell.qmasters() == []
