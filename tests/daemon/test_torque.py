"""Whole daemons on a TORQUE cell: one server, whoever holds ``server.lock``, ours or a real one of theirs."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.torques import Torque
from tests.daemon.toys import LONG, launch, patiently
from tests.lab import processes

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


@pytest.fixture(params=["fcntl", "lease"])
def torque(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Torque]:
    """Give a cell of alpha and beta with either lock, where nothing runs yet."""
    made = Torque(tmp_path / "cell", method=request.param).create()
    yield made
    made.close()


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Torque]:
    """Give a cell whose lock is the kernel's, for what does not depend on it."""
    made = Torque(tmp_path / "cell").create()
    yield made
    made.close()


def wait_reign(cell: Torque, host: str, seconds: float = LONG) -> None:
    """Wait until the last lines are of this host, or rival."""
    patiently(lambda: (cell.reigns() or [("", "")])[-1][1] == host, seconds, f"lines of {host}", cell.story)


def outcome(cell: Torque, epoch: int) -> str:
    """Return how an epoch ended, as far as it did."""
    notices = cell.shared.glob(f"shadowd/notices/{epoch:010}.*.json")
    ends = {path.name.split(".")[1] for path in notices} - {"launching", "started"}
    return ",".join(sorted(ends))


def test_the_first_daemon_starts_a_server_at_once(torque: Torque) -> None:
    """Nothing but TORQUE's database is needed, and no timer is waited for."""
    torque.keys = {"stale_after": 60}
    torque.begin()
    (server,) = torque.masters("alpha")
    assert torque.lock.read_text() == f"{server}\n"
    assert torque.daemons["alpha"].told("cell.vacant")
    session = json.loads((torque.shared / "shadowd" / "server.session").read_text())
    assert (session["epoch"], session["session"], session["host"]) == (1, server, "alpha")
    assert torque.daemons["beta"].record()["state"] == "standby"
    ours = {"shadowd", "serverdb", "sequence", "server.lock", "server.lock.mutex"}
    assert {path.name for path in torque.shared.iterdir()} <= ours


def test_a_killed_server_is_replaced_by_the_standby(torque: Torque) -> None:
    """In a moment; its own host lets the other go first."""
    torque.keys = {"stale_after": 60}
    torque.begin()
    processes.kill(torque.masters("alpha"))
    torque.wait_master("beta")
    wait_reign(torque, "beta")
    torque.never_two()
    assert outcome(torque, 1) == "died"
    assert torque.reigns() == [("1", "alpha"), ("2", "beta")]


@pytest.mark.parametrize("options", [(), ("fork",)], ids=["foreground", "background"])
def test_a_server_with_the_manners_of_pbs_server(torque: Torque, options: tuple[str, ...]) -> None:
    """It closes all it inherited and locks by itself, in whichever process: it is ours all the same."""
    torque.program = ("-m", "tests.daemon.pbs")
    torque.options = (torque.lock, *options)
    torque.more = f'[cell.launch.environment]\nPYTHONPATH = "{Path(__file__).parents[2]}"\n'
    torque.begin()
    rival = torque.rival()
    time.sleep(4)
    assert torque.reigns() == [("1", "alpha")]
    assert torque.daemons["alpha"].record()["state"] == "active"
    rival.kill()
    (server,) = torque.masters("alpha")
    if torque.method == "fcntl":  # the emptied file stays so: whoever emptied it may wait for its lock
        torque.daemons["beta"].wait_refused("server_lock_unknown")
        return
    patiently(lambda: torque.lock.read_text() == f"{server}\n", LONG, "it is in the lock", torque.story)
    for pid in torque.freeze("alpha"):
        assert processes.alive(pid)
    torque.wait_master("beta")


def test_a_lock_that_cannot_be_read_ends_nobody(torque: Torque) -> None:
    """For longer than the lease; no standby bids meanwhile, and all is well afterwards."""
    torque.begin()
    (server,) = torque.masters("alpha")
    torque.lock.rename(torque.root / "aside")
    torque.lock.symlink_to("server.lock")
    torque.daemons["beta"].wait_refused("server_lock_unknown")
    time.sleep(4)
    torque.lock.unlink()
    (torque.root / "aside").rename(torque.lock)
    torque.daemons["beta"].wait_told("shadow.eligible")
    assert torque.masters() == [server]
    assert torque.reigns() == [("1", "alpha")]


def test_a_frozen_standby_of_theirs_is_in_nobodys_way(torque: Torque) -> None:
    """It waits with the mutex in its hand, and stands still; ours is replaced by ours."""
    torque.begin()
    rival = torque.rival()
    time.sleep(1)
    rival.send_signal(signal.SIGSTOP)
    processes.kill(torque.masters("alpha"))
    torque.wait_master("beta", 10)
    torque.never_two()


def test_a_lone_server_is_started_again(kernel: Torque) -> None:
    """Nobody else is there: after its turn its own host has it again."""
    kernel.serve("alpha")
    kernel.wait_master("alpha")
    processes.kill(kernel.masters("alpha"))
    wait_reign(kernel, "alpha")
    patiently(lambda: ("2", "alpha") in kernel.reigns(), LONG, "the second server", kernel.story)


def test_a_frozen_server_is_killed_before_it_can_thaw(torque: Torque) -> None:
    """Its guard is well: no beats for what stands still, so its lease ends it, and the standby has it."""
    torque.begin()
    (server,) = torque.masters("alpha")
    os.kill(server, signal.SIGSTOP)
    torque.wait_master("beta")
    assert not processes.alive(server)
    torque.never_two()
    assert torque.daemons["alpha"].told("master.lease_over")


def test_a_frozen_host_is_replaced_and_writes_nothing_when_it_thaws(torque: Torque) -> None:
    """Its server holds the lock until then, so a new file takes its place."""
    torque.begin()
    before = torque.lock.stat().st_ino
    daemon, *servers = torque.freeze("alpha")
    torque.wait_master("beta")
    assert torque.lock.stat().st_ino != before
    os.kill(daemon, signal.SIGCONT)
    for server in servers:
        os.kill(server, signal.SIGCONT)
    patiently(lambda: not any(map(processes.alive, servers)), LONG, "the old server ends", torque.story)
    torque.daemons["alpha"].wait_state("standby")
    assert torque.named() == "beta"


def test_a_real_server_is_respected(torque: Torque) -> None:
    """Nobody bids while it holds the lock, whoever asks; when it dies, we are there."""
    rival = torque.rival()
    wait_reign(torque, "rival")
    torque.serve()
    for host in torque.hosts:
        torque.daemons[host].wait_refused("foreign_server")
    asked = torque.daemons["alpha"].verb("takeover", "--yes", "--timeout", "5")
    assert asked.returncode == 1, asked.stdout
    assert "server.lock" in asked.stderr
    time.sleep(3)
    assert torque.masters() == []
    rival.kill()
    rival.wait()
    patiently(torque.masters, LONG, "a server of ours", torque.story)
    torque.never_two()


def test_a_real_server_respects_ours(torque: Torque) -> None:
    """It waits as long as ours lives; when our host dies it may have it, and then ours leave it alone."""
    torque.begin()
    torque.rival()
    time.sleep(4)
    assert torque.reigns() == [("1", "alpha")]
    processes.kill([torque.daemons["beta"].pid, *torque.all_of("alpha")])
    wait_reign(torque, "rival")
    torque.serve_again("beta")
    torque.daemons["beta"].wait_refused("foreign_server")
    torque.never_two()


def test_a_server_whose_lock_was_taken_is_stopped(kernel: Torque) -> None:
    """A file server that forgot the lock, and a rival that was quick: one of them must go, and it is ours."""
    kernel.serve("alpha")
    kernel.wait_master("alpha")
    kernel.lock.unlink()
    kernel.rival()
    patiently(lambda: not kernel.masters("alpha"), LONG, "ours is stopped", kernel.story)
    alpha = kernel.daemons["alpha"]
    alpha.wait_told("master.superseded", reason="foreign_server")
    alpha.wait_refused("foreign_server")


def test_a_second_daemon_of_a_machine_waits(kernel: Torque) -> None:
    """It does not fail; it serves when the first has ended, and TERM ends it while it waits."""
    kernel.serve("alpha")
    kernel.wait_master("alpha")
    home = kernel.root / "alpha"
    second, third = launch(home, "alpha"), launch(home, "alpha")
    alpha = kernel.daemons["alpha"]
    patiently(lambda: len(alpha.told("cell.waiting")) == 2, LONG, "both wait", kernel.story)
    third.process.terminate()
    assert third.process.wait(LONG) == 0
    assert second.process.poll() is None
    alpha.process.terminate()
    alpha.process.wait(LONG)
    second.wait_told("master.attached")
    assert kernel.reigns() == [("1", "alpha")]


def test_stop_and_start(kernel: Torque) -> None:
    """The verbs of a generic cell; a stopped cell stays stopped, though nobody holds the lock."""
    kernel.begin()
    done = kernel.daemons["beta"].verb("stop", "single")
    assert done.returncode == 0, f"{done.stderr}\n{kernel.story()}"
    assert kernel.masters() == []
    assert outcome(kernel, 1) == "stopped"
    kernel.daemons["beta"].wait_refused("shut_down")
    kernel.start("beta")
    kernel.never_two()


@pytest.mark.parametrize(("clean_exit", "end"), [("hand_over", "died"), ("shutdown", "stopped")])
def test_a_server_that_ends_by_itself(kernel: Torque, clean_exit: str, end: str) -> None:
    """As TORQUE has it, a clean stop hands over; where the site says so, it is a shutdown."""
    kernel.keys = {"clean_exit": clean_exit}
    kernel.begin()
    for pid in kernel.masters("alpha"):
        os.kill(pid, signal.SIGTERM)
    patiently(lambda: outcome(kernel, 1) == end, LONG, end, kernel.story)
    if end == "died":
        kernel.wait_master("beta")
    else:
        kernel.daemons["beta"].wait_refused("shut_down")
        assert kernel.masters() == []


def test_no_server_priv(kernel: Torque) -> None:
    """An empty mount point is no cell, and the message says what to do."""
    (kernel.shared / "serverdb").unlink()
    kernel.serve("alpha")
    assert kernel.daemons["alpha"].process.wait(LONG) == 66
    assert "findmnt -T" in (kernel.root / "alpha" / "stderr").read_text()
    assert not (kernel.shared / "shadowd").exists()
