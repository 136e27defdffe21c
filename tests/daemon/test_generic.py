"""Whole daemons on a generic cell: a program that knows nothing of heartbeats is a master like any other."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.generics import Generic
from tests.daemon.toys import LONG, patiently
from tests.lab import processes

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


@pytest.fixture
def single(tmp_path: Path) -> Iterator[Generic]:
    """Give a cell of alpha and beta, where nothing runs yet."""
    made = Generic(tmp_path / "cell").create()
    yield made
    made.close()


def outcome(cell: Generic, epoch: int) -> str:
    """Return how an epoch ended, as far as it did."""
    notices = cell.shared.glob(f"shadowd/notices/{epoch:010}.*.json")
    ends = {path.name.split(".")[1] for path in notices} - {"launching", "started"}
    return ",".join(sorted(ends))


def test_the_first_start_makes_what_the_cell_needs(single: Generic) -> None:
    """Nothing but a directory with a list of hosts; then heartbeat, name and claim, and no lock."""
    single.begin()
    assert single.named() == "alpha"
    assert not (single.shared / "lock").exists()
    before = (single.shared / "heartbeat").read_bytes()
    assert len(before) == 20
    patiently(lambda: (single.shared / "heartbeat").read_bytes() != before, LONG, "a beat", single.story)
    status = single.daemons["beta"].verb("status", "--json")
    (cell,) = json.loads(status.stdout)["cells"]
    assert cell["master"]["host"] == "alpha"
    assert single.daemons["beta"].verb("check").returncode in {0, 1}
    single.never_two()


def test_a_killed_master_is_started_again_on_its_own_host(single: Generic) -> None:
    """In a moment, as a claim of its own; the other host leaves it alone."""
    single.begin()
    processes.kill(single.masters("alpha"))
    patiently(lambda: ("2", "alpha") in single.reigns(), LONG, "the second master", single.story)
    single.wait_master("alpha")
    assert outcome(single, 1) == "died"
    assert single.masters("beta") == []
    single.never_two()


def test_a_host_that_dies_is_replaced(single: Generic) -> None:
    """Daemon and master are gone at once, and nobody can say so: the timers are waited for."""
    single.begin()
    processes.kill(single.all_of("alpha"))
    single.wait_master("beta")
    single.never_two()
    assert single.reigns()[-1] == ("2", "beta")


def test_a_master_that_is_not_well_is_replaced(single: Generic) -> None:
    """It runs and runs; its health command fails, so its beats end, then its lease, then it."""
    sick = single.root / "sick-alpha"
    single.more = (
        f'[cell.health]\ncommand = ["/usr/bin/test", "!", "-e", "{single.root}/sick-{{host}}"]\n'
        "interval = 0.2\ntimeout = 2\nthreshold = 3\n"
    )
    single.begin()
    sick.touch()
    single.wait_master("beta")
    single.never_two()
    alpha = single.daemons["alpha"]
    assert alpha.told("health.failed", level="critical")
    assert alpha.told("master.lease_over")
    assert outcome(single, 1) == "stepped_down"


def test_a_frozen_host_is_replaced_and_writes_nothing_when_it_thaws(single: Generic) -> None:
    """Guard and master stand still together. Thawed, the guard ends its master before anything else."""
    single.begin()
    daemon, *masters = single.freeze("alpha")
    single.wait_master("beta")
    os.kill(daemon, signal.SIGCONT)
    patiently(lambda: not any(map(processes.alive, masters)), LONG, "the old master ends", single.story)
    single.never_two()
    single.daemons["alpha"].wait_state("standby")
    assert single.named() == "beta"


def test_stop_and_start(single: Generic) -> None:
    """Stopped from the other host, in order; nobody takes over; started where a person asks for it."""
    single.begin()
    done = single.daemons["beta"].verb("stop", "single")
    assert done.returncode == 0, f"{done.stderr}\n{single.story()}"
    assert single.masters() == []
    assert (single.shared / "lock").read_bytes() == b""
    assert outcome(single, 1) == "stopped"
    single.daemons["beta"].wait_refused("locked")
    single.daemons["beta"].wait_refused("shut_down")
    again = single.daemons["alpha"].verb("stop", "single", "--json")
    assert json.loads(again.stdout) == {"format": 1, "cell": "single", "stopped": True}
    single.start("beta")
    assert single.masters("alpha") == []
    assert single.daemons["beta"].verb("start", "single").returncode == 0
    single.never_two()


def test_a_living_master_is_moved(single: Generic) -> None:
    """Ended in order where it runs, started where a person asks for it; no mark is left."""
    single.begin()
    moved = single.daemons["beta"].verb("migrate", "--yes")
    assert moved.returncode == 0, f"{moved.stderr}\n{single.story()}"
    single.wait_master("beta")
    assert single.masters("alpha") == []
    assert outcome(single, 1) == "stepped_down"
    assert not (single.shared / "lock").exists()
    single.never_two()


def test_two_restarts_too_many_and_the_other_host_has_it(single: Generic) -> None:
    """A program that ends again and again on one host is handed over."""
    single.keys = {"restart_limit": 1}
    single.begin()
    Path(f"{single.journal}.fail-alpha").touch()
    single.wait_master("beta")
    single.never_two()
    assert single.daemons["alpha"].told("master.restarting")


def test_a_restarted_daemon_goes_on_beating(single: Generic) -> None:
    """An upgrade: the master is recognised, its beats go on within the lease, and nobody takes over."""
    single.begin()
    single.daemons["alpha"].kill()
    single.serve_again("alpha")
    single.wait_master("alpha")
    before = (single.shared / "heartbeat").read_bytes()
    patiently(lambda: (single.shared / "heartbeat").read_bytes() != before, LONG, "a beat", single.story)
    assert single.reigns() == [("1", "alpha")]


def test_what_start_and_stop_refuse(single: Generic) -> None:
    """A list of hosts must be there, and a daemon to ask; a master on a dead host has not ended."""
    single.configure("alpha")
    single.serve("alpha")
    alpha = single.daemons["alpha"]
    (single.shared / "shadow_masters").unlink()
    refused = alpha.verb("start", "single")
    assert refused.returncode == 66
    assert "shadow_masters: there is no such file" in refused.stderr
    (single.shared / "shadow_masters").write_text("alpha beta\n")
    single.start("alpha")
    processes.kill(single.all_of("alpha"))
    late = alpha.verb("stop", "single", "--timeout", "1")
    assert late.returncode == 1
    assert "alpha has not said that the master ended" in late.stderr
    assert alpha.verb("start", "single").returncode == 69


def test_a_daemon_that_dies_for_good_takes_its_master_with_it(single: Generic) -> None:
    """Nobody beats for it any more, so the others will start one: it is gone before they do."""
    single.begin()
    (master,) = single.masters("alpha")
    single.daemons["alpha"].kill()
    assert processes.alive(master)
    single.wait_master("beta")
    assert not processes.alive(master)
    single.never_two()
    assert single.daemons["alpha"].told("master.lease_over", level="critical")
    patiently(lambda: not single.enforcers("alpha"), LONG, "the enforcer ends", single.story)


def test_a_daemon_that_stands_still_loses_its_master(single: Generic) -> None:
    """It cannot stop it; its enforcer does, and the daemon finds that out when it goes on."""
    single.begin()
    (master,) = single.masters("alpha")
    alpha = single.daemons["alpha"]
    os.kill(alpha.pid, signal.SIGSTOP)
    single.wait_master("beta")
    assert not processes.alive(master)
    os.kill(alpha.pid, signal.SIGCONT)
    alpha.wait_state("standby")
    single.never_two()


def test_there_is_one_enforcer(single: Generic) -> None:
    """A new daemon brings its own, and the old one goes."""
    single.begin()
    patiently(lambda: len(single.enforcers("alpha")) == 1, LONG, "an enforcer", single.story)
    (first,) = single.enforcers("alpha")
    single.daemons["alpha"].kill()
    single.serve_again("alpha")
    single.wait_master("alpha")
    patiently(lambda: first not in single.enforcers("alpha"), LONG, "the old enforcer goes", single.story)
    assert len(single.enforcers("alpha")) == 1
    assert single.reigns() == [("1", "alpha")]
