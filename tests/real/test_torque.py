"""What TORQUE's manual describes, row by row (TORQUE.md), with our daemons on hosts of a lab.

One shared ``server_priv``, a home of its own on each host, servers that are true to the real one in what two
of them notice of one another (``lab.pbs_server``).
"""

import json
import os
import signal
import time

import pytest

from tests.lab import processes
from tests.lab.torque import HOME, LONG, PRIVATE, Daemon, TorqueCell, torque_cell

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

NAMED = ("--server-name", str(HOME / "server_name"))


def state(daemon: Daemon) -> str:
    """Return what a daemon does."""
    return str(daemon.record().get("state"))


def test_only_the_first_completes_its_start_up() -> None:
    """Row "several server hosts": one serves, the others wait; nobody wrote a list of hosts."""
    with torque_cell() as cell:
        cell.serve()
        reign = cell.settled()
        assert [len(cell.pids(name)) for name in cell.names].count(1) == 1
        assert int((cell.spool / "server.lock").read_text()) == os.getsid(reign.pid)
        assert len(cell.lab[reign.host].pids("pbs_sched")) == 1
        others = [daemon for name, daemon in cell.daemons.items() if name != reign.host]
        cell.wait(lambda: all(state(daemon) == "standby" for daemon in others), "the others stand by")
        cell.steady(1)
        assert not list(cell.spool.rglob("shadow_masters"))
        cell.never_two()


def test_a_standby_has_its_turn_within_a_retry_interval() -> None:
    """Row "waiting": the server's death frees the lock, start-up continues on another host."""
    with torque_cell("h1", "h2") as cell:
        cell.serve()
        reign = cell.settled()
        killed = time.monotonic()
        processes.kill([reign.pid])
        new = cell.wait_server(after=reign)
        assert new.host != reign.host
        assert time.monotonic() - killed < 5
        assert cell.lab[reign.host].pids("pbs_sched") == []
        cell.never_two()


def test_a_second_daemon_on_one_machine_waits() -> None:
    """Row "same host": it does not fail; it is there when the first is gone; TERM ends it while it waits."""
    with torque_cell("h1") as cell:
        (first,) = cell.serve(stale_after=15)  # a server without a daemon ends with its lease
        reign = cell.settled()
        argv = first.process.args  # type: ignore[union-attr]
        words = argv[argv.index("--chdir=/") + 1 :]
        said = [cell.lab.dir / name for name in ("second", "third")]
        second, third = (cell.lab["h1"].popen(words, output=path) for path in said)
        cell.wait(lambda: all("cell.waiting" in path.read_text() for path in said), "they say that they wait")
        time.sleep(1)
        assert [path.read_text().count("cell.waiting") for path in said] == [1, 1]
        assert second.poll() is None
        assert third.poll() is None
        third.terminate()
        assert third.wait(20) == 0
        first.kill()
        cell.wait(lambda: first.record().get("pid") == second.pid, "the second serves")
        cell.wait(lambda: state(first) == "active", "it has the server in its care")
        assert cell.reigns() == [reign]


def test_clients_find_the_server_by_argument_by_variable_and_by_file() -> None:
    """Row "how clients find the server": in this order; the first name fails, the second is tried."""
    with torque_cell("h1", "h2", client="c1") as cell:
        cell.serve("h2")
        cell.settled()
        served = f"{cell.short('h2')}\n"
        both = f"{cell.short('h1')}, {cell.short('h2')}"
        assert cell.verb("c1", "locate", *NAMED).stdout == served
        assert cell.verb("c1", "locate", env={"PBS_DEFAULT": both}).stdout == served
        there = {"PBS_DEFAULT": "nowhere"}
        assert cell.verb("c1", "locate", "--servers", both, env=there).stdout == served
        told = cell.verb("c1", "exec", *NAMED, "--", "printenv", "PBS_DEFAULT", "PBS_SERVER")
        assert told.stdout == served * 2


@pytest.mark.parametrize("release", ["2.3", "2.5.14", "4.2", "5.1.3", "6.1"])
def test_a_healthy_server_of_every_release_answers_and_a_frozen_one_is_silent(release: str) -> None:
    """From 5.1.3 on nothing is said to a Connect request, and the connection is kept: nobody may ask so."""
    with torque_cell("h1", client="c1", release=release) as cell:
        server = cell.start_rival("h1")
        cell.wait_server("h1")
        everybody = (*NAMED, "--all", "--probe-timeout", "1")
        shown = cell.verb("c1", "locate", *everybody).stdout
        assert shown.split()[:2] == [cell.short("h1"), "answers"], shown
        told = cell.verb("c1", "exec", *NAMED, "--timeout", "0", "--", "printenv", "PBS_DEFAULT")
        assert told.stdout == f"{cell.short('h1')}\n", told.stderr
        assert "No support for requested service" not in (cell.lab.dir / "torque-h1.rival").read_text()
        os.kill(server.pid, signal.SIGSTOP)
        shown = cell.verb("c1", "locate", *everybody).stdout
        assert shown.split()[:2] == [cell.short("h1"), "silent"], shown


def test_a_command_waits_through_the_start_up_window() -> None:
    """Row "start-up window": the server has its lock and does not listen yet."""
    with torque_cell("h1", client="c1", start_up=2) as cell:
        cell.serve()
        cell.wait(lambda: cell.pids("h1"), "it starts")
        assert cell.submit("h1") == []
        found = cell.verb("c1", "locate", *NAMED, "--timeout", "30")
        assert found.stdout == f"{cell.short('h1')}\n", found.stderr
        cell.settled()


def test_job_names_bear_the_first_name_whoever_serves() -> None:
    """Row "job names": and the numbers go on, with no gap and none twice."""
    with torque_cell("h1", "h2", client="c1") as cell:
        cell.serve()
        reign, jobs = cell.settled(), []
        for _ in range(3):
            jobs += cell.submit(reign.host, 2)
            processes.kill([reign.pid])
            cell.wait_server(after=reign)
            reign = cell.settled()
        jobs += cell.submit(reign.host)
        first = cell.short("h1")
        assert jobs == [f"{number}.{first}" for number in range(1, 8)]
        assert cell.verb("c1", "locate", *NAMED, "--job-name", "7").stdout == f"7.{first}\n"


def test_acl_hosts_are_the_list() -> None:
    """Row "acl_hosts": what the real server adds by itself, as directives for qmgr."""
    with torque_cell(client="c1") as cell:
        said = cell.verb("c1", "config", "acl-hosts", *NAMED).stdout.splitlines()
        assert said == [f"set server acl_hosts += {cell.short(name)}" for name in cell.names]


def test_a_server_is_kept_running_without_a_cron_job() -> None:
    """Row "persistence": it lives on without its daemon, is found by the next one, and started again."""
    with torque_cell("h1") as cell:
        (daemon,) = cell.serve(restart_limit=3, stale_after=15)
        reign = cell.settled()
        daemon.kill()
        cell.steady(0.5)
        daemon.start()
        cell.wait(lambda: state(daemon) == "active", "the same server, guarded")
        assert cell.reigns() == [reign]
        processes.kill([reign.pid])
        again = cell.wait_server(after=reign)
        cell.wait(lambda: state(daemon) == "active", "the next server, guarded")
        assert cell.pids("h1") == [again.pid]
        cell.never_two()


def test_a_server_that_is_alone_and_dies_is_started_again() -> None:
    """Row "persistence": with the defaults the turn is a standby's; where there is none, its own."""
    with torque_cell("h1") as cell:
        cell.serve()
        reign = cell.settled()
        processes.kill([reign.pid])
        cell.wait_server(after=reign)
        cell.never_two()


def test_an_empty_mount_point_is_no_cell() -> None:
    """Row "shared file system": without it there is neither a server nor a file; the remedy is named."""
    with torque_cell("h1", "h2") as cell:
        cell.serve("h1")
        cell.settled()
        cell.lab["h2"].run(["umount", PRIVATE], check=True)
        lost = cell.daemon("h2")
        config = lost.configure()
        done = cell.verb("h2", "run", "--config", config)
        assert done.returncode != 0
        said = f"{done.stdout}{done.stderr}{lost.log.read_text() if lost.log.exists() else ''}"
        assert "mount" in said
        assert "findmnt -T" in said
        assert list(cell.lab["h2"].path(PRIVATE).iterdir()) == []


def manual(cell: TorqueCell) -> str:
    """Return who serves, as the desktop sees it."""
    return cell.verb("desktop", "locate", *NAMED, timeout=LONG).stdout.strip()


def test_the_example_of_the_manual() -> None:
    """Row "example": clients on a desktop, two servers, both names in ``server_name`` everywhere."""
    with torque_cell("server1", "server2", client="desktop") as cell:
        cell.serve("server1")
        first = cell.settled()
        cell.serve("server2")
        assert manual(cell) == cell.short("server1")
        processes.kill([first.pid])
        second = cell.wait_server("server2", after=first)
        assert manual(cell) == cell.short("server2")
        cell.settled()
        processes.kill([second.pid])
        cell.wait_server("server1", after=second)
        assert manual(cell) == cell.short("server1")
        seen = json.loads(cell.verb("desktop", "locate", *NAMED, "--all", "--json").stdout)
        assert [one["state"] for one in seen["servers"]] == ["answers", "refuses"]
        cell.never_two()
