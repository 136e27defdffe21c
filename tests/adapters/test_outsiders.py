"""Local users without rights: what they run decides nothing, and delays nothing."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shadowd.adapters import marks, procfs
from shadowd.adapters.execution import Program
from shadowd.adapters.family import Family
from shadowd.adapters.resident import ResidentSearch
from shadowd.core.values import Epoch, ExitKind, PairView
from tests.lab import processes
from tests.lab.outsiders import LARGE, NOBODY, crowd, public, setuid_sleep
from tests.lab.processes import wait_for
from tests.lab.stand import ONE, Stand

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts processes of other users")
NONE = PairView(ExitKind.UNSEEN, None, None, 0)
OLD = "0123456789abcdef0123456789abcdef"
"""A nonce as the release before drew it: the environment of a master holds it as it is."""


def forged(nonce: str) -> dict[str, str]:
    """Return what a master of the epoch carries, as far as a claim tells."""
    return {
        "SHADOWD_CELL": "lab",
        "SHADOWD_EPOCH": "1",
        "SHADOWD_NONCE": nonce,
        "SHADOWD_ROLE": "master",
        "SGE_ROOT": "/opt/sge",
        "SGE_CELL": "lab",
    }


@contextmanager
def opened() -> Iterator[list[str]]:
    """Give the names of all files that are opened within the block, and of the directories listed."""
    names: list[str] = []
    _RECORDS.append(names)
    if not _HOOKED:
        _HOOKED.append(True)
        sys.addaudithook(_note)
    try:
        yield names
    finally:
        _RECORDS.remove(names)


_RECORDS: list[list[str]] = []
_HOOKED: list[bool] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event in {"open", "os.scandir", "os.listdir"}:
        for names in _RECORDS:
            names.append(os.fsdecode(arguments[0]) if isinstance(arguments[0], str | bytes) else "")


@pytest.mark.parametrize("uid", [NOBODY, 0])
def test_whoever_carries_what_a_claim_says_is_no_master(stand: Stand, uid: int) -> None:
    """The claim is for everybody to read: what it says in an environment proves nothing, root's neither."""
    with crowd(2, forged(stand.nonce), uid=uid) as pids:
        launcher = stand.launcher(stand.toy())
        assert launcher.inspect(ONE, stand.nonce) == NONE
        assert launcher.stop(ONE, stand.nonce) == NONE
        assert all(processes.alive(pid) for pid in pids)


def test_who_learned_the_secret_is_still_no_master(stand: Stand) -> None:
    """It leaked somehow: the user does not fit."""
    with crowd(2, forged(stand.secrets.of(stand.nonce) or "")):
        assert stand.launcher(stand.toy()).inspect(ONE, stand.nonce) == NONE


def test_the_mark_of_the_release_before_counts_for_a_masters_users_only(stand: Stand) -> None:
    """Its claims publish the mark: root's process with it is the master after the upgrade, nobody's is not.

    Nor is one that a program with the setuid bit made root's: it was started by anybody.
    """
    launcher = stand.launcher(stand.toy())
    with public() as top, crowd(1, forged(OLD)), crowd(1, forged(OLD), program=setuid_sleep(top)) as (pid,):
        assert procfs.owner(pid) == 0
        assert launcher.inspect(ONE, OLD) == NONE
        with crowd(1, forged(OLD), uid=0) as (master,):
            assert launcher.inspect(ONE, OLD) == PairView(ExitKind.RUNNING, master, None, 1)


def test_nothing_is_read_of_others_and_a_stop_begins_with_the_kill(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of processes with a megabyte each: no file of theirs is opened by any look, start or stop."""
    with crowd(300, LARGE | forged(stand.nonce)) as pids, opened() as names:
        launcher = stand.launcher(stand.toy())
        launcher.launch(ONE, stand.nonce)
        stand.running(launcher)
        # As the daemon after this one would stop it: from what was kept, with no look before.
        after = stand.launcher(stand.toy())
        plain = procfs.send_signal
        until_kill: list[list[str]] = []

        def send(pidfd: int, number: signal.Signals) -> bool:
            until_kill.append([*names])
            return plain(pidfd, number)

        monkeypatch.setattr(procfs, "send_signal", send)
        begun = len(names)
        assert after.stop(ONE, stand.nonce).alive == 0
        others = tuple(f"/proc/{pid}/" for pid in pids)
        assert not [name for name in names if name.startswith(others)]
        before_kill = [name for name in until_kill[0][begun:] if name.startswith("/proc")]
        assert len(before_kill) <= 3, "the one process that was kept is identified, and nobody else"
        assert "/proc" not in before_kill, "the process table is listed after the kill only"


def test_a_look_that_hangs_keeps_no_master_alive(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks may hang in a process's memory; the stop kills what is known meanwhile."""
    launcher = stand.launcher(stand.toy())
    launcher.launch(ONE, stand.nonce)
    pid = stand.running(launcher)
    hanging, go_on = threading.Event(), threading.Event()

    def hang(_nonce: str, _users: frozenset[int]) -> tuple[int, ...]:
        hanging.set()
        go_on.wait(60)
        return ()

    monkeypatch.setattr(Family, "unchanged", False)
    monkeypatch.setattr(marks, "processes_of", hang)
    threads = [
        threading.Thread(target=call, args=(ONE, stand.nonce)) for call in (launcher.inspect, launcher.stop)
    ]
    threads[0].start()
    assert hanging.wait(20)
    threads[1].start()
    try:
        wait_for(lambda: not processes.alive(pid), 20, "the master is dead")
    finally:
        go_on.set()
        for thread in threads:
            thread.join(30)


CHANGING = """
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
os.setuid(int(sys.argv[1]))
time.sleep(600)
"""


def test_a_master_that_changes_its_user_by_itself_is_known(stand: Stand) -> None:
    """As one of a generic cell may: to the daemon that started it, and by its record to the next."""
    program = Program((sys.executable, "-ISc", CHANGING, "64001"))
    starter = os.fork()
    if not starter:
        procfs.become_subreaper()
        launcher = stand.launcher(program)
        launcher.launch(ONE, stand.nonce)

        def changed() -> bool:
            pid = launcher.inspect(ONE, stand.nonce).master_pid
            return pid is not None and procfs.owner(pid) == 64001

        wait_for(changed, 20, "it is found although its user has changed")
        os._exit(0)
    assert os.waitpid(starter, 0)[1] == 0
    after = stand.launcher(program)
    seen = after.inspect(ONE, stand.nonce)
    assert (seen.master, seen.alive) == (ExitKind.RUNNING, 1)
    assert seen.master_pid is not None
    assert procfs.user_ids(seen.master_pid) == {64001}
    assert after.stop(ONE, stand.nonce).alive == 0
    assert not processes.alive(seen.master_pid)


def test_a_scheduler_started_by_the_next_daemon_carries_the_same_mark(stand: Stand) -> None:
    """It knows the secret from the record of the one before; without any it starts nothing."""
    first = stand.launcher(stand.script("exec sleep 60"), stand.script("exec sleep 61", "second"))
    first.launch(ONE, stand.nonce)
    stand.view(first, ExitKind.RUNNING)
    drawn, stand.secrets = stand.secrets, marks.Secrets()
    after = stand.launcher(stand.script("exec sleep 60"), stand.script("exec sleep 61", "second"))
    assert after.launch_scheduler(ONE, stand.nonce) is None
    wait_for(lambda: after.inspect(ONE, stand.nonce).alive == 2, 20, "both are of the epoch")
    assert after.inspect(ONE, stand.nonce).scheduler is ExitKind.RUNNING
    assert after.stop(ONE, stand.nonce).alive == 0
    problem = after.launch(Epoch(2), marks.nonce_of("of an earlier daemon"))
    assert problem is not None
    assert "mark" in problem.detail
    stand.secrets = drawn


@pytest.fixture
def search() -> Iterator[ResidentSearch]:
    """Give the search of a cell that spools where everybody may look."""
    with public() as spool:
        environment = (("SGE_ROOT", "/opt/sge"), ("SGE_CELL", "lab"))
        yield ResidentSearch(spool / "qmaster.pid", spool, environment=environment)


@pytest.mark.parametrize("setuid", [False, True])
def test_nobodys_process_in_the_pid_file_is_no_resident_master(
    search: ResidentSearch, *, setuid: bool
) -> None:
    """Its name, directory and environment fit, and its number came round: its user does not fit."""
    program = setuid_sleep(search.spool, "sge_qmaster")
    carried = {"SGE_ROOT": "/opt/sge", "SGE_CELL": "lab"}
    if not setuid:
        Path(program).chmod(0o755)
    with crowd(1, carried, program=program, cwd=search.spool) as (pid,):
        search.pid_file.write_text(f"{pid}\n")
        assert search.find(lambda: True) is None
    with crowd(1, carried, program=program, cwd=search.spool, uid=0) as (pid,):
        search.pid_file.write_text(f"{pid}\n")
        assert search.find(lambda: False) == pid
