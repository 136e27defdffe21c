"""Sockets of one test on loopback: they answer, refuse, or accept and stay silent."""

import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack

CONNECTED = (
    b'<gmsh><dl>162</dl></gmsh><crm version="0.3"><cs condition="connected">ok</cs>'
    b'<rdata host="alpha" comp="qping" id="2"></rdata>'
    b"<params>gdi_timeout=60:gdi_retries=0:cl_ping=false</params></crm>"
    b'<gmsh><dl>99</dl></gmsh><mih version="0.1"><mid>1</mid><dl>27</dl><df>ccrm</df><mat>nak</mat>'
    b'<tag>0</tag><rid>0</rid></mih><ccrm version="0.1"></ccrm>'
)
"""As it came from sge_qmaster 8.1.9."""


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


def hangs_up(client: socket.socket) -> None:
    """Do what pbs_server does with a Disconnect request: read it, and let the caller close in order."""
    client.recv(4096)


def greets(client: socket.socket) -> None:
    """Answer a greeting as sge_qmaster 8.1.9 does, farewell included."""
    if b"<cm version=" in client.recv(4096):
        client.sendall(CONNECTED)


def shuts(client: socket.socket) -> None:
    """Read, and close without a word: what any stranger can do."""
    client.recv(4096)
