"""From a file to settings, or to every mistake in it with line, key, reason and remedy."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from pydantic import ValidationError

from shadowd.config import suggest
from shadowd.config.explain import MOST, ManyProblemsError, each_of
from shadowd.config.load import examine, load
from shadowd.config.models import DURATIONS, CellSettings
from shadowd.config.tables import LaunchSettings, LogSettings, ProbeSettings
from shadowd.core.timing import DelayApplies, Timing
from shadowd.errors import ConfigError

CELL = '[[cell]]\nsge_root = "/opt/sge"\n'


def write(tmp_path: Path, text: str) -> Path:
    """Return a file with this text."""
    file = tmp_path / "shadowd.toml"
    file.write_text(text)
    return file


def mistakes(tmp_path: Path, text: str) -> list[tuple[str, str, str]]:
    """Return subject (without the path), reason and remedy of everything wrong with this text."""
    file = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert str(file) in str(caught.value)
    return [(e.subject.removeprefix(str(file)), e.reason, e.remedy) for e in each_of(caught.value)]


def test_the_models_know_every_duration_of_the_core() -> None:
    """No duration of the core is out of reach of the file; the fence's has its own table."""
    core = {field.name for field in fields(Timing)}
    assert set(DURATIONS) == core - {"fence_timeout", "health_interval", "health_timeout", "delay_applies"}
    assert set(DURATIONS) <= set(CellSettings.model_fields)


def test_defaults_are_those_of_the_core(tmp_path: Path) -> None:
    """A cell that says nothing has exactly the core's derived timing."""
    (cell,) = load(write(tmp_path, CELL), {}).cells
    assert cell.timing() == Timing().derived()
    assert cell.warnings() == ()


def test_every_key_arrives(tmp_path: Path) -> None:
    """Values of every type reach the settings."""
    text = f"""
host = "me"
runtime_dir = "/r"
watch = false
hints = false
hint_port = 6446
log = {{ format = "json", level = "debug", file = "", spool = false }}
{CELL}
name = "n"
sge_cell = "c"
check_interval = "1m"
delay_applies = "after_failed_bid"
unknown_heartbeat = "silence"
adopt = false
restart_limit = 0
restart_window = "2m"
death_notice = "ignore"
observer = true
launch.command = ["/m", "-x"]
launch.scheduler = []
launch.user = "sge"
launch.cwd = "/"
launch.log_file = "/l"
launch.environment.A = "b"
probe.port = 1
probe.qping = "/q"
probe.addresses."h.x" = "::1"
"""
    found = load(write(tmp_path, text), {})
    assert (found.host, found.runtime_dir, found.watch) == ("me", Path("/r"), False)
    assert (found.hints, found.hint_port) == (False, 6446)
    assert found.log == LogSettings(format="json", level="debug", file=None, spool=False)
    (cell,) = found.cells
    assert (cell.name, cell.place, cell.observer) == ("n", Path("/opt/sge/c"), True)
    assert (cell.unknown_heartbeat, cell.death_notice) == ("silence", "ignore")
    assert (cell.adopt, cell.restart_limit, cell.restart_window) == (False, 0, 120)
    assert cell.timing().delay_applies is DelayApplies.AFTER_FAILED_BID
    assert cell.launch == LaunchSettings(
        command=("/m", "-x"),
        scheduler=(),
        user="sge",
        cwd=Path("/"),
        environment={"A": "b"},
        log_file=Path("/l"),
    )
    assert cell.probe == ProbeSettings(port=1, qping="/q", addresses={"h.x": "::1"})


def test_the_settings_cannot_be_changed(tmp_path: Path) -> None:
    """Whoever holds settings holds what was loaded."""
    found = load(write(tmp_path, CELL), {})
    with pytest.raises(ValidationError):
        found.watch = False  # type: ignore[misc] # that is the point
    assert isinstance(found.cells, tuple)


@pytest.mark.parametrize(
    ("text", "subject", "reason", "remedy"),
    [
        ("check_intervall = 5", ":3: cell[0].check_intervall", "unknown key", "did you mean check_interval?"),
        ("Check-Interval = 5", ":3: cell[0].Check-Interval", "unknown key", "did you mean check_interval?"),
        ("SGE_DELAY_TIME = 5", ":3: cell[0].SGE_DELAY_TIME", "unknown key", "did you mean delay?"),
        ("port = 5", ":3: cell[0].port", "unknown key", "port belongs below [cell.probe]"),
        ("runtime_dir = 5", ":3: cell[0].runtime_dir", "unknown key", "runtime_dir belongs at the top"),
        ("zzz = 5", ":3: cell[0].zzz", "unknown key", "schema"),
        ("[other]\nx = 1", ":3: other", "unknown key", "schema"),
        ('kind = "slurm"', ":3: cell[0].kind", 'it serves "gridengine"', 'kind = "gridengine"'),
        ("check_interval = 0", ":3: cell[0].check_interval", "at least", "check_interval = 60"),
        ("delay = -1", ":3: cell[0].delay", "at least 0 s", "delay = 600"),
        ("delay = nan", ":3: cell[0].delay", "finite", "delay = 600"),
        ("delay = true", ":3: cell[0].delay", "no duration", "delay = 600"),
        ("stale_after = 1000000000", ":3: cell[0].stale_after", "a week", "stale_after = 240"),
        ('observer = "yes"', ":3: cell[0].observer", "not true or false", "observer = false"),
        ("observer = 1", ":3: cell[0].observer", "not true or false", "observer = false"),
        (
            'delay_applies = "never"',
            ":3: cell[0].delay_applies",
            "none of 'before_takeover'",
            "delay_applies",
        ),
        ("name = ''", ":3: cell[0].name", "no name for a cell", "name ="),
        ("launch = 5", ":3: cell[0].launch", "not a table", "[cell.launch]"),
        ('[cell.launch]\ncommand = "x"', ":4: cell[0].launch.command", "one string", "command = ["),
        ("[cell.launch]\nlog_file = '~'", ":4: cell[0].launch.log_file", "no absolute path", "log_file ="),
        ("[cell.launch.environment]\nA = 5", ":3: cell[0].launch.environment", "no string", "environment ="),
        ("[cell.probe]\nqping = 'x'", ":4: cell[0].probe.qping", "neither", 'qping = "auto"'),
        ("[cell.probe.addresses]\nm = 'm2'", ":3: cell[0].probe.addresses", "no IP address", "addresses ="),
        ("lease = 10", ":3: cell[0].lease", "at least two beats", "change lease"),
        (CELL, ":3: cell[1].name", "another cell", "of its own"),
    ],
)
def test_a_mistake_is_told_with_line_key_reason_and_remedy(
    tmp_path: Path, text: str, subject: str, reason: str, remedy: str
) -> None:
    """One mistake, one error, at its line."""
    found = mistakes(tmp_path, CELL + text + "\n")
    assert found[0][0] == subject
    assert reason in found[0][1]
    assert remedy in found[0][2]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no [[cell]]"),
        ("cell = []", "has no [[cell]]"),
        ("[cell]\nsge_root = '/x'", "not a list of tables"),
        ("cell = 5", "not a list of tables"),
        ("cell = [5]", "not a table"),
        ("[[cell]]", "is missing, and SGE_ROOT is not set"),
        ("cell = [" + "{}," * 10_001 + "]", "more than 10000"),
        ("log = 5\n" + CELL, "not a table"),
        ("[[cells]]\nsge_root = '/x'", "unknown key"),
    ],
)
def test_a_file_without_a_proper_cell_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    """The shape of the file is explained as the rest of it."""
    found = mistakes(tmp_path, text)
    assert any(reason in told for _, told, _ in found)
    assert all(remedy for _, _, remedy in found)


def test_a_kind_of_a_later_release_is_the_only_complaint_about_its_cell(tmp_path: Path) -> None:
    """What another kind lacks of this one's keys is no news."""
    assert len(mistakes(tmp_path, '[[cell]]\nkind = "slurm"\n')) == 1


def test_all_mistakes_come_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    """A file with five mistakes costs one restart, not five."""
    text = f"a = 1\n{CELL}b = 2\ndelay = -1\n[log]\nlevel = 1\nc = 3\n"
    assert [subject.split(":")[1] for subject, _, _ in mistakes(tmp_path, text)] == ["1", "4", "5", "7", "8"]


def test_the_number_of_told_mistakes_is_bounded(tmp_path: Path) -> None:
    """The wrong file has thousands; the first are told and the rest counted."""
    file = write(tmp_path, "".join(f"k{n} = 1\n" for n in range(500)) + CELL)
    with pytest.raises(ManyProblemsError) as caught:
        load(file, {})
    assert len(caught.value.problems) == MOST
    assert str(caught.value).endswith("... and 480 more")


@pytest.mark.parametrize(
    ("text", "fatal"),
    [
        ("", None),
        ("lease = 59", "at least two beats"),
        ("lease = 60", None),
        ("lease = 850", "longer than the earliest takeover"),
        ("lease = 808", None),
        ("licence = 54", "licence (54 s)"),
        ("licence = 55", None),
        ("window = 182", None),
        ("window = 181", "window (181 s)"),
        ("retry_after = 700", "retry_limit (600 s)"),
        ("retry_after = 600", None),
        ("stale_after = 2\ndelay = 0\nbeat_interval = 1\ncheck_interval = 1", None),
    ],
)
def test_relations_between_timers_are_refused_with_their_rule(
    tmp_path: Path, text: str, fatal: str | None
) -> None:
    """A relation that could make a second master stops the start, at the key to change."""
    if fatal is None:
        load(write(tmp_path, CELL + text), {})
    else:
        ((subject, reason, remedy),) = mistakes(tmp_path, CELL + text)
        assert fatal in reason
        assert "cell[0]." in subject
        assert remedy


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("check_interval = 20", "shorter than the master's beat"),
        ("stale_after = 50", "shorter than two beats"),
        ("stale_after = 160", "two beats + 104 s"),
        ("launch_timeout = 100", "below 120 s"),
        ("delay = 0\nstale_after = 60", "a guarded master may live"),
    ],
)
def test_doubtful_relations_are_warnings(tmp_path: Path, text: str, rule: str) -> None:
    """What is unwise and safe is allowed and told."""
    loaded = examine(write(tmp_path, CELL + text), {})
    assert any(rule in warning for warning in loaded.settings.cells[0].warnings())
    assert any("cell default: " in warning and rule in warning for warning in loaded.warnings())


class CountingCall:
    """A function that counts how often it is called."""

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function
        self.calls = 0

    def __call__(self, *args: object, **more: object) -> object:
        """Count, and pass it on."""
        self.calls += 1
        return self._function(*args, **more)


def test_a_file_that_everybody_may_write_is_a_warning(tmp_path: Path) -> None:
    """The warning names the file and the remedy."""
    file = write(tmp_path, CELL)
    file.chmod(0o666)
    loaded = examine(file, {})
    assert loaded.warnings() == (f"{file}: everybody may write this file; chmod o-w",)
    assert loaded.trusted(1000) is loaded


def test_a_file_that_everybody_may_write_is_refused_by_root(tmp_path: Path) -> None:
    """It names commands that root would run."""
    file = write(tmp_path, CELL)
    assert examine(file, {}).trusted(0)
    file.chmod(0o666)
    with pytest.raises(ConfigError, match="everybody may write this file, and it names commands") as refused:
        examine(file, {}).trusted(0)
    assert (refused.value.subject, refused.value.remedy) == (str(file), f"chmod o-w {file}")


@pytest.mark.timeout(60)
def test_a_file_of_unknown_keys_is_refused_quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What each of them may have meant is asked for those only that are told."""
    keys = "".join(f"k{number}=1\n" for number in range(80_000))
    asked = CountingCall(suggest.get_close_matches)
    monkeypatch.setattr(suggest, "get_close_matches", asked)
    with pytest.raises(ConfigError, match="80000 problems") as refused:
        examine(write(tmp_path, keys + CELL), {})
    assert len(str(refused.value).splitlines()) < 100
    assert asked.calls <= MOST


def test_two_cells_of_one_directory_are_refused(tmp_path: Path) -> None:
    """Two machines on one cell would race each other from one process."""
    ((subject, reason, _),) = mistakes(tmp_path, CELL + CELL + 'name = "b"\n')
    assert subject == ":4: cell[1].sge_root"
    assert "directory of another cell" in reason


def test_origins_are_told(tmp_path: Path) -> None:
    """Each value is traced to line, variable, default or derivation."""
    file = write(tmp_path, CELL + "delay = 700\nprobe = { port = 5 }\n")
    loaded = examine(file, {"SGE_CHECK_INTERVAL": "50"})
    origins = {name: loaded.origin(("cell", 0, name)) for name in CellSettings.model_fields}
    assert origins["delay"] == f"{file}:3"
    assert origins["check_interval"] == "SGE_CHECK_INTERVAL"
    assert origins["stale_after"] == "default"
    assert origins["name"] == origins["lease"] == "derived"
    assert loaded.origin(("cell", 0, "probe", "port")) == f"{file}:4"
    assert loaded.origin(("runtime_dir",)) == loaded.origin(("log", "file")) == "default"
