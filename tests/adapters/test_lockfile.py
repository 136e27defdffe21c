"""The ancestor's lock: ours is complete, others' are never touched, a shutdown mark is never lost."""

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowd.adapters import lockfile
from shadowd.adapters.lockfile import clear_lock, clear_mark, parse_lock, place_lock
from shadowd.core.values import Epoch, Host, Lock, LockKind, Problem, Unknown

HOST = Host("a")


def place(path: Path, epoch: int, nonce: str = "n", cell: str = "prod") -> Lock | Unknown:
    """Place a lock as host a."""
    return place_lock(path, cell, HOST, Epoch(epoch), nonce)


def names(directory: Path) -> list[str]:
    """Return everything in the directory, hidden files too."""
    return sorted(entry.name for entry in directory.iterdir())


def test_a_placed_lock_names_the_claim_and_nothing_else_is_left(tmp_path: Path) -> None:
    """One complete file of mode 0600."""
    path = tmp_path / "lock"
    assert place(path, 7) == Lock(LockKind.CLAIM, Epoch(7), "n")
    assert parse_lock(path.read_bytes(), 1.5) == Lock(LockKind.CLAIM, Epoch(7), "n", 1.5)
    assert path.stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["lock"]


def test_placing_twice_is_placing_once(tmp_path: Path) -> None:
    """A daemon that asks again finds its own."""
    path = tmp_path / "lock"
    assert place(path, 7) == place(path, 7)


@pytest.mark.parametrize("content", [b"", b"4711\n", b"\x00" * 10, b"x" * 200_000])
def test_a_strangers_lock_is_returned_untouched(tmp_path: Path, content: bytes) -> None:
    """Empty is a regular shutdown, other content an unknown program: hands off."""
    path = tmp_path / "lock"
    path.write_bytes(content)
    answer = place(path, 7)
    assert isinstance(answer, Lock)
    assert answer.kind is LockKind.FOREIGN
    assert clear_lock(path) is None
    assert path.read_bytes() == content
    assert names(tmp_path) == ["lock"]


def test_a_lock_that_is_no_file_is_a_strangers(tmp_path: Path) -> None:
    """The ancestor asks only whether the name exists, so a directory is a lock too."""
    path = tmp_path / "lock"
    path.mkdir()
    assert place(path, 7) == Lock(LockKind.FOREIGN)
    assert clear_lock(path) is None
    assert path.is_dir()


def test_a_lower_epoch_gives_way_and_a_higher_one_stays(tmp_path: Path) -> None:
    """A lock left by a bidder that crashed does not switch failover off."""
    path = tmp_path / "lock"
    place(path, 7)
    assert place(path, 8, "m") == Lock(LockKind.CLAIM, Epoch(8), "m")
    assert place(path, 7) == Lock(LockKind.CLAIM, Epoch(8), "m")
    assert names(tmp_path) == ["lock"]


def test_another_cells_lock_stays(tmp_path: Path) -> None:
    """Its epochs cannot be compared with ours."""
    path = tmp_path / "lock"
    place(path, 7, cell="other")
    assert place(path, 8, "m") == Lock(LockKind.CLAIM, Epoch(7), "n")


def test_a_lock_of_any_claim_is_cleared_and_absence_is_fine(tmp_path: Path) -> None:
    """The guard clears whatever claim's lock lies beside its confirmed master."""
    path = tmp_path / "lock"
    assert clear_lock(path) is None
    place(path, 7, cell="other")
    assert clear_lock(path) is None
    assert names(tmp_path) == []


def test_a_missing_spool_is_no_absent_lock(tmp_path: Path) -> None:
    """Where the directory cannot be listed, nobody can say."""
    path = tmp_path / "gone" / "lock"
    assert isinstance(clear_lock(path), Unknown)
    assert isinstance(place(path, 7), Unknown)


@pytest.mark.parametrize("error", [errno.EEXIST, errno.EIO])
def test_the_reply_of_link_is_lost(tmp_path: Path, error: int) -> None:
    """The lock is read back, so a false answer changes nothing."""

    def link(source: str, target: str) -> None:
        os.link(source, target)
        raise OSError(error, os.strerror(error))

    lock = place_lock(tmp_path / "lock", "prod", HOST, Epoch(7), "n", link=link)
    assert lock == Lock(LockKind.CLAIM, Epoch(7), "n")


def test_a_shutdown_between_look_and_removal_is_put_back(tmp_path: Path) -> None:
    """The mark of a regular shutdown that replaced a claim's lock survives a delayed removal."""
    path = tmp_path / "lock"
    path.touch()
    assert lockfile._take_away(path, b"the claim seen before") is None
    assert path.read_bytes() == b""
    assert names(tmp_path) == ["lock"]


def test_another_claims_lock_that_came_in_between_is_put_back(tmp_path: Path) -> None:
    """Only the bytes that were looked at are removed."""
    path = tmp_path / "lock"
    place(path, 9)
    answer = lockfile._take_away(path, b"the claim seen before")
    assert isinstance(answer, Unknown)
    assert answer.problem is Problem.UNREADABLE
    assert parse_lock(path.read_bytes(), None).epoch == 9


def test_a_shutdown_mark_that_a_crash_left_aside_comes_back(tmp_path: Path) -> None:
    """The next bidder finds the mark before it places its own lock, and stops."""
    path = tmp_path / "lock"
    (tmp_path / ".lock-aside..1.ff").touch()
    assert place(path, 7) == Lock(LockKind.FOREIGN)
    assert names(tmp_path) == ["lock"]


def test_what_a_crash_left_of_claims_is_swept(tmp_path: Path) -> None:
    """Private files of an earlier daemon of this host, and a claim's lock set aside, are removed."""
    path = tmp_path / "lock"
    place(path, 6)
    path.rename(tmp_path / ".lock-aside..1.ff")
    (tmp_path / ".lock-new.a.1.ff").touch()
    (tmp_path / ".lock-new.b.1.ff").touch()
    assert place(path, 7) == Lock(LockKind.CLAIM, Epoch(7), "n")
    assert names(tmp_path) == [".lock-new.b.1.ff", "lock"]


@given(st.binary(max_size=300))
def test_any_bytes_are_a_strangers_lock(data: bytes) -> None:
    """Content that we do not know is never ours to remove."""
    assert parse_lock(data, None) == Lock(LockKind.FOREIGN)


FIELDS = {"shadowd": 1, "cell": "prod", "epoch": 7, "nonce": "n", "host": "a"}


@given(
    st.sampled_from(sorted(FIELDS)),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.lists(st.integers()),
)
def test_a_field_of_another_type_makes_it_a_strangers(key: str, junk: object) -> None:
    """Either the lock names a sound claim, or it is not ours."""
    lock = parse_lock(json.dumps({**FIELDS, key: junk}).encode(), None)
    sound = lock.kind is LockKind.CLAIM and str(lock.epoch).isdigit() and lock.nonce != ""
    assert sound or lock == Lock(LockKind.FOREIGN)


def test_the_mark_of_a_planned_move_goes_and_nothing_else(tmp_path: Path) -> None:
    """Only an empty lock is taken away: a claim's or a stranger's stays."""
    path = tmp_path / "lock"
    assert clear_mark(path) is None, "there is none"
    path.write_bytes(b"")
    assert clear_mark(path) is None
    assert names(tmp_path) == []
    path.write_bytes(b"4711")
    assert clear_mark(path) is None
    assert names(tmp_path) == ["lock"]
    path.unlink()
    place(path, 7)
    assert clear_mark(path) is None
    assert names(tmp_path) == ["lock"]
