"""The server that answered last, remembered on this host: asked first the next time, and never believed.

A hint worth one stagger, so it may be lost at any time and nothing may go wrong by it. It lies where local
state belongs (the runtime directory of the system or of the login session), not in the home directory,
which hangs with the file server just when a server has to be found. One small file a list. Refuses to use
a directory of somebody else, to follow a link, and to complain.
"""

import os
import stat
from binascii import crc32
from collections.abc import Mapping
from contextlib import suppress

from shadowd.client.servers import Server, parse_servers
from shadowd.client.sources import ServerList
from shadowd.errors import ConfigError

_LIMIT = 512


class LastGood:
    """Remembers for one user of one host."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Choose the place; without one nothing is remembered."""
        session = environ.get("XDG_RUNTIME_DIR", "")
        root = os.geteuid() == 0
        place = "/run/shadowd" if root else f"{session}/shadowd" if session.startswith("/") else ""
        chosen = environ.get("SHADOWD_RUNTIME_DIR") or place
        self._directory = chosen if chosen.startswith("/") else ""

    def recall(self, servers: ServerList) -> Server | None:
        """Return the remembered server, if it is still in the list."""
        if not self._directory:
            return None
        try:
            descriptor = os.open(self._file(servers), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        except (OSError, ValueError):
            return None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            (server,) = parse_servers(os.read(descriptor, _LIMIT), "")
        except (OSError, ValueError, ConfigError):
            return None
        finally:
            os.close(descriptor)
        return server if server in servers.servers else None

    def keep(self, servers: ServerList, server: Server) -> None:
        """Remember a server, unless there is no choice; what goes wrong is nobody's loss."""
        if len(servers.servers) == 1 or self.recall(servers) == server or not self._own():
            return
        file = self._file(servers)
        new = f"{file}.{os.getpid()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        try:
            descriptor = os.open(new, flags, 0o600)
            with os.fdopen(descriptor, "w") as stream:
                stream.write(f"{server}\n")
            os.rename(new, file)  # noqa: PTH104 - pathlib would cost a call more than all of this
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.unlink(new)  # noqa: PTH108 - likewise

    def _file(self, servers: ServerList) -> str:
        key = crc32("\n".join([servers.protocol.kind, *map(str, servers.servers)]).encode())
        return f"{self._directory}/located-{key:08x}"

    def _own(self) -> bool:
        """Tell whether the directory is there and nobody else's, after an attempt to make it."""
        if not self._directory:
            return False
        try:
            if not os.path.isdir(self._directory):  # noqa: PTH112 - likewise
                os.mkdir(self._directory, 0o755 if os.geteuid() == 0 else 0o700)  # noqa: PTH102 - likewise
            found = os.lstat(self._directory)
        except (OSError, ValueError):
            return False
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
