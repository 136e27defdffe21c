"""What one life of the daemon leaves to the next on the same host: records in local files, above all a lease.

Why files of this host: a daemon that starts anew must know until when its master may live *before* it
touches the shared directory, which may hang (PROTOCOL rule 9). ``processrecord`` keeps which processes are
that master's. Both lie in the runtime directory, count for one boot only, and prove nothing: a record that
is missing, torn or of another boot is none, and the rules say what follows from none.

A record has its space reserved and is rewritten in place (``slotfile``): a full runtime directory, and
descriptors that are used up, must not make a lease look neglected.

Refuses to judge whether a lease is over.
"""

import fcntl
import glob
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from shadowd.adapters.records import MAX_EPOCH, parse_object
from shadowd.adapters.slotfile import SlotFile
from shadowd.adapters.user import FileUser
from shadowd.core.values import Epoch, Instant, KeptLease, Seconds, Unknown

_FORMAT: Final = 1
_STATE: Final = ".state.json"
_INHERITED: Final = (".lease.json", ".processes.json", ".adopted.json")
_LONGEST: Final = 10.0**9
"""Seconds; more is no time that any clock of a host will show."""


@dataclass(frozen=True, slots=True)
class BeatPlace:
    """Where a master that beats by itself does so, and with whose rights that is read."""

    path: Path
    user: FileUser | None
    cell: str = ""
    """The identity of the directory that it lies in; a beat in another one is none."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """One record in a local file that counts for this boot."""

    path: Path
    boot_id: str
    _file: SlotFile = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_file", SlotFile(self.path))

    def reserve(self) -> Unknown | None:
        """Take the record's space from now until ``close``, so that no write needs any; None when done."""
        return self._file.reserve()

    def close(self) -> None:
        """Let go of the file; the record stays."""
        self._file.close()

    def write(self, fields: Mapping[str, Any] | None) -> Unknown | None:
        """Replace the record; None removes it."""
        if fields is None:
            return self._file.remove()
        record = {"format": _FORMAT, "boot_id": self.boot_id, **fields}
        return self._file.write(json.dumps(record).encode() + b"\n")

    def read(self) -> Mapping[str, Any]:
        """Return the record; empty where there is none of this boot."""
        data = self._file.read()
        fields = None if data is None else parse_object(data)
        ours = (
            fields is not None and fields.get("format") == _FORMAT and fields.get("boot_id") == self.boot_id
        )
        return fields if fields is not None and ours else {}


def inherit(stem: Path, boot_id: str) -> tuple[str, ...]:
    """Take over what daemons of this host left in this boot under its earlier names; return these names.

    The files of a daemon that still runs are its own.
    """
    cell = stem.name.partition("@")[0]
    earlier = []
    for state in sorted(stem.parent.glob(f"{glob.escape(cell)}@*{_STATE}")):
        other = state.with_name(state.name.removesuffix(_STATE))
        if other.name == stem.name or _is_held(other.with_name(f"{other.name}.lock")):
            continue
        earlier.append(other.name.partition("@")[2])
        with suppress(OSError):
            for ending in _INHERITED:
                left, ours = (Path(f"{name}{ending}") for name in (other, stem))
                if Keeper(left, boot_id).read() and not Keeper(ours, boot_id).read():
                    left.rename(ours)
            state.unlink()
    return tuple(earlier)


def _is_held(lock: Path) -> bool:
    """Tell whether a daemon holds this instance lock, as far as can be told."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def write_lease(keeper: Keeper, kept: KeptLease | None, beats: BeatPlace | None = None) -> Unknown | None:
    """Keep this lease, and where its master beats; None: nothing of ours runs here."""
    if kept is None:
        return keeper.write(None)
    times = {"lease": kept.lease, "ends": kept.ends}
    place = (
        {}
        if beats is None
        else {"heartbeat": str(beats.path), "user": _user_fields(beats.user), "cell": beats.cell}
    )
    states = {"planned": kept.planned, "launching": kept.launching}
    return keeper.write({"epoch": kept.epoch, "nonce": kept.nonce, **times, **states, **place})


def read_lease(keeper: Keeper) -> KeptLease | None:
    """Return the lease that was kept in this boot, if any."""
    fields = keeper.read()
    match fields:
        case {"epoch": int(epoch), "nonce": str(nonce), "lease": int() | float() as lease, "ends": ends}:
            if not _is_epoch(epoch) or not nonce or not _is_time(lease) or not _is_time(ends):
                return None
            planned = fields.get("planned") is True
            left = fields.get("left") is True
            launching = fields.get("launching") is True
            return KeptLease(Epoch(epoch), nonce, Seconds(lease), Instant(ends), planned, left, launching)
        case _:
            return None


def leave_lease(keeper: Keeper) -> None:
    """Note that the daemon was told to end, and leaves its master alone, if that beats by itself.

    Not of one that was not confirmed yet: other hosts wait for its launch to end, and for no beat of it.
    """
    kept = read_lease(keeper)
    if kept is not None and not kept.launching and read_place(keeper) is not None:
        keeper.write({**keeper.read(), "left": True})


def read_place(keeper: Keeper) -> BeatPlace | None:
    """Return where the master of the kept lease beats, if it does so by itself."""
    fields = keeper.read()
    cell = str(fields.get("cell", ""))
    match fields:
        case {"heartbeat": str(path), "user": None}:
            return BeatPlace(Path(path), None, cell)
        case {"heartbeat": str(path), "user": [_, _, *_] as ids} if all(type(each) is int for each in ids):
            return BeatPlace(Path(path), FileUser(ids[0], ids[1], tuple(ids[2:])), cell)
        case _:
            return None


def _user_fields(user: FileUser | None) -> list[int] | None:
    return None if user is None else [user.uid, user.gid, *user.groups]


def _is_epoch(number: int) -> bool:
    return not isinstance(number, bool) and 1 <= number <= MAX_EPOCH


def _is_time(number: object) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number <= _LONGEST
