"""What dies is started again where it was, and elsewhere when that was tried often enough."""

import json
import time
from typing import Any

import pytest

from tests.daemon.toys import FAST, LONG, Toys, patiently
from tests.lab import processes

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def master_on_beta(toys: Toys, **keys: float) -> int:
    """Bring about a master that beta's daemon started and guards; return its pid."""
    toys.start_master("alpha")
    toys.serve("beta", **keys)
    toys.kill_pair("alpha")
    toys.daemons["beta"].wait_told("master.confirmed", epoch=1)
    return one(toys, "beta", "master")


def one(toys: Toys, host: str, role: str) -> int:
    """Wait for the only toy of a host in this role; return its pid."""

    def found() -> int:
        pids = toys.pids(host, role)
        return pids[0] if len(pids) == 1 else 0

    return patiently(found, LONG, f"one {role} on {host}", toys.story)


def claims(toys: Toys) -> list[tuple[str, str]]:
    """Return host and reason of each claim, in their order."""
    records: list[dict[str, Any]] = [
        json.loads(path.read_bytes()) for path in sorted(toys.claims.glob("*.json"))
    ]
    return [(record["host"], record["reason"]) for record in records]


def test_a_scheduler_that_dies_alone_is_started_alone(toys: Toys) -> None:
    """Killed twice, it comes back each time, is said once each time, and the master never notices."""
    master = master_on_beta(toys)
    for turn in (1, 2):
        one(toys, "beta", "scheduler")
        time.sleep(5 * float(FAST["guard_interval"]))  # what was never seen to run has no end to be said
        scheduler = one(toys, "beta", "scheduler")
        processes.kill([scheduler])
        ended = lambda: toys.daemons["beta"].told("scheduler.ended")  # noqa: E731 - a name for a long line
        patiently(lambda: len(ended()) == turn, LONG, "the end is said", toys.story)  # noqa: B023
        assert one(toys, "beta", "scheduler") != scheduler, toys.story()
    assert one(toys, "beta", "master") == master
    assert claims(toys) == [("beta", "silence")]
    assert toys.reigns() == [("0", "alpha"), ("1", "beta")]


def test_the_second_death_here_is_the_other_hosts_turn(toys: Toys) -> None:
    """With ``restart_limit = 1`` a master is started once more on its host, and then on the other one."""
    patient = {"retry_after": 20.0, "retry_limit": 20.0}
    first = master_on_beta(toys, restart_limit=1, **patient)
    other = toys.start("gamma", restart_limit=1, **patient)
    patiently(lambda: other.record().get("beat") is not None, LONG, "gamma reads the beat", toys.story)
    processes.kill([first])
    toys.daemons["beta"].wait_told("master.confirmed", epoch=2)
    processes.kill([one(toys, "beta", "master")])
    toys.daemons["gamma"].wait_told("master.confirmed", epoch=3)
    assert toys.wait_master(("gamma",)) == "gamma"
    toys.never_two()
    assert claims(toys) == [("beta", "silence"), ("beta", "restart"), ("gamma", "death_notice")]
    notices = {path.name for path in (toys.cell.spool / "shadowd" / "notices").glob("*.died.json")}
    assert notices == {"0000000001.died.json", "0000000002.died.json"}, toys.story()
