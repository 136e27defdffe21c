"""``shadowd takeover`` against a control server that plays the daemon, with the daemon's own files."""

import io
import json
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shadowd.adapters.control import ControlServer
from shadowd.cli import main
from tests.console.handmade import HandMade, standard

TOP = Path(__file__).resolve().parents[2]
LOCKED = {"reason": "locked", "text": "a lock lies in the spool", "detail": "empty", "until": None}
Play = tuple[dict[str, Any], ...]


class Puppet:
    """A daemon's runtime files and socket; asked, it goes through its play, a record each 0.15 s."""

    def __init__(self, made: HandMade, play: Play) -> None:
        self.made = made
        self.play = play
        self.asked: list[tuple[dict[str, Any], str]] = []
        self.reply: dict[str, Any] = {"done": "asked"}
        self._acts: list[threading.Thread] = []
        self.lock = made.runtime / "default@h2.lock"
        self.lock.write_text(f"{os.getpid()}\n")
        self.publish(state="standby", reason="started", since=time.time() - 100)
        self._server = ControlServer(made.runtime, self._answer)

    def publish(self, **changes: Any) -> None:
        """Replace the local record as the daemon does."""
        new = self.made.runtime / "new"
        new.write_text(json.dumps({**standard("h2"), "wall": time.time(), **changes}))
        new.rename(self.made.runtime / "default@h2.state.json")

    def end(self) -> None:
        """Take the socket away and wait until the play is over."""
        self._server.close()
        for act in self._acts:
            act.join(10)

    def _answer(self, request: dict[str, Any], who: str) -> dict[str, Any]:
        self.asked.append((request, who))
        if "error" not in self.reply:
            self._acts.append(threading.Thread(target=self._act))
            self._acts[-1].start()
        return self.reply

    def _act(self) -> None:
        for changes in self.play:
            time.sleep(0.15)
            self.publish(**({"since": time.time()} | changes))


@pytest.fixture
def puppet(made: HandMade) -> Iterator[Callable[..., Puppet]]:
    """Give a way to start the daemon's stand-in with a play."""
    puppets: list[Puppet] = []

    def start(*play: dict[str, Any]) -> Puppet:
        puppets.append(Puppet(made, play))
        return puppets[-1]

    yield start
    for each in puppets:
        each.end()


def call(made: HandMade, *argv: str) -> int:
    """Call the verb as a script does."""
    return main(["takeover", "--config", str(made.config), "--timeout", "20", *argv])


TAKEOVER: Play = (
    {"state": "verifying", "reason": "asked", "text": "an operator asked for a takeover"},
    {"state": "claiming", "reason": "all_clear", "text": "nothing speaks against a takeover"},
    {"state": "launching", "reason": "accounted", "text": "everyone is accounted for"},
    {"state": "active", "reason": "confirmed", "text": "the new master runs and beats"},
)


def test_a_takeover_is_followed_to_its_end(
    made: HandMade, puppet: Callable[..., Puppet], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each step is printed once, the exit status is 0, and the daemon is told who asked."""
    daemon = puppet(*TAKEOVER)
    assert call(made, "--yes") == 0
    shown = capsys.readouterr()
    assert [line.partition(":")[0] for line in shown.out.splitlines()] == [
        "verifying",
        "claiming",
        "launching",
        "active",
    ]
    assert shown.err == ""
    ((request, who),) = daemon.asked
    assert request["do"] == "takeover"
    assert request["cell"] == "default"
    assert request["by"]
    assert who.startswith(f"uid {os.getuid()}, pid ")


def test_json_is_the_last_record_alone(
    made: HandMade, puppet: Callable[..., Puppet], capsys: pytest.CaptureFixture[str]
) -> None:
    """Programs get one document, and no steps before it."""
    puppet(*TAKEOVER)
    assert call(made, "--yes", "--json") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["reason"] == "confirmed"
    assert shown.err == ""


def test_a_refusal_is_printed_with_its_remedy(
    made: HandMade, puppet: Callable[..., Puppet], capsys: pytest.CaptureFixture[str]
) -> None:
    """All that speaks against it, on standard error; nothing claims success."""
    puppet({"state": "standby", "reason": "locked", "text": LOCKED["text"], "refusals": [LOCKED]})
    assert call(made, "--yes") == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    assert lines[0] == "refused: a lock lies in the spool (empty)"
    assert lines[1].startswith("hint: After a shutdown: sgemaster start.")
    assert lines[-1] == "this host is standby; more: shadowd status"


def test_a_failed_launch_says_why_and_not_an_older_refusal(
    made: HandMade, puppet: Callable[..., Puppet], capsys: pytest.CaptureFixture[str]
) -> None:
    """The record may still hold refusals from before the bid."""
    failed = {"state": "standby", "reason": "launch_timeout", "text": "not confirmed", "refusals": [LOCKED]}
    puppet(TAKEOVER[0], TAKEOVER[2], failed)
    assert call(made, "--yes") == 1
    shown = capsys.readouterr().err
    assert shown.startswith("not taken over: not confirmed\nhint: ")
    assert "refused" not in shown


def test_a_second_refusal_for_the_same_reason_is_an_answer(
    made: HandMade, puppet: Callable[..., Puppet]
) -> None:
    """State and reason are as before; only the moment of the transition tells."""
    daemon = puppet({"state": "standby", "reason": "locked", "refusals": [LOCKED]})
    daemon.publish(state="standby", reason="locked", since=time.time() - 30, refusals=[LOCKED])
    assert call(made, "--yes") == 1


def test_a_record_written_anew_is_no_answer(
    made: HandMade, puppet: Callable[..., Puppet], capsys: pytest.CaptureFixture[str]
) -> None:
    """A sign of life repeats the same moment by a clock that was read anew, a few milliseconds off."""
    before = time.time() - 100.004
    puppet({"state": "standby", "reason": "started", "since": before}, *TAKEOVER)
    assert call(made, "--yes") == 0
    assert "standby" not in capsys.readouterr().out


def test_the_master_s_own_host_has_nothing_to_do(
    made: HandMade, puppet: Callable[..., Puppet], capsys: pytest.CaptureFixture[str]
) -> None:
    """Who is master already is told so at once."""
    puppet().publish(state="active", reason="confirmed", since=time.time() - 100)
    assert call(made, "--yes") == 0
    assert capsys.readouterr().out == "this host is master already\n"


def test_no_end_in_time_is_said_with_what_hangs(
    made: HandMade, puppet: Callable[..., Puppet], capsys: pytest.CaptureFixture[str]
) -> None:
    """The daemon goes on; the verb does not wait for ever."""
    puppet().publish(state="standby", reason="started", io_stuck=time.time() - 95, since=time.time() - 100)
    assert call(made, "--yes", "--timeout", "0.3") == 1
    shown = capsys.readouterr().err
    assert "not over within 0.3 s: this host is standby" in shown
    assert "reads of the cell's files hang since" in shown


def test_a_daemon_that_ends_meanwhile_is_noticed(
    made: HandMade, puppet: Callable[..., Puppet], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody waits for a record that nobody will write."""
    daemon = puppet(TAKEOVER[0])
    timer = threading.Timer(0.3, lambda: daemon.lock.write_text("999999999\n"))
    daemon.lock.write_text(f"{os.getpid()}\n")
    timer.start()
    assert call(made, "--yes") == 69
    timer.join()
    assert "its daemon has ended" in capsys.readouterr().err


@pytest.mark.parametrize("left", ["nothing", "a dead pid", "garbage"])
def test_without_a_daemon_it_says_how_to_start_one(
    made: HandMade, capsys: pytest.CaptureFixture[str], left: str
) -> None:
    """Also where one that crashed left its files."""
    if left != "nothing":
        text = "999999999\n" if left == "a dead pid" else "\x00\xff"
        (made.runtime / "default@h2.lock").write_text(text)
    assert call(made, "--yes") == 69
    shown = capsys.readouterr().err
    assert shown.startswith("shadowd: cell default: no daemon of this host serves it\nhint: start it: ")


@pytest.mark.parametrize(
    ("kind", "script"), [("torque", "/etc/init.d/pbs_server start"), ("generic", "systemctl start shadowd")]
)
def test_the_hint_names_what_the_host_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, script: str
) -> None:
    """A host of TORQUE has no sgemaster."""
    config = tmp_path / "shadowd.toml"
    cell = f'[[cell]]\nkind = "{kind}"\nname = "x"\ndirectory = "{tmp_path}"\n'
    config.write_text(f'runtime_dir = "{tmp_path}"\n{cell}[cell.launch]\ncommand = ["/bin/true"]\n')
    assert main(["takeover", "--config", str(config), "--yes"]) == 69
    assert f"hint: start it: {script}" in capsys.readouterr().err


def test_another_host_s_daemon_is_not_asked(
    made: HandMade, puppet: Callable[..., Puppet], capsys: pytest.CaptureFixture[str]
) -> None:
    """Where this host's name is configured, only its own daemon may answer."""
    daemon = puppet(*TAKEOVER)
    daemon.lock.rename(made.runtime / "default@h9.lock")
    assert call(made, "--yes") == 69
    assert daemon.asked == []
    assert "no daemon of this host" in capsys.readouterr().err


def test_a_daemon_that_balks_is_quoted(
    made: HandMade, puppet: Callable[..., Puppet], capsys: pytest.CaptureFixture[str]
) -> None:
    """Another version's daemon may not know the request."""
    puppet().reply = {"error": "what is a takeover?"}
    assert call(made, "--yes") == 69
    assert "what is a takeover?" in capsys.readouterr().err


def test_several_cells_want_a_name(
    made: HandMade, puppet: Callable[..., Puppet], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is taken over by accident: the cell has to be named."""
    daemon = puppet(*TAKEOVER)
    with made.config.open("a") as config:
        config.write(f'[[cell]]\nname = "night"\nsge_root = "{made.root}"\nsge_cell = "night"\n')
    assert call(made, "--yes") == 64
    shown = capsys.readouterr().err
    assert "several cells" in shown
    assert "hint: name one of: default, night" in shown
    assert call(made, "--yes", "--cell", "nigth") == 64
    assert "there is no cell 'nigth'" in capsys.readouterr().err
    assert call(made, "--yes", "--cell", "night") == 69
    assert daemon.asked == []
    assert call(made, "--yes", "--cell", "default") == 0


def test_without_a_terminal_yes_must_be_said_before(
    made: HandMade,
    puppet: Callable[..., Puppet],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A script that forgot --yes neither hangs nor takes over; nor does one without standard input."""
    daemon = puppet(*TAKEOVER)
    for stdin in (io.StringIO("y\n"), None):
        monkeypatch.setattr("sys.stdin", stdin)
        assert call(made) == 69
        assert "--yes: is needed where nobody can be asked" in capsys.readouterr().err
    assert daemon.asked == []


@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"n\n", 1), (b"\n", 1), (b"\x04", 1)])
def test_a_person_is_asked_first(
    made: HandMade, puppet: Callable[..., Puppet], answer: bytes, code: int
) -> None:
    """Only a yes is a yes; the question is no part of the output."""
    daemon = puppet(*TAKEOVER)
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", "shadowd", "takeover", "--config", str(made.config), "--json"]
    with subprocess.Popen(
        argv, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=TOP
    ) as verb:
        os.close(theirs)
        os.write(ours, answer)
        out, err = verb.communicate(timeout=30)
    os.close(ours)
    assert verb.returncode == code
    assert err.startswith(b"Take over default on this host now")
    assert len(daemon.asked) == (1 if code == 0 else 0)
    assert bool(out) == (code == 0)


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon", "99999"])
def test_the_time_to_wait_is_checked(
    made: HandMade, capsys: pytest.CaptureFixture[str], seconds: str
) -> None:
    """A typing mistake is no wait without end."""
    assert call(made, "--yes", "--timeout", seconds) == 64
    assert repr(seconds) in capsys.readouterr().err


def test_hostile_records_do_not_reach_the_terminal(
    made: HandMade, puppet: Callable[..., Puppet], capsys: pytest.CaptureFixture[str]
) -> None:
    """What the record says is printed without control characters; one that is garbage is said to be."""
    puppet({"state": "standby", "reason": "\x1b[2J", "text": "\x1b[2J", "refusals": []})
    assert call(made, "--yes") == 1
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    (made.runtime / "default@h2.state.json").write_text("{")
    assert call(made, "--yes", "--timeout", "0.1") == 1
    assert "cannot be read" in capsys.readouterr().err


def test_an_interrupt_says_that_it_goes_on(
    made: HandMade,
    puppet: Callable[..., Puppet],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Control-C ends the watching, not the takeover."""
    puppet()

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("shadowd.cli.takeover._pause", interrupt)
    assert call(made, "--yes") == 130
    assert "what was begun goes on" in capsys.readouterr().err
