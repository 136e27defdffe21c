"""The local socket by which a verb asks the running daemon: one JSON line in, one JSON line out.

Only root and the daemon's own user may ask (SO_PEERCRED); requests are small, bounded in time, and served
one after the other on a thread of their own, so that a client that stalls delays nobody but clients.
"""

import contextlib
import json
import os
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shadowd.errors import ControlError

_LONGEST = 4096
_PATIENCE = 2.0

Request = dict[str, Any]


class ControlServer:
    """Listens on the socket; ``answer`` is called on this server's thread."""

    def __init__(self, path: Path, answer: Callable[[Request, str], Request]) -> None:
        self._path = path
        self._answer = answer
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()  # the instance lock says that nobody else listens
        try:
            self._socket.bind(str(path))
        except OSError as error:
            remedy = "set runtime_dir to a short path (a socket's name has at most 107 bytes)"
            raise ControlError(str(path), f"cannot be bound: {error.strerror or error}", remedy) from None
        path.chmod(0o600)
        self._socket.listen(8)
        threading.Thread(target=self._serve, name="shadowd-control", daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError, ValueError):
                connection.settimeout(_PATIENCE)
                self._serve_one(connection)

    def _serve_one(self, connection: socket.socket) -> None:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid, uid, _ = struct.unpack("3i", credentials)
        if uid not in {0, os.getuid()}:
            reply: Request = {"error": f"uid {uid} may not ask"}
        else:
            request = json.loads(_read_line(connection))
            reply = (
                self._answer(request, f"uid {uid}, pid {pid}")
                if isinstance(request, dict)
                else {"error": "a request is a JSON object"}
            )
        connection.sendall(json.dumps(reply).encode() + b"\n")


def ask(path: Path, request: Request) -> Request:
    """Ask the daemon that listens at this path; raises ControlError when there is none or it balks."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
        connection.settimeout(2 * _PATIENCE)
        try:
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            reply = json.loads(_read_line(connection))
        except (OSError, ValueError) as error:
            reason = f"no daemon answers ({error})"
            raise ControlError(str(path), reason, "start it with `shadowd run`, then ask again") from None
    if not isinstance(reply, dict) or "error" in reply:
        raise ControlError(str(path), f"refused: {reply}", "ask as root or as the daemon's own user")
    return reply


def _read_line(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n") and len(data) < _LONGEST:
        more = connection.recv(_LONGEST)
        if not more:
            break
        data += more
    return data
