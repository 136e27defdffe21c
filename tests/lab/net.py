"""Sockets of one test on loopback: they answer, refuse, or accept and stay silent."""

import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack


class Net:
    """Sockets of one test."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def listener(self, address: str = "127.0.0.1", port: int = 0, backlog: int = 5) -> socket.socket:
        """Listen, and accept nothing."""
        made = self._stack.enter_context(socket.socket())
        made.bind((address, port))
        made.listen(backlog)
        return made

    def server(
        self, answer: Callable[[socket.socket], None], address: str = "127.0.0.1", port: int = 0
    ) -> int:
        """Answer connections in a thread; return the port."""
        listener = self.listener(address, port)

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    answer(client)

        threading.Thread(target=serve, daemon=True).start()
        self._stack.callback(listener.shutdown, socket.SHUT_RDWR)
        return int(listener.getsockname()[1])

    def closed_port(self) -> int:
        """Return a port where nobody listens: ours is bound, so nobody else can take it."""
        made = self._stack.enter_context(socket.socket())
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def says_ok(client: socket.socket) -> None:
    """Answer whatever comes."""
    client.recv(100)
    client.send(b"ok\n")
