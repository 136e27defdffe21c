"""The process that enforces the leases of a daemon that is gone, without the daemon."""

import os
import pwd
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from shadowd.adapters import marks, procfs
from shadowd.adapters.clock import SystemClock
from shadowd.adapters.identity import read_boot_id
from shadowd.adapters.kept import BeatPlace, Keeper, leave_lease, read_lease, write_lease
from shadowd.adapters.processrecord import KeptProcess, KeptProcesses, write_processes
from shadowd.app import leases
from shadowd.app.enforcer import Orders, stand_by
from shadowd.app.leases import KeptLeases
from shadowd.app.standin import StandIn
from shadowd.core.values import Epoch, Instant, KeptLease, Seconds
from tests.lab.outsiders import crowd
from tests.lab.processes import alive, wait_for

NEVER = threading.Event()
MARK = os.urandom(8).hex()
"""In every nonce: the suite may run twice on one machine, and processes are found by it."""


class Counting(SystemClock):
    """A clock that counts how often it is read."""

    def __init__(self) -> None:
        self.reads = 0

    def now(self) -> Instant:
        """Return the time."""
        self.reads += 1
        return super().now()


def orders(runtime_dir: Path) -> Orders:
    """Return those of a daemon that has died already."""
    with subprocess.Popen(["true"]) as daemon:
        daemon.wait()
    return Orders(daemon.pid, Seconds(0.1), Seconds(0), "", str(runtime_dir), ("one", "two"))


def keeper(runtime_dir: Path, cell: str) -> Keeper:
    """Return where a lease of this cell is kept."""
    return Keeper(runtime_dir / f"{cell}@alpha.lease.json", read_boot_id())


def keep(
    runtime_dir: Path, cell: str, seconds: float, beats: Path | None = None, *, launching: bool = False
) -> None:
    """Keep a lease that ends so soon; ``beats``: where its master does."""
    ends = Instant(SystemClock().now() + seconds)
    kept = KeptLease(Epoch(7), cell + MARK, Seconds(seconds), ends, launching=launching)
    place = None if beats is None else BeatPlace(beats, None)
    write_lease(keeper(runtime_dir, cell), kept, place)


@contextmanager
def master(cell: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a process of the kept epoch."""
    marks = {
        "SHADOWD_CELL": cell,
        "SHADOWD_EPOCH": "7",
        "SHADOWD_NONCE": cell + MARK,
        "SHADOWD_ROLE": "master",
    }
    with subprocess.Popen(["sleep", "600"], env={**os.environ, **marks}) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def enforcing(
    runtime_dir: Path, dismissed: threading.Event = NEVER, grace: float = 0
) -> Iterator[threading.Thread]:
    """Let an enforcer stand by until it has nothing to do any more."""
    arguments = (replace(orders(runtime_dir), grace=Seconds(grace)), SystemClock(), dismissed)
    thread = threading.Thread(target=stand_by, args=arguments, daemon=True)
    thread.start()
    yield thread
    thread.join(20)
    assert not thread.is_alive()


def test_a_daemon_that_died_before_it_was_watched_leaves_nothing_to_do(tmp_path: Path) -> None:
    """Without a lease there is nothing to wait for."""
    stand_by(orders(tmp_path), SystemClock(), NEVER)


def test_it_sleeps_until_the_lease_is_over(tmp_path: Path) -> None:
    """A dead daemon's pidfd is ready for ever: that must not keep a processor busy."""
    keep(tmp_path, "one", 0.5)
    clock = Counting()
    stand_by(replace(orders(tmp_path), every=Seconds(20)), clock, NEVER)
    assert clock.reads < 50


def test_only_the_cells_that_another_daemon_serves_are_left_to_it(tmp_path: Path) -> None:
    """The other cell has nobody else."""
    keep(tmp_path, "one", 0.5)
    keep(tmp_path, "two", 3600)
    (tmp_path / "two@alpha.lock").write_text("1\n")
    before = SystemClock().now()
    stand_by(orders(tmp_path), SystemClock(), NEVER)
    assert SystemClock().now() - before >= 0.4


def beat(path: Path, value: int) -> None:
    """Beat as a master does: in place, at once."""
    path.write_text(f"{value:05d}")


@pytest.mark.long
def test_a_master_that_beats_by_itself_outlives_its_daemon(tmp_path: Path) -> None:
    """Its lease goes on with its beats, and is kept for the next daemon; without them it is over."""
    heart = tmp_path / "heartbeat"
    beat(heart, 1)
    keep(tmp_path, "one", 2, heart)
    first = read_lease(keeper(tmp_path, "one"))
    assert first is not None
    with master("one") as process, enforcing(tmp_path):
        for value in range(2, 24):
            beat(heart, value)
            assert alive(process.pid)
            threading.Event().wait(0.2)
        later = read_lease(keeper(tmp_path, "one"))
        assert later is not None
        assert later.ends > first.ends + 1
        wait_for(lambda: not alive(process.pid), 20, "the master is ended")


@pytest.mark.long
@pytest.mark.parametrize("kind", ["silent", "missing", "hanging", "garbage"])
def test_one_whose_beats_are_not_seen_ends_with_its_lease(tmp_path: Path, kind: str) -> None:
    """Whatever keeps them from being seen: a fifo hangs as a dead server's file does."""
    heart = tmp_path / "heartbeat"
    if kind == "hanging":
        os.mkfifo(heart)
    elif kind != "missing":
        heart.write_bytes(b"00001" if kind == "silent" else bytes(range(256)))
    keep(tmp_path, "one", 1.5, heart)
    with master("one") as process, enforcing(tmp_path):
        wait_for(lambda: not alive(process.pid), 20, "the master is ended")


@pytest.mark.long
def test_a_master_that_was_told_to_end_gets_no_more_time(tmp_path: Path) -> None:
    """A planned end was begun by a daemon that died: whatever it beats meanwhile, its lease is the limit."""
    heart = tmp_path / "heartbeat"
    beat(heart, 1)
    ends = Instant(SystemClock().now() + 1.5)
    kept = KeptLease(Epoch(7), "one" + MARK, Seconds(1.5), ends, planned=True)
    write_lease(keeper(tmp_path, "one"), kept, BeatPlace(heart, None))
    with master("one") as process, enforcing(tmp_path):
        for value in range(2, 100):
            beat(heart, value)
            if not alive(process.pid):
                break
            threading.Event().wait(0.1)
        wait_for(lambda: not alive(process.pid), 20, "the master is ended")


@pytest.mark.long
def test_a_lease_that_is_over_is_not_renewed(tmp_path: Path) -> None:
    """Not by a beat that comes while the daemon goes first; another host may have been promised its end."""
    heart = tmp_path / "heartbeat"
    beat(heart, 1)
    keep(tmp_path, "one", 1, heart)
    with master("one") as process, enforcing(tmp_path, grace=1):
        threading.Event().wait(1.05)
        for value in range(2, 100):
            beat(heart, value)
            if not alive(process.pid):
                break
            threading.Event().wait(0.1)
        assert not alive(process.pid)


@pytest.mark.long
def test_a_daemon_that_left_in_order_leaves_such_a_master_alone(tmp_path: Path) -> None:
    """Maintenance of the file server with shadowd stopped kills nobody; a cell whose guard beats is none."""
    keep(tmp_path, "one", 0.5, tmp_path / "heartbeat")
    keep(tmp_path, "two", 0.5)
    dismissed = threading.Event()
    dismissed.set()
    with master("one") as alone, master("two") as other:
        with enforcing(tmp_path, dismissed):
            wait_for(lambda: not alive(other.pid), 20, "the master is ended")
        assert alive(alone.pid)


@pytest.mark.long
def test_a_shorter_lease_counts_from_the_moment_that_it_is_kept(tmp_path: Path) -> None:
    """A launch is bounded by minutes, the lease of a master that was confirmed by seconds."""
    heart = tmp_path / "heartbeat"
    beat(heart, 1)
    keep(tmp_path, "one", 600, heart, launching=True)
    with master("one") as process, enforcing(tmp_path):
        threading.Event().wait(0.5)
        assert alive(process.pid)
        keep(tmp_path, "one", 1, heart)
        wait_for(lambda: not alive(process.pid), 20, "the master is ended")


@pytest.mark.long
@pytest.mark.parametrize("left", [False, True], ids=["killed", "stopped in order"])
def test_a_launch_that_nobody_confirmed_ends_at_its_bound(tmp_path: Path, *, left: bool) -> None:
    """However it beats, and however its daemon ended: other hosts wait for no longer."""
    heart = tmp_path / "heartbeat"
    beat(heart, 1)
    keep(tmp_path, "one", 2, heart, launching=True)
    dismissed = threading.Event()
    if left:
        leave_lease(keeper(tmp_path, "one"))
        dismissed.set()
    first = read_lease(keeper(tmp_path, "one"))
    assert first is not None
    with master("one") as process, enforcing(tmp_path, dismissed):
        for value in range(2, 200):
            beat(heart, value)
            if not alive(process.pid):
                break
            threading.Event().wait(0.05)
        assert not alive(process.pid)
    assert SystemClock().now() >= first.ends
    assert read_lease(keeper(tmp_path, "one")) == first


def test_whom_the_daemon_kept_is_ended_without_a_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is signalled by its number and start before the process table is touched, which may take long."""
    keep(tmp_path, "one", 0.3)
    seen: list[bool] = []
    with subprocess.Popen(["sleep", "600"]) as process:
        found = procfs.process(process.pid)
        assert found is not None
        kept = (KeptProcess(process.pid, found.start_token, "master"),)
        record = Keeper(tmp_path / "one@alpha.processes.json", read_boot_id())
        write_processes(record, KeptProcesses(7, "one" + MARK, "", (), kept))

        def look(_nonce: str, _users: frozenset[int]) -> tuple[int, ...]:
            seen.append(procfs.wait_pidfds([pidfd], 20) == [pidfd])
            return ()

        monkeypatch.setattr(marks, "processes_of", look)
        pidfd = os.pidfd_open(process.pid)
        try:
            stand_by(orders(tmp_path), SystemClock(), NEVER)
        finally:
            process.kill()
            os.close(pidfd)
        assert seen
        assert all(seen), "it was dead before anybody looked"


@pytest.mark.parametrize("zombie", [True, False], ids=["dead already", "will not die"])
def test_an_end_is_said_once_however_long_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, zombie: bool
) -> None:
    """One that its parent has not buried is dead, and nothing to tell; one in the kernel's hands stays."""
    keep(tmp_path, "one", 0)
    said: list[str] = []
    monkeypatch.setattr(leases, "announce", lambda event, **_: said.append(event))
    with subprocess.Popen(["sleep", "600"]) as process:
        found = procfs.process(process.pid)
        assert found is not None
        kept = (KeptProcess(process.pid, found.start_token, "master"),)
        record = Keeper(tmp_path / "one@alpha.processes.json", read_boot_id())
        write_processes(record, KeptProcesses(7, "one" + MARK, "", (), kept))
        if zombie:
            process.kill()
            wait_for(lambda: not alive(process.pid), 20, "it is dead")
        else:
            monkeypatch.setattr(signal, "pidfd_send_signal", lambda *_: None)
        ward = StandIn(KeptLeases("one", tmp_path, SystemClock()))
        for _ in range(3):
            ward.attend(Seconds(0), dismissed=False)
        process.kill()
    assert said == ([] if zombie else ["master.lease_over"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts processes of other users")
def test_a_master_of_the_configured_user_is_ended_without_any_record(tmp_path: Path) -> None:
    """One that the release before started is found by its mark, as that user; nobody else's process is."""
    carried = {"SHADOWD_EPOCH": "7", "SHADOWD_NONCE": "one" + MARK, "SHADOWD_ROLE": "master"}
    keep(tmp_path, "one", 0)
    account = pwd.getpwnam("daemon")
    with crowd(1, carried, uid=account.pw_uid) as (master_pid,), crowd(1, carried) as (other,):
        named = replace(orders(tmp_path), cells=("one@daemon", "two"))
        stand_by(named, SystemClock(), NEVER)
        wait_for(lambda: not alive(master_pid), 20, "the master is ended")
        assert alive(other)


def test_it_ends_when_there_has_been_no_lease_for_a_while(tmp_path: Path) -> None:
    """A shadow that guards nothing has no second process in memory."""
    living = replace(orders(tmp_path), daemon=os.getpid())
    stand_by(living, SystemClock(), NEVER)
