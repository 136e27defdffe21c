"""The startup script: its verbs on a cell of toy programs."""

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.deploy.toy_cell import SCRIPT, ToyCell, eventually
from tests.lab import processes
from tests.lab.outsiders import crowd, public, setuid_sleep

pytestmark = pytest.mark.long

HOST = socket.gethostname()
SHORT = HOST.partition(".")[0]


def test_the_script_is_plain_shell() -> None:
    """The script passes shellcheck where there is one, and the shell's own syntax check everywhere."""
    checker = [shutil.which("shellcheck")] if shutil.which("shellcheck") else ["sh", "-n"]
    done = subprocess.run([*map(str, checker), str(SCRIPT)], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_start_starts_the_master_that_belongs_here(toy: ToyCell) -> None:
    """Where act_qmaster names this host, start brings the master up and waits until it is ready."""
    code, text = toy.call("start")
    assert code == 0, text
    assert len(toy.alive("sge_qmaster")) == 1
    assert "is ready" in text


def test_a_second_start_leaves_the_running_master_alone(toy: ToyCell) -> None:
    """Start on a running master is a success that changes nothing."""
    toy.call()
    code, text = toy.call("start", "-qmaster")
    assert (code, len(toy.alive("sge_qmaster"))) == (0, 1)
    assert "already running" in text


def test_a_running_master_is_found_without_its_pid_file(toy: ToyCell) -> None:
    """A lost pid file does not lead to a second master."""
    toy.call()
    (toy.spool / "qmaster.pid").unlink()
    code, text = toy.call()
    assert (code, len(toy.alive("sge_qmaster"))) == (0, 1)
    assert "already running" in text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts processes of other users")
@pytest.mark.parametrize("setuid", [False, True], ids=["nobody", "setuid"])
def test_what_anybody_runs_under_the_masters_name_is_no_master(toy: ToyCell, *, setuid: bool) -> None:
    """In the spool, with the cell's environment, in the pid files: only the real ones start and end."""
    with public() as top:
        masters, daemons = (setuid_sleep(top, name) for name in ("sge_qmaster", "sge_shadowd"))
        for program in (masters, daemons):
            Path(program).chmod(0o4755 if setuid else 0o755)
        carried = {"SGE_ROOT": str(toy.root), "SGE_CELL": "default"}
        with (
            crowd(1, carried, program=masters, cwd=toy.spool) as (master,),
            crowd(1, carried, program=daemons, cwd=toy.spool) as (daemon,),
        ):
            (toy.spool / "qmaster.pid").write_text(f"{master}\n")
            (toy.spool / f"shadowd_{HOST}.pid").write_text(f"{daemon}\n")
            (toy.common / "shadow_masters").write_text(f"{HOST}\n")
            code, text = toy.call("start")
            assert code == 0, text
            assert (len(toy.alive("sge_qmaster")), len(toy.alive("shadowd"))) == (1, 1), text
            code, text = toy.call("stop")
            assert code == 0, text
            assert processes.alive(master)
            assert processes.alive(daemon)


@pytest.mark.parametrize("name", [HOST, SHORT.upper(), f"{SHORT}.elsewhere.example", "Head-Node"])
def test_host_names_compare_as_grid_engine_does(toy: ToyCell, name: str) -> None:
    """Case, the domain (with ignore_fqdn) and aliases make no difference."""
    (toy.common / "host_aliases").write_text(f"# comment\n{HOST} head-node other\n")
    toy.set_active(name)
    assert toy.call("status", "-qmaster")[0] == 1
    assert f"names '{name}'" not in toy.call("status")[1]


def test_with_ignore_fqdn_false_another_domain_is_another_host(toy: ToyCell) -> None:
    """A host of the same short name in another domain is not this host then."""
    toy.write_settings(ignore_fqdn="false")
    toy.set_active(f"{SHORT}.surely.elsewhere.example")
    code, text = toy.call("start")
    assert code == 6
    assert "act_qmaster: names" in text
    assert not toy.alive("sge_qmaster")


@pytest.mark.parametrize("content", [b"", b"\0\xff\xfe\n", b"$(reboot)\n", b"\n" * 100_000])
def test_a_useless_act_qmaster_starts_nothing(toy: ToyCell, content: bytes) -> None:
    """An empty, binary or hostile act_qmaster is no host; the message names the file."""
    (toy.common / "act_qmaster").write_bytes(content)
    code, text = toy.call("start", "-qmaster")
    assert code == 6
    assert "act_qmaster" in text
    assert not toy.alive("sge_qmaster")


def test_a_master_that_dies_at_once_is_reported(toy: ToyCell) -> None:
    """The parent's exit status 0 is not believed: no process means failure, with places to look at."""
    toy.wish(dies_at_start=True)
    code, text = toy.call("start", SHADOWD_START_TIMEOUT="1")
    assert code == 1
    assert "ended without becoming ready" in text
    assert "messages" in text


def test_start_waits_for_another_hosts_claim_and_gives_way_to_its_master(toy: ToyCell) -> None:
    """While another host is taking over, no second master is started beside its new one."""
    toy.claim("elsewhere", "launching")
    calling = toy.start("start", "-qmaster")
    assert calling.stdout
    assert "claimed epoch 0000000007" in calling.stdout.readline()
    toy.set_active("elsewhere")
    toy.notice("started")
    out, err = calling.communicate(timeout=60)
    assert calling.returncode == 1, out + err
    assert "taken over" in err
    assert not toy.alive("sge_qmaster")


def test_start_outlasts_a_claim_that_came_to_nothing(toy: ToyCell) -> None:
    """A claim whose host crashed does not keep this host's master down for ever."""
    toy.claim("elsewhere", window=1)
    code, text = toy.call("start")
    assert code == 0
    assert "came to nothing" in text


def test_stop_marks_the_shutdown_before_it_asks_once(toy: ToyCell) -> None:
    """The master gets one SIGTERM, at a moment when the lock already says that this is a shutdown."""
    toy.call()
    code, text = toy.call("stop")
    assert code == 0, text
    assert toy.signals() == ["TERM marked"]
    assert not toy.alive("sge_qmaster")
    assert toy.lock.stat().st_size == 0
    assert toy.lock.stat().st_mode & 0o777 == 0o600


def test_a_slow_stop_is_never_a_kill(toy: ToyCell) -> None:
    """A master that is still stopping when patience ends lives on, is reported, and stays marked."""
    toy.wish(stop_seconds=3)
    toy.call()
    code, text = toy.call("stop", SHADOWD_STOP_TIMEOUT="1")
    assert code == 1
    assert "still stopping" in text
    assert "was not killed" in text
    assert toy.lock.exists()
    assert len(toy.alive("sge_qmaster")) == 1
    assert eventually(lambda: not toy.alive("sge_qmaster"))
    assert toy.signals() == ["TERM marked"]


def test_a_master_that_leaves_no_lock_does_not_look_crashed(toy: ToyCell) -> None:
    """The mark is there after the end too when the master itself left none."""
    toy.wish(leaves_lock=False)
    toy.call()
    assert toy.call("softstop")[0] == 0
    assert toy.lock.exists()


def test_stop_does_not_ask_a_replaced_master(toy: ToyCell) -> None:
    """A master that another host replaced gets no SIGTERM: its clean exit would switch failover off."""
    toy.call()
    toy.set_active("elsewhere")
    code, text = toy.call("stop")
    assert code == 1
    assert "was replaced" in text
    assert toy.signals() == []
    assert not toy.lock.exists()
    assert len(toy.alive("sge_qmaster")) == 1


def test_stop_of_nothing_is_a_success_and_leaves_failover_on(toy: ToyCell) -> None:
    """Stop where no master runs places no lock: a reboot after a crash must not end failover."""
    code, text = toy.call("stop")
    assert code == 0
    assert "not running" in text
    assert not toy.lock.exists()


def test_restart_brings_a_new_master(toy: ToyCell) -> None:
    """Restart ends the old process in order and starts another, which takes the lock away."""
    toy.call()
    old = toy.alive("sge_qmaster")
    assert toy.call("restart", "-qmaster")[0] == 0
    assert toy.alive("sge_qmaster") != old
    assert toy.signals() == ["TERM marked"]
    assert not toy.lock.exists()


def test_status_uses_the_codes_of_the_standard(toy: ToyCell) -> None:
    """Status is 1 without a master, 0 with it, 3 after an orderly stop."""
    assert toy.call("status")[0] == 1
    toy.call()
    assert toy.call("status")[0] == 0
    toy.call("stop")
    assert toy.call("status")[0] == 3


def test_shadowd_is_started_where_it_is_listed(toy: ToyCell) -> None:
    """A shadow host starts the daemon in the background and no master."""
    toy.set_active("elsewhere")
    toy.list_shadows("other,one", SHORT.upper())
    assert toy.call("start")[0] == 0
    assert (toy.root / "shadowd_arguments").read_text() == "run --daemonize"
    assert eventually(lambda: toy.alive("shadowd"))
    assert not toy.alive("sge_qmaster")


def test_a_second_shadowd_is_refused(toy: ToyCell) -> None:
    """A running daemon is found by its pid file and no second one is started."""
    toy.list_shadows(HOST)
    toy.call("-shadowd")
    assert eventually(lambda: toy.call("status", "-shadowd")[0] == 0)
    code, text = toy.call("-shadowd", "start")
    assert code == 0
    assert "not starting a second one" in text
    assert len(toy.alive("shadowd")) == 1


def test_shadowd_alone_is_stopped_and_its_status_told(toy: ToyCell) -> None:
    """``-shadowd stop`` ends the daemon and leaves the master."""
    toy.list_shadows(HOST)
    toy.call()
    assert eventually(lambda: toy.call("status")[0] == 0)
    assert toy.call("-shadowd", "stop")[0] == 0
    assert not toy.alive("shadowd")
    assert toy.signals() == []
    assert toy.call("status", "-shadowd")[0] == 3
    assert toy.call("status", "-qmaster")[0] == 0


def test_stop_ends_both(toy: ToyCell) -> None:
    """Without a limit, stop ends the master and the shadow daemon."""
    toy.list_shadows(HOST)
    toy.call()
    assert eventually(lambda: toy.call("status")[0] == 0)
    assert toy.call("stop")[0] == 0
    assert not toy.alive("shadowd")
    assert not toy.alive("sge_qmaster")


@pytest.mark.parametrize("content", ["", "abc", "0", "99999999", "own"])
def test_a_pid_file_alone_is_no_daemon(toy: ToyCell, content: str) -> None:
    """A stale, empty or foreign number neither hinders a start nor gets a signal."""
    word = str(os.getpid()) if content == "own" else content
    (toy.spool / f"shadowd_{HOST}.pid").write_text(word)
    toy.list_shadows(HOST)
    assert toy.call("-shadowd", "stop")[0] == 0
    assert toy.call("-shadowd", "start")[0] == 0
    assert eventually(lambda: toy.alive("shadowd"))


def test_a_host_without_a_role_is_told_so(toy: ToyCell) -> None:
    """Start on a host that is neither master nor shadow is "not configured", with the file to change."""
    toy.set_active("elsewhere")
    code, text = toy.call("start")
    assert code == 6
    assert "shadow_masters" in text
    assert toy.call("start", "-shadowd")[0] == 6


def test_a_missing_shadowd_is_not_installed(toy: ToyCell) -> None:
    """A program that is not there gives the standard's code 5 and names the setting."""
    toy.list_shadows(HOST)
    code, text = toy.call("-shadowd", SHADOWD_COMMAND="/nowhere/shadowd")
    assert code == 5
    assert "SHADOWD_COMMAND" in text


def test_migrate_asks_the_old_master_and_starts_here(toy: ToyCell) -> None:
    """Scheduler first, then master; a new one here once the old one is silent and its lock lies there."""
    toy.master_elsewhere()
    code, text = toy.call("-migrate")
    assert code == 0, text
    assert toy.calls() == ["-ks", "-km"]
    assert len(toy.alive("sge_qmaster")) == 1
    assert not toy.lock.exists()


def test_migrate_without_the_right_ends_nothing(toy: ToyCell) -> None:
    """A host that is no admin host is refused before the master is asked."""
    toy.master_elsewhere()
    (toy.root / "scheduler_says").write_text(f'denied: host "{HOST}" is not an admin host\n')
    code, text = toy.call("-migrate")
    assert code == 1
    assert "admin host" in text
    assert toy.calls() == ["-ks"]


@pytest.mark.parametrize(("mishap", "words"), [("deaf", "still answers"), ("crashes", "may have crashed")])
def test_migrate_refuses_what_is_not_proved(toy: ToyCell, mishap: str, words: str) -> None:
    """An old master that goes on, or went without its lock, keeps this host from starting one."""
    toy.master_elsewhere()
    (toy.root / mishap).touch()
    code, text = toy.call("-migrate")
    assert code == 1
    assert words in text
    assert not toy.alive("sge_qmaster")


def test_migrate_takes_over_after_an_orderly_stop(toy: ToyCell) -> None:
    """An old master that is silent already and left its lock is not asked any more."""
    toy.set_active("elsewhere")
    toy.lock.touch()
    assert toy.call("-migrate")[0] == 0
    assert toy.calls() == []
    assert len(toy.alive("sge_qmaster")) == 1


def test_migrate_does_not_trust_a_lock_beside_a_running_master(toy: ToyCell) -> None:
    """A lock that was there before proves nothing about the end of the master."""
    toy.master_elsewhere()
    toy.lock.touch()
    code, text = toy.call("-migrate")
    assert code == 1
    assert "although the master" in text
    assert toy.calls() == []


def test_migrate_on_the_masters_own_host_is_refused(toy: ToyCell) -> None:
    """There is nothing to move where act_qmaster names this host."""
    assert toy.call("-migrate")[0] == 1
    assert toy.calls() == []


def test_migrate_waits_for_the_guards_word(toy: ToyCell) -> None:
    """With a guard on the old host, its outcome ends the wait for the old process."""
    toy.master_elsewhere()
    toy.claim("elsewhere", "launching", "started", "stopped")
    (toy.spool / "shadowd" / "hosts").mkdir()
    (toy.spool / "shadowd" / "hosts" / "elsewhere.json").write_text("{}")
    code, text = toy.call("-migrate", SHADOWD_SETTLE="40")
    assert code == 0, text


def test_the_primary_host_gets_its_master_back(toy: ToyCell) -> None:
    """A host named in primary_qmaster moves the master to itself when it starts."""
    toy.master_elsewhere()
    (toy.common / "primary_qmaster").write_text(f"{SHORT}\n")
    assert toy.call("start")[0] == 0
    assert toy.calls() == ["-ks", "-km"]
    assert len(toy.alive("sge_qmaster")) == 1


def test_a_primary_host_that_may_not_migrate_still_shadows(toy: ToyCell) -> None:
    """A refused move is reported by the exit code, and the shadow daemon runs all the same."""
    toy.master_elsewhere()
    toy.list_shadows(HOST)
    (toy.common / "primary_qmaster").write_text(f"{HOST}\n")
    (toy.root / "deaf").touch()
    assert toy.call("start")[0] == 1
    assert eventually(lambda: toy.alive("shadowd"))


@pytest.mark.parametrize(
    "words", [("begin",), ("start", "stop"), ("-qmaster", "-shadowd"), ("-migrate", "stop"), ("--force",)]
)
def test_words_that_make_no_sense_are_a_usage_error(toy: ToyCell, words: tuple[str, ...]) -> None:
    """Unknown or contradicting words change nothing and print the usage."""
    code, text = toy.call(*words)
    assert code == 2
    assert "usage: sgemaster" in text
    assert not toy.alive("sge_qmaster")


def test_the_old_name_is_only_another_name(toy: ToyCell, tmp_path: Path) -> None:
    """Called as sge5 the script says sge5 in its usage and does the same."""
    old = tmp_path / "sge5"
    old.symlink_to(SCRIPT)
    done = subprocess.run([old, "-help"], check=False, capture_output=True, text=True, env=toy.environment)
    assert done.returncode == 0
    assert "usage: sge5" in done.stdout


def test_without_sge_root_the_remedy_names_the_file(toy: ToyCell) -> None:
    """A missing SGE_ROOT is "not configured" and says where to write it."""
    code, text = toy.call("start", SGE_ROOT="")
    assert code == 6
    assert f"SGE_ROOT=/path (and SGE_CELL, SGE_QMASTER_PORT) into {toy.root}/defaults" in text


def test_the_environment_wins_over_the_defaults_file(toy: ToyCell) -> None:
    """Settings come from the file, and from the environment over it."""
    (toy.root / "defaults").write_text(f"SGE_ROOT={toy.root}\nSHADOWD_STOP_TIMEOUT=1x\n")
    assert toy.call("status", SGE_ROOT="")[0] == 1
    code, text = toy.call("status", SHADOWD_STOP_TIMEOUT="")
    assert code == 6
    assert "SHADOWD_STOP_TIMEOUT: '1x' is no number of seconds" in text


@pytest.mark.parametrize("value", ["0", "-1", "60abc", "123456", " ", "$(reboot)"])
def test_a_wrong_wait_is_an_error(toy: ToyCell, value: str) -> None:
    """A wait that is no sensible number is refused by name before anything is touched."""
    code, text = toy.call("start", SHADOWD_START_TIMEOUT=value)
    assert code == 6
    assert "SHADOWD_START_TIMEOUT" in text


def test_a_cell_of_release_5_is_read_from_configuration(toy: ToyCell) -> None:
    """Where there is no bootstrap, the keys come from the older file."""
    (toy.common / "bootstrap").unlink()
    toy.write_settings("configuration")
    assert toy.call("start")[0] == 0
    assert len(toy.alive("sge_qmaster")) == 1


def test_a_missing_cell_names_its_file(toy: ToyCell) -> None:
    """A cell that is not there gives the path that was looked at."""
    code, text = toy.call("status", SGE_CELL="nowhere")
    assert code == 6
    assert f"{toy.root}/nowhere/common/bootstrap: cannot be read" in text


def test_a_hung_file_system_does_not_hang_the_script(toy: ToyCell, tmp_path: Path) -> None:
    """A shared directory that does not answer ends the script with its name, in bounded time."""
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "ls").write_text("#!/bin/sh\nexec sleep 20\n")
    (slow / "ls").chmod(0o755)
    path = f"{slow}:{os.environ['PATH']}"
    code, text = toy.call("status", PATH=path, SHADOWD_FILE_TIMEOUT="1")
    assert code == 1
    assert re.search(r"default/common: the file system does not answer within 1 s", text)
