"""What /proc says about real processes."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shadowd.adapters import procfs
from tests.lab.processes import wait_for


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that sleeps, with a mark in its environment."""
    child = subprocess.Popen(["/bin/sleep", "60"], env={"MARK_OF_TEST": f"m{os.getpid()}", "EMPTY": ""})
    yield child
    child.kill()
    child.wait(10)


def test_a_process_is_described(sleeper: subprocess.Popen[bytes]) -> None:
    """Name, parent, session and a start token that stays."""
    wait_for(lambda: procfs.arguments(sleeper.pid) == ("/bin/sleep", "60"), 5, "it sleeps")
    found = procfs.process(sleeper.pid)
    assert found is not None
    assert (found.comm, found.ppid, found.session) == ("sleep", os.getpid(), os.getsid(0))
    assert found.alive
    assert found.start_token.isdigit()
    assert procfs.process(sleeper.pid).start_token == found.start_token  # type: ignore[union-attr] # it lives


def test_a_hostile_program_name_is_read(tmp_path: Path) -> None:
    """Blanks and brackets in the name do not shift the fields."""
    folder = tmp_path / "7"
    folder.mkdir()
    rest = " ".join(str(number) for number in range(1, 45))
    (folder / "stat").write_bytes(b"7 (a) Z 9 (b\xff) S " + rest.encode() + b"\n")
    found = procfs.process(7, tmp_path)
    assert found is not None
    assert (os.fsencode(found.comm), found.state, found.ppid, found.start_token) == (
        b"a) Z 9 (b\xff",
        "S",
        1,
        "19",
    )


@pytest.mark.parametrize("content", [b"", b"7", b"7 (x) S", b"\0" * 5000, b")" * 300])
def test_a_broken_stat_is_nobody(tmp_path: Path, content: bytes) -> None:
    """What cannot be read as a process is no process."""
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_bytes(content)
    assert procfs.process(7, tmp_path) is None


def test_nobody_there() -> None:
    """A pid that no kernel gives away is None in every respect."""
    assert procfs.process(2**22 + 1) is None
    assert procfs.environment(2**22 + 1, 100) is None
    assert procfs.arguments(2**22 + 1) == ()
    assert procfs.open_pidfd(2**22 + 1, "1") is None


def test_an_environment_is_read_so_far(sleeper: subprocess.Popen[bytes]) -> None:
    """Of a process with megabytes of it no more is read than was asked for."""
    wait_for(lambda: procfs.environment(sleeper.pid, 1000), 5, "it has begun")
    whole = {b"MARK_OF_TEST": f"m{os.getpid()}".encode(), b"EMPTY": b""}
    assert procfs.environment(sleeper.pid, 1000) == whole
    assert procfs.environment(sleeper.pid, 4) == {b"MARK": b""}


def test_whose_a_process_is_needs_no_file_of_it(sleeper: subprocess.Popen[bytes]) -> None:
    """Its user and its parent; nobody has neither."""
    assert procfs.owner(sleeper.pid) == os.geteuid()
    assert procfs.user_ids(sleeper.pid) == {os.geteuid()}
    assert procfs.is_child(sleeper.pid)
    assert not procfs.is_child(os.getppid())
    assert procfs.owner(2**22 + 1) is None
    assert procfs.user_ids(2**22 + 1) == frozenset()
    assert not procfs.is_child(2**22 + 1)


def test_our_children_and_the_processes_of_these_users_are_looked_at(
    sleeper: subprocess.Popen[bytes],
) -> None:
    """Our children whatever their user, for a program may change it; of all others nobody."""
    assert sleeper.pid in (procfs.candidates(frozenset()) or ())
    assert os.getpid() not in (procfs.candidates(frozenset()) or ())
    assert os.getpid() in (procfs.candidates(frozenset({os.geteuid()})) or ())
    assert sleeper.pid in [found.pid for found in procfs.table(frozenset())]


def test_a_table_that_cannot_be_listed_is_not_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is not the same as nobody; nor is a table too long to be looked through."""
    users = frozenset({os.geteuid()})
    assert procfs.candidates(users, tmp_path / "missing") is None
    assert procfs.candidates(users, tmp_path) == ()
    monkeypatch.setattr(procfs, "_MOST_CANDIDATES", 1)
    (tmp_path / "1").mkdir()
    assert procfs.candidates(users, tmp_path) == (1,)
    (tmp_path / "2").mkdir()
    assert procfs.candidates(users, tmp_path) is None


def test_a_pidfd_is_opened_only_for_the_right_process(sleeper: subprocess.Popen[bytes]) -> None:
    """A wrong start token means that the number is another's."""
    found = procfs.process(sleeper.pid)
    assert found is not None
    assert procfs.open_pidfd(sleeper.pid, found.start_token + "0") is None


def test_a_stopped_process_is_told_from_one_that_sleeps(sleeper: subprocess.Popen[bytes]) -> None:
    """Stopped by a signal, until it goes on; nobody is not."""
    assert not procfs.is_stopped(sleeper.pid)
    os.kill(sleeper.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, sleeper.pid, os.WSTOPPED)
    assert procfs.is_stopped(sleeper.pid)
    os.kill(sleeper.pid, signal.SIGCONT)
    os.waitid(os.P_PID, sleeper.pid, os.WCONTINUED)
    assert not procfs.is_stopped(sleeper.pid)
    assert not procfs.is_stopped(None)
    assert not procfs.is_stopped(2**22 + 1)


def test_an_end_is_seen_and_a_signal_is_sent(sleeper: subprocess.Popen[bytes]) -> None:
    """The pidfd says nothing while it lives, and speaks when it was killed."""
    found = procfs.process(sleeper.pid)
    assert found is not None
    pidfd = procfs.open_pidfd(sleeper.pid, found.start_token)
    assert pidfd is not None
    assert procfs.wait_pidfds([pidfd], 0) == []
    assert procfs.send_signal(pidfd, signal.SIGKILL)
    assert procfs.wait_pidfds([pidfd], 10) == [pidfd]
    zombie = procfs.process(sleeper.pid)
    assert zombie is not None
    assert not zombie.alive
    assert sleeper.pid in [child.pid for child in procfs.zombie_children()]
    sleeper.wait(10)
    assert not procfs.send_signal(pidfd, signal.SIGKILL)
    os.close(pidfd)


def test_long_files_are_cut(tmp_path: Path) -> None:
    """No more than the limit is read, of a sparse terabyte as well."""
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(2**40)
    assert procfs.read_some(big, 100) == b"\0" * 100
    assert procfs.read_some(tmp_path, 100) is None
    os.mkfifo(tmp_path / "fifo")
    assert procfs.read_some(tmp_path / "fifo", 100) == b""


def test_the_name_of_the_process_is_set() -> None:
    """As ``ps`` shows it, cut to 15 bytes."""
    child = os.fork()
    if not child:
        good = procfs.set_name("sge_shadowd_and_more")
        name = Path("/proc/self/comm").read_text()
        os._exit(0 if good and name == "sge_shadowd_and\n" else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_subreaper_inherits_orphans() -> None:
    """The grandchild of a process that ended is ours to collect."""
    child = os.fork()
    if not child:
        procfs.become_subreaper()
        if not os.fork():
            if not os.fork():
                os._exit(42)
            os._exit(0)
        ends = [os.wait()[1], os.wait()[1]]
        os._exit(0 if sorted(ends) == [0, 42 << 8] else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(
    ("path", "name"), [("/opt/a/sge_qmaster", "sge_qmaster"), ("a_very_long_program_name", "a_very_long_pro")]
)
def test_the_kernels_name_of_a_program(path: str, name: str) -> None:
    """The last part of the path, cut to 15 bytes."""
    assert procfs.comm_of(path) == name
