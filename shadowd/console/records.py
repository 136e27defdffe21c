"""Reads ``hosts/<host>.json`` and the local copy of it: what one daemon last thought, for people.

Any host of the cell can write there, by any release, or a disk may have eaten half of it; so each field
is checked for type, range and length, and a record that fails is ``Unknown`` with the field's name. A
state or reason of a newer release is kept as its word. Control characters never reach a terminal. This
module refuses to guess missing fields: a record is whole or it is a problem.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from shadowd.adapters.reading import list_dir, read_small
from shadowd.core.values import FencePolicy, Problem, Unknown

FORMAT: Final = 1
MAX_BYTES: Final = 64 * 1024
MAX_HOSTS: Final = 1000
MAX_REFUSALS: Final = 50
MAX_TEXT: Final = 500


class RefusalRecord(NamedTuple):
    """One thing that speaks against a takeover by that host."""

    reason: str
    text: str
    detail: str
    until: float | None


class TimerRecord(NamedTuple):
    """The timer that runs there; ``due`` in Unix seconds by that host's clock."""

    name: str
    due: float | None
    """None where it never ends."""


class LockRecord(NamedTuple):
    """The spool's lock as that host last read it."""

    kind: str
    epoch: int | None
    since: float | None


class FenceRecord(NamedTuple):
    """The last attempt of that host to switch another one off."""

    epoch: int
    host: str
    outcome: str
    detail: str
    when: float | None


class HostRecord(NamedTuple):
    """One record; all times in Unix seconds by the writing host's clock, durations in seconds."""

    cell: str
    kind: str
    host: str
    version: str
    pid: int
    boot_id: str
    wall: float
    state: str
    reason: str
    text: str
    since: float | None
    refusals: tuple[RefusalRecord, ...]
    timer: TimerRecord
    silence: float
    beat: int | None
    beat_problem: str
    active: str
    epoch: int
    master: str
    protection: str
    lock: LockRecord | None
    observed: float | None
    attempts: int
    io_stuck: float | None
    durations: Mapping[str, float]
    """The numbers of ``timing``."""
    delay_applies: str
    fence: str = FencePolicy.NONE.value
    """Whether a launch there needs the proof that the old host is off."""
    fenced: tuple[FenceRecord, ...] = ()
    gone: bool = False
    """The daemon that wrote it runs no more, as can be seen from here."""
    start_token: str = ""
    """With the pid it names the daemon's process for good; empty from releases that do not write it."""


def read(path: Path) -> HostRecord | Unknown:
    """Read one record; Unknown names the file and what is wrong with it."""
    data = read_small(path, MAX_BYTES, listed=True)
    return data if isinstance(data, Unknown) else parse(data, str(path))


def read_hosts(directory: Path) -> dict[str, HostRecord | Unknown] | Unknown:
    """Read all records of a ``hosts`` directory, by the host that the file name says."""
    names = list_dir(directory, 2 * MAX_HOSTS)
    if isinstance(names, Unknown):
        return names
    found = sorted(name for name in names if name.endswith(".json") and not name.startswith("."))
    return {clean(name.removesuffix(".json")): read(directory / name) for name in found[:MAX_HOSTS]}


def parse(data: bytes, subject: str) -> HostRecord | Unknown:
    """Check the bytes of one record."""
    if not data.strip():
        return Unknown(Problem.EMPTY, subject)
    try:
        loaded = json.loads(data.decode("utf-8"), parse_constant=_refuse)
        return _record(_Fields(loaded, ""))
    except _NewerFormatError as error:
        return Unknown(Problem.NEWER_FORMAT, subject, str(error))
    except (ValueError, RecursionError) as error:
        return Unknown(Problem.GARBAGE, subject, clean(str(error))[:120])


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """Return text that cannot move a cursor, end a line or flood a screen."""
    kept = text[:limit].replace("\n", " ").replace("\t", " ")
    return "".join(character if character.isprintable() else "?" for character in kept)


class _NewerFormatError(Exception):
    """The record says that a newer release wrote it."""


class _NoObjectError(ValueError):
    """Something is a string, a list or a number where an object belongs."""


class _Fields:
    """One JSON object whose fields are taken out with their types checked."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise _NoObjectError(f"{path or 'the record'} is no JSON object")
        self._value: dict[str, Any] = value
        self._path = f"{path}." if path else ""

    def text(self, key: str, limit: int = MAX_TEXT) -> str:
        value = self._value.get(key)
        if not isinstance(value, str):
            raise self._wrong(key, "a string")
        return clean(value, limit)

    def optional_text(self, key: str) -> str:
        return "" if self._value.get(key) is None else self.text(key)

    def number(self, key: str) -> float:
        value = self._value.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(key, "a number")
        # The bound keeps every later conversion to a date and every sum finite.
        if not abs(value) <= 1e11:
            raise self._wrong(key, "a number of this world")
        return float(value)

    def optional_number(self, key: str) -> float | None:
        return None if self._value.get(key) is None else self.number(key)

    def whole(self, key: str) -> int:
        value = self._value.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 1e15:
            raise self._wrong(key, "a whole number")
        return value

    def optional_whole(self, key: str) -> int | None:
        return None if self._value.get(key) is None else self.whole(key)

    def absent(self, key: str) -> bool:
        return self._value.get(key) is None

    def fields(self, key: str) -> "_Fields":
        return _Fields(self._value.get(key), f"{self._path}{key}")

    def each(self, key: str, most: int) -> "list[_Fields]":
        value = self._value.get(key)
        if not isinstance(value, list):
            raise self._wrong(key, "a list")
        return [_Fields(item, f"{self._path}{key}[{index}]") for index, item in enumerate(value[:most])]

    def numbers(self) -> dict[str, float]:
        numeric = [k for k, v in self._value.items() if isinstance(v, int | float) and len(k) < 40]
        return {clean(key): self.number(key) for key in numeric[:60]}

    def _wrong(self, key: str, wanted: str) -> ValueError:
        said = "missing" if key not in self._value else f"not {wanted}"
        return ValueError(f"{self._path}{key} is {said}")


def _record(fields: _Fields) -> HostRecord:
    written = fields.whole("format")
    if written > FORMAT:
        raise _NewerFormatError(f"format {written}, this release reads {FORMAT}")
    if written != FORMAT:
        raise ValueError(f"format {written} is none of ours")
    timer, timing = fields.fields("timer"), fields.fields("timing")
    return HostRecord(
        cell=fields.text("cell", 100),
        kind=fields.text("kind", 40),
        host=fields.text("host", 255),
        version=fields.text("version", 40),
        pid=fields.whole("pid"),
        boot_id=fields.text("boot_id", 64),
        wall=fields.number("wall"),
        state=fields.text("state", 40),
        reason=fields.text("reason", 40),
        text=fields.text("text"),
        since=fields.optional_number("since"),
        refusals=tuple(_refusal(item) for item in fields.each("refusals", MAX_REFUSALS)),
        timer=TimerRecord(timer.text("name", 40), timer.optional_number("due")),
        silence=fields.number("silence"),
        beat=fields.optional_whole("beat"),
        beat_problem=fields.optional_text("beat_problem"),
        active=fields.optional_text("active"),
        epoch=fields.whole("epoch"),
        master=fields.optional_text("master"),
        protection=fields.text("protection", 20),
        lock=None if fields.absent("lock") else _lock(fields.fields("lock")),
        observed=fields.optional_number("observed"),
        attempts=fields.whole("attempts"),
        io_stuck=fields.optional_number("io_stuck"),
        durations=timing.numbers(),
        delay_applies=timing.text("delay_applies", 40),
        start_token=fields.optional_text("start_token"),
        **_fence(fields),
    )


def _fence(fields: _Fields) -> dict[str, Any]:
    """Return the fields about fencing; a release without it has none."""
    if fields.absent("fence"):
        return {}
    fence = fields.fields("fence")
    attempts = (
        FenceRecord(
            epoch=one.whole("epoch"),
            host=one.text("host", 255),
            outcome=one.text("outcome", 20),
            detail=one.text("detail"),
            when=one.optional_number("when"),
        )
        for one in fence.each("attempts", MAX_REFUSALS)
    )
    return {"fence": fence.text("policy", 20), "fenced": tuple(attempts)}


def _refusal(fields: _Fields) -> RefusalRecord:
    return RefusalRecord(
        reason=fields.text("reason", 40),
        text=fields.text("text"),
        detail=fields.optional_text("detail"),
        until=fields.optional_number("until"),
    )


def _lock(fields: _Fields) -> LockRecord:
    return LockRecord(
        fields.text("kind", 20), fields.optional_whole("epoch"), fields.optional_number("since")
    )


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")
