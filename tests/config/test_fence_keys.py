"""``[cell.fence]``: what may be written, what is refused, and that no password is ever shown."""

import json
from pathlib import Path

import pytest

from shadowd.cli import main
from shadowd.config.explain import each_of
from shadowd.config.light import LightFence, light_settings
from shadowd.config.load import examine, load
from shadowd.config.show import as_data, as_toml
from shadowd.config.tables import FenceSettings
from shadowd.core.timing import Timing
from shadowd.core.values import FencePolicy
from shadowd.errors import ConfigError

CELL = '[[cell]]\nsge_root = "/opt/sge"\n'
SECRET = "geheim-4711"  # noqa: S105 - a word for the test
AGENT = f"""[cell.fence]
agent = "fence_ipmilan"
required = true
[cell.fence.options]
ip = "{{host}}-bmc"
password = "{SECRET}"
passwd2 = {{ a = "{SECRET}a", b = "{SECRET}b" }}
snmp_auth_prot = "{SECRET}"
password_script = "/etc/pw"
lanplus = true
verbose = false
ipport = 623
plug = {{ a = "17", b = 18 }}
"""


def write(tmp_path: Path, text: str) -> Path:
    """Return a file with one cell and this text, that nobody else may read."""
    file = tmp_path / "shadowd.toml"
    file.touch(mode=0o600)
    file.write_text(CELL + text)
    return file


def fence(tmp_path: Path, text: str) -> FenceSettings:
    """Return the settings of a fence."""
    (cell,) = load(write(tmp_path, text), {}).cells
    return cell.fence


def mistakes(tmp_path: Path, text: str) -> list[str]:
    """Return everything wrong with this text."""
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text), {})
    return [f"{error.subject.rpartition(': ')[2]}: {error.reason}" for error in each_of(caught.value)]


def test_without_a_table_there_is_no_fence(tmp_path: Path) -> None:
    """And no longer licence either."""
    (cell,) = load(write(tmp_path, ""), {}).cells
    assert cell.fence.policy is FencePolicy.NONE
    assert cell.timing() == Timing().derived()
    assert fence(tmp_path, "[cell.fence]\ntimeout = 5\n").policy is FencePolicy.NONE


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ('agent = "fence_ipmilan"', FencePolicy.OPTIONAL),
        ('agent = "/opt/fence/mine"\nrequired = true', FencePolicy.REQUIRED),
        ('command = ["/usr/sbin/off", "now"]\nrequired = false', FencePolicy.OPTIONAL),
        ('command = ["/usr/sbin/off"]\nrequired = true', FencePolicy.REQUIRED),
    ],
)
def test_command_or_agent_make_a_fence(tmp_path: Path, text: str, policy: FencePolicy) -> None:
    """Required or not."""
    assert fence(tmp_path, f"[cell.fence]\n{text}\n").policy is policy


def test_the_timeout_lengthens_the_licence(tmp_path: Path) -> None:
    """Whoever bids may need all of it, and the others have to wait for that."""
    (cell,) = load(write(tmp_path, '[cell.fence]\nagent = "fence_x"\ntimeout = "100s"\n'), {}).cells
    assert cell.timing().fence_timeout == 100
    assert cell.timing().licence == pytest.approx(Timing().derived().licence + 105)
    assert cell.warnings() == ()
    short = '\nlicence = 100\nwindow = 400\n[cell.fence]\nagent = "fence_x"\n'
    assert (
        "must be at least step_down_timeout + probe_timeout + fence timeout" in mistakes(tmp_path, short)[0]
    )


def test_options_become_what_an_agent_reads(tmp_path: Path) -> None:
    """Numbers and truth values as agents write them, one value for all hosts or one for each."""
    found = fence(tmp_path, AGENT)
    assert found.options["ip"] == "{host}-bmc"
    assert found.options["lanplus"] == "1"
    assert found.options["verbose"] == "0"
    assert found.options["ipport"] == "623"
    assert found.options["plug"] == {"a": "17", "b": "18"}
    assert found.timeout == 60


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('agent = "x"\ncommand = ["/y"]', "cell[0].fence: has both command and agent"),
        ("required = true", "cell[0].fence: is required, and neither command nor agent is given"),
        ('options = { ip = "x" }', "cell[0].fence: has options and no agent to give them to"),
        ('command = ["/y"]\noptions = { ip = "x" }', "cell[0].fence: has options and no agent"),
        ('agent = "../x"', "cell[0].fence.agent: '../x' is no fence agent"),
        ("agent = 7", "cell[0].fence.agent: 7 is no string"),
        ('command = ["off"]', "cell[0].fence.command: 'off' is no absolute path"),
        ('command = "off"', "cell[0].fence.command: 'off' is one string"),
        ("command = []", "cell[0].fence.command: is an empty list"),
        ('agent = "x"\ntimeout = 0', "cell[0].fence.timeout: 0 is out of range"),
        ('agent = "x"\nrequired = "yes"', "cell[0].fence.required: 'yes' is not true or false"),
        ('agent = "x"\nport = "1"', "cell[0].fence.port: unknown key"),
        ('agent = "x"\noptions = { action = "on" }', '"action" is given to the agent by shadowd'),
        ('agent = "x"\noptions = { "a b" = "on" }', "'a b' is no name of an agent's option"),
        ('agent = "x"\noptions = { a = [] }', "is no string, whole number, true or false"),
        ('agent = "x"\noptions = { a = 1.5 }', "is no string, whole number, true or false"),
        ('agent = "x"\noptions = { a = { "-h" = "x" } }', "'-h' is no host name"),
        ('agent = "x"\noptions = { a = { h = { i = 1 } } }', "is no string, whole number, true or false"),
        ('agent = "x"\noptions = "a=b"', "is no table"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, told: str) -> None:
    """With the key and the reason."""
    (found,) = mistakes(tmp_path, f"[cell.fence]\n{text}\n")
    assert told in found


@pytest.mark.parametrize(
    "value", [f'"{SECRET}\\nx"', f'"{SECRET}\\u0000"', f'["{SECRET}"]', f'"{SECRET * 999}"']
)
def test_a_refused_password_is_not_quoted(tmp_path: Path, value: str) -> None:
    """Errors go into logs and tickets."""
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, f'[cell.fence]\nagent = "x"\n[cell.fence.options]\npassword = {value}\n'), {})
    assert SECRET not in str(caught.value) + repr(caught.value)


def test_no_password_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither by ``config show`` in both its forms nor by ``config check``, nor by any repr."""
    file = write(tmp_path, AGENT)
    for verb in (["config", "show"], ["config", "show", "--json"], ["config", "check"]):
        assert main([*verb, "--config", str(file)]) == 0
    shown = capsys.readouterr()
    settings = load(file, {})
    assert SECRET not in shown.out + shown.err + repr(settings) + str(settings)
    assert "# password = (hidden)" in shown.out
    assert settings.cells[0].fence.secrets == ("password", "passwd2", "snmp_auth_prot")


def test_what_is_shown_can_be_read_back(tmp_path: Path) -> None:
    """All but the hidden values, which stand there as comments."""
    loaded = examine(write(tmp_path, AGENT), {})
    again = tmp_path / "again.toml"
    again.write_text(as_toml(loaded))
    (cell,) = load(again, {}).cells
    wanted = dict(loaded.settings.cells[0].fence.options)
    for name in loaded.settings.cells[0].fence.secrets:
        del wanted[name]
    assert dict(cell.fence.options) == wanted
    values = {entry["key"]: entry["value"] for entry in as_data(loaded)["values"]}
    assert values["fence.options.password"] == "(hidden)"
    assert values["fence.options.plug"] == {"a": "17", "b": "18"}
    json.dumps(as_data(loaded))


def test_a_password_that_everybody_may_read(tmp_path: Path) -> None:
    """A warning at every start, as long as it is so."""
    file = write(tmp_path, AGENT)
    assert examine(file, {}).warnings() == ()
    file.chmod(0o644)
    warnings = examine(file, {}).warnings()
    assert len(warnings) == 3
    assert "everybody may read this file and its [cell.fence.options] password;" in warnings[0]
    file.write_text(f'{CELL}[cell.fence]\nagent = "x"\noptions = {{ ip = "y" }}\n')
    assert examine(file, {}).warnings() == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", None),
        ("fence = 7\n", None),
        ("[cell.fence]\nrequired = true\n", None),
        ('[cell.fence]\nagent = "../x"\n', None),
        ('[cell.fence]\ncommand = ["/usr/sbin/off", "x"]\n', LightFence("/usr/sbin/off", required=False)),
        ('[cell.fence]\nagent = "fence_x"\nrequired = true\n', LightFence("fence_x", required=True)),
    ],
)
def test_status_and_check_find_the_program(tmp_path: Path, text: str, found: LightFence | None) -> None:
    """Without the models, and without an opinion on what is wrong."""
    assert light_settings(write(tmp_path, text), {}).cells[0].fence == found
