"""Failover of the real Grid Engine: exactly one new master, whoever dies and whoever races."""

import time

import pytest

from tests.lab.gridengine import Cell
from tests.lab.ours import Ours, one_master, shadows

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


def ready(cell: Cell, daemons: list[Ours]) -> None:
    """Wait until each daemon has read the heartbeat, so that its silence counts."""
    for daemon in daemons:
        daemon.wait_for_beat()
    assert cell.qmasters()


@pytest.mark.parametrize("turn", range(10))
def test_two_shadows_race_for_a_killed_master(cell: Cell, turn: int) -> None:
    """A master killed with -9: exactly one new sge_qmaster on one of two shadows, and qstat answers."""
    cell.start_qmaster("a")
    with shadows(cell, "b", "c") as daemons, cell.masters() as masters:
        ready(cell, daemons)
        cell.kill_qmaster("a")
        winner = one_master(cell, "bc")
        time.sleep(1)
    masters.never_two()
    assert [host for host, _, _ in cell.qmasters()] == [winner], f"turn {turn}\n{daemons[0].story()}"


@pytest.mark.parametrize("turn", range(5))
def test_one_of_ours_races_a_real_sge_shadowd(cell: Cell, turn: int) -> None:
    """One of our shadows and one real sge_shadowd on a cell: always exactly one master."""
    cell.start_qmaster("a")
    with shadows(cell, "b") as daemons, cell.masters() as masters:
        cell.start_real_shadowd("c", 1, 2, 3)
        ready(cell, daemons)
        cell.kill_qmaster("a")
        winner = one_master(cell, "bc", 60)
        time.sleep(5)
    masters.never_two()
    assert [host for host, _, _ in cell.qmasters()] == [winner], f"turn {turn}\n{daemons[0].story()}"


def test_regular_shutdown_is_never_overruled(cell: Cell) -> None:
    """Nobody takes over after ``qconf -km``, and status says why."""
    cell.start_qmaster("a")
    with shadows(cell, "b", "c") as daemons:
        ready(cell, daemons)
        cell.qconf_km("a")
        daemons[0].wait_refused("locked")
        time.sleep(12)
        assert cell.qmasters() == []
        status = daemons[0].verb("status")
        assert "regular shutdown" in status.stdout, status.stdout + status.stderr
        assert not any(daemon.said("takeover.claiming") for daemon in daemons)


def test_a_guarded_master_that_dies_is_replaced_without_the_timers(cell: Cell) -> None:
    """The guard's death notice makes the next takeover a matter of seconds, whatever the timers."""
    cell.start_qmaster("a")
    with shadows(cell, "b") as first:
        ready(cell, first)
        cell.kill_qmaster("a")
        one_master(cell, "b")
        first[0].wait_said("master.confirmed", 60)
        first[0].kill()
        with shadows(cell, "b", "c", stale_after=600, delay=600) as slow, cell.masters() as masters:
            slow[0].wait_said("master.attached", 20)
            cell.kill_qmaster("b")
            one_master(cell, "bc", 30)
        masters.never_two()
