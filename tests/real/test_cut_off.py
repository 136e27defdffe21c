"""A master whose host is cut off: from the network while it beats on, or from the shared directory.

Without the network it goes on beating and nobody may start a second one, at whatever timers; the ancestor
does at short ones. Without the directory it stops beating, and is killed by its lease before another starts.
"""

from pathlib import Path

import pytest

from tests.daemon.frozen import freezer
from tests.lab.fusefs import why_not
from tests.lab.hostmount import mounted_on
from tests.lab.lanes import QUICK, Lane, lanes, together
from tests.lab.masters import Masters
from tests.lab.ours import SHORT
from tests.lab.processes import alive
from tests.lab.pulse import Pulse

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
]


def without_network(lane: Lane) -> None:
    """Pull the master's cable at the timers 1/2/3: silence and an unreachable port, and no second master."""
    home, other = lane.names
    lane.serve(home, **SHORT)
    lane.wait_confirmed(1)
    pid, beat = lane.master(home), lane.cell.beat()
    lane.cell.lab[home].cable(plugged=False)
    lane.serve(other, **SHORT)
    shadow = lane.daemons[other]
    shadow.wait_said("heartbeat.stale", 20)
    lane.wait(lambda: lane.cell.beat() != beat, 60, "the master beats on")
    lane.wait(lambda: shadow.said("shadow.standby", reason="beat_moved"), 20, "the beat is seen")
    # And once more, for longer than 2 + 3 s after that beat.
    lane.wait(lambda: shadow.record().get("silence", 0) > 8, 30, "it is silent for longer than the timers")
    assert shadow.record()["state"] == "stale", lane.story()
    assert "takeover.claiming" not in shadow.names(), lane.story()
    assert lane.cell.qmasters() == [(home, pid, "S")], lane.story()
    lane.cell.lab[home].cable(plugged=True)
    lane.wait(lambda: lane.cell.qstat_ok(other), 30, "the master serves as before")


def without_files(lane: Lane, masters: Masters, place: Path) -> None:
    """Let the file system of the master's host hang: its lease ends it, and then another may start."""
    home, other = lane.names
    host = lane.cell.lab[home]
    with (
        Pulse(lane.cell) as pulse,
        mounted_on(host, lane.cell.dir, place) as mount,
        freezer(mount, place) as cold,
    ):
        lane.serve(home, **QUICK)
        lane.wait_confirmed(1)
        old = lane.master(home)
        lane.serve(other, **QUICK)
        pulse.hold()
        cold.freeze()
        lane.wait(lambda: not alive(old), 60, "the lease ends the master")
        lane.daemons[home].wait_said("master.lease_over", 20)
        assert lane.wait_confirmed(2) == other
        new = lane.master(other)
        assert masters.life(old).last <= masters.life(new).first, f"{masters}\n{lane.story()}"
        cold.thaw()
        outcome = lane.cell.spool / "shadowd" / "notices" / "0000000001.stepped_down.json"
        lane.wait(outcome.exists, 30, "the old host says how its master ended")
        assert lane.cell.qmasters() == [(other, new, "S")], lane.story()


def test_a_master_that_is_cut_off_has_no_rival(tmp_path: Path) -> None:
    """Neither a cut network at the timers 1/2/3 nor a hung file system ever makes two masters."""
    with lanes(2) as (first, second), Masters(first.cell.lab) as masters:
        together(
            (without_network, first),
            (lambda lane: without_files(lane, masters, tmp_path), second),
        )
