"""Who holds ``server.lock``, seen from outside; what makes a server beat; the files of such a cell."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shadowd.adapters import procfs
from shadowd.adapters.genericfiles import BeatFile, found
from shadowd.adapters.ground import survey
from shadowd.adapters.hostnames import HostNames
from shadowd.adapters.resident import ResidentSearch
from shadowd.adapters.serverbeats import ServerBeats
from shadowd.adapters.serverlock import ServerLockFile
from shadowd.adapters.torquefiles import TorqueFiles, paths_of, require_mounted
from shadowd.core.values import Epoch, Host, Problem, ServerLock, Unknown
from shadowd.errors import CellError
from tests.lab.processes import wait_for

ALPHA = Host("alpha")
HOLDER = (
    "import fcntl, sys, time\n"
    "f = open(sys.argv[1], 'a')\nfcntl.lockf(f, fcntl.LOCK_EX)\nprint(flush=True)\ntime.sleep(60)"
)
CLEAR, NAMED, HELD = ServerLock.CLEAR, ServerLock.NAMED, ServerLock.HELD


class Place:
    """A ``server_priv`` with the files of a cell."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock = root / "server.lock"
        self.paths = paths_of(root)
        (root / "serverdb").write_text("")
        assert found(self.paths, ALPHA) is None
        self.holders: list[subprocess.Popen[bytes]] = []

    def file(self, method: str) -> ServerLockFile:
        """Return the lock by this method."""
        return ServerLockFile(self.lock, method, self.paths.state)

    def files(self, method: str, *, everybody: bool = False) -> TorqueFiles:
        """Return the files as a daemon sees them."""
        search = ResidentSearch(self.paths.pid_file, self.root)
        lock = self.file(method)
        return TorqueFiles("torque", ALPHA, self.paths, HostNames(), search, lock, everybody=everybody)

    def record(self, **changes: Any) -> None:
        """Write the record of a server of ours, with session 7."""
        inode = self.lock.stat().st_ino if self.lock.exists() else 1
        usual = {
            "format": 1,
            "epoch": 3,
            "nonce": "abc",
            "host": "alpha",
            "inodes": [inode],
            "contents": ["7"],
        }
        (self.paths.state / "server.session").write_text(json.dumps({**usual, **changes}))

    def hold(self) -> "subprocess.Popen[bytes]":
        """Let another process lock the file."""
        holder = subprocess.Popen([sys.executable, "-c", HOLDER, self.lock], stdout=subprocess.PIPE)
        assert holder.stdout is not None
        holder.stdout.readline()
        self.holders.append(holder)
        return holder


def let_go(holder: "subprocess.Popen[bytes]") -> None:
    """End who holds it."""
    if holder.poll() is None:
        holder.kill()
        holder.communicate()


@pytest.fixture
def priv(tmp_path: Path) -> Iterator[Place]:
    """Give a place, and end whoever holds a lock in it."""
    made = Place(tmp_path)
    yield made
    for holder in made.holders:
        let_go(holder)


def seen(file: ServerLockFile) -> ServerLock | Problem:
    """Return what one look tells."""
    holder = file.look()
    return holder.problem if isinstance(holder, Unknown) else holder.lock


# --- fcntl -------------------------------------------------------------------------------------------


def test_a_lock_that_nobody_holds(priv: Place) -> None:
    """Missing or empty; with another server's name in it, that one may be of a release that locks nothing."""
    file = priv.file("fcntl")
    assert seen(file) is CLEAR
    priv.lock.write_text("")
    assert seen(file) is CLEAR
    priv.lock.write_text("4711\n")
    assert seen(file) is NAMED
    priv.record(contents=["4711"])
    assert seen(file) is CLEAR


def test_another_server_holds_it(priv: Place) -> None:
    """As long as its process lives."""
    priv.lock.write_text("4711\n")
    holder = priv.hold()
    files = priv.files("fcntl")
    assert files.read_server_lock() is HELD
    let_go(holder)
    assert files.read_server_lock() is CLEAR, "it was seen to hold the lock, so it has ended"
    assert files.read_beat() == 1


@pytest.mark.parametrize("ours", [False, True], ids=["theirs", "ours"])
def test_a_server_that_lives_and_locks_nothing_is_told_apart(priv: Place, ours: bool) -> None:  # noqa: FBT001
    """After release 2.3 none does: its signs of life move, and nobody holds what it should hold."""
    files = priv.files("fcntl")
    priv.lock.write_text("7\n")
    if ours:
        priv.record()
    first = CLEAR if ours else NAMED
    for beat in range(4):
        os.utime(priv.lock, (5000 + beat, 5000 + beat))
        priv.paths.beat.write_text(f"{beat}\n")
        assert files.read_server_lock() is (ServerLock.UNLOCKED if beat == 3 else first)
        assert files.read_server_lock() is (ServerLock.UNLOCKED if beat == 3 else first), "no news, no move"
    holder = priv.hold()
    assert files.read_server_lock() is (CLEAR if ours else HELD)
    let_go(holder)
    assert files.read_server_lock() is CLEAR
    priv.lock.write_text("8\n")
    assert files.read_server_lock() is NAMED


def test_a_server_of_ours_holds_it(priv: Place) -> None:
    """By the record: epoch open, session and inode those of the file; the old content counts meanwhile."""
    priv.lock.write_text("7\n")
    priv.record()
    priv.hold()
    assert seen(priv.file("fcntl")) is CLEAR
    priv.record(contents=["8", "7"])
    assert seen(priv.file("fcntl")) is CLEAR


NO_WORDS = [{"nonce": "\ud800"}, {"contents": ["7", 7]}, {"nonce": "x" * 1000}, {"host": "a\x1b[2J"}]
DEEP = {"contents": ["7", "DEEP"]}


@pytest.mark.parametrize(
    "changes",
    [{"contents": ["8"]}, {"inodes": [1]}, {"epoch": 0}, {"contents": []}, *NO_WORDS, DEEP],
    ids=ascii,
)
def test_a_record_that_does_not_fit(priv: Place, changes: dict[str, Any]) -> None:
    """Another session, another file, no epoch, nothing; half a character, lists deeper than the stack."""
    priv.lock.write_text("7\n")
    priv.record(**changes)
    record = priv.paths.state / "server.session"
    record.write_text(record.read_text().replace('"DEEP"', "[" * 1900 + "]" * 1900))
    priv.hold()
    assert seen(priv.file("fcntl")) is HELD


@pytest.mark.parametrize("outcome", ["died", "stopped", "failed", "stepped_down"])
def test_a_closed_epoch_holds_nothing(priv: Place, outcome: str) -> None:
    """Whoever holds it now is another, whatever its session number."""
    priv.lock.write_text("7\n")
    priv.record()
    priv.hold()
    (priv.paths.state / "notices").mkdir()
    (priv.paths.state / "notices" / f"0000000003.{outcome}.json").write_text("{}")
    assert seen(priv.file("fcntl")) is HELD


@pytest.mark.parametrize("data", ["", "died", '{"nonce": "another"}'])
def test_a_file_that_is_no_outcome_closes_nothing(priv: Place, data: str) -> None:
    """Our server holds it, whatever empty file somebody put among the notices."""
    priv.lock.write_text("7\n")
    priv.record()
    priv.hold()
    (priv.paths.state / "notices").mkdir()
    (priv.paths.state / "notices" / "0000000003.died.json").write_text(data)
    assert seen(priv.file("fcntl")) is CLEAR


def test_one_that_is_held_and_empty_is_doubt(priv: Place) -> None:
    """Every server that starts empties it first, also one that then waits."""
    priv.lock.write_text("")
    priv.record()
    priv.hold()
    assert seen(priv.file("fcntl")) is Problem.EMPTY


# --- lease -------------------------------------------------------------------------------------------


def test_a_lease_is_whose_name_is_in_it(priv: Place) -> None:
    """Ours, nobody's, or another's, who lives as long as the date moves."""
    file = priv.file("lease")
    assert seen(file) is CLEAR
    priv.lock.write_text("")
    assert seen(file) is CLEAR
    priv.lock.write_text("7\n")
    assert seen(file) is NAMED
    priv.record()
    assert seen(file) is CLEAR
    priv.lock.write_text("4711\n")
    assert seen(file) is NAMED


def test_a_server_that_only_locks_is_respected_too(priv: Place) -> None:
    """One without --ha moves no date; what is ours by the record is ours with either method."""
    priv.lock.write_text("4711\n")
    priv.hold()
    assert seen(priv.file("lease")) is HELD
    priv.record(contents=["4711"])
    assert seen(priv.file("lease")) is CLEAR


@pytest.mark.parametrize("method", ["fcntl", "lease"])
def test_what_cannot_be_looked_at_is_doubt(priv: Place, method: str) -> None:
    """A name that leads nowhere, and a directory that is not there."""
    priv.lock.symlink_to(priv.lock)
    assert seen(priv.file(method)) is Problem.NOT_A_FILE
    gone = ServerLockFile(priv.root / "gone" / "server.lock", method, priv.paths.state)
    assert seen(gone) is Problem.MISSING


# --- the heartbeat -----------------------------------------------------------------------------------


def test_who_holds_the_kernels_lock_beats_at_every_look(priv: Place) -> None:
    """Any change is life; without another server it is the counter alone."""
    files = priv.files("fcntl")
    assert files.read_beat() == 1
    priv.lock.write_text("4711\n")
    holder = priv.hold()
    assert files.read_server_lock() is HELD
    values = [files.read_beat() for _ in range(5)]
    assert len(set(values)) == 5
    let_go(holder)
    assert files.read_beat() == 1
    assert files.read_server_lock() is CLEAR


def test_a_lease_that_is_refreshed_beats(priv: Place) -> None:
    """When its date moves, forwards or backwards, and not when it does not."""
    files = priv.files("lease")
    priv.lock.write_text("4711\n")
    os.utime(priv.lock, (5000, 5000))
    first = files.read_beat()
    assert files.read_beat() == first
    for date in (5003, 4000):
        os.utime(priv.lock, (date, date))
        assert files.read_beat() not in {first, 1}
    assert isinstance(first, int)
    assert first < 10**15, "a number that every reader of records takes"
    priv.record(contents=["4711"])
    assert files.read_beat() == 1


def test_a_lock_that_cannot_be_read_is_no_beat_and_hides_none(priv: Place) -> None:
    """The guard of a healthy server goes on by its own; an unreadable counter is unreadable."""
    files = priv.files("fcntl")
    priv.lock.symlink_to(priv.lock)
    assert isinstance(files.read_server_lock(), Unknown)
    assert files.read_beat() == 1
    priv.paths.beat.unlink()
    assert isinstance(files.read_beat(), Unknown)


# --- the guard's part --------------------------------------------------------------------------------


def beats(priv: Place, method: str, sleep: Callable[[float], None] = lambda _: None) -> ServerBeats:
    """Return what writes the beats."""
    return ServerBeats(BeatFile(priv.paths), priv.file(method), sleep)


def test_no_beat_before_the_server_has_the_lock(priv: Place) -> None:
    """A beat confirms a start, so it waits a moment, and no longer."""
    writer = beats(priv, "fcntl")
    problem = writer.write(Epoch(3))
    assert isinstance(problem, Unknown)
    assert "has not taken" in problem.detail
    assert priv.files("fcntl").read_beat() == 1
    late = beats(priv, "fcntl", lambda _: priv.record())
    assert late.write(Epoch(3)) is None
    (priv.paths.state / "server.session").unlink()
    assert late.write(Epoch(3)) is None
    assert priv.files("fcntl").read_beat() == 3
    assert isinstance(late.write(Epoch(4)), Unknown)


def test_a_lease_is_refreshed_with_each_beat(priv: Place) -> None:
    """Ours only; removed, it is written anew; nothing that fails there ends the beats."""
    writer = beats(priv, "lease")
    priv.record()
    assert writer.write(Epoch(3)) is None
    assert priv.lock.read_text() == "7\n"
    for _ in range(2):
        os.utime(priv.lock, (5000, 5000))
        assert writer.write(Epoch(3)) is None
        assert priv.lock.stat().st_mtime > 5000
    priv.lock.rename(priv.root / "old")
    priv.lock.write_text("7\n")
    os.utime(priv.lock, (5000, 5000))
    assert writer.write(Epoch(3)) is None
    assert priv.lock.stat().st_mtime > 5000
    priv.lock.write_text("4711\n")
    os.utime(priv.lock, (5000, 5000))
    assert writer.write(Epoch(3)) is None
    assert priv.lock.stat().st_mtime == 5000
    priv.lock.unlink()
    priv.lock.mkdir()
    assert writer.write(Epoch(3)) is None
    (priv.paths.state / "server.session").unlink()
    assert writer.write(Epoch(3)) is None


@pytest.mark.parametrize(("method", "look"), [("lease", CLEAR), ("fcntl", Problem.EMPTY)])
def test_a_lock_that_another_server_emptied_is_written_again(
    priv: Place, method: str, look: ServerLock | Problem
) -> None:
    """Held and empty it names nobody, and all wait; with ``fcntl`` they must, beside a ``--ha``."""
    priv.lock.write_text("7\n")
    priv.record()
    priv.hold()
    writer = beats(priv, method)
    assert writer.write(Epoch(3)) is None
    inode = priv.lock.stat().st_ino
    priv.lock.open("w").close()
    assert seen(priv.file(method)) is Problem.EMPTY
    assert writer.write(Epoch(3)) is None
    assert seen(priv.file(method)) is look
    assert priv.lock.stat().st_ino == inode


@pytest.mark.parametrize("nonce", ["abc", "another"])
@pytest.mark.parametrize("method", ["fcntl", "lease"])
def test_a_server_that_went_into_the_background_is_followed(priv: Place, method: str, nonce: str) -> None:
    """Another process of its own wrote itself into the lock; one without its nonce is another server."""
    child = subprocess.Popen(["/bin/sleep", "60"], stdout=subprocess.PIPE, env={"SHADOWD_NONCE": nonce})
    priv.holders.append(child)
    wait_for(lambda: procfs.arguments(child.pid) == ("/bin/sleep", "60"), 10, "it sleeps")
    priv.lock.write_text(f"{child.pid}\n")
    priv.record()
    assert seen(priv.file(method)) is (CLEAR if nonce == "abc" else NAMED)
    writer = beats(priv, method)
    assert writer.write(Epoch(3)) is None
    session = priv.file(method).session()
    assert session is not None
    assert session.session == (str(child.pid) if nonce == "abc" else "7")
    assert (session.epoch, session.nonce, session.host) == (3, "abc", "alpha")


def test_a_server_in_the_background_holds_its_own_lock(priv: Place) -> None:
    """Before the record has followed: a process of this host that carries the nonce, and the right file."""
    priv.lock.write_text("7\n")
    priv.record(nonce=os.environ["PYTEST_OWNER_OF_PROCESS"])
    holder = priv.hold()
    priv.lock.write_text(f"{holder.pid}\n")
    assert seen(priv.file("fcntl")) is HELD, "it has no such nonce"
    marked = {**os.environ, "SHADOWD_NONCE": "abc"}
    let_go(holder)
    priv.record()
    argv = [sys.executable, "-c", HOLDER, str(priv.lock)]
    server = subprocess.Popen(argv, stdout=subprocess.PIPE, env=marked)
    priv.holders.append(server)
    assert server.stdout is not None
    server.stdout.readline()
    priv.lock.write_text(f"{server.pid}\n")
    assert seen(priv.file("fcntl")) is CLEAR
    priv.record(inodes=[1])
    assert seen(priv.file("fcntl")) is HELD


def test_the_kernels_lock_is_not_touched(priv: Place) -> None:
    """Its date means nothing to anybody."""
    priv.lock.write_text("7\n")
    priv.record()
    os.utime(priv.lock, (5000, 5000))
    writer = beats(priv, "fcntl")
    assert writer.write(Epoch(3)) is None
    assert priv.lock.stat().st_mtime == 5000


# --- the other files ---------------------------------------------------------------------------------


def test_everything_of_ours_lies_in_a_directory_of_ours(priv: Place) -> None:
    """Beside TORQUE's own database, which is the proof of the mount."""
    assert {path.name for path in priv.root.iterdir()} == {"serverdb", "shadowd"}
    assert priv.paths.state == priv.root / "shadowd"
    ours = (priv.paths.lock, priv.paths.beat, priv.paths.active, priv.paths.shadows, priv.paths.pid_file)
    assert {path.parent for path in ours} == {priv.paths.state}
    require_mounted(priv.root)
    (priv.root / "serverdb").unlink()
    with pytest.raises(CellError, match="findmnt -T"):
        require_mounted(priv.root)


def test_whoever_runs_a_daemon_is_eligible(priv: Place) -> None:
    """Unless there is a list; people see all that ever ran one."""
    files, shown = priv.files("fcntl"), priv.files("fcntl", everybody=True)
    assert files.read_shadows() == (ALPHA,) == shown.read_shadows()
    (priv.paths.state / "hosts").mkdir()
    for name in ("gamma.json", "alpha.json", "beta.json", ".beta.json.new.1", "beta.txt"):
        (priv.paths.state / "hosts" / name).write_text("{}")
    assert files.read_shadows() == (ALPHA,)
    assert shown.read_shadows() == ("alpha", "beta", "gamma")
    priv.paths.shadows.write_text("beta\n")
    assert files.read_shadows() == ("beta",) == shown.read_shadows()
    priv.paths.shadows.write_bytes(b"\xff\n")
    assert isinstance(files.read_shadows(), Unknown)


def test_the_ground_of_a_torque_cell(priv: Place) -> None:
    """For the verbs that only look."""
    ground = survey(None, "", priv.root, "pbs", ("lease", priv.lock))
    assert (ground.paths, ground.owner) == (priv.paths, "pbs")
    assert ground.files("torque", ALPHA).read_server_lock() is CLEAR
    assert survey(None, "", priv.root).files("x", ALPHA).read_server_lock() is ServerLock.NONE
    with pytest.raises(CellError, match="serverdb"):
        survey(None, "", priv.root / "elsewhere", None, ("lease", priv.lock))


def test_who_asks_holds_nothing_himself(priv: Place) -> None:
    """A look opens and closes the file, which would drop a lock of this very process."""
    priv.lock.write_text("4711\n")
    with priv.lock.open("r+") as mine:
        fcntl.lockf(mine, fcntl.LOCK_EX)
        assert seen(priv.file("fcntl")) is NAMED, "the kernel tells of others only"
