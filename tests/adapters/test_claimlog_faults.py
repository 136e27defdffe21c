"""Claims, notices and locks on a file system that loses replies, fails and hangs."""

import errno
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shadowd.adapters.lockfile import clear_lock, place_lock
from shadowd.core.ledger import Ledger
from shadowd.core.values import Claim, ClaimKey, Epoch, Host, Lock, LockKind, NoticeKind, Problem, Unknown
from tests.lab.claimers import CELL, claim_of, log_of
from tests.lab.fusefs import FaultyMount, mounted, why_not

WAIT_S = 30.0
LOST = [errno.EEXIST, errno.EIO, errno.ESTALE]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[FaultyMount]:
    """Mount a pass-through that obeys, or say what is missing."""
    if reason := why_not():
        pytest.skip(reason)
    with mounted(tmp_path) as mount:
        yield mount


@pytest.mark.parametrize("error", LOST)
def test_the_reply_of_link_is_lost_and_the_winner_knows(tmp_path: Path, error: int) -> None:
    """The system call did its work and said otherwise: the number is read back."""

    def link(source: str, target: str) -> None:
        os.link(source, target)
        raise OSError(error, os.strerror(error))

    log = log_of(tmp_path, "a", link)
    claim = claim_of(1, "a", "mine")
    assert log.claim(claim) == claim
    assert log.notice(ClaimKey(Epoch(1), "mine"), NoticeKind.LAUNCHING, "") is None
    assert log.notice(ClaimKey(Epoch(1), "mine"), NoticeKind.DIED, "") is None


@pytest.mark.parametrize("error", LOST)
def test_a_lost_reply_of_a_lost_race_names_the_winner(tmp_path: Path, error: int) -> None:
    """Another host linked first: whatever the call says, its claim is returned."""

    def link(_source: str, _target: str) -> None:
        log_of(tmp_path, "b").claim(claim_of(1, "b", "theirs"))
        raise OSError(error, os.strerror(error))

    answer = log_of(tmp_path, "a", link).claim(claim_of(1, "a", "mine"))
    assert isinstance(answer, Claim)
    assert answer.nonce == "theirs"


@pytest.mark.real
@pytest.mark.parametrize("error", LOST)
def test_a_file_system_that_loses_the_reply_of_link(mount: FaultyMount, error: int) -> None:
    """Claim, notice, outcome and lock all know what they did, and leave no private file."""
    log = log_of(mount.path, "a")
    mount.fail("link", "", error, after=True)
    assert log.claim(claim_of(1, "a", "mine")) == claim_of(1, "a", "mine")
    assert log.notice(ClaimKey(Epoch(1), "mine"), NoticeKind.LAUNCHING, "") is None
    assert log.notice(ClaimKey(Epoch(1), "mine"), NoticeKind.FAILED, "") is None
    lock = place_lock(mount.path / "lock", CELL, Host("a"), Epoch(1), "mine")
    assert lock == Lock(LockKind.CLAIM, Epoch(1), "mine")
    mount.heal()
    hidden = {path.name for path in mount.backing.rglob(".*")}
    assert hidden == {".outcome.0000000001.json"}


@pytest.mark.real
def test_two_names_of_the_private_file_are_proof_when_the_number_cannot_be_read(mount: FaultyMount) -> None:
    """The link lost its reply and the number cannot be opened: the link count speaks."""
    log = log_of(mount.path, "a")
    mount.fail("link", "", errno.EIO, after=True)
    mount.fail("open", "/0000000001.json", errno.EIO)
    assert log.claim(claim_of(1, "a", "mine")) == claim_of(1, "a", "mine")


@pytest.mark.real
@pytest.mark.parametrize("operation", ["create", "write", "fsync", "link"])
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
def test_a_claim_that_was_not_made_is_unknown_and_the_number_stays_free(
    mount: FaultyMount, operation: str, error: int
) -> None:
    """A full or failing disk costs the bid and nothing else."""
    log = log_of(mount.path, "a")
    mount.fail(operation, "/claims/", error)
    answer = log.claim(claim_of(1, "a", "mine"))
    assert isinstance(answer, Unknown)
    assert os.strerror(error) in answer.detail
    mount.heal()
    assert log.list() == Ledger()
    assert log.claim(claim_of(1, "a", "again")) == claim_of(1, "a", "again")


@pytest.mark.real
@pytest.mark.parametrize("operation", ["create", "mkdir", "unlink", "fsyncdir"])
def test_steps_that_say_failed_and_were_done_do_not_cost_the_claim(
    mount: FaultyMount, operation: str
) -> None:
    """Either the claim is ours, or nobody's; a second try by the same daemon gets a number."""
    log = log_of(mount.path, "a")
    mount.fail(operation, "/shadowd", errno.EIO, after=True)
    first = log.claim(claim_of(1, "a", "mine"))
    mount.heal()
    ledger = log.list()
    assert isinstance(ledger, Ledger)
    assert not ledger.doubts
    assert (ledger.highest == 1) is isinstance(first, Claim)
    following = Epoch(ledger.highest + 1)
    assert log.claim(claim_of(following, "a", "next")) == claim_of(following, "a", "next")


@pytest.mark.real
@pytest.mark.parametrize("operation", ["opendir", "readdir"])
def test_a_directory_that_cannot_be_listed_is_unknown(mount: FaultyMount, operation: str) -> None:
    """An error is no empty directory, at whatever level."""
    log = log_of(mount.path, "a")
    log.claim(claim_of(1, "a", "mine"))
    for part in ("/shadowd/claims", "/shadowd/notices"):
        mount.fail(operation, part, errno.EIO)
        assert isinstance(log.list(), Unknown)
        mount.heal()
    mount.fail("*", "/shadowd", errno.ENOENT)
    assert isinstance(log.list(), Unknown), "the spool's listing still shows our directory"
    mount.heal()
    assert isinstance(log.list(), Ledger)


@pytest.mark.real
def test_a_claim_that_cannot_be_read_is_a_doubt_until_it_can(mount: FaultyMount) -> None:
    """What was read before is still known; what was not is reported, and recovers."""
    log_of(mount.path, "a").claim(claim_of(1, "a", "mine"))
    log = log_of(mount.path, "b")
    mount.fail("read", "/claims/", errno.ESTALE)
    ledger = log.list()
    assert isinstance(ledger, Ledger)
    assert [doubt.problem for doubt in ledger.doubts] == [Problem.UNREADABLE]
    mount.heal()
    assert log.list() == log_of(mount.backing, "b").list()
    mount.fail("read", "/claims/", errno.ESTALE)
    ledger = log.list()
    assert isinstance(ledger, Ledger)
    assert not ledger.doubts


@pytest.mark.real
def test_a_lock_set_aside_by_a_rename_that_says_failed_is_removed(mount: FaultyMount) -> None:
    """ENOENT or EIO after a rename means: perhaps done."""
    lock = mount.path / "lock"
    for error in (errno.ENOENT, errno.EIO):
        place_lock(lock, CELL, Host("a"), Epoch(1), "mine")
        mount.fail("rename", "/lock", error, after=True)
        assert clear_lock(lock) is None
        mount.heal()
        assert list(mount.path.iterdir()) == []


@pytest.mark.real
def test_a_lock_that_cannot_be_renamed_stays_and_is_reported(mount: FaultyMount) -> None:
    """Nothing was taken: the caller hears why."""
    lock = mount.path / "lock"
    place_lock(lock, CELL, Host("a"), Epoch(1), "mine")
    mount.fail("rename", "/lock", errno.EACCES)
    answer = clear_lock(lock)
    assert isinstance(answer, Unknown)
    assert "Permission denied" in answer.detail
    assert [path.name for path in mount.path.iterdir()] == ["lock"]


@pytest.mark.real
def test_a_shutdown_mark_that_cannot_be_read_while_aside_is_put_back(mount: FaultyMount) -> None:
    """Doubt about what was taken ends with everything where it was."""
    lock = mount.path / "lock"
    place_lock(lock, CELL, Host("a"), Epoch(1), "mine")
    mount.fail("read", "/.lock-aside", errno.EIO)
    assert isinstance(clear_lock(lock), Unknown)
    mount.heal()
    assert [path.name for path in mount.path.iterdir()] == ["lock"]


@pytest.mark.real
def test_a_hung_directory_hangs_its_own_callers_alone_and_then_goes_on(mount: FaultyMount) -> None:
    """The claim waits as long as the server does, and is made when it is back.

    Another cell on the same mount goes on; the same directory does not, as the kernel locks it.
    """
    log = log_of(mount.path, "a")
    answers: list[Claim | Unknown] = []
    mount.hang("link", "/claims/")
    worker = threading.Thread(target=lambda: answers.append(log.claim(claim_of(1, "a", "mine"))), daemon=True)
    worker.start()
    deadline = time.monotonic() + WAIT_S
    while not list(mount.backing.rglob(".tmp.*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    other = mount.path / "other"
    other.mkdir()
    assert log_of(other, "b").list() == Ledger()
    assert worker.is_alive()
    mount.heal()
    worker.join(WAIT_S)
    assert answers == [claim_of(1, "a", "mine")]


@pytest.mark.real
def test_the_mount_frees_its_callers_when_it_goes(tmp_path: Path) -> None:
    """A test that ends while something hangs leaves neither a mount nor a stuck thread behind."""
    if reason := why_not():
        pytest.skip(reason)
    answers: list[object] = []
    with mounted(tmp_path) as mount:
        mount.hang("*", "/shadowd")
        (mount.backing / "shadowd").mkdir()
        worker = threading.Thread(target=lambda: answers.append(log_of(mount.path, "a").list()), daemon=True)
        worker.start()
        worker.join(0.2)
        assert worker.is_alive()
    worker.join(WAIT_S)
    assert len(answers) == 1
    assert isinstance(answers[0], Unknown)
    assert str(mount.path) not in Path("/proc/self/mountinfo").read_text()
