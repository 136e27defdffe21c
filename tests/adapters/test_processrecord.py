"""The processes of an epoch as they are kept for the next daemon of this host."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowd.adapters.kept import Keeper
from shadowd.adapters.processrecord import KeptProcess, KeptProcesses, read_processes, write_processes

KEPT = KeptProcesses(
    7,
    "nonce",
    "secret",
    (0, 64535),
    (KeptProcess(4711, "99", "master", known=True), KeptProcess(4712, "100", "scheduler")),
)


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    """Return a keeper of a file that is not there yet."""
    return Keeper(tmp_path / "lab@alpha.processes.json", "boot-1")


def test_the_processes_are_read_back(keeper: Keeper) -> None:
    """As they were, in this boot only; readable for their owner only, because of the secret."""
    assert read_processes(keeper) is None
    assert write_processes(keeper, KEPT) is None
    assert read_processes(keeper) == KEPT
    assert read_processes(replace(keeper, boot_id="boot-2")) is None
    assert keeper.path.stat().st_mode & 0o777 == 0o600


def test_a_crowd_is_cut(keeper: Keeper) -> None:
    """The record is bounded, and is read as a whole."""
    crowd = tuple(KeptProcess(4_000_000 + one, "9" * 12, "master") for one in range(1000))
    write_processes(keeper, replace(KEPT, processes=crowd))
    assert read_processes(keeper) == replace(KEPT, processes=crowd[:100])


def test_a_master_that_the_release_before_adopted_is_known(keeper: Keeper) -> None:
    """It kept it in a file of another name, without users; whatever makes no sense there is nobody."""
    old = Keeper(keeper.path.with_name("lab@alpha.adopted.json"), keeper.boot_id)
    fields = {"epoch": 3, "nonce": "old", "pid": 4711, "start_token": "99"}
    old.write(fields)
    known = KeptProcess(4711, "99", "master", known=True)
    assert read_processes(keeper) == KeptProcesses(3, "old", "", (), (known,))
    old.write({**fields, "pid": "4711"})
    assert read_processes(keeper) == KeptProcesses(3, "old", "", (), ())
    old.write({**fields, "epoch": 0})
    assert read_processes(keeper) is None


@pytest.mark.parametrize(
    "changes",
    [{"epoch": 0}, {"epoch": True}, {"nonce": 5}, {"secret": None}, {"users": 0}, {"processes": {}}],
    ids=str,
)
def test_a_record_that_makes_no_sense_is_none(keeper: Keeper, changes: dict[str, object]) -> None:
    """No process is touched for it."""
    write_processes(keeper, KEPT)
    keeper.write({**keeper.read(), **changes})
    assert read_processes(keeper) is None


@pytest.mark.parametrize(
    "process",
    [
        None,
        [],
        [0, "9", "master", False],
        [2**31, "9", "master", False],
        ["1", "9", "master", False],
        [True] * 4,
    ],
    ids=str,
)
def test_a_process_that_makes_no_sense_is_nobody(keeper: Keeper, process: object) -> None:
    """Nor do the ids of users that are none."""
    write_processes(keeper, KEPT)
    changes = {"processes": [process], "users": [-1, 2**32, "0", True, 5]}
    keeper.write({**keeper.read(), **changes})
    assert read_processes(keeper) == replace(KEPT, users=(5,), processes=())


@given(data=st.binary(max_size=200) | st.just(b"{" * 5000))
def test_whatever_lies_there_is_read(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Garbage is none, in bounded time."""
    path = tmp_path_factory.mktemp("kept") / "record.json"
    path.write_bytes(data)
    assert read_processes(Keeper(path, "boot")) is None
