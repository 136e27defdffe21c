"""The local socket by which a verb asks the running daemon: one JSON line in, one JSON line out.

Only root and the daemon's own user may ask (SO_PEERCRED). One thread serves all clients at once: each has
its own deadline, their number is bounded, and the one that waits longest gives way to the next. So a client
that sends nothing, or half a line, delays nobody. The socket bears the daemon's pid: daemons of several cells
share a directory. What one that crashed left behind is swept by the next.

Refuses to be a reason for the daemon's end: a client can send what it wants.
"""

import contextlib
import json
import os
import re
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shadowd.errors import ControlError

_LONGEST = 4096
_PATIENCE = 2.0
_MOST_CLIENTS = 32
_REST = 0.5
_NAME = re.compile(r"control-([0-9]{1,10})\.sock")
_MOST_SWEPT = 100

Request = dict[str, Any]


@dataclass(slots=True, eq=False)
class _Client:
    """One connection whose request is not complete yet."""

    connection: socket.socket
    ends: float
    """On the monotonic clock; it is closed then."""
    uid: int
    pid: int
    heard: bytearray = field(default_factory=bytearray)


class ControlServer:
    """Listens on ``control-<pid>.sock``; ``answer`` is called on this server's thread."""

    def __init__(self, directory: Path, answer: Callable[[Request, str], Request]) -> None:
        self._path = socket_path(directory, os.getpid())
        self._answer = answer
        self._clients: dict[int, _Client] = {}
        kind = socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_UNIX, kind)
        _sweep(directory)
        try:
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()  # of a process that had our pid before us
            os.fchmod(self._socket.fileno(), 0o600)  # before the bind, so that nobody else ever gets in
            with _short(self._path) as name:
                self._socket.bind(name)
        except OSError as error:
            self._socket.close()
            remedy = "set runtime_dir to a local directory that may be written"
            raise ControlError(
                str(self._path), f"cannot be bound: {error.strerror or error}", remedy
            ) from None
        self._socket.listen(_MOST_CLIENTS)
        threading.Thread(target=self._serve, name="shadowd-control", daemon=True).start()

    def close(self) -> None:
        """Take the socket away; who asks after this is told that no daemon answers."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _serve(self) -> None:
        while True:
            try:
                self._turn()
            except Exception:  # noqa: BLE001 - out of descriptors or memory, say: that passes
                time.sleep(_REST)

    def _turn(self) -> None:
        """Wait for the next client, word or deadline, and deal with it."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        for descriptor in self._clients:
            poll.register(descriptor, select.POLLIN)
        ends = min((client.ends for client in self._clients.values()), default=None)
        wait = None if ends is None else max(0.0, ends - time.monotonic()) * 1000 + 1
        ready = [descriptor for descriptor, _ in poll.poll(wait)]
        for descriptor in ready:
            if descriptor == self._socket.fileno():
                self._accept()
            elif descriptor in self._clients:
                self._hear(self._clients[descriptor])
        now = time.monotonic()
        for client in [client for client in self._clients.values() if now >= client.ends]:
            self._drop(client)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            connection, _ = self._socket.accept()
            connection.settimeout(0)
            size = struct.calcsize("3i")
            pid, uid, _ = struct.unpack(
                "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
            )
            if len(self._clients) >= _MOST_CLIENTS:
                self._drop(min(self._clients.values(), key=lambda client: client.ends))
            ends = time.monotonic() + _PATIENCE
            self._clients[connection.fileno()] = _Client(connection, ends, uid, pid)

    def _hear(self, client: _Client) -> None:
        """Read what is there; answer when the line is complete, or never will be."""
        try:
            part = client.connection.recv(_LONGEST)
        except BlockingIOError:
            return
        except OSError:
            self._drop(client)
            return
        client.heard += part
        # Read in any case: who is refused before it has spoken hears of a broken pipe and not why.
        if part and not part.endswith(b"\n") and len(client.heard) < _LONGEST:
            return
        try:
            with contextlib.suppress(OSError):
                client.connection.send(self._reply(client))
        finally:
            self._drop(client)

    def _reply(self, client: _Client) -> bytes:
        """Return one line, whatever is asked: the next client is to be served too."""
        try:
            reply = self._dealt_with(client)
            return json.dumps(reply).encode() + b"\n"
        except Exception as error:  # noqa: BLE001 - see above
            reply = {"error": f"this daemon cannot answer that: {type(error).__name__}"}
            return json.dumps(reply).encode() + b"\n"

    def _dealt_with(self, client: _Client) -> Request:
        if client.uid not in {0, os.getuid()}:
            return {"error": f"uid {client.uid} may not ask"}
        try:
            request = json.loads(client.heard)
        except (ValueError, RecursionError):
            return {"error": "a request is one line of JSON"}
        if not isinstance(request, dict):
            return {"error": "a request is a JSON object"}
        return self._answer(request, f"uid {client.uid}, pid {client.pid}")

    def _drop(self, client: _Client) -> None:
        self._clients.pop(client.connection.fileno(), None)
        client.connection.close()


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
