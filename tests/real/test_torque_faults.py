"""The faults of the real ``pbs_server --ha``, row by row (TORQUE.md), and what ours does in their place.

What the real one does is shown by its stand-in in ``test_torque_rivals`` and measured in
reference/torque-lab.md.
"""

import errno
import json
import os
import signal
import time

import pytest

from tests.lab import processes
from tests.lab.hostmount import mounted_on
from tests.lab.torque import HOME, PRIVATE, RELEASES, Daemon, Reign, TorqueCell, skewed, torque_cell

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

NAMED = ("--server-name", str(HOME / "server_name"))
BOTH = pytest.mark.parametrize("lock", ["fcntl", "lease"])
LEAST = 6.6
"""Seconds in which the real one was replaced at its quickest, with default timings."""
THAWED = 2.0
"""Seconds that an old server may live after the thaw of its guard."""


@BOTH
def test_a_killed_server_is_replaced_in_moments(lock: str) -> None:
    """With the default timings; TORQUE: 6.6 to 14.5 s. Ours: the death notice, a look, the start."""
    with torque_cell("h1", "h2", **RELEASES[lock]) as cell:
        for name in cell.names:
            daemon = cell.daemon(name, lock=lock)
            daemon.timers = {}
            daemon.start()
        reign = cell.settled()
        for _ in range(2):
            killed = time.monotonic()
            processes.kill([reign.pid])
            cell.wait_server(after=reign)
            assert time.monotonic() - killed < LEAST
            reign = cell.settled()
        cell.never_two()


@BOTH
def test_clocks_that_are_hours_apart_have_no_effect(lock: str) -> None:
    """TORQUE: a standby ahead steals at once. Both hosts, daemon and server, are an hour wrong."""
    with torque_cell("h1", "h2", **RELEASES[lock]) as cell:
        for name, seconds in zip(cell.names, (3600, -3600), strict=True):
            cell.daemon(name, lock=lock, env=skewed(cell.lab, seconds)).start()
        reign = cell.settled()
        for _ in range(2):
            cell.steady(1)
            killed = time.monotonic()
            processes.kill([reign.pid])
            cell.wait_server(after=reign)
            assert time.monotonic() - killed < LEAST
            reign = cell.settled()
        hours = {line["timestamp"][11:13] for daemon in cell.daemons.values() for line in daemon.events()}
        assert len(hours) >= 2, "the shim shifts no clock"
        cell.never_two()


def test_timings_that_cannot_be_safe_are_refused() -> None:
    """TORQUE, check 3 and update 10: two servers in 58 of 60 samples."""
    with torque_cell("h1") as cell:
        config = cell.daemon("h1", stale_after=3, beat_interval=10).configure()
        for verb in (("run",), ("config", "check")):
            done = cell.verb("h1", *verb, "--config", config)
            assert done.returncode == 78
            assert "stale_after (3 s) is shorter than two beats (20 s)" in done.stderr
        assert cell.reigns() == []


@BOTH
def test_a_frozen_server_is_gone_before_another_starts(lock: str) -> None:
    """TORQUE: gone in 9 to 29 ms after the thaw, by luck. Here its guard is awake, and there is no thaw."""
    with torque_cell("h1", "h2", **RELEASES[lock]) as cell:
        cell.serve(lock=lock)
        reign = cell.settled()
        os.kill(reign.pid, signal.SIGSTOP)
        cell.wait_server(after=reign)
        with pytest.raises(ProcessLookupError):
            os.kill(reign.pid, signal.SIGCONT)
        cell.settled()
        cell.never_two()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_server_whose_daemon_is_gone_is_gone_before_another_starts(number: signal.Signals) -> None:
    """Nobody beats for it, so the others start one: its host's enforcer ends it first, frozen or not."""
    with torque_cell("h1", "h2") as cell:
        cell.serve()
        reign = cell.settled()
        daemon = cell.daemons[reign.host].process
        assert daemon is not None
        os.kill(daemon.pid, number)
        if number is signal.SIGSTOP:
            os.kill(reign.pid, signal.SIGSTOP)
        cell.wait_server(after=reign)
        assert not processes.alive(reign.pid)
        os.kill(daemon.pid, signal.SIGCONT)
        cell.steady(1)
        cell.never_two()


def freeze(cell: TorqueCell, reign: Reign) -> list[int]:
    """Stop every process of the server's host, the daemon first, and pull its cable; return them."""
    daemon = cell.daemons[reign.host].process
    assert daemon is not None
    rest = [pid for pid in cell.lab[reign.host].pids() if pid != daemon.pid]
    for pid in (daemon.pid, *rest):
        os.kill(pid, signal.SIGSTOP)
    cell.lab[reign.host].cable(plugged=False)
    return [daemon.pid, *rest]


@BOTH
def test_a_frozen_host_is_replaced_and_its_server_writes_nothing_more(lock: str) -> None:
    """Row "fcntl lock held by a hung, not dead, host". At the thaw its guard comes first."""
    with torque_cell("h1", "h2", **RELEASES[lock]) as cell:
        cell.serve(lock=lock)
        reign = cell.settled()
        guard, *others = freeze(cell, reign)
        new = cell.wait_server(after=reign)
        cell.steady(0.5)
        assert processes.alive(reign.pid)
        cell.lab[reign.host].cable(plugged=True)
        os.kill(guard, signal.SIGCONT)
        thawed = time.monotonic()
        cell.wait(lambda: not processes.alive(reign.pid), "the old server ends", every=0.005)
        assert time.monotonic() - thawed < THAWED
        for pid in others:
            if processes.alive(pid):
                os.kill(pid, signal.SIGCONT)
        cell.steady(0.5)
        assert cell.last() == new
        cell.never_two()


def test_a_host_that_thaws_all_at_once_has_its_old_server_for_a_moment() -> None:
    """What only a fence closes: until the guard has looked, the server goes on where it stopped."""
    with torque_cell("h1", "h2", writes=0.01) as cell:
        cell.serve()
        reign = cell.settled()
        frozen = freeze(cell, reign)
        new = cell.wait_server(after=reign)
        cell.lab[reign.host].cable(plugged=True)
        for pid in reversed(frozen):
            os.kill(pid, signal.SIGCONT)
        thawed = time.monotonic()
        cell.wait(lambda: not processes.alive(reign.pid), "the old server ends", every=0.005)
        assert time.monotonic() - thawed < THAWED
        written = [server for _, server in cell.lines()]
        late = written[written.index(new) :].count(reign)
        assert late < THAWED / 0.01
        cell.steady(0.5)


@BOTH
def test_a_frozen_standby_keeps_nobody_from_taking_over(lock: str) -> None:
    """TORQUE: it holds the mutex, and there is no server, however many others wait."""
    with torque_cell(**RELEASES[lock]) as cell:
        cell.serve(lock=lock)
        reign = cell.settled()
        frozen, free = (name for name in cell.names if name != reign.host)
        cell.wait(lambda: cell.daemons[free].record().get("beat") is not None, "it has seen a beat")
        standby = cell.daemons[frozen].process
        assert standby is not None
        os.kill(standby.pid, signal.SIGSTOP)
        processes.kill([reign.pid])
        cell.wait_server((free, reign.host), after=reign)
        os.kill(standby.pid, signal.SIGCONT)
        cell.steady(1)
        cell.never_two()


def test_standbys_are_equal_and_quiet() -> None:
    """TORQUE: the third never gets the mutex, and logs an alert a second; equal: the hundred rounds."""
    with torque_cell("h1", "h2", "h3", "h4") as cell:
        cell.serve()
        reign = cell.settled()
        cell.steady(1)
        standbys = [daemon for name, daemon in cell.daemons.items() if name != reign.host]
        said = [list(daemon.events()) for daemon in standbys]
        cell.steady(3)
        assert [list(daemon.events()) for daemon in standbys] == said
        assert {daemon.record()["state"] for daemon in standbys} == {"standby"}


def test_a_clean_stop_is_known_and_undone_at_once() -> None:
    """TORQUE: looks like a crash; a lone server then needs 9 s to start. The verb works on any host."""
    with torque_cell("h1", "h2") as cell:
        cell.serve()
        reign = cell.settled()
        done = cell.daemons["h2"].verb("stop", "torque")
        assert done.returncode == 0, done.stderr
        assert cell.pids("h1") == cell.pids("h2") == []
        assert cell.outcome(1) == "stopped"
        time.sleep(1.5)
        assert cell.reigns() == [reign]
        started = time.monotonic()
        done = cell.daemons["h2"].verb("start", "torque")
        assert done.returncode == 0, done.stderr
        cell.wait_server("h2", after=reign)
        assert time.monotonic() - started < LEAST
        cell.never_two()


def test_a_server_that_ends_by_itself_is_handed_over_or_shut_down() -> None:
    """By qterm, say: a standby's turn, as in TORQUE, or where clean_exit says so a regular shutdown."""
    with torque_cell("h1", "h2") as cell:
        cell.serve()
        reign = cell.settled()
        os.kill(reign.pid, signal.SIGTERM)
        cell.wait_server(after=reign)
        cell.never_two()
    with torque_cell("h1", "h2") as cell:
        cell.serve(clean_exit="shutdown")
        reign = cell.settled()
        os.kill(reign.pid, signal.SIGTERM)
        cell.wait(lambda: cell.outcome(1) == "stopped", "a regular shutdown")
        time.sleep(1.5)
        assert cell.reigns() == [reign]
        assert cell.daemons["h2"].verb("start", "torque").returncode == 0
        cell.wait_server("h2", after=reign)


@pytest.mark.parametrize(("lock", "error"), [("fcntl", errno.EIO), ("lease", errno.ESTALE)])
def test_errors_on_the_lock_file_leave_a_healthy_server_running(lock: str, error: int) -> None:
    """TORQUE: one ESTALE, and the healthy server restarts itself. Here five seconds of them."""
    with (
        torque_cell("h1", "h2", **RELEASES[lock]) as cell,
        mounted_on(cell.lab["h1"], PRIVATE, cell.lab.dir) as mount,
    ):
        cell.serve("h1", lock=lock)
        reign = cell.settled()
        cell.serve("h2", lock=lock)
        mount.fail("*", "server.lock", error)
        cell.steady(5)
        mount.heal()
        cell.steady(1)
        assert cell.claims() == 1
        assert cell.pids("h1") == [reign.pid]
        processes.kill([reign.pid])
        cell.wait_server(after=reign)
        cell.never_two()


def test_the_end_of_a_standby_stops_nobody_else() -> None:
    """TORQUE: ``qterm`` from an init script on a standby stops the remote, active server."""
    with torque_cell("h1", "h2") as cell:
        cell.serve("h1")
        cell.settled()
        (standby,) = cell.serve("h2")
        assert standby.process is not None
        standby.process.terminate()
        assert standby.process.wait(20) == 0
        cell.steady(1)


def located(cell: TorqueCell, *words: str, env: dict[str, str] | None = None) -> tuple[str, float]:
    """Return which host a client finds, and in how many seconds."""
    begun = time.monotonic()
    done = cell.verb("c1", "locate", *NAMED, "--probe-timeout", "1", *words, env=env)
    return done.stdout.strip() or done.stderr, time.monotonic() - begun


def test_a_client_with_one_name_tries_the_others_too() -> None:
    """Row "client, one name in PBS_DEFAULT": TORQUE fails; ours only where ``--only`` asks for it."""
    with torque_cell("h1", "h2", client="c1") as cell:
        cell.serve("h2")
        cell.settled()
        alone = {"PBS_DEFAULT": cell.short("h1")}
        assert located(cell, env=alone)[0] == cell.short("h2")
        assert "refuse" in located(cell, "--only", "--timeout", "0", env=alone)[0]


def test_a_client_is_not_held_up_by_a_first_host_that_hangs() -> None:
    """TORQUE: over 20 s of silence, and the second is never tried. The kernel accepts for a frozen server."""
    with torque_cell("h1", "h2", client="c1") as cell:
        cell.serve("h1")
        reign = cell.settled()
        cell.serve("h2")
        frozen = freeze(cell, reign)
        cell.wait_server("h2", after=reign)
        cell.lab["h1"].cable(plugged=True)
        assert cell.submit("h2")
        found, seconds = located(cell, "--no-cache")
        assert found == cell.short("h2")
        assert seconds < 3
        processes.kill(frozen)


def test_a_client_is_not_held_up_by_a_first_host_that_is_gone() -> None:
    """TORQUE: over 140 s where packets are dropped. Asked during the takeover, it waits for that only."""
    with torque_cell("h1", "h2", client="c1") as cell:
        cell.serve("h1")
        reign = cell.settled()
        cell.serve("h2")
        cell.lab["h1"].cable(plugged=False)
        cell.lab["h1"].stop()
        during, _ = located(cell, "--no-cache", "--timeout", "40")
        assert during == cell.short("h2")
        cell.wait_server("h2", after=reign)
        found, seconds = located(cell, "--no-cache")
        assert found == cell.short("h2")
        assert seconds < 3


def test_a_client_of_a_cell_without_a_server_is_told_all_that_was_tried() -> None:
    """Row "both down": TORQUE names one host, and tries once."""
    with torque_cell("h1", "h2", client="c1") as cell:
        cell.lab["h2"].cable(plugged=False)
        said, _ = located(cell, "--timeout", "0")
        assert cell.short("h1") in said
        assert cell.short("h2") in said
        assert "refuse" in said
        assert cell.verb("c1", "exec", *NAMED, "--timeout", "0", "--", "true").returncode == 69


def shown(daemon: Daemon) -> str:
    """Return the host that ``status`` names."""
    done = daemon.verb("status", "--json")
    assert done.stdout, f"{done.stderr}\n{daemon.story()}"
    (cell,) = json.loads(done.stdout)["cells"]
    return str(cell["master"]["host"])


def test_everybody_can_say_who_serves() -> None:
    """Row "no status": TORQUE's lock file holds a pid without a host."""
    with torque_cell("h1", "h2", client="c1") as cell:
        cell.serve("h2")
        reign = cell.settled()
        cell.serve("h1")
        assert [shown(daemon) for daemon in cell.daemons.values()] == [cell.short("h2")] * 2
        words = cell.daemons["h1"].verb("status").stdout
        assert cell.short("h2") in words
        assert "server" in words
        everybody = cell.verb("c1", "locate", *NAMED, "--all").stdout.splitlines()
        assert [line.split()[:2] for line in everybody] == [
            [cell.short("h1"), "refuses"],
            [cell.short("h2"), "answers"],
        ]
        assert cell.last() == reign
