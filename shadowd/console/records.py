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
from shadowd.console import jsonfields
from shadowd.console.jsonfields import Fields
from shadowd.core.values import FencePolicy, Problem, Unknown

FORMAT: Final = 1
MAX_BYTES: Final = 64 * 1024
MAX_HOSTS: Final = 1000
MAX_REFUSALS: Final = 50
MAX_PATHS: Final = 100
clean = jsonfields.clean
"""For whoever shows what a record says."""


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


class PathRecord(NamedTuple):
    """A directory that every master needs, as that host sees it."""

    path: str
    file_system: str
    """Type and source; empty where nobody says."""
    local: bool
    same: tuple[str, ...]
    """Hosts that are proved to see this very directory."""
    other: tuple[str, ...]
    """Hosts that are proved to see another one."""


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
    complaints: tuple[RefusalRecord, ...] = ()
    """What the guard there cannot put right."""
    paths: tuple[PathRecord, ...] | None = None
    """None: its release does not say."""
    notes: tuple[str, ...] = ()
    """What a person should know of how that host understands the cell."""


def in_words(problem: Unknown) -> str:
    """Return what is the matter with a file, with the detail."""
    detail = f" ({clean(problem.detail)})" if problem.detail else ""
    return f"{clean(problem.subject)} is {problem.problem.value}{detail}"


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
        return _record(Fields(loaded, ""))
    except _NewerFormatError as error:
        return Unknown(Problem.NEWER_FORMAT, subject, str(error))
    except (ValueError, RecursionError) as error:
        return Unknown(Problem.GARBAGE, subject, clean(str(error))[:120])


class _NewerFormatError(Exception):
    """The record says that a newer release wrote it."""


def _record(fields: Fields) -> HostRecord:
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
        complaints=()
        if fields.absent("complaints")
        else tuple(_refusal(item) for item in fields.each("complaints", MAX_REFUSALS)),
        **_fence(fields),
        paths=None if fields.absent("paths") else _paths(fields),
        notes=() if fields.absent("notes") else fields.texts("notes", MAX_REFUSALS),
    )


def _fence(fields: Fields) -> dict[str, Any]:
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


def _paths(fields: Fields) -> tuple[PathRecord, ...]:
    return tuple(
        PathRecord(
            path=one.text("path"),
            file_system=one.text("file_system"),
            local=one.truth("local"),
            same=one.texts("same", MAX_HOSTS),
            other=one.fields("other").names(MAX_HOSTS),
        )
        for one in fields.each("paths", MAX_PATHS)
        if not one.text("problem")
    )


def _refusal(fields: Fields) -> RefusalRecord:
    return RefusalRecord(
        reason=fields.text("reason", 40),
        text=fields.text("text"),
        detail=fields.optional_text("detail"),
        until=fields.optional_number("until"),
    )


def _lock(fields: Fields) -> LockRecord:
    return LockRecord(
        fields.text("kind", 20), fields.optional_whole("epoch"), fields.optional_number("since")
    )


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")
