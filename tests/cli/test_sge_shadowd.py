"""The drop-in for the ancestor's program, started as its startup script starts it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shadowd.cli.sge_shadowd import main
from tests.console.handmade import HandMade
from tests.lab import processes

TOP = Path(__file__).resolve().parents[2]
PROGRAM = """\
import sys
from pathlib import Path
from shadowd.config import filling, source
filling.default_log_file = lambda *_: Path({log!r})
source.find.__defaults__ = (Path({system!r}),)
from shadowd.cli.sge_shadowd import main
sys.exit(main())
"""


class DropIn:
    """A cell, and the program with this test's places for the log and the system's configuration."""

    def __init__(self, root: Path) -> None:
        self.cell = HandMade(root)
        self.root = root
        self.log = root / "log" / "shadowd.log"
        self.system = root / "system.toml"
        self.environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(TOP),
            "SGE_ROOT": str(self.cell.root),
            "SHADOWD_RUNTIME_DIR": str(self.cell.runtime),
            **{key: value for key, value in os.environ.items() if key.startswith("PYTEST_OWNER")},
        }

    def start(self, *argv: str, **environ: str | None) -> subprocess.CompletedProcess[str]:
        """Start it and return what its parent process said."""
        program = PROGRAM.format(log=str(self.log), system=str(self.system))
        merged = {key: value for key, value in (self.environ | environ).items() if value is not None}
        return subprocess.run(
            [sys.executable, "-c", program, *argv],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            cwd=self.root,
            env=merged,
        )

    @property
    def pid(self) -> int:
        """The pid of the daemon by the file in the spool, which a worker writes soon."""
        return int(processes.wait_for(self._pid_file, 20, "the pid file is there"))

    def _pid_file(self) -> str:
        found = list(self.cell.spool.glob("shadowd_*.pid"))
        return found[0].read_text().strip() if found else ""

    def stop(self) -> None:
        """End the daemon as the startup script does, if one runs."""
        for lock in self.cell.runtime.glob("*.lock"):
            pid = int(lock.read_text() or 0)
            if pid and processes.alive(pid):
                os.kill(pid, signal.SIGTERM)
                processes.wait_for(lambda pid=pid: not processes.alive(pid), 10, "the daemon ends")


@pytest.fixture
def drop_in(tmp_path: Path) -> Iterator[DropIn]:
    """Give the program and a cell, and end what was started."""
    made = DropIn(tmp_path)
    yield made
    made.stop()


def test_a_start_is_silent_and_leaves_a_daemon(drop_in: DropIn) -> None:
    """The script's output stays its own: what there is to say goes to the log, whose directory is made."""
    done = drop_in.start()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    comm = Path(f"/proc/{drop_in.pid}/comm").read_text()
    assert comm == "sge_shadowd\n"
    events = [json.loads(line)["event"] for line in drop_in.log.read_text().splitlines()]
    assert "daemon.started" in events
    assert drop_in.log.parent.stat().st_mode & 0o777 == 0o750


def test_a_second_start_is_refused_in_the_ancestor_s_words(drop_in: DropIn) -> None:
    """Exit status 1, the pid of the one that runs, which goes on undisturbed."""
    assert drop_in.start().returncode == 0
    first = drop_in.pid
    done = drop_in.start()
    assert done.returncode == 1
    assert done.stderr == f"sge_shadowd: found running shadowd with pid {first} - not starting\n"
    assert done.stdout == ""
    assert processes.alive(first)


def test_it_ends_on_term_and_starts_again(drop_in: DropIn) -> None:
    """Its pid file stays behind, as the ancestor's does, and keeps nobody from starting."""
    assert drop_in.start().returncode == 0
    first = drop_in.pid
    drop_in.stop()
    assert not processes.alive(first)
    assert drop_in.start().returncode == 0
    processes.wait_for(lambda: drop_in.pid != first, 20, "the new daemon's pid is in the file")


def test_the_system_s_configuration_does_not_count(drop_in: DropIn) -> None:
    """A file for other cells, or a broken one, changes nothing: the environment describes the cell."""
    drop_in.system.write_text("this is no TOML")
    done = drop_in.start()
    assert (done.returncode, done.stderr) == (0, "")
    os.kill(drop_in.pid, signal.SIGHUP)
    processes.wait_for(lambda: "daemon.reloaded" in drop_in.log.read_text(), 20, "it reads no file on HUP")
    assert "reload_failed" not in drop_in.log.read_text()


def test_a_configuration_that_is_asked_for_counts(drop_in: DropIn) -> None:
    """SHADOWD_CONFIG names it, also by a name that is good only in this directory, and needs no SGE_ROOT."""
    log = drop_in.root / "other.log"
    (drop_in.root / "mine.toml").write_text(
        f'[log]\nfile = "{log}"\n[[cell]]\nsge_root = "{drop_in.cell.root}"\n'
    )
    done = drop_in.start(SHADOWD_CONFIG="mine.toml", SGE_ROOT=None)
    assert (done.returncode, done.stderr) == (0, "")
    assert "daemon.started" in log.read_text()
    os.kill(drop_in.pid, signal.SIGHUP)
    processes.wait_for(lambda: "daemon.reloaded" in log.read_text(), 20, "it finds the file again on HUP")


def test_a_log_that_cannot_be_written_is_the_one_word_at_the_start(drop_in: DropIn) -> None:
    """Nobody would hear of it otherwise; the daemon serves all the same."""
    drop_in.log = drop_in.root / "no" / "such" / "directory" / "shadowd.log"
    done = drop_in.start()
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert json.loads(line)["event"] == "log.unwritable"


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"SGE_ROOT": None}, ["sge_shadowd: SGE_ROOT: is not set", "settings.sh"]),
        ({"SGE_CELL": "nowhere"}, ["sge_shadowd: ", "nowhere", "hint: "]),
        ({"SGE_CHECK_INTERVAL": "60abc"}, ["SGE_CHECK_INTERVAL", "60abc", "hint: "]),
        ({"SHADOWD_CONFIG": "none.toml"}, ["none.toml", "no such file"]),
    ],
)
def test_what_keeps_it_from_starting_is_said(
    drop_in: DropIn, environ: dict[str, str | None], words: list[str]
) -> None:
    """The startup script gets 1, the person the thing, the reason and the remedy."""
    done = drop_in.start(**environ)
    assert done.returncode == 1
    assert all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("word", ["-help", "--help", "-h"])
def test_help_explains_and_starts_nothing(capsys: pytest.CaptureFixture[str], word: str) -> None:
    """The ancestor's one option; it needs no cell."""
    assert main([word]) == 0
    shown = capsys.readouterr()
    assert "usage: sge_shadowd" in shown.out
    assert "SGE_DELAY_TIME" in shown.out
    assert shown.err == ""


@pytest.mark.parametrize("word", ["-x", "start", "\x1b[2J", ""])
def test_any_other_word_is_refused(capsys: pytest.CaptureFixture[str], word: str) -> None:
    """A typing mistake starts no daemon, and is quoted harmlessly."""
    assert main([word]) == 1
    shown = capsys.readouterr()
    assert "is no option of sge_shadowd" in shown.err
    assert "hint: see sge_shadowd -help" in shown.err
    assert "\x1b" not in shown.err
