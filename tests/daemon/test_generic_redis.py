"""A real program in a generic cell: Debian's redis-server, with its data in the shared directory."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.generics import Generic
from tests.daemon.toys import LONG, patiently
from tests.lab import processes

REDIS = shutil.which("redis-server") or ""
CLI = shutil.which("redis-cli") or ""
pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(120),
    pytest.mark.skipif(not (REDIS and CLI), reason="needs the Debian package redis-server"),
]
ADDRESSES = {"alpha": "127.0.0.11", "beta": "127.0.0.12"}


def free_port() -> int:
    """Return a port that both addresses have free."""
    with socket.socket() as probe:
        probe.bind((ADDRESSES["alpha"], 0))
        return int(probe.getsockname()[1])


class Redis:
    """A cell whose master is redis-server."""

    def __init__(self, root: Path) -> None:
        self.port = free_port()
        known = ", ".join(f'{host} = "{address}"' for host, address in ADDRESSES.items())
        self.cell = Generic(
            root,
            command=self.command,
            more=(
                f'[cell.health]\ncommand = ["{root}/well-{{host}}"]\ninterval = 0.5\ntimeout = 2\n'
                f"[cell.probe]\nport = {self.port}\naddresses = {{ {known} }}\n"
                'send = "PING\\r\\n"\nexpect = "+PONG"\n'
            ),
        ).create()
        (self.cell.shared / "data").mkdir()

    def command(self, host: str) -> tuple[str, ...]:
        """Return a host's command, and leave its health command outside its home: it is no master."""
        home = self.cell.root / host
        well = self.cell.root / f"well-{host}"
        well.write_text(f'#!/bin/sh\n[ "$({CLI} -h {ADDRESSES[host]} -p {self.port} ping)" = PONG ]\n')
        well.chmod(0o755)
        options = {
            "bind": ADDRESSES[host],
            "port": str(self.port),
            "dir": str(self.cell.shared / "data"),
            "appendonly": "yes",
            "appendfsync": "always",
            "pidfile": f"{home}/redis.pid",
            "set-proc-title": "no",
        }
        return (REDIS, *(word for key, value in options.items() for word in (f"--{key}", value)))

    def ask(self, host: str, *words: str) -> str:
        """Ask the server of a host."""
        argv = (CLI, "-h", ADDRESSES[host], "-p", str(self.port), *words)
        return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=20).stdout.strip()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """Give a cell whose server does not run yet."""
    made = Redis(tmp_path / "cell")
    yield made
    made.cell.close()


def test_a_killed_server_is_replaced_with_its_data(redis: Redis) -> None:
    """Started again where it was; then its host is gone, and the other one has every key."""
    cell = redis.cell
    cell.begin("alpha")
    assert redis.ask("alpha", "set", "answer", "42") == "OK"
    (first,) = cell.masters("alpha")
    processes.kill([first])
    patiently(lambda: cell.masters("alpha") not in ([], [first]), LONG, "a second server", cell.story)
    patiently(lambda: redis.ask("alpha", "get", "answer") == "42", LONG, "its data", cell.story)
    assert redis.ask("alpha", "incr", "answer") == "43"
    processes.kill(cell.all_of("alpha"))
    cell.wait_master("beta")
    assert redis.ask("beta", "get", "answer") == "43"
    assert cell.masters("alpha") == []


def test_a_server_that_hangs_is_replaced(redis: Redis) -> None:
    """Its process lives and answers nobody: the health command notices, and the guard ends it."""
    cell = redis.cell
    cell.begin("alpha")
    assert redis.ask("alpha", "set", "answer", "42") == "OK"
    (hung,) = cell.masters("alpha")
    os.kill(hung, signal.SIGSTOP)
    cell.wait_master("beta")
    assert not processes.alive(hung)
    assert redis.ask("beta", "get", "answer") == "42"


def test_stopped_in_order_and_started_on_the_other_host(redis: Redis) -> None:
    """SIGTERM lets it write all it has; the other host begins where it ended."""
    cell = redis.cell
    cell.begin("alpha")
    assert redis.ask("alpha", "set", "answer", "42") == "OK"
    assert cell.daemons["alpha"].verb("stop", "single").returncode == 0
    assert cell.masters() == []
    cell.start("beta")
    assert redis.ask("beta", "get", "answer") == "42"


def test_a_server_that_answers_is_not_replaced(redis: Redis) -> None:
    """Guard and enforcer are gone and nobody beats for it: the probe finds it, and no second one starts."""
    cell = redis.cell
    cell.begin("alpha")
    cell.daemons["alpha"].kill()
    processes.kill(cell.enforcers("alpha"))
    cell.daemons["beta"].wait_told("heartbeat.stuck")
    assert cell.masters("beta") == []
    assert len(cell.masters("alpha")) == 1
    cell.serve_again("alpha")
    patiently(lambda: len(cell.masters()) == 1 and cell.named() != "", LONG, "one server", cell.story)
