"""The shell around all verbs: parsing, errors, exit codes, and what a call costs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shadowd import __version__, cli
from shadowd.cli import VERBS, main
from shadowd.errors import CellError

TOP = Path(__file__).resolve().parents[2]


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """``--version`` needs no verb and no configuration."""
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"shadowd {__version__}\n"


def test_the_help_lists_every_verb_and_imports_none(capsys: pytest.CaptureFixture[str]) -> None:
    """The top level knows one sentence about each verb."""
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"  {verb}" in shown for verb in VERBS)
    assert all(len(line) <= 80 for line in shown.splitlines())


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_each_verb_fits_a_terminal(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Eighty columns, and how it is called."""
    with pytest.raises(SystemExit) as left:
        main([verb, "--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert [line for line in shown.splitlines() if len(line) > 80] == []
    assert f"shadowd {verb}" in shown


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["stauts"], 64, ["shadowd: command line: 'stauts' is no verb", "hint: did you mean status?"]),
        (["xyzzy"], 64, ["hint: verbs: run, status"]),
        (
            [],
            64,
            ["shadowd: command line: the following arguments are required: VERB", "hint: see shadowd --help"],
        ),
        (["status", "--nonsense"], 3, ["unrecognized arguments: --nonsense"]),
        (["check", "--timeout", "0"], 3, ["more than 0"]),
        (["check", "--timeout", "soon"], 3, ["'soon' is no number of seconds"]),
    ],
)
def test_a_wrong_command_line_says_what_and_hints(
    capsys: pytest.CaptureFixture[str], argv: list[str], code: int, words: list[str]
) -> None:
    """Usage errors are 64; for monitoring they are UNKNOWN, because 2 would mean CRITICAL."""
    assert main(argv) == code
    shown = capsys.readouterr().err
    assert all(word in shown for word in words)
    assert "Traceback" not in shown


def test_an_error_is_printed_in_git_s_manner(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What, why and the remedy; control characters of a hostile file name are not passed on."""

    def fail(_words: object) -> None:
        raise CellError("/spool/\x1b[2J", "is no directory", "mount it")

    monkeypatch.setattr(cli, "parser", fail)
    assert main(["config"]) == CellError.exit_code
    assert capsys.readouterr().err == "shadowd: /spool/?[2J: is no directory\nhint: mount it\n"


def test_a_bug_is_unknown_to_monitoring_and_shows_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traceback's exit status 1 would read as WARNING."""

    def fail(_words: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "parser", fail)
    assert main(["check"]) == 3
    assert main(["config"]) == 70
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_an_interrupt_is_quiet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Control-C is no error."""

    def interrupt(_words: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "parser", interrupt)
    assert main(["status"]) == 130
    assert capsys.readouterr().err == ""


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    """``shadowd check | head -1`` leaves no traceback, whichever of the two is quicker."""
    reader, writer = os.pipe()
    os.close(reader)
    argv = [sys.executable, "-m", "shadowd", "check", "--config", str(tmp_path / "none.toml")]
    done = subprocess.run(argv, check=False, stdout=writer, stderr=subprocess.PIPE, timeout=60, cwd=TOP)
    os.close(writer)
    assert done.stderr == b""
    assert done.returncode == 141
