"""The pieces of the benchmark work; what they measure is not judged here."""

import math
import os
import signal
import time

import pytest

from tests.bench import failover, locating, meter, papercells, strangers, table
from tests.bench.daemons import start_ours, start_theirs
from tests.bench.table import Row
from tests.lab import processes
from tests.lab.gridengine import Cell
from tests.lab.hosts import Lab
from tests.lab.processes import wait_for


def test_a_row_says_whether_its_target_is_met_and_by_how_much_not() -> None:
    """Ratio and verdict are computed from the two figures, and a missing figure is a dash."""
    text = table.markdown([Row("a", 2.0, 0.5, "ms", 1.5), Row("b", 1.0, None, "MB", 40)])
    assert "4 x" in text
    assert "1.50 ms: **0.50 ms over**" in text
    assert "    1 MB |" in text
    assert "40 MB: met" in text
    assert len({len(line) for line in text.splitlines()}) == 1


@pytest.mark.real
def test_what_others_run_can_be_measured() -> None:
    """The ratios are numbers, and the ones with a target have it."""
    rows = strangers.measure(20, 1, lambda _: None)
    assert len(rows) == 4
    assert all(row.ours is not None and math.isfinite(row.ours) for row in rows)


@pytest.mark.real
def test_both_daemons_can_be_measured_side_by_side() -> None:
    """A check of either costs some CPU, memory and system calls, and their ratio is a number."""
    with Lab(("a", "b")) as lab:
        one, two = papercells.make(lab.dir / "cells", 2, [host.fqdn for host in lab], guarded=True)
        ours = start_ours(lab["a"], lab.dir / "ours", [one], "check_interval = 1").pid
        (theirs,) = start_theirs(lab["b"], [two], 1)
        before = meter.cpu(ours), meter.cpu(theirs)
        with (
            meter.Trace(ours, lab.dir / "ours.trace") as mine,
            meter.Trace(theirs, lab.dir / "trace") as other,
        ):
            time.sleep(2.5)
        assert mine.calls.checks >= 1
        assert other.calls.checks >= 1
        row = Row("CPU", meter.cpu(ours) - before[0], meter.cpu(theirs) - before[1], "s")
        assert row.ratio is not None
        assert math.isfinite(row.ratio)
        assert meter.memory(ours).pss > meter.memory(theirs).pss > 0
        os.kill(ours, signal.SIGTERM)
        wait_for(lambda: not processes.alive(ours), 10, "ours ends")


@pytest.mark.real
def test_a_failover_can_be_measured(cell: Cell) -> None:
    """The new master is seen, and the deadline that the daemon published is known."""
    run = failover.ours(cell, 0.0, "after_failed_bid")
    assert run.past_beat > failover.STALE
    assert run.past_deadline is not None


@pytest.mark.real
def test_locate_can_be_measured() -> None:
    """It finds the second server behind a first one that is frozen, or gone, without waiting for it."""
    well, _, frozen, cut = locating.measure(3, lambda _: None)
    assert well.ours
    assert frozen.met
    assert cut.met
