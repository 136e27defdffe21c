"""Which claims a listing needs, and reading each of them once.

A claim is immutable, so one that was read is kept as long as every fresh listing shows its number with
the same inode. A directory that was emptied or restored shows another inode or, in between, none, and
what was kept is forgotten with it. What is kept is what the last listing needed, so it is bounded too.

This module refuses to list anything: what exists is its caller's fresh knowledge.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from shadowd.adapters.claimnames import Look, claim_name
from shadowd.adapters.reading import read_small
from shadowd.adapters.records import MAX_RECORD, decode_claim
from shadowd.core.values import OUTCOMES, Claim, ClaimReason, NoticeKind, Problem, Unknown

CLOSED_LISTED: Final = 1000
"""Closed epochs since the last confirmed one that a ledger shows, the newest; all are accounted for."""


class ClaimReader:
    """Reads the claims of one listing, each at most once, and those that were read before not at all."""

    def __init__(
        self, cell: str, directory: Path, inodes: Mapping[int, int], known: Mapping[int, tuple[int, Claim]]
    ) -> None:
        self._cell = cell
        self._directory = directory
        self._inodes = inodes
        self._known = known
        self.used: dict[int, tuple[int, Claim]] = {}

    def claim(self, epoch: int) -> Claim | Unknown:
        """Return the claim of a listed epoch."""
        inode = self._inodes.get(epoch)
        path = self._directory / claim_name(epoch)
        if inode is None:
            return Unknown(Problem.MISSING, str(path), "the epoch has notices and no claim")
        kept = self.used.get(epoch) or self._known.get(epoch)
        if kept is None or kept[0] != inode:
            data = read_small(path, MAX_RECORD, listed=True)
            if isinstance(data, Unknown):
                return data
            claim = decode_claim(data, cell=self._cell, epoch=epoch, subject=str(path))
            if isinstance(claim, Unknown):
                return claim
            kept = (inode, claim)
        self.used[epoch] = kept
        return kept[1]


def floor_of(seen: Look, reader: ClaimReader) -> int:
    """Return the last confirmed epoch that was not adopted; 0 for none.

    An adopted master proves nothing about those before it (PROTOCOL rule 7), so they stay in the ledger.
    """
    for epoch in seen.started:
        claim = reader.claim(epoch)
        if isinstance(claim, Unknown) or claim.reason is not ClaimReason.ADOPTED:
            return epoch
    return 0


def thinned(epochs: Iterable[int], kinds: Mapping[int, set[NoticeKind]]) -> Sequence[int]:
    """Return the epochs in order, without the oldest closed and unconfirmed ones if they are too many.

    Months of failed starts must not make each listing read thousands of claims that account for nothing.
    """
    ordered = sorted(epochs)
    spent = [epoch for epoch in ordered[:-1] if kinds.get(epoch, frozenset()) & OUTCOMES]
    drop = {epoch for epoch in spent[:-CLOSED_LISTED] if NoticeKind.STARTED not in kinds[epoch]}
    return [epoch for epoch in ordered if epoch not in drop]
