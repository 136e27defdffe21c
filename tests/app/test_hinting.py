"""Claims and notices are hinted once they are on disk, to the other hosts and to nobody for nothing."""

import json
from collections.abc import Callable
from pathlib import Path

from shadowd.adapters.claimlog import DirectoryClaimLog
from shadowd.adapters.hints import Hints, encode
from shadowd.app.hinting import hinted
from shadowd.core.values import (
    Claim,
    ClaimKey,
    ClaimReason,
    Epoch,
    Host,
    NoticeKind,
    Protection,
    Seconds,
    Unknown,
)
from shadowd.ports import ClaimLog

ONE, STARTED = Epoch(1), NoticeKind.STARTED


def claim(host: str, nonce: str) -> Claim:
    """Return a claim of the first epoch."""
    return Claim(
        cell="prod", epoch=ONE, host=Host(host), machine_id="m", boot_id="b", pid=7, start_token="1",  # noqa: S106 - no password
        nonce=nonce, reason=ClaimReason.SILENCE, supersedes=Epoch(0), lease=Seconds(10), licence=Seconds(1),
        window=Seconds(2), protection=Protection.GUARDED, wall=1.0,
    )  # fmt: skip


def log(state: Path, host: str, hints: Hints | None, jobs: list[Callable[[], None]]) -> ClaimLog:
    """Return the claim log of a host whose jobs the test runs."""
    plain = DirectoryClaimLog(state, "prod", Host(host), lambda: 1.0)
    return hinted(plain, hints, cell="prod", host=Host(host), user=None, state=state, submit=jobs.append)


def test_what_is_on_disk_is_hinted_to_the_others(tmp_path: Path) -> None:
    """A won claim and a notice wake the host whose record says where it listens; a lost claim does not."""
    woken: list[str] = []
    ear = Hints(0, serves=lambda _: True, woken=woken.append)
    mouth = Hints(0, serves=lambda _: True, woken=print)
    (tmp_path / "hosts").mkdir()
    place = {"port": ear.place()[0], "addresses": ["127.0.0.1"]}
    (tmp_path / "hosts" / "b.json").write_text(json.dumps({"hints": place}))
    jobs: list[Callable[[], None]] = []
    mine = log(tmp_path, "a", mouth, jobs)
    assert mine.claim(claim("a", "n1")) == claim("a", "n1")
    assert len(jobs) == 1
    jobs.pop()()
    assert ear.turn()
    assert woken == ["prod"]
    assert mine.claim(claim("a", "n2")) == claim("a", "n1")
    assert mine.list() == log(tmp_path, "a", None, jobs).list()
    assert jobs == []
    assert mine.notice(ClaimKey(ONE, "n1"), STARTED, "") is None
    assert len(jobs) == 1
    assert encode("prod").endswith(b" prod")
    for hints in (ear, mouth):
        hints.close()


def test_what_could_not_be_written_is_no_news(tmp_path: Path) -> None:
    """No directory, no record, no hint; and switched off there is nothing between."""
    jobs: list[Callable[[], None]] = []
    mouth = Hints(0, serves=lambda _: True, woken=print)
    lost = log(tmp_path / "none" / "state", "a", mouth, jobs)
    assert isinstance(lost.claim(claim("a", "n1")), Unknown)
    assert isinstance(lost.notice(ClaimKey(ONE, "n1"), STARTED, ""), Unknown)
    assert jobs == []
    assert isinstance(log(tmp_path, "a", None, jobs), DirectoryClaimLog)
    mouth.close()
