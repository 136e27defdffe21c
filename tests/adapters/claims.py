"""Claim logs in a directory: filled by hand, and what their ledgers say."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from shadowd.adapters.claimlog import DirectoryClaimLog
from shadowd.adapters.claimnames import claim_name, notice_name
from shadowd.adapters.records import encode_claim
from shadowd.core.ledger import Ledger
from shadowd.core.values import Claim, NoticeKind, Problem
from tests.lab.claimers import claim_of


def listed(log: DirectoryClaimLog) -> Ledger:
    """Return the ledger, which must be readable."""
    ledger = log.list()
    assert isinstance(ledger, Ledger), ledger
    return ledger


def won(log: DirectoryClaimLog, epoch: int, nonce: str = "mine") -> Claim:
    """Claim an epoch, which must succeed."""
    answer = log.claim(claim_of(epoch, "a", nonce))
    assert isinstance(answer, Claim), answer
    assert answer.nonce == nonce
    return answer


def epochs(ledger: Ledger) -> list[int]:
    """Return the epochs of a ledger."""
    return [record.epoch for record in ledger.records]


def problems(ledger: Ledger) -> dict[str, Problem]:
    """Return the doubts of a ledger by file name."""
    return {Path(doubt.subject).name: doubt.problem for doubt in ledger.doubts}


def fill(spool: Path, count: int, kinds: Iterable[NoticeKind], first: int = 1) -> None:
    """Write many epochs without the ceremony, as the first release left them: notices count by name."""
    for name in ("claims", "notices"):
        (spool / "shadowd" / name).mkdir(parents=True, exist_ok=True)
    for epoch in range(first, first + count):
        data = encode_claim(replace(claim_of(epoch, "a", f"n{epoch}"), bound=False))
        (spool / "shadowd" / "claims" / claim_name(epoch)).write_bytes(data)
        for kind in kinds:
            (spool / "shadowd" / "notices" / notice_name(epoch, kind)).touch()
