"""``shadowd pause`` and ``shadowd resume`` as an administrator calls them, without any daemon."""

import json
import os
import pwd
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time

from shadowd.adapters.pausefile import parse_pause, remove_pause, write_pause
from shadowd.cli import main
from shadowd.core.values import Pause, Unknown
from tests.console.handmade import NOW, HandMade

TOP = Path(__file__).resolve().parents[2]
FROZEN = "2026-11-20 11:05:52"


def call(made: HandMade, *argv: str) -> int:
    """Call a verb at the moment for which the files were made."""
    with freeze_time(FROZEN):
        return main([*argv, "--config", str(made.config)])


def written(made: HandMade) -> dict[str, Any]:
    """Return the record on disk."""
    record: dict[str, Any] = json.loads((made.state / "pause.json").read_text())
    return record


def test_a_pause_is_there_until_it_is_ended(made: HandMade, capsys: pytest.CaptureFixture[str]) -> None:
    """Written, shown by status with who and why, and gone after resume; each verb says what it means."""
    assert call(made, "pause", "--why", "switch upgrade", "--for", "2h") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("cell default is paused\n")
    for word in ("switch upgrade", "13:05:52 (in 2 h)", "No host starts a master", "shadowd resume"):
        assert word in shown
    record = written(made)
    assert re.fullmatch(r"[\w.-]+@[\w-]+", record["who"])
    assert (record["why"], record["since"], record["until"]) == ("switch upgrade", NOW, NOW + 7200)
    assert oct((made.state / "pause.json").stat().st_mode & 0o777) == "0o644"
    assert call(made, "status") == 1
    assert "since 11:05:52 until 13:05:52: switch upgrade" in " ".join(capsys.readouterr().out.split())
    assert call(made, "resume") == 0
    assert "the pause of" in capsys.readouterr().out
    assert not (made.state / "pause.json").exists()
    assert call(made, "check") == 0


def test_nothing_is_wider_than_a_terminal(made: HandMade, capsys: pytest.CaptureFixture[str]) -> None:
    """80 columns, whatever the reason says; no control sequence reaches the screen or the file."""
    assert call(made, "pause", "--why", "long " * 60 + "\x1b[2J") == 0
    assert call(made, "resume") == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--until", "11:05"), "is past"),
        (("--until", "2026-11-20 11:05:51"), "is past"),
        (("--until", "2029-01-01"), "more than a year ahead"),
        (("--until", "soon"), "is no time"),
        (("--until", "25:00"), "is no time"),
        (("--until", ":"), "is no time"),
        (("--for", "0"), "no time at all"),
        (("--for", "0m"), "no time at all"),
        (("--for=-5m",), "no duration"),
        (("--for", "9d"), "no duration"),
        (("--why", "x" * 501), "longer than"),
        (("--cell", "other"), "there is no cell"),
    ],
)
def test_nonsense_is_refused(
    made: HandMade, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    """Before anything is written, with a hint."""
    assert call(made, "pause", *words) == 64
    told = capsys.readouterr().err
    assert said in told
    assert "hint: " in told
    assert not (made.state / "pause.json").exists()


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("18:30", NOW + 26648), ("11:06", NOW + 8), ("11:05:53", NOW + 1),
        ("2026-11-21 11:05:52", NOW + 86400),
        ("2026-11-20T12:05:52Z", NOW + 3600), ("2026-11-20 14:05:52+02:00", NOW + 3600),
    ],
)  # fmt: skip
def test_an_end_is_written_as_people_do(made: HandMade, text: str, ends: float) -> None:
    """A time of today, a date with a time, with a zone where wanted."""
    assert call(made, "pause", "--until", text) == 0
    assert written(made)["until"] == ends


def test_anothers_pause_is_not_written_over(made: HandMade, capsys: pytest.CaptureFixture[str]) -> None:
    """Who wants to pause a paused cell is told by whom; ``--replace`` is for changing one's mind."""
    (made.state / "pause.json").write_text('{"who": "eva@h1", "why": "disks", "until": null}')
    assert call(made, "pause", "--why", "mine") == 1
    assert "is paused already, by eva@h1: disks" in capsys.readouterr().err
    assert written(made)["who"] == "eva@h1"
    assert call(made, "pause", "--why", "mine", "--replace") == 0
    assert written(made)["why"] == "mine"
    assert [path.name for path in made.state.iterdir() if path.name.startswith(".")] == []


def test_a_pause_that_is_over_is_critical(made: HandMade, capsys: pytest.CaptureFixture[str]) -> None:
    """It holds on, whatever its end says: the daemons compare no clocks, and people are told loudly."""
    text = {"who": "eva", "why": "upgrade", "until": NOW - 7200, "since": NOW - 9000}
    (made.state / "pause.json").write_text(json.dumps(text))
    assert call(made, "check") == 2
    shown = " ".join(capsys.readouterr().out.split())
    assert "until 09:05:52, 2 h OVER AND STILL IN FORCE: upgrade" in shown
    assert "shadowd resume" in shown


def test_resume_removes_what_nobody_can_read(made: HandMade, capsys: pytest.CaptureFixture[str]) -> None:
    """Garbage keeps everybody from bidding; this is the way out."""
    (made.state / "pause.json").write_text("{")
    assert call(made, "resume") == 0
    assert "which was garbage" in " ".join(capsys.readouterr().out.split())
    assert call(made, "resume") == 0
    assert capsys.readouterr().out == "cell default was not paused\n"


def test_json_is_for_programs(made: HandMade, capsys: pytest.CaptureFixture[str]) -> None:
    """One line each."""
    assert call(made, "pause", "--json", "--why", "x", "--for", "60") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["cell"], said["paused"], said["until"]) == ("default", True, NOW + 60)
    assert call(made, "resume", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["paused"], said["was"]["why"]) == (False, "x")


def test_a_cell_without_records_gets_its_directory_and_never_its_spool(made: HandMade) -> None:
    """The first record of all may be a pause; where the spool is not mounted nothing is made."""
    for path in sorted(made.state.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    made.state.rmdir()
    assert call(made, "pause") == 0
    assert written(made)["why"] == "no reason given"
    made.spool.rename(made.spool.with_name("away"))
    assert call(made, "pause") == 66
    assert not made.spool.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_it_is_written_as_the_admin_user(made: HandMade) -> None:
    """As the daemons do, because root is nobody on most file servers; a stranger is refused in words."""
    for path in (made.spool, made.state):
        os.chown(path, pwd.getpwnam("daemon").pw_uid, -1)
    bootstrap = made.common / "bootstrap"
    bootstrap.write_text(bootstrap.read_text().replace("admin_user none", "admin_user daemon"))
    for parent in [made.state, *made.state.parents][:-2]:
        parent.chmod(parent.stat().st_mode | 0o555)
    argv = [sys.executable, "-m", "shadowd", "pause", "--config", str(made.config)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60, cwd=TOP)
    assert done.returncode == 0, done.stderr
    assert (made.state / "pause.json").owner() == "daemon"


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_a_hung_mount_cannot_hold_the_call(made: HandMade, verb: str) -> None:
    """Within the time it says so and leaves; the exit status says try again."""
    program = (
        "import sys, time; from shadowd.cli import maintenance; "
        "maintenance._site = lambda _: time.sleep(3600); "
        "from shadowd.cli import main; sys.argv[0] = 'shadowd'; main()"
    )
    argv = [sys.executable, "-c", program, verb, "--timeout", "0.3", "--config", str(made.config)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60, cwd=TOP)
    assert done.returncode == 75
    assert "no answer within 0.3 s" in done.stderr


def test_of_two_who_pause_at_once_one_is_told_of_the_other(tmp_path: Path) -> None:
    """The file is created like a claim; what lies there is what counts."""
    path = tmp_path / "shadowd" / "pause.json"
    first, second = Pause("anna@a", "one", None, 1.0), Pause("eva@b", "two", 5.0, 2.0)
    assert write_pause(path, first, "a", replace=False) == replace(first, number=1)
    assert write_pause(path, second, "b", replace=False) == replace(first, number=1)
    assert write_pause(path, second, "b", replace=True) == replace(second, number=2)
    assert parse_pause(path.read_bytes(), "") == replace(second, number=2)
    assert remove_pause(path) is None
    assert remove_pause(path) is None
    assert remove_pause(tmp_path / "none" / "pause.json") is None
    path.mkdir()
    assert isinstance(remove_pause(path), Unknown)
    assert isinstance(write_pause(tmp_path / "no" / "state" / "p", first, "a", replace=False), Unknown)


def test_a_wrong_since_is_none() -> None:
    """It is for people only; the pause holds."""
    found = parse_pause(b'{"who": "a", "why": "b", "until": null, "since": "noon"}', "")
    assert found == Pause("a", "b", None, None)
