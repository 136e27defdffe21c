"""The ancestor's variables: honoured, validated, and named when they are wrong."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowd.config.environment import (
    INTERVALS,
    default_log_file,
    default_runtime_dir,
    default_state_dir,
    intervals,
)
from shadowd.config.load import examine, from_environment, load
from shadowd.core.timing import Timing
from shadowd.errors import ConfigError

CELL = '[[cell]]\nsge_root = "/opt/sge"\n'


def write(tmp_path: Path, text: str) -> Path:
    """Return a file with this text."""
    file = tmp_path / "shadowd.toml"
    file.write_text(text)
    return file


def test_sge_root_alone_makes_one_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """With no file at all, SGE_ROOT and the defaults of the manual are a cell."""
    monkeypatch.setattr("shadowd.config.source.find.__defaults__", (Path("/nonexistent"),))
    (cell,) = load(None, {"SGE_ROOT": "/opt/sge"}).cells
    assert (cell.name, cell.place) == ("default", Path("/opt/sge/default"))
    timing = cell.timing()
    assert timing == Timing().derived()
    found = (timing.check_interval, timing.stale_after, timing.delay, timing.earliest, timing.lease)
    assert [f"{seconds:g}" for seconds in found] == ["60", "240", "600", "840", "741"]


def test_the_environment_alone_looks_at_no_file(tmp_path: Path) -> None:
    """What stands in for sge_shadowd is configured by its variables, whatever file there is."""
    environ = {"SGE_ROOT": "/opt/sge", "SHADOWD_CONFIG": str(write(tmp_path, "nonsense"))}
    assert from_environment(environ).cells[0].name == "default"
    with pytest.raises(ConfigError, match="SGE_ROOT"):
        from_environment({})


def test_the_variables_describe_the_cell(tmp_path: Path) -> None:
    """SGE_CELL names cell and directory; SGE_QMASTER_PORT is where the master is asked."""
    environ = {"SGE_ROOT": "/opt/sge", "SGE_CELL": "prod", "SGE_QMASTER_PORT": "6555"}
    (cell,) = load(write(tmp_path, ""), environ).cells
    assert (cell.name, cell.sge_cell, cell.probe.port) == ("prod", "prod", 6555)


def test_empty_variables_count_as_unset_where_the_ancestor_says_so(tmp_path: Path) -> None:
    """An empty SGE_CELL means "default", as in the ancestor."""
    (cell,) = load(
        write(tmp_path, ""), {"SGE_ROOT": "/opt/sge", "SGE_CELL": "", "SHADOWD_RUNTIME_DIR": ""}
    ).cells
    assert cell.name == "default"


def test_intervals_win_over_the_file_for_every_cell(tmp_path: Path) -> None:
    """The three intervals are laid over every cell, and their origin is told."""
    file = write(tmp_path, f'{CELL}check_interval = 30\n{CELL}name = "b"\nsge_cell = "b"\ndelay = "20m"\n')
    environ = {"SGE_CHECK_INTERVAL": "45", "SGE_GET_ACTIVE_INTERVAL": "300", "SGE_DELAY_TIME": " 900 "}
    loaded = examine(file, environ)
    for index, cell in enumerate(loaded.settings.cells):
        assert (cell.check_interval, cell.stale_after, cell.delay) == (45, 300, 900)
        assert loaded.origin(("cell", index, "delay")) == "SGE_DELAY_TIME"


def test_a_cell_that_names_its_root_ignores_which_cell_the_shell_is_set_to(tmp_path: Path) -> None:
    """A sourced settings.sh does not bend the cells of a file."""
    environ = {"SGE_ROOT": "/elsewhere", "SGE_CELL": "other", "SGE_QMASTER_PORT": "1"}
    (cell,) = load(write(tmp_path, CELL), environ).cells
    assert (cell.place, cell.probe.port) == (Path("/opt/sge/default"), None)


@pytest.mark.parametrize("variable", INTERVALS)
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("0", "out of range"),
        ("-1", "not a whole number"),
        ("60abc", "not a whole number"),
        ("", "set but empty"),
        ("   ", "set but empty"),
        ("1e9", "not a whole number"),
        ("1000000000", "not a whole number"),
        ("999999999", "out of range"),
        ("6 0", "not a whole number"),
        ("+60", "not a whole number"),
        ("60.0", "not a whole number"),
        ("4m", "not a whole number"),
        ("٦٠", "not a whole number"),
        ("6" * 10_000, "not a whole number"),
        ("\udcff", "not a whole number"),
    ],
)
def test_a_bad_interval_is_an_error_that_names_the_variable(
    tmp_path: Path, variable: str, value: str, reason: str
) -> None:
    """What the ancestor looped on, slept on or ignored is refused at start."""
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, CELL), {variable: value})
    assert caught.value.subject == variable
    assert reason in caught.value.reason
    assert caught.value.remedy
    assert caught.value.exit_code == 78


@pytest.mark.parametrize("value", ["60", " 60", "60 ", "\t60", "060"])
def test_blanks_around_an_interval_are_harmless(value: str) -> None:
    """Blanks that a shell script leaves around a number do not change it."""
    found, problems = intervals({"SGE_CHECK_INTERVAL": value})
    assert found["check_interval"].seconds == 60
    assert problems == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SGE_ROOT", "opt/sge"),
        ("SGE_CELL", "a/b"),
        ("SGE_CELL", ".."),
        ("SGE_CELL", "a b"),
        ("SGE_QMASTER_PORT", "70000"),
        ("SGE_QMASTER_PORT", "six"),
        ("SHADOWD_RUNTIME_DIR", "run"),
    ],
)
def test_the_other_variables_are_named_too(tmp_path: Path, variable: str, value: str) -> None:
    """Whichever variable is wrong stands at the head of the error."""
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, ""), {"SGE_ROOT": "/opt/sge", variable: value})
    assert str(caught.value).startswith(f"{variable}: ")


def test_without_file_and_without_sge_root_the_remedy_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing configured is an error that says what to set or write."""
    monkeypatch.setattr("shadowd.config.source.find.__defaults__", (Path("/nonexistent"),))
    with pytest.raises(ConfigError, match="SGE_ROOT") as caught:
        load(None, {})
    assert "shadowd.toml" in caught.value.remedy


def test_a_refused_relation_mentions_the_variables_that_are_part_of_it(tmp_path: Path) -> None:
    """A lease that a variable made too long says that the variable won over the file."""
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, CELL + "lease = 741\n"), {"SGE_DELAY_TIME": "60"})
    assert "SGE_DELAY_TIME" in caught.value.remedy
    assert caught.value.subject.endswith("shadowd.toml:3: cell[0].lease")


def test_the_files_own_mistake_is_told_even_under_an_override(tmp_path: Path) -> None:
    """Unsetting a variable later must not uncover a mistake."""
    with pytest.raises(ConfigError, match="is no duration"):
        load(write(tmp_path, CELL + 'delay = "soon"\n'), {"SGE_DELAY_TIME": "600"})


def test_runtime_dir_follows_the_user(tmp_path: Path) -> None:
    """Root has /run, a session its own directory, everybody else one below /tmp; a variable wins."""
    assert default_runtime_dir({"XDG_RUNTIME_DIR": "/run/user/7"}, uid=0) == Path("/run/shadowd")
    assert default_runtime_dir({"XDG_RUNTIME_DIR": "/run/user/7"}, uid=7) == Path("/run/user/7/shadowd")
    assert default_runtime_dir({"XDG_RUNTIME_DIR": "relative"}, uid=7) == Path("/tmp/shadowd-7")
    assert default_runtime_dir({}, uid=7) == Path("/tmp/shadowd-7")
    file = write(tmp_path, f'runtime_dir = "/a"\n{CELL}')
    assert load(file, {"SHADOWD_RUNTIME_DIR": "/b"}).runtime_dir == Path("/b")
    assert load(file, {}).runtime_dir == Path("/a")


def test_the_local_log_is_beside_the_runtime_files_unless_root() -> None:
    """Only root writes below /var/log."""
    assert default_log_file(Path("/r"), uid=0) == Path("/var/log/shadowd/shadowd.log")
    assert default_log_file(Path("/r"), uid=7) == Path("/r/shadowd.log")


@given(st.dictionaries(st.sampled_from([*INTERVALS, "SGE_ROOT", "SGE_CELL", "SGE_QMASTER_PORT"]), st.text()))
def test_no_environment_gives_anything_but_settings_or_a_config_error(environ: dict[str, str]) -> None:
    """Arbitrary values of all variables end in settings or in words."""
    try:
        assert load(Path(__file__).with_name("empty.toml"), environ).cells
    except ConfigError as error:
        told = str(error)
    else:
        told = "settings"
    assert told


def test_what_a_host_remembers_outlives_a_boot() -> None:
    """Root's in /var/lib; a user's where the XDG specification says; only without a home where it can be."""
    assert default_state_dir({"HOME": "/root"}, uid=0) == Path("/var/lib/shadowd")
    assert default_state_dir({"XDG_STATE_HOME": "/s", "HOME": "/h"}, uid=7) == Path("/s/shadowd")
    assert default_state_dir({"XDG_STATE_HOME": "s", "HOME": "/h"}, uid=7) == Path("/h/.local/state/shadowd")
    assert default_state_dir({}, uid=7) == Path("/tmp/shadowd-7/lib")
