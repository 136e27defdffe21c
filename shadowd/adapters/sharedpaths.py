"""Whether a directory is the same one on all hosts: each host leaves a fresh name in it, and publishes it.

Why not the type of the file system: two hosts may have mounted two exports, or one in two places, and a
directory on a local disk may be shared by what lies beneath (a cluster file system, a disk of two machines).
A name that another host has just made up and that is found here is proof; one that is not found is proof of
the contrary. The names are fresh with each daemon, so that a copy of the directory (a cloned disk, a nightly
rsync) has old ones; where the directory is exchanged beneath a daemon (mounted later), it makes up another.

Files: ``PATH/.shadowd/<host>.<token>``, empty. A new name and no new content, because on NFS a name appears
with the next listing and waits for nobody's delegation (NFS.md). The name before stays for one look more, for
the record with the new one is published later. Others' names, and which they miss, are in ``hosts/*.json``.

Refuses to leave anything in an empty directory, which may be a mount point without its mount, and to follow a
link out of a directory of another user.
"""

import json
import os
import re
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shadowd.adapters.reading import list_dir, read_small
from shadowd.adapters.user import FileUser, become
from shadowd.core.fitness import SharedPath
from shadowd.core.values import Host, Problem, Unknown

FOLDER = ".shadowd"
MOUNTS = Path("/proc/self/mountinfo")
_MOST_NAMES = 4000
_MOST_HOSTS = 1000
_MOST_PATHS = 100
_RECORD = 64 * 1024
_TOKEN = re.compile(r"[0-9a-f]{16}")
_LOCAL = frozenset(
    (
        *("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "reiserfs", "bcachefs"),
        *("tmpfs", "ramfs", "rootfs", "overlay", "aufs", "squashfs", "erofs", "iso9660"),
        *("vfat", "exfat", "ntfs"),
    )
)
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class PathView:
    """One directory as one look found it."""

    shared: SharedPath
    file_system: str = ""
    """Type and source, for people."""
    token: str = ""
    """What the others look for; empty where nothing could be left."""
    looked_for: Mapping[str, str] = field(default_factory=dict)
    """Of each host in ``shared.other`` the token that was not found."""
    problem: str = ""
    """Why it could not be looked at; the rest is then without meaning."""

    def published(self) -> dict[str, Any]:
        """Return what a host record says about it."""
        return {
            "path": self.shared.path,
            "file_system": self.file_system,
            "local": self.shared.local,
            "token": self.token,
            "same": list(self.shared.same),
            "other": dict(self.looked_for),
            "problem": self.problem,
        }


@dataclass(slots=True)
class _Known:
    """A directory that was looked at before."""

    identity: tuple[int, int]
    token: str
    kind: str
    source: str
    seen: set[str] = field(default_factory=set)
    """Names of other hosts that were found in it: it goes on to be theirs when somebody cleans up."""


class SharedPaths:
    """Compares directories for one host of one cell; used by one thread at a time."""

    def __init__(self, host: Host, records: Path, user: FileUser | None) -> None:
        """Use the rights of ``user``, None: of each directory's owner; ``records`` has the host records."""
        self._host = host
        self._records = records
        self._user = user
        self._known: dict[Path, _Known] = {}

    def look(self, path: Path) -> PathView:
        """Leave this host's name, and look for those of the others; may hang."""
        try:
            become(self._user)
            # Before the names: a name is made before it is published.
            theirs = self._theirs(str(path))
            status = path.stat()
            if self._user is None and os.geteuid() == 0 and status.st_uid != 0:
                become(FileUser(status.st_uid, status.st_gid, ()))
            return self._look(path, (status.st_dev, status.st_ino), theirs)
        except OSError as error:
            return _unseen(path, error)
        finally:
            become(None)

    def _look(self, path: Path, identity: tuple[int, int], theirs: Mapping[str, tuple[str, str]]) -> PathView:
        known = self._known.get(path)
        if known is None or known.identity != identity:
            known = _Known(identity, secrets.token_hex(8), *file_system(path.resolve()))
            self._known[path] = known
        names = self._names(path)
        mine = f"{self._host}.{known.token}"
        if mine not in names:
            names |= self._leave(path, mine)
        else:
            self._tidy(path, names - {mine})
        published = {f"{host}.{token}" for host, (token, _) in theirs.items()}
        known.seen = published & (names | known.seen)
        same = [host for host, (token, _) in theirs.items() if f"{host}.{token}" in known.seen]
        apart = {host: token for host, (token, _) in theirs.items() if host not in same}
        # A host that looked for the name of today and did not find it is right, whatever lies here.
        apart |= {host: token for host, (token, not_found) in theirs.items() if not_found == known.token}
        shared = SharedPath(
            str(path),
            known.kind in _LOCAL,
            tuple(Host(host) for host in same if host not in apart),
            tuple(map(Host, apart)),
        )
        kind = f"{known.kind} {known.source}".strip()
        return PathView(shared, kind, known.token if mine in names else "", apart)

    @staticmethod
    def _names(path: Path) -> set[str]:
        folder = path / FOLDER
        if folder.exists() and not folder.is_dir():
            return set()  # of somebody else's making
        found = list_dir(folder, _MOST_NAMES)
        if not isinstance(found, Unknown):
            return set(found)
        if found.problem is Problem.UNREADABLE:
            raise OSError(found.detail)
        return set()

    def _leave(self, path: Path, name: str) -> set[str]:
        """Leave a name; return the names that are there for it: none where nothing can be written."""
        folder = path / FOLDER
        try:
            if not folder.exists() and _is_empty(path):
                return set()
            with suppress(FileExistsError):
                folder.mkdir(0o755)
                folder.chmod(0o755)  # others look for our name, whatever the umask says
            descriptor = os.open(folder, _FOLDER_FLAGS)
            try:
                if os.fstat(descriptor).st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                    return set()
                os.close(os.open(name, _FILE_FLAGS, 0o644, dir_fd=descriptor))
            finally:
                os.close(descriptor)
        except FileExistsError:
            pass
        except OSError:
            return set()
        return {name}

    def _tidy(self, path: Path, names: set[str]) -> None:
        """Take away the names that earlier daemons of this host left."""
        for name in names:
            host, _, token = name.rpartition(".")
            if host == self._host and _TOKEN.fullmatch(token):
                with suppress(OSError):
                    (path / FOLDER / name).unlink()

    def _theirs(self, path: str) -> dict[str, tuple[str, str]]:
        """Return of each other host its token in this directory, and which of ours it did not find."""
        names = list_dir(self._records, 2 * _MOST_HOSTS)
        listed = () if isinstance(names, Unknown) else sorted(names)
        found: dict[str, tuple[str, str]] = {}
        for name in [name for name in listed if name.endswith(".json") and name[0] != "."][:_MOST_HOSTS]:
            host = name.removesuffix(".json")
            if host != self._host:
                data = read_small(self._records / name, _RECORD, listed=True)
                words = None if isinstance(data, Unknown) else parse(data, path, self._host)
                if words is not None:
                    found[host] = words
        return found


def parse(record: bytes, path: str, host: str) -> tuple[str, str] | None:
    """Return from a host record its token in a directory, and which of this host's it did not find there.

    None where it says nothing of the directory: a record of an earlier release, or of a host with others.
    """
    try:
        paths: Any = json.loads(record).get("paths", [])
        for each in paths[:_MOST_PATHS]:
            if each["path"] == path and _TOKEN.fullmatch(each["token"]):
                return each["token"], str(each["other"].get(host, ""))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        pass
    return None


def file_system(path: Path, mounts: Path = MOUNTS) -> tuple[str, str]:
    """Return type and source of the file system that a resolved path lies on; empty where nobody says."""
    best, found = -1, ("", "")
    try:
        lines = mounts.read_bytes().splitlines()
    except OSError:
        return found
    wanted = os.fsencode(path)
    for line in lines:
        # proc(5): mount point is the fifth field; type and source follow the separator.
        left, _, right = line.partition(b" - ")
        fields, kind = left.split(b" "), right.split(b" ")
        if len(fields) < 5 or len(kind) < 2:
            continue
        point = re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), fields[4])
        inside = wanted == point or wanted.startswith(point.rstrip(b"/") + b"/")
        if inside and len(point) >= best:
            best, found = len(point), (os.fsdecode(kind[0]), os.fsdecode(kind[1]))
    return found


def _is_empty(path: Path) -> bool:
    with os.scandir(path) as entries:
        return next(entries, None) is None


def _unseen(path: Path, error: OSError) -> PathView:
    if isinstance(error, FileNotFoundError):
        problem = f"no such directory {path}"
        if path.is_symlink():
            problem += f" (it is a link to {path.readlink()}, which is not there)"
    else:
        problem = f"{path} cannot be read: {(error.strerror or str(error)).lower()}"
    return PathView(SharedPath(str(path), local=False), problem=problem)
