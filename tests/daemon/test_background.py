"""``--daemonize`` and a second daemon: an exit status that is true."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shadowd.adapters.clock import SystemClock
from shadowd.adapters.identity import read_boot_id
from shadowd.adapters.kept import Keeper, write_lease
from shadowd.core.values import Epoch, Instant, KeptLease, Seconds
from tests.daemon.generics import Generic
from tests.daemon.toys import FAST, LONG, SLOW, Toys, launch, living, patiently, surroundings
from tests.lab import processes
from tests.lab.processes import wait_for

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def daemons(root: Path) -> list[int]:
    """Return the daemons of a cell."""
    return [pid for pid, words in living(root) if "run" in words[:5]]


def test_a_good_start_is_0_and_the_daemon_serves(toys: Toys) -> None:
    """The first process ends when the daemon is ready, which has no terminal and does take over."""
    toys.start_master()
    toys.cell.configure("beta")
    start = launch(toys.cell.home("beta"), "beta", "--daemonize")
    assert start.process.wait(LONG) == 0, start.story()
    assert start.told("daemon.started")
    (pid,) = daemons(toys.root)
    assert processes.stat_fields(pid)[1] != str(os.getpid())
    for number in (0, 1, 2):
        assert str(Path(f"/proc/{pid}/fd/{number}").readlink()) == "/dev/null"
    toys.kill_pair("alpha")
    assert toys.wait_master(("beta",)) == "beta"
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not daemons(toys.root), LONG, "the daemon has ended")


def test_whoever_reads_what_a_start_says_to_its_end_is_let_go(tmp_path: Path) -> None:
    """Nothing that a daemon starts holds the output of its init script, or ssh would never return."""
    cell = Generic(tmp_path / "cell").create()
    words = ("run", "--config", str(cell.configure("alpha")), "--daemonize")
    run = cell.root / "alpha" / "run"
    run.mkdir(mode=0o700)
    ends = Instant(SystemClock().now() + 600)
    kept = KeptLease(Epoch(1), "of an earlier life", Seconds(600), ends)
    write_lease(Keeper(run / "single@alpha.lease.json", read_boot_id()), kept)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "shadowd", *words],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=surroundings(),
            timeout=LONG,
        )
        assert done.returncode == 0, done.stderr
        assert len(cell.enforcers("alpha")) == 1
    finally:
        cell.close()


def test_a_configuration_named_from_here_is_found_there(toys: Toys) -> None:
    """A daemon leaves the directory; the file's name means what it meant, at HUP too."""
    toys.cell.configure("beta", **SLOW)
    home = toys.cell.home("beta")
    wrapped = ("env", f"--chdir={home}", f"TOYS={toys.root}/")
    for config in (["--config", "shadowd.toml"], []):
        variable = () if config else ("SHADOWD_CONFIG=shadowd.toml",)
        (home / "shadowd.log").unlink(missing_ok=True)
        start = launch(home, "beta", "--daemonize", before=(*wrapped, *variable), config=config)
        assert start.process.wait(LONG) == 0, start.story()
        (pid,) = [line["pid"] for line in start.told("daemon.started")]
        os.kill(pid, signal.SIGHUP)
        start.wait_told("daemon.reloaded")
        processes.kill([pid])
        wait_for(lambda pid=pid: not processes.alive(pid), LONG, "the daemon has ended")


@pytest.mark.parametrize("background", [True, False], ids=["background", "foreground"])
@pytest.mark.parametrize(
    ("text", "status", "word"),
    [
        ("[[cell]", 78, "is not TOML"),
        ('[[cell]]\nsge_root = "/nowhere"\nname = "x"\n', 66, "/nowhere/default/common/bootstrap"),
        ('[[cell]]\nsge_root = "/nowhere"\nname = "x"\ndelay = "soon"\n', 78, "delay"),
    ],
    ids=["torn", "no-cell", "wrong-key"],
)
def test_a_start_that_fails_says_so(
    place: Path, text: str, status: int, word: str, *, background: bool
) -> None:
    """The status is that of sysexits.h, the words name what is wrong, and nothing stays behind."""
    home = place / "beta"
    home.mkdir()
    (home / "shadowd.toml").write_text(f'runtime_dir = "{home}/run"\nstate_dir = "{home}/lib"\n{text}')
    start = launch(home, "beta", *(["--daemonize"] if background else []))
    assert start.process.wait(LONG) == status, (home / "stderr").read_text()
    said = (home / "stderr").read_text()
    assert word in said, said
    assert "hint:" in said
    assert "Traceback" not in said
    assert not daemons(place)


@pytest.mark.parametrize("background", [True, False], ids=["background", "foreground"])
def test_a_second_daemon_is_refused_and_the_first_undisturbed(toys: Toys, *, background: bool) -> None:
    """Status 75 and the first one's pid; after a SIGKILL of the first the next start is good at once."""
    first = toys.start("beta", **SLOW)
    first.wait_told("daemon.started")
    second = launch(first.home, "beta", *(["--daemonize"] if background else []))
    assert second.process.wait(LONG) == 75
    said = (first.home / "stderr").read_text()
    assert f"is locked by pid {first.pid}" in said, said
    assert first.process.poll() is None
    first.kill()
    (first.home / "shadowd.log").unlink()
    third = launch(first.home, "beta")
    third.wait_told("daemon.started")


def test_of_two_cells_one_taken_the_other_is_served(place: Path) -> None:
    """A cell that another daemon of this host serves is reported, and the rest works."""
    one, two = Toys.make(place / "one", "one", **SLOW), Toys.make(place / "two", "two", **SLOW)
    home = place / "beta"
    home.mkdir()
    top = f'host = "beta"\nruntime_dir = "{home}/run"\nstate_dir = "{home}/lib"\n'
    top += f'[log]\nformat = "json"\nfile = "{home}/shadowd.log"\n'
    (home / "shadowd.toml").write_text(top + one.cell.table("beta"))
    first = launch(home, "beta")
    first.wait_told("daemon.started")
    both = place / "both"
    both.mkdir()
    text = top.replace(f"{home}/shadowd.log", f"{both}/shadowd.log")
    (both / "shadowd.toml").write_text(text + one.cell.table("beta") + two.cell.table("beta"))
    second = launch(both, "beta")
    (told,) = second.wait_told("cell.disabled", cell="one")
    assert f"is locked by pid {first.pid}" in told["detail"]
    patiently(lambda: first.record("two"), LONG, "two is served", second.story)


def test_closed_streams_do_not_send_the_log_into_other_files(toys: Toys) -> None:
    """Started with its standard streams closed, as some init scripts do, it writes into nothing of ours."""
    toys.cell.configure("beta", **SLOW)
    home = toys.cell.home("beta")
    shell = ("/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")
    daemon = launch(home, "beta", before=shell)
    daemon.wait_told("daemon.started")
    patiently(daemon.record, LONG, "a record", daemon.story)
    for number in (0, 1, 2):
        assert str(Path(f"/proc/{daemon.pid}/fd/{number}").readlink()) == "/dev/null"
    assert (home / "run" / "demo@beta.lock").read_text() == f"{daemon.pid}\n"


def test_a_reader_who_stops_reading_stops_no_takeover(toys: Toys) -> None:
    """Standard error is a full pipe: lines are lost there, and nothing waits."""
    reader, writer = os.pipe()
    toys.start_master()
    toys.cell.configure("beta", **FAST)
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    daemon = launch(toys.cell.home("beta"), "beta", stderr=writer)
    os.close(writer)
    daemon.wait_eligible()
    toys.kill_pair("alpha")
    assert toys.wait_master(("beta",)) == "beta"
    os.close(reader)
    daemon.process.terminate()
    assert daemon.process.wait(LONG) == 0
