"""Many claimants at once, and claimants that die at every system call."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shadowd.adapters.lockfile import clear_lock, parse_lock, place_lock
from shadowd.core.ledger import Ledger
from shadowd.core.values import OUTCOMES, Claim, ClaimKey, Epoch, Host, Lock, LockKind, NoticeKind, Unknown
from tests.lab import claimers
from tests.lab.claimers import CELL, claim_of, log_of

ROOT = Path(__file__).parents[2]
LIMIT_S = 100


@pytest.fixture
def spool() -> Iterator[Path]:
    """Give a directory in memory where there is one: the race is about names, not about a disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as directory:
        yield Path(directory)


def run(*args: object) -> None:
    """Run the program of claimants and wait for it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, claimers.__file__, *(str(arg) for arg in args)]
    subprocess.run(argv, check=True, env=environment, timeout=LIMIT_S)


def race(spool: Path, processes: int, epochs: int) -> None:
    """Let them race, and compare what each was told with what lies on disk."""
    run("race", spool, processes, epochs)
    told = [json.loads((spool / f"h{index}.json").read_text()) for index in range(processes)]
    ledger = log_of(spool, "observer").list()
    assert isinstance(ledger, Ledger)
    assert not ledger.doubts
    on_disk = [record.claim.nonce for record in ledger.records if isinstance(record.claim, Claim)]
    assert len(on_disk) == epochs
    assert all(seen == on_disk for seen in told)
    names = {path.name for path in (spool / "shadowd" / "claims").iterdir()}
    assert names == {f"{epoch:010d}.json" for epoch in range(1, epochs + 1)}


def test_sixteen_processes_race_for_twenty_epochs(spool: Path) -> None:
    """Each epoch has one winner, and everybody names the same one."""
    race(spool, 16, 20)


@pytest.mark.real
def test_sixty_four_processes_race_for_five_hundred_epochs(spool: Path) -> None:
    """Each epoch has one winner, and all 64 name the same one."""
    race(spool, 64, 500)


def crashed(directory: Path, deed: str, least: int) -> list[Path]:
    """Return the directories that the deed left, one for each system call it did not come to."""
    run("crash", directory, deed)
    spools = sorted(directory.iterdir(), key=lambda path: int(path.name))
    assert len(spools) > least, "the hook saw the system calls"
    return spools


def test_a_claimant_that_dies_anywhere_leaves_a_directory_to_claim_in(tmp_path: Path) -> None:
    """Either nothing or the whole claim is there, and the next claimant takes the next number."""
    held = []
    for spool in crashed(tmp_path, "claim", 15):
        log = log_of(spool, "b")
        ledger = log.list()
        assert isinstance(ledger, Ledger), (spool, ledger)
        assert not ledger.doubts, spool
        assert ledger.highest in {0, 1}
        held.append(ledger.highest)
        answer = log.claim(claim_of(ledger.highest + 1, "b", "next"))
        assert isinstance(answer, Claim)
        assert answer.nonce == "next"
        log_of(spool, "a").claim(claim_of(ledger.highest + 2, "a", "again"))
        assert [path.name for path in (spool / "shadowd" / "claims").glob(".tmp.*")] == []
    assert held == sorted(held)
    assert {0, 1} == set(held)


def test_a_writer_of_an_outcome_that_dies_anywhere_leaves_one_outcome_to_be_had(tmp_path: Path) -> None:
    """The next writer closes the epoch, with the dead one's outcome if that was decided."""
    outcomes = []
    for spool in crashed(tmp_path, "close", 15):
        log = log_of(spool, "b")
        answer = log.notice(ClaimKey(Epoch(1), "mine"), NoticeKind.FAILED, "")
        ledger = log.list()
        assert isinstance(ledger, Ledger)
        assert not ledger.doubts
        outcome = ledger.records[0].outcome
        assert len(ledger.records[0].notices & OUTCOMES) == 1
        assert outcome is (NoticeKind.DIED if isinstance(answer, Unknown) else NoticeKind.FAILED)
        outcomes.append(outcome)
    assert set(outcomes) == {NoticeKind.FAILED, NoticeKind.DIED}


def test_a_crash_while_placing_a_lock_never_leaves_an_empty_one(tmp_path: Path) -> None:
    """Absent, the old claim's or ours complete; and the next bidder places its own."""
    for spool in crashed(tmp_path, "place", 20):
        lock = spool / "lock"
        if lock.exists():
            assert parse_lock(lock.read_bytes(), None).epoch in {1, 2}
        placed = place_lock(lock, CELL, Host("b"), Epoch(3), "next")
        assert placed == Lock(LockKind.CLAIM, Epoch(3), "next")


def test_a_crash_while_clearing_a_lock_is_cleared_by_the_next(tmp_path: Path) -> None:
    """A claim's lock goes, whoever removes the rest of it."""
    for spool in crashed(tmp_path, "clear", 5):
        lock = spool / "lock"
        assert clear_lock(lock) is None
        assert not lock.exists()
        assert place_lock(lock, CELL, Host("b"), Epoch(3), "next") == Lock(LockKind.CLAIM, Epoch(3), "next")
        assert [path.name for path in spool.iterdir()] == ["lock"]


def test_a_crash_while_a_shutdown_mark_lies_aside_does_not_lose_it(tmp_path: Path) -> None:
    """Before the next bidder places its lock the mark is back, and stops the bid."""
    for spool in crashed(tmp_path, "put_back", 4):
        lock = spool / "lock"
        assert place_lock(lock, CELL, Host("b"), Epoch(3), "next") == Lock(LockKind.FOREIGN)
        assert lock.read_bytes() == b""
        assert [path.name for path in spool.iterdir()] == ["lock"]


def test_a_crash_while_publishing_shows_the_old_or_the_new(tmp_path: Path) -> None:
    """Nobody reads half a record."""
    for spool in crashed(tmp_path, "publish", 5):
        path = spool / "shadowd" / "hosts" / "a.json"
        assert not path.exists() or path.read_bytes() == b"{}"
