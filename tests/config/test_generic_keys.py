"""The keys of a generic cell: what it must say, what it may not, and the timers that it has of its own."""

from pathlib import Path

import pytest

from shadowd.cli import main
from shadowd.config.light import light_settings
from shadowd.config.load import examine, load
from shadowd.config.models import CellSettings
from shadowd.errors import ConfigError

LAUNCH = '[cell.launch]\ncommand = ["/usr/bin/redis-server"]\n'
CELL = '[[cell]]\nkind = "generic"\ndirectory = "/shared/redis"\n'


def write(tmp_path: Path, text: str) -> Path:
    """Return a file with this text."""
    file = tmp_path / "shadowd.toml"
    file.write_text(text)
    return file


def cell_of(tmp_path: Path, text: str, **environ: str) -> CellSettings:
    """Return the one cell of a text."""
    (cell,) = load(write(tmp_path, text), environ).cells
    return cell


def test_the_least_that_must_be_said(tmp_path: Path) -> None:
    """A directory and a command: the name is the directory's, the timers are those of a guard's beat."""
    cell = cell_of(tmp_path, CELL + LAUNCH)
    assert (cell.name, cell.place, cell.launch.command) == (
        "redis",
        Path("/shared/redis"),
        ("/usr/bin/redis-server",),
    )
    timing = cell.timing()
    assert (timing.check_interval, timing.beat_interval) == (5, 5)
    assert (timing.stale_after, timing.delay, timing.lease) == (30, 60, 72)
    assert (timing.health_interval, timing.health_timeout) == (0, 0)
    assert cell.warnings() == ()
    assert cell.health.threshold == 3


def test_what_is_said_counts(tmp_path: Path) -> None:
    """Timers, health and probe of the file."""
    text = (
        f'{CELL}name = "r"\nstale_after = 20\nbeat_interval = 2\n{LAUNCH}user = "redis"\n'
        '[cell.health]\ncommand = ["/bin/h"]\ninterval = 4\ntimeout = 2\nthreshold = 5\n'
        '[cell.probe]\ncommand = ["/bin/p", "x"]\n'
    )
    cell = cell_of(tmp_path, text)
    assert (cell.name, cell.health.threshold, cell.probe.command) == ("r", 5, ("/bin/p", "x"))
    timing = cell.timing()
    assert (timing.stale_after, timing.beat_interval, timing.delay) == (20, 2, 60)
    assert (timing.health_interval, timing.health_timeout) == (4, 2)


def test_what_counts_as_an_answer_is_said(tmp_path: Path) -> None:
    """Both readers see it, control characters included."""
    text = f'{CELL}{LAUNCH}[cell.probe]\nport = 6379\nsend = "PING\\r\\n"\nexpect = "+PONG"\n'
    probe = cell_of(tmp_path, text).probe
    assert (probe.port, probe.send, probe.expect) == (6379, "PING\r\n", "+PONG")
    (light,) = light_settings(write(tmp_path, text), {}).cells
    assert (light.port, light.send, light.expect) == (6379, "PING\r\n", "+PONG")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (f'{CELL}{LAUNCH}[cell.probe]\nexpect = "x"\n', "both need the port"),
        (f'{CELL}{LAUNCH}[cell.probe]\nport = 1\nsend = "x"\n', "send needs expect"),
        (f'{CELL}{LAUNCH}[cell.probe]\nport = 1\nexpect = ""\n', "is empty"),
        ('[[cell]]\nsge_root = "/o"\n[cell.probe]\nexpect = "x"\n', "what a gridengine master is asked"),
        ('[[cell]]\nkind = "torque"\n[cell.probe]\nexpect = "x"\n', "what a torque master is asked"),
    ],
)
def test_what_counts_as_an_answer_is_of_a_generic_port(tmp_path: Path, text: str, wrong: str) -> None:
    """Without a port there is nothing to send, without ``expect`` nothing to know an answer by."""
    with pytest.raises(ConfigError, match=wrong):
        load(write(tmp_path, text), {})


def test_the_ancestors_variables_mean_nothing_to_it(tmp_path: Path) -> None:
    """A sourced settings.sh must not bend the timers of a program that is no Grid Engine."""
    text = f'{CELL}{LAUNCH}[[cell]]\nsge_root = "/opt/sge"\n'
    environ = {"SGE_DELAY_TIME": "7", "SGE_ROOT": "/elsewhere", "SGE_QMASTER_PORT": "99"}
    loaded = examine(write(tmp_path, text), environ)
    generic, grid = loaded.settings.cells
    assert (generic.delay, generic.probe.port, grid.delay) == (60, None, 7)
    assert loaded.origin(("cell", 0, "delay")) == "default"
    assert loaded.origin(("cell", 1, "delay")) == "SGE_DELAY_TIME"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (f'[[cell]]\nkind = "generic"\nname = "x"\n{LAUNCH}', "cell[0].directory: is missing"),
        (CELL, "cell[0].launch: has no command: a generic cell must say what to start"),
        (f'{CELL}sge_root = "/opt/sge"\n{LAUNCH}', 'sge_root: is no key of a cell of kind "generic"'),
        (
            '[[cell]]\nsge_root = "/o"\ndirectory = "/x"\n',
            'directory: is no key of a cell of kind "gridengine"',
        ),
        (
            '[[cell]]\nsge_root = "/o"\n[cell.health]\ncommand = ["/x"]\n',
            "which only a generic or torque cell can have",
        ),
        (
            '[[cell]]\nsge_root = "/o"\n[cell.probe]\ncommand = ["/x"]\n',
            "which only a generic or torque cell can have",
        ),
        (f'{CELL}{LAUNCH}[cell.probe]\ncommand = ["/x"]\nport = 1\n', "has both command and port"),
        (f"{CELL}{LAUNCH}[cell.health]\nthreshold = 0\n", "threshold: 0 is no number of failures: 1 to 100"),
        (f"{CELL}{LAUNCH}[cell.health]\nthreshold = true\n", "is no number of failures"),
        (f'{CELL}{LAUNCH}[cell.health]\ncommand = "ping"\n', "is one string"),
        (f"{CELL}{LAUNCH}[cell.health]\nintervall = 4\n", "did you mean interval?"),
        (f"{CELL}lease = 5\n{LAUNCH}", "lease (5 s) must be at least two beats"),
        (f'{CELL}{LAUNCH}{CELL}name = "b"\n{LAUNCH}', "is the directory of another cell too"),
        (f'{CELL}shared = "/data"\n{LAUNCH}', "shared: '/data' is no list"),
        (f'{CELL}shared = ["data"]\n{LAUNCH}', "is no absolute path"),
        (f"{CELL}shared = {['/d'] * 101}\n{LAUNCH}", "has more than 100 directories"),
        ('[[cell]]\nsge_root = "/o"\nshared = ["/d"]\n', 'shared: is no key of a cell of kind "gridengine"'),
        (f'[[cell]]\nkind = "generic"\ndirectory = "/a b"\n{LAUNCH}', "is no name for a cell"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, wrong: str) -> None:
    """With the key that is wrong and the reason."""
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text), {})
    assert wrong in str(caught.value)


def test_further_directories_of_the_master(tmp_path: Path) -> None:
    """Each once, in their order; none where nothing is said, and an empty list is no key of a kind."""
    two = write(tmp_path, f'{CELL}shared = ["/b", "/a", "/b"]\n{LAUNCH}')
    assert load(two, {}).cells[0].shared == ("/b", "/a")
    none = write(tmp_path, '[[cell]]\nsge_root = "/o"\nshared = []\n')
    assert load(none, {}).cells[0].shared == ()


def test_the_light_reader_finds_the_same(tmp_path: Path) -> None:
    """Directory and account, without the models; a wrong account is none."""
    (cell,) = light_settings(write(tmp_path, f'{CELL}{LAUNCH}user = "redis"\n'), {}).cells
    assert (cell.name, cell.kind, cell.sge_root, cell.directory, cell.user) == (
        "redis",
        "generic",
        None,
        Path("/shared/redis"),
        "redis",
    )
    for launch in (LAUNCH, f"{LAUNCH}user = 7\n"):
        (cell,) = light_settings(write(tmp_path, CELL + launch), {}).cells
        assert cell.user is None


def test_what_is_shown_can_be_loaded_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No key of another kind among it."""
    path = write(tmp_path, f'{CELL}{LAUNCH}[cell.health]\ncommand = ["/bin/h"]\n')
    assert main(["config", "show", "--config", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "sge_" not in shown
    again = tmp_path / "again.toml"
    again.write_text(shown)
    (one,), (two,) = load(again, {}).cells, load(path, {}).cells
    assert (one.timing(), one.launch, one.health, one.place) == (
        two.timing(),
        two.launch,
        two.health,
        two.place,
    )
