"""What is removed of the claims directory, what never is, and how large it may have grown before."""

from dataclasses import replace
from pathlib import Path

import pytest

from shadowd.adapters import claimlog, pruning
from shadowd.adapters.claimlog import DirectoryClaimLog
from shadowd.adapters.claimnames import LEAP, claim_name, epoch_of, notice_name, outcome_name
from shadowd.adapters.claimreader import CLOSED_LISTED
from shadowd.adapters.records import encode_claim
from shadowd.core.values import Claim, ClaimKey, Epoch, NoticeKind, Problem
from tests.adapters.claims import epochs, fill, listed, problems, won
from tests.lab.claimers import claim_of, log_of

FAILED, LAUNCHING, STARTED = NoticeKind.FAILED, NoticeKind.LAUNCHING, NoticeKind.STARTED


def names(spool: Path) -> set[str]:
    """Return the names of all records that readers see."""
    return {path.name for path in (spool / "shadowd").rglob("[0-9]*.json")}


def fail(log: DirectoryClaimLog, epoch: int) -> None:
    """Let a start fail."""
    won(log, epoch)
    for kind in (LAUNCHING, FAILED):
        assert log.notice(ClaimKey(Epoch(epoch), "mine"), kind, "exit 1") is None


def test_pruning_keeps_the_highest_the_last_confirmed_and_all_that_is_open(tmp_path: Path) -> None:
    """Only what accounts for nothing goes."""
    fill(tmp_path, 20, [STARTED, NoticeKind.DIED])
    log = log_of(tmp_path, "a")
    for epoch in range(21, 26):
        fail(log, epoch)
    won(log, 26)
    assert log.notice(ClaimKey(Epoch(26), "mine"), LAUNCHING, "") is None
    won(log, 27)
    fail(log, 28)
    fail(log, 29)
    before = listed(log)
    assert log.prune(1) == 19 + 5 + 1
    after = listed(log)
    assert [record.epoch for record in after.records if isinstance(record.claim, Claim)] == [20, 26, 27, 29]
    assert after.last_confirmed == before.last_confirmed
    assert [record.epoch for record in after.suspects if record.open] == [26, 27]
    assert not after.doubts
    assert log.prune(1) == 0
    assert {epoch_of(name) for name in names(tmp_path)} == {20, 26, 27, 29}


def test_the_outcome_of_a_failed_epoch_stays_until_the_next_time(tmp_path: Path) -> None:
    """A listing under way may have seen ``launching`` already: it must find the outcome too."""
    fill(tmp_path, 1, [STARTED])
    log = log_of(tmp_path, "a")
    for epoch in (2, 3, 4):
        fail(log, epoch)
    assert log.prune(1) == 2
    left = {name for name in names(tmp_path) if epoch_of(name) in {2, 3}}
    assert left == {notice_name(2, FAILED), notice_name(3, FAILED)}
    assert not listed(log).doubts
    assert log.prune(1) == 0
    assert {epoch_of(name) for name in names(tmp_path)} == {1, 4}


def test_a_forged_outcome_prunes_nobody(tmp_path: Path) -> None:
    """Without the nonce of its claim a notice closes nothing."""
    fill(tmp_path, 1, [STARTED])
    log = log_of(tmp_path, "a")
    won(log, 2)
    (tmp_path / "shadowd" / "notices" / notice_name(2, FAILED)).touch()
    won(log, 3)
    assert log.prune(1) == 0


def test_pruning_removes_no_more_than_asked(tmp_path: Path) -> None:
    """The oldest go first, until ``keep`` are left."""
    fill(tmp_path, 10, [STARTED])
    log = log_of(tmp_path, "a")
    assert log.prune(7) == 3
    assert log.prune(7) == 0
    assert min(path.name for path in (tmp_path / "shadowd" / "claims").iterdir()) == claim_name(4)


def test_failed_epochs_need_no_success_to_be_pruned(tmp_path: Path) -> None:
    """A cell that never had a master: all but the highest may go."""
    fill(tmp_path, 10, [FAILED])
    log = log_of(tmp_path, "a")
    assert log.prune(1) == 9
    assert listed(log).highest == 10


@pytest.mark.parametrize("kind", [STARTED, FAILED])
def test_an_epoch_prunes_a_directory_that_grew_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: NoticeKind
) -> None:
    """Nobody has to call it: whoever is confirmed, or fails, sweeps."""
    monkeypatch.setattr(claimlog, "PRUNE_ABOVE", 10)
    monkeypatch.setattr(claimlog, "PRUNE_TO", 5)
    fill(tmp_path, 12, [STARTED, NoticeKind.DIED] if kind is STARTED else [LAUNCHING, FAILED])
    log = log_of(tmp_path, "a")
    won(log, 13)
    assert log.notice(ClaimKey(Epoch(13), "mine"), kind, "") is None
    assert len(list((tmp_path / "shadowd" / "claims").iterdir())) == 5
    assert listed(log).highest == 13


def test_a_directory_of_thirty_three_thousand_failed_starts_works_and_shrinks(tmp_path: Path) -> None:
    """Twelve days of two hosts that cannot start: it is listed, claimed in, and swept, with bounded reads."""
    many = 33_000
    fill(tmp_path, 1, [STARTED])
    fill(tmp_path, CLOSED_LISTED + pruning.AT_ONCE, [FAILED], first=many - CLOSED_LISTED - pruning.AT_ONCE)
    old = range(2, many - CLOSED_LISTED - pruning.AT_ONCE)
    blank = encode_claim(replace(claim_of(2, "a", "n"), bound=False))
    for epoch in old:
        path = tmp_path / "shadowd" / "claims" / claim_name(epoch)
        if epoch < 2 + 2 * pruning.AT_ONCE:
            path.write_bytes(blank.replace(b'"epoch": 2,', b'"epoch": %d,' % epoch))
        else:
            path.touch()
        for name in (notice_name(epoch, LAUNCHING), notice_name(epoch, FAILED), outcome_name(epoch)):
            (tmp_path / "shadowd" / "notices" / name).touch()
    log = log_of(tmp_path, "a")
    before = listed(log)
    assert not before.doubts
    assert len(before.records) <= CLOSED_LISTED + 2
    won(log, many)
    assert log.notice(ClaimKey(Epoch(many), "mine"), FAILED, "exit 1") is None
    left = len(list((tmp_path / "shadowd" / "claims").iterdir()))
    assert left == many - pruning.AT_ONCE
    after = listed(log)
    assert (after.highest, after.last_confirmed) == (many, before.last_confirmed)
    assert not after.doubts
    assert log.prune(claimlog.PRUNE_TO) == pruning.AT_ONCE


# --- numbers beyond reason ---------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [9_999_999_999, 9_990_000_000, 3 + LEAP + 1])
@pytest.mark.parametrize("part", ["claims", "notices"])
def test_a_number_far_beyond_all_others_is_a_doubt_and_nothing_else(
    tmp_path: Path, number: int, part: str
) -> None:
    """No number would be left to claim after it; the doubt says what to do, and it ends when that is done."""
    fill(tmp_path, 3, [STARTED, NoticeKind.DIED])
    name = claim_name(number) if part == "claims" else notice_name(number, STARTED)
    path = tmp_path / "shadowd" / part / name
    path.write_bytes(encode_claim(claim_of(number, "a", "n")))
    log = log_of(tmp_path, "a")
    ledger = listed(log)
    assert (ledger.highest, epochs(ledger)) == (3, [3])
    assert problems(ledger) == {name: Problem.GARBAGE}
    (doubt,) = ledger.doubts
    assert doubt.subject == str(path)
    assert "the highest is 3" in doubt.detail
    assert "move it away" in doubt.detail
    path.unlink()
    assert not listed(log).doubts
    won(log, 4)


def test_a_lone_number_beyond_reason_is_a_doubt_in_an_empty_directory(tmp_path: Path) -> None:
    """The first claim of a cell is no exception."""
    fill(tmp_path, 1, [], first=9_999_999_999)
    ledger = listed(log_of(tmp_path, "a"))
    assert ledger.highest == 0
    assert set(problems(ledger)) == {claim_name(9_999_999_999)}


@pytest.mark.parametrize("first", [LEAP + 1, 5_000_000_000])
def test_a_cell_that_counts_on_from_a_large_number_is_none(tmp_path: Path, first: int) -> None:
    """Only a gap tells: what all numbers lead up to is reasonable, however large."""
    fill(tmp_path, 3, [STARTED], first=first)
    ledger = listed(log_of(tmp_path, "a"))
    assert ledger.highest == first + 2
    assert not ledger.doubts
