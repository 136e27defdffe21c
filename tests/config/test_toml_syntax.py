"""The line of a key, and the notation of values: both checked against tomllib."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowd.config.syntax import hazard, key_lines, line_of
from shadowd.config.toml import key, scalar

TEXT = '''\
# comment = 1
host = "a = b"
long = """
fake = 1
[[cell]]
"""
list = [
  1, # fake = 2
  ["x]"],
]
[log]
level.a = 1
[[cell]]
name = 'one'
probe = { port = 5 }
[cell.launch]
"quoted key" = 1
[[cell]]
launch.environment.A = "b"
[cell.probe]
[cell.probe.addresses]
'n.1' = "x"
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("host",), 2),
        (("long",), 3),
        (("fake",), None),
        (("list",), 7),
        (("list", 1), 7),
        (("log",), 11),
        (("log", "level", "a"), 12),
        (("log", "missing"), 11),
        (("cell",), 13),
        (("cell", 0), 13),
        (("cell", 0, "name"), 14),
        (("cell", 0, "probe", "port"), 15),
        (("cell", 0, "launch", "quoted key"), 17),
        (("cell", 1), 18),
        (("cell", 1, "launch", "environment", "A"), 19),
        (("cell", 1, "name"), 18),
        (("cell", 1, "probe", "addresses", "n.1"), 22),
    ],
)
def test_a_key_is_found_on_its_line(path: tuple[str | int, ...], line: int | None) -> None:
    """Keys are found through strings, lists, comments and headers; a missing one at its table."""
    assert tomllib.loads(TEXT)
    assert line_of(path, key_lines(TEXT)) == line


@given(st.text(alphabet="abc.[]{}=,\"'#\\\n \t1é"))
def test_the_scan_takes_any_text(text: str) -> None:
    """The line scan needs no valid document and names no line that the text has not."""
    lines = key_lines(text)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
    hazard(text)


def test_depth_is_counted_outside_strings_only() -> None:
    """Host names with many dots and brackets in strings are no hazard."""
    assert hazard('a = "a.b.c.d.e.f.g.h.i.j [[[[[[[[[[["\n# a.b.c.d.e.f.g.h.i.j\n') is None
    assert hazard("a.b.c.d = 1\n[[a.b.c]]\nb = [[1.5, 2.5], [3.5]]\n" * 50) is None
    assert hazard("x = 1\n" + "a." * 20 + "a = 1\n") == (2, "a dotted key has more than 8 parts")


VALUES = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.text(), VALUES)
def test_what_is_written_reads_back(name: str, value: object) -> None:
    """Every value is written so that tomllib gives it back, in printable ASCII on one line."""
    line = f"{key(name)} = {scalar(value)}"
    assert line.isascii()
    assert line.isprintable()
    assert tomllib.loads(line) == {name: value}


def test_paths_are_strings_and_the_rest_is_refused() -> None:
    """A path is written as its name; what no configuration holds is a programming error."""
    assert scalar(Path("/a b")) == '"/a b"'
    with pytest.raises(TypeError):
        scalar(object())
