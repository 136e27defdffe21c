"""``shadowd simulate``: options, exit codes, the table in a pipe and on a terminal."""

import json
import os
import pty
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from shadowd.cli import main
from shadowd.sim.clock import Moment
from shadowd.sim.judges import Promise, Verdict
from shadowd.sim.rivals import heats
from shadowd.sim.rivals.contest import LEVELS, Run
from shadowd.sim.swarm import SeedResult

TOP = Path(__file__).resolve().parents[2]
QUICK = ("--seeds", "2", "--hours", "4", "--jobs", "1")


def made(seed: int, two: float, *verdicts: Verdict) -> SeedResult:
    """Return what a run came to that was not run."""
    return SeedResult(seed=seed, level="none", hours=4.0, skipped=0.0, verdicts=verdicts, two_masters=two)


def shadowd(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run the program as a person does, in a pipe."""
    return subprocess.run(
        (sys.executable, "-m", "shadowd", *words),
        cwd=TOP,
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_the_table_has_every_protocol_at_every_level(capsys: pytest.CaptureFixture[str]) -> None:
    """Eighty columns, no colour, nothing on standard error."""
    main(["simulate", *QUICK])
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "\x1b" not in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80
    rows = {tuple(line.split()[:2]) for line in shown.out.splitlines() if line}
    assert {(protocol, level) for protocol, levels in LEVELS.items() for level in levels} <= rows


def test_the_same_seed_gives_the_same_figures(capsys: pytest.CaptureFixture[str]) -> None:
    """A seed is a bug report."""
    words = ["simulate", *QUICK, "--protocol", "torque", "--protocol", "sge_shadowd", "--json"]
    main(words)
    first = capsys.readouterr().out
    main(words)
    assert capsys.readouterr().out == first
    data = json.loads(first)
    assert [row["protocol"] for row in data["rows"]] == ["sge_shadowd", "torque"]
    assert data["timing"]["stale_after"] == 240


def test_several_processes_give_the_same_as_one() -> None:
    """The order of the results does not depend on who was ready first."""
    words = ("simulate", "--seeds", "24", "--hours", "4", "--protocol", "torque-2.3", "--json")
    alone, together = shadowd(*words, "--jobs", "1"), shadowd(*words, "--jobs", "2")
    assert alone.returncode == 0
    assert alone.stdout == together.stdout
    assert together.stderr == ""


def test_a_bar_is_shown_on_a_terminal_and_gone_at_the_end() -> None:
    """Standard error is the terminal, standard output may be a pipe all the same."""
    leader, follower = pty.openpty()
    code = (
        "import sys; from shadowd.cli import simulate; simulate._REDRAW = 0.0\n"
        "from shadowd.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = ("simulate", *QUICK, "--protocol", "torque-2.3")
    done = subprocess.run(
        (sys.executable, "-c", code, *words),
        cwd=TOP,
        stdout=subprocess.PIPE,
        stderr=follower,
        check=True,
        timeout=60,
    )
    os.close(follower)
    bar = os.read(leader, 10_000).decode()
    os.close(leader)
    assert "1/2 runs" in bar
    assert bar.rstrip("\r").endswith(" " * 78)
    assert b"\r" not in done.stdout


def test_this_site_s_timers_are_simulated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of the only cell, or of the one that is named."""
    config = tmp_path / "shadowd.toml"
    config.write_text(
        '[[cell]]\nname = "quick"\nsge_root = "/sge"\nstale_after = 200\n'
        '[[cell]]\nname = "slow"\nsge_root = "/other"\ndelay = 900\n'
    )
    words = ["simulate", *QUICK, "--protocol", "torque-2.3", "--json", "--config", str(config)]
    assert main(words) == 64
    assert "has 2 cells" in capsys.readouterr().err
    assert main([*words, "--cell", "none"]) == 78
    assert "cells: quick, slow" in capsys.readouterr().err
    assert main([*words, "--cell", "slow"]) == 0
    assert json.loads(capsys.readouterr().out)["timing"]["delay"] == 900


def test_a_picture_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And a place where it cannot be is told before anything is simulated."""
    picture = tmp_path / "out.svg"
    assert main(["simulate", *QUICK, "--protocol", "torque-2.3", "--plot", str(picture)]) == 0
    assert ET.parse(picture).getroot().tag.endswith("svg")  # noqa: S314 - we wrote it
    capsys.readouterr()
    assert main(["simulate", *QUICK, "--plot", str(tmp_path / "none" / "out.svg")]) == 73
    assert "cannot be written" in capsys.readouterr().err


def test_one_seed_is_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    """Every line has a time and a host; the last says what it came to."""
    assert main(["simulate", "--replay", "1", "--hours", "6", "--protocol", "torque"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "is the active one" in lines[0]
    assert any(" ! " in line for line in lines)
    assert lines[-1].startswith("seed 1: two masters for")


def test_a_replay_needs_one_protocol_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    """Of several it says which there are."""
    assert main(["simulate", "--replay", "1"]) == 64
    assert "of which protocol and level?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--protocol", "pacemaker"], "there are shadowd, sge_shadowd, torque, torque-2.3"),
        (["--level", "good"], "there are none, guarded, fenced"),
        (["--protocol", "torque", "--level", "guarded"], "torque has no level guarded"),
        (["--seeds", "0"], "no whole number of at least 1"),
        (["--first", "-1"], "no whole number of at least 0"),
        (["--first", "1.5"], "no whole number"),
        (["--hours", "nan"], "at least 4, at most 8784 hours"),
        (["--hours", "2"], "at least 4"),
        (["--hours", "9999"], "at most 8784 hours"),
        (["--cell", "x"], "name it with --config FILE"),
    ],
)
def test_a_wrong_option_says_what_there_is(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Usage errors are 64, and say what would be right."""
    assert main(["simulate", *words]) == 64
    assert said in capsys.readouterr().err


def test_a_broken_promise_of_ours_is_exit_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a guarded cell, not of one that nothing is promised for; and the seed is there."""

    def broken(run: Run) -> SeedResult:
        return made(run.seed, 3.0 if run.seed == 2 else 0.0)

    monkeypatch.setattr(heats, "compete", broken)
    assert main(["simulate", *QUICK, "--level", "none"]) == 0
    assert main(["simulate", *QUICK, "--level", "guarded"]) == 1
    assert (
        "two masters: shadowd simulate --replay 2 --protocol shadowd --level guarded"
        in capsys.readouterr().out
    )


def test_a_surprise_is_exit_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever overrules a shutdown has broken a promise, though there was one master all the time."""

    def broken(run: Run) -> SeedResult:
        overruled = Verdict(Moment(9.0), Promise.SHUTDOWN, "epoch 2 started on b")
        return made(run.seed, 0.0, *[overruled] * (run.seed == 2))

    monkeypatch.setattr(heats, "compete", broken)
    assert main(["simulate", *QUICK, "--level", "guarded"]) == 1
    shown = capsys.readouterr().out
    assert "a shutdown overruled            1\n" in shown
    assert "a shutdown overruled: shadowd simulate --replay 2 --protocol shadowd --level guarded" in shown


def test_the_help_has_an_example_and_fits(capsys: pytest.CaptureFixture[str]) -> None:
    """Eighty columns, with the exit codes."""
    with pytest.raises(SystemExit):
        main(["simulate", "--help"])
    shown = capsys.readouterr().out
    assert "$ shadowd simulate --config" in shown
    assert "Exit status" in shown
    assert max(map(len, shown.splitlines())) <= 80
