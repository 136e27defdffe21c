"""The names of claims and notices, and one fresh look at all of them.

Names carry the numbers and kinds, so a listing alone says who was confirmed and what was closed. A name
that merely resembles a record (``7.json``, a notice of an unknown kind) is reported as a doubt: it may be
a newer release's, and a bid past it may be a second master. Anything else (editors' copies, hidden
private files) is ignored, or a stray backup file would switch failover off.

A number far above all others is a doubt too, and counts as nothing else: whoever claims takes the next one
after the highest, and names have ten digits.

This module refuses to take a directory for missing because an open said so: over NFS that answer may be
30 s old, so a fresh listing of the directory above must agree (NFS.md).
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Final

from shadowd.adapters.publish import MAX_NAMES
from shadowd.adapters.reading import list_dir, place, unreadable
from shadowd.core.values import NoticeKind, Problem, Unknown

Names = Mapping[str, int]
"""Names in a directory, with their inodes."""

OUTCOME_PREFIX = ".outcome."
_DIGITS = 10
LEAP: Final = 10_000_000
"""No cell gets there by counting: one epoch each ten minutes makes as many in 190 years."""
_CEILING: Final = 10**_DIGITS - LEAP
MAX_LISTED: Final = 400_000
"""Names in one of the two directories: a hundred thousand failed starts that nobody could prune."""
_KINDS = {f".{kind.value}.json": kind for kind in NoticeKind}
_RECORD = re.compile(r"[0-9]+(\.\w+)?\.json")


@dataclass(frozen=True, slots=True)
class Listing:
    """Both directories as listed once: notices first, then claims."""

    notices: Names
    claims: Names


@dataclass(frozen=True, slots=True)
class Look:
    """What the names of one listing say."""

    claims: Mapping[int, int]
    """Epoch to inode."""
    strange_claims: tuple[str, ...]
    notices: Names
    started: tuple[int, ...]
    """Confirmed epochs, newest first."""
    beyond: tuple[str, ...] = ()
    """Claims and notices with a number that the others do not lead to; they count as nothing else."""

    def kinds(self, floor: int) -> tuple[dict[int, set[NoticeKind]], tuple[str, ...]]:
        """Return the notices of each epoch from ``floor`` on, and the names that only resemble one."""
        kinds: dict[int, set[NoticeKind]] = {}
        strange: list[str] = []
        least = f"{floor:010d}"
        for name in self.notices:
            if name < least:
                continue
            epoch, kind = epoch_of(name), _KINDS.get(name[_DIGITS:])
            if epoch and kind:
                kinds.setdefault(epoch, set()).add(kind)
            elif _RECORD.fullmatch(name):
                strange.append(name)
        return kinds, tuple(strange)


def claim_name(epoch: int) -> str:
    """Return the file name of a claim."""
    return f"{epoch:010d}.json"


def notice_name(epoch: int, kind: NoticeKind) -> str:
    """Return the file name of a notice."""
    return f"{epoch:010d}.{kind.value}.json"


def outcome_name(epoch: int) -> str:
    """Return the hidden name that all outcomes of an epoch compete for."""
    return f"{OUTCOME_PREFIX}{epoch:010d}.json"


def epoch_of(name: str) -> int:
    """Return the number that a record's name begins with; 0 for none."""
    digits = name[:_DIGITS]
    return int(digits) if len(digits) == _DIGITS and digits.isascii() and digits.isdigit() else 0


def take_listing(directory: Path) -> Listing | Unknown:
    """List notices, then claims, below the cell's own directory."""
    where_notices, where_claims = _folders(directory)
    spool, _ = place(directory)
    notices = scan(where_notices, spool)
    if isinstance(notices, Unknown):
        return notices
    claims = scan(where_claims, spool)
    return claims if isinstance(claims, Unknown) else Listing(notices, claims)


@lru_cache(maxsize=4096)
def _folders(directory: Path) -> tuple[Path, Path]:
    # Remembered, as a listing is made every two seconds.
    return directory / "notices", directory / "claims"


def look(listing: Listing) -> Look:
    """Tell the claims' numbers, and who was confirmed, from the names."""
    claims: dict[int, int] = {}
    strange: list[str] = []
    for name, inode in listing.claims.items():
        epoch = epoch_of(name) if name[_DIGITS:] == ".json" else 0
        if epoch:
            claims[epoch] = inode
        elif _RECORD.fullmatch(name):
            strange.append(name)
    seen = Look(claims, tuple(strange), listing.notices, _started(listing.notices))
    numbers = {*claims, *map(epoch_of, listing.notices)} - {0}
    return seen if max(numbers, default=0) <= LEAP else _within_reason(seen, numbers)


def _within_reason(seen: Look, numbers: Iterable[int]) -> Look:
    """Return the look without the numbers far above all others: one more than the highest is claimed next.

    A number is no proof of a later master by itself. Counted, ``9999999999`` would leave no number to claim.
    """
    last = 0
    for number in sorted(numbers):
        if number >= _CEILING or (last and number > last + LEAP):
            break
        last = number
    most = f"{last:0{_DIGITS}d}~"
    beyond = (
        *(f"claims/{claim_name(epoch)}" for epoch in seen.claims if epoch > last),
        *(f"notices/{name}" for name in seen.notices if epoch_of(name) and name > most),
    )
    notices = {name: inode for name, inode in seen.notices.items() if name < most or not epoch_of(name)}
    claims = {epoch: inode for epoch, inode in seen.claims.items() if epoch <= last}
    return Look(claims, seen.strange_claims, notices, _started(notices), tuple(sorted(beyond)))


def scan(directory: Path, spool: Path) -> Names | Unknown:
    """Return a fresh listing; empty also where the directory is missing for certain."""
    for _ in range(2):
        try:
            return _entries(directory)
        except FileNotFoundError:
            absent = _absent(directory, spool)
            if isinstance(absent, Unknown):
                return absent
            if absent:
                return {}
        except (OSError, ValueError) as error:
            return unreadable(directory, error)
    return Unknown(Problem.UNREADABLE, str(directory), "listed in the directory above, yet cannot be opened")


def _entries(directory: Path) -> Names:
    with os.scandir(directory) as entries:
        names = {entry.name: entry.inode() for entry in islice(entries, MAX_LISTED + 1)}
    if len(names) > MAX_LISTED:
        raise ValueError(f"more than {MAX_LISTED} entries")
    return names


def _absent(directory: Path, spool: Path) -> bool | Unknown:
    """Ask the directories above, up to the spool, whether this one is missing."""
    parent, name = place(directory)
    names = list_dir(parent, MAX_NAMES)
    if not isinstance(names, Unknown):
        return name not in names
    if names.problem is Problem.MISSING and parent != spool:
        return _absent(parent, spool)
    return names


def _started(notices: Iterable[str]) -> tuple[int, ...]:
    suffix = f".{NoticeKind.STARTED.value}.json"
    epochs = [
        epoch_of(name) for name in notices if name.endswith(suffix) and len(name) == _DIGITS + len(suffix)
    ]
    return tuple(sorted(filter(None, epochs), reverse=True))
