"""The claims directory: what a listing says, who holds a number, and what is never removed."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowd.adapters.claimlog import DirectoryClaimLog
from shadowd.adapters.claimnames import claim_name, notice_name
from shadowd.adapters.claimreader import CLOSED_LISTED
from shadowd.adapters.records import encode_claim
from shadowd.core.ledger import Ledger
from shadowd.core.values import Claim, ClaimKey, ClaimReason, Epoch, Host, NoticeKind, Problem, Unknown
from tests.adapters.claims import epochs, fill, listed, problems, won
from tests.lab.claimers import claim_of, log_of


def test_a_new_cell_is_an_empty_ledger(tmp_path: Path) -> None:
    """The spool is there and our directory is not: nothing was claimed yet."""
    assert log_of(tmp_path, "a").list() == Ledger()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_spool_is_unknown(tmp_path: Path) -> None:
    """An unmounted directory must not look like a cell without claims."""
    answer = log_of(tmp_path / "spool", "a").list()
    assert isinstance(answer, Unknown)
    assert answer.subject == str(tmp_path / "spool")


@pytest.mark.parametrize("missing", ["claims", "notices"])
def test_a_part_that_is_missing_for_certain_is_empty(tmp_path: Path, missing: str) -> None:
    """A crash between two mkdirs leaves a directory that works."""
    (tmp_path / "shadowd" / ("notices" if missing == "claims" else "claims")).mkdir(parents=True)
    log = log_of(tmp_path, "a")
    assert log.list() == Ledger()
    won(log, 1)


def test_something_else_in_place_of_the_directory_is_unknown(tmp_path: Path) -> None:
    """A file named shadowd is nobody's empty ledger, and nobody can claim in it."""
    (tmp_path / "shadowd").touch()
    log = log_of(tmp_path, "a")
    assert isinstance(log.list(), Unknown)
    assert isinstance(log.claim(claim_of(1, "a", "n")), Unknown)
    assert isinstance(log.notice(ClaimKey(Epoch(1), "mine"), NoticeKind.LAUNCHING, ""), Unknown)
    assert isinstance(log.prune(1), Unknown)


def test_a_dangling_link_in_place_of_a_directory_is_unknown(tmp_path: Path) -> None:
    """Listed above and not to be opened: nobody can say what it holds."""
    (tmp_path / "shadowd").symlink_to(tmp_path / "nowhere")
    assert isinstance(log_of(tmp_path, "a").list(), Unknown)


def test_the_first_claim_makes_everything_and_leaves_nothing_else(tmp_path: Path) -> None:
    """Directories on demand, one file a claim, no private file behind it."""
    log = log_of(tmp_path, "a")
    claim = won(log, 1)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "shadowd",
        "shadowd/claims",
        "shadowd/claims/0000000001.json",
        "shadowd/notices",
    ]
    ledger = listed(log)
    assert ledger.highest == 1
    assert [record.claim for record in ledger.records] == [claim]
    assert not ledger.doubts


def test_the_second_claimant_is_told_the_first(tmp_path: Path) -> None:
    """A lost race is a value: the claim that holds the number."""
    won(log_of(tmp_path, "a"), 1)
    answer = log_of(tmp_path, "b").claim(claim_of(1, "b", "other"))
    assert isinstance(answer, Claim)
    assert (answer.host, answer.nonce) == ("a", "mine")


def test_a_number_taken_by_garbage_is_held_by_nobody_we_can_name(tmp_path: Path) -> None:
    """Nobody wins over a record that cannot be read, and the listing reports it."""
    log = log_of(tmp_path, "a")
    won(log, 1)
    (tmp_path / "shadowd" / "claims" / claim_name(2)).write_bytes(b"\x00garbage")
    answer = log.claim(claim_of(2, "a", "mine"))
    assert isinstance(answer, Unknown)
    assert answer.problem is Problem.GARBAGE
    assert problems(listed(log)) == {claim_name(2): Problem.GARBAGE}
    assert listed(log).highest == 2


@pytest.mark.parametrize("epoch", [0, -1, 10**10])
def test_a_number_that_is_none_is_refused(tmp_path: Path, epoch: int) -> None:
    """No file is made for an epoch that nobody could read."""
    log = log_of(tmp_path, "a")
    assert isinstance(log.claim(claim_of(epoch, "a", "n")), Unknown)
    assert isinstance(log.notice(ClaimKey(Epoch(epoch), "mine"), NoticeKind.STARTED, ""), Unknown)
    assert list(tmp_path.iterdir()) == []


def test_a_claim_of_another_cell_is_refused(tmp_path: Path) -> None:
    """A log writes for its own cell only."""
    log = DirectoryClaimLog(tmp_path / "shadowd", "other", Host("a"), lambda: 1.0)
    answer = log.claim(claim_of(1, "a", "n"))
    assert isinstance(answer, Unknown)
    assert answer.problem is Problem.FOREIGN


def test_only_the_last_confirmed_epoch_and_later_ones_are_listed(tmp_path: Path) -> None:
    """Earlier epochs are history, garbage and all, unless nobody closed them: their host may have a ghost."""
    log = log_of(tmp_path, "a")
    for epoch in range(1, 6):
        won(log, epoch)
    for epoch in (2, 3):
        assert log.notice(ClaimKey(Epoch(epoch), "mine"), NoticeKind.LAUNCHING, "") is None
        assert log.notice(ClaimKey(Epoch(epoch), "mine"), NoticeKind.STARTED, "") is None
    assert log.notice(ClaimKey(Epoch(4), "mine"), NoticeKind.FAILED, "exit 1") is None
    (tmp_path / "shadowd" / "claims" / claim_name(1)).write_bytes(b"")
    ledger = listed(log)
    assert epochs(ledger) == [2, 3, 4, 5]
    assert ledger.last_confirmed is ledger.records[1]
    assert ledger.records[2].outcome is NoticeKind.FAILED
    assert [record.epoch for record in ledger.suspects] == [3, 4, 5]
    assert not ledger.doubts


def test_an_adopted_epoch_does_not_end_the_chain(tmp_path: Path) -> None:
    """Those before an adopted master are still to be accounted for (PROTOCOL rule 7)."""
    fill(tmp_path, 1, [NoticeKind.STARTED, NoticeKind.DIED])
    fill(tmp_path, 1, [NoticeKind.STARTED], first=2)
    data = encode_claim(replace(claim_of(3, "a", "n"), bound=False))
    adopted = data.replace(b'"silence"', f'"{ClaimReason.ADOPTED.value}"'.encode())
    (tmp_path / "shadowd" / "claims" / claim_name(3)).write_bytes(adopted)
    (tmp_path / "shadowd" / "notices" / notice_name(3, NoticeKind.STARTED)).touch()
    log = log_of(tmp_path, "a")
    assert epochs(listed(log)) == [2, 3]
    assert log.prune(1) == 1
    assert epochs(listed(log)) == [2, 3]


def test_an_outcome_is_written_once_and_another_is_refused(tmp_path: Path) -> None:
    """The same again is fine; a different one names what closed the epoch."""
    log = log_of(tmp_path, "a")
    won(log, 1)
    assert log.notice(ClaimKey(Epoch(1), "mine"), NoticeKind.DIED, "signal 9") is None
    assert log.notice(ClaimKey(Epoch(1), "mine"), NoticeKind.DIED, "again") is None
    answer = log_of(tmp_path, "b").notice(ClaimKey(Epoch(1), "mine"), NoticeKind.STOPPED, "")
    assert isinstance(answer, Unknown)
    assert "closed as died" in answer.detail
    assert listed(log).records[0].notices == {NoticeKind.DIED}


def test_two_outcomes_at_the_same_moment_are_one(tmp_path: Path) -> None:
    """Another host closes the epoch between our look and our link: its outcome stands alone."""

    def link(source: str, target: str) -> None:
        assert log_of(tmp_path, "b").notice(ClaimKey(Epoch(1), "mine"), NoticeKind.STOPPED, "") is None
        os.link(source, target)

    won(log_of(tmp_path, "a"), 1)
    log = log_of(tmp_path, "a", link)
    assert isinstance(log.notice(ClaimKey(Epoch(1), "mine"), NoticeKind.DIED, ""), Unknown)
    assert listed(log).records[0].notices == {NoticeKind.STOPPED}


def test_an_outcome_half_written_by_a_crash_is_finished_by_the_next(tmp_path: Path) -> None:
    """What was decided stands: the newcomer shows it, and is refused its own."""
    log = log_of(tmp_path, "a")
    won(log, 1)
    log.notice(ClaimKey(Epoch(1), "mine"), NoticeKind.DIED, "signal 9")
    (tmp_path / "shadowd" / "notices" / notice_name(1, NoticeKind.DIED)).unlink()
    assert listed(log).records[0].open
    assert isinstance(log.notice(ClaimKey(Epoch(1), "mine"), NoticeKind.FAILED, ""), Unknown)
    assert listed(log).records[0].notices == {NoticeKind.DIED}


def test_open_notices_without_a_claim_are_a_doubt_and_keep_their_number(tmp_path: Path) -> None:
    """Somebody removed a claim that may be running: reported, and never claimed again."""
    log = log_of(tmp_path, "a")
    won(log, 1)
    won(log, 2)
    log.notice(ClaimKey(Epoch(2), "mine"), NoticeKind.LAUNCHING, "")
    (tmp_path / "shadowd" / "claims" / claim_name(2)).unlink()
    ledger = listed(log)
    assert epochs(ledger) == [1, 2]
    assert problems(ledger) == {claim_name(2): Problem.MISSING}
    log.notice(ClaimKey(Epoch(2), "mine"), NoticeKind.FAILED, "")
    assert not listed(log).doubts
    assert listed(log).highest == 2


def test_names_that_resemble_records_are_doubts_and_others_are_not(tmp_path: Path) -> None:
    """A newer release's notice stops a bid; an editor's copy does not."""
    log = log_of(tmp_path, "a")
    won(log, 1)
    claims, notices = tmp_path / "shadowd" / "claims", tmp_path / "shadowd" / "notices"
    for name in ("7.json", "00000000012.json", "0000000000.json"):
        (claims / name).touch()
    for name in ("0000000009.exploded.json", "0000000000.died.json"):
        (notices / name).touch()
    for name in ("0000000002.json~", ".0000000002.json.swp", "README", "x.json", ".nfs0001", ".tmp.b.1.ff"):
        (claims / name).touch()
        (notices / name).touch()
    ledger = listed(log)
    assert epochs(ledger) == [1]
    assert set(problems(ledger)) == {
        "7.json",
        "00000000012.json",
        "0000000000.json",
        "0000000009.exploded.json",
        "0000000000.died.json",
    }


@pytest.mark.parametrize("kind", ["directory", "fifo", "loop", "giant", "foreign"])
def test_a_claim_that_is_no_file_of_ours_is_a_doubt(tmp_path: Path, kind: str) -> None:
    """Whatever lies at a number, the listing returns, and says which file it is."""
    log = log_of(tmp_path, "a")
    won(log, 1)
    path = tmp_path / "shadowd" / "claims" / claim_name(2)
    match kind:
        case "directory":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "loop":
            path.symlink_to(path)
        case "giant":
            with path.open("wb") as file:
                file.truncate(1 << 30)
        case _:
            path.write_bytes(encode_claim(claim_of(2, "a", "n")).replace(b'"prod"', b'"other"'))
    ledger = listed(log)
    assert set(problems(ledger)) == {claim_name(2)}
    assert ledger.highest == 2


def test_a_claim_is_read_once_and_a_restored_directory_is_noticed(tmp_path: Path) -> None:
    """What was read is kept only while the listing shows the same file."""
    log = log_of(tmp_path, "a")
    won(log, 1)
    first = listed(log)
    assert listed(log).records[0].claim is first.records[0].claim
    shutil.copytree(tmp_path / "shadowd", tmp_path / "backup")
    shutil.rmtree(tmp_path / "shadowd")
    assert listed(log) == Ledger()
    (tmp_path / "backup").rename(tmp_path / "shadowd")
    (tmp_path / "shadowd" / "claims" / claim_name(1)).write_bytes(encode_claim(claim_of(1, "b", "theirs")))
    restored = listed(log).records[0].claim
    assert isinstance(restored, Claim)
    assert restored.host == "b"


def test_months_of_failures_do_not_make_the_ledger_grow(tmp_path: Path) -> None:
    """Of closed epochs only the newest are shown; the confirmed one, the open and the highest always."""
    fill(tmp_path, 1, [NoticeKind.STARTED])
    fill(tmp_path, 1, [], first=2)
    fill(tmp_path, CLOSED_LISTED + 50, [NoticeKind.FAILED], first=3)
    ledger = listed(log_of(tmp_path, "a"))
    numbers = epochs(ledger)
    assert numbers[:2] == [1, 2]
    assert numbers[-1] == CLOSED_LISTED + 52
    assert len(numbers) <= CLOSED_LISTED + 3
    assert not ledger.doubts


def test_what_an_earlier_daemon_of_this_host_left_is_swept(tmp_path: Path) -> None:
    """Private files after a crash do not pile up."""
    claims = tmp_path / "shadowd" / "claims"
    claims.mkdir(parents=True)
    for name in (".tmp.a.1.ff", ".tmp.b.1.ff"):
        (claims / name).touch()
    won(log_of(tmp_path, "a"), 1)
    assert sorted(path.name for path in claims.iterdir()) == [".tmp.b.1.ff", claim_name(1)]


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.from_regex(r"(claims|notices)/[0-9]{1,11}(\.[a-z]{1,8})?\.json", fullmatch=True)
        | st.integers(0, 5).map(lambda epoch: f"claims/{claim_name(epoch)}")
        | st.tuples(st.integers(0, 5), st.sampled_from(NoticeKind)).map(
            lambda pair: f"notices/{notice_name(*pair)}"
        ),
        st.binary(max_size=40) | st.integers(1, 5).map(lambda epoch: encode_claim(claim_of(epoch, "a", "n"))),
        max_size=12,
    )
)
def test_any_files_give_an_ordered_ledger_with_doubts(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    """Whatever somebody put there: a listing comes back, ascending, and what is no claim is doubted."""
    spool = tmp_path_factory.mktemp("spool")
    for name in ("claims", "notices"):
        (spool / "shadowd" / name).mkdir(parents=True)
    for name, data in files.items():
        (spool / "shadowd" / name).write_bytes(data)
    ledger = listed(log_of(spool, "a"))
    assert epochs(ledger) == sorted(set(epochs(ledger)))
    for record in ledger.records:
        if isinstance(record.claim, Unknown):
            assert not record.open or record.claim in ledger.doubts
        else:
            assert record.claim.epoch == record.epoch
    assert list(spool.rglob(".*")) == []
