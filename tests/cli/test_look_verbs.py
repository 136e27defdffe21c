"""``status`` and ``check`` as a person and a monitoring system call them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from freezegun import freeze_time

from shadowd.cli import main
from tests.console.handmade import NOW, HandMade, standard

TOP = Path(__file__).resolve().parents[2]
FROZEN = "2026-11-20 11:05:52"


def call(made: HandMade, *argv: str) -> int:
    """Call a verb at the moment for which the files were made."""
    with freeze_time(FROZEN):
        return main([*argv, "--config", str(made.config)])


@pytest.mark.parametrize("verb", ["status", "check"])
def test_a_healthy_cell_is_exit_status_zero(
    made: HandMade, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    """Both verbs agree, in words and in number."""
    assert call(made, verb) == 0
    shown = capsys.readouterr().out
    assert "CRITICAL" not in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("verb", ["status", "check"])
@pytest.mark.parametrize(("spoil", "code"), [("pause", 1), ("lock", 2), ("bootstrap", 3)])
def test_the_exit_status_is_the_gravest_verdict(made: HandMade, verb: str, spoil: str, code: int) -> None:
    """1 warning, 2 critical, 3 nobody can say: for both verbs."""
    if spoil == "pause":
        (made.state / "pause.json").write_text('{"who": "eva", "why": "upgrade", "until": null}')
    elif spoil == "lock":
        made.lock(NOW - 300)
    else:
        (made.common / "bootstrap").unlink()
    assert call(made, verb) == code


def test_status_shows_every_cell_that_lives_here_and_check_those_it_was_told(
    made: HandMade, capsys: pytest.CaptureFixture[str]
) -> None:
    """People see a cell that only its daemon knows; monitoring watches what is configured."""
    alien = {**standard("h2"), "cell": "alien", "pid": made.pid}
    (made.runtime / "alien@h2.state.json").write_text(json.dumps(alien))
    assert call(made, "status") == 3
    shown = capsys.readouterr().out
    assert shown.startswith("2 cells, seen at ")
    assert "alien" in shown
    assert call(made, "status", "--cell", "default") == 0
    assert "cell default (gridengine), seen from h2" in capsys.readouterr().out
    assert call(made, "check") == 0


def test_json_is_json(made: HandMade, capsys: pytest.CaptureFixture[str]) -> None:
    """``--json`` prints one document and nothing else."""
    assert call(made, "status", "--json", "--cell", "default") == 0
    assert json.loads(capsys.readouterr().out)["health"] == "ok"


def test_a_cell_that_is_not_there_is_named_with_those_that_are(
    made: HandMade, capsys: pytest.CaptureFixture[str]
) -> None:
    """A typing mistake in monitoring's configuration is UNKNOWN and tells the right names."""
    assert call(made, "check", "--cell", "defualt") == 3
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0] == "SHADOWD UNKNOWN - --cell: there is no cell 'defualt'"
    assert call(made, "status", "--cell", "defualt") == 3
    assert "hint: cells here: default" in capsys.readouterr().err


def test_a_missing_configuration_is_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Monitoring reads standard output; a person reads standard error."""
    assert main(["check", "--config", str(tmp_path / "none.toml")]) == 3
    assert capsys.readouterr().out.startswith("SHADOWD UNKNOWN - ")
    assert main(["status", "--config", str(tmp_path / "none.toml")]) == 3
    assert capsys.readouterr().err.startswith("shadowd: ")


def test_a_closed_standard_output_is_no_bug(made: HandMade) -> None:
    """Cron may close it; the exit status still tells."""
    call_it = f"exec {sys.executable} -m shadowd status --config {made.config} >&-"
    done = subprocess.run(
        ["/bin/sh", "-c", call_it], check=False, stderr=subprocess.PIPE, timeout=60, cwd=TOP
    )
    assert done.stderr == b""
    assert done.returncode == 2


def test_a_hung_mount_cannot_hold_the_call(made: HandMade) -> None:
    """Within the deadline and a little it says so, exits with 2, and leaves the stuck read behind."""
    made.local("h2", io_stuck=NOW - 95)
    program = (
        "import sys, time; from shadowd.console import cells; "
        "cells.read_shared = lambda *_, **__: time.sleep(3600); "
        "from shadowd.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    for verb in ("status", "check"):
        argv = [sys.executable, "-c", program, verb, "--timeout", "0.3", "--config", str(made.config)]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=30, cwd=TOP)
        assert done.returncode == 2
        assert "no answer within 0.3 s: the file system hangs" in " ".join(done.stdout.split())
        assert done.stderr == ""
