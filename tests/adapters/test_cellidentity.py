"""The identity of a cell: founded once, remembered on each host, and doubted where it is another."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shadowd.adapters import cellidentity
from shadowd.adapters.cellidentity import CellIdentity, IdentifiedClaims, is_identity, memory_of
from shadowd.core.ledger import Ledger
from shadowd.core.values import Claim, ClaimKey, Epoch, Host, NoticeKind, Problem, Unknown
from tests.lab.claimers import claim_of, log_of

ONE = ClaimKey(Epoch(1), "mine")


@dataclass
class Site:
    """One shared directory and the local disks of the hosts that look at it."""

    root: Path
    answers: str = ""
    """Which other host answers as master."""
    empty: str = ""
    """Why the place is an empty mount point."""
    asked: list[str] = field(default_factory=list)
    told: list[Unknown] = field(default_factory=list)
    """Why a host could not remember."""

    @property
    def spool(self) -> Path:
        """The directory that is mounted."""
        return self.root / "spool"

    @property
    def record(self) -> Path:
        """The identity in it."""
        return self.spool / "shadowd/cell.json"

    def memory(self, host: str) -> Path:
        """Return where a host remembers."""
        return memory_of(self.root / f"lib-{host}", "prod", Host(host), self.spool / "shadowd")

    def claims(self, host: str = "a") -> IdentifiedClaims:
        """Return the claim log of a daemon of this host that starts now."""

        def answering() -> str:
            self.asked.append(host)
            return self.answers

        identity = CellIdentity(
            self.spool / "shadowd",
            self.memory(host),
            cell="prod",
            host=Host(host),
            boot_id="boot",
            answering=answering,
            unmounted=lambda _: self.empty,
            forgetful=self.told.append,
        )
        return IdentifiedClaims(log_of(self.spool, host), identity)

    def replace(self, name: str = "other") -> None:
        """Let another directory lie in the place, as a mount does; that one is kept aside."""
        self.spool.rename(self.root / name)
        self.spool.mkdir()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Give an empty directory and no memory."""
    made = Site(tmp_path)
    made.spool.mkdir()
    return made


def founded(site: Site, host: str = "a", nonce: str = "mine") -> IdentifiedClaims:
    """Found the cell by a first claim."""
    claims = site.claims(host)
    assert isinstance(claims.claim(claim_of(1, host, nonce)), Claim)
    return claims


def all_of(claims: IdentifiedClaims, host: str) -> tuple[object, ...]:
    """Return what all operations answer."""
    return claims.list(), claims.claim(claim_of(2, host, "n")), claims.notice(ONE, NoticeKind.DIED, "")


def doubt(answer: object) -> Unknown:
    """Return the answer, which must be that of another directory."""
    assert isinstance(answer, Unknown), answer
    assert answer.problem is Problem.FOREIGN
    return answer


def test_the_first_claim_founds_the_cell(site: Site) -> None:
    """Nothing before it; then the record, and the memory of that host."""
    claims = site.claims()
    assert claims.list() == Ledger()
    assert not site.record.exists()
    assert isinstance(claims.claim(claim_of(1, "a", "mine")), Claim)
    assert site.asked == ["a"]
    assert is_identity(site.record.parent, claims.identity.word)
    assert not is_identity(site.root, claims.identity.word)
    assert site.memory("a").exists()
    assert claims.notice(ONE, NoticeKind.LAUNCHING, "") is None


def test_every_host_remembers_the_cell_at_its_first_look(site: Site) -> None:
    """Nobody is asked, and the record stays as it is."""
    founded(site)
    before = site.record.read_bytes()
    claims = site.claims("b")
    assert isinstance(claims.list(), Ledger)
    assert site.memory("b").exists()
    assert isinstance(claims.claim(claim_of(2, "b", "next")), Claim)
    assert (site.record.read_bytes(), site.asked) == (before, ["a"])


def test_no_cell_is_founded_while_another_host_answers_as_master(site: Site) -> None:
    """An old copy of a release without identities: its heartbeat stands still, and the master lives."""
    site.answers = "a master answers at a"
    answer = doubt(site.claims("b").claim(claim_of(1, "b", "mine")))
    assert "a master answers at a" in answer.detail
    assert not site.record.exists()
    assert not (site.spool / "shadowd").exists()


def test_nothing_is_founded_or_read_beneath_an_empty_mount_point(site: Site) -> None:
    """Whatever lies there, an identity too; the remedy is to mount, and nothing is written."""
    founded(site)
    site.empty = "/srv is a mount point (/etc/fstab), and nothing is mounted"
    claims = site.claims("b")
    for answer in (
        claims.list(),
        claims.claim(claim_of(2, "b", "n")),
        claims.notice(ONE, NoticeKind.DIED, ""),
    ):
        assert doubt(answer).detail == f"{site.empty}; mount it"
    assert not site.memory("b").exists()
    site.empty = ""
    assert isinstance(claims.list(), Ledger)


@pytest.mark.parametrize("host", ["a", "b"])
def test_a_directory_without_the_remembered_identity_is_doubted(site: Site, host: str) -> None:
    """Nothing is mounted, and an old copy or nothing lies beneath: no bid, no notice, no new cell."""
    founded(site)
    site.claims(host).list()
    site.replace()
    claims = site.claims(host)
    for answer in (
        claims.list(),
        claims.claim(claim_of(1, host, "n")),
        claims.notice(ONE, NoticeKind.DIED, ""),
    ):
        assert str(site.memory(host)) in doubt(answer).detail
    assert claims.identity.foreign
    assert list(site.spool.iterdir()) == []
    site.spool.rmdir()
    (site.root / "other").rename(site.spool)
    assert isinstance(claims.list(), Ledger)
    assert not claims.identity.foreign


def test_a_directory_with_another_identity_is_doubted_until_a_person_accepts_it(site: Site) -> None:
    """Noticed by a daemon at work, at the next look; the remembered file is all there is to remove."""
    claims = founded(site)
    site.replace()
    theirs = founded(site, "z", "theirs")
    answer = doubt(claims.list())
    assert answer.subject == str(site.record)
    assert "founded by z" in answer.detail
    doubt(claims.notice(ONE, NoticeKind.STEPPED_DOWN, ""))
    assert not list((site.spool / "shadowd/notices").iterdir())
    site.memory("a").unlink()
    ledger = claims.list()
    assert isinstance(ledger, Ledger)
    assert ledger.records[0].claim == claim_of(1, "z", "theirs")
    assert claims.identity.word == theirs.identity.word


def test_an_emptied_directory_is_a_doubt_that_its_guard_repairs(site: Site) -> None:
    """It is the directory that was verified: the guard links its claim again, and with it the identity."""
    claims = founded(site)
    claims.list()
    word = claims.identity.word
    shutil.rmtree(site.spool / "shadowd")
    ledger = claims.list()
    assert isinstance(ledger, Ledger)
    assert [one.problem for one in ledger.doubts] == [Problem.FOREIGN]
    assert isinstance(claims.claim(claim_of(1, "a", "mine")), Claim)
    assert is_identity(site.record.parent, word)
    assert isinstance(site.claims("a").list(), Ledger)


def test_a_cell_of_an_earlier_release_gets_its_identity_from_the_host_of_its_master(site: Site) -> None:
    """No other host founds it by looking; every host remembers it then."""
    log = log_of(site.spool, "a")
    log.claim(claim_of(1, "a", "mine"))
    log.notice(ONE, NoticeKind.STARTED, "")
    assert isinstance(site.claims("b").list(), Ledger)
    assert not site.record.exists()
    assert isinstance(site.claims("a").list(), Ledger)
    assert site.record.exists()
    assert site.asked == []


def test_an_old_copy_with_the_identity_ends_with_a_lower_epoch(site: Site) -> None:
    """It was made after the cell was founded; what this host has seen since tells."""
    founded(site)
    copy = site.root / "copy"
    shutil.copytree(site.spool, copy)
    claims = site.claims("b")
    claims.claim(claim_of(2, "b", "next"))
    claims.list()
    site.replace()
    shutil.copytree(copy, site.spool, dirs_exist_ok=True)
    answer = doubt(site.claims("b").list())
    assert "epoch 2 was seen" in answer.detail
    site.memory("b").unlink()
    assert isinstance(site.claims("b").list(), Ledger)


def test_an_old_copy_that_comes_between_a_listing_and_a_claim_takes_none(site: Site) -> None:
    """The mount went away in the moment before: what lies beneath is looked at before it is used."""
    founded(site)
    copy = site.root / "copy"
    shutil.copytree(site.spool, copy)
    claims = site.claims("b")
    claims.claim(claim_of(2, "b", "next"))
    assert isinstance(claims.list(), Ledger)
    site.replace()
    shutil.copytree(copy, site.spool, dirs_exist_ok=True)
    assert "epoch 2 was seen" in doubt(claims.claim(claim_of(3, "b", "third"))).detail


def test_a_memory_that_cannot_be_written_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cell is served; but after the next start nobody here would know a wrong directory."""
    full = Unknown(Problem.UNREADABLE, str(site.memory("a")), "No space left on device")
    monkeypatch.setattr(cellidentity, "replace_file", lambda *_: full)
    claims = founded(site)
    claims.claim(claim_of(2, "a", "next"))
    assert isinstance(claims.list(), Ledger)
    assert [problem.subject for problem in site.told] == [str(site.memory("a"))]


@pytest.mark.parametrize(
    "data", ["", "{}", '{"format": 1, "cell": "prod", "id": "-", "host": "a", "wall": 1}']
)
def test_an_identity_that_cannot_be_read_is_unknown(site: Site, data: str) -> None:
    """Torn or by hand."""
    founded(site)
    site.record.write_text(data)
    answer = site.claims("a").list()
    assert isinstance(answer, Unknown)
    assert answer.subject == str(site.record)


def test_an_identity_of_another_cell_is_foreign(site: Site) -> None:
    """Two cells in one directory."""
    founded(site)
    site.record.write_text(site.record.read_text().replace('"prod"', '"test"'))
    assert "'test'" in doubt(site.claims("c").list()).detail


def test_a_memory_that_cannot_be_read_is_a_doubt_and_no_more(site: Site) -> None:
    """No bid here, but the guard of a healthy master goes on with its listings and notices."""
    founded(site)
    site.memory("a").write_text("torn")
    claims = site.claims("a")
    ledger = claims.list()
    assert isinstance(ledger, Ledger)
    assert [one.subject for one in ledger.doubts] == [str(site.memory("a"))]
    assert claims.notice(ONE, NoticeKind.LAUNCHING, "") is None
    assert isinstance(claims.claim(claim_of(2, "a", "next")), Unknown)


def test_an_idle_look_costs_one_stat(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the record nor the memory is read again while the record is the same file."""
    claims = founded(site)
    claims.list()
    monkeypatch.setattr(CellIdentity, "_examine", lambda *_: pytest.fail("examined again"))
    assert isinstance(claims.list(), Ledger)
