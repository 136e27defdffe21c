"""The pause record: maintenance, who asked for it, why, and until when.

Why apart from the other files: it is the only one that this project's own commands write and a person
may edit, so its text travels into logs and onto terminals. It is made harmless here, once.

Refuses to compare ``until`` with any clock, and to guess: a pause that cannot be read is ``Unknown``,
and nobody bids under it.
"""

import json
import math
from typing import Any

from shadowd.core.values import Pause, Problem, Unknown

_LONGEST_TEXT = 1000


def parse_pause(data: bytes, subject: str) -> Pause | Unknown:
    """Read ``{"who": text, "why": text, "until": Unix seconds or null}``; other keys are let be."""
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
    if until is None:
        return Pause(_harmless(who), _harmless(why), None)
    wall = _seconds(until)
    if wall is None:
        return Unknown(Problem.GARBAGE, subject, '"until" must be Unix seconds or null')
    return Pause(_harmless(who), _harmless(why), wall)


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
