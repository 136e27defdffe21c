"""Whether the place of a cell is a mount point with nothing mounted on it.

Why: what lies beneath an unmounted mount point is another directory of the same name, empty or an old copy.
A master that is started there is a second one, and a claim made there is seen by nobody.

A place counts as a mount point if it, or a directory above it, is named in /etc/fstab, in a mount unit of
systemd or in a map of the automounter (fstab(5), systemd.mount(5), auto.master(5)). What is mounted says
the kernel (/proc/self/mountinfo). A trigger of the automounter alone is no file system.

Refuses to mount anything, and to take a missing or unreadable table for a reason: it names no mount point.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from shadowd.adapters.reading import list_dir, read_small
from shadowd.core.values import Unknown

_LIMIT: Final = 1024 * 1024
_MOST: Final = 4096
_UNITS: Final = ("etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system")
_WHERE: Final = re.compile(r"^Where\s*=\s*(\S+)", re.MULTILINE)
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


def unmounted(place: Path, root: Path = Path("/")) -> str:
    """Return which mount point at or above this place has nothing mounted on it; empty: none.

    ``root``: where the tables lie, for tests. The path is taken as it is written and as its links lead.
    """
    wanted = dict(_listed(root))
    try:
        paths = {place, place.resolve()}
    except (OSError, RuntimeError):
        paths = {place}
    candidates = [path for one in paths for path in (one, *one.parents) if str(path) in wanted]
    if not candidates:
        return ""
    mounted = _mounted(root)
    empty = next((path for path in candidates if mounted.get(str(path), "autofs") == "autofs"), None)
    return "" if empty is None else f"{empty} is a mount point ({wanted[str(empty)]}), and nothing is mounted"


def _mounted(root: Path) -> dict[str, str]:
    """Return the type of the file system on each mount point, the topmost where there are several."""
    found = {}
    for line in _lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) > 4 and kind:
            found[_plain(fields[4])] = kind[0]
    return found


def _listed(root: Path) -> Iterator[tuple[str, str]]:
    """Yield each mount point but the root with the table that names it."""
    for line in _lines(root / "etc/fstab"):
        fields = line.split()
        if len(fields) > 2 and fields[1].startswith("/") and fields[1] != "/":
            yield _plain(fields[1]).rstrip("/"), "/etc/fstab"
    for directory in _UNITS:
        names = list_dir(root / directory, _MOST)
        for name in () if isinstance(names, Unknown) else names:
            where = _WHERE.search(_text(root / directory / name)) if name.endswith(".mount") else None
            if where is not None and where[1] != "/":
                yield where[1].rstrip("/"), f"/{directory}/{name}"
    yield from _automounted(root)


def _automounted(root: Path) -> Iterator[tuple[str, str]]:
    for line in _lines(root / "etc/auto.master"):
        top, _, rest = line.strip().partition(" ")
        if not top.startswith("/") or not rest.strip().startswith("/"):
            continue
        table = rest.split()[0]
        for entry in _lines(root / table.lstrip("/")):
            key = entry.split()[0]
            if top == "/-" and key.startswith("/"):
                yield key.rstrip("/"), table
            elif top != "/-" and "/" not in key and not key.startswith(("*", "+")):
                yield f"{top.rstrip('/')}/{key}", table


def _lines(path: Path) -> Iterator[str]:
    for line in _text(path).expandtabs(1).splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line


def _text(path: Path) -> str:
    data = read_small(path, _LIMIT)
    return "" if isinstance(data, Unknown) else data.decode("utf-8", "replace")


def _plain(field: str) -> str:
    """Return a path of a table without its escapes (a blank is written as backslash 040)."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), field)
