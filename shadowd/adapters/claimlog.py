"""The write-once records of a cell as files: the embedded ``ClaimLog``.

``claims/N.json`` and ``notices/N.<kind>.json`` are created by link(2) and never changed (DESIGN.md 5).
Both are read from the last confirmed epoch on, each once. A read record is kept as long as each fresh
listing shows the same name with the same inode; no listing ever stands in for a fresh one.

A notice is written for one claim, the nonce of which it carries. Where another claim holds the number, in
another directory than the one that ours was made in, nothing is written; and what is read without that
nonce is a doubt and closes nothing (``claimreader``).

Order of the two listings: notices first. A holder links its claim before any notice of it, so a notice
that was listed has its claim in the later listing of claims, pruned ones aside; the other way round, a
claim and its notice made in between would show as a notice of nobody. What can happen instead is an
open claim whose outcome came a moment later, and that is how the directory looked a moment before.

An epoch that has notices but no claim was damaged by somebody. It keeps its number taken, and as long as
nothing closed it, it is a doubt (PROTOCOL rule 15). A missing number without notices is none: its holder
may start nothing before ``launching`` and lists again after that (rules 6 and 8).

Two different outcomes of one epoch cannot both be written: they are linked to one hidden name first,
``.outcome.N``, and only what lies there is given the name that readers see. Whoever comes next finishes
what a crash between the two links left undone.

This module refuses to judge what the epochs mean, and to remove a claim that anybody may have to account
for.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from shadowd.adapters.claimnames import (
    MAX_LISTED,
    Listing,
    Look,
    claim_name,
    look,
    notice_name,
    outcome_name,
    scan,
    take_listing,
)
from shadowd.adapters.claimreader import ClaimReader, Kept, floor_of, foreign, left_open, thinned
from shadowd.adapters.pruning import choose
from shadowd.adapters.publish import (
    Link,
    create_file,
    make_directories,
    private_name,
    sweep,
)
from shadowd.adapters.reading import list_dir, unreadable
from shadowd.adapters.records import (
    Notice,
    decode_claim,
    decode_notice,
    encode_claim,
    encode_notice,
)
from shadowd.core.ledger import EpochRecord, Ledger
from shadowd.core.values import (
    OUTCOMES,
    Claim,
    ClaimKey,
    Epoch,
    Host,
    NoticeKind,
    Problem,
    Unknown,
)

PRUNE_ABOVE: Final = 400
"""Claims; more than that, and an epoch that is confirmed or failed prunes down to ``PRUNE_TO``."""
PRUNE_TO: Final = 200
_PRUNES = frozenset({NoticeKind.STARTED, NoticeKind.FAILED})
"""Then nobody waits for a master who would not wait anyhow; the first moves the boundary of what may go."""
_MOST_LISTED: Final = 4096
_STEM: Final = "tmp"


class DirectoryClaimLog:
    """Claims and notices below ``directory`` (the spool's ``shadowd``), for one daemon of ``host``."""

    def __init__(
        self,
        directory: Path,
        cell: str,
        host: Host,
        wall: Callable[[], float],
        *,
        link: Link = os.link,
    ) -> None:
        self._directory = directory
        self._claims = directory / "claims"
        self._notices = directory / "notices"
        self._cell = cell
        self._host = host
        self._wall = wall
        self._link = link
        self._read = Kept()
        """What the last ledger needed."""
        self._last: tuple[Listing | None, Ledger] = (None, Ledger())
        """The last ledger and what it was made of: the same names and inodes say the same again."""
        self._swept = False

    def list(self) -> Ledger | Unknown:
        """Return a fresh listing; Unknown where the directory itself cannot be read."""
        listing = take_listing(self._directory)
        if isinstance(listing, Unknown):
            return listing
        last_listing, last_ledger = self._last
        if listing == last_listing and not last_ledger.doubts:
            return last_ledger
        ledger = self._ledger(look(listing))
        if not isinstance(ledger, Unknown):
            self._last = (listing, ledger)
        return ledger

    def claim(self, claim: Claim) -> Claim | Unknown:
        """Create the claim if its number is free; return the claim that holds the number now."""
        path = self._claims / claim_name(claim.epoch)
        data = encode_claim(claim)
        # A record that others cannot read would stop every later bid, so ours must pass their test.
        flaw = self._decode(data, claim.epoch)
        if isinstance(flaw, Unknown):
            return flaw
        found = self._create(path, data)
        self._sweep()
        return found if isinstance(found, Unknown) else self._decode(found, claim.epoch)

    def notice(self, claim: ClaimKey, kind: NoticeKind, detail: str) -> Unknown | None:
        """Create the notice if absent; None once one of this claim and kind is on disk.

        An outcome other than the one that closed the epoch is refused: Unknown, naming that one. So is any
        notice where another claim holds the number, or where what lies there is not of this claim.
        """
        path = self._notices / notice_name(claim.epoch, kind)
        data = encode_notice(
            Notice(self._cell, claim.epoch, kind, self._host, os.getpid(), self._wall(), detail, claim.nonce)
        )
        flaw = decode_notice(data, cell=self._cell, epoch=claim.epoch, subject=str(path))
        if isinstance(flaw, Unknown):
            return flaw
        present = scan(self._notices, self._directory.parent)
        if isinstance(present, Unknown):
            return present
        listed = scan(self._claims, self._directory.parent)
        if isinstance(listed, Unknown):
            return listed
        reader = ClaimReader(self._cell, self._directory, look(Listing(present, listed)), Kept())
        holder = reader.claim(claim.epoch)
        if not isinstance(holder, Unknown) and holder.key != claim:
            return _taken(self._claims / claim_name(claim.epoch), holder)
        if path.name in present:
            return reader.flaw(claim.epoch, kind)
        problem = self._close(claim, kind, data, reader) if kind in OUTCOMES else self._add(path, data)
        if problem is None and kind in _PRUNES and len(listed) > PRUNE_ABOVE:
            self.prune(PRUNE_TO)
        return problem

    def prune(self, keep: int) -> int | Unknown:
        """Remove the oldest that may go until ``keep`` are left, a bounded number at once; how many."""
        listing = take_listing(self._directory)
        if isinstance(listing, Unknown):
            return listing
        seen = look(listing)
        doomed = choose(seen, ClaimReader(self._cell, self._directory, seen, self._read), keep)
        try:
            for epoch in doomed.claims:
                (self._claims / claim_name(epoch)).unlink(missing_ok=True)
            for name in doomed.notices:
                (self._notices / name).unlink(missing_ok=True)
        except OSError as error:
            return unreadable(self._claims, error)
        return len(doomed.claims)

    def _ledger(self, seen: Look) -> Ledger | Unknown:
        reader = ClaimReader(self._cell, self._directory, seen, self._read)
        floor = floor_of(seen, reader)
        kinds, strange = seen.kinds(floor)
        epochs = thinned({epoch for epoch in seen.claims if epoch >= floor} | kinds.keys(), kinds)
        if len(epochs) > _MOST_LISTED:
            detail = f"{len(epochs)} epochs since the last confirmed one; at most {_MOST_LISTED} are read"
            return Unknown(Problem.TOO_LARGE, str(self._claims), detail)
        records = tuple(
            EpochRecord(Epoch(epoch), reader.claim(epoch), reader.counted(epoch, kinds.get(epoch, ())))
            for epoch in epochs
        )
        ghosts = left_open(seen, floor, reader)
        self._read = reader.used
        return Ledger(
            (*ghosts, *records),
            (
                *(_strange(self._claims / name) for name in sorted(seen.strange_claims)),
                *(_strange(self._notices / name) for name in sorted(strange)),
                *(self._beyond(name, max(seen.claims, default=0)) for name in seen.beyond),
                *reader.flaws,
                *(
                    record.claim
                    for record in records
                    if isinstance(record.claim, Unknown) and (record.open or record.epoch in seen.claims)
                ),
            ),
        )

    def _beyond(self, name: str, highest: int) -> Unknown:
        detail = (
            f"its number is far beyond all others, of which the highest is {highest}: no daemon of this cell"
        )
        return Unknown(Problem.GARBAGE, str(self._directory / name), f"{detail} counted so far; move it away")

    def _close(self, claim: ClaimKey, kind: NoticeKind, data: bytes, reader: ClaimReader) -> Unknown | None:
        epoch = claim.epoch
        present = reader.outcome(epoch)
        if present is not None:
            return reader.flaw(epoch, present) or self._refused(epoch, kind, present)
        path = self._notices / outcome_name(epoch)
        found = self._create(path, data)
        if isinstance(found, Unknown):
            return found
        first = decode_notice(found, cell=self._cell, epoch=epoch, subject=str(path))
        if isinstance(first, Unknown):
            return first
        strange = foreign(first, first.kind, claim.nonce, path) if reader.binds(epoch) else None
        if strange is not None:
            return strange
        shown = self._create(self._notices / notice_name(epoch, first.kind), found)
        if isinstance(shown, Unknown):
            return shown
        return None if first.kind is kind else self._refused(epoch, kind, first.kind)

    def _refused(self, epoch: Epoch, kind: NoticeKind, first: NoticeKind) -> Unknown:
        return Unknown(
            Problem.UNREADABLE,
            str(self._notices / notice_name(epoch, kind)),
            f"epoch {epoch} was closed as {first.value} before; an epoch has one outcome",
        )

    def _add(self, path: Path, data: bytes) -> Unknown | None:
        found = self._create(path, data)
        return found if isinstance(found, Unknown) else None

    def _create(self, path: Path, data: bytes) -> bytes | Unknown:
        try:
            if not path.parent.is_dir():
                make_directories(self._directory, self._notices, self._claims)
        except OSError as error:
            return unreadable(path.parent, error)
        return create_file(path, data, private=private_name(_STEM, self._host), link=self._link)

    def _decode(self, data: bytes, epoch: int) -> Claim | Unknown:
        return decode_claim(data, cell=self._cell, epoch=epoch, subject=str(self._claims / claim_name(epoch)))

    def _sweep(self) -> None:
        if self._swept:
            return
        self._swept = True
        for directory in (self._claims, self._notices):
            names = list_dir(directory, MAX_LISTED)
            if not isinstance(names, Unknown):
                sweep(directory, names, _STEM, self._host)


def _taken(path: Path, holder: Claim) -> Unknown:
    detail = f"another claim, of {holder.host}, holds this number here; nothing is written about ours"
    return Unknown(Problem.FOREIGN, str(path), detail)


def _strange(path: Path) -> Unknown:
    return Unknown(Problem.GARBAGE, str(path), "named like a record, and not by this release")
