"""Claims and notices as bytes: one JSON object a file, written once and judged strictly when read.

A record is the word of another host, and hosts disagree, disks rot and people edit. So every field has
a type and a bound, and a record that breaks one is an ``Unknown`` with the field's name, never a claim
with a negative lease or an endless window: a wrong lease in a record is a second master. Fields that
this release does not know are ignored, so that a later one may add some without a new format.

Claims of the first release have no field ``bound``, and their notices no nonce. Both are read as such, so
that an upgraded cell goes on; the first release ignores the new fields, so that it may be upgraded host by
host.

This module refuses to open files, and to guess: nothing else that is missing gets a default.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar

from shadowd.adapters.hostnames import is_host_name
from shadowd.core.values import (
    Claim,
    ClaimReason,
    Epoch,
    Host,
    NoticeKind,
    Problem,
    Protection,
    Seconds,
    Unknown,
)

FORMAT: Final = 1
MAX_EPOCH: Final = Epoch(9_999_999_999)
"""The highest number that a file name of ten digits can carry."""
MAX_RECORD: Final = 16 * 1024
"""Bytes; a longer file is no record."""
MAX_DETAIL: Final = 1000
MAX_NAME: Final = 255
"""Characters of a cell, a host, a nonce."""
_MAX_PID: Final = 2**31 - 1
_MAX_SECONDS: Final = 366 * 86400.0
_MAX_WALL: Final = 1e11

_Word = TypeVar("_Word", bound=Enum)


@dataclass(frozen=True, slots=True)
class Notice:
    """One host's write-once notice of one epoch (``notices/N.<kind>.json``)."""

    cell: str
    epoch: Epoch
    kind: NoticeKind
    host: Host
    pid: int
    wall: float
    """Unix time, for people."""
    detail: str = ""
    nonce: str = ""
    """Of the claim that is meant; empty in a notice of the first release."""


def encode_claim(claim: Claim) -> bytes:
    """Return the file's content; ``decode_claim`` gives the same claim back if it is within bounds."""
    return _encode(
        {
            "format": FORMAT,
            "cell": claim.cell,
            "epoch": claim.epoch,
            "host": claim.host,
            "machine_id": claim.machine_id,
            "boot_id": claim.boot_id,
            "pid": claim.pid,
            "start_token": claim.start_token,
            "nonce": claim.nonce,
            "reason": claim.reason.value,
            "supersedes": claim.supersedes,
            "lease": claim.lease,
            "licence": claim.licence,
            "window": claim.window,
            "protection": claim.protection.value,
            "wall": _sane_wall(claim.wall),
            "bound": claim.bound,
        }
    )


def encode_notice(notice: Notice) -> bytes:
    """Return the file's content; the detail is cut to ``MAX_DETAIL`` printable characters."""
    return _encode(
        {
            "format": FORMAT,
            "cell": notice.cell,
            "epoch": notice.epoch,
            "kind": notice.kind.value,
            "host": notice.host,
            "pid": notice.pid,
            "wall": _sane_wall(notice.wall),
            "detail": printable(notice.detail),
            "nonce": notice.nonce,
        }
    )


def decode_claim(data: bytes, *, cell: str, epoch: int, subject: str) -> Claim | Unknown:
    """Return the claim in the file of this number, or why it is none of this cell's."""
    try:
        fields = _Fields(data, cell, epoch)
        supersedes = Epoch(fields.whole("supersedes", 0, epoch - 1))
        return Claim(
            cell=cell,
            epoch=Epoch(epoch),
            host=fields.host("host"),
            machine_id=fields.name("machine_id"),
            boot_id=fields.name("boot_id"),
            pid=fields.whole("pid", 1, _MAX_PID),
            start_token=fields.name("start_token"),
            nonce=fields.name("nonce"),
            reason=fields.word("reason", ClaimReason),
            supersedes=supersedes,
            lease=Seconds(fields.number("lease", _MAX_SECONDS)),
            licence=Seconds(fields.number("licence", _MAX_SECONDS)),
            window=Seconds(fields.number("window", _MAX_SECONDS)),
            protection=fields.word("protection", Protection),
            wall=fields.number("wall", _MAX_WALL),
            bound=fields.flag("bound"),
        )
    except _NoRecordError as error:
        return Unknown(error.problem, subject, error.detail)


def decode_notice(data: bytes, *, cell: str, epoch: int, subject: str) -> Notice | Unknown:
    """Return the notice in the file of this number, or why it is none of this cell's."""
    try:
        fields = _Fields(data, cell, epoch)
        return Notice(
            cell=cell,
            epoch=Epoch(epoch),
            kind=fields.word("kind", NoticeKind),
            host=fields.host("host"),
            pid=fields.whole("pid", 1, _MAX_PID),
            wall=fields.number("wall", _MAX_WALL),
            detail=fields.text("detail", MAX_DETAIL),
            nonce=fields.text("nonce", MAX_NAME) if fields.has("nonce") else "",
        )
    except _NoRecordError as error:
        return Unknown(error.problem, subject, error.detail)


def parse_object(data: bytes) -> Mapping[str, object] | None:
    """Return the one JSON object in these bytes; None for anything else, whatever its shape or depth."""
    if len(data) > MAX_RECORD:
        return None
    try:
        value: object = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        return None
    return value if isinstance(value, dict) else None


def printable(text: str) -> str:
    """Return the text fit for one line of a terminal, at most ``MAX_DETAIL`` characters long."""
    return "".join(char if char.isprintable() else " " for char in text[:MAX_DETAIL])


def _encode(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, indent=1).encode("ascii") + b"\n"


def _sane_wall(wall: float) -> float:
    # A host whose wall clock is absurd must still be able to bid: the time is for people only.
    return wall if 0 <= wall <= _MAX_WALL else 0.0


def _refuse(constant: str) -> object:
    raise ValueError(constant)


class _NoRecordError(Exception):
    def __init__(self, problem: Problem, detail: str) -> None:
        super().__init__(problem, detail)
        self.problem = problem
        self.detail = detail


class _Fields:
    """One object's fields, each taken with its type and bounds."""

    def __init__(self, data: bytes, cell: str, epoch: int) -> None:
        if not data:
            raise _NoRecordError(Problem.EMPTY, "the record has no content")
        fields = parse_object(data)
        if fields is None:
            raise _NoRecordError(Problem.GARBAGE, "not a JSON object")
        self._fields = fields
        release = self.whole("format", 1, _MAX_PID)
        if release > FORMAT:
            raise _NoRecordError(Problem.NEWER_FORMAT, f"format {release}; this release reads {FORMAT}")
        named = self.name("cell")
        if named != cell:
            raise _NoRecordError(Problem.FOREIGN, f"the record is of cell {named!r}, not {cell!r}")
        if self.whole("epoch", 1, MAX_EPOCH) != epoch:
            raise _NoRecordError(Problem.GARBAGE, "the epoch is not the number in the file's name")

    def has(self, key: str) -> bool:
        return key in self._fields

    def flag(self, key: str) -> bool:
        """Return true or false; false where there is none: the record is of the first release."""
        value = self._fields.get(key, False)
        if not isinstance(value, bool):
            raise _wrong(key, "true or false")
        return value

    def text(self, key: str, limit: int) -> str:
        value = self._fields.get(key)
        if not isinstance(value, str) or len(value) > limit or not value.isprintable():
            raise _wrong(key, f"text of at most {limit} printable characters")
        return value

    def name(self, key: str) -> str:
        value = self.text(key, MAX_NAME)
        if not value:
            raise _wrong(key, "a name")
        return value

    def host(self, key: str) -> Host:
        """Return a host's name: it reaches fence commands, probes and terminals."""
        value = self.name(key)
        if not is_host_name(value.encode("utf-8", "replace")):
            raise _wrong(key, "a host name")
        return Host(value)

    def whole(self, key: str, low: int, high: int) -> int:
        value = self._fields.get(key)
        # A bool is an int to Python and a lie in a record.
        if type(value) is not int or not low <= value <= high:
            raise _wrong(key, f"a whole number from {low} to {high}")
        return value

    def number(self, key: str, high: float) -> float:
        value = self._fields.get(key)
        # Compared before converted: a huge int does not fit a float.
        if type(value) not in {int, float} or not isinstance(value, int | float) or not 0 <= value <= high:
            raise _wrong(key, f"a number from 0 to {high:g}")
        return math.fabs(value)  # -0.0 is in bounds and would print as a negative lease

    def word(self, key: str, words: type[_Word]) -> _Word:
        value = self._fields.get(key)
        for word in words:
            if word.value == value:
                return word
        raise _wrong(key, "one of " + ", ".join(str(word.value) for word in words))


def _wrong(key: str, expected: str) -> _NoRecordError:
    return _NoRecordError(Problem.GARBAGE, f"field {key!r} is not {expected}")
