"""Values in TOML's notation, in plain ASCII, so that what is printed can be read back and shown anywhere.

The standard library reads TOML and does not write it. Only what a configuration of this package can
hold is written; this module refuses dates and tables inside lists.
"""

import json
from collections.abc import Mapping
from pathlib import Path

_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def scalar(value: object) -> str:
    """Return one value on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
        case str() | Path():
            return string(str(value))
        case list() | tuple():
            return f"[{', '.join(scalar(item) for item in value)}]"
        case Mapping():
            pairs = ", ".join(f"{key(str(name))} = {scalar(item)}" for name, item in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case _:
            raise TypeError(f"{type(value).__name__} is no value of a configuration")


def string(text: str) -> str:
    """Return a basic string; JSON's notation but for its surrogate pairs and the DEL character."""
    return "".join(_character(character) for character in text).join('""')


def _character(character: str) -> str:
    if character in '"\\' or character < " ":
        return json.dumps(character)[1:-1]
    if " " <= character < "\x7f":
        return character
    code = ord(character)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def key(name: str) -> str:
    """Return a key, in quotes where it must be."""
    return name if name and _BARE.issuperset(name) else string(name)
