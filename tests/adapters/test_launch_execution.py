"""How a program is executed, and what is said when it cannot be."""

import errno
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from shadowd.adapters import procfs, user
from shadowd.adapters.execution import Program
from shadowd.core.values import Epoch, ExitKind, PairView, Problem, Unknown
from tests.lab.processes import wait_for
from tests.lab.stand import ONE, Stand

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts programs as somebody else")


@pytest.mark.parametrize("trouble", ["no table", "no descriptors"])
def test_a_process_table_that_cannot_be_read_proves_nothing(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """Nobody may conclude that nothing is left, or that the master has ended, until it is known to."""
    launcher = stand.launcher(stand.script("exec sleep 60"))
    launcher.launch(ONE, stand.nonce)
    pid = stand.view(launcher, ExitKind.RUNNING, alive=1).master_pid
    if trouble == "no table":
        monkeypatch.setattr(procfs, "pids", lambda *_: None)
    else:
        monkeypatch.setattr(os, "scandir", _exhausted)
    assert launcher.inspect(ONE, stand.nonce) == PairView(ExitKind.RUNNING, pid, None, 1)
    assert launcher.inspect(Epoch(2), stand.nonce) == PairView(ExitKind.RUNNING, None, None, 1)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: launcher.inspect(ONE, stand.nonce).master is ExitKind.UNSEEN, 10, "its end is known")
    assert launcher.inspect(ONE, stand.nonce).alive == 1
    monkeypatch.undo()
    stand.view(launcher, ExitKind.FAILED, alive=0)


def _exhausted(*_: object) -> None:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_a_launch_without_descriptors_starts_nothing(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that cannot be followed is not left running."""
    launcher = stand.launcher(stand.script("exec sleep 60"))
    monkeypatch.setattr(os, "pidfd_open", _exhausted)
    problem = launcher.launch(ONE, stand.nonce)
    monkeypatch.undo()
    assert isinstance(problem, Unknown)
    assert "open files" in problem.detail
    wait_for(lambda: launcher.inspect(ONE, stand.nonce).alive == 0, 10, "nothing runs")


def _missing(stand: Stand) -> Program:
    return Program((str(stand.path / "no_such_program"),))


def _not_executable(stand: Stand) -> Program:
    program = stand.script("exit 0")
    Path(program.argv[0]).chmod(0o644)
    return program


def _no_interpreter(stand: Stand) -> Program:
    path = stand.path / "odd"
    path.write_text("#!/no/such/interpreter\n")
    path.chmod(0o755)
    return Program((str(path),))


def _no_format(stand: Stand) -> Program:
    path = stand.path / "noise"
    path.write_bytes(b"\x7fELF" + b"\0" * 100)
    path.chmod(0o755)
    return Program((str(path),))


def _no_directory(stand: Stand) -> Program:
    program = stand.script("exit 0")
    return Program(program.argv, cwd=str(stand.path / "no_such_directory"))


def _nul(_: Stand) -> Program:
    return Program(("/bin/true", "a\0b"))


@pytest.mark.parametrize(
    "make",
    [_missing, _not_executable, _no_interpreter, _no_format, _no_directory, _nul],
    ids=lambda f: f.__name__,
)
def test_what_cannot_be_executed_is_named(stand: Stand, make: Callable[[Stand], Program]) -> None:
    """The answer names the path and the reason, and nothing runs."""
    program = make(stand)
    launcher = stand.launcher(program)
    problem = launcher.launch(ONE, stand.nonce)
    assert isinstance(problem, Unknown)
    assert problem.subject in {program.argv[0], program.cwd}
    assert problem.subject in problem.detail
    assert launcher.inspect(ONE, stand.nonce) == PairView(ExitKind.UNSEEN, None, None, 0)


def test_output_is_appended_to_the_log(stand: Stand) -> None:
    """Both outputs land behind what was there."""
    stand.log.write_text("before\n")
    launcher = stand.launcher(stand.script("echo out; echo err >&2; read line || echo no input"))
    launcher.launch(ONE, stand.nonce)
    stand.view(launcher, ExitKind.CLEAN)
    assert stand.log.read_text() == "before\nout\nerr\nno input\n"


@pytest.mark.parametrize("kind", ["fifo", "directory", "nowhere"])
def test_a_log_that_cannot_be_written_keeps_no_master_down(stand: Stand, kind: str) -> None:
    """The output is dropped, the master runs."""
    stand.log = stand.path / "logs" / "pair.log"
    if kind != "nowhere":
        stand.log.parent.mkdir()
        os.mkfifo(stand.log) if kind == "fifo" else stand.log.mkdir()
    launcher = stand.launcher(stand.script("echo something; exec sleep 60"))
    assert launcher.launch(ONE, stand.nonce) is None
    stand.view(launcher, ExitKind.RUNNING)


def test_a_blocked_signal_is_not_handed_down(stand: Stand) -> None:
    """A worker thread that blocks SIGTERM starts a master that does not."""
    launcher = stand.launcher(stand.script("grep SigBlk /proc/self/status"))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        launcher.launch(ONE, stand.nonce)
        assert signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    stand.view(launcher, ExitKind.CLEAN)
    assert stand.log.read_text().split() == ["SigBlk:", "0" * 16]


def test_directory_and_umask_are_given(stand: Stand) -> None:
    """The program begins where and with what its definition says."""
    program = stand.script("pwd; umask")
    launcher = stand.launcher(Program(program.argv, cwd=str(stand.path), umask=0o077))
    launcher.launch(ONE, stand.nonce)
    stand.view(launcher, ExitKind.CLEAN)
    assert stand.log.read_text() == f"{stand.path}\n0077\n"


@ROOT
def test_a_program_runs_as_its_user(stand: Stand) -> None:
    """All ids and groups are those of the user."""
    launcher = stand.launcher(Program(("/usr/bin/id",), user="nobody"))
    assert launcher.launch(ONE, stand.nonce) is None
    stand.view(launcher, ExitKind.CLEAN)
    words = stand.log.read_text()
    assert words.startswith("uid=65534")
    assert "root" not in words


@ROOT
def test_an_unknown_user_is_named(stand: Stand) -> None:
    """Nothing is started as root instead."""
    launcher = stand.launcher(Program(("/usr/bin/id",), user="no-such-user-here"))
    problem = launcher.launch(ONE, stand.nonce)
    assert isinstance(problem, Unknown)
    assert problem.problem is Problem.MISSING
    assert "no-such-user-here" in problem.subject


@ROOT
def test_borrowed_file_rights_stay_behind(stand: Stand) -> None:
    """A worker that uses files as the cell's user starts, sees and stops programs of root."""
    launcher = stand.launcher(stand.script("id -u; exec sleep 60"))
    try:
        user.become(user.FileUser(65533, 65533, (65533,)))
        assert launcher.launch(ONE, stand.nonce) is None
        stand.view(launcher, ExitKind.RUNNING, alive=1)
        with user.own_identity():
            wait_for(lambda: stand.log.stat().st_size, 10, "it speaks")
        assert launcher.stop(ONE, stand.nonce).alive == 0
    finally:
        user.become(None)
    assert stand.log.read_text() == "0\n"


@pytest.mark.parametrize("programs", [(), (Program(()),), (Program(("a",)),) * 3])
def test_a_pair_is_one_or_two_programs(stand: Stand, programs: tuple[Program, ...]) -> None:
    """Anything else is a mistake in the program that asks."""
    with pytest.raises(ValueError, match="a pair"):
        stand.launcher(*programs)


def test_a_stopped_master_is_shown_as_such(stand: Stand) -> None:
    """It runs, and does nothing; also while nobody walks through the table."""
    launcher = stand.launcher(stand.script("exec sleep 60"))
    launcher.launch(ONE, stand.nonce)
    pid = stand.view(launcher, ExitKind.RUNNING).master_pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: launcher.inspect(ONE, stand.nonce).frozen, 15, "it is stopped")
    assert launcher.inspect(ONE, stand.nonce).master is ExitKind.RUNNING
    os.kill(pid, signal.SIGCONT)
    wait_for(lambda: not launcher.inspect(ONE, stand.nonce).frozen, 15, "it goes on")


def test_a_program_that_becomes_another_is_known_by_that_name(stand: Stand) -> None:
    """By the daemon after this one too: a helper that is older than the master is none."""
    wrapper = stand.script('sleep 60 &\nexec "$0.d/server" 60')
    server = Path(f"{wrapper.argv[0]}.d/server")
    server.parent.mkdir()
    shutil.copy("/bin/sleep", server)
    program = replace(wrapper, name=str(server))
    first = stand.launcher(program)
    first.launch(ONE, stand.nonce)
    pid = stand.view(first, ExitKind.RUNNING, 2).master_pid
    assert pid is not None
    wait_for(lambda: procfs.process(pid).comm == "server", 15, "the server runs")  # type: ignore[union-attr]
    assert stand.view(stand.launcher(program), ExitKind.RUNNING, 2).master_pid == pid
