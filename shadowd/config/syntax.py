"""Where a key stands in a TOML text, and whether the text is safe to parse at all.

``tomllib`` gives values without their lines, so this module walks the tokens by itself; it needs no
valid document, since a wrong line is better than none. It also refuses what makes ``tomllib`` itself
dangerous: a dotted key of many parts costs it memory by the square (200,000 parts: more than 4 GB),
and deep brackets end its recursion. It refuses to understand values.
"""

import re
from collections.abc import Iterator, Mapping

KeyPath = tuple[str | int, ...]
"""The way to a value from the top of the document: keys and list positions."""

DEEPEST = 8
"""Parts of one dotted key, and brackets inside each other; this package's own keys need four."""

_TOKEN = re.compile(
    r'(?P<long>"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5})'
    r'|(?P<string>"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\')'
    r"|(?P<comment>#[^\n]*)"
    r"|(?P<newline>\n)"
    r"|(?P<blank>[ \t\r]+)"
    r"|(?P<dot>\.)"
    r"|(?P<equals>=)|(?P<comma>,)|(?P<open>[\[{])|(?P<close>[\]}])"
    r"|(?P<word>[^\s\"'#.=,{}\[\]]+)"
    r"|(?P<stray>.)",
    re.DOTALL,
)


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Yield kind, text and line of each token; stop where a string never ends, as tomllib does."""
    line = 1
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "stray"
        if kind == "stray" and match[0] in "\"'":
            return
        yield kind, match[0], line
        if kind in {"newline", "long"}:
            line += match[0].count("\n")


def hazard(text: str) -> tuple[int, str] | None:
    """Return line and reason if the text would cost the parser too much; linear in the text."""
    dots = depth = 0
    for kind, _, line in _tokens(text):
        if kind == "dot":
            dots += 1
        elif kind in {"newline", "equals", "comma", "open", "close"}:
            dots = 0
            depth += (kind == "open") - (kind == "close")
        if dots >= DEEPEST:
            return line, f"a dotted key has more than {DEEPEST} parts"
        if depth > DEEPEST:
            return line, f"brackets are nested more than {DEEPEST} deep"
    return None


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line of every key and table header that stands at the left of its line."""
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for head, line in _heads(text):
        marks = len(head) - len(head.lstrip("["))
        parts = _parts(head[marks:])
        if marks == 0:
            full = table + parts
        else:
            full = table = _header(parts, counts, repeated=marks == 2)
        for length in range(len(full), 0, -1):
            lines.setdefault(full[:length], line)
    return lines


def line_of(path: KeyPath, lines: Mapping[KeyPath, int]) -> int | None:
    """Return the line of a key, else of the nearest table around it."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


def _heads(text: str) -> Iterator[tuple[str, int]]:
    """Yield ``[table``, ``[[table`` or ``key`` for each statement, with its line; values are skipped."""
    head, depth, in_value, in_header = "", 0, False, False
    for kind, token, line in _tokens(text):
        if kind == "newline":
            if depth <= 0 or in_header:
                head, depth, in_value, in_header = "", 0, False, False
        elif in_value:
            depth += (kind == "open") - (kind == "close")
        elif kind == "open" and head in {"", "["}:
            head, in_header = head + token, True
        elif kind in {"equals", "close"}:
            if head.strip("["):
                yield head, line
            in_value = True
        elif kind in {"word", "dot", "string"}:
            head += token


def _parts(dotted: str) -> KeyPath:
    """Split a dotted key at the dots outside quotes; escapes in quoted keys stay as written."""
    found = re.findall(r'"((?:\\.|[^"\\])*)"|\'([^\']*)\'|([^."\']+)', dotted)
    return tuple(next((part for part in groups if part), "") for groups in found)


def _header(parts: KeyPath, counts: dict[KeyPath, int], *, repeated: bool) -> KeyPath:
    """Return the full path of a header, with the positions of the ``[[lists]]`` it passes through."""
    path: KeyPath = ()
    for index, part in enumerate(parts):
        path += (part,)
        if repeated and index == len(parts) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path += (counts[path],)
    return path
