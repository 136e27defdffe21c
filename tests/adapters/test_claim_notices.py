"""Notices: they count only with the nonce of their claim, those of the first release aside."""

from pathlib import Path

import pytest

from shadowd.adapters import claimreader
from shadowd.adapters.claimnames import claim_name, notice_name, outcome_name
from shadowd.adapters.reading import read_small
from shadowd.adapters.records import Notice, encode_notice
from shadowd.core.values import ClaimKey, Epoch, Host, NoticeKind, Problem, Unknown
from tests.adapters.claims import epochs, fill, listed, problems, won
from tests.lab.claimers import log_of


def notice_of(epoch: int, kind: NoticeKind, nonce: str) -> Notice:
    """Return a notice as a host writes it."""
    return Notice("prod", Epoch(epoch), kind, Host("a"), 1, 1.0, "", nonce)


def test_a_notice_that_was_put_right_counts_though_its_file_has_the_same_inode(tmp_path: Path) -> None:
    """A file system gives the inode of a removed file to the next one."""
    log = log_of(tmp_path, "a")
    won(log, 1)
    died = tmp_path / "shadowd" / "notices" / notice_name(1, NoticeKind.DIED)
    died.parent.mkdir(parents=True, exist_ok=True)
    died.write_bytes(encode_notice(notice_of(1, NoticeKind.DIED, "another")))
    assert listed(log).records[0].open
    died.write_bytes(encode_notice(notice_of(1, NoticeKind.DIED, "mine")))
    assert listed(log).records[0].outcome is NoticeKind.DIED


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", Problem.EMPTY),
        (b"died\n", Problem.GARBAGE),
        (encode_notice(notice_of(1, NoticeKind.DIED, "")), Problem.FOREIGN),
        (encode_notice(notice_of(1, NoticeKind.DIED, "another")), Problem.FOREIGN),
        (encode_notice(notice_of(1, NoticeKind.STOPPED, "mine")), Problem.GARBAGE),
        (encode_notice(notice_of(2, NoticeKind.DIED, "mine")), Problem.GARBAGE),
    ],
)
def test_a_notice_that_does_not_carry_the_nonce_of_its_claim_is_a_doubt(
    tmp_path: Path, data: bytes, problem: Problem
) -> None:
    """An empty file of the right name closes nothing; it is reported, and no outcome is written over it."""
    log = log_of(tmp_path, "a")
    won(log, 1)
    mine = ClaimKey(Epoch(1), "mine")
    assert log.notice(mine, NoticeKind.STARTED, "") is None
    died = tmp_path / "shadowd" / "notices" / notice_name(1, NoticeKind.DIED)
    died.write_bytes(data)
    ledger = listed(log)
    assert ledger.records[0].open
    assert ledger.records[0].notices == {NoticeKind.STARTED}
    assert problems(ledger) == {died.name: problem}
    for kind in (NoticeKind.DIED, NoticeKind.STOPPED):
        answer = log.notice(mine, kind, "")
        assert isinstance(answer, Unknown)
        assert answer.subject == str(died)
    died.unlink()
    assert log.notice(mine, NoticeKind.DIED, "") is None
    assert listed(log).records[0].outcome is NoticeKind.DIED
    assert not listed(log).doubts


def test_an_empty_notice_of_a_number_that_nobody_claimed_supersedes_nobody(tmp_path: Path) -> None:
    """The number stays taken, the file is named, and the master of the epoch below goes on."""
    log = log_of(tmp_path, "a")
    won(log, 1)
    assert log.notice(ClaimKey(Epoch(1), "mine"), NoticeKind.STARTED, "") is None
    for kind in (NoticeKind.STARTED, NoticeKind.DIED):
        (tmp_path / "shadowd" / "notices" / notice_name(99, kind)).touch()
    ledger = listed(log)
    assert epochs(ledger) == [1, 99]
    assert ledger.superseder(Epoch(1)) is None
    assert ledger.last_confirmed is ledger.records[0]
    assert set(problems(ledger)) == {
        claim_name(99),
        notice_name(99, NoticeKind.STARTED),
        notice_name(99, NoticeKind.DIED),
    }


def test_nothing_is_written_about_a_number_that_another_claim_holds(tmp_path: Path) -> None:
    """Two directories, one number: what was claimed in one closes nothing in the other."""
    won(log_of(tmp_path, "a"), 1)
    answer = log_of(tmp_path, "b").notice(ClaimKey(Epoch(1), "other"), NoticeKind.STEPPED_DOWN, "")
    assert isinstance(answer, Unknown)
    assert answer.problem is Problem.FOREIGN
    assert list((tmp_path / "shadowd" / "notices").iterdir()) == []


def test_an_undecided_outcome_of_another_claim_is_named(tmp_path: Path) -> None:
    """The hidden file that all outcomes compete for is judged like the notice that it would become."""
    log = log_of(tmp_path, "a")
    won(log, 1)
    hidden = tmp_path / "shadowd" / "notices" / outcome_name(1)
    hidden.write_bytes(encode_notice(notice_of(1, NoticeKind.DIED, "another")))
    answer = log.notice(ClaimKey(Epoch(1), "mine"), NoticeKind.DIED, "")
    assert isinstance(answer, Unknown)
    assert (answer.subject, answer.problem) == (str(hidden), Problem.FOREIGN)
    assert listed(log).records[0].open


def test_notices_of_the_first_release_count_by_name(tmp_path: Path) -> None:
    """An upgraded cell goes on: its old claims do not promise a nonce, and its new ones do."""
    fill(tmp_path, 1, [NoticeKind.LAUNCHING, NoticeKind.STARTED])
    log = log_of(tmp_path, "a")
    assert listed(log).records[0].confirmed
    assert log.notice(ClaimKey(Epoch(1), "n1"), NoticeKind.DIED, "") is None
    won(log, 2)
    ledger = listed(log)
    assert ledger.records[0].outcome is NoticeKind.DIED
    assert not ledger.doubts
    assert log.notice(ClaimKey(Epoch(1), "n1"), NoticeKind.DIED, "") is None


def test_a_notice_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new name in the directory costs one read of that file; none is read again."""
    log = log_of(tmp_path, "a")
    won(log, 1)
    mine = ClaimKey(Epoch(1), "mine")
    assert log.notice(mine, NoticeKind.LAUNCHING, "") is None
    listed(log)
    assert log.notice(mine, NoticeKind.STARTED, "") is None
    read: list[str] = []

    def noted(path: Path, limit: int, *, listed: bool = False) -> bytes | Unknown:
        read.append(path.name)
        return read_small(path, limit, listed=listed)

    monkeypatch.setattr(claimreader, "read_small", noted)
    assert listed(log).records[0].confirmed
    assert listed(log).records[0].confirmed
    assert read == [notice_name(1, NoticeKind.STARTED)]
