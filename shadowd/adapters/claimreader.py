"""Which claims and notices a listing needs, and reading each of them once.

Both are immutable, so one that was read is kept as long as every fresh listing shows its name with the same
inode. A directory that was emptied or restored shows another inode or, in between, none, and what was kept
is forgotten with it. What is kept is what the last listing needed, so it is bounded too.

A notice counts only if it carries the nonce of its claim: an empty file of the right name, or one that a
host wrote about a claim in another directory, says nothing about this one (PROTOCOL rule 15). The claims of
the first release say that theirs carry none, and those count by name.

This module refuses to list anything: what exists is its caller's fresh knowledge.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from shadowd.adapters.claimnames import Look, claim_name, notice_name
from shadowd.adapters.reading import read_small
from shadowd.adapters.records import MAX_RECORD, Notice, decode_claim, decode_notice
from shadowd.core.ledger import EpochRecord
from shadowd.core.values import OUTCOMES, Claim, ClaimReason, Epoch, NoticeKind, Problem, Unknown

_GHOSTS: Final = 64
CLOSED_LISTED: Final = 1000
"""Closed epochs since the last confirmed one that a ledger shows, the newest; all are accounted for."""


@dataclass(slots=True)
class Kept:
    """Records as read, with the inode that held each."""

    claims: dict[int, tuple[int, Claim]] = field(default_factory=dict)
    """By epoch."""
    notices: dict[str, tuple[int, Notice]] = field(default_factory=dict)
    """By name."""


class ClaimReader:
    """Reads the records of one listing, each at most once, and those that were read before not at all."""

    def __init__(self, cell: str, directory: Path, seen: Look, known: Kept) -> None:
        """``directory``: that of claims and notices; ``known``: what an earlier listing needed."""
        self._cell = cell
        self._claims = directory / "claims"
        self._notices = directory / "notices"
        self._seen = seen
        self._known = known
        self.used = Kept()
        """What this listing needed."""
        self.flaws: list[Unknown] = []
        """Why notices that were asked for do not count."""

    def claim(self, epoch: int) -> Claim | Unknown:
        """Return the claim of a listed epoch."""
        inode = self._seen.claims.get(epoch)
        path = self._claims / claim_name(epoch)
        if inode is None:
            return Unknown(Problem.MISSING, str(path), "the epoch has notices and no claim")
        kept = self.used.claims.get(epoch) or self._known.claims.get(epoch)
        if kept is None or kept[0] != inode:
            data = read_small(path, MAX_RECORD, listed=True)
            if isinstance(data, Unknown):
                return data
            claim = decode_claim(data, cell=self._cell, epoch=epoch, subject=str(path))
            if isinstance(claim, Unknown):
                return claim
            kept = (inode, claim)
        self.used.claims[epoch] = kept
        return kept[1]

    def binds(self, epoch: int) -> bool:
        """Tell whether the notices of this epoch need a nonce: not those of a claim of the first release."""
        claim = self.claim(epoch)
        return isinstance(claim, Unknown) or claim.bound

    def flaw(self, epoch: int, kind: NoticeKind) -> Unknown | None:
        """Return why a listed notice does not count; None: it does."""
        if not self.binds(epoch):
            return None
        path = self._notices / notice_name(epoch, kind)
        notice, claim = self._notice(epoch, path), self.claim(epoch)
        if isinstance(notice, Unknown):
            return notice
        flaw = foreign(notice, kind, notice.nonce if isinstance(claim, Unknown) else claim.nonce, path)
        if flaw is not None:
            # Read again next time: the right one, written when a person removed this, may get its inode.
            self.used.notices.pop(path.name, None)
        return flaw

    def counted(self, epoch: int, listed: Iterable[NoticeKind]) -> frozenset[NoticeKind]:
        """Return those of the listed notices that count; the others are among ``flaws`` from now on.

        One that says ``launching`` counts all the same: it only makes others wait.
        """
        told = {kind: self.flaw(epoch, kind) for kind in listed}
        self.flaws += (flaw for flaw in told.values() if flaw is not None)
        return frozenset(kind for kind, flaw in told.items() if flaw is None or kind is NoticeKind.LAUNCHING)

    def outcome(self, epoch: int) -> NoticeKind | None:
        """Return the outcome of an epoch that is listed, whatever it says."""
        listed = (kind for kind in NoticeKind if notice_name(epoch, kind) in self._seen.notices)
        return next((kind for kind in listed if kind in OUTCOMES), None)

    def _notice(self, epoch: int, path: Path) -> Notice | Unknown:
        inode = self._seen.notices[path.name]
        kept = self.used.notices.get(path.name) or self._known.notices.get(path.name)
        if kept is None or kept[0] != inode:
            data = read_small(path, MAX_RECORD, listed=True)
            if isinstance(data, Unknown):
                return data
            notice = decode_notice(data, cell=self._cell, epoch=epoch, subject=str(path))
            if isinstance(notice, Unknown):
                return notice
            kept = (inode, notice)
        self.used.notices[path.name] = kept
        return kept[1]


def foreign(notice: Notice, kind: NoticeKind, nonce: str, path: Path) -> Unknown | None:
    """Return why this is no notice of this kind of the claim with this nonce; None: it is one."""
    if notice.kind is not kind:
        return Unknown(
            Problem.GARBAGE, str(path), f"it says {notice.kind.value!r}, and its name {kind.value!r}"
        )
    if notice.nonce != nonce:
        return Unknown(
            Problem.FOREIGN,
            str(path),
            f"written by {notice.host} without the nonce of the claim that it names",
        )
    return None


def floor_of(seen: Look, reader: ClaimReader) -> int:
    """Return the last confirmed epoch that was not adopted; 0 for none.

    An adopted master proves nothing about those before it (PROTOCOL rule 7), so they stay in the ledger.
    """
    for epoch in seen.started:
        if reader.flaw(epoch, NoticeKind.STARTED) is not None:
            continue
        claim = reader.claim(epoch)
        if isinstance(claim, Unknown) or claim.reason is not ClaimReason.ADOPTED:
            return epoch
    return 0


def left_open(seen: Look, floor: int, reader: ClaimReader) -> tuple[EpochRecord, ...]:
    """Return the epochs before the last confirmed one that nobody closed, the newest of them.

    They account for nothing any more, but their own host may still have a master of theirs to stop.
    """
    kinds, _ = seen.kinds(0)
    left = [
        epoch
        for epoch in sorted(seen.claims)
        if epoch < floor and not kinds.get(epoch, frozenset()) & OUTCOMES
    ]
    records = (
        EpochRecord(Epoch(epoch), reader.claim(epoch), frozenset(kinds.get(epoch, ())))
        for epoch in left[-_GHOSTS:]
    )
    return tuple(record for record in records if not isinstance(record.claim, Unknown))


def thinned(epochs: Iterable[int], kinds: Mapping[int, set[NoticeKind]]) -> Sequence[int]:
    """Return the epochs in order, without the oldest closed and unconfirmed ones if they are too many.

    Months of failed starts must not make each listing read thousands of claims that account for nothing.
    """
    ordered = sorted(epochs)
    spent = [epoch for epoch in ordered[:-1] if kinds.get(epoch, frozenset()) & OUTCOMES]
    drop = {epoch for epoch in spent[:-CLOSED_LISTED] if NoticeKind.STARTED not in kinds[epoch]}
    return [epoch for epoch in ordered if epoch not in drop]
