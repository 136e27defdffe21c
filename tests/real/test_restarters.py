"""Two restarters on one host: this daemon, and a unit of the master's own with ``Restart=always``."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab import processes
from tests.lab.gridengine import Cell
from tests.lab.ours import Ours, shadows
from tests.lab.processes import wait_for

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

BINDS = 35.0
"""Seconds after which a master that could not bind its port has given up: it tries for thirty."""


@contextmanager
def restarting(cell: Cell, host: str) -> Iterator[None]:
    """Start a master whenever the host has none, at once, as a service manager does."""
    over = threading.Event()

    def loop() -> None:
        while not over.wait(0.01):
            if not cell.lab[host].pids("sge_qmaster"):
                cell.start_qmaster(host, answering=False)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def outcomes(cell: Cell, kind: str) -> list[int]:
    """Return the epochs that were closed like this."""
    return sorted(
        int(path.name[:10]) for path in (cell.spool / "shadowd/notices").glob(f"[0-9]*.{kind}.json")
    )


def ends(ours: Ours) -> int:
    """Return how often the daemon said that its master ended."""
    return sum(line.get("event") == "master.ended" for line in ours.events())


def guarded(cell: Cell, ours: Ours) -> bool:
    """Tell whether there is one master on the host, and the daemon guards it."""
    return len(cell.qmasters()) == 1 and ours.record().get("state") == "active"


def again(cell: Cell, ours: Ours, turn: int) -> None:
    """Kill the master, and wait until its death is told and another one is guarded."""
    killed = cell.lab["a"].signal("sge_qmaster")
    assert killed
    wait_for(lambda: not any(map(processes.alive, killed)), 10, "it is gone")
    wait_for(lambda: len(outcomes(cell, "died")) == turn, 60, f"its death is told\n{ours.story()}")
    wait_for(lambda: guarded(cell, ours), 90, f"one is guarded again\n{ours.story()}")


def test_a_master_that_somebody_else_restarted_is_adopted(cell: Cell) -> None:
    """Killed thrice: one master serves, guarded, and no epoch of ours is confirmed by another one's beat."""
    assert cell.start_qmaster("a") is not None
    with shadows(cell, "a", restart_limit=9) as (ours,), restarting(cell, "a"):
        wait_for(lambda: guarded(cell, ours), 60, f"the first is adopted\n{ours.story()}")
        for turn in range(1, 4):
            again(cell, ours, turn)
        died, ended = outcomes(cell, "died"), ends(ours)
        threading.Event().wait(BINDS)
        assert guarded(cell, ours), ours.story()
        assert outcomes(cell, "died") == died, f"a false death\n{ours.story()}"
        assert ends(ours) == ended, ours.story()
        assert cell.qstat_ok("a")
