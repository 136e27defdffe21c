"""The probe against real sockets on loopback, and against programs that play qping."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shadowd.adapters import asking
from shadowd.adapters.knocking import KNOCK
from shadowd.adapters.probe import TcpProbe
from shadowd.core.values import Host, ProbeOutcome
from tests.lab import processes
from tests.lab.processes import wait_for

HERE = Host("alpha")
LIMIT = 0.4


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


@pytest.fixture
def net() -> Iterator[Net]:
    """Close all sockets afterwards."""
    with ExitStack() as stack:
        yield Net(stack)


def probe(port: int, address: str = "127.0.0.1", timeout: float = LIMIT) -> TcpProbe:
    """Make a probe without qping."""
    return TcpProbe(port, timeout, {HERE: address}, None, {})


def says_ok(client: socket.socket) -> None:
    """Answer whatever comes."""
    client.recv(100)
    client.send(b"ok\n")


def test_a_server_that_speaks_answers(net: Net) -> None:
    """Any byte is a sign of life."""
    outcome, detail = probe(net.server(says_ok), timeout=10).ask(HERE)
    assert outcome is ProbeOutcome.ANSWERS
    assert "127.0.0.1" in detail


def test_a_server_that_closes_answers(net: Net) -> None:
    """So does sge_qmaster to what is no message."""
    assert probe(net.server(lambda _: None), timeout=10).ask(HERE)[0] is ProbeOutcome.ANSWERS


def test_a_server_that_resets_answers(net: Net) -> None:
    """Closing with unread bytes resets the connection: somebody is there."""

    def slam(client: socket.socket) -> None:
        client.recv(1)

    assert probe(net.server(slam), timeout=10).ask(HERE)[0] is ProbeOutcome.ANSWERS


def test_what_is_sent_is_one_frame(net: Net) -> None:
    """The stated length is that of the content: sge_qmaster must not wait for more."""
    heard: list[bytes] = []

    def listen(client: socket.socket) -> None:
        heard.append(client.recv(100))

    probe(net.server(listen), timeout=10).ask(HERE)
    wait_for(lambda: heard, 10, "it was heard")
    head, _, content = KNOCK.partition(b"</gmsh>")
    assert heard == [KNOCK]
    assert head == b"<gmsh><dl>%d</dl>" % len(content)


def test_a_closed_port_refuses(net: Net) -> None:
    """Nobody is there, and the kernel says so."""
    outcome, detail = probe(net.closed_port(), timeout=10).ask(HERE)
    assert outcome is ProbeOutcome.REFUSES
    assert "refused" in detail


def test_an_accepting_but_silent_server_is_silent(net: Net) -> None:
    """The kernel accepts for a process that is frozen."""
    outcome, detail = probe(int(net.listener().getsockname()[1])).ask(HERE)
    assert outcome is ProbeOutcome.SILENT
    assert "no sign of life" in detail


def test_a_full_backlog_is_silent(net: Net) -> None:
    """After some connections the kernel accepts no more for a frozen process."""
    listener = net.listener(backlog=0)
    port = int(listener.getsockname()[1])
    with ExitStack() as stack:
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.settimeout(0)
            client.connect_ex(("127.0.0.1", port))
        outcome, detail = probe(port).ask(HERE)
    assert outcome is ProbeOutcome.SILENT
    assert "does not accept" in detail


def test_a_frozen_process_is_silent_and_a_thawed_one_answers(net: Net) -> None:
    """The same process, stopped and continued."""
    listener = net.listener()
    child = os.fork()
    if not child:
        while True:
            client, _ = listener.accept()
            says_ok(client)
            client.close()
    asked = probe(int(listener.getsockname()[1]), timeout=LIMIT)
    patient = probe(int(listener.getsockname()[1]), timeout=10)
    try:
        assert patient.ask(HERE)[0] is ProbeOutcome.ANSWERS
        os.kill(child, signal.SIGSTOP)
        wait_for(lambda: processes.state(child) == "T", 5, "it is frozen")
        assert asked.ask(HERE)[0] is ProbeOutcome.SILENT
        os.kill(child, signal.SIGCONT)
        assert patient.ask(HERE)[0] is ProbeOutcome.ANSWERS
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_the_liveliest_address_speaks_for_the_host(net: Net) -> None:
    """A host with several addresses answers if one of them does; all share one limit."""
    port = net.server(says_ok, "127.0.0.3")
    silent = net.listener("127.0.0.2", port)
    assert silent

    def ask(*addresses: str) -> ProbeOutcome:
        made = TcpProbe(port, LIMIT, {}, None, {}, resolver=lambda _: list(addresses))
        return made.ask(HERE)[0]

    assert ask("127.0.0.4", "127.0.0.2", "127.0.0.3") is ProbeOutcome.ANSWERS
    assert ask("127.0.0.4", "127.0.0.2") is ProbeOutcome.SILENT
    assert ask("127.0.0.4", "127.0.0.5") is ProbeOutcome.REFUSES
    assert ask("::1", "127.0.0.4") is ProbeOutcome.REFUSES


def test_many_silent_addresses_cost_one_limit(net: Net) -> None:
    """Eight addresses are asked at once."""
    listeners = [net.listener("127.0.0.10")]
    port = int(listeners[0].getsockname()[1])
    addresses = [f"127.0.0.{number}" for number in range(10, 18)]
    listeners += [net.listener(address, port) for address in addresses[1:]]
    began = time.monotonic()
    made = TcpProbe(port, LIMIT, {}, None, {}, resolver=lambda _: addresses)
    assert made.ask(HERE)[0] is ProbeOutcome.SILENT
    assert time.monotonic() - began < 4 * LIMIT


def test_a_name_without_an_address_is_doubt() -> None:
    """The reserved top level ``invalid`` never resolves."""
    outcome, detail = TcpProbe(1, 10, {}, None, {}).ask(Host("nobody.invalid"))
    assert outcome is ProbeOutcome.UNRESOLVABLE
    assert "nobody.invalid" in detail


@pytest.mark.parametrize("name", ["", "a" * 300, "a..b", "\x00", "ä" * 70, "-x"])
def test_what_is_no_name_is_doubt(name: str) -> None:
    """Whatever act_qmaster says, the answer is a value."""
    outcome, _ = TcpProbe(1, 10, {}, None, {}).ask(Host(name or "\n"))
    assert outcome is ProbeOutcome.UNRESOLVABLE


def test_a_resolver_that_hangs_is_doubt_within_the_limit() -> None:
    """The thread is abandoned, and a second question does not start a second one."""
    release = threading.Event()
    asked: list[str] = []

    def hang(name: str) -> list[str]:
        asked.append(name)
        release.wait(30)
        return []

    made = TcpProbe(1, LIMIT, {}, None, {}, resolver=hang)
    try:
        assert made.ask(HERE)[0] is ProbeOutcome.UNRESOLVABLE
        assert made.ask(HERE)[0] is ProbeOutcome.UNRESOLVABLE
        assert asked == ["alpha"]
    finally:
        release.set()


def test_a_resolver_that_recovers_is_asked_again(net: Net) -> None:
    """An abandoned question does not bar the name for ever."""
    release = threading.Event()

    def slow(_: str) -> list[str]:
        release.wait(30)
        return ["127.0.0.1"]

    made = TcpProbe(net.server(says_ok), LIMIT, {}, None, {}, resolver=slow)
    assert made.ask(HERE)[0] is ProbeOutcome.UNRESOLVABLE
    release.set()
    wait_for(lambda: made.ask(HERE)[0] is ProbeOutcome.ANSWERS, 10, "it answers")


def test_what_cannot_be_asked_is_doubt() -> None:
    """A port that does not exist is our mistake, not the master's absence."""
    outcome, detail = probe(70000).ask(HERE)
    assert outcome is ProbeOutcome.UNRESOLVABLE
    assert "could not be asked" in detail


@pytest.fixture
def qping(tmp_path: Path) -> Callable[[str], Path]:
    """Write a shell script in the place of qping."""

    def write(text: str) -> Path:
        path = tmp_path / "qping"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return write


def ask_with(qping: Path, port: int, timeout: float = 10, address: str = "127.0.0.1") -> ProbeOutcome:
    """Ask through this qping."""
    return TcpProbe(port, timeout, {HERE: address}, qping, {"PATH": "/usr/bin:/bin"}).ask(HERE)[0]


def test_qping_is_asked_as_grid_engine_wants(qping: Callable[[str], Path], tmp_path: Path) -> None:
    """The arguments are those of the manual page, the environment is the cell's."""
    program = qping(f'echo "$@" > {tmp_path}/asked; echo "$SGE_CELL" >> {tmp_path}/asked')
    made = TcpProbe(6444, 10, {HERE: "127.0.0.1"}, program, {"PATH": "/bin", "SGE_CELL": "lab"})
    assert made.ask(HERE)[0] is ProbeOutcome.ANSWERS
    assert (tmp_path / "asked").read_text() == "-info 127.0.0.1 6444 qmaster 1\nlab\n"


@pytest.mark.parametrize("words", ["Connection refused", "No route to host", "Network is unreachable"])
def test_qpings_clear_denials_refuse(net: Net, qping: Callable[[str], Path], words: str) -> None:
    """Measured with 8.1.9: the reason stands on its standard error, the status is 1."""
    program = qping(f"echo 'got select error: {words}' >&2; exit 1")
    assert ask_with(program, net.server(says_ok)) is ProbeOutcome.REFUSES


@pytest.mark.parametrize(
    "text",
    [
        'echo "endpoint a/qmaster/1 at port 1: can\'t find connection"; exit 1',
        "echo 'could not resolve hostname 127.0.0.1'; exit 1",
        "echo critical error: unrecoverable error; kill -ABRT $$",
        "exit 127",
        "cat /dev/urandom",
        "exec 0<&- 1<&- 2<&-; sleep 60",
    ],
)
def test_where_qping_is_unclear_tcp_decides(net: Net, qping: Callable[[str], Path], text: str) -> None:
    """A qping that aborts, babbles or hangs neither hides a master nor invents one."""
    assert ask_with(qping(text), net.server(says_ok), timeout=1) is ProbeOutcome.ANSWERS
    assert ask_with(qping(text), net.closed_port(), timeout=1) is ProbeOutcome.REFUSES


def test_without_a_working_qping_tcp_decides(net: Net, tmp_path: Path) -> None:
    """The program may have been removed since the daemon started."""
    assert ask_with(tmp_path / "no_such_qping", net.server(says_ok)) is ProbeOutcome.ANSWERS


def test_a_hanging_qping_is_killed_with_its_children(
    net: Net, qping: Callable[[str], Path], tmp_path: Path
) -> None:
    """The whole process group ends at the limit."""
    program = qping(f"sleep 60 & echo $! > {tmp_path}/pid; wait")
    assert ask_with(program, int(net.listener().getsockname()[1]), timeout=1) is ProbeOutcome.SILENT
    pid = int((tmp_path / "pid").read_text())
    wait_for(lambda: not processes.alive(pid), 10, "the sleeper has ended")


def test_a_programs_answer_is_cut(qping: Callable[[str], Path]) -> None:
    """No more than 16 KiB are read of one that does not stop talking."""
    said = asking.ask((str(qping("yes")),), {"PATH": "/usr/bin:/bin"}, 1)
    assert said is not None
    assert said.status is None
    assert len(said.text) <= 16 * 1024


def test_a_programs_status_and_both_outputs_are_heard(qping: Callable[[str], Path]) -> None:
    """Standard error counts as much as standard output."""
    said = asking.ask((str(qping("echo out; echo err >&2; exit 3")),), {}, 10)
    assert said == asking.Said(3, "out\nerr")
