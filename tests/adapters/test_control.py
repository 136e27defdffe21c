"""The local socket by which a verb asks the daemon."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shadowd.adapters import control
from shadowd.adapters.control import ControlServer, ask, socket_path
from shadowd.errors import ControlError


class Daemon:
    """A server that remembers what it was asked."""

    def __init__(self, directory: Path) -> None:
        self.asked: list[tuple[dict[str, Any], str]] = []
        self.reply: dict[str, Any] = {"done": "asked"}
        self.server = ControlServer(directory, self._answer)
        self.path = socket_path(directory, os.getpid())

    def _answer(self, request: dict[str, Any], who: str) -> dict[str, Any]:
        self.asked.append((request, who))
        return self.reply


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Give a daemon that listens."""
    made = Daemon(tmp_path)
    yield made
    made.server.close()


def raw(path: Path, data: bytes) -> bytes:
    """Send bytes and return what comes back."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return client.recv(4096)


def test_a_request_is_answered_and_its_sender_known(daemon: Daemon) -> None:
    """The answer comes back, and the daemon is told who asked."""
    assert ask(daemon.path, {"do": "takeover", "cell": "demo"}) == {"done": "asked"}
    ((request, who),) = daemon.asked
    assert request == {"do": "takeover", "cell": "demo"}
    assert who == f"uid {os.getuid()}, pid {os.getpid()}"


def test_a_refusal_is_an_error_with_the_daemons_words(daemon: Daemon) -> None:
    """What the daemon says against it is what the verb prints."""
    daemon.reply = {"error": "this daemon does not serve a cell 'x'"}
    with pytest.raises(ControlError, match="does not serve a cell 'x'"):
        ask(daemon.path, {"do": "takeover"})


def test_where_nobody_listens_the_error_names_the_socket(tmp_path: Path) -> None:
    """No socket, a dead one, a file in its place: one error, and what to do."""
    path = socket_path(tmp_path, 1)
    for make in (lambda: None, path.touch, lambda: (path.unlink(), path.mkdir())):
        make()
        with pytest.raises(ControlError, match="no daemon answers") as refused:
            ask(path, {})
        assert refused.value.subject == str(path)
    with pytest.raises(ControlError, match="no daemon answers"):
        ask(tmp_path / "missing" / "control-1.sock", {})


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\n",
        b"hello\n",
        b"\0\xff\xfe\n",
        b"[" * 4000 + b"\n",
        b'{"a":' * 800 + b"\n",
        b"x" * 100_000,
        b"1e999999\n",
        b'{"do": "takeover"',
    ],
)
def test_garbage_ends_one_connection_and_nothing_else(daemon: Daemon, garbage: bytes) -> None:
    """Whatever one client sends, the next is served."""
    with contextlib.suppress(ConnectionError):
        raw(daemon.path, garbage)
    assert ask(daemon.path, {"do": "x"}) == {"done": "asked"}


def test_what_is_no_object_is_told_so(daemon: Daemon) -> None:
    """A list is JSON and no request."""
    assert json.loads(raw(daemon.path, b"[1]\n")) == {"error": "a request is a JSON object"}
    assert daemon.asked == []


@pytest.mark.timeout(60)
def test_clients_that_stall_delay_nobody(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent or with half a line, and more of them than are served at once: the next verb is answered."""
    monkeypatch.setattr(control, "_PATIENCE", 3600)
    with contextlib.ExitStack() as stack:
        for number in range(3 * control._MOST_CLIENTS):
            stalled = stack.enter_context(socket.socket(socket.AF_UNIX))
            stalled.connect(str(daemon.path))
            stalled.sendall(b"{" * (number % 3))
        assert ask(daemon.path, {"do": "x"}) == {"done": "asked"}


@pytest.mark.timeout(60)
def test_a_client_that_stalls_is_let_go(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is closed at its deadline, although nothing else happens."""
    monkeypatch.setattr(control, "_PATIENCE", 0.3)
    with socket.socket(socket.AF_UNIX) as stalled:
        stalled.connect(str(daemon.path))
        stalled.settimeout(30)
        assert stalled.recv(1) == b""


def test_an_answer_that_fails_is_told_and_the_next_is_served(daemon: Daemon) -> None:
    """A request that the daemon trips over is no end of its thread."""
    daemon.reply = {"unserialisable": object()}
    with pytest.raises(ControlError):
        ask(daemon.path, {"do": []})
    daemon.reply = {"done": "asked"}
    assert ask(daemon.path, {"do": "x"}) == {"done": "asked"}


def test_a_daemon_that_says_nonsense_is_reported(tmp_path: Path) -> None:
    """Another program on the socket, or another version: an error, no traceback."""
    path = tmp_path / "control-1.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        for answer in (b"hello\n", b"[]\n", b"[" * 4000 + b"\n", b""):
            asking = threading.Thread(target=lambda a=answer: _serve(listener, a))  # type: ignore[misc]
            asking.start()
            with pytest.raises(ControlError):
                ask(path, {})
            asking.join(10)


def _serve(listener: socket.socket, answer: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(answer)


def test_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    """A socket's name has 107 bytes at most, a directory's need not."""
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    made = Daemon(deep)
    assert ask(made.path, {"do": "x"}) == {"done": "asked"}
    made.server.close()
    assert not made.path.exists()


def test_only_the_owner_may_connect(daemon: Daemon) -> None:
    """The file's mode keeps others out before they are asked who they are."""
    assert daemon.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.real
def test_another_user_is_refused(tmp_path: Path) -> None:
    """Who is neither root nor the daemon's user gets nothing done, even with the mode opened."""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent != Path("/tmp") and parent.is_relative_to("/tmp"):
            parent.chmod(0o755)
    made = Daemon(tmp_path)
    script = (
        "import os, sys; from pathlib import Path\n"
        "from shadowd.adapters.control import ask\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: ask(Path(sys.argv[1]), {'do': 'x'})\n"
        "except Exception as error: print(error)\n"
    )

    def refused() -> str:
        command = [sys.executable, "-c", script, str(made.path)]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout

    assert "may not be asked" in refused()
    made.path.chmod(0o666)
    assert "uid 65534 may not ask" in refused()
    assert made.asked == []
    made.server.close()


def test_sockets_of_the_dead_are_swept(tmp_path: Path) -> None:
    """What crashed daemons left goes at the next start; a living one's stays, and so does all else."""
    sleeper = subprocess.Popen(["/bin/sleep", "60"])
    dead = subprocess.Popen(["/bin/true"])
    dead.wait(10)
    kept = [socket_path(tmp_path, sleeper.pid), tmp_path / "control-x.sock", tmp_path / "demo@beta.lock"]
    for path in (*kept, socket_path(tmp_path, dead.pid)):
        path.touch()
    made = Daemon(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([*kept, made.path])
    made.server.close()
    sleeper.kill()
    sleeper.wait(10)


def test_a_directory_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    """No socket can be made: the error names it and the key to change."""
    with pytest.raises(ControlError, match="cannot be bound") as refused:
        ControlServer(tmp_path / "missing", lambda request, _: request)
    assert "runtime_dir" in refused.value.remedy
