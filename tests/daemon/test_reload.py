"""SIGHUP: a good configuration is put in force, a bad one changes nothing, and no master minds either."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shadowd.adapters.instance import lock_instance
from tests.daemon.crowds import STEPS, groups, side_by_side
from tests.daemon.toys import FAST, LONG, SLOW, Daemon, Toys, configure, launch, patiently
from tests.lab.processes import alive

pytestmark = [pytest.mark.real, pytest.mark.timeout(200)]


def reload(daemon: Daemon, event: str = "daemon.reloaded") -> dict[str, object]:
    """Send HUP and return what came of it."""
    before = len(daemon.told(event))
    daemon.process.send_signal(signal.SIGHUP)
    patiently(lambda: len(daemon.told(event)) > before, LONG, event, daemon.story)
    return daemon.told(event)[-1]


def timing(daemon: Daemon, cell: str, key: str) -> Callable[[], object]:
    """Return what tells the value of a timer that is in force."""
    return lambda: daemon.record(cell).get("timing", {}).get(key)


def test_changed_cells_begin_anew_and_the_others_notice_nothing(place: Path) -> None:
    """Timers change, a cell comes, a cell goes; the one that stayed as it was counts on."""
    one, two, three, four = (
        Toys.make(place / name, name, **SLOW) for name in ("one", "two", "three", "four")
    )
    for toys in (one, two, three, four):
        (toys.cell.spool / "heartbeat").write_text("00041\n")
    home = place / "beta"
    configure(home, "beta", one, two, three)
    daemon = launch(home, "beta")
    for name in ("one", "two", "three"):
        daemon.wait_eligible(name)
    patiently(lambda: daemon.record("two")["silence"] > 1, LONG, "some silence", daemon.story)
    before = daemon.record("two")
    one.cell.timers["delay"] = 601
    configure(home, "beta", one, two, four)
    told = reload(daemon)
    assert (told["changed"], told["cells"]) == (2, 3), daemon.story()
    patiently(lambda: timing(daemon, "one", "delay")() == 601, LONG, "the new delay", daemon.story)
    daemon.wait_eligible("four")
    more = lambda: daemon.record("two")["silence"] > before["silence"]  # noqa: E731 - a name for a long line
    patiently(more, LONG, "the silence goes on", daemon.story)
    assert daemon.record("two")["since"] == pytest.approx(before["since"], abs=0.5)
    assert daemon.record("one")["silence"] < before["silence"] + 5
    stale = daemon.record("three")["wall"]
    time.sleep(1)
    assert daemon.record("three")["wall"] == stale, "the cell that went is still served"
    lock_instance(home / "run" / "three@beta.lock")


@pytest.mark.parametrize(
    "text",
    ["host = ", '[[cell]]\nname = "demo"\nsge_root = "/nowhere"\nstale_aftre = 1\n', "\0\1\2", ""],
    ids=["torn", "typo", "binary", "empty"],
)
def test_a_bad_configuration_keeps_the_old_one_in_force(toys: Toys, text: str) -> None:
    """The file is named, the cell goes on with its old timers, and failover still works."""
    toys.start_master()
    daemon = toys.serve("beta")
    path = daemon.home / "shadowd.toml"
    path.write_text(text)
    told = reload(daemon, "daemon.reload_failed")
    assert str(path) in str(told["detail"]) or "sge_root" in str(told["detail"]).lower(), told
    toys.kill_pair("alpha")
    assert toys.wait_master(("beta",)) == "beta"


def test_a_configuration_that_is_gone_keeps_the_old_one_in_force(toys: Toys) -> None:
    """A file that is missing at the reload is an error like any other."""
    daemon = toys.start("beta")
    daemon.wait_told("daemon.started")
    path = daemon.home / "shadowd.toml"
    path.unlink()
    assert str(path) in str(reload(daemon, "daemon.reload_failed")["detail"])
    assert daemon.process.poll() is None


def wait_renewed(daemon: Daemon) -> None:
    """Wait until the master's lease was renewed: guards that each end before that let it run out together."""
    due = lambda: daemon.record().get("timer", {}).get("due", 0.0)  # noqa: E731 - a name for a long line
    before = patiently(due, LONG, "a lease", daemon.story)
    patiently(lambda: due() > before + 0.1, LONG, "a renewed lease", daemon.story)


def test_a_master_survives_reloads_and_restarts(toys: Toys) -> None:
    """Five reloads that change the cell and five new daemons later it is still the same process.

    Its lease is so long that a new daemon is there before it is over, however busy the machine is.
    """
    toys.cell.timers |= SLOW
    toys.start_master()
    daemon = toys.serve("beta")
    toys.kill_pair("alpha")
    patiently(lambda: daemon.record()["silence"] > 1, LONG, "some silence", daemon.story)
    daemon.verb("takeover", "--yes", "--timeout", "30")
    daemon.wait_told("master.confirmed")
    written = toys.cell.spool / "schedd.pid"
    settled = lambda: toys.pids("beta", "scheduler") == [int(written.read_text())]  # noqa: E731 - likewise
    patiently(settled, LONG, "the scheduler has forked", toys.story)
    (master,), (scheduler,) = toys.pids("beta", "master"), toys.pids("beta", "scheduler")
    for turn in range(5):
        toys.cell.configure("beta", retry_limit=2 + turn)
        reload(daemon)
        patiently(lambda t=turn: len(daemon.told("master.attached")) > t, LONG, "attached", daemon.story)
        wait_renewed(daemon)
    for turn in range(5):
        # By a crash and by an orderly end in turn.
        daemon.process.send_signal(signal.SIGKILL if turn % 2 else signal.SIGTERM)
        daemon.process.wait(LONG)
        (daemon.home / "shadowd.log").unlink()
        daemon = toys.start("beta")
        daemon.wait_told("master.attached")
        daemon.wait_state("active")
        wait_renewed(daemon)
    assert (toys.pids("beta", "master"), toys.pids("beta", "scheduler")) == ([master], [scheduler])
    assert alive(master)
    assert toys.reigns() == [("0", "alpha"), ("1", "beta")]


def reloads(kind: str, number: int) -> Callable[[Toys], None]:
    """Return the scene in which beta's timers change while it takes over."""

    def scene(toys: Toys) -> None:
        toys.start_master()
        daemon = toys.start("beta", wish={"reload_after": [kind, number]})
        daemon.wait_eligible()
        toys.cell.configure("beta", probe_timeout=0.6, window=4.8)
        toys.kill_pair("alpha")
        daemon.wait_told("daemon.reloaded", changed=1)
        toys.wait_master(("beta",))
        daemon.wait_state("active")
        beats = toys.beats()
        patiently(lambda: toys.beats() > beats + 5, LONG, "it stays", toys.story)
        toys.never_two()
        assert len(toys.pids("beta", "master")) == 1, toys.story()
        assert not (toys.cell.spool / "lock").exists(), toys.story()

    return scene


@pytest.mark.crowd
@pytest.mark.parametrize("steps", groups(list(STEPS)))
def test_a_reload_at_any_step_of_a_takeover_leaves_one_master(
    place: Path, steps: list[tuple[str, int]]
) -> None:
    """The old machines decide nothing any more, and the new ones complete what they began."""
    side_by_side(place, {f"{kind} {n}": reloads(kind, n) for kind, n in steps})


def test_a_cell_that_was_missing_is_served_after_a_reload(place: Path) -> None:
    """HUP looks at once again at what could not be served, changed or not."""
    one, late = Toys.make(place / "one", "one"), Toys.make(place / "late", "late")
    for toys in (one, late):
        (toys.cell.spool / "heartbeat").write_text("00041\n")
    away = place / "away"
    late.root.rename(away)
    configure(place / "beta", "beta", one, late, **SLOW)
    daemon = launch(place / "beta", "beta")
    (told,) = daemon.wait_told("cell.disabled", cell="late")
    assert str(late.cell.common / "bootstrap") in told["detail"]
    daemon.wait_eligible("one")
    reload(daemon)
    away.rename(late.root)
    reload(daemon)
    daemon.wait_eligible("late")


def test_logs_move_and_what_cannot_change_is_said(toys: Toys) -> None:
    """A new log file counts at once; a new host name or runtime directory at the next start, and says so."""
    daemon = toys.start("beta", **SLOW)
    daemon.wait_told("daemon.started")
    path, moved = daemon.home / "shadowd.toml", daemon.home / "moved.log"
    text = path.read_text().replace(f"{daemon.home}/shadowd.log", str(moved))
    path.write_text(text.replace('host = "beta"', 'host = "gamma"'))
    daemon.process.send_signal(signal.SIGHUP)
    patiently(lambda: moved.exists() and "daemon.reloaded" in moved.read_text(), LONG, "moved", daemon.story)
    (told,) = [line for line in daemon.told("config.warning") if "next start" in line["detail"]]
    assert told["detail"].startswith("host:")
    assert daemon.record()["host"] == "beta"


def test_of_many_reloads_the_last_one_counts(toys: Toys) -> None:
    """HUPs faster than files are read lose nothing but readings of older files."""
    daemon = toys.start("beta", **SLOW)
    daemon.wait_told("daemon.started")
    for turn in range(20):
        toys.cell.configure("beta", **(SLOW | {"delay": 700 + turn}))
        daemon.process.send_signal(signal.SIGHUP)
    last = timing(daemon, "demo", "delay")
    patiently(lambda: last() == 719, LONG, "the last delay", daemon.story)
    assert float(FAST["delay"]) != 719
