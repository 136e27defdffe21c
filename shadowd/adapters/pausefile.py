"""The pause record: maintenance, who asked for it, why, and until when.

Why apart from the other files: it is the only one that this project's own commands write and a person
may edit, so its text travels into logs and onto terminals. It is made harmless here, once.

Refuses to compare ``until`` with any clock, and to guess: a pause that cannot be read is ``Unknown``,
and nobody bids under it. So a pause does not end by itself: hosts' clocks differ (PROTOCOL rule 3), and one
that ended it early would start a master into somebody's maintenance, while the master's guard, by another
clock, still took the pause for a beat. ``until`` is for people: ``status`` and ``check`` shout once it has
passed.

Written like a claim (one of two who pause at once is told of the other), or replaced whole when that is
wanted: the daemons list the directory before they read, so that either is seen at the next look (NFS.md).

Before a pause there is its number, a file ``paused.<number>`` beside it that nobody takes away: a pause
renews the lease of a silent master (PROTOCOL rule 9), and a host that slept through all of it must still be
able to tell. A record that somebody wrote by hand has no number. It stops bids, and renews nothing.
"""

import contextlib
import json
import math
import re
from collections.abc import Iterable
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

from shadowd.adapters.publish import create_file, make_directories, private_name, replace_file
from shadowd.adapters.reading import list_dir, read_small, unreadable
from shadowd.core.values import Pause, Problem, Unknown

_LONGEST_TEXT = 1000
_LIMIT = 16 * 1024
_NUMBER = re.compile(r"paused\.([1-9][0-9]{0,17})")
_MOST_ENTRIES = 10_000


def parse_pause(data: bytes, subject: str) -> Pause | Unknown:
    """Read ``{"who": text, "why": text, "until": Unix seconds or null}``; other keys are let be.

    ``since`` (Unix seconds) may be there for people; a wrong one is none. So it is with ``number``.
    """
    if not data.strip():
        return Unknown(Problem.EMPTY, subject)
    try:
        record: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        return Unknown(Problem.GARBAGE, subject, f"not JSON: {error}")
    if not isinstance(record, dict):
        return Unknown(Problem.GARBAGE, subject, "not a JSON object")
    who, why, until = record.get("who"), record.get("why"), record.get("until")
    if not isinstance(who, str) or not isinstance(why, str):
        return Unknown(Problem.GARBAGE, subject, '"who" and "why" must be texts')
    wall = _seconds(until)
    if wall is None and until is not None:
        return Unknown(Problem.GARBAGE, subject, '"until" must be Unix seconds or null')
    number = record.get("number")
    known = number if isinstance(number, int) and not isinstance(number, bool) else 0
    return Pause(_harmless(who), _harmless(why), wall, _seconds(record.get("since")), known)


def pauses_begun(names: Iterable[str]) -> int:
    """Return how many pauses there were, by the names in the directory of the record."""
    return max((int(match[1]) for name in names if (match := _NUMBER.fullmatch(name))), default=0)


def encode_pause(pause: Pause) -> bytes:
    """Return the file's content."""
    record = {
        "who": _harmless(pause.who),
        "why": _harmless(pause.why),
        "since": pause.since_wall,
        "until": pause.until_wall,
        "number": pause.number,
    }
    return json.dumps(record).encode("ascii") + b"\n"


def write_pause(path: Path, pause: Pause, host: str, *, replace: bool) -> Pause | Unknown:
    """Put the pause there and return the one that lies there now: another's, unless ``replace``.

    It gets the next number. Makes the directory of this project's records where that is missing.
    """
    try:
        make_directories(path.parent)
    except OSError as error:
        return unreadable(path.parent, error)
    there = read_small(path, _LIMIT)
    if not replace and not (isinstance(there, Unknown) and there.problem is Problem.MISSING):
        return there if isinstance(there, Unknown) else parse_pause(there, str(path))
    number = _take_number(path.parent, pause, host)
    if isinstance(number, Unknown):
        return number
    numbered = changed(pause, number=number)
    data = encode_pause(numbered)
    if replace:
        return replace_file(path, data) or numbered
    found = create_file(path, data, private=private_name("tmp", host))
    return found if isinstance(found, Unknown) else parse_pause(found, str(path))


def remove_pause(path: Path) -> Unknown | None:
    """Take the pause away; None when it is gone, whoever took it."""
    failure: OSError | None = None
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        failure = error
    names = list_dir(path.parent, _MOST_ENTRIES)
    if isinstance(names, Unknown):
        return None if failure is None and names.problem is Problem.MISSING else names
    if path.name not in names:
        return None
    detail = failure.strerror if failure else "it is still there"
    return Unknown(Problem.UNREADABLE, str(path), f"could not be removed: {detail}")


def _take_number(directory: Path, pause: Pause, host: str) -> int | Unknown:
    """Make the number of the next pause ours alone, and take the lower ones away."""
    names = list_dir(directory, _MOST_ENTRIES)
    if isinstance(names, Unknown):
        return names
    number, ours = pauses_begun(names), encode_pause(pause)
    made: bytes | Unknown = b""
    while made != ours:
        number += 1
        made = create_file(directory / f"paused.{number}", ours, private=private_name("tmp", host))
        if isinstance(made, Unknown):
            return made
    for name in names:
        if _NUMBER.fullmatch(name):
            with contextlib.suppress(OSError):
                (directory / name).unlink()
    return number


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) else None


def _harmless(text: str) -> str:
    """One printable line: no control sequence reaches a terminal, no newline forges a log line."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_LONGEST_TEXT])
