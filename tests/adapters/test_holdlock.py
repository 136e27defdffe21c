"""The program that takes ``server.lock`` and becomes the server: one process, and respect for every other."""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from shadowd.adapters import holdlock
from shadowd.adapters.marks import nonce_of
from tests.lab.processes import wait_for

SERVER = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
HELD, BROKEN = 75, 74


class Bench:
    """A ``server_priv``, and servers that are started in it."""

    def __init__(self, root: Path) -> None:
        self.lock = root / "server.lock"
        self.state = root / "shadowd"
        (self.state / "notices").mkdir(parents=True)
        self.started: list[subprocess.Popen[str]] = []

    def start(
        self, method: str, epoch: int = 1, command: Sequence[str] = (sys.executable, "-c", SERVER)
    ) -> "subprocess.Popen[str]":
        """Start the program as the launcher does."""
        argv = [
            sys.executable,
            "-I",
            "-S",
            holdlock.__file__,
            method,
            str(self.lock),
            str(self.state),
            "alpha",
        ]
        process = subprocess.Popen(
            [*argv, *command],
            env={"SHADOWD_EPOCH": str(epoch), "SHADOWD_NONCE": f"nonce-{epoch}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def server(self, method: str, epoch: int = 1) -> "subprocess.Popen[str]":
        """Start one and wait until it is the server."""
        process = self.start(method, epoch)
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said == f"{process.pid}\n", process.communicate()
        return process

    def record(self) -> dict[str, Any]:
        """Return what ``server.session`` says."""
        found: dict[str, Any] = json.loads((self.state / "server.session").read_text())
        return found

    def is_free(self) -> bool:
        """Tell whether this process could lock the file."""
        with self.lock.open("r+") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            return True


def end(process: "subprocess.Popen[str]") -> None:
    """Kill a server."""
    process.kill()
    process.communicate()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Give a place, and end what was started in it."""
    made = Bench(tmp_path)
    yield made
    for process in made.started:
        end(process)


@pytest.mark.parametrize("method", ["fcntl", "lease"])
def test_the_lock_names_the_session(bench: Bench, method: str) -> None:
    """One pid from the lock to the server; the record tells which epoch it is, and not its secret."""
    server = bench.server(method, 7)
    assert bench.lock.read_text() == f"{server.pid}\n"
    record = bench.record()
    assert (record["epoch"], record["nonce"], record["host"], record["session"]) == (
        7,
        nonce_of("nonce-7"),
        "alpha",
        server.pid,
    )
    assert (record["inodes"], record["contents"]) == ([bench.lock.stat().st_ino], [str(server.pid)])
    assert sorted(path.name for path in bench.state.iterdir()) == ["notices", "server.session"]


def test_the_lock_goes_with_the_server(bench: Bench) -> None:
    """Held over execve, free after its end; the next takes the same file, at which others wait."""
    server = bench.server("fcntl")
    inode = bench.lock.stat().st_ino
    assert not bench.is_free()
    end(server)
    assert bench.is_free()
    bench.server("fcntl", 2)
    assert bench.lock.stat().st_ino == inode
    assert not bench.is_free()


def test_a_server_that_locks_it_too_has_it(bench: Bench) -> None:
    """As pbs_server does: emptied, locked again and written by the same process."""
    program = (
        "import fcntl, os, sys, time\n"
        "held = os.open(sys.argv[1], os.O_CREAT | os.O_TRUNC | os.O_WRONLY)\n"
        "fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "os.write(held, b'%d\\n' % os.getsid(0))\nprint('mine', flush=True)\ntime.sleep(60)\n"
    )
    server = bench.start("fcntl", command=(sys.executable, "-c", program, str(bench.lock)))
    assert server.stdout is not None
    assert server.stdout.readline() == "mine\n"
    assert bench.lock.read_text() == f"{server.pid}\n"
    assert not bench.is_free()


@pytest.mark.parametrize("content", ["", "4711\n"])
@pytest.mark.parametrize("method", ["fcntl", "lease"])
def test_another_holder_is_respected(bench: Bench, content: str, method: str) -> None:
    """A real server's lock is never taken, with a record or without."""
    end(bench.server("fcntl"))
    bench.lock.write_text(content)
    with bench.lock.open("r+") as theirs:
        fcntl.lockf(theirs, fcntl.LOCK_EX)
        refused = bench.start(method, 2)
        out, err = refused.communicate(timeout=20)
        assert (refused.returncode, out) == (HELD, "")
        assert "is held by another server" in err
        assert bench.lock.read_text() == content
    assert bench.record()["epoch"] == 1


@pytest.mark.parametrize("method", ["fcntl", "lease"])
def test_a_deposed_server_of_ours_is_left_with_its_old_file(bench: Bench, method: str) -> None:
    """It cannot let go of what it holds, frozen as it is; the name leads to a new file from then on."""
    old = bench.server(method)
    inode = bench.lock.stat().st_ino
    new = bench.server(method, 2)
    assert bench.lock.stat().st_ino != inode
    assert bench.lock.read_text() == f"{new.pid}\n"
    assert not bench.is_free()
    end(old)
    assert not bench.is_free()
    record = bench.record()
    assert (record["epoch"], record["inodes"]) == (2, [bench.lock.stat().st_ino])
    assert {path.name for path in bench.lock.parent.iterdir()} <= {
        "server.lock",
        "server.lock.mutex",
        "shadowd",
    }


def test_whoever_holds_it_after_an_outcome_is_another(bench: Bench) -> None:
    """Nothing of that epoch runs: a session number that is the same by chance is no proof."""
    bench.server("fcntl")
    (bench.state / "notices" / "0000000001.died.json").write_text("{}")
    refused = bench.start("fcntl", 2)
    refused.communicate(timeout=20)
    assert refused.returncode == HELD


@pytest.mark.parametrize("data", ["", "[]", '{"nonce": "another"}'])
def test_a_file_that_is_no_outcome_closes_nothing(bench: Bench, data: str) -> None:
    """The server of ours that holds it is replaced by a successor of ours, as without that file."""
    bench.server("fcntl")
    (bench.state / "notices" / "0000000001.died.json").write_text(data)
    bench.server("fcntl", 2)


def test_a_lease_is_taken_whoever_was_written(bench: Bench) -> None:
    """That it was not refreshed is settled; the mutex is taken meanwhile, and free afterwards."""
    bench.lock.write_text("4711\n")
    os.utime(bench.lock, (1, 1))
    server = bench.server("lease")
    assert bench.lock.read_text() == f"{server.pid}\n"
    assert time.time() - bench.lock.stat().st_mtime < 60
    with Path(f"{bench.lock}.mutex").open("r+") as mutex:
        fcntl.lockf(mutex, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.long
def test_a_standby_that_holds_the_mutex_delays_and_does_not_prevent(bench: Bench) -> None:
    """Perhaps it is frozen: for one interval the file must stay as it is, then it is taken."""
    bench.lock.write_text("4711\n")
    with Path(f"{bench.lock}.mutex").open("w") as mutex:
        fcntl.lockf(mutex, fcntl.LOCK_EX)
        begun = time.monotonic()
        first, second = bench.start("lease", 1), bench.start("lease", 2)
        time.sleep(1)
        assert bench.lock.read_text() == "4711\n"
        assert first.stdout is not None
        wait_for(lambda: bench.lock.read_text() != "4711\n", 20, "it is taken")
        assert time.monotonic() - begun > 3
    assert second.poll() is None or second.returncode == HELD


@pytest.mark.long
def test_a_standby_that_was_quicker_has_it(bench: Bench) -> None:
    """Whatever moves in that interval is a server's life."""
    bench.lock.write_text("4711\n")
    with Path(f"{bench.lock}.mutex").open("w") as mutex:
        fcntl.lockf(mutex, fcntl.LOCK_EX)
        refused = bench.start("lease")
        time.sleep(0.5)
        os.utime(bench.lock, (1, 1))
        refused.communicate(timeout=20)
        assert refused.returncode == HELD
        assert bench.lock.read_text() == "4711\n"


def test_a_successor_of_ours_does_not_wait(bench: Bench) -> None:
    """The file of a server of ours is nobody else's to take, whoever has the mutex."""
    end(bench.server("lease"))
    (bench.state / "notices" / "0000000001.died.json").write_text("{}")
    with Path(f"{bench.lock}.mutex").open("w") as mutex:
        fcntl.lockf(mutex, fcntl.LOCK_EX)
        begun = time.monotonic()
        bench.server("lease", 2)
        assert time.monotonic() - begun < 3


@pytest.mark.parametrize("method", ["fcntl", "lease"])
def test_what_cannot_be_written_is_told(bench: Bench, method: str) -> None:
    """And no server is started; a program that is not there is told too."""
    bench.lock.mkdir()
    failed = bench.start(method)
    _, err = failed.communicate(timeout=20)
    assert failed.returncode == BROKEN
    assert "the server was not started" in err
    bench.lock.rmdir()
    missing = bench.start(method, command=("/nowhere/pbs_server",))
    _, err = missing.communicate(timeout=20)
    assert missing.returncode == BROKEN
    assert "No such file" in err


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"epoch": 1, "inodes": 3, "contents": []}',
        '{"epoch": 1e999, "inodes": [], "contents": []}',
        "\xff",
        "[" * 4000,
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_a_record_that_is_none_excuses_nobody(bench: Bench, text: str) -> None:
    """Whatever lies there."""
    bench.server("fcntl")
    (bench.state / "server.session").write_bytes(text.encode("latin-1"))
    refused = bench.start("fcntl", 2)
    refused.communicate(timeout=20)
    assert refused.returncode == HELD
