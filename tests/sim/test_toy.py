"""The toy has the manners of sge_qmaster (GRIDENGINE.md, "What sge_qmaster does")."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import processes
from tests.lab.processes import wait_for

PACKAGE = Path(__file__).parents[2]


class Cell:
    """A directory with toys on loopback addresses."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pids: set[int] = set()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])

    def start(self, host: str = "alpha", *options: str, role: str = "master", epoch: str = "1") -> int:
        """Run a toy; return the exit status of its first process."""
        command = self.command(host, *options, role=role)
        return subprocess.run(
            command, cwd=PACKAGE, env=self.environment(epoch), check=False, timeout=30
        ).returncode

    def foreground(self, host: str = "alpha", *options: str) -> "subprocess.Popen[bytes]":
        """Run a toy that stays our child."""
        command = (*self.command(host, *options), "--foreground")
        return subprocess.Popen(command, cwd=PACKAGE, env=self.environment("1"))

    def environment(self, epoch: str) -> dict[str, str]:
        """Return what the toy is started with."""
        return {"SHADOWD_EPOCH": epoch, "TOY_OF_TEST": str(self.path)}

    def command(self, host: str, *options: str, role: str = "master") -> tuple[str, ...]:
        """Return the toy's command line."""
        place = ("--common", str(self.path), "--spool", str(self.path), "--host", host)
        address = {"alpha": "127.0.0.2", "beta": "127.0.0.3"}[host]
        serve = (
            "--bind",
            address,
            "--port",
            str(self.port),
            "--beat",
            "0.05",
            "--journal",
            str(self.path / "journal"),
        )
        peers = ("--peer", "alpha=127.0.0.2", "--peer", "beta=127.0.0.3")
        return (sys.executable, "-S", "-E", "-m", "shadowd.sim.toy", role, *place, *serve, *peers, *options)

    def read(self, name: str) -> str:
        """Return a file's text; empty when it is not there."""
        path = self.path / name
        return path.read_text() if path.exists() else ""

    def serving(self) -> int:
        """Wait for a master to be ready; return its pid."""
        return int(wait_for(lambda: self.read("qmaster.pid").strip(), 15, "a master is ready"))

    def ask(self, address: str = "127.0.0.2") -> bytes:
        """Send a word to a master and return its answer."""
        with socket.create_connection((address, self.port), timeout=10) as client:
            client.send(b"hello")
            return client.recv(10)

    def living(self) -> list[int]:
        """Return the pids of the cell's processes."""
        mark = f"TOY_OF_TEST={self.path}".encode()
        return [pid for pid in processes.everybody() if mark in _environ(pid)]


def _environ(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


@pytest.fixture
def cell(tmp_path: Path) -> Iterator[Cell]:
    """Give a cell of toys, and end them all."""
    made = Cell(tmp_path)
    yield made
    processes.kill(made.living())
    wait_for(lambda: not made.living(), 10, "all toys have ended")


def test_the_first_process_returns_0_and_another_serves(cell: Cell) -> None:
    """It forks twice: whoever serves is nobody's child and leads no session."""
    assert cell.start() == 0
    pid = cell.serving()
    assert processes.alive(pid)
    assert os.getsid(pid) not in {pid, os.getsid(0)}
    assert cell.ask() == b"ok\n"


def test_a_start_leaves_its_marks(cell: Cell) -> None:
    """The beat is one higher, the lock is gone whoever made it, act_qmaster names the host."""
    (cell.path / "heartbeat").write_text("00041\n")
    (cell.path / "lock").write_text("somebody's")
    (cell.path / "act_qmaster").write_text("beta\n")
    cell.start()
    cell.serving()
    assert int(cell.read("heartbeat")) >= 42
    assert not (cell.path / "lock").exists()
    assert cell.read("act_qmaster") == "alpha\n"


def test_the_beat_is_rewritten_in_place(cell: Cell) -> None:
    """Same file, five digits and a newline, no truncation, a wrap to 1."""
    beat = cell.path / "heartbeat"
    beat.write_text("99999\nold tail")
    inode = beat.stat().st_ino
    cell.start()
    wait_for(lambda: int(beat.read_text().split()[0]) < 90000, 10, "it wrapped")
    assert beat.stat().st_ino == inode
    assert beat.read_text().endswith("\nold tail")
    before = beat.read_text()
    wait_for(lambda: beat.read_text() != before, 10, "it goes on")


def test_term_is_a_regular_shutdown(cell: Cell) -> None:
    """Status 0, and an empty lock of mode 0600 as its mark; the pid file stays."""
    with cell.foreground() as master:
        pid = cell.serving()
        assert pid == master.pid
        master.send_signal(signal.SIGTERM)
        assert master.wait(10) == 0
    lock = (cell.path / "lock").stat()
    assert (lock.st_size, stat.S_IMODE(lock.st_mode)) == (0, 0o600)
    assert cell.read("qmaster.pid") == f"{pid}\n"


def test_a_second_master_leaves_when_the_first_answers(cell: Cell) -> None:
    """It says 0 like any start, and changes nothing."""
    cell.start()
    pid = cell.serving()
    assert cell.start("beta") == 0
    wait_for(lambda: cell.living() == [pid], 10, "the second has gone")
    assert cell.read("act_qmaster") == "alpha\n"


def test_a_master_takes_over_from_one_that_is_dead(cell: Cell) -> None:
    """Nobody answers at the old host: the new name is written."""
    (cell.path / "act_qmaster").write_text("alpha\n")
    cell.start("beta")
    cell.serving()
    assert cell.read("act_qmaster") == "beta\n"
    assert cell.ask("127.0.0.3") == b"ok\n"


def test_a_replaced_master_leaves_with_100_at_the_twentieth_beat(cell: Cell) -> None:
    """It looks at act_qmaster only then, and leaves no lock."""
    with cell.foreground() as master:
        cell.serving()
        (cell.path / "act_qmaster").write_text("beta\n")
        assert master.wait(20) == 100
    assert int(cell.read("heartbeat")) % 20 == 0
    assert not (cell.path / "lock").exists()


def test_the_port_is_waited_for(cell: Cell) -> None:
    """A start while the port is taken goes on when it is free."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.2", cell.port))
        taken.listen()
        cell.start()
        wait_for(cell.living, 10, "it lives")
        assert cell.read("qmaster.pid") == ""
    cell.serving()


def test_the_journal_tells_who_wrote_when(cell: Cell) -> None:
    """Each beat is a line of epoch, host and number."""
    cell.start(epoch="7")
    wait_for(lambda: cell.read("journal").count("\n") >= 3, 10, "three beats")
    assert cell.read("journal").splitlines()[:3] == ["7 alpha 1", "7 alpha 2", "7 alpha 3"]


def test_failing_at_once(cell: Cell) -> None:
    """Mode exit1: the first process says 1 and nothing runs."""
    assert cell.start("alpha", "--fail", "exit1") == 1
    assert cell.living() == []


def test_failing_after_the_parents_0(cell: Cell) -> None:
    """Mode die: the first process says 0, and nothing runs."""
    assert cell.start("alpha", "--fail", "die") == 0
    wait_for(lambda: not cell.living(), 10, "nothing runs")
    assert cell.read("act_qmaster") == ""


def test_hanging(cell: Cell) -> None:
    """Mode hang: the first process never returns and touches no file."""
    with cell.foreground("alpha", "--fail", "hang") as master:
        wait_for(lambda: processes.state(master.pid) == "S", 10, "it sleeps")
        assert list(cell.path.iterdir()) == []
        master.kill()


def test_never_beating(cell: Cell) -> None:
    """Mode never-beat: everything but the heartbeat."""
    cell.start("alpha", "--fail", "never-beat")
    cell.serving()
    assert not (cell.path / "heartbeat").exists()


def test_leaving_the_lock(cell: Cell) -> None:
    """Mode no-lock-unlink: everything but the removal of the lock."""
    (cell.path / "lock").touch()
    cell.start("alpha", "--fail", "no-lock-unlink")
    cell.serving()
    assert (cell.path / "lock").exists()


def test_the_scheduler_is_there(cell: Cell) -> None:
    """It daemonizes likewise and leaves on TERM."""
    assert cell.start(role="scheduler") == 0
    pid = int(wait_for(lambda: cell.read("schedd.pid").strip(), 10, "it is there"))
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not processes.alive(pid), 10, "it has gone")


@pytest.mark.parametrize("words", [(), ("pilot",), ("master", "--what"), ("master", "--fail", "often")])
def test_a_wrong_command_line_is_refused(words: tuple[str, ...]) -> None:
    """One line says what is wrong."""
    command = (sys.executable, "-S", "-E", "-m", "shadowd.sim.toy", *words)
    done = subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert done.stderr.startswith("toy: ")
    assert done.stderr.count("\n") == 1
