"""Complete files or none: replaced by rename, or created once by link."""

import errno
import os
from pathlib import Path

import pytest

from shadowd.adapters.publish import (
    MAX_FILE,
    create_file,
    make_directories,
    private_name,
    private_prefix,
    replace_file,
    sweep,
)
from shadowd.core.values import Problem, Unknown


def test_replace_file_makes_the_directory_and_leaves_only_the_file(tmp_path: Path) -> None:
    """The first publication finds no directory, the second replaces the first; nothing else stays."""
    path = tmp_path / "shadowd" / "hosts" / "a.json"
    assert replace_file(path, b"one") is None
    assert replace_file(path, b"two") is None
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.json"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_replace_file_never_builds_the_spool(tmp_path: Path) -> None:
    """Where the mount is missing, nothing is written into the empty mount point."""
    answer = replace_file(tmp_path / "spool" / "shadowd" / "hosts" / "a.json", b"one")
    assert isinstance(answer, Unknown)
    assert "No such file" in answer.detail
    assert list(tmp_path.iterdir()) == []


def test_replace_file_refuses_a_flood(tmp_path: Path) -> None:
    """What is published is bounded."""
    answer = replace_file(tmp_path / "a.json", b"x" * (MAX_FILE + 1))
    assert isinstance(answer, Unknown)
    assert answer.problem is Problem.TOO_LARGE
    assert list(tmp_path.iterdir()) == []


def test_replace_file_says_why_it_could_not(tmp_path: Path) -> None:
    """A directory in the file's place is a clear refusal, and no private file is left."""
    (tmp_path / "a.json").mkdir()
    answer = replace_file(tmp_path / "a.json", b"x")
    assert isinstance(answer, Unknown)
    assert answer.subject.endswith("a.json")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_replace_file_passes_over_what_a_crash_left(tmp_path: Path) -> None:
    """A private file of an earlier life with the same pid is no obstacle."""
    (tmp_path / f".a.json.new.{os.getpid()}").write_bytes(b"half")
    assert replace_file(tmp_path / "a.json", b"x") is None
    assert (tmp_path / "a.json").read_bytes() == b"x"


def test_create_file_happens_once(tmp_path: Path) -> None:
    """The second writer is given the first one's bytes."""
    path = tmp_path / "n"
    assert create_file(path, b"first", private=".p1", mode=0o600) == b"first"
    assert create_file(path, b"second", private=".p2") == b"first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["n"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_create_file_keeps_its_mode_under_a_strict_umask(tmp_path: Path) -> None:
    """Records stay readable for others whatever the daemon inherited."""
    before = os.umask(0o077)
    try:
        make_directories(tmp_path / "d")
        create_file(tmp_path / "d" / "n", b"x", private=".p")
    finally:
        os.umask(before)
    assert (tmp_path / "d").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "d" / "n").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("error", [errno.EEXIST, errno.EIO, errno.ESTALE, errno.ENOENT])
def test_create_file_believes_the_disk_and_not_the_answer(tmp_path: Path, error: int) -> None:
    """The link was made and its reply lost: the winner knows all the same."""

    def link(source: str, target: str) -> None:
        os.link(source, target)
        raise OSError(error, os.strerror(error))

    assert create_file(tmp_path / "n", b"mine", private=".p", link=link) == b"mine"
    assert [entry.name for entry in tmp_path.iterdir()] == ["n"]


def test_create_file_that_failed_for_certain_says_so(tmp_path: Path) -> None:
    """No link, no file: Unknown with the reason, never a win."""

    def link(_source: str, _target: str) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    answer = create_file(tmp_path / "n", b"mine", private=".p", link=link)
    assert isinstance(answer, Unknown)
    assert "Input/output error" in answer.detail
    assert list(tmp_path.iterdir()) == []


def test_a_link_that_vanished_at_once_is_no_win(tmp_path: Path) -> None:
    """Somebody emptied the directory under us: nobody can say who holds the name."""

    def link(source: str, target: str) -> None:
        os.link(source, target)
        Path(target).unlink()

    answer = create_file(tmp_path / "n", b"mine", private=".p", link=link)
    assert isinstance(answer, Unknown)
    assert answer.problem is Problem.MISSING


def test_create_file_where_something_strange_lies(tmp_path: Path) -> None:
    """A directory, a FIFO or a giant in the name's place is reported for what it is."""
    (tmp_path / "dir").mkdir()
    os.mkfifo(tmp_path / "fifo")
    with (tmp_path / "giant").open("wb") as file:
        file.truncate(1 << 30)
    problems = []
    for name in ("dir", "fifo", "giant"):
        answer = create_file(tmp_path / name, b"x", private=".p")
        assert isinstance(answer, Unknown)
        problems.append(answer.problem)
    assert problems == [Problem.NOT_A_FILE, Problem.NOT_A_FILE, Problem.TOO_LARGE]


def test_sweep_takes_only_what_an_earlier_daemon_of_this_host_left(tmp_path: Path) -> None:
    """Private files of other hosts, of this process and records stay."""
    earlier = f"{private_prefix('tmp', 'a')}1.aa"
    others = [
        private_name("tmp", "b"),
        private_name("tmp", "a"),
        private_name("other", "a"),
        "0000000001.json",
    ]
    for name in (earlier, *others):
        (tmp_path / name).touch()
    sweep(tmp_path, [entry.name for entry in tmp_path.iterdir()], "tmp", "a")
    assert {entry.name for entry in tmp_path.iterdir()} == set(others)


def test_a_private_name_holds_no_path() -> None:
    """A host name with strange characters stays one hidden file name."""
    name = private_name("tmp", "../../etc/" + "x" * 500)
    assert "/" not in name
    assert name.startswith(".tmp.")
    assert len(name) < 200
