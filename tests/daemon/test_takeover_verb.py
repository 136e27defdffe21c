"""``shadowd takeover`` on a whole cell: the timers are skipped, and nothing else is."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from shadowd.sim.toycell import environment
from tests.daemon.toys import LONG, SLOW, Toys, patiently, verb

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def ask(toys: Toys, host: str = "beta", *more: str) -> "subprocess.CompletedProcess[str]":
    """Ask a host's daemon to take over."""
    return toys.daemons[host].verb("takeover", "--yes", "--timeout", "30", *more)


def dead_cell(toys: Toys, *hosts: str) -> None:
    """Bring about a cell whose master died a moment ago, and daemons whose timers are years."""
    toys.start_master()
    for host in hosts or ("beta",):
        toys.serve(host, **SLOW)
    toys.kill_pair("alpha")


def settle(toys: Toys) -> None:
    """Wait until the last beat is no fresh one any more."""
    before = min(1.5, toys.daemons["beta"].record()["silence"])
    longer = lambda: toys.daemons["beta"].record()["silence"] > max(1.0, before)  # noqa: E731 - for width
    patiently(longer, LONG, "some silence", toys.story)


def test_it_takes_over_without_the_timers(toys: Toys) -> None:
    """Status 0, each step told, one master, and the claim says who asked."""
    dead_cell(toys)
    settle(toys)
    done = ask(toys)
    assert done.returncode == 0, done.stdout + done.stderr + toys.story()
    assert "launching" in done.stdout
    assert toys.wait_master(("beta",)) == "beta"
    claim = json.loads((toys.claims / "0000000001.json").read_text())
    assert claim["reason"] == "takeover"
    assert toys.daemons["beta"].told("takeover.asked")
    toys.never_two()
    again = ask(toys)
    assert again.returncode == 0
    assert "already" in again.stdout


def test_a_beating_master_refuses_it(toys: Toys) -> None:
    """A master that beats is not replaced, whoever asks."""
    toys.start_master()
    toys.serve("beta", **SLOW)
    done = ask(toys)
    assert done.returncode == 1, done.stdout
    assert "heartbeat moved" in done.stderr, done.stderr
    assert toys.reigns() == [("0", "alpha")]


def test_an_answering_master_refuses_it(toys: Toys) -> None:
    """A master that does not beat and yet answers is not replaced either."""
    (toys.cell.spool / "heartbeat").write_text("00041\n")
    mute = [*toys.cell.master("alpha"), "--fail", "never-beat"]
    marked = environment() | {"SHADOWD_NONCE": "by-hand"}
    subprocess.run(mute, check=True, env=marked, timeout=LONG)
    toys.serve("beta", **SLOW)
    settle(toys)
    done = ask(toys)
    assert done.returncode == 1, done.stdout
    assert "answers" in done.stderr, done.stderr
    assert not toys.claims.exists() or list(toys.claims.iterdir()) == []


def test_a_lock_refuses_it(toys: Toys) -> None:
    """A regular shutdown is not overruled by a command; once the lock is gone it works."""
    dead_cell(toys)
    settle(toys)
    lock = toys.cell.spool / "lock"
    lock.touch()
    done = ask(toys)
    assert done.returncode == 1
    assert "lock" in done.stderr, done.stderr
    assert list(toys.claims.parent.glob("claims/*")) == []
    lock.unlink()
    assert ask(toys).returncode == 0, toys.story()


def test_a_pause_refuses_it_and_names_who_paused(toys: Toys) -> None:
    """Maintenance is respected."""
    dead_cell(toys)
    settle(toys)
    pause = toys.cell.spool / "shadowd" / "pause.json"
    pause.write_text(json.dumps({"who": "ada", "why": "new switch", "until": None}))
    done = ask(toys)
    assert done.returncode == 1
    assert "ada" in done.stderr, done.stderr
    pause.unlink()
    patiently(lambda: toys.daemons["beta"].record()["pause"] is None, LONG, "no pause", toys.story)
    settle(toys)  # the end of a pause counts as a beat
    assert ask(toys).returncode == 0, toys.story()


def test_a_running_lease_refuses_it(toys: Toys) -> None:
    """The old master's guard may be cut off and not dead: the lease is waited for, whoever asks."""
    toys.start_master()
    beta = toys.serve("beta", stagger=0.3, lease=1)
    gamma = toys.serve("gamma", **(SLOW | {"stagger": 0.3}))
    toys.kill_pair("alpha")
    beta.wait_told("master.confirmed")
    patiently(lambda: gamma.record().get("epoch") == 1, LONG, "gamma knows", gamma.story)
    claim = toys.claims / "0000000001.json"
    fields = json.loads(claim.read_text())
    claim.unlink()
    claim.write_text(json.dumps(fields | {"lease": 500.0}))
    beta.kill()
    toys.kill_pair("beta")
    silent = lambda: gamma.record()["silence"] > 1  # noqa: E731 - for width
    patiently(silent, LONG, "some silence", gamma.story)
    done = ask(toys, "gamma")
    assert done.returncode == 1, done.stdout
    assert "lease" in done.stderr, done.stderr
    assert "epoch 1 on beta" in done.stderr, done.stderr
    assert toys.pids(role="master") == []


def test_two_that_are_asked_at_once_are_one_master(toys: Toys) -> None:
    """Two operators, two hosts, one moment: one master."""
    dead_cell(toys, "beta", "gamma")
    settle(toys)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda host: ask(toys, host).returncode, ("beta", "gamma")))
    assert sorted(answers) == [0, 1], toys.story()
    toys.wait_master(("beta", "gamma"))
    toys.never_two()


def test_without_a_daemon_or_a_yes_nothing_is_asked(toys: Toys) -> None:
    """69 and what to do; a socket that a crash left is no daemon."""
    toys.cell.configure("beta", **SLOW)
    path = toys.cell.home("beta") / "shadowd.toml"
    done = verb("takeover", "--yes", "--config", path)
    assert done.returncode == 69
    assert "no daemon" in done.stderr
    daemon = toys.start("beta", **SLOW)
    daemon.wait_told("daemon.started")
    asked = daemon.verb("takeover")
    assert asked.returncode != 0
    assert "--yes" in asked.stderr
    assert not daemon.told("takeover.asked")
    daemon.kill()
    done = verb("takeover", "--yes", "--config", path)
    assert done.returncode == 69
    wrong = verb("takeover", "--yes", "--cell", "other", "--config", path)
    assert wrong.returncode in {64, 69}
    assert "demo" in wrong.stderr


def test_a_living_master_is_moved(toys: Toys) -> None:
    """The old guard lets its master end in order, then the new host starts one; no lock stays."""
    toys.start_master()
    for host in ("beta", "gamma"):
        toys.serve(host, **SLOW)
    toys.kill_pair("alpha")
    settle(toys)
    assert ask(toys).returncode == 0
    moved = toys.daemons["gamma"].verb("migrate", "--yes", "--timeout", "30")
    assert moved.returncode == 0, moved.stdout + moved.stderr + toys.story()
    assert toys.wait_master(("gamma",)) == "gamma"
    assert json.loads((toys.claims / "0000000002.json").read_text())["reason"] == "migrate"
    assert (toys.claims.parent / "notices/0000000001.stepped_down.json").exists()
    assert not (toys.cell.spool / "lock").exists()
    toys.never_two()


def test_a_master_without_a_guard_is_not_moved(toys: Toys) -> None:
    """Said with what to do instead; the master is not touched."""
    toys.start_master()
    toys.serve("beta", **SLOW)
    done = toys.daemons["beta"].verb("migrate", "--yes", "--timeout", "30")
    assert done.returncode == 1
    assert "no guard" in done.stderr
    assert "sgemaster -migrate" in done.stderr
    assert toys.reigns() == [("0", "alpha")]
