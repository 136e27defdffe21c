"""Who listens on a TCP port of this host: a user whose programs are no masters keeps a master from starting.

Any user may bind a port above 1023 that nobody holds, also that of a master that ran here, or would run here
after a takeover. The kernel tells the user of each listening socket (``/proc/net/tcp``, proc(5)); measured:
the socket of sge_qmaster 8.1.9, which becomes the admin user later, is root's. Refuses to look for processes,
of which anybody can have many: the user is who has to be asked.
"""

import contextlib
import pwd
from collections.abc import Collection, Iterator
from pathlib import Path

_TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
_LISTENS = "0A"
_MOST = 10_000
"""Listening sockets; the kernel lists them before all others."""


def port_holder(port: int, users: Collection[int], tables: Collection[Path] = _TABLES) -> str:
    """Return which user listens on this port besides these (by uid); empty: none, as far as can be seen."""
    strangers = [uid for uid in listeners(port, tables) if uid not in users]
    return name_of(strangers[0]) if strangers else ""


def listeners(port: int, tables: Collection[Path] = _TABLES) -> Iterator[int]:
    """Yield the user of each socket that listens on this port; never raises."""
    for table in tables:
        with contextlib.suppress(OSError, ValueError, IndexError), table.open(encoding="ascii") as lines:
            next(lines, None)  # the heading
            for line, _ in zip(lines, range(_MOST), strict=False):
                words = line.split(maxsplit=8)
                if words[3] != _LISTENS:
                    break
                if int(words[1].rpartition(":")[2], 16) == port:
                    yield int(words[7])


def name_of(uid: int) -> str:
    """Return how people know a user."""
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
