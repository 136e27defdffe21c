"""Whole daemons beside a local user without rights, who carries in his environment what the claims say."""

import json
import os

import pytest

from tests.daemon.toys import LONG, Toys, patiently
from tests.lab import processes
from tests.lab.outsiders import LARGE, crowd

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(180),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root starts processes of other users"),
]


def forged(toys: Toys, epoch: int) -> dict[str, str]:
    """Return what a master of the epoch carries, as far as everybody may read it."""
    claim = json.loads((toys.claims / f"{epoch:010}.json").read_text())
    return {
        "SHADOWD_CELL": toys.cell.name,
        "SHADOWD_EPOCH": str(epoch),
        "SHADOWD_NONCE": claim["nonce"],
        "SHADOWD_ROLE": "master",
    }


def wait_later(toys: Toys) -> None:
    """Wait for a master of a later epoch than the first; its first start may have met the killing, too."""
    later = lambda: not {epoch for epoch, _ in toys.reigns()} <= {"0", "1"}  # noqa: E731 - for width
    patiently(later, LONG, "a master of a later epoch beats", toys.story)


def test_forged_marks_keep_no_dead_master_alive(toys: Toys) -> None:
    """The guard sees its master end, says so, and there is a new one; none of the others is touched."""
    toys.start_master()
    toys.serve("beta")
    toys.kill_pair("alpha")
    assert toys.wait_master(("beta",)) == "beta"
    guard = toys.daemons["beta"]
    guard.wait_state("active")
    with crowd(30, LARGE | forged(toys, 1)) as pids:
        toys.kill_pair("beta")
        wait_later(toys)
        assert (toys.claims.parent / "notices" / "0000000001.died.json").exists()
        assert all(processes.alive(pid) for pid in pids)
    toys.never_two()


def test_a_daemon_that_starts_anew_attaches_to_its_own_master_only(toys: Toys) -> None:
    """It knows its master by the secret; with the master dead, forged marks are no reason to wait."""
    toys.start_master()
    toys.serve("beta")
    toys.kill_pair("alpha")
    assert toys.wait_master(("beta",)) == "beta"
    toys.daemons["beta"].wait_state("active")
    with crowd(3, forged(toys, 1)) as pids:
        toys.daemons["beta"].kill()
        (master,) = toys.pids("beta", "master")
        again = toys.start("beta")
        again.wait_state("active")
        assert toys.pids("beta", "master") == [master], "it was left alone"
        again.kill()
        toys.kill_pair("beta")
        toys.start("beta")
        wait_later(toys)
        assert all(processes.alive(pid) for pid in pids)
    toys.never_two()
