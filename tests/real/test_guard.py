"""A guarded master that freezes, ten times alone, ten with its guard, and some with one half of its guard.

Alone it is gone before another starts, together at once after the thaw; and no job of a real ``sge_execd``
is run or accounted twice meanwhile.

The ancestor had two masters for 236 s or for ever (GRIDENGINE.md). The masters are real; their heartbeat is
quickened (``lab.pulse``), so that a lease of seconds is one that a healthy master survives.
"""

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.lab import processes
from tests.lab.jobs import Work
from tests.lab.lanes import QUICK, Lane, lanes, together
from tests.lab.masters import Masters
from tests.lab.processes import alive, wait_for
from tests.lab.pulse import Pulse

pytestmark = [pytest.mark.real, pytest.mark.timeout(500)]

PLAN = ("B", "ABABAB", "ABABA", "ABACBA", "ABACB")
"""What each lane does: A freezes the master, B its host whole, C the master and a second later its daemon.

Lane 0 has the jobs: ``sge_execd`` looks only every 30 s whether act_qmaster names another host.
"""
WORKER = "w0"
"""The host of lane 0 that runs jobs."""
THAWED = 2.0
"""Seconds that an old master may live after the thaw of its guard."""


def number(lane: Lane) -> int:
    """Return which lane it is."""
    return int(lane.cell.name.removeprefix("lane"))


def freeze_master(lane: Lane, masters: Masters, turn: int, *, daemon_too: bool) -> None:
    """Stop the master; its guard, of which one half is awake, kills it before any new one starts."""
    host = lane.confirmed()[-1][0]
    old, daemon = lane.master(host), lane.daemons[host].process
    assert daemon is not None
    os.kill(old, signal.SIGSTOP)
    if daemon_too:
        time.sleep(1)
        os.kill(daemon.pid, signal.SIGSTOP)
    new = lane.master(lane.wait_confirmed(turn + 1))
    assert not alive(old), lane.story()  # what a frozen parent has not buried yet is dead all the same
    os.kill(daemon.pid, signal.SIGCONT)
    assert masters.life(old).last <= masters.life(new).first, f"{masters}\n{lane.story()}"
    lane.daemons[host].wait_said("master.lease_over", 20)


def freeze_host(lane: Lane, turn: int, meanwhile: Callable[[], None]) -> float:
    """Stop the host whole, let the other one take over, thaw; return how long the old master lived then.

    The guard is two processes, the daemon and its enforcer.

    The cable is out meanwhile, because a host that is frozen whole does not even acknowledge a connection.
    (Where it does, the new master asks it for 60 s before it goes on.)
    """
    host = lane.confirmed()[-1][0]
    daemon = lane.daemons[host].process
    assert daemon is not None
    old = lane.master(host)
    beside = f"shadowd.app.enforcer {daemon.pid} "
    guard = [daemon.pid, *(pid for pid in lane.cell.lab[host].pids() if beside in processes.arguments(pid))]
    assert len(guard) == 2, lane.story()
    for pid in (*guard, old):
        os.kill(pid, signal.SIGSTOP)
    lane.cell.lab[host].cable(plugged=False)
    for name in lane.names:  # an address that is still remembered is tried for up to a minute more
        lane.cell.lab[name].run(["ip", "neigh", "flush", "all"])
    other = lane.wait_confirmed(turn + 1)
    assert other != host
    meanwhile()
    assert alive(old)
    lane.cell.lab[host].cable(plugged=True)
    for pid in (old, *guard):
        os.kill(pid, signal.SIGCONT)
    thawed = time.monotonic()
    wait_for(lambda: not alive(old), 30, "the old master is gone after the thaw", every=0.005)
    lived = time.monotonic() - thawed
    assert [found[0] for found in lane.cell.qmasters()] == [other], lane.story()
    return lived


class Jobs:
    """The jobs of one lane, submitted before, during and after a freeze; none in the other lanes."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._work = Work(lane.cell, WORKER) if number(lane) == 0 else None
        self._submitted = 0

    def begin(self) -> None:
        """Start the execution daemon; there is a master."""
        if self._work is not None:
            self._work.start(self._lane.confirmed()[-1][0])

    def more(self, seconds: float) -> None:
        """Submit three more jobs that take so long."""
        if self._work is not None:
            self._lane.wait(lambda: self._lane.cell.qstat_ok(WORKER), 60, "the master serves the worker")
            self._work.submit(range(self._submitted, self._submitted + 3), seconds)
            self._submitted += 3

    def all_once(self) -> None:
        """Wait until every job ran and was accounted, and see that each was so once."""
        if self._work is not None:
            self._work.wait_done(range(self._submitted), 150)


def test_a_frozen_master_is_gone_before_or_at_once_after_the_thaw() -> None:
    """Ten masters frozen alone, ten frozen together with their guard; each job runs and counts once."""
    lived: list[float] = []

    def scenario(lane: Lane) -> None:
        jobs = Jobs(lane)
        with Pulse(lane.cell):
            lane.serve(**QUICK)
            lane.wait_confirmed(1)
            jobs.begin()
            for turn, what in enumerate(PLAN[number(lane)], start=1):
                if what in "AC":
                    freeze_master(lane, masters, turn, daemon_too=what == "C")
                    continue
                jobs.more(10)
                lived.append(freeze_host(lane, turn, lambda: jobs.more(0)))
                jobs.more(0)
            jobs.all_once()

    with lanes(len(PLAN), others=[WORKER]) as all_lanes, Masters(all_lanes[0].cell.lab) as masters:
        together(*((scenario, lane) for lane in all_lanes))
    assert len(lived) == 10
    assert max(lived) < THAWED, lived
