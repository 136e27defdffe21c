"""How directories are mounted here, and how the small shared files in those on NFS are opened.

On NFS every shared file is opened with O_DIRECT (open(2)), for three reasons, each measured (NFS.md, "Seen
with the daemon on it"; ``tests/nfs``):

* A read asks the server. Without it a client that holds the file open for writing is shown its own cached
  copy, however old, by every fresh open.
* A reader leaves no delegation behind: since NFSv4.1 the client tells the server with the open that it wants
  none. A delegation of a host that is lost holds up everybody's writing of that file for the server's lease.
* A write waits where a fatal signal ends it. The flush of cached data does not, so that a daemon with data
  on its way to a server that is gone could not be ended, not even by SIGKILL.

Elsewhere O_DIRECT means aligned buffers or an error, so it is asked of NFS alone. Refuses to ask the server
more than once in a while which file system a directory is on.
"""

import fcntl
import os
import re
import time
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

_MOUNTS: Final = Path("/proc/self/mountinfo")
_FRESH: Final = 30.0
"""Seconds for which an answer counts: a file system may be mounted over a directory."""
_MOST: Final = 16384
_NOBODY: Final = frozenset({65534, 4294967294})
"""Whom an NFS server takes for root where it squashes root's rights (exports(5))."""

_known: dict[str, tuple[float, int]] = {}
"""By directory: until when the flag counts, and the flag."""


def direct(directory: str | os.PathLike[str]) -> int:
    """Return O_DIRECT where files in this directory are NFS's, else 0; 0 too where nobody can say.

    May hang with the directory, as the open that follows would.
    """
    name = os.fspath(directory)
    now = time.monotonic()
    known = _known.get(name)
    if known is not None and now < known[0]:
        return known[1]
    flag = os.O_DIRECT if file_system(name).startswith("nfs") else 0
    if len(_known) >= _MOST:
        _known.clear()
    _known[name] = (now + _FRESH, flag)
    return flag


def persist(descriptor: int) -> None:
    """Wait until what was written is on the server's disk, or on this host's (fsync(2)). Raises OSError.

    A write with O_DIRECT returns no earlier. To ask once more would wait, where the server is gone, beyond
    the reach of any signal.
    """
    if not fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT:
        os.fsync(descriptor)


def file_system(directory: str | os.PathLike[str]) -> str:
    """Return the type of the file system that holds this directory (``nfs4``, ``ext4``); empty if unknown."""
    found = _rows_of(directory)
    return found[0].kind if found else ""


class Mount(NamedTuple):
    """How one directory is mounted on this host, and how much room there is."""

    point: str
    kind: str
    """``nfs``, ``nfs4``, ``ext4``; as the kernel calls it."""
    options: frozenset[str] = frozenset()
    """Of this mount and of its file system, as proc_pid_mountinfo(5) tells them."""
    free: int | None = None
    """Bytes that a user without rights may still write; None: not known."""
    files: int | None = None
    """Files that may still be made; None where the file system has no limit, or does not tell."""
    squashed: bool = False
    """The directory belongs to nobody, as what root writes does where the server takes root's rights away."""

    @property
    def nfs(self) -> bool:
        """True for any version of NFS."""
        return self.kind.startswith("nfs")

    @property
    def version(self) -> str:
        """The version of NFS, as ``4.2``; empty elsewhere."""
        return self.option("vers") if self.nfs else ""

    def option(self, key: str) -> str:
        """Return the value of ``key=value``; empty where it is not set."""
        return next((each.partition("=")[2] for each in self.options if each.startswith(f"{key}=")), "")


def mount_of(directory: Path) -> Mount | None:
    """Look how a directory is mounted; None: nobody can say. May hang with it."""
    rows = _rows_of(directory)
    if not rows:
        return None
    try:
        room, owner = os.statvfs(directory), directory.stat().st_uid
    except OSError:
        return rows[0]
    files = room.f_favail if room.f_files else None
    return rows[0]._replace(free=room.f_bavail * room.f_frsize, files=files, squashed=owner in _NOBODY)


def _rows_of(directory: str | os.PathLike[str]) -> list[Mount]:
    """Return the mounts of the file system that holds this directory, that which it is reached by first."""
    try:
        real = os.path.realpath(directory)
        device = os.stat(real).st_dev  # noqa: PTH116 - no Path for each look
    except (OSError, ValueError):
        return []
    rows = [row for number, row in _mounted() if number == device]
    return sorted(rows, key=lambda row: (_holds(row.point, real), len(row.point)), reverse=True)


def _holds(point: str, path: str) -> bool:
    return path == point or path.startswith(f"{point.rstrip('/')}/")


def _mounted() -> list[tuple[int, Mount]]:
    """Return each mount, with the number of its device (proc_pid_mountinfo(5))."""
    found = []
    try:
        with _MOUNTS.open("rb") as lines:
            for line in islice(lines, _MOST):
                left, _, right = line.decode("utf-8", "replace").partition(" - ")
                fields, rest = left.split(" "), right.split()
                major, _, minor = fields[2].partition(":") if len(fields) > 5 else ("", "", "")
                if rest and major.isdecimal() and minor.isdecimal():
                    options = frozenset(f"{fields[5]},{rest[-1]}".split(","))
                    row = Mount(_unescaped(fields[4]), rest[0], options)
                    found.append((os.makedev(int(major), int(minor)), row))
    except OSError:
        return []
    return found


def _unescaped(word: str) -> str:
    """Return a name as it is: the kernel writes blanks as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), word)
