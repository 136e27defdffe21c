"""The ancestor's log line, ``MM/DD/YYYY HH:MM:SS|  main|host|W|text``: sites have scripts that read it.

A line is one line whatever is put into it: line ends, other control characters, the field separator and
bytes that are no text are replaced, and the whole stays below 1 KiB so that an append to the shared file
is one write. Times are local time, as the ancestor's are (GRIDENGINE.md, "Files"). This module refuses
to open anything.
"""

import time
from enum import Enum

from shadowd.core.actions import Level

MAX_BYTES = 1000


class Letter(Enum):
    """The ancestor's level letters."""

    INFO = "I"
    WARNING = "W"
    ERROR = "E"
    CRITICAL = "C"


LETTERS = {Level.INFO: Letter.INFO, Level.WARNING: Letter.WARNING, Level.ALARM: Letter.CRITICAL}


def line(wall: float, host: str, letter: Letter, text: str) -> bytes:
    """Return one complete line with its line end; ``wall`` in Unix seconds, ``host`` shortened."""
    try:
        stamp = time.strftime("%m/%d/%Y %H:%M:%S", time.localtime(wall))
    except (OverflowError, ValueError, OSError):
        stamp = "01/01/1970 00:00:00"
    head = f"{stamp}|  main|{one_line(short(host))[:64]}|{letter.value}|".encode("ascii", "replace")
    return head + _cut(one_line(text).encode("utf-8", "replace"), MAX_BYTES - len(head) - 1) + b"\n"


def short(host: str) -> str:
    """Return a host name up to its first dot, as the ancestor names files and hosts in its logs."""
    return host.partition(".")[0] or host or "unknown"


def one_line(text: str) -> str:
    """Replace whatever could end the line, forge a field or move a terminal's cursor."""
    return "".join(_safe(character) for character in text[: 4 * MAX_BYTES])


def _safe(character: str) -> str:
    if character in "\r\n\t":
        return " "
    if character == "|":
        return "/"
    return character if character.isprintable() else "?"


def _cut(data: bytes, limit: int) -> bytes:
    if len(data) <= limit:
        return data
    # A cut inside a character of several bytes would leave a line that is no text.
    return data[: limit - 3].decode("utf-8", "ignore").encode() + b"..."
