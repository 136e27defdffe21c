"""The probe with programs that play qping, and how a program is asked."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shadowd.adapters import asking
from shadowd.adapters.calling import Question
from shadowd.adapters.probe import TcpProbe
from shadowd.adapters.questions import greeting
from shadowd.core.values import Host, ProbeOutcome
from tests.adapters.test_probe import at
from tests.lab import processes
from tests.lab.net import Net, greets, says_ok, shuts
from tests.lab.processes import wait_for

HERE = Host("alpha")


@pytest.fixture
def qping(tmp_path: Path) -> Callable[[str], Path]:
    """Write a shell script in the place of qping."""

    def write(text: str) -> Path:
        path = tmp_path / "qping"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return write


def greet(host: str) -> Question:
    """Return what a Grid Engine master is asked."""
    return greeting(host, "beta")


def ask_with(qping: Path, port: int, timeout: float = 10, address: str = "127.0.0.1") -> ProbeOutcome:
    """Ask through this qping."""
    made = TcpProbe(port, timeout, at({HERE: address}), qping, {"PATH": "/usr/bin:/bin"}, question=greet)
    return made.ask(HERE)[0]


def test_qping_is_asked_as_grid_engine_wants(net: Net, qping: Callable[[str], Path], tmp_path: Path) -> None:
    """The arguments are those of the manual page, the environment is the cell's."""
    program = qping(f'echo "$@" > {tmp_path}/asked; echo "$SGE_CELL" >> {tmp_path}/asked')
    port = net.server(says_ok)
    made = TcpProbe(
        port, 10, at({HERE: "127.0.0.1"}), program, {"PATH": "/bin", "SGE_CELL": "lab"}, question=greet
    )
    assert made.ask(HERE)[0] is ProbeOutcome.ANSWERS
    assert (tmp_path / "asked").read_text() == f"-info 127.0.0.1 {port} qmaster 1\nlab\n"


def test_a_port_that_refuses_needs_no_qping(net: Net, qping: Callable[[str], Path], tmp_path: Path) -> None:
    """The kernel's refusal is certain, and a takeover waits for the answer."""
    assert ask_with(qping(f"touch {tmp_path}/asked"), net.closed_port()) is ProbeOutcome.REFUSES
    assert not (tmp_path / "asked").exists()


def test_a_master_that_answers_the_greeting_needs_no_qping(
    net: Net, qping: Callable[[str], Path], tmp_path: Path
) -> None:
    """Its own protocol has spoken; qping would say the same, later."""
    assert ask_with(qping(f"touch {tmp_path}/asked"), net.server(greets)) is ProbeOutcome.ANSWERS
    assert not (tmp_path / "asked").exists()


def test_a_stranger_that_closes_is_no_master_whatever_qping_thinks_of_it(
    net: Net, qping: Callable[[str], Path]
) -> None:
    """Whoever may listen there: qping, as it is, finds nothing, and TCP says that somebody listens."""
    missing = qping('echo "can\'t find connection"; exit 1')
    assert ask_with(missing, net.server(shuts)) is ProbeOutcome.LISTENS


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
    assert ask_with(qping(text), net.server(says_ok), timeout=1) is ProbeOutcome.LISTENS
    assert ask_with(qping(text), net.closed_port(), timeout=1) is ProbeOutcome.REFUSES


def test_without_a_working_qping_tcp_decides(net: Net, tmp_path: Path) -> None:
    """The program may have been removed since the daemon started."""
    assert ask_with(tmp_path / "no_such_qping", net.server(says_ok)) is ProbeOutcome.LISTENS


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
