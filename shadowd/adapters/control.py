"""The local socket by which a verb asks the running daemon: one JSON line in, one JSON line out.

Only root and the daemon's own user may ask (SO_PEERCRED); requests are small, bounded in time, and served
one after the other on a thread of their own, so that a client that stalls delays nobody but clients. The
socket bears the daemon's pid: daemons of several cells share a directory. What one that crashed left behind
is swept by the next.

Refuses to be a reason for the daemon's end: a client can send what it wants.
"""

import contextlib
import json
import os
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from shadowd.errors import ControlError

_LONGEST = 4096
_PATIENCE = 2.0
_NAME = re.compile(r"control-([0-9]{1,10})\.sock")
_MOST_SWEPT = 100

Request = dict[str, Any]


class ControlServer:
    """Listens on ``control-<pid>.sock``; ``answer`` is called on this server's thread."""

    def __init__(self, directory: Path, answer: Callable[[Request, str], Request]) -> None:
        self._path = socket_path(directory, os.getpid())
        self._answer = answer
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        _sweep(directory)
        try:
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()  # of a process that had our pid before us
            with _short(self._path) as name:
                self._socket.bind(name)
            self._path.chmod(0o600)
        except OSError as error:
            self._socket.close()
            remedy = "set runtime_dir to a local directory that may be written"
            raise ControlError(
                str(self._path), f"cannot be bound: {error.strerror or error}", remedy
            ) from None
        self._socket.listen(8)
        threading.Thread(target=self._serve, name="shadowd-control", daemon=True).start()

    def close(self) -> None:
        """Take the socket away; who asks after this is told that no daemon answers."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                time.sleep(0.5)  # out of descriptors, say: that passes
                continue
            # RecursionError: what JSON nested a thousand deep ends in.
            with connection, contextlib.suppress(OSError, ValueError, RecursionError):
                connection.settimeout(_PATIENCE)
                self._serve_one(connection)

    def _serve_one(self, connection: socket.socket) -> None:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid, uid, _ = struct.unpack("3i", credentials)
        # Read in any case: who is refused before it has spoken hears of a broken pipe and not why.
        line = _read_line(connection)
        if uid not in {0, os.getuid()}:
            reply: Request = {"error": f"uid {uid} may not ask"}
        else:
            request = json.loads(line)
            reply = (
                self._answer(request, f"uid {uid}, pid {pid}")
                if isinstance(request, dict)
                else {"error": "a request is a JSON object"}
            )
        connection.sendall(json.dumps(reply).encode() + b"\n")


def socket_path(directory: Path, pid: int) -> Path:
    """Return where the daemon of this pid listens."""
    return directory / f"control-{pid}.sock"


def ask(path: Path, request: Request) -> Request:
    """Ask the daemon that listens at this path; raises ControlError when there is none or it balks."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
        connection.settimeout(2 * _PATIENCE)
        try:
            with _short(path) as name:
                connection.connect(name)
            connection.sendall(json.dumps(request).encode() + b"\n")
            reply = json.loads(_read_line(connection))
        except PermissionError as error:
            remedy = "ask as root or as the daemon's own user"
            raise ControlError(str(path), f"may not be asked ({error.strerror})", remedy) from None
        except (OSError, ValueError, RecursionError) as error:
            reason = f"no daemon answers ({error})"
            raise ControlError(str(path), reason, "start it with `shadowd run`, then ask again") from None
    if not isinstance(reply, dict):
        raise ControlError(str(path), "the answer is no JSON object", "are verb and daemon of one version?")
    if "error" in reply:
        raise ControlError(str(path), f"refused: {reply['error']}", "see `shadowd status`")
    return reply


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """Give a name for the socket that is short whatever its path: one may have 107 bytes (unix(7))."""
    descriptor = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{path.name}"
    finally:
        os.close(descriptor)


def _sweep(directory: Path) -> None:
    """Remove the sockets of processes that are gone."""
    with contextlib.suppress(OSError):
        found = [(path, _NAME.fullmatch(path.name)) for path in directory.iterdir()]
        gone = [path for path, match in found if match and not Path(f"/proc/{match[1]}").exists()]
        for path in gone[:_MOST_SWEPT]:
            path.unlink(missing_ok=True)


def _read_line(connection: socket.socket) -> bytes:
    """Read up to a line end, ``_LONGEST`` bytes or the end of patience, whatever comes first."""
    data = b""
    ends = time.monotonic() + _PATIENCE
    while not data.endswith(b"\n") and len(data) < _LONGEST and time.monotonic() < ends:
        more = connection.recv(_LONGEST)
        if not more:
            break
        data += more
    return data
