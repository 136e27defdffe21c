"""Which directories lie on NFS, and how the small shared files in them are opened there.

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
import time
from itertools import islice
from pathlib import Path
from typing import Final

_MOUNTS: Final = Path("/proc/self/mountinfo")
_FRESH: Final = 30.0
"""Seconds for which an answer counts: a file system may be mounted over a directory."""
_MOST: Final = 16384

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
    try:
        device = os.stat(directory).st_dev  # noqa: PTH116 - no Path for each look
    except (OSError, ValueError):
        return ""
    return _mounted().get(device, "")


def _mounted() -> dict[int, str]:
    """Return the type of each mounted file system by its device number (proc_pid_mountinfo(5))."""
    found: dict[int, str] = {}
    try:
        with _MOUNTS.open("rb") as lines:
            for line in islice(lines, _MOST):
                words, _, rest = line.partition(b" - ")
                fields, kind = words.split(), rest.split(maxsplit=1)
                major, _, minor = fields[2].partition(b":") if len(fields) > 2 else (b"", b"", b"")
                if kind and major.isdigit() and minor.isdigit():
                    found[os.makedev(int(major), int(minor))] = kind[0].decode("ascii", "replace")
    except OSError:
        return {}
    return found
