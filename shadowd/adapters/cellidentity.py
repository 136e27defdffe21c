"""Which cell a shared directory holds: a record in the directory, remembered on each host's own disk.

``shadowd/cell.json`` holds a random word. It is linked once, like a claim, before the first claim; a cell of
an earlier release gets it from the host whose master runs. Each host remembers the word in its ``state_dir``,
which outlives a boot. So a directory that is not the cell's is known: nothing mounted, an old copy beneath
the mount point, another file system in its place (PROTOCOL rule 15).

Nothing is founded beneath an empty mount point, nor while another host of the cell answers as master, nor
where this host remembers a cell: then the directory that it remembers is missing. To accept another one after
a restore, a person removes the remembered file.

What was found is remembered with device and inode of the record, so that a look costs one stat(2). Refuses to
decide what a doubt means, and to remove anything.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from shadowd.adapters import mountpoints
from shadowd.adapters.publish import create_file, make_directories, private_name, replace_file
from shadowd.adapters.reading import read_small, unreadable
from shadowd.adapters.records import MAX_EPOCH, MAX_NAME, MAX_RECORD, parse_object
from shadowd.adapters.user import own_identity
from shadowd.core.ledger import Ledger
from shadowd.core.values import Claim, ClaimKey, Epoch, Host, NoticeKind, Problem, Unknown
from shadowd.ports import ClaimLog

RECORD: Final = "cell.json"
_FORMAT: Final = 1
_STEM: Final = "cell"


@dataclass(frozen=True, slots=True)
class Seal:
    """What the record says."""

    word: str
    founder: str
    wall: float
    """Unix time, for people."""
    epoch: int = 0
    """The highest that this host has seen; in what it remembers."""


def memory_of(state_dir: Path, cell: str, host: Host, directory: Path) -> Path:
    """Return the local file in which this host remembers what lies in this directory."""
    return state_dir / f"{cell}@{host}.{sha256(os.fsencode(directory)).hexdigest()[:12]}.json"


class CellIdentity:
    """The identity of one cell as one host knows it. Used on the thread of the claim log."""

    def __init__(
        self,
        directory: Path,
        memory: Path,
        *,
        cell: str,
        host: Host,
        boot_id: str,
        answering: Callable[[], str],
        unmounted: Callable[[Path], str] = mountpoints.unmounted,
        forgetful: Callable[[Unknown], None] = lambda _: None,
    ) -> None:
        """``directory``: the cell's ``shadowd``; ``answering``: which other host answers as master.

        ``forgetful`` hears, once, why what this host should remember cannot be written.
        """
        self.path = directory / RECORD
        self.memory = memory
        self.host = host
        self.boot_id = boot_id
        self.word = ""
        """What was verified last."""
        self.lost = False
        """The directory is the one that was verified, and somebody removed the record."""
        self.doubtful = False
        """What this host remembers cannot be read: no bid, and no harm to a master that is guarded here."""
        self.foreign = False
        """Another directory lies there, as far as the last look told."""
        self._cell = cell
        self._answering = answering
        self._unmounted = unmounted
        self._forgetful = forgetful
        self._forgot: Unknown | None = None
        self._verified: tuple[int, int] | None = None
        self._kept: Seal | None = None
        self._compared = False
        """The epochs of the directory were not fewer than remembered, once since it was verified."""
        self._ground: tuple[int, int] | None = None
        """The directory above, when it was verified last."""

    @property
    def founded(self) -> bool:
        """True once the record was seen, and is the one that this host remembers."""
        return self._verified is not None

    @property
    def compared(self) -> bool:
        """True once a listing of this directory had the epochs that this host remembers."""
        return self._compared

    def verify(self) -> Unknown | None:
        """Return why this is not the cell's directory; None: it is, or no cell was founded anywhere yet."""
        try:
            key = _key(self.path)
        except OSError as error:
            return unreadable(self.path, error)
        if key is not None and key == self._verified:
            return None
        self._verified, self.lost, self.doubtful = None, False, False
        problem = self._examine(key)
        self.foreign = problem is not None and not (self.lost or self.doubtful)
        return problem

    def secure(self) -> Unknown | None:
        """Make sure that the directory has its identity before a claim; return why it cannot have one."""
        problem = self.verify()
        if self.founded or (problem is not None and not self.lost):
            return problem
        if not self.lost:
            elsewhere = self._answering()
            if elsewhere:
                return Unknown(
                    Problem.FOREIGN,
                    str(self.path),
                    f"there is no such file, and {elsewhere}: is the right file system mounted here?",
                )
        return self.found()

    def compare(self, highest: Epoch) -> Unknown | None:
        """Return why a listing of the cell that ends with this epoch is an old copy; remember the epoch.

        What this process has seen itself it knows better (``core.memory``), so only what it remembers counts.
        """
        if self._kept is None or not self.founded:
            return None
        if highest < self._kept.epoch and not self._compared:
            detail = f"it ends with epoch {highest}, and epoch {self._kept.epoch} was seen here"
            return Unknown(Problem.FOREIGN, str(self.path.parent), f"{detail}. {self._advice(self._kept)}")
        self._compared = True
        if highest > self._kept.epoch:
            self._kept = replace(self._kept, epoch=highest)
            self._remember(self._kept)
        return None

    def found(self) -> Unknown | None:
        """Write the record, unless another host was quicker, and remember what lies there."""
        seal = Seal(self.word or os.urandom(16).hex(), self.host, time.time())
        fields = {"format": _FORMAT, "cell": self._cell, "id": seal.word, "host": seal.founder}
        data = json.dumps({**fields, "wall": seal.wall}, indent=1).encode() + b"\n"
        try:
            make_directories(self.path.parent)
        except OSError as error:
            return unreadable(self.path.parent, error)
        found = create_file(self.path, data, private=private_name(_STEM, self.host))
        return found if isinstance(found, Unknown) else self.verify()

    def _examine(self, key: tuple[int, int] | None) -> Unknown | None:
        spool = self.path.parent.parent
        empty = self._unmounted(spool)
        if empty:
            return Unknown(Problem.FOREIGN, str(spool), f"{empty}; mount it")
        kept = self._recall()
        if isinstance(kept, Unknown):
            self.doubtful = True
            return kept
        try:
            ground = _key(spool)
        except OSError as error:
            return unreadable(spool, error)
        if key is None:
            self.lost = self._ground is not None and ground == self._ground
            detail = "" if kept is None else f"there is no such file. {self._advice(kept)}"
            return Unknown(Problem.FOREIGN, str(self.path), detail) if detail else None
        found = self._read(self.path)
        if isinstance(found, Unknown):
            return found
        if kept is not None and found.word != kept.word:
            return self._other(found, kept)
        self.word, self._verified, self._ground = found.word, key, ground
        self._compared = False
        self._kept = found if kept is None else kept
        if kept is None:
            self._remember(found)
        return None

    def _other(self, found: Seal, kept: Seal) -> Unknown:
        detail = f"it is of another cell, founded by {found.founder}. {self._advice(kept)}"
        return Unknown(Problem.FOREIGN, str(self.path), detail)

    def _advice(self, kept: Seal) -> str:
        return (
            f"This host remembers the cell that {kept.founder} founded here: is the file system mounted that "
            f"holds it? To accept what lies here now, after a restore, remove {self.memory} on this host"
        )

    def _recall(self) -> Seal | Unknown | None:
        with own_identity():
            kept = self._read(self.memory)
        return None if isinstance(kept, Unknown) and kept.problem is Problem.MISSING else kept

    def _remember(self, seal: Seal) -> None:
        """Keep the word on this host; where that fails it is kept by this process alone."""
        fields = {"format": _FORMAT, "cell": self._cell, "id": seal.word, "host": seal.founder}
        record = {**fields, "wall": seal.wall, "directory": str(self.path.parent), "epoch": seal.epoch}
        with own_identity():
            problem = replace_file(self.memory, json.dumps(record, indent=1).encode() + b"\n")
        if problem is not None and problem != self._forgot:
            self._forgetful(problem)
        self._forgot = problem

    def _read(self, path: Path) -> Seal | Unknown:
        data = read_small(path, MAX_RECORD, listed=False)
        if isinstance(data, Unknown):
            return data
        fields = parse_object(data)
        match fields:
            case {"format": 1, "cell": str(cell), "id": str(word), "host": str(host), "wall": wall} if (
                word.isalnum() and len(word) <= MAX_NAME and host.isprintable() and len(host) <= MAX_NAME
            ):
                if cell == self._cell:
                    epoch = fields.get("epoch", 0) if fields else 0
                    return Seal(word, host, wall if isinstance(wall, float) else 0.0, _whole(epoch))
                return Unknown(Problem.FOREIGN, str(path), f"it is of cell {cell[:MAX_NAME]!r}")
            case _:
                return Unknown(Problem.GARBAGE, str(path), "no identity of a cell")


def _whole(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value <= MAX_EPOCH else 0


def _key(path: Path) -> tuple[int, int] | None:
    """Return device and inode; None where there is no such file. Raises OSError."""
    try:
        status = os.stat(path)  # noqa: PTH116 - one call, on each listing
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


@dataclass(frozen=True, slots=True)
class IdentifiedClaims:
    """``ClaimLog`` of a directory that has to be the cell's."""

    claims: ClaimLog
    identity: CellIdentity

    def list(self) -> Ledger | Unknown:
        """List; Unknown where another directory lies there, a doubt where nobody can tell.

        The guard of a cell of an earlier release gives the directory its identity.
        """
        problem = self.identity.verify()
        if problem is not None and self.identity.foreign:
            return problem
        ledger = self.claims.list()
        if isinstance(ledger, Unknown):
            return ledger
        if problem is not None:
            return replace(ledger, doubts=(problem, *ledger.doubts))
        if not self.identity.founded and self._guards(ledger):
            self.identity.found()
        return self.identity.compare(ledger.highest) or ledger

    def claim(self, claim: Claim) -> Claim | Unknown:
        """Claim where the directory has, or may have, the identity of the cell.

        One that came into the place since the last listing is listed first: it may be an old copy. Not so the
        one that this process knows, and that was emptied: its guard writes its claim again.
        """
        self.identity.verify()
        emptied = self.identity.lost
        problem = self.identity.secure()
        if problem is None and not (emptied or self.identity.compared):
            listed = self.list()
            problem = listed if isinstance(listed, Unknown) else None
        return self.claims.claim(claim) if problem is None else problem

    def notice(self, claim: ClaimKey, kind: NoticeKind, detail: str) -> Unknown | None:
        """Write nothing into another directory."""
        problem = self.identity.verify()
        if problem is not None and self.identity.foreign:
            return problem
        return self.claims.notice(claim, kind, detail)

    def _guards(self, ledger: Ledger) -> bool:
        """Tell whether the newest confirmed master is open, and was claimed by this host in this boot."""
        last = ledger.last_confirmed
        claim = None if last is None or not last.open else last.claim
        mine = self.identity.host, self.identity.boot_id
        return isinstance(claim, Claim) and (claim.host, claim.boot_id) == mine


def is_identity(directory: Path, word: str) -> bool:
    """Tell whether this is the identity of the cell that lies in the directory."""
    data = read_small(directory / RECORD, MAX_RECORD)
    fields = None if isinstance(data, Unknown) else parse_object(data)
    return fields is not None and fields.get("id") == word
