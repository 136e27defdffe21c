"""The ancestor's ``lock``: naming our claim in it, and taking such a one away (PROTOCOL rules 16-18).

An empty ``lock`` means "regular shutdown" to every Grid Engine since its beginning, and content that we
do not know means a stranger at work. So ours is born complete, by link(2) of a private file, and nothing
is ever removed by its name alone: between the look and the removal somebody may have shut the cell down.
It is renamed aside, read there, and only the very bytes that were meant to go are deleted.

What turns out to be somebody else's is renamed *back* over whatever lies there by then. Rule 18 says
"linking back"; the rename is one step where link and unlink are two, and a crash between the two would
leave a second copy of a shutdown mark, to be mistaken for a fresh one years later. It can only cover
another mark, which changes nothing, or a claim's, which then learns what it would have learnt a moment
earlier. A crash while a stranger's mark lies aside is repaired by the next ``place_lock``, before it links.

This module refuses to touch a lock that does not name a claim, but for the empty one of a move that we
planned ourselves, or that a person ends.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from errno import ENOENT
from pathlib import Path
from typing import Final

from shadowd.adapters.publish import (
    MAX_NAMES,
    Link,
    create_file,
    private_name,
    private_prefix,
    sweep,
)
from shadowd.adapters.reading import Content, list_dir, read_content, unreadable
from shadowd.adapters.records import MAX_EPOCH, MAX_NAME, parse_object
from shadowd.core.values import Epoch, Host, Lock, LockKind, Problem, Unknown

_LIMIT: Final = 64 * 1024
_NEW: Final = "lock-new"
_ASIDE: Final = "lock-aside"
_MOST_REPAIRED: Final = 64
_PRESENT: Final = frozenset({Problem.TOO_LARGE, Problem.NOT_A_FILE})
"""Problems of something that exists: a lock of unknown content, and so a stranger's."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """What a lock of ours says."""

    cell: str
    epoch: Epoch
    nonce: str
    host: str


def parse_lock(data: bytes, wall: float | None) -> Lock:
    """Return whose lock this content is; ``wall`` is its modification time, for people."""
    mark = _parse(data)
    if mark is None:
        return Lock(LockKind.FOREIGN, wall=wall)
    return Lock(LockKind.CLAIM, mark.epoch, mark.nonce, wall)


def place_lock(
    path: Path, cell: str, host: Host, epoch: Epoch, nonce: str, *, link: Link = os.link
) -> Lock | Unknown:
    """Create the lock naming this claim; return the lock that lies there now.

    One of a lower epoch of this cell is replaced, once. A stranger's, another cell's or a later epoch's
    is returned untouched.
    """
    problem = _repair(path, host)
    if problem is not None:
        return problem
    data = _encode(_Mark(cell, epoch, nonce, host))
    for _ in range(2):
        found = create_file(path, data, private=private_name(_NEW, host), mode=0o600, link=link)
        if isinstance(found, Unknown):
            return Lock(LockKind.FOREIGN) if found.problem in _PRESENT else found
        mark = _parse(found)
        if mark is None or mark.cell != cell or mark.epoch >= epoch:
            return parse_lock(found, None)
        problem = _take_away(path, found)
        if problem is not None:
            return problem
    return Unknown(Problem.UNREADABLE, str(path), "a lower epoch's lock came back after it was removed")


def clear_lock(path: Path) -> Unknown | None:
    """Remove a lock that names any claim; None when no such lock lies there (any more)."""
    return _clear(path, lambda data: _parse(data) is not None)


def clear_mark(path: Path) -> Unknown | None:
    """Remove an empty lock, the mark of a clean exit that *we* ordered; None when none lies there.

    The only cases in which a mark may go: a planned move (PROTOCOL rule 11), whose asker saw before that
    there was no lock, and a person who starts a master where the master does not take it away itself.
    """
    return _clear(path, lambda data: data == b"")


def place_mark(path: Path) -> Lock | Unknown:
    """Put the empty lock there, the mark of a regular shutdown; return what lies there now.

    For a master that leaves no mark itself. Whatever lies there already is left alone: an empty one is the
    mark, and a claim's lock tells of a takeover that must first come to its end.
    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
    except FileExistsError:
        pass
    except OSError as error:
        return unreadable(path, error)
    content = read_content(path, _LIMIT, listed=True)
    if isinstance(content, Unknown):
        return Lock(LockKind.FOREIGN) if content.problem in _PRESENT else content
    return parse_lock(content.data, content.wall)


def _clear(path: Path, ours: Callable[[bytes], bool]) -> Unknown | None:
    names = list_dir(path.parent, MAX_NAMES)
    if isinstance(names, Unknown):
        return names
    content = read_content(path, _LIMIT, listed=path.name in names)
    if isinstance(content, Unknown):
        gone = content.problem is Problem.MISSING and path.name not in names
        return None if gone or content.problem in _PRESENT else content
    return _take_away(path, content.data) if ours(content.data) else None


def _take_away(path: Path, expected: bytes) -> Unknown | None:
    """Remove the lock if it is the one expected; put back what is not."""
    aside = path.with_name(private_name(_ASIDE, ""))
    failure: OSError | None = None
    try:
        path.rename(aside)
    except OSError as error:
        failure = error  # perhaps done all the same (NFS.md): what lies aside tells
    names = list_dir(path.parent, MAX_NAMES)
    content = read_content(aside, _LIMIT, listed=not isinstance(names, Unknown) and aside.name in names)
    if isinstance(content, Unknown) and content.problem is Problem.MISSING:
        # Nothing was taken, or somebody's repair was quicker.
        return None if failure is None or failure.errno == ENOENT else unreadable(path, failure)
    return _dispose(path, aside, content, expected)


def _dispose(path: Path, aside: Path, content: Content | Unknown, expected: bytes) -> Unknown | None:
    try:
        if isinstance(content, Unknown):
            aside.rename(path)
            return None if content.problem in _PRESENT else content
        if content.data == expected:
            aside.unlink(missing_ok=True)
            return None
        aside.rename(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return unreadable(aside, error)
    if _parse(content.data) is None:
        return None
    return Unknown(Problem.UNREADABLE, str(path), "another claim's lock came in between; it was put back")


def _repair(path: Path, host: Host) -> Unknown | None:
    """Bring back a stranger's lock that a crash left aside, and remove what is of no use to anybody."""
    names = list_dir(path.parent, MAX_NAMES)
    if isinstance(names, Unknown):
        return names
    sweep(path.parent, names, _NEW, host)
    prefix = private_prefix(_ASIDE, "")
    for name in [name for name in names if name.startswith(prefix)][:_MOST_REPAIRED]:
        aside = path.with_name(name)
        content = read_content(aside, _LIMIT, listed=True)
        if isinstance(content, Unknown) and content.problem not in _PRESENT:
            if content.problem is Problem.MISSING:
                continue
            return content
        try:
            if isinstance(content, Unknown) or _parse(content.data) is None:
                aside.rename(path)
            else:
                aside.unlink(missing_ok=True)
        except FileNotFoundError:
            continue
        except OSError as error:
            return unreadable(aside, error)
    return None


def _encode(mark: _Mark) -> bytes:
    fields = {"shadowd": 1, "cell": mark.cell, "epoch": mark.epoch, "nonce": mark.nonce, "host": mark.host}
    return json.dumps(fields).encode("ascii") + b"\n"


def _parse(data: bytes) -> _Mark | None:
    fields = parse_object(data)
    if fields is None:
        return None
    match (
        fields.get("shadowd"),
        fields.get("cell"),
        fields.get("epoch"),
        fields.get("nonce"),
        fields.get("host"),
    ):
        case int(release), str(cell), int(epoch), str(nonce), str(host):
            if release is True or release != 1 or isinstance(epoch, bool) or not 1 <= epoch <= MAX_EPOCH:
                return None
            if not all(0 < len(text) <= MAX_NAME and text.isprintable() for text in (cell, nonce, host)):
                return None
            return _Mark(cell, Epoch(epoch), nonce, host)
        case _:
            return None
