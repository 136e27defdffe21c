"""``shadowd history``: who was master when, in words and as JSON."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time

from shadowd.cli import main
from shadowd.console.history import as_text, read_story
from tests.console.handmade import NOW, HandMade

TOP = Path(__file__).resolve().parents[2]
FROZEN = "2026-11-20 11:05:52"


def call(made: HandMade, *argv: str) -> int:
    """Call the verb at the moment for which the files were made."""
    with freeze_time(FROZEN):
        return main(["history", *argv, "--config", str(made.config)])


def epoch(
    made: HandMade, number: int, host: str, reason: str, *notices: tuple[str, float, str, str], ago: float
) -> None:
    """Leave the records of one epoch; a notice is kind, seconds after the claim, host, detail."""
    made.claim(number, host, reason=reason, wall=NOW - ago)
    for kind, after, by, detail in notices:
        record = {
            "format": 1, "cell": "default", "epoch": number, "kind": kind, "host": by, "pid": 7,
            "wall": NOW - ago + after, "detail": detail,
        }  # fmt: skip
        (made.state / "notices" / f"{number:010d}.{kind}.json").write_text(json.dumps(record))


def full(made: HandMade) -> HandMade:
    """Leave one epoch of each kind."""
    made.forget(7)
    began = ("launching", 0.5, "h1", "")
    epoch(made, 1, "h1", "adopted", began, ("started", 1, "h1", ""), ("stepped_down", 9e4, "h1", ""), ago=9e5)
    died = ("died", 60060, "h3", "signal 11, " * 12)
    epoch(made, 2, "h2", "takeover", began, ("started", 5, "h2", ""), died, ago=7e5)
    epoch(made, 3, "h1", "death_notice", began, ("failed", 30, "h1", "no license"), ago=6e5)
    epoch(made, 4, "h3", "silence", ago=5e5)
    epoch(made, 5, "h3", "restart", began, ("started", 2, "h3", ""), ("stopped", 62, "h3", ""), ago=4e5)
    epoch(made, 6, "h3", "migrate", began, ("started", 2, "h3", ""), ago=3e5)
    epoch(made, 7, "h1", "silence", began, ("started", 6, "h1", ""), ago=4000)
    return made


def test_every_epoch_tells_its_story(made: HandMade, capsys: pytest.CaptureFixture[str]) -> None:
    """Who, why, when, how long it took, how it ended and who says so; newest last, 80 columns."""
    assert call(full(made)) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    said = " ".join(shown.split())
    wanted = (
        "7 epochs, newest last",
        "1 2026-11-10 01:05:52 h1 adopted a master that ran there already",
        "confirmed after 1 s; stepped down for another at 2026-11-11 02:05:52 after 1 d as master",
        "h2 took over: somebody asked for it confirmed after 5 s; died at",
        "after 16 h 40 min as master, says h3 died, in the words of h3: signal 11,",
        "h1 took over: the master's end was seen launched after 0 s, never confirmed; failed at",
        "h3 took over: the master's heartbeat stood still nothing was launched; nobody wrote how it ended",
        "h3 started its master again confirmed after 2 s; shut down in an orderly way at",
        "h3 took over: the master was moved confirmed after 2 s; nobody wrote how it ended",
        "7 2026-11-20 09:59:12 h1 took over: the master's heartbeat stood still confirmed after 6 s; "
        "master since then, for 1 h 6 min",
    )
    places = [said.find(text) for text in wanted]
    assert -1 not in places, [text for text in wanted if text not in said]
    assert places == sorted(places)


def test_a_limit_keeps_the_newest(made: HandMade, capsys: pytest.CaptureFixture[str]) -> None:
    """And says how many there are."""
    assert call(full(made), "--limit", "2") == 0
    shown = capsys.readouterr().out
    assert "the last 2 of 7 epochs" in shown
    assert [line.split()[0] for line in shown.splitlines() if line[:5].strip().isdigit()] == ["6", "7"]
    for wrong in ("0", "-1", "x", "1e3", "99999999"):
        assert main(["history", "--limit", wrong]) == 64


def test_json_holds_every_field(made: HandMade, capsys: pytest.CaptureFixture[str]) -> None:
    """Stable words and Unix seconds."""
    assert call(full(made), "--json") == 0
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    (cell,) = said["cells"]
    epochs = cell["epochs"]
    assert [one["epoch"] for one in epochs] == [1, 2, 3, 4, 5, 6, 7]
    assert [one["outcome"] for one in epochs] == [
        "stepped_down",
        "died",
        "failed",
        None,
        "stopped",
        None,
        None,
    ]
    assert epochs[1]["notices"][-1] == {
        "kind": "died", "host": "h3", "wall": NOW - 7e5 + 60060, "detail": ("signal 11, " * 12),
    }  # fmt: skip
    assert (epochs[6]["claimed"], epochs[6]["confirmed"], epochs[6]["problems"]) == (NOW - 4000, True, [])


def test_what_cannot_be_read_is_a_part_of_the_story(made: HandMade) -> None:
    """Torn claims, notices of nobody and foreign records keep their place and are named."""
    full(made)
    (made.state / "claims" / "0000000003.json").write_text("{")
    (made.state / "claims" / "0000000004.json").unlink()
    (made.state / "notices" / "0000000005.stopped.json").write_text("\x1b[2J")
    (made.state / "notices" / "0000000004.died.json").write_text("")
    story = read_story(made.state, "default", 100)
    said = " ".join(as_text(story, NOW).split())
    assert "3 the claim cannot be read:" in said
    assert "0000000004.died.json: empty" in said or "0000000004.died.json: the record has no content" in said
    assert "0000000005.stopped.json: not a JSON object" in said
    assert "\x1b" not in said
    strange = read_story(made.state, "another", 100)
    assert "of cell 'default'" in as_text(strange, NOW)


def test_a_cell_without_claims_has_no_story(made: HandMade, capsys: pytest.CaptureFixture[str]) -> None:
    """Said in words; a cell that is not there is an error, and so is one that does not answer."""
    made.forget(7)
    assert call(made) == 0
    assert capsys.readouterr().out == "cell default: nothing was ever claimed\n"
    assert call(made, "--cell", "other") == 78
    made.spool.rename(made.spool.with_name("away"))
    assert call(made) == 66
    assert "hint: is the spool mounted" in capsys.readouterr().err


def test_a_pipe_gets_the_same_and_may_close_early(made: HandMade) -> None:
    """No colour, no width of a terminal; ``head`` is no error that anybody sees."""
    full(made)
    line = f"{sys.executable} -m shadowd history --config {made.config} | head -1"
    done = subprocess.run(
        ["sh", "-c", line], check=False, capture_output=True, text=True, timeout=60, cwd=TOP
    )
    assert done.stdout.startswith("cell default: 7 epochs")
    assert done.stderr == ""


@pytest.mark.parametrize("verb", ["history", "resume"])
def test_no_heavy_package_is_loaded(made: HandMade, verb: str) -> None:
    """The standard library alone, as for status."""
    program = (
        "import sys; from shadowd.cli import main; "
        f"main(['{verb}', '--config', '{made.config}']); "
        "print([m for m in ('pydantic', 'structlog', 'watchdog') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60, cwd=TOP
    )
    assert done.stderr.strip() == "[]"
