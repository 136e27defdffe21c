"""Inputs for a reader: noise, and what comes near to a good input and is wrong somewhere."""

import json
from collections.abc import Sequence

from hypothesis import strategies as st

TOKENS = (
    *(b"\0", b"\n", b"\r\n", b" ", b"\t", b"#", b",", b":", b"=", b"/", b"..", b"-", b"+", b"%s", b"\x1b[2J"),
    *(b"\xff\xfe", b"\xed\xa0\x80", b"\xc2\xa0", "\u0663".encode(), "\u202e".encode(), "²".encode()),
    *(b'"', b"'", b"\\", b"{", b"}", b"[", b"]", b'"\\ud800"', b"null", b"true", b"NaN", b"1e999", b"-0"),
    *(b"0", b"-1", b"1.5", b"9" * 400, b"4294967296", b"[" * 3000, b'{"a":' * 3000, b"x" * 5000),
)
"""What readers have stumbled over: separators, text that is none, numbers without measure, depth."""

_CHARACTERS = st.characters(max_codepoint=0x10FFFF)  # lone surrogates among them: JSON can say them
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(_CHARACTERS, max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
_PIECES = st.sampled_from(TOKENS) | st.binary(max_size=6)
_EDITS = st.lists(st.tuples(st.integers(0, 1 << 14), st.integers(0, 12), _PIECES), min_size=1, max_size=5)


def inputs(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Return bytes of any kind, mostly edited copies of these good inputs."""
    edited = st.builds(_edited, st.sampled_from(seeds), _EDITS)
    records = [record for record in map(_record, seeds) if record]
    if not records:
        return st.one_of(edited, edited, st.binary(max_size=256))
    changes = st.lists(st.tuples(st.integers(0, 63), _JSON), min_size=1, max_size=3)
    changed = st.builds(_changed, st.sampled_from(records), changes)
    return st.one_of(edited, changed, changed, st.binary(max_size=256))


def giants() -> tuple[bytes, ...]:
    """Return inputs that are large or deep in one way each."""
    keys = ",".join(f'"k{number}":{number}' for number in range(20_000))
    return (
        b"",
        b"\0" * 100_000,
        b"a" * 100_000,
        b"9" * 100_000,
        b"\n" * 100_000,
        b"a b\n" * 25_000,
        b"a = 1\n" * 20_000,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[[cell]]\n" * 10_000,
        b"x = " + b"{a=" * 20_000,
        f"{{{keys}}}".encode(),
        b'{"a":"\\ud800"}',
        b'"\\ud800"',
    )


def _record(seed: bytes) -> dict[str, object] | None:
    try:
        value: object = json.loads(seed)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _edited(seed: bytes, edits: Sequence[tuple[int, int, bytes]]) -> bytes:
    """Put each piece in the place of a few bytes of the seed."""
    for place, length, piece in edits:
        begin = place % (len(seed) + 1)
        seed = seed[:begin] + piece + seed[begin + length :]
    return seed


def _changed(record: dict[str, object], changes: Sequence[tuple[int, object]]) -> bytes:
    """Give some fields another value, one of a nested record too, or take them away."""
    changed = dict(record)
    for place, value in changes:
        key = sorted(record)[place % len(record)]
        inner = changed.get(key)
        if isinstance(inner, dict) and inner and place % 2:
            changed[key] = {**inner, sorted(inner)[place % len(inner)]: value}
        elif value is None and place % 3 == 0:
            changed.pop(key, None)
        else:
            changed[key] = value
    return json.dumps(changed).encode()
