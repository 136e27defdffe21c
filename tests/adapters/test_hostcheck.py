"""What a host lacks to run the master, and the looks that find it out."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shadowd.adapters.execution import Program
from shadowd.adapters.hostcheck import Examiner, Needs, PeriodicCheck, lacking, not_runnable
from shadowd.adapters.sharedpaths import SharedPaths
from shadowd.core.fitness import Fitness
from shadowd.core.values import Host, Instant, Seconds


def script(path: Path, text: str = "#!/bin/sh\n", mode: int = 0o755) -> Path:
    """Write a program."""
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_program_that_could_be_started(tmp_path: Path) -> None:
    """Nothing speaks against it."""
    assert not_runnable(script(tmp_path / "master"), "") == ""


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda _path: None, "no such program {path}"),
        (lambda path: path.mkdir(), "{path} is no program"),
        (
            lambda path: path.symlink_to("/nowhere/x"),
            "no such program {path} ({path} is a link to /nowhere/x, ",
        ),
        (lambda path: script(path, mode=0o644), "{path} may not be executed (mode 0644)"),
        (
            lambda path: script(path, "#! /no/shell -x\n"),
            "{path} is a script for /no/shell, which is not there",
        ),
    ],
    ids=["missing", "directory", "dangling", "mode", "interpreter"],
)
def test_a_program_that_could_not(tmp_path: Path, make: Callable[[Path], object], said: str) -> None:
    """Each reason is told with the path."""
    path = tmp_path / "master"
    make(path)
    assert not_runnable(path, "").startswith(said.format(path=path))


def test_the_part_of_the_path_that_is_missing_is_named(tmp_path: Path) -> None:
    """A folder of binary_path that is not mounted is the cause, not the program."""
    path = tmp_path / "bin" / "lx-amd64" / "master"
    assert not_runnable(path, "") == f"no such program {path} (there is no {tmp_path / 'bin'})"


def test_a_name_that_no_file_can_have() -> None:
    """It is missing like any other."""
    assert not_runnable(Path("/x" * 3000), "").startswith("no such program /x/x")


def test_a_working_directory_that_is_missing(tmp_path: Path) -> None:
    """A start would fail for it."""
    program = Program((str(script(tmp_path / "master")),), cwd=str(tmp_path / "gone"))
    assert [each.partition(",")[0] for each in lacking(program)] == [f"no such directory {tmp_path / 'gone'}"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")
def test_the_account_that_it_is_started_as_counts(tmp_path: Path) -> None:
    """One that is not known here, and one that may not execute what root may."""
    path = script(tmp_path / "master", mode=0o700)
    assert list(lacking(Program((str(path),), user="no-such-user"))) == [
        "this host knows no user no-such-user"
    ]
    (said,) = lacking(Program((str(path),), user="nobody"))
    assert str(path) in said
    assert "by nobody" in said
    assert list(lacking(Program((str(path),)))) == []


def test_what_is_named_behind_a_wrapper_counts(tmp_path: Path) -> None:
    """The lock's holder is always there; the server that it becomes may not be."""
    wrapped = Program(("/bin/sh", "-c", "x"), name=str(tmp_path / "pbs_server"))
    assert list(lacking(wrapped)) == [f"no such program {tmp_path / 'pbs_server'}"]


class Clockwork:
    """A clock and a worker that do as they are told."""

    def __init__(self) -> None:
        self.now = Instant(0)
        self.jobs: list[Callable[[], None]] = []
        self.heard = 0

    def hear(self) -> None:
        """Count what was told."""
        self.heard += 1


def checked(tmp_path: Path, work: Clockwork, submit: Callable[[Callable[[], None]], None]) -> PeriodicCheck:
    """Return the check of one program that is missing at first."""
    paths = SharedPaths(Host("alpha"), tmp_path / "hosts", None)
    examiner = Examiner(Needs((Program((str(tmp_path / "master"),)),)), paths)
    examiner.look()
    return PeriodicCheck(
        examiner,
        now=lambda: work.now,
        submit=submit,
        every=Seconds(60),
        patience=Seconds(30),
        changed=work.hear,
    )


def test_a_look_is_made_each_check_interval_and_a_change_is_told(tmp_path: Path) -> None:
    """Never two at once, and nobody waits for one."""
    work = Clockwork()
    check = checked(tmp_path, work, work.jobs.append)
    missing = Fitness((f"no such program {tmp_path / 'master'}",))
    assert check.fitness() == missing
    assert work.jobs == []
    work.now = Instant(60)
    script(tmp_path / "master")
    assert [check.fitness(), check.fitness()] == [missing, missing]
    (job,) = work.jobs
    job()
    assert (check.fitness(), work.heard) == (Fitness(), 1)
    work.now = Instant(120)
    check.fitness()
    work.jobs[1]()
    assert work.heard == 1


def test_a_look_that_does_not_return_is_told(tmp_path: Path) -> None:
    """What hangs there would hang the master too; it is over when the look returns."""
    work = Clockwork()
    check = checked(tmp_path, work, work.jobs.append)
    work.now = Instant(60)
    script(tmp_path / "master")
    check.fitness()
    work.now = Instant(90)
    assert "does not return: a file system hangs" in check.fitness().lacks[0]
    work.jobs[0]()
    assert check.fitness() == Fitness()


def test_a_look_for_which_there_is_no_thread_comes_later(tmp_path: Path) -> None:
    """What was found last goes on to count."""
    work = Clockwork()

    def refuse(_job: Callable[[], None]) -> None:
        raise RuntimeError("can't start new thread")

    check = checked(tmp_path, work, refuse)
    work.now = Instant(60)
    assert len(check.fitness().lacks) == 1
    work.now = Instant(1000)
    assert len(check.fitness().lacks) == 1, "nothing hangs"


def test_a_directory_that_is_not_there_is_lacking(tmp_path: Path) -> None:
    """In the looks of a daemon, and for whoever only asks."""
    needs = Needs((), directories=(tmp_path / "db", tmp_path))
    examiner = Examiner(needs, SharedPaths(Host("alpha"), tmp_path / "hosts", None))
    examiner.look()
    assert examiner.view.fitness.lacks == (f"no such directory {tmp_path / 'db'}",)
    assert [path.path for path in examiner.view.fitness.paths] == [str(tmp_path)]
    assert list(needs.absent()) == [f"no such directory {tmp_path / 'db'}"]


def test_a_port_that_another_user_holds_is_lacking() -> None:
    """The master could not bind it; where one of its own users has it, that is the master."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
        (told,) = Needs((), port=port, users=frozenset({65534})).lacking()
        assert told.startswith(f"port {port} is held by ")
        assert list(Needs((), port=port, users=frozenset({os.geteuid()})).lacking()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
def test_a_mount_without_execution_is_told(tmp_path: Path) -> None:
    """Its mode says yes, and the kernel says no."""
    path = script(tmp_path / "master")
    code = (
        "import sys; from pathlib import Path; from shadowd.adapters.hostcheck import not_runnable;"
        "print(not_runnable(Path(sys.argv[1]), ''))"
    )
    shell = f'mount --bind {tmp_path} {tmp_path} && mount -o remount,bind,noexec {tmp_path} && exec "$@"'
    words = ["unshare", "--mount", "sh", "-c", shell, "sh", sys.executable, "-c", code, str(path)]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=30)
    assert "may not be executed" in done.stdout
