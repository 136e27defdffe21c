"""Whole daemons, and local users who want to harm them: nobody outside the cell has a say."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.daemon.toys import SLOW, Daemon, Toys, verb

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

HOLD = """
file = open(sys.argv[1])
fcntl.flock(file, fcntl.LOCK_EX)
print("ready", flush=True)
signal.pause()
"""


def control_socket(daemon: Daemon) -> Path:
    """Return where a daemon is asked."""
    return daemon.home / f"run/control-{daemon.pid}.sock"


def send(daemon: Daemon, data: bytes) -> bytes:
    """Send one line to a daemon and return its answer."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(control_socket(daemon)))
        client.sendall(data + b"\n")
        return client.recv(4096)


@contextmanager
def stranger(program: str, *words: object) -> Iterator["subprocess.Popen[str]"]:
    """Run a program of Python as nobody, from the moment when it says that it is ready."""
    become = "import fcntl, os, signal, sys\nos.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
    argv = [sys.executable, "-I", "-S", "-c", become + program, *map(str, words)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def test_no_request_ends_the_control_thread(toys: Toys) -> None:
    """Words that are no text, a cell that is a list, terminal sequences; the next verb is answered."""
    toys.start_master("alpha")
    beta = toys.serve("beta", **SLOW)
    for request in (
        b'{"do":[]}',
        b'{"do":{}}',
        b'{"do":"takeover","cell":[]}',
        b'{"do":"takeover","cell":{"a":1}}',
    ):
        assert b'"error"' in send(beta, request)
    ours = b'{"do":"takeover","cell":"demo","by":"\\u001b]0;pwned\\u0007\\ud800"}'
    assert send(beta, ours) == b'{"done": "asked"}\n'
    (told, *_) = beta.wait_told("takeover.asked", reason="asked")
    assert str(told["detail"]).isprintable()
    assert beta.verb("takeover", "demo").returncode != 75, "a daemon answers"


def test_half_open_connections_delay_no_verb(toys: Toys) -> None:
    """More of them than are served at once, none of which says anything."""
    toys.start_master("alpha")
    beta = toys.serve("beta", **SLOW)
    with ExitStack() as stack:
        for _ in range(60):
            stalled = stack.enter_context(socket.socket(socket.AF_UNIX))
            stalled.connect(str(control_socket(beta)))
        assert b'"error"' in send(beta, b"{}")


def test_the_instance_lock_is_nobody_elses_to_hold(toys: Toys) -> None:
    """It cannot be opened by others, whatever the umask and an earlier release left."""
    toys.start_master("alpha")
    run = toys.cell.home("beta") / "run"
    run.mkdir(parents=True)
    lock = run / "demo@beta.lock"
    lock.touch()
    lock.chmod(0o666)
    toys.serve("beta")
    assert lock.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_a_lock_that_a_stranger_holds_keeps_no_daemon_out(toys: Toys) -> None:
    """Held since the days when everybody could open it."""
    toys.start_master("alpha")
    run = toys.cell.home("beta") / "run"
    run.mkdir(parents=True)
    lock = run / "demo@beta.lock"
    lock.touch()
    lock.chmod(0o666)
    for directory in (*reversed(run.relative_to("/tmp").parents), run.relative_to("/tmp")):
        (Path("/tmp") / directory).chmod(0o1777 if directory == Path() else 0o755)
    with stranger(HOLD, lock):
        toys.serve("beta")
    assert lock.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only a daemon of root refuses")
def test_a_configuration_that_others_may_write_is_refused(toys: Toys) -> None:
    """By a start, by a reload, and by `config check`: it names commands that root would run."""
    toys.start_master("alpha")
    beta = toys.serve("beta", **SLOW)
    file = beta.home / "shadowd.toml"
    file.chmod(0o666)
    beta.process.send_signal(signal.SIGHUP)
    (told,) = beta.wait_told("daemon.reload_failed")
    assert "everybody may write this file" in told["detail"]
    checked = verb("config", "check", "--config", file)
    assert checked.returncode == 78
    beta.kill()
    again = beta.verb("run", timeout=60)
    assert again.returncode == 78
    assert f"hint: chmod o-w {file}" in again.stderr
    file.chmod(0o644)
    os.chown(file, 65534, -1)
    assert "belongs to uid 65534" in beta.verb("run", timeout=60).stderr
