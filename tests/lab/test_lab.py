"""The lab itself: what the other tests with real daemons take for granted."""

import time

import pytest

from tests.lab.gridengine import Cell
from tests.lab.host import command
from tests.lab.hosts import NETNS, Lab, clear_stale
from tests.lab.masters import Masters
from tests.lab.processes import alive, wait_for

pytestmark = pytest.mark.real


def test_hosts_know_and_reach_each_other_by_name(lab: Lab) -> None:
    """Each host has its own name and finds the others through the files alone."""
    assert [host.run(["hostname"]).stdout.strip() for host in lab] == [host.fqdn for host in lab]
    server = "import socket; s = socket.create_server(('', 5)); s.accept()"
    client = "import socket, sys; socket.create_connection((sys.argv[1], 5), 2)"
    lab["b"].popen(["python3", "-c", server])

    def reached() -> bool:
        return lab["a"].run(["python3", "-c", client, lab["b"].fqdn]).returncode == 0

    wait_for(reached, 20, "a reaches b")


def test_cable(lab: Lab) -> None:
    """A host whose cable is out hears nothing, not even a refusal, until it is back in."""
    client = "import socket, sys; socket.create_connection((sys.argv[1], 5), 0.5)"

    def answer() -> str:
        return lab["a"].run(["python3", "-c", client, lab["b"].address]).stderr

    wait_for(lambda: "refused" in answer(), 10, "b refuses")
    lab["b"].cable(plugged=False)
    assert "refused" not in answer()
    lab["b"].cable(plugged=True)
    wait_for(lambda: "refused" in answer(), 10, "b refuses again")


def test_two_labs_side_by_side(lab: Lab) -> None:
    """Labs have nothing in common: no process, name, address or cable of one is seen in the other."""
    with Lab() as other:
        mine, theirs = lab["a"].popen(["sleep", "99"]), other["a"].popen(["sleep", "99"])
        wait_for(lambda: lab["a"].pids("sleep") and other["a"].pids("sleep"), 5, "both sleep")
        assert lab["a"].pids("sleep") == [mine.pid]
        assert other["a"].pids("sleep") == [theirs.pid]
        assert lab["a"].fqdn != other["a"].fqdn
        assert lab.net != other.net
        other.stop()
        assert alive(mine.pid)
    assert not list(NETNS.glob(f"{other.prefix}*"))
    assert lab["a"].pids("sleep") == [mine.pid]


def test_reboot(lab: Lab) -> None:
    """A reboot ends what ran, empties /run and changes the boot id but not the machine id."""
    host = lab["b"]
    files = ["/proc/sys/kernel/random/boot_id", "/etc/machine-id"]
    boot, machine = (host.run(["cat", name]).stdout for name in files)
    host.run(["touch", "/run/left"])
    child = host.popen(["sleep", "99"])
    host.reboot()
    assert not alive(child.pid)
    assert not host.path("/run/left").exists()
    assert host.run(["cat", files[0]]).stdout != boot
    assert host.run(["cat", files[1]]).stdout == machine
    assert lab["a"].run(["cat", files[1]]).stdout != machine


def test_what_a_crashed_run_left_is_cleared(lab: Lab) -> None:
    """Namespaces whose owner is gone are removed, those of living owners are not."""
    dead = NETNS / "shadowd-lab-1-1-0-a"
    command("ip", "netns", "add", dead.name)
    clear_stale()
    assert not dead.exists()
    assert len(list(NETNS.glob(f"{lab.prefix}*"))) == 4


def test_recorder_counts_the_living_only(lab: Lab) -> None:
    """Two processes at once are two, one after the other is one, a brief one is none."""
    with Masters(lab, comm="sleep") as masters:
        lab["a"].run(["sleep", "0.05"])
        first = lab["a"].popen(["sleep", "99"])
        time.sleep(0.4)
        first.kill()
        first.wait()
        second = lab["b"].popen(["sleep", "99"])
        time.sleep(0.4)
        assert masters.maximum == 1, str(masters)
        masters.never_two()
        third = lab["c"].popen(["sleep", "99"])
        time.sleep(0.4)
        second.kill()
        third.kill()
    assert masters.maximum == 2
    assert 0.2 < masters.overlap < 5
    with pytest.raises(AssertionError, match="at most 2 at once"):
        masters.never_two()


def test_qmaster_starts_and_answers(cell: Cell) -> None:
    """The real master answers on every host, beats, and leaves a lock at a regular shutdown."""
    pid = cell.start_qmaster("a")
    assert [(host, found) for host, found, _ in cell.qmasters()] == [("a", pid)]
    assert cell.qstat_ok("c")
    assert cell.active() == "a"
    assert cell.beat() == 2
    assert not cell.lock.exists()
    cell.qconf_km("b")
    assert cell.lock.exists()


def test_cell_is_fresh(cell: Cell) -> None:
    """Swapped programs, locks, beats and processes of an earlier test are gone."""
    cell.swap("sge_qmaster", "#!/bin/sh\nexit 1\n")
    cell.lock.touch()
    cell.start_real_shadowd("b", 1, 2, 3)
    cell.restore()
    assert not cell.lock.exists()
    assert not cell.lab["b"].pids()
    assert cell.start_qmaster("c")


def test_real_shadowd_takes_over(cell: Cell) -> None:
    """The ancestor with 1/2/3 s replaces a killed master by one on its own host, never two: the baseline."""
    with cell.masters() as masters:
        cell.start_qmaster("a")
        cell.start_real_shadowd("b", 1, 2, 3)
        wait_for(lambda: (cell.beat() or 0) >= 2, 10, "the master beats")
        cell.kill_qmaster("a")
        wait_for(lambda: cell.active() == "b" and cell.qstat_ok("b"), 60, f"b takes over\n{cell.report()}")
    assert [host for host, _, _ in cell.qmasters()] == ["b"]
    masters.never_two()
