"""``shadowd check --fence``: the agent is asked about every other host, and nothing is switched."""

from pathlib import Path

import pytest
from freezegun import freeze_time

from shadowd.adapters.switch import find_agent
from shadowd.cli import main
from tests.console.handmade import HandMade

FROZEN = "2026-11-20 11:05:52"
DUMMY = find_agent("fence_dummy")


def check(made: HandMade, *more: str) -> int:
    """Check with the fence, at the moment for which the files were made."""
    with freeze_time(FROZEN, ignore=["shadowd.adapters", "shadowd.app"]):
        return main(["check", "--fence", "--config", str(made.config), *more])


def configure(made: HandMade, text: str) -> None:
    """Give the cell of this host a fence."""
    made.config.write_text(made.config.read_text() + f"[cell.fence]\n{text}\n")


def agent(made: HandMade, tmp_path: Path, body: str, options: str = "") -> None:
    """Give the cell an agent that writes down what it is asked."""
    program = tmp_path / "fence_toy"
    program.write_text(f"#!/bin/sh\ncat >> {tmp_path}/asked\n{body}\n")
    program.chmod(0o755)
    configure(made, f'agent = "{program}"\nrequired = true\ntimeout = 2\noptions = {{ {options} }}')


def test_every_other_host_is_asked(
    made: HandMade, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own host is not, and "off" is not even sent."""
    agent(made, tmp_path, "echo 'Status: ON'", 'ip = "{host}-bmc", plug = { H1 = "17" }')
    assert check(made) == 0
    assert (tmp_path / "asked").read_text().split() == ["ip=h1-bmc", "plug=17", "action=status"]
    shown = capsys.readouterr().out
    assert "OK        fence h1: fence_toy says on" in shown
    assert "fence h2" not in shown


@pytest.mark.parametrize(
    ("body", "options", "code", "words"),
    [
        ("exit 2", "", 2, "that host's shadowd lives: the plug of another host?"),
        ("echo 'Login failed'; exit 1", "", 2, "status: exit status 1: Login failed"),
        ("sleep 60", "", 2, "status: no end within 2 s, killed"),
        ("", 'plug = { h2 = "18" }', 2, "h1 has no plug in [cell.fence.options]"),
        ("echo \"Parse error: Ignoring unknown option 'x=y'\"", 'x = "y"', 1, "says on, and: Parse error"),
    ],
)
def test_what_would_be_found_in_the_night(  # noqa: PLR0917 - two of them are fixtures
    made: HandMade,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    body: str,
    options: str,
    code: int,
    words: str,
) -> None:
    """Each with its host and a remedy."""
    agent(made, tmp_path, body, options)
    assert check(made) == code
    shown = " ".join(capsys.readouterr().out.split())
    assert words in shown
    assert "fence h1" in shown


def test_an_optional_fence_warns(made: HandMade, tmp_path: Path) -> None:
    """As everywhere."""
    agent(made, tmp_path, "exit 1")
    made.config.write_text(made.config.read_text().replace("required = true", "required = false"))
    assert check(made) == 1


def test_a_host_that_is_off_and_silent_is_well(made: HandMade, tmp_path: Path) -> None:
    """An agent that says so has answered."""
    made.shadows("h1", "h2", "h3")
    agent(made, tmp_path, 'case "$SHADOWD_HOST" in h3) echo OFF; exit 2;; esac; echo ON')
    assert check(made) == 2  # because h3 has no record
    (tmp_path / "asked").unlink()
    made.shadows("h1", "h2")
    assert check(made) == 0


def test_without_a_fence_it_says_so(made: HandMade, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever asks for it expects one."""
    assert check(made) == 1
    assert "fence: none is configured" in capsys.readouterr().out


def test_a_command_cannot_be_asked(
    made: HandMade, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would switch the host off; its program is looked for, and that is all."""
    program = tmp_path / "off"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    configure(made, f'command = ["{program}"]')
    assert check(made) == 0
    assert "a command cannot be asked" in " ".join(capsys.readouterr().out.split())
    assert not (tmp_path / "ran").exists()


def test_a_cell_that_cannot_be_read_is_no_crash(made: HandMade, tmp_path: Path) -> None:
    """The names of the hosts are the cell's."""
    agent(made, tmp_path, "echo ON")
    (made.common / "bootstrap").unlink()
    assert check(made) in {2, 3}


def test_a_wrong_file_is_unknown(made: HandMade, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole configuration is needed here."""
    configure(made, 'agent = "x"\nnonsense = 1')
    assert check(made) == 3
    assert capsys.readouterr().out.startswith("SHADOWD UNKNOWN - ")


@pytest.mark.skipif(not DUMMY.exists(), reason="needs the Debian package fence-agents")
def test_a_real_agent(made: HandMade, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Debian's fence_dummy, whose power is a file that stays as it is."""
    plug = tmp_path / "h1.power"
    plug.write_text("on")
    configure(made, f'agent = "fence_dummy"\noptions = {{ status_file = "{tmp_path}/{{host}}.power" }}')
    assert check(made, "--json") == 0
    assert '"fence_dummy says on"' in capsys.readouterr().out
    assert plug.read_text() == "on"
