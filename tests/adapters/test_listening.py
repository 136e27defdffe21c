"""Who listens on a port of this host: sockets of real processes."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shadowd.adapters.listening import held_by

LISTEN = """
import socket, sys
family = getattr(socket, sys.argv[1])
found = socket.create_server(("", 0), family=family, dualstack_ipv6=family == socket.AF_INET6)
print(found.getsockname()[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def listener(family: str = "AF_INET") -> Iterator[tuple[int, int]]:
    """Run a process that listens; give its pid and port."""
    argv = [sys.executable, "-c", LISTEN, family]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())
        process.kill()


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6"])
def test_whoever_listens_holds_the_port(family: str) -> None:
    """The process itself, and nobody else; among several it is enough that one does."""
    with listener(family) as (pid, port):
        assert held_by(port, [pid]) is True
        assert held_by(port, [os.getpid(), pid]) is True
        assert held_by(port, [os.getpid()]) is False
        assert held_by(port, []) is False


def test_a_port_that_nobody_listens_on_tells_nothing() -> None:
    """Not even one with a socket bound to it, or a client's end."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert held_by(bound.getsockname()[1], [os.getpid()]) is None
    with listener() as (_pid, port), socket.create_connection(("127.0.0.1", port)) as client:
        assert held_by(client.getsockname()[1], [os.getpid()]) is None


def test_a_process_that_has_ended_listens_on_nothing() -> None:
    """Its number may be in a list that is a moment old."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    with listener() as (_pid, port):
        assert held_by(port, [process.pid]) is False


def test_what_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    """No table, one of garbage, descriptors that may not be looked at, and one that was closed meanwhile."""
    assert held_by(1, [1], tmp_path) is None
    net = tmp_path / "self" / "net"
    net.mkdir(parents=True)
    lines = ("sl local", " 0: x 0 0A", " 1: 00:0007 0 0A 0 0 0 0 0 77", " 2: 00:0007 0 01 0 0 0 0 0 78")
    (net / "tcp").write_text("\n".join(lines))
    assert held_by(7, [], tmp_path) is False
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "fd").touch()
    assert held_by(7, [1], tmp_path) is None
    (tmp_path / "2" / "fd").mkdir(parents=True)
    (tmp_path / "2" / "fd" / "3").symlink_to("socket:[77]")
    (tmp_path / "2" / "fd" / "4").symlink_to("/dev/null")
    assert held_by(7, [2], tmp_path) is True
