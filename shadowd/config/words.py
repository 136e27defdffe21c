"""The values that a key may take, each as one function from what was written to what is meant.

Plain functions, because three readers share them: the pydantic models, the light reader of ``status``
and the environment variables. Each raises ``UnfitError`` with a reason that fits behind "KEY: ", and
never repairs a value: a number in quotes is not a number, and ``60abc`` is not sixty.
"""

import re
from math import isfinite
from pathlib import Path


class UnfitError(ValueError):
    """A value that its key cannot take; a ValueError, as pydantic wants it."""


SHORTEST = 0.05
"""Seconds. Twenty looks a second; more often is a busy loop, not a watch."""
LONGEST = 7 * 86400
MOST_RESTARTS = 100
MOST_DIRECTORIES = 100
"""Seconds. A longer wait than a week is a slip (a unit, a zero), or a wish for ``observer``."""
KINDS = ("gridengine", "generic", "torque")
"""The kinds of cell that this release serves."""

_UNITS = {"s": 1, "m": 60, "h": 3600}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)([smh])", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}", re.ASCII)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}\$?", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}", re.ASCII)
_OPTION = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", re.ASCII)
_SECRETS = ("pass", "pwd", "secret", "token", "key", "credential", "community", "auth", "pin")
_LONGEST_PATH = 4095


def shown(value: object) -> str:
    """Return a value as a message may quote it: escaped, short, on one line."""
    text = ascii(value) if isinstance(value, (str, int, float, bool)) else type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."


def duration(value: object) -> float:
    """Return seconds from a number of seconds or a string such as ``"90s"``, ``"4m"``, ``"1.5h"``."""
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        if match is None:
            raise UnfitError(f'{shown(value)} is no duration: write seconds (240) or "240s", "4m", "1h"')
        return float(match[1]) * _UNITS[match[2]]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UnfitError(f'{shown(value)} is no duration: write seconds (240) or "240s", "4m", "1h"')
    if isinstance(value, float) and not isfinite(value):
        raise UnfitError(f"{shown(value)} is no duration: it must be finite")
    if not -LONGEST <= value <= LONGEST:
        raise UnfitError(f"{shown(value)} is out of range: at most {LONGEST} s (a week)")
    return float(value)


def interval(value: object) -> float:
    """Return a duration that something is repeated or bounded by: never zero."""
    seconds = duration(value)
    if not SHORTEST <= seconds <= LONGEST:
        raise UnfitError(
            f"{shown(value)} is out of range: at least {SHORTEST} s, at most {LONGEST} s (a week)"
        )
    return seconds


def wait(value: object) -> float:
    """Return a duration that may be zero."""
    seconds = duration(value)
    if not 0 <= seconds <= LONGEST:
        raise UnfitError(f"{shown(value)} is out of range: at least 0 s, at most {LONGEST} s (a week)")
    return seconds


def ancestor_seconds(text: str) -> float:
    """Return what one of the ancestor's interval variables means: whole seconds, one or more."""
    digits = text.strip(" \t")
    if not digits:
        raise UnfitError("is set but empty")
    if _WHOLE.fullmatch(digits) is None:
        raise UnfitError(f"{shown(text)} is not a whole number of seconds")
    if not 1 <= int(digits) <= LONGEST:
        raise UnfitError(f"{shown(text)} is out of range: at least 1 s, at most {LONGEST} s (a week)")
    return float(digits)


def port(value: object) -> int:
    """Return a TCP port from a number, or from the digits of an environment variable."""
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
        raise UnfitError(f"{shown(value)} is no TCP port: a number from 1 to 65535")
    return value


def restarts(value: object) -> int:
    """Return how often a dead master is started again where it was."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_RESTARTS:
        raise UnfitError(f"{shown(value)} is no number of restarts: 0 to {MOST_RESTARTS}")
    return value


def threshold(value: object) -> int:
    """Return how many failures in a row count as one."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_RESTARTS:
        raise UnfitError(f"{shown(value)} is no number of failures: 1 to {MOST_RESTARTS}")
    return value


def port_or_any(value: object) -> int:
    """Return a UDP port from a number; 0 leaves it to the kernel."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 65535:
        raise UnfitError(f"{shown(value)} is no UDP port: a number from 1 to 65535, or 0 for any")
    return value


def text(value: object) -> str:
    """Return a string that can be handed to the system: no NUL, no lone surrogate, not endless."""
    if not isinstance(value, str):
        raise UnfitError(f"{shown(value)} is no string: put it in quotes")
    if "\0" in value:
        raise UnfitError(f"{shown(value)} holds a NUL character")
    if len(value) > 100_000:
        raise UnfitError(f"{shown(value)} is longer than 100000 characters")
    return value


def line(value: object) -> str:
    """Return what is said to a port, or heard from it: some characters, control characters too."""
    if not 1 <= len(text(value)) <= 1000:
        raise UnfitError("is empty, or longer than 1000 characters")
    return text(value)


def path(value: object) -> Path:
    """Return an absolute path; a relative one would depend on where the daemon was started."""
    name = text(str(value) if isinstance(value, Path) else value)
    if not name.startswith("/"):
        raise UnfitError(f"{shown(name)} is no absolute path: it must begin with /")
    if len(name.encode(errors="surrogateescape")) > _LONGEST_PATH:
        raise UnfitError(f"{shown(name)} is longer than a path can be ({_LONGEST_PATH} bytes)")
    return Path(name)


def cell_name(value: object) -> str:
    """Return the name of a cell; it becomes part of file names and command lines."""
    if _NAME.fullmatch(text(value)) is None:
        raise UnfitError(
            f"{shown(value)} is no name for a cell: 1 to 64 letters, digits, '.', '_', '-', "
            "the first no '.' or '-'"
        )
    return text(value)


def host_name(value: object) -> str:
    """Return a host name; it becomes part of file names."""
    if _HOST.fullmatch(text(value)) is None:
        raise UnfitError(f"{shown(value)} is no host name")
    return text(value)


def user_name(value: object) -> str:
    """Return the name of a local account."""
    if _USER.fullmatch(text(value)) is None:
        raise UnfitError(f"{shown(value)} is no user name")
    return text(value)


def variable_name(value: object) -> str:
    """Return the name of an environment variable."""
    if _VARIABLE.fullmatch(text(value)) is None:
        raise UnfitError(f"{shown(value)} is no name for an environment variable")
    return text(value)


def sge_cell(value: object) -> str:
    """Return a value of SGE_CELL: the name of one directory below SGE_ROOT."""
    name = text(value)
    if not name or "/" in name or name in {".", ".."} or len(name.encode(errors="surrogateescape")) > 255:
        raise UnfitError(f"{shown(name)} is no SGE_CELL: the name of one directory below SGE_ROOT")
    return name


def kind(value: object) -> str:
    """Return the kind of a cell; a kind of a later release is refused by the names of today's."""
    if value not in KINDS:
        served = ", ".join(f'"{name}"' for name in KINDS)
        raise UnfitError(f"this release does not serve {shown(value)}; it serves {served}")
    return str(value)


def agent(value: object) -> str:
    """Return a fence agent: an absolute path, or a name that is looked for where packages put agents."""
    name = text(value)
    if name.startswith("/"):
        return str(path(name))
    if _NAME.fullmatch(name) is None:
        raise UnfitError(f'{shown(name)} is no fence agent: a name such as "fence_ipmilan", or its path')
    return name


def option_name(value: object) -> str:
    """Return the name of an agent's option; what is asked of the agent is not for the file to say."""
    name = text(value)
    if _OPTION.fullmatch(name) is None:
        raise UnfitError(f"{shown(name)} is no name of an agent's option")
    if name in {"action", "option"}:
        raise UnfitError(f'"{name}" is given to the agent by shadowd')
    return name


def option_value(value: object) -> str:
    """Return what an agent reads after ``NAME=``. Never quoted in a message: it may be a password."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        raise UnfitError("is no string, whole number, true or false")
    if len(value) > 4096 or any(character in value for character in "\0\n\r"):
        raise UnfitError("is longer than 4096 characters, or more than one line")
    return value


def is_secret(option: str) -> bool:
    """Tell whether the value of an agent's option may be a secret, by its name."""
    name = option.lower()
    return any(word in name for word in _SECRETS) and not name.endswith(("_script", "_file"))


def program(value: object) -> tuple[str, ...]:
    """Return an argument vector whose program is named by an absolute path."""
    words = arguments(value)
    if not words:
        raise UnfitError("is an empty list: it needs at least the program")
    path(words[0])
    return words


def arguments(value: object) -> tuple[str, ...]:
    """Return an argument vector, possibly empty; one string is refused, no shell will split it."""
    if isinstance(value, str):
        raise UnfitError(f'{shown(value)} is one string: write a list, ["/path/program", "argument"]')
    if not isinstance(value, (list, tuple)):
        raise UnfitError(f"{shown(value)} is no list of strings")
    if len(value) > 1000:
        raise UnfitError("has more than 1000 arguments")
    words = tuple(text(word) for word in value)
    if words:
        path(words[0])
    return words
