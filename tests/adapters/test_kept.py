"""What one life of the daemon leaves to the next: a record of this boot, or none."""

import fcntl
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowd.adapters.kept import (
    BeatPlace,
    Keeper,
    inherit,
    leave_lease,
    read_lease,
    read_place,
    write_lease,
)
from shadowd.adapters.user import FileUser
from shadowd.core.values import Epoch, Instant, KeptLease, Seconds, Unknown

LEASE = KeptLease(Epoch(7), "nonce", Seconds(741), Instant(12345.5))


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    """Return a keeper of a file that is not there yet."""
    return Keeper(tmp_path / "record.json", "boot-1")


def test_what_was_kept_is_read_back(keeper: Keeper) -> None:
    """A lease comes back as it was, and can be taken away."""
    assert read_lease(keeper) is None
    assert write_lease(keeper, LEASE) is None
    assert read_lease(keeper) == LEASE
    assert write_lease(keeper, replace(LEASE, planned=True)) is None
    assert read_lease(keeper) == replace(LEASE, planned=True)
    assert write_lease(keeper, None) is None
    assert write_lease(keeper, None) is None
    assert read_lease(keeper) is None


def test_a_daemon_that_is_told_to_end_notes_so(keeper: Keeper) -> None:
    """Beside the lease of a master that beats by itself; the next renewal takes it away."""
    leave_lease(keeper)
    assert not keeper.path.exists()
    write_lease(keeper, LEASE)
    leave_lease(keeper)
    assert read_lease(keeper) == LEASE
    place = BeatPlace(Path("/spool/heartbeat"), None)
    write_lease(keeper, LEASE, place)
    leave_lease(keeper)
    assert (read_lease(keeper), read_place(keeper)) == (replace(LEASE, left=True), place)
    write_lease(keeper, LEASE, place)
    assert read_lease(keeper) == LEASE


@pytest.mark.parametrize("user", [None, FileUser(7, 8, ()), FileUser(7, 8, (9, 10))])
def test_where_a_master_beats_is_kept_with_its_lease(keeper: Keeper, user: FileUser | None) -> None:
    """The path, and whose rights it is read with."""
    place = BeatPlace(Path("/spool/heartbeat"), user)
    write_lease(keeper, LEASE, place)
    assert (read_lease(keeper), read_place(keeper)) == (LEASE, place)
    write_lease(keeper, LEASE)
    assert read_place(keeper) is None


@pytest.mark.parametrize("user", ["root", [0], ["0", "0"], [True, 0, "x"], {}])
def test_a_user_that_is_none_makes_it_no_place(keeper: Keeper, user: object) -> None:
    """Nobody's rights are guessed."""
    keeper.write({"heartbeat": "/spool/heartbeat", "user": user})
    assert read_place(keeper) is None


def test_a_record_of_the_release_before_counts(keeper: Keeper) -> None:
    """An upgrade while a master runs: the old daemon kept its lease as one JSON object."""
    write_lease(keeper, LEASE)
    fields = keeper.read()
    keeper.path.unlink()
    keeper.path.write_text(json.dumps(fields) + "\n")
    assert read_lease(keeper) == LEASE
    assert write_lease(keeper, replace(LEASE, planned=True)) is None
    assert read_lease(keeper) == replace(LEASE, planned=True)


def test_a_record_of_another_boot_is_none(keeper: Keeper) -> None:
    """Its instants and its pids mean nothing any more."""
    write_lease(keeper, LEASE)
    assert read_lease(Keeper(keeper.path, "boot-2")) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"epoch": 0},
        {"epoch": True},
        {"epoch": "7"},
        {"nonce": ""},
        {"lease": -1},
        {"ends": 1e300},
        {"ends": None},
        {"ends": True},
    ],
    ids=str,
)
def test_a_lease_that_makes_no_sense_is_none(keeper: Keeper, changes: dict[str, object]) -> None:
    """A record that somebody edited is no proof of a lease."""
    write_lease(keeper, LEASE)
    keeper.write({**keeper.read(), **changes})
    assert read_lease(keeper) is None


@given(data=st.binary(max_size=200) | st.just(b"{" * 5000))
def test_whatever_lies_there_is_read(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Garbage is none, in bounded time."""
    path = tmp_path_factory.mktemp("kept") / "record.json"
    path.write_bytes(data)
    assert read_lease(Keeper(path, "boot")) is None


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """The daemon goes on: without the record a lease counts as run out after its restart."""
    (tmp_path / "file").write_text("")
    problem = write_lease(Keeper(tmp_path / "file/record.json", "boot"), LEASE)
    assert isinstance(problem, Unknown)


def test_what_was_kept_under_an_earlier_name_is_inherited(tmp_path: Path) -> None:
    """The host was renamed while its daemon was away: its lease and its processes are found again."""
    new = tmp_path / "c@new"
    for name in ("c@old.state.json", "c@old.lock", "d@old.state.json"):
        (tmp_path / name).write_text("")
    write_lease(Keeper(tmp_path / "c@old.lease.json", "boot-1"), LEASE)
    Keeper(tmp_path / "c@old.processes.json", "boot-1").write({"epoch": 7})
    Keeper(tmp_path / "c@old.adopted.json", "boot-0").write({"epoch": 6})
    assert inherit(new, "boot-1") == ("old",)
    assert read_lease(Keeper(tmp_path / "c@new.lease.json", "boot-1")) == LEASE
    assert Keeper(tmp_path / "c@new.processes.json", "boot-1").read()["epoch"] == 7
    assert {path.name for path in tmp_path.iterdir()} == {
        *("c@new.lease.json", "c@new.processes.json", "c@old.adopted.json", "c@old.lock", "d@old.state.json"),
    }
    assert inherit(new, "boot-1") == ()


def test_a_record_of_our_own_goes_before_an_inherited_one(tmp_path: Path) -> None:
    """It is newer."""
    (tmp_path / "c@old.state.json").write_text("")
    for name, epoch in (("old", 1), ("new", 2)):
        Keeper(tmp_path / f"c@{name}.lease.json", "boot-1").write({"epoch": epoch})
    assert inherit(tmp_path / "c@new", "boot-1") == ("old",)
    assert Keeper(tmp_path / "c@new.lease.json", "boot-1").read()["epoch"] == 2


@pytest.mark.parametrize("strange", [False, True], ids=["held", "no file"])
def test_the_files_of_a_daemon_that_runs_are_its_own(tmp_path: Path, *, strange: bool) -> None:
    """Two daemons on one machine, under two names: nothing is taken from one that lives, or may live."""
    (tmp_path / "c@old.state.json").write_text("")
    lock = tmp_path / "c@old.lock"
    if strange:
        lock.symlink_to("elsewhere")
        assert inherit(tmp_path / "c@new", "boot-1") == ()
        return
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert inherit(tmp_path / "c@new", "boot-1") == ()
        assert (tmp_path / "c@old.state.json").exists()
    assert inherit(tmp_path / "c@new", "boot-1") == ("old",)
