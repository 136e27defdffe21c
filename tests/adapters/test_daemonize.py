"""Going to the background: the first process tells truly how the start went."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import processes
from tests.lab.processes import wait_for

BACKGROUND = """
import os, signal, sys, time
from pathlib import Path
from shadowd.adapters import daemonize as module
home = Path(sys.argv[1])
module._PATIENCE = float(sys.argv[3])
say = module.daemonize()
(home / "pid").write_text(str(os.getpid()))
(home / "pid").rename(home / "daemon")
print("said on the way", flush=True)
exec(sys.argv[2])
"""


class Start:
    """One start in the background, and the daemon that it left."""

    def __init__(self, home: Path, story: str, patience: float = 30) -> None:
        self.home = home
        command = [sys.executable, "-c", BACKGROUND, str(home), story, str(patience)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def end(self) -> tuple[int, str, str]:
        """Wait for the first process; return its exit status and what it printed."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err

    @property
    def daemon(self) -> int:
        """The pid of the daemon."""
        path = self.home / "daemon"
        wait_for(path.exists, 20, "the daemon has begun")
        return int(path.read_text())

    def kill(self) -> None:
        """End the daemon."""
        processes.kill([self.daemon])
        wait_for(lambda: not processes.alive(self.daemon), 20, "the daemon has ended")


def test_ready_is_status_0_and_the_daemon_goes_on(tmp_path: Path) -> None:
    """It leads no session, has no terminal, works in the root directory and is nobody's child."""
    start = Start(tmp_path, "say(0, ''); print('into the void'); time.sleep(60)")
    assert start.end() == (0, "said on the way\n", "")
    pid = start.daemon
    assert processes.alive(pid)
    assert os.getsid(pid) not in {pid, os.getsid(0)}
    assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
    streams = {str(Path(f"/proc/{pid}/fd/{number}").readlink()) for number in (0, 1, 2)}
    assert streams == {"/dev/null"}
    assert processes.stat_fields(pid)[1] != str(os.getpid())
    start.kill()


def test_an_error_is_its_status_and_its_words(tmp_path: Path) -> None:
    """An init script sees 78, a person sees what was wrong."""
    start = Start(tmp_path, "say(78, 'shadowd: x.toml: is torn\\nhint: mend it'); os._exit(78)")
    assert start.end() == (78, "said on the way\n", "shadowd: x.toml: is torn\nhint: mend it\n")


def test_a_daemon_that_dies_before_its_word_is_no_success(tmp_path: Path) -> None:
    """Killed, or ended by a bug: 70, and a sentence."""
    status, _, err = Start(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)").end()
    assert status == 70
    assert "ended before it was ready" in err


def test_what_goes_wrong_on_the_way_is_seen(tmp_path: Path) -> None:
    """A traceback of the daemon reaches whoever started it."""
    status, _, err = Start(tmp_path, "raise RuntimeError('a bug')").end()
    assert status == 70
    assert "RuntimeError: a bug" in err


def test_a_parent_that_lost_patience_says_so_and_harms_nobody(tmp_path: Path) -> None:
    """The daemon that is slow goes on, and its late word breaks nothing."""
    story = "time.sleep(1); say(0, ''); (home / 'served').touch(); time.sleep(60)"
    start = Start(tmp_path, story, patience=0.2)
    status, _, err = start.end()
    assert status == 70
    assert "not ready after 0.2 s and goes on" in err
    wait_for((tmp_path / "served").exists, 20, "it serves")
    start.kill()


def test_an_interrupted_parent_harms_nobody(tmp_path: Path) -> None:
    """Ctrl-C ends the wait and not the daemon."""
    story = "time.sleep(1); say(0, ''); (home / 'served').touch(); time.sleep(60)"
    start = Start(tmp_path, story)
    assert start.daemon
    start.process.send_signal(signal.SIGINT)
    status, _, err = start.end()
    assert status == 130
    assert "Traceback" not in err
    wait_for((tmp_path / "served").exists, 20, "it serves")
    start.kill()


@pytest.mark.parametrize("words", ["'x' * 100_000", "'\\udcff\\0 odd'"])
def test_any_message_gets_through(tmp_path: Path, words: str) -> None:
    """Long ones are cut, strange ones replaced; the status is never lost."""
    status, _, err = Start(tmp_path, f"say(66, {words}); os._exit(66)").end()
    assert status == 66
    assert 2 < len(err) < 5000


def test_streams_that_are_closed_already_are_no_obstacle(tmp_path: Path) -> None:
    """A start from a script that closed its streams works like any other."""
    script = [sys.executable, "-c", BACKGROUND, str(tmp_path), "say(0, ''); time.sleep(60)", "30"]
    process = subprocess.Popen(["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *script])
    assert process.wait(60) == 0
    pid = int((tmp_path / "daemon").read_text())
    assert processes.alive(pid)
    processes.kill([pid])
    wait_for(lambda: not processes.alive(pid), 20, "the daemon has ended")
