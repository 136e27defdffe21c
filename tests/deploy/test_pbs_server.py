"""The startup script of a TORQUE host: its verbs on a cell of toy programs."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.toy_cell import eventually
from tests.deploy.toy_server import SCRIPT, ToyServer
from tests.lab import processes
from tests.lab.outsiders import crowd, public, setuid_sleep

pytestmark = pytest.mark.long


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[ToyServer]:
    """Give a host of toy programs, of which nothing runs afterwards."""
    made = ToyServer(tmp_path)
    yield made
    made.close()


def test_the_script_is_plain_shell() -> None:
    """The script passes shellcheck where there is one, and the shell's own syntax check everywhere."""
    checker = [shutil.which("shellcheck")] if shutil.which("shellcheck") else ["sh", "-n"]
    done = subprocess.run([*map(str, checker), str(SCRIPT)], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_start_starts_shadowd_and_nothing_past_it(toy: ToyServer) -> None:
    """The daemon in the background; whether a server starts here is its affair. Twice is once."""
    toy.begin()
    assert (toy.root / "arguments").read_text() == "run --daemonize"
    code, text = toy.call()
    assert (code, len(toy.alive("shadowd")), len(toy.alive("pbs_server"))) == (0, 1, 1)
    assert "already running" in text


def test_stop_hands_over_and_then_ends_shadowd(toy: ToyServer) -> None:
    """The server first, its guard's word, and only then the daemon: no standby has to wait for a lease."""
    toy.begin()
    code, text = toy.call("stop")
    assert code == 0, text
    assert toy.told() == ["server", "server TERM", "notice", "shadowd TERM"]
    assert "a standby takes over" in text
    assert not toy.alive("shadowd")


def test_stop_on_a_standby_ends_nothing_but_its_daemon(toy: ToyServer) -> None:
    """The server of the cell runs elsewhere, and this script does not know how to reach it."""
    toy.wish(servers=0, serving="beta")
    toy.call("start")
    assert "stands by; the server is on beta" in toy.call("status")[1]
    assert toy.call("stop")[0] == 0
    assert toy.told() == ["shadowd TERM"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts processes of other users")
def test_what_anybody_runs_under_the_servers_name_is_no_server(toy: ToyServer) -> None:
    """It is not handed over, and serves nobody; nor is a number that came round the daemon."""
    toy.wish(servers=0, serving="beta")
    toy.call("start")
    with public() as top:
        server, daemon = setuid_sleep(top, "pbs_server"), setuid_sleep(top, "shadowd")
        with crowd(1, {}, program=server) as (serving,), crowd(1, {}, program=daemon) as (other,):
            assert "stands by; the server is on beta" in toy.call("status")[1]
            code, text = toy.call("stop")
            assert code == 0, text
            record = toy.root / "run" / "torque@alpha.state.json"
            record.write_text(json.dumps(json.loads(record.read_text()) | {"pid": other}))
            assert toy.call("status")[0] == 3
            assert processes.alive(serving)
            assert processes.alive(other)


def test_a_daemon_is_known_by_the_start_of_its_process(toy: ToyServer) -> None:
    """The number came round to another shadowd, of another configuration."""
    toy.wish(servers=0, serving="beta")
    toy.call("start")
    (pid,) = toy.alive("shadowd")
    record = toy.root / "run" / "torque@alpha.state.json"
    fields = json.loads(record.read_text())
    record.write_text(json.dumps(fields | {"start_token": str(processes.start_time(pid))}))
    assert toy.call("status")[0] == 0
    record.write_text(json.dumps(fields | {"start_token": "1"}))
    assert toy.call("status")[0] == 1


def test_a_server_of_another_home_is_left_alone(toy: ToyServer, tmp_path: Path) -> None:
    """Two homes on one machine are two cells."""
    other = ToyServer(tmp_path / "other")
    other.begin()
    toy.wish(servers=0)
    toy.call("start")
    assert toy.call("stop")[0] == 0
    assert len(other.alive("pbs_server")) == 1
    other.close()


def test_a_server_that_comes_back_meanwhile_is_handed_over_too(toy: ToyServer) -> None:
    """A cell of one host starts its server again before the daemon could be ended."""
    toy.wish(servers=2)
    toy.begin()
    code, text = toy.call("stop")
    assert code == 0, text
    assert toy.told().count("server TERM") == toy.told().count("server")
    assert not toy.alive("pbs_server")
    assert not toy.alive("shadowd")


def test_a_daemon_that_waits_beside_the_other_ends_too(toy: ToyServer) -> None:
    """Two on one machine are allowed; the second would have the server as soon as the first is gone."""
    toy.begin()
    toy.wish(waits=True)
    subprocess.run([toy.root / "shadowd", "run", "--daemonize"], check=True)
    assert eventually(lambda: len(toy.alive("shadowd")) == 2)
    assert toy.call("stop")[0] == 0
    assert not toy.alive("shadowd")
    assert not toy.alive("pbs_server")


def test_a_server_that_does_not_end_keeps_its_guard(toy: ToyServer) -> None:
    """It is asked once, not killed, and reported; what guards it goes on."""
    toy.wish(stop_seconds=3)
    toy.begin()
    code, text = toy.call("stop", SHADOWD_HANDOVER_TIMEOUT="1")
    assert code == 1
    assert "was not killed" in text
    assert toy.told() == ["server", "server TERM"]
    assert len(toy.alive("shadowd")) == 1


def test_a_server_that_shadowd_did_not_start_is_ended_too(toy: ToyServer) -> None:
    """A real standby of TORQUE's on this host: nobody will write how it ended, so nobody waits for that."""
    toy.wish(servers=0)
    toy.call("start")
    server = subprocess.Popen([toy.root / "pbs_server", "--ha", "-d", toy.root / "home"])
    assert eventually(lambda: "server" in toy.told())
    code, text = toy.call("stop")
    assert code == 0, text
    assert "shadowd did not guard it" in text
    assert server.wait(10) == 0
    assert toy.told() == ["server", "server TERM", "shadowd TERM"]


def test_a_server_without_a_guard_is_told_apart(toy: ToyServer) -> None:
    """Status 1 and its words; stop ends it, and says that a standby must wait."""
    toy.begin()
    processes.kill(toy.alive("shadowd"))
    code, text = toy.call("status")
    assert code == 1
    assert "no shadowd guards it" in text
    code, text = toy.call("stop")
    assert code == 0
    assert "waits for its lease" in text
    assert not toy.alive("pbs_server")


def test_status_uses_the_codes_of_the_standard(toy: ToyServer) -> None:
    """Status is 3 where nothing was started, 0 with a daemon, 1 after a crash, 3 after a stop."""
    assert toy.call("status")[0] == 3
    toy.begin()
    code, text = toy.call("status")
    assert code == 0
    assert "guards it" in text
    processes.kill([*toy.alive("shadowd"), *toy.alive("pbs_server")])
    assert toy.call("status")[0] == 1
    toy.call("stop")
    assert toy.call("status")[0] == 3


def test_a_cell_that_was_shut_down_is_said_to_be(toy: ToyServer) -> None:
    """Start does not take away the lock of `shadowd stop`; one that a takeover placed is none."""
    toy.wish(servers=0)
    lock = toy.private / "shadowd" / "lock"
    lock.touch()
    code, text = toy.call("start")
    assert code == 0
    assert "shadowd start torque" in text
    assert lock.exists()
    assert toy.call("status")[0] == 3
    lock.write_text('{"epoch": 7}')
    assert toy.call("status")[0] == 0


def refused(reason: str) -> dict[str, object]:
    """Return what a record says that gives this reason for not taking over."""
    return {"refusals": [{"reason": reason, "text": "some words", "detail": "[x]", "until": None}]}


@pytest.mark.parametrize(
    ("says", "code", "words"),
    [
        ({}, 0, "stands by; the server is on beta"),
        (refused("shut_down"), 3, "nobody serves: 'shadowd start torque' ends that"),
        (refused("foreign_server"), 0, "a server that shadowd did not start has"),
        (refused("server_unlocked"), 1, 'set lock = "lease"'),
        (refused("paused"), 0, "failover is paused"),
        ({"silence": 9.7, "text": "the heartbeat has not moved"}, 0, "nobody serves at the moment"),
        ({"epoch": 0}, 0, "nobody serves at the moment"),
        ({"state": "claiming", "text": "nothing speaks against it"}, 0, "takes over: nothing speaks"),
        ({"attempts": 2, "text": "the master could not be started"}, 1, "could not start a server"),
        ({"io_stuck": 1796108658.25}, 1, "gets no answer from"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else None,
)
def test_status_says_where_the_server_is_only_where_there_is_one(
    toy: ToyServer, says: dict[str, object], code: int, words: str
) -> None:
    """What ``master`` named last is no proof: shut down, a stranger's, silent, or under way is said so."""
    toy.wish(servers=0, serving="beta", **says)
    started, text = toy.call("start", SHADOWD_START_TIMEOUT="1")
    assert started == 0
    assert words in text, text
    status, text = toy.call("status")
    assert words in text, text
    assert status == code
    assert ("is on beta" in text) is (not says)


def test_a_server_that_shadowd_did_not_start_is_not_called_guarded(toy: ToyServer) -> None:
    """It runs here, and that is all."""
    toy.wish(servers=0)
    toy.call("start")
    server = subprocess.Popen([toy.root / "pbs_server", "--ha", "-d", toy.root / "home"])
    assert eventually(lambda: "server" in toy.told())
    assert "neither started nor guards it" in toy.call("status")[1]
    toy.wish(servers=0, state="launching")
    server.kill()
    server.wait()


def test_start_says_what_has_become_of_the_server(toy: ToyServer) -> None:
    """It waits for that: here it serves, there it could not be started, and where to look."""
    code, text = toy.call("start")
    assert (code, "guards it" in text) == (0, True), text
    toy.call("stop")
    toy.wish(servers=0, attempts=1, text="the master could not be started")
    code, text = toy.call("start")
    assert code == 0
    assert "could not start a server (the master could not be started)" in text
    assert "server_logs" in text
    assert "shadowd status" in text


def test_keep_starts_what_died_and_leaves_what_was_stopped(toy: ToyServer) -> None:
    """What cron calls each minute: silent where all is well, and no match for a person's stop."""
    assert toy.call("keep")[0] == 0
    assert eventually(lambda: toy.alive("shadowd"))
    assert toy.call("keep") == (0, "")
    assert len(toy.alive("shadowd")) == 1
    code, text = toy.call("stop")
    assert code == 0, text
    assert toy.call("keep") == (0, "")
    assert not toy.alive("shadowd")
    toy.call("start")
    assert eventually(lambda: toy.alive("shadowd"))
    processes.kill(toy.alive("shadowd"))
    assert toy.call("keep")[0] == 0
    assert eventually(lambda: toy.alive("shadowd"))


def test_restart_begins_anew(toy: ToyServer) -> None:
    """The server is handed over, and another daemon stands by."""
    toy.begin()
    old = toy.alive("shadowd")
    assert toy.call("restart")[0] == 0
    assert eventually(lambda: toy.alive("shadowd"))
    assert toy.alive("shadowd") != old


def test_without_server_priv_nothing_starts(toy: ToyServer) -> None:
    """The proof that it is mounted is not there: not configured, with what to do."""
    (toy.private / "serverdb").unlink()
    code, text = toy.call("start")
    assert code == 6
    assert "pbs_server -t create" in text
    assert not toy.alive("shadowd")


def test_a_hung_file_system_hangs_neither_start_nor_stop(toy: ToyServer, tmp_path: Path) -> None:
    """What does not answer is named in bounded time, and a stop ends what it can."""
    toy.begin()
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "ls").write_text("#!/bin/sh\nexec sleep 20\n")
    (slow / "ls").chmod(0o755)
    hung = {"PATH": f"{slow}:{os.environ['PATH']}", "SHADOWD_FILE_TIMEOUT": "1"}
    code, text = toy.call("stop", **hung)
    assert code == 0
    assert "its end is not written" in text
    assert not toy.alive("shadowd")
    code, text = toy.call("start", **hung)
    assert code == 6
    assert "does not answer within 1 s" in text


def test_a_failed_start_is_reported(toy: ToyServer) -> None:
    """The daemon's own exit status, and where to look; a program that is not there is "not installed"."""
    toy.wish(fails=True)
    code, text = toy.call("start")
    assert code == 78
    assert "shadowd config check" in text
    code, text = toy.call("start", SHADOWD_COMMAND="/nowhere/shadowd")
    assert code == 5
    assert "SHADOWD_COMMAND" in text


@pytest.mark.parametrize("words", [("begin",), ("start", "stop"), ("--force",)])
def test_words_that_make_no_sense_are_a_usage_error(toy: ToyServer, words: tuple[str, ...]) -> None:
    """Unknown or surplus words change nothing and print the usage."""
    code, text = toy.call(*words)
    assert code == 2
    assert "usage: pbs_server" in text
    assert toy.call("--help")[0] == 0


def test_settings_come_from_the_file_and_are_checked(toy: ToyServer) -> None:
    """A number that is none is refused by the name of its setting."""
    (toy.root / "defaults").write_text("SHADOWD_FILE_TIMEOUT=soon\n")
    code, text = toy.call("status")
    assert code == 6
    assert "SHADOWD_FILE_TIMEOUT: 'soon'" in text


def test_a_pid_in_the_record_alone_is_no_daemon(toy: ToyServer) -> None:
    """A stale or foreign number neither hinders a start nor gets a signal."""
    path = toy.root / "run" / "torque@alpha.state.json"
    path.write_text(f'{{"kind": "torque", "pid": {os.getpid()}}}')
    assert toy.call("stop")[0] == 0
    toy.begin()
    assert len(toy.alive("shadowd")) == 1
