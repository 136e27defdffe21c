"""The resident master: a pid in a shared file counts only with proof that the process is ours and here."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowd.adapters.resident import ResidentSearch

ENVIRONMENT = (("SGE_ROOT", "/opt/sge"), ("SGE_CELL", "lab"))
Start = Callable[..., "subprocess.Popen[bytes]"]


def never() -> bool:
    """Answer that act_qmaster names another host."""
    return False


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """Return a spool directory."""
    path = tmp_path / "spool"
    path.mkdir()
    return path


@pytest.fixture
def search(spool: Path) -> ResidentSearch:
    """Return the search of the cell that spools there."""
    return ResidentSearch(spool / "qmaster.pid", spool, environment=ENVIRONMENT)


@pytest.fixture
def start(tmp_path: Path, spool: Path) -> Iterator[Start]:
    """Start real processes that wait for the end of their input; write the pid file; end them after."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(
        cwd: Path | None = None, name: str = "sge_qmaster", prefix: tuple[str, ...] = (), **variables: str
    ) -> "subprocess.Popen[bytes]":
        script = tmp_path / name
        script.write_text("#!/bin/sh\nread x\n")
        script.chmod(0o755)
        child = subprocess.Popen(
            [*prefix, str(script)], cwd=cwd or spool, env={"PATH": os.environ["PATH"], **variables},
            stdin=subprocess.PIPE,
        )  # fmt: skip
        running.append(child)
        # Popen returns while the kernel is still laying out the new program: it has no environment yet.
        wait_for(lambda: bool(Path(f"/proc/{child.pid}/environ").read_bytes()))
        (spool / "qmaster.pid").write_text(f"{child.pid}\n")
        return child

    yield begin
    for child in running:
        child.kill()
        child.communicate(timeout=10)


def wait_for(condition: Callable[[], bool]) -> None:
    """Poll until the condition holds."""
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("the condition did not come true in time")


def test_a_master_that_works_in_the_spool_is_resident(search: ResidentSearch, start: Start) -> None:
    """The working directory alone proves the cell, whatever act_qmaster says."""
    child = start()
    assert search.find(never) == child.pid


def test_a_master_with_the_cells_environment_is_resident(
    search: ResidentSearch, start: Start, tmp_path: Path
) -> None:
    """SGE_ROOT and SGE_CELL prove the cell before the master has changed its directory."""
    child = start(cwd=tmp_path, SGE_ROOT="/opt/sge/", SGE_CELL="lab")
    assert search.find(never) == child.pid


def test_a_master_of_another_cell_is_not_ours(search: ResidentSearch, start: Start, tmp_path: Path) -> None:
    """A stale pid that now belongs to another cell's master is nobody, even if act_qmaster is us."""
    start(cwd=tmp_path, SGE_ROOT="/opt/sge", SGE_CELL="other")
    assert search.find(lambda: True) is None


def test_a_master_that_an_epoch_started_is_no_resident(search: ResidentSearch, start: Start) -> None:
    """The nonce in its environment says that the launcher knows it."""
    start(SHADOWD_NONCE="abc")
    assert search.find(lambda: True) is None


def test_another_program_under_the_old_number_is_no_master(search: ResidentSearch, start: Start) -> None:
    """A recycled pid is told by the program's name."""
    start(name="sge_execd")
    assert search.find(lambda: True) is None


def test_a_dead_master_is_no_resident(search: ResidentSearch, start: Start) -> None:
    """Neither a zombie nor a pid that is gone lives; the pid file stays after a clean stop."""
    child = start()
    child.send_signal(signal.SIGKILL)
    stat = Path(f"/proc/{child.pid}/stat")
    wait_for(lambda: b") Z " in stat.read_bytes())
    assert search.find(lambda: True) is None
    child.wait(timeout=10)
    assert search.find(lambda: True) is None


@pytest.mark.real
def test_a_master_in_another_network_is_on_another_host(search: ResidentSearch, start: Start) -> None:
    """Hosts that share a process table and a spool are told apart by their network."""
    child = start(prefix=("unshare", "--net"))
    wait_for(lambda: Path(f"/proc/{child.pid}/comm").read_text() == "sge_qmaster\n")
    assert search.find(lambda: True) is None


@pytest.mark.parametrize(
    "text", [b"", b"0", b"-5", b"1e3", b"99999999999999999999", b"\xff" * 40, b"1 2", b"9" * 4096, b"2\0"]
)
def test_a_pid_file_without_a_pid_names_nobody(search: ResidentSearch, text: bytes) -> None:
    """Garbage in the pid file is no master."""
    search.pid_file.write_bytes(text)
    assert search.find(lambda: True) is None


def test_a_pid_file_that_is_no_file_names_nobody(search: ResidentSearch) -> None:
    """Missing, or a FIFO: no master, at once."""
    assert search.find(lambda: True) is None
    os.mkfifo(search.pid_file)
    assert search.find(lambda: True) is None


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize(
    ("stat", "master"),
    [
        (b"77 (sge_qmaster) S 1 77", True),
        (b"77 (sge_qmaster) Z 1 77", False),
        (b"77 (sge_qmaster) X 1 77", False),
        (b"77 (x) (sge_qmaster) S 1 77", False),
        (b"77 (bash) S 1 77", False),
        (b"77 sge_qmaster S", False),
        (b"", False),
    ],
)
def test_a_master_that_may_not_be_looked_into_is_ours_if_act_qmaster_says_so(
    spool: Path, tmp_path: Path, *, stat: bytes, master: bool, active: bool
) -> None:
    """With neither environment nor directory to be read, the pid file needs act_qmaster's word."""
    process = tmp_path / "proc" / "77"
    process.mkdir(parents=True)
    (process / "stat").write_bytes(stat)
    (process / "status").write_text("Name:\tx\nUid:\t0\t0\t0\t0\n")
    (spool / "qmaster.pid").write_text("00077\n")
    search = ResidentSearch(spool / "qmaster.pid", spool, environment=ENVIRONMENT, proc=tmp_path / "proc")
    assert search.find(lambda: active) == (77 if master and active else None)


@given(stat=st.binary(), environ=st.binary(), pid=st.binary(max_size=70))
def test_no_bytes_break_the_search(
    tmp_path_factory: pytest.TempPathFactory, stat: bytes, environ: bytes, pid: bytes
) -> None:
    """Whatever the pid file and the process table hold, the answer is a pid or None."""
    base = tmp_path_factory.getbasetemp() / f"proc-{os.getpid()}"
    process = base / "77"
    process.mkdir(parents=True, exist_ok=True)
    (process / "stat").write_bytes(stat)
    (process / "environ").write_bytes(environ)
    (base / "pid").write_bytes(pid)
    search = ResidentSearch(base / "pid", base, environment=ENVIRONMENT, proc=base)
    assert search.find(never) in {None, 77}
