"""The files of one cell, as values: ``lock``, heartbeat, ``act_qmaster``, ``shadow_masters`` and pause.

Formats: GRIDENGINE.md, "Files". The parsers are functions of bytes and the places a plain record of
paths (``CellPaths``), so that another kind of cell with files of the same form uses the same readers.

How it reads (NFS.md, "What follows" 2): list the directory, then open, read, close. The listing makes a
network file system show names that came or went, and it is the only proof of *absence*: a ``lock`` that
cannot be opened is absent only if its directory was listed and does not have it. (An unmounted spool
has no ``lock`` either.) A file seen empty or torn is read a second time at once, because Grid Engine
rewrites in place.

Refuses to write: the few things that are written go to ``lockfile`` and ``publish``. Refuses to resolve
names by DNS, and to judge: an answer that is no value is ``Unknown`` with the file and the reason.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from shadowd.adapters import lockfile, publish
from shadowd.adapters.hostnames import HostNames, is_host_name
from shadowd.adapters.pausefile import parse_pause, pauses_begun
from shadowd.adapters.reading import list_dir, place, read_content, read_small
from shadowd.adapters.resident import ResidentSearch
from shadowd.adapters.user import file_uid
from shadowd.core.values import Epoch, Host, Lock, LockKind, PauseReading, Problem, ServerLock, Unknown

_BEAT = re.compile(rb"[ \t\r\n]*([0-9]{1,20})[ \t\r\n]*")
_BEAT_LIMIT = 128
_ACTIVE_LIMIT = 4096
_SHADOWS_LIMIT = 256 * 1024
_PAUSE_LIMIT = 16 * 1024
_LOCK_LIMIT = 64 * 1024
_MOST_ENTRIES = 50_000
_SHOWN = 40
_COMMENT = re.compile(rb"(?:^|(?<=[ \t,\r\n]))#[^\n]*")
_BINARY = re.compile(rb"[^\t\n\r\x20-\x7e]")
_PRESENT_ANYHOW = frozenset({Problem.TOO_LARGE, Problem.NOT_A_FILE})
_TORN = frozenset({Problem.EMPTY, Problem.GARBAGE})

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class CellPaths:
    """Where the files of one cell lie."""

    spool: Path
    lock: Path
    beat: Path
    active: Path
    shadows: Path
    pid_file: Path
    state: Path = field(init=False)
    """The directory of this project's own records (DESIGN.md, "Files on disk")."""
    pause: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", self.spool / "shadowd")
        object.__setattr__(self, "pause", self.state / "pause.json")


def parse_beat(data: bytes, subject: str) -> int | Unknown:
    """Return the heartbeat counter: 1 or more, at most 20 digits, blanks around it allowed."""
    match = _BEAT.fullmatch(data)
    if match and (value := int(match[1])) >= 1:
        return value
    return _no_value(data, subject, "a number from 1 up")


def read_beat(path: Path) -> int | Unknown:
    """Read the heartbeat counter."""
    return _read(path, _BEAT_LIMIT, lambda data: parse_beat(data, str(path)))


def parse_active(data: bytes, names: HostNames, subject: str) -> Host | Unknown:
    """Return the host in act_qmaster: the first blank-delimited word counts."""
    words = data.split(maxsplit=1)
    return names.read(words[0], subject) if words else Unknown(Problem.EMPTY, subject)


def parse_shadows(data: bytes, names: HostNames, subject: str) -> tuple[Host, ...] | Unknown:
    """Return the hosts in shadow_masters, in order, each once.

    Separated by blank, tab, newline or comma; from '#' at the beginning of a word to the end of the
    line is comment. A printable word that cannot name a host is passed over as in Grid Engine, so that
    one slip of a pen does not disqualify every other host; a file that is no text is no list.
    """
    text = _COMMENT.sub(b"", data)
    if (binary := _BINARY.search(text)) is not None:
        return Unknown(Problem.GARBAGE, subject, f"not a list of names: it contains {binary[0]!r}")
    words = _words(text)
    hosts = dict.fromkeys(names.canonical(word.decode("ascii")) for word in words if is_host_name(word))
    return tuple(hosts) if hosts else _no_value(b" ".join(words), subject, "host names")


def listed_names(data: bytes) -> tuple[str, ...]:
    """Return the words of shadow_masters or act_qmaster that name hosts, as they are written."""
    return tuple(word.decode("ascii") for word in _words(_COMMENT.sub(b"", data)) if is_host_name(word))


@dataclass(frozen=True, slots=True)
class GridEngineFiles:
    """The ``CellFiles`` of a Grid Engine cell."""

    cell: str
    host: Host
    """This host, in the cell's canonical form."""
    paths: CellPaths
    names: HostNames
    search: ResidentSearch

    def read_lock(self) -> Lock | Unknown:
        """Read the spool's lock; what lies there and is no file of text is a foreign one."""
        path = self.paths.lock
        listed = _is_listed(path)
        if isinstance(listed, Unknown):
            return listed
        content = read_content(path, _LOCK_LIMIT, listed=listed)
        if not isinstance(content, Unknown):
            return lockfile.parse_lock(content.data, content.wall)
        if content.problem in _PRESENT_ANYHOW:
            return Lock(LockKind.FOREIGN)
        if content.problem is Problem.MISSING and (not listed or _is_listed(path) is False):
            return Lock(LockKind.ABSENT)
        return content

    def read_server_lock(self) -> ServerLock | Unknown:
        """Answer that this kind of cell has none."""
        return ServerLock.NONE

    def read_beat(self) -> int | Unknown:
        """Read the heartbeat counter."""
        return read_beat(self.paths.beat)

    def read_active(self) -> Host | Unknown:
        """Read act_qmaster as a canonical host name."""
        path = self.paths.active
        return _read(path, _ACTIVE_LIMIT, lambda data: parse_active(data, self.names, str(path)))

    def read_shadows(self) -> tuple[Host, ...] | Unknown:
        """Read shadow_masters as canonical host names, in order."""
        path = self.paths.shadows
        return _read(path, _SHADOWS_LIMIT, lambda data: parse_shadows(data, self.names, str(path)))

    def read_pause(self) -> PauseReading:
        """Read the pause record; none only where its directory, or the spool, is seen without it."""
        path = self.paths.pause
        names = list_dir(self.paths.state, _MOST_ENTRIES)
        if isinstance(names, Unknown) and names.problem is Problem.MISSING:
            if _is_listed(self.paths.state) is False:
                return PauseReading(None, 0)
            names = list_dir(self.paths.state, _MOST_ENTRIES)  # somebody made it just now
        if isinstance(names, Unknown):
            return PauseReading(names, None)
        begun = pauses_begun(names)
        if path.name not in names:
            return PauseReading(None, begun)
        pause = _read(path, _PAUSE_LIMIT, lambda data: parse_pause(data, str(path)), fresh=True)
        if isinstance(pause, Unknown) and pause.problem is Problem.MISSING and _is_listed(path) is False:
            return PauseReading(None, begun)
        return PauseReading(pause, begun)

    def resident(self) -> int | None:
        """Return the pid of a live master of this cell here that no epoch of ours started."""
        return self.search.find(lambda: self.read_active() == self.host)

    def address(self, host: Host) -> str:
        """Return the name to reach a host by, as the cell's files spell it, domain and all.

        The canonical form may have lost the domain (``ignore_fqdn``), and a resolver may need it.
        """
        for path, limit in ((self.paths.active, _ACTIVE_LIMIT), (self.paths.shadows, _SHADOWS_LIMIT)):
            data = read_small(path, limit)
            for word in () if isinstance(data, Unknown) else _words(_COMMENT.sub(b"", data)):
                name = word.decode("ascii", "replace")
                if is_host_name(word) and self.names.canonical(name) == host:
                    return self.names.full(name)
        return host

    def place_lock(self, epoch: Epoch, nonce: str) -> Lock | Unknown:
        """Create the lock naming this claim; see ``lockfile.place_lock``."""
        return lockfile.place_lock(self.paths.lock, self.cell, self.host, epoch, nonce)

    def clear_lock(self) -> Unknown | None:
        """Remove a lock that names any claim; see ``lockfile.clear_lock``."""
        return lockfile.clear_lock(self.paths.lock)

    def clear_mark(self) -> Unknown | None:
        """Remove an empty lock; see ``lockfile.clear_mark``."""
        return lockfile.clear_mark(self.paths.lock)

    def name_master(self, host: Host) -> Unknown | None:
        """Write a host into act_qmaster, domain and all, as a starting sge_qmaster does.

        A symbolic link there, which sites use to keep the file elsewhere, is followed as sge_qmaster does;
        one that somebody else may have made is refused.
        """
        path = publish.behind_links(self.paths.active, file_uid())
        if isinstance(path, Unknown):
            return path
        return publish.rewrite_file(path, f"{self.names.full(host)}\n".encode("ascii", "replace"))

    def publish(self, host: Host, record: bytes) -> Unknown | None:
        """Replace ``hosts/<host>.json`` atomically."""
        if not is_host_name(host.encode("utf-8", "replace")):
            return Unknown(Problem.GARBAGE, "hosts", f"{host[:_SHOWN]!r} names no host, so no file")
        return publish.replace_file(self.paths.state / "hosts" / f"{host}.json", record)


def _read(
    path: Path,
    limit: int,
    parse: Callable[[bytes], _Value | Unknown],
    *,
    fresh: bool = False,
) -> _Value | Unknown:
    """List (unless just done), read and parse; a second time where the content looks half written."""
    listed = fresh or _is_listed(path)
    if isinstance(listed, Unknown):
        return listed
    answer = _parsed(path, limit, parse, listed=listed)
    if isinstance(answer, Unknown) and answer.problem in _TORN:
        return _parsed(path, limit, parse, listed=listed)
    return answer


def _parsed(
    path: Path, limit: int, parse: Callable[[bytes], _Value | Unknown], *, listed: bool
) -> _Value | Unknown:
    data = read_small(path, limit, listed=listed)
    return data if isinstance(data, Unknown) else parse(data)


def _is_listed(path: Path) -> bool | Unknown:
    directory, name = place(path)
    names = list_dir(directory, _MOST_ENTRIES)
    return names if isinstance(names, Unknown) else name in names


def _words(text: bytes) -> list[bytes]:
    return text.replace(b",", b" ").split()


def _no_value(data: bytes, subject: str, wanted: str) -> Unknown:
    shown = data.strip()[:_SHOWN]
    if not shown:
        return Unknown(Problem.EMPTY, subject)
    return Unknown(Problem.GARBAGE, subject, f"not {wanted}: {shown!r}")
