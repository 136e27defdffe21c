"""TORQUE's ``server.lock`` as others see it: held by whom (TORQUE.md).

Whose it is says the record beside the claims, ``server.session``, which ``holdlock`` wrote: the session in
the lock, the inode (``fcntl``), and the epoch. A record whose epoch has an outcome excuses nobody who *holds*
the lock: nothing of that epoch runs. So a server that no claim started is known, whatever its session is.

What proves a life is the kernel's word that the file is locked, and that its date moves as *this* process
observes it; no clock is compared with it. Release 2.3 locks and moves no date; later ones move the date and
lock nothing (6.1 closes what it inherits, of 2.5.14 there is nothing in /proc/locks: TORQUE.md, "Seen with
shadowd itself"). So both count with either method. With ``fcntl`` a server that lives and locks nothing is
told apart (``torquefiles.Witness``). An empty file that is held is doubt, for every ``pbs_server`` that
starts empties it first.

Refuses to lock anything: that is the server's own part.
"""

import fcntl
import json
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from shadowd.adapters import marks, procfs, user
from shadowd.adapters.claimnames import notice_name
from shadowd.adapters.mounts import direct
from shadowd.adapters.publish import replace_file
from shadowd.adapters.reading import list_dir, place, read_small, unreadable
from shadowd.adapters.records import MAX_EPOCH, MAX_NAME, MAX_RECORD, parse_object
from shadowd.core.values import OUTCOMES, Epoch, Problem, ServerLock, Unknown

FCNTL, LEASE = "fcntl", "lease"
_FLOCK: Final = "hhqqi4x"
"""``struct flock`` of 64-bit Linux: type, whence, start, length, pid."""
_LIMIT: Final = 4096
_MOST_ENTRIES: Final = 50_000
_LONGEST_PID: Final = 10


@dataclass(frozen=True, slots=True)
class Session:
    """What ``server.session`` says: the server of ours that took the lock last."""

    epoch: Epoch
    nonce: str
    host: str
    inodes: tuple[int, ...]
    contents: tuple[str, ...]

    @property
    def session(self) -> str:
        """Return what it wrote into the lock."""
        return self.contents[0]

    def is_written(self, content: str, users: frozenset[int]) -> bool:
        """Tell whether a process of that server, which runs as one of these users, wrote this."""
        return content in self.contents or self.runs(content, users)

    def closed_by(self, notice: Path) -> bool:
        """Tell whether this is an outcome of its epoch: a file that is no record closes nothing."""
        data = read_small(notice, MAX_RECORD)
        fields = None if isinstance(data, Unknown) else parse_object(data)
        return fields is not None and fields.get("nonce", self.nonce) == self.nonce

    def runs(self, content: str, users: frozenset[int]) -> bool:
        """Tell whether the process of this number, on this host, is one of that server."""
        if not content.isdecimal() or len(content) > _LONGEST_PID:
            return False
        with user.own_identity():
            pid = int(content)
            # Nothing is read of a process of anybody else.
            return procfs.owner(pid) in users and marks.of_process(pid, self.nonce, users) is not None


@dataclass(frozen=True, slots=True)
class Holder:
    """One look at the lock."""

    lock: ServerLock
    mtime: int = 0
    """Milliseconds, in which only a change counts; 0 where it proves no life."""
    content: str = ""
    locked: bool = False
    """The kernel has a lock on the file."""


@dataclass(frozen=True, slots=True)
class ServerLockFile:
    """``server.lock`` of one cell."""

    path: Path
    method: str
    state: Path
    """Where ``server.session`` and the notices lie."""
    users: frozenset[int] = field(default_factory=marks.users_of)
    """Ids that a server of ours may run as."""

    def look(self) -> Holder | Unknown:
        """Return who holds it, as far as that is no server of ours."""
        try:
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
            descriptor = os.open(self.path, flags | direct(place(self.path)[0]))
        except FileNotFoundError:
            return self._missing()
        except (OSError, ValueError) as error:
            return unreadable(self.path, error)
        try:
            return self._judge(descriptor)
        except OSError as error:
            return unreadable(self.path, error)
        finally:
            os.close(descriptor)

    def session(self) -> Session | None:
        """Return the record of the server of ours that took the lock last; None where it says nothing."""
        data = read_small(self.state / "server.session", _LIMIT)
        match None if isinstance(data, Unknown) else parse_object(data):
            case {
                "epoch": int(epoch),
                "nonce": str(nonce),
                "host": str(host),
                "inodes": [*inodes],
                "contents": [_, *_] as contents,
            } if epoch is not True and 1 <= epoch <= MAX_EPOCH and _are_words(nonce, host, *contents):
                numbers = tuple(one for one in inodes if isinstance(one, int))
                return Session(Epoch(epoch), nonce, host, numbers, tuple(map(str, contents)))
        return None

    def record(self, session: Session, content: str, inode: int) -> None:
        """Write that the server of this session is now known by another content."""
        whose = {"epoch": session.epoch, "nonce": session.nonce, "host": session.host}
        record = {"format": 1, **whose, "session": int(content), "inodes": [inode], "contents": [content]}
        replace_file(self.state / "server.session", json.dumps(record).encode() + b"\n")

    def _judge(self, descriptor: int) -> Holder | Unknown:
        status = os.fstat(descriptor)
        content = word(os.pread(descriptor, _LIMIT, 0))
        if _is_held(descriptor):
            if self._is_ours(status.st_ino, content):
                return Holder(ServerLock.CLEAR, content=content, locked=True)
            if not content:
                detail = "it is held, and does not say by whom: another server that started emptied it"
                return Unknown(Problem.EMPTY, str(self.path), detail)
            return Holder(ServerLock.HELD, content=content, locked=True)
        session = self.session() if content else None
        if content and not (session and session.is_written(content, self.users)):
            return Holder(ServerLock.NAMED, status.st_mtime_ns // 1_000_000, content)
        return Holder(ServerLock.CLEAR, content=content)

    def _is_ours(self, inode: int, content: str) -> bool:
        session = self.session()
        if session is None or inode not in session.inodes or not session.is_written(content, self.users):
            return False
        notices = self.state / "notices"
        return not any(session.closed_by(notices / notice_name(session.epoch, kind)) for kind in OUTCOMES)

    def _missing(self) -> Holder | Unknown:
        """Tell a file that is not there from a file system that is not."""
        directory, name = place(self.path)
        names = list_dir(directory, _MOST_ENTRIES)
        if isinstance(names, Unknown):
            return names
        if name in names:
            return Unknown(Problem.UNREADABLE, str(self.path), "it came or went a moment ago")
        return Holder(ServerLock.CLEAR)


def _is_held(descriptor: int) -> bool:
    """Ask the kernel whether another process holds a lock on the file; raises OSError."""
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind: int = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))[0]
    return kind != fcntl.F_UNLCK


def _are_words(*values: object) -> bool:
    """Tell whether these are words that a daemon may have written: printable ASCII, and not too long."""
    return all(
        isinstance(value, str) and len(value) <= MAX_NAME and value.isascii() and value.isprintable()
        for value in values
    )


def word(data: bytes) -> str:
    """Return what a lock file says."""
    return data.decode("ascii", "replace").strip()
