"""Finding, following and stopping what was started: real processes with good and bad manners."""

import os
import signal
import subprocess
import sys
import time

import pytest

from shadowd.adapters import marks, procfs
from shadowd.adapters.execution import Program
from shadowd.adapters.family import Family
from shadowd.core.values import Epoch, ExitKind, PairView
from tests.lab import processes
from tests.lab.processes import wait_for
from tests.lab.stand import ONE, Stand


def test_a_daemonizing_master_is_found_by_its_environment(stand: Stand) -> None:
    """The process that serves is the master, although the one that we started has ended with 0."""
    launcher = stand.launcher(stand.toy())
    assert launcher.launch(ONE, stand.nonce) is None
    pid = stand.running(launcher)
    assert launcher.inspect(ONE, stand.nonce) == PairView(ExitKind.RUNNING, pid, None, 1)
    found = procfs.environment(pid, 65536)
    assert found is not None
    assert found[b"SHADOWD_CELL"] == b"lab"
    secret = stand.secrets.of(stand.nonce) or ""
    assert (found[b"SHADOWD_EPOCH"], found[b"SHADOWD_NONCE"]) == (b"1", secret.encode())
    assert (found[b"SHADOWD_ROLE"], found[b"PATH"]) == (b"master", b"/usr/bin:/bin")


def test_the_middle_processes_of_a_double_fork_are_collected(stand: Stand) -> None:
    """Neither the parent nor the middle process stays behind as a zombie."""
    before = procfs.zombie_children()
    launcher = stand.launcher(stand.toy())
    launcher.launch(ONE, stand.nonce)
    stand.running(launcher)
    launcher.stop(ONE, stand.nonce)
    assert procfs.zombie_children() == before


def test_while_all_live_no_table_is_walked(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand looks at a healthy pair ask the kernel only whether its pidfds are still silent."""
    launcher = stand.launcher(stand.toy())
    launcher.launch(ONE, stand.nonce)
    stand.running(launcher)
    family = launcher._families[ONE, stand.nonce]
    wait_for(lambda: family.unchanged, 15, "the unrest of the start is over")
    monkeypatch.setattr(Family, "look", lambda _: pytest.fail("/proc was walked"))
    for _ in range(1000):
        assert launcher.inspect(ONE, stand.nonce).master is ExitKind.RUNNING
    monkeypatch.undo()


def test_a_program_that_fails_at_once_has_failed(stand: Stand) -> None:
    """Status 1 before any fork is FAILED, with nothing left."""
    launcher = stand.launcher(stand.script("exit 1"))
    assert launcher.launch(ONE, stand.nonce) is None
    assert stand.view(launcher, ExitKind.FAILED) == PairView(ExitKind.FAILED, None, None, 0)


def test_a_daemon_that_fails_behind_its_parents_0_has_failed(stand: Stand) -> None:
    """The parent said 0 and the daemon died: never CLEAN, for that would switch failover off."""
    launcher = stand.launcher(stand.toy("--fail", "die"))
    launcher.launch(ONE, stand.nonce)
    seen = wait_for(lambda: stand.ended(launcher), 15, "it ends")
    assert seen == PairView(ExitKind.FAILED, None, None, 0)


def test_a_daemon_that_failed_before_anybody_looked_has_failed(stand: Stand) -> None:
    """Only zombies are left at the first look: their statuses count."""
    before = len(procfs.zombie_children())
    launcher = stand.launcher(stand.toy("--fail", "die"))
    launcher.launch(ONE, stand.nonce)
    wait_for(lambda: len(procfs.zombie_children()) >= before + 3, 15, "all three have ended")
    assert launcher.inspect(ONE, stand.nonce) == PairView(ExitKind.FAILED, None, None, 0)


FORKER = """
import os, pathlib, sys, time
place = pathlib.Path(sys.argv[1])
def gate(name):
    while not (place / name).exists():
        time.sleep(0.005)
if os.fork():
    os._exit(0)
os.setsid()
gate("fork")
if os.fork():
    os._exit(0)
(place / "last.new").write_text(str(os.getpid()))
(place / "last.new").rename(place / "last")
gate("die")
os._exit(1)
"""


def test_who_is_forked_during_a_look_and_dead_before_the_next_has_failed(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No listing ever has it alive: all the same its status counts, and it is collected."""
    look = marks.processes_of
    before = procfs.zombie_children()
    launcher = stand.launcher(Program((sys.executable, "-ISc", FORKER, str(stand.path))))
    launcher.launch(ONE, stand.nonce)
    (member,) = launcher._families[ONE, stand.nonce].members
    wait_for(lambda: not processes.alive(member.process.pid), 15, "the first process has ended")
    last: list[int] = []

    def late(nonce: str, users: frozenset[int]) -> tuple[int, ...]:
        (stand.path / ("die" if last else "fork")).touch()
        if last:
            wait_for(lambda: not processes.alive(last[0]), 15, "the last process has ended")
        else:
            wait_for((stand.path / "last").exists, 15, "the last process was forked")
            last.append(int((stand.path / "last").read_text()))
            middle = os.getsid(last[0])
            wait_for(lambda: not processes.alive(middle), 15, "the middle process has ended")
        return tuple(pid for pid in look(nonce, users) or () if pid not in last)

    monkeypatch.setattr(marks, "processes_of", late)
    seen = wait_for(lambda: stand.ended(launcher), 15, "it ends")
    assert seen == PairView(ExitKind.FAILED, None, None, 0)
    launcher._leftovers.sweep()
    assert procfs.zombie_children() == before


def test_zombies_that_nobody_can_place_are_collected_at_the_next_launch(stand: Stand) -> None:
    """Failed starts leave nothing behind that would fill the table in a month."""
    before = procfs.zombie_children()
    launcher = stand.launcher(stand.toy("--fail", "die"))
    for _ in range(3):
        launcher.launch(ONE, stand.nonce)
        wait_for(lambda: stand.ended(launcher), 15, "it ends")
    launcher._leftovers.sweep()
    assert procfs.zombie_children() == before


def test_a_foreground_master_that_leaves_with_0_is_clean(stand: Stand) -> None:
    """Our own child, no descendants, status 0."""
    launcher = stand.launcher(stand.script("sleep 0.3"))
    launcher.launch(ONE, stand.nonce)
    assert launcher.inspect(ONE, stand.nonce).master is ExitKind.RUNNING
    stand.view(launcher, ExitKind.CLEAN, alive=0)


def test_an_orderly_shutdown_is_clean(stand: Stand) -> None:
    """The daemonized master was told to stop and left with 0."""
    launcher = stand.launcher(stand.toy())
    launcher.launch(ONE, stand.nonce)
    os.kill(stand.running(launcher), signal.SIGTERM)
    stand.view(launcher, ExitKind.CLEAN, alive=0)
    assert (stand.path / "lock").read_bytes() == b""


def test_a_killed_master_has_failed_and_the_loop_is_woken(stand: Stand) -> None:
    """The callback comes by itself, without anybody looking."""
    launcher = stand.launcher(stand.toy())
    launcher.launch(ONE, stand.nonce)
    pid = stand.running(launcher)
    while stand.ends.acquire(blocking=False):
        pass
    os.kill(pid, signal.SIGKILL)
    assert stand.ends.acquire(timeout=10)
    assert launcher.inspect(ONE, stand.nonce) == PairView(ExitKind.FAILED, None, None, 0)


def test_a_helper_that_outlives_its_master_is_a_stray(stand: Stand) -> None:
    """The master has ended although one of its processes lives; stop ends that one as well."""
    launcher = stand.launcher(stand.script("sleep 60 &\nwhile :; do sleep 0.05; done"))
    launcher.launch(ONE, stand.nonce)
    pid = stand.view(launcher, ExitKind.RUNNING).master_pid
    assert pid is not None
    wait_for(lambda: len(stand.marked()) >= 2, 10, "a helper")
    os.kill(pid, signal.SIGKILL)
    stand.view(launcher, ExitKind.FAILED, alive=1)
    assert launcher.stop(ONE, stand.nonce) == PairView(ExitKind.FAILED, None, None, 0)
    assert stand.marked() == ()


def test_a_start_script_may_leave_a_program_of_another_name(stand: Stand) -> None:
    """The script ends with 0; what it left in the background is the master, until that ends."""
    launcher = stand.launcher(stand.script("( ( exec sleep 60 ) & )\nexit 0"))
    launcher.launch(ONE, stand.nonce)

    def sleeps() -> int | None:
        pid = launcher.inspect(ONE, stand.nonce).master_pid
        return pid if pid and processes.name(pid) == "sleep" else None

    pid = wait_for(sleeps, 10, "the sleeper is the master")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    stand.view(launcher, ExitKind.FAILED, alive=0)


def test_a_program_that_hangs_is_running_until_it_is_stopped(stand: Stand) -> None:
    """It is for the files to say whether it is a master."""
    launcher = stand.launcher(stand.toy("--fail", "hang"))
    launcher.launch(ONE, stand.nonce)
    stand.view(launcher, ExitKind.RUNNING, alive=1)
    assert launcher.stop(ONE, stand.nonce).alive == 0


def test_stop_kills_a_frozen_master(stand: Stand) -> None:
    """SIGKILL also ends what SIGSTOP has stopped, and no lock is left as after a clean exit."""
    launcher = stand.launcher(stand.toy())
    launcher.launch(ONE, stand.nonce)
    pid = stand.running(launcher)
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: processes.state(pid) == "T", 5, "it is frozen")
    assert launcher.inspect(ONE, stand.nonce).master is ExitKind.RUNNING
    assert launcher.stop(ONE, stand.nonce) == PairView(ExitKind.FAILED, None, None, 0)
    assert not processes.alive(pid)
    assert not (stand.path / "lock").exists()


def test_stop_catches_processes_that_keep_forking(stand: Stand) -> None:
    """Looks and kills alternate until nobody is left."""
    launcher = stand.launcher(stand.script("while :; do (sleep 5 &) ; sleep 0.01; done"))
    launcher.launch(ONE, stand.nonce)
    wait_for(lambda: len(stand.marked()) > 10, 10, "a crowd")
    assert launcher.stop(ONE, stand.nonce).alive == 0
    assert stand.marked() == ()


def test_stop_touches_no_other_epoch(stand: Stand) -> None:
    """The same nonce under another epoch, or another nonce, is somebody else."""
    launcher = stand.launcher(stand.script("exec sleep 60"))
    launcher.launch(ONE, stand.nonce)
    stand.view(launcher, ExitKind.RUNNING)
    assert launcher.stop(Epoch(2), stand.nonce).alive == 0
    assert launcher.stop(ONE, "another").alive == 0
    stand.view(launcher, ExitKind.RUNNING, alive=1)


def test_another_launcher_finds_the_running_master(stand: Stand) -> None:
    """A daemon that was restarted attaches by nonce; it cannot see how a stranger's child ends."""
    program = stand.toy()
    starter = os.fork()
    if not starter:
        stand.launcher(program).launch(ONE, stand.nonce)
        time.sleep(0.5)
        os._exit(0)
    os.waitpid(starter, 0)
    launcher = stand.launcher(program)
    pid = stand.running(launcher)
    os.kill(pid, signal.SIGKILL)
    assert stand.ends.acquire(timeout=10)
    stand.view(launcher, ExitKind.UNSEEN, alive=0)


def test_a_master_that_wrote_over_its_environment_is_known_over_a_restart(stand: Stand) -> None:
    """As programs do that change their title: by the mark alone the next daemon would start a second one."""
    title = (
        "import ctypes, time\n"
        "words = open('/proc/self/stat').read().rpartition(')')[2].split()\n"
        "begin, end = map(int, words[47:49])\n"
        "ctypes.memset(begin, 0, end - begin)\n"
        "time.sleep(600)\n"
    )
    program = Program((sys.executable, "-c", title))
    starter = os.fork()
    if not starter:
        launcher = stand.launcher(program)
        launcher.launch(ONE, stand.nonce)
        pid = stand.view(launcher, ExitKind.RUNNING).master_pid or 0
        processes.wait_for(lambda: not procfs.environment(pid, 65536), 10, "its environment is gone")
        stand.view(launcher, ExitKind.RUNNING)
        os._exit(0)
    os.waitpid(starter, 0)
    after = stand.launcher(program)
    seen = after.inspect(ONE, stand.nonce)
    assert (seen.master, seen.alive) == (ExitKind.RUNNING, 1)
    assert after.stop(ONE, stand.nonce).alive == 0


def test_nothing_was_ever_launched(stand: Stand) -> None:
    """Nobody runs and nobody saw an end."""
    launcher = stand.launcher(stand.script("exit 0"))
    nobody = PairView(ExitKind.UNSEEN, None, None, 0)
    assert launcher.inspect(ONE, stand.nonce) == nobody
    assert launcher.stop(ONE, stand.nonce) == nobody
    assert launcher.launch_scheduler(ONE, stand.nonce) is None


def test_the_pair_is_two_programs(stand: Stand) -> None:
    """Master and scheduler are told apart by role; each ends for itself."""
    launcher = stand.launcher(stand.toy(), stand.toy(role="scheduler"))
    launcher.launch(ONE, stand.nonce)
    pid = stand.running(launcher)
    assert launcher.inspect(ONE, stand.nonce).scheduler is None
    assert launcher.launch_scheduler(ONE, stand.nonce) is None
    pid_file = stand.path / "schedd.pid"
    scheduler = int(wait_for(lambda: pid_file.exists() and pid_file.read_text().strip(), 15, "it runs"))
    both = PairView(ExitKind.RUNNING, pid, ExitKind.RUNNING, 2)
    wait_for(lambda: launcher.inspect(ONE, stand.nonce) == both, 10, "both run")
    os.kill(scheduler, signal.SIGKILL)
    alone = PairView(ExitKind.RUNNING, pid, ExitKind.FAILED, 1)
    wait_for(lambda: launcher.inspect(ONE, stand.nonce) == alone, 10, "the scheduler has ended")
    assert launcher.stop(ONE, stand.nonce).alive == 0


def test_statuses_of_other_children_are_not_taken(stand: Stand) -> None:
    """A program that another part of the daemon runs keeps its status, whatever its name and time."""
    launcher = stand.launcher(stand.script("exec sleep 60"))
    launcher.launch(ONE, stand.nonce)
    pid = stand.view(launcher, ExitKind.RUNNING).master_pid
    (stand.path / "sub").mkdir()
    twin = stand.script("exit 7", name="sub/fake_master")
    with subprocess.Popen(twin.argv) as fence:
        wait_for(lambda: processes.state(fence.pid) == "Z", 10, "it lies there as a zombie")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        stand.view(launcher, ExitKind.FAILED, alive=0)
        launcher.stop(ONE, stand.nonce)
        assert fence.wait(10) == 7


def test_a_master_that_no_claim_started_is_adopted_over_a_restart(stand: Stand) -> None:
    """It carries no nonce, is found and stopped all the same, and the next daemon knows it too."""
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        launcher = stand.launcher(stand.toy())
        assert launcher.adopt(ONE, stand.nonce, stranger.pid).alive == 0, "it is not the resident master"
        stand.resident = stranger.pid
        running = PairView(ExitKind.RUNNING, stranger.pid, None, 1)
        assert launcher.adopt(ONE, stand.nonce, stranger.pid) == running
        assert launcher.adopt(ONE, stand.nonce, stranger.pid) == running
        assert launcher.inspect(Epoch(2), stand.nonce).alive == 0
        launcher.close()
        after = stand.launcher(stand.toy())
        assert after.inspect(ONE, stand.nonce) == running
        assert after.stop(ONE, stand.nonce).alive == 0
        assert not processes.alive(stranger.pid)
        assert stand.launcher(stand.toy()).inspect(ONE, stand.nonce).alive == 0
    finally:
        stranger.kill()
        stranger.wait()


def test_a_stray_is_stopped_only_while_it_is_the_resident_master(stand: Stand) -> None:
    """A pid that is another's by now is left alone."""
    stray = subprocess.Popen(["sleep", "600"])
    try:
        launcher = stand.launcher(stand.toy())
        assert launcher.stop_stray(stray.pid), "it lives: it was not touched"
        stand.resident = stray.pid
        assert not launcher.stop_stray(stray.pid)
        assert stray.wait(10) == -signal.SIGKILL
        assert not launcher.stop_stray(stray.pid), "it is gone"
    finally:
        stray.kill()
        stray.wait()


def test_a_planned_end_is_asked_for_by_sigterm(stand: Stand) -> None:
    """The master may save what it has; whoever asked waits and looks again."""
    launcher = stand.launcher(stand.toy())
    launcher.launch(ONE, stand.nonce)
    stand.running(launcher)
    assert launcher.terminate(ONE, stand.nonce).master is ExitKind.RUNNING
    wait_for(lambda: stand.ended(launcher), 15, "it ends by itself")
