"""The files of a generic cell: made once, and a heartbeat that no reader ever sees empty or torn."""

import os
from pathlib import Path

import pytest

from shadowd.adapters.cellfiles import parse_beat
from shadowd.adapters.genericfiles import BeatFile, found, paths_of
from shadowd.adapters.ground import survey
from shadowd.adapters.lockfile import clear_mark, place_lock, place_mark
from shadowd.core.values import Epoch, Host, LockKind, Problem, Unknown

ALPHA = Host("alpha")
ONE, TWO = Epoch(1), Epoch(2)


def beat(directory: Path) -> int | Unknown:
    """Read the heartbeat as everybody does."""
    return parse_beat((directory / "heartbeat").read_bytes(), "heartbeat")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """Give the directory of a cell that has what it needs."""
    assert found(paths_of(tmp_path), ALPHA) is None
    return tmp_path


def test_a_cell_is_founded_once(shared: Path) -> None:
    """Heartbeat, name and records; a second time, from another host, changes nothing."""
    assert beat(shared) == 1
    assert (shared / "master").read_text() == "alpha\n"
    (shared / "heartbeat").write_bytes(b"77\n")
    assert found(paths_of(shared), Host("beta")) is None
    assert (beat(shared), (shared / "master").read_text()) == (77, "alpha\n")
    assert sorted(path.name for path in shared.iterdir()) == ["heartbeat", "master", "shadowd"]


def test_nothing_is_founded_where_nothing_can_be_written(tmp_path: Path) -> None:
    """The problem names what is missing."""
    gone = found(paths_of(tmp_path / "gone"), ALPHA)
    assert isinstance(gone, Unknown)
    (tmp_path / "heartbeat").mkdir()
    odd = found(paths_of(tmp_path), ALPHA)
    assert isinstance(odd, Unknown)
    assert odd.problem is Problem.NOT_A_FILE


def test_each_beat_is_one_more_in_place(shared: Path) -> None:
    """The same file, always of one size, so that nobody reads it empty."""
    file = BeatFile(paths_of(shared))
    inode = (shared / "heartbeat").stat().st_ino
    for value in range(2, 12):
        assert file.write(ONE) is None
        assert beat(shared) == value
    status = (shared / "heartbeat").stat()
    assert (status.st_ino, status.st_size) == (inode, 20)


def test_another_epoch_begins_where_others_have_come_to(shared: Path) -> None:
    """Within an epoch we are the only one who counts, and nothing is held open between two beats."""
    file = BeatFile(paths_of(shared))
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only
    file.write(ONE)
    file.write(ONE)
    assert set(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - names only
    (shared / "heartbeat").write_bytes(b"%019d\n" % 500)
    assert file.write(TWO) is None
    assert beat(shared) == 501


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"", 1), (b"nonsense\n" * 10, 1), (b"00041\n", 42), (b"9" * 19 + b"\n", 1), (b"9" * 20, 1)],
)
def test_whatever_was_there_the_first_beat_is_whole(shared: Path, before: bytes, after: int) -> None:
    """Empty, garbage, the ancestor's form, the end of all numbers: any change is a sign of life."""
    (shared / "heartbeat").write_bytes(before)
    file = BeatFile(paths_of(shared))
    assert file.write(ONE) is None
    assert beat(shared) == after
    assert (shared / "heartbeat").stat().st_size == 20


def test_a_heartbeat_that_was_removed_or_replaced_is_found_again(shared: Path) -> None:
    """By its name, at the next beat: what we write must be what others read."""
    file = BeatFile(paths_of(shared))
    file.write(ONE)
    (shared / "heartbeat").unlink()
    assert file.write(ONE) is None
    assert beat(shared) == 3
    (shared / "other").write_bytes(b"00007\n")
    (shared / "other").rename(shared / "heartbeat")
    assert file.write(ONE) is None
    assert beat(shared) == 4


def test_no_heartbeat_in_an_empty_mount_point(tmp_path: Path) -> None:
    """Where the records are not there is no cell, and none is made."""
    file = BeatFile(paths_of(tmp_path))
    problem = file.write(ONE)
    assert isinstance(problem, Unknown)
    assert list(tmp_path.iterdir()) == []


def test_a_heartbeat_that_cannot_be_written(shared: Path) -> None:
    """The problem is an answer, and the next beat opens anew."""
    (shared / "heartbeat").unlink()
    (shared / "heartbeat").mkdir()
    file = BeatFile(paths_of(shared))
    problem = file.write(ONE)
    assert isinstance(problem, Unknown)
    assert problem.subject == str(shared / "heartbeat")
    (shared / "heartbeat").rmdir()
    assert file.write(ONE) is None


# --- the mark of a shutdown --------------------------------------------------------------------------


def test_the_mark_of_a_shutdown_comes_and_goes(shared: Path) -> None:
    """Empty, once, whoever asks again; and away at a start."""
    lock = shared / "lock"
    for _ in range(2):
        there = place_mark(lock)
        assert not isinstance(there, Unknown)
        assert there.kind is LockKind.FOREIGN
    assert lock.read_bytes() == b""
    assert clear_mark(lock) is None
    assert not lock.exists()


def test_a_claims_lock_is_no_mark_and_is_left_alone(shared: Path) -> None:
    """A takeover is under way: whoever wants to shut down must wait for its end."""
    lock = shared / "lock"
    place_lock(lock, "single", ALPHA, ONE, "nonce")
    there = place_mark(lock)
    assert not isinstance(there, Unknown)
    assert (there.kind, there.epoch) == (LockKind.CLAIM, 1)
    assert b"nonce" in lock.read_bytes()


def test_a_mark_that_cannot_be_placed(tmp_path: Path) -> None:
    """No directory; or something there that is no file, which is a lock like any other."""
    assert isinstance(place_mark(tmp_path / "gone" / "lock"), Unknown)
    os.mkfifo(tmp_path / "lock")
    there = place_mark(tmp_path / "lock")
    assert not isinstance(there, Unknown)
    assert there.kind is LockKind.FOREIGN


def test_the_ground_of_a_generic_cell(tmp_path: Path) -> None:
    """No file has to be read to know where its files lie."""
    ground = survey(None, "", tmp_path / "nowhere", "redis")
    assert (ground.paths, ground.owner) == (paths_of(tmp_path / "nowhere"), "redis")
    assert ground.names.canonical("Alpha.example.com") == "alpha"
