"""Commands and agents: who is believed to have switched a host off, and who is not."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shadowd.adapters.switch import AgentSwitch, CommandSwitch, Order, Power, find_agent
from shadowd.core.values import Epoch, Host

ORDER = Order("default", Host("beta"), Host("alpha"), Epoch(7))
LONG = 30.0
Write = Callable[[str], Path]
DUMMY = find_agent("fence_dummy")
real_agent = pytest.mark.skipif(not DUMMY.exists(), reason="needs the Debian package fence-agents")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a shell script and return its path."""

    def script(text: str) -> Path:
        path = tmp_path / "fence_script"
        path.write_text(f"#!/bin/sh\ncd {tmp_path}\n{text}\n")
        path.chmod(0o755)
        return path

    return script


def command(argv: tuple[str, ...], seconds: float = LONG) -> tuple[bool, str]:
    """Have a command switch ORDER's host off."""
    return CommandSwitch(argv).off(ORDER, time.monotonic() + seconds)


def agent(
    program: Path, seconds: float = LONG, secrets: tuple[str, ...] = (), **options: str | dict[Host, str]
) -> tuple[bool, str]:
    """Have an agent switch ORDER's host off."""
    return AgentSwitch(program, options, secrets).off(ORDER, time.monotonic() + seconds)


# --- commands ------------------------------------------------------------------------------------------


def test_a_command_is_told_whom_and_believed_by_its_status(write: Write, tmp_path: Path) -> None:
    """Cell, host, epoch and who asks are in its environment; 0 is the proof."""
    program = write('env | grep ^SHADOWD_ | sort > told; echo "power is off"')
    assert command((str(program), "x")) == (True, "the command says so: power is off")
    assert (tmp_path / "told").read_text().split() == [
        "SHADOWD_BY=alpha",
        "SHADOWD_CELL=default",
        "SHADOWD_EPOCH=7",
        "SHADOWD_HOST=beta",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("echo no route >&2; exit 1", "exit status 1: no route"),
        ("exit 2", "exit status 2"),
        ("kill -9 $$", "ended by signal 9"),
        ("printf 'a\\033[31mb\\n\\n  c\\n'; exit 1", "exit status 1: a?[31mb / c"),
    ],
)
def test_a_command_that_fails_proves_nothing(write: Write, text: str, words: str) -> None:
    """Its last words come back, fit for a terminal."""
    assert command((str(write(text)),)) == (False, words)


def test_a_command_that_hangs(write: Write) -> None:
    """Killed at the limit, which is told."""
    dead, detail = command((str(write("echo trying; sleep 60")),), 1)
    assert not dead
    assert detail == "no end within 1 s, killed: trying"


def test_a_command_that_is_missing() -> None:
    """With its path and the reason."""
    assert command(("/nowhere/off",)) == (False, "/nowhere/off was not started: No such file or directory")


# --- agents --------------------------------------------------------------------------------------------

_PLUG = """
action=$(sed -n 's/^action=//p')
echo "$action" >> actions
"""


def test_an_agent_must_say_it_twice(write: Write, tmp_path: Path) -> None:
    """Off, then status until it is 2: some report success before the power is gone."""
    program = write(
        f"{_PLUG}case $action in off) exit 0;; esac\n"
        "[ $(wc -l < actions) -ge 4 ] && { echo 'Status: OFF'; exit 2; }; echo 'Status: ON'"
    )
    assert agent(program) == (True, "off, says fence_script")
    assert (tmp_path / "actions").read_text().split() == ["off", "status", "status", "status"]


@pytest.mark.parametrize(
    ("text", "seconds", "words"),
    [
        ("exit 0", 2, "still on after"),
        ("exit 2", LONG, "off: exit status 2"),
        ("echo no power on earth; exit 1", LONG, "off: exit status 1: no power on earth"),
        ("[ $action = off ] || { echo lost; exit 1; }", 2, "still unknown after"),
        ("[ $action = off ] || sleep 60", 2, "still unknown after 2 s: status: no end within 2 s, killed"),
        ("sleep 60", 1, "off: no end within 1 s, killed"),
        ("yes", 1, "off: no end within 1 s, killed: y / y / y"),
    ],
)
def test_an_agent_that_proves_nothing(write: Write, text: str, seconds: float, words: str) -> None:
    """Errors, usage messages, hanging, floods: none of it is a dead host, and all of it ends in time."""
    begun = time.monotonic()
    dead, detail = agent(write(_PLUG + text), seconds)
    assert not dead
    assert words in detail
    assert len(detail) < 400
    assert time.monotonic() - begun < seconds + 10


@pytest.mark.parametrize("program", ["/bin/true", "/bin/false", "/usr/bin/grep", "/etc/passwd", "/nowhere"])
def test_a_program_that_is_no_agent(program: str) -> None:
    """Nobody is taken for dead because the wrong program was named."""
    assert agent(Path(program), 2)[0] is False


def test_a_flood_before_success(write: Write) -> None:
    """What it says is no reason to doubt its status."""
    program = write(
        f"{_PLUG}head -c 3000000 /dev/zero | tr '\\0' x\n[ $action = off ] && exit 0; echo OFF; exit 2"
    )
    assert agent(program) == (True, "off, says fence_script")


def test_options_reach_an_agent_on_its_input(write: Write, tmp_path: Path) -> None:
    """The same for all hosts, with the host's name in it, or one for each host."""
    program = write('cat > read; echo "$SHADOWD_HOST $SHADOWD_EPOCH" >> read; echo "$@" >> read; exit 1')
    agent(
        program,
        ip="{host}-bmc.example.com",
        plug={Host("beta"): "17", Host("gamma"): "18"},
        password="a=b #c",  # noqa: S106 - a word for the test
    )
    assert (tmp_path / "read").read_text().splitlines() == [
        "ip=beta-bmc.example.com",
        "plug=17",
        "password=a=b #c",
        "action=off",
        "beta 7",
        "",
    ]


def test_a_host_that_is_not_in_the_map(write: Write, tmp_path: Path) -> None:
    """Not even started: the agent would switch off some other plug."""
    found = agent(write("touch started"), plug={Host("gamma"): "18"})
    assert found == (False, "beta has no plug in [cell.fence.options]")
    assert not (tmp_path / "started").exists()


def test_secrets_are_hidden_in_what_an_agent_says(write: Write) -> None:
    """An agent may echo its input, and its words go into logs and notices."""
    program = write("cat; exit 1")
    secret: dict[str, str | dict[Host, str]] = {
        "passwd": "geheim",
        "pin": {Host("beta"): "4711"},
        "empty": "",
    }
    _, detail = agent(program, secrets=("passwd", "pin", "empty", "absent"), user="eve", **secret)
    assert "geheim" not in detail
    assert "4711" not in detail
    assert "user=eve / passwd=(hidden) / pin=(hidden)" in detail
    assert "geheim" not in repr(AgentSwitch(program, secret, ()))


def test_where_an_agent_is_found(tmp_path: Path) -> None:
    """By its path, or by its name in the folders where packages put agents."""
    assert find_agent(str(tmp_path / "x")) == tmp_path / "x"
    assert find_agent("fence_of_nobody") == Path("/usr/sbin/fence_of_nobody")
    assert find_agent("env") == Path(
        shutil.which("env", path="/usr/sbin:/sbin:/usr/local/sbin:/usr/bin") or ""
    )


# --- the real thing ------------------------------------------------------------------------------------


@real_agent
def test_a_real_agent_switches_off_and_proves_it(tmp_path: Path) -> None:
    """Debian's fence_dummy, whose power is a file."""
    plug = tmp_path / "beta.power"
    plug.write_text("on")
    begun = time.monotonic()
    assert agent(DUMMY, status_file=f"{tmp_path}/{{host}}.power") == (True, "off, says fence_dummy")
    assert time.monotonic() - begun < LONG
    assert plug.read_text() == "off"


@real_agent
@pytest.mark.parametrize(("state", "power"), [("on", Power.ON), ("off", Power.OFF)])
def test_a_real_agent_is_asked_without_switching(tmp_path: Path, state: str, power: Power) -> None:
    """Status 0 is on, 2 is off, and the file is as it was."""
    plug = tmp_path / "power"
    plug.write_text(state)
    order = Order("default", Host("beta"), Host("alpha"))
    switch = AgentSwitch(DUMMY, {"status_file": str(plug)})
    found, detail = switch.status(order, time.monotonic() + LONG)
    assert found is power
    assert detail == f"Status: {state.upper()}"
    assert plug.read_text() == state


@real_agent
def test_a_real_agent_that_fails() -> None:
    """The kind of fence_dummy that never gets a plug off."""
    dead, detail = agent(DUMMY, type="fail", plug="1", power_timeout="1")
    assert not dead
    assert detail.startswith("off: exit status 1: ")


@real_agent
def test_a_real_agent_that_is_too_slow(tmp_path: Path) -> None:
    """Killed with its limit; perhaps it switched, perhaps not: no proof."""
    dead, detail = agent(DUMMY, 1, status_file=str(tmp_path / "power"), delay="30")
    assert not dead
    assert detail.startswith("off: no end within 1 s, killed")
