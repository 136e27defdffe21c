"""The keys of a TORQUE cell: all have a default, and timings that cannot be safe are refused."""

from pathlib import Path

import pytest

from shadowd.cli import main
from shadowd.config.light import light_settings
from shadowd.config.load import examine, load
from shadowd.config.models import CellSettings
from shadowd.errors import ConfigError

GENERIC = '[[cell]]\nkind = "generic"\ndirectory = "/o"\n'
PROGRAM = '[cell.launch]\ncommand = ["/x"]\n'
CELL = '[[cell]]\nkind = "torque"\n'
PRIV = "/var/spool/torque/server_priv"


def write(tmp_path: Path, text: str) -> Path:
    """Return a file with this text."""
    file = tmp_path / "shadowd.toml"
    file.write_text(text)
    return file


def cell_of(tmp_path: Path, text: str, **environ: str) -> CellSettings:
    """Return the one cell of a text."""
    (cell,) = load(write(tmp_path, text), environ).cells
    return cell


def test_a_kind_is_enough(tmp_path: Path) -> None:
    """TORQUE's own directory, its server in the foreground, its second and its nine seconds."""
    cell = cell_of(tmp_path, CELL, SGE_DELAY_TIME="7", SGE_ROOT="/opt/sge")
    assert (cell.name, cell.place, cell.lock, cell.clean_exit) == ("torque", Path(PRIV), "lease", "hand_over")
    assert cell.lock_file == Path(PRIV, "server.lock")
    assert (cell.launch.command, cell.launch.scheduler) == (("/usr/local/sbin/pbs_server", "-D"), None)
    timing = cell.timing()
    assert (timing.check_interval, timing.notice_interval, timing.beat_interval) == (1, 1, 1)
    assert (timing.stale_after, timing.delay, timing.guard_interval) == (9, 0, 1)
    assert (timing.step_down_timeout, round(timing.lease, 3)) == (2, 6.1)
    assert timing.handover < timing.earliest
    assert timing.window < 60
    assert cell.restart_limit == 0
    assert cell.warnings() == ()


def test_what_is_said_counts(tmp_path: Path) -> None:
    """One interval for both looks, unless they are told apart; the name is that of the directory."""
    cell = cell_of(tmp_path, f'{CELL}directory = "/shared/pbs"\nretry_interval = 2\nnotice_interval = 0.5\n')
    assert (cell.name, cell.lock_file) == ("pbs", Path("/shared/pbs/server.lock"))
    assert (cell.timing().check_interval, cell.timing().notice_interval) == (2, 0.5)
    assert cell_of(tmp_path, f"{CELL}stale_after = 60\n").timing().step_down_timeout == 6
    assert cell_of(tmp_path, f"{CELL}step_down_timeout = 1\n").timing().lease > 7
    text = (
        f'{CELL}directory = "/shared/pbs/server_priv/"\nlock = "lease"\nlock_file = "/elsewhere/lock"\n'
        'clean_exit = "shutdown"\n[cell.launch]\ncommand = ["/opt/pbs_server", "-D"]\nscheduler = []\n'
        '[cell.health]\ncommand = ["/bin/true"]\n[cell.probe]\nport = 15001\n'
    )
    cell = cell_of(tmp_path, text)
    assert (cell.name, cell.lock, cell.clean_exit) == ("pbs", "lease", "shutdown")
    assert (cell.lock_file, cell.launch.scheduler) == (Path("/elsewhere/lock"), ())
    assert (cell.health.command, cell.probe.port) == (("/bin/true",), 15001)
    assert cell_of(tmp_path, f'{CELL}directory = "/server_priv"\n').name == "server_priv"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (
            f"{CELL}stale_after = 3\nbeat_interval = 10\nlease = 20\n",
            "stale_after (3 s) is shorter than two beats (20 s)",
        ),
        (f"{CELL}lease = 1\n", "lease (1 s) must be at least two beats"),
        (f"{CELL}lease = 9\n", "a guarded master may live"),
        (f'{CELL}lock = "flock"\n', "'flock' is none of 'fcntl' or 'lease'"),
        (f'{CELL}clean_exit = "stop"\n', "'stop' is none of 'hand_over' or 'shutdown'"),
        (f"{CELL}retry_interval = 0\n", "retry_interval: 0 is"),
        (f'{CELL}lock_file = "server.lock"\n', "lock_file: 'server.lock' is"),
        (f"{CELL}directory = 7\n", "directory: 7 is"),
        (f"{CELL}launch = 7\n", "launch"),
        (f'{CELL}sge_root = "/opt/sge"\n', 'sge_root: is no key of a cell of kind "torque"'),
        ('[[cell]]\nsge_root = "/o"\nlock = "lease"\n', 'lock: is no key of a cell of kind "gridengine"'),
        (
            f"{GENERIC}retry_interval = 1\n{PROGRAM}",
            'retry_interval: is no key of a cell of kind "generic"',
        ),
        (
            f"{GENERIC}stale_after = 9\n{PROGRAM}",
            "stale_after (9 s) is shorter than two beats (10 s)",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, wrong: str) -> None:
    """With the key that is wrong and the reason."""
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text), {})
    assert wrong in str(caught.value)


def test_a_lease_that_takes_a_real_server_for_dead(tmp_path: Path) -> None:
    """It refreshes its lock every three seconds; among ours alone it is no matter."""
    short = f"{CELL}stale_after = 5\n"
    (warning,) = cell_of(tmp_path, f'{short}lock = "lease"\n').warnings()
    assert "two updates of a pbs_server --ha (6 s)" in warning
    assert cell_of(tmp_path, short).warnings() == (warning,), "lease is the default"
    assert cell_of(tmp_path, f'{short}lock = "fcntl"\n').warnings() == ()


def test_the_light_reader_finds_the_same(tmp_path: Path) -> None:
    """Directory, account and lock, without the models."""
    text = f'{CELL}lock = "lease"\n[cell.launch]\nuser = "pbs"\n'
    (cell,) = light_settings(write(tmp_path, text), {}).cells
    assert (cell.name, cell.kind, cell.directory, cell.user) == ("torque", "torque", Path(PRIV), "pbs")
    assert cell.server_lock == ("lease", Path(PRIV, "server.lock"))


def test_what_is_shown_can_be_loaded_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each value with its origin, and no key of another kind."""
    path = write(tmp_path, CELL)
    assert main(["config", "show", "--config", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "sge_" not in shown
    assert "retry_interval = 1  # default" in shown
    assert "check_interval = 1  # derived" in shown
    again = tmp_path / "again.toml"
    again.write_text(shown)
    (one,), (two,) = load(again, {}).cells, load(path, {}).cells
    assert (one.timing(), one.launch, one.place, one.lock_file) == (
        two.timing(),
        two.launch,
        two.place,
        two.lock_file,
    )
    assert examine(path, {}).origin(("cell", 0, "launch", "command")) == "default"
