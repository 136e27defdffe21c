"""Bounded reads: whatever lies at the path, the answer comes in bounded time and memory."""

import errno
import os
import socket
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowd.adapters.reading import list_dir, read_content, read_small
from shadowd.core.values import Problem, Unknown

GIGABYTE = 1 << 30


def sparse(path: Path) -> None:
    """Make a file of a gigabyte that takes no room."""
    path.touch()
    os.truncate(path, GIGABYTE)


def bound_socket(path: Path) -> None:
    """Leave a socket behind, as a server that died does."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


AWKWARD: dict[str, tuple[Callable[[Path], object], Problem]] = {
    "missing": (lambda _: None, Problem.MISSING),
    "dangling link": (lambda path: path.symlink_to("nowhere"), Problem.MISSING),
    "link loop": (lambda path: path.symlink_to(path), Problem.NOT_A_FILE),
    "directory": (lambda path: path.mkdir(), Problem.NOT_A_FILE),
    "FIFO without a writer": (os.mkfifo, Problem.NOT_A_FILE),
    "socket": (bound_socket, Problem.NOT_A_FILE),
    "device": (lambda path: path.symlink_to("/dev/zero"), Problem.NOT_A_FILE),
    "endless file of the kernel": (lambda path: path.symlink_to("/proc/kallsyms"), Problem.TOO_LARGE),
    "a gigabyte": (sparse, Problem.TOO_LARGE),
    "one byte too many": (lambda path: path.write_bytes(b"x" * 101), Problem.TOO_LARGE),
}


@pytest.mark.parametrize("what", AWKWARD)
def test_every_awkward_thing_has_its_problem_and_costs_no_memory(tmp_path: Path, what: str) -> None:
    """A read of anything but a small regular file answers which problem, and allocates next to nothing."""
    make, problem = AWKWARD[what]
    path = tmp_path / "heartbeat"
    make(path)
    tracemalloc.start()
    try:
        answer = read_small(path, 100)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(answer, Unknown)
    assert answer.problem is problem
    assert answer.subject == str(path)
    assert peak < 100_000


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "file/below"])
def test_an_impossible_path_is_unreadable(tmp_path: Path, name: str) -> None:
    """A path that the system refuses (null byte, too long, through a file) is a value, not an error."""
    (tmp_path / "file").touch()
    for answer in (read_small(tmp_path / name, 100), list_dir(tmp_path / name, 100)):
        assert isinstance(answer, Unknown)
        assert answer.problem is Problem.UNREADABLE
        assert answer.detail


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_is_unreadable(tmp_path: Path) -> None:
    """A file without permission is unreadable, not missing."""
    path = tmp_path / "lock"
    path.touch(mode=0)
    answer = read_small(path, 100)
    assert isinstance(answer, Unknown)
    assert answer.problem is Problem.UNREADABLE


@given(data=st.binary(max_size=64), limit=st.integers(0, 64))
def test_a_small_file_comes_back_whole_or_not_at_all(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, limit: int
) -> None:
    """The bytes come back exactly when they are no more than the limit."""
    path = tmp_path_factory.getbasetemp() / f"small-{os.getpid()}"
    path.write_bytes(data)
    answer = read_small(path, limit)
    if len(data) <= limit:
        assert answer == data
    else:
        assert isinstance(answer, Unknown)
        assert answer.problem is Problem.TOO_LARGE


def test_a_read_carries_the_modification_time(tmp_path: Path) -> None:
    """The time of the last change comes with the bytes, for people."""
    path = tmp_path / "lock"
    path.write_bytes(b"x")
    os.utime(path, (5, 1234.5))
    content = read_content(path, 100)
    assert not isinstance(content, Unknown)
    assert (content.data, content.wall) == (b"x", 1234.5)


def test_no_descriptor_is_kept(tmp_path: Path) -> None:
    """After reads of every kind the process holds the descriptors that it held before."""
    for number, (make, _) in enumerate(AWKWARD.values()):
        make(tmp_path / str(number))
    (tmp_path / "good").write_bytes(b"00001\n")
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the names are what is compared
    for name in ("good", *map(str, range(len(AWKWARD)))):
        read_small(tmp_path / name, 100)
        list_dir(tmp_path / name, 100)
    list_dir(tmp_path, 2)
    assert set(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208 - the names are what is compared


@pytest.mark.parametrize(
    ("code", "listed", "healed"),
    [
        (errno.ESTALE, False, True),
        (errno.EIO, False, True),
        (errno.ENOENT, True, True),
        (errno.ENOENT, False, False),
        (errno.EACCES, True, False),
    ],
)
def test_a_passing_fault_is_met_by_reopening_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, code: int, listed: bool, healed: bool
) -> None:
    """ESTALE and EIO, and ENOENT of a listed name, are tried a second time; nothing a third time."""
    path = tmp_path / "heartbeat"
    path.write_bytes(b"1")
    faults = failing_open(monkeypatch, path, code, times=1)
    answer = read_small(path, 10, listed=listed)
    assert (answer == b"1") is healed
    assert faults == [code]
    faults = failing_open(monkeypatch, path, code, times=99)
    answer = read_small(path, 10, listed=listed)
    assert isinstance(answer, Unknown)
    assert len(faults) == 1 + healed


def failing_open(monkeypatch: pytest.MonkeyPatch, path: Path, code: int, times: int) -> list[int]:
    """Make the next opens of one path fail, as a file server would; return the list of faults so far."""
    real = os.open
    faults: list[int] = []

    def fail_first(name: Any, *rest: Any, **more: Any) -> int:
        if name == path and len(faults) < times:
            faults.append(code)
            raise OSError(code, os.strerror(code), str(name))
        return real(name, *rest, **more)

    monkeypatch.undo()
    monkeypatch.setattr("shadowd.adapters.reading.os.open", fail_first)
    return faults


def test_a_listing_is_whole_or_too_large(tmp_path: Path) -> None:
    """A directory with more names than asked for is Unknown, not cut short."""
    for name in "abc":
        (tmp_path / name).touch()
    names = list_dir(tmp_path, 3)
    assert not isinstance(names, Unknown)
    assert sorted(names) == ["a", "b", "c"]
    answer = list_dir(tmp_path, 2)
    assert isinstance(answer, Unknown)
    assert answer.problem is Problem.TOO_LARGE


@pytest.mark.parametrize("what", ["missing", "link loop", "FIFO without a writer", "a gigabyte"])
def test_a_listing_of_no_directory_is_unknown(tmp_path: Path, what: str) -> None:
    """Listing anything but a directory answers at once that it is none."""
    AWKWARD[what][0](tmp_path / "spool")
    answer = list_dir(tmp_path / "spool", 10)
    assert isinstance(answer, Unknown)
    assert answer.problem is not Problem.EMPTY
