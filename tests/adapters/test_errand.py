"""Programs run to their end: what they read, how long, how much they say, and what they leave behind."""

import sys
import time
from pathlib import Path

import pytest

from shadowd.adapters import procfs
from shadowd.adapters.errand import Ended, run
from shadowd.core.values import Problem, Unknown
from tests.lab import processes
from tests.lab.processes import wait_for

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
LONG = 30.0


def shell(text: str, *, reads: bytes = b"", seconds: float = LONG) -> Ended | Unknown:
    """Run a shell script."""
    return run(("/bin/sh", "-c", text), ENVIRONMENT, reads, time.monotonic() + seconds)


def test_it_reads_what_it_is_given_and_its_end_is_told() -> None:
    """Both outputs, the exit status, and the environment that was given and no other."""
    ended = shell('cat; echo "$PATH $HOME" >&2; exit 3', reads=b"a=b\n")
    assert ended == Ended(3, "a=b\n/usr/bin:/bin \n")


def test_what_it_need_not_read_holds_nobody_up() -> None:
    """More than a pipe would take, to a program that reads none of it."""
    assert shell("exit 0", reads=b"x" * 1_000_000) == Ended(0, "")


@pytest.mark.parametrize("path", ["/nowhere/agent", "/etc/passwd", "/etc"])
def test_what_cannot_be_started(path: str) -> None:
    """The path and the reason."""
    ended = run((path,), ENVIRONMENT, b"", time.monotonic() + LONG)
    assert isinstance(ended, Unknown)
    assert ended.problem is Problem.MISSING
    assert ended.detail.startswith(f"{path} was not started: ")


def test_a_flood_is_drained_and_its_end_kept() -> None:
    """However much it says, its exit status counts, and the memory does not grow."""
    ended = shell("head -c 30000000 /dev/zero | tr '\\0' x; echo last words; exit 0")
    assert isinstance(ended, Ended)
    assert ended.status == 0
    assert ended.said.endswith("xlast words\n")
    assert len(ended.said) == 4096


def test_an_endless_flood_ends_at_the_limit() -> None:
    """It talks for ever; it is killed all the same."""
    begun = time.monotonic()
    ended = shell("yes", seconds=0.5)
    assert isinstance(ended, Ended)
    assert ended.status is None
    assert time.monotonic() - begun < 10


def test_the_whole_group_dies_at_the_limit(tmp_path: Path) -> None:
    """Its children too, and one that ignores signals."""
    ended = shell(
        f"trap '' TERM INT HUP; sleep 60 & echo $! > {tmp_path}/child; echo $$ > {tmp_path}/own; wait; wait",
        seconds=1,
    )
    assert ended == Ended(None, "")
    for name in ("child", "own"):
        pid = int((tmp_path / name).read_text())
        wait_for(lambda pid=pid: not processes.alive(pid), LONG, "gone")  # type: ignore[misc]


@pytest.mark.parametrize("subreaper", [True, False])
def test_what_it_leaves_behind_is_killed_and_collected(tmp_path: Path, *, subreaper: bool) -> None:
    """A child that holds the output neither holds us up nor stays, nor becomes our zombie."""
    procfs.become_subreaper(on=subreaper)
    try:
        begun = time.monotonic()
        ended = shell(f"sleep 60 & echo $! > {tmp_path}/child; echo done")
        assert ended == Ended(0, "done\n")
        assert time.monotonic() - begun < 10
        pid = int((tmp_path / "child").read_text())
        wait_for(lambda: not processes.alive(pid), LONG, "gone")
        assert all(zombie.pid != pid for zombie in procfs.zombie_children())
    finally:
        procfs.become_subreaper(on=False)


def test_a_program_that_closes_its_output_is_waited_for() -> None:
    """The end of the output is not the end of the program."""
    assert shell("exec >&- 2>&-; sleep 0.3; exit 7") == Ended(7, "")


def test_a_signal_is_told_from_a_status() -> None:
    """As a negative number, as usual in Python."""
    assert shell("kill -9 $$") == Ended(-9, "")


def test_a_limit_that_is_over_already() -> None:
    """Nothing is waited for."""
    assert shell("sleep 60", seconds=-1) == Ended(None, "")


def test_no_descriptor_is_left() -> None:
    """A daemon fences for years."""
    shell("echo x")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        shell("echo x", reads=b"y")
        run(("/nowhere",), ENVIRONMENT, b"", time.monotonic() + 1)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_it_does_not_inherit_ours(tmp_path: Path) -> None:
    """Neither a blocked signal nor a descriptor."""
    program = tmp_path / "look.py"
    program.write_text(
        "import os, signal\nprint(sorted(os.listdir('/proc/self/fd'))[:3], "
        "len(os.listdir('/proc/self/fd')), signal.pthread_sigmask(signal.SIG_BLOCK, ()))\n"
    )
    ended = run((sys.executable, "-I", str(program)), ENVIRONMENT, b"", time.monotonic() + LONG)
    assert ended == Ended(0, "['0', '1', '2'] 4 set()\n")
