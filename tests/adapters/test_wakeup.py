"""What wakes the decision thread, and what must not."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shadowd.adapters.wakeup import EventWaker, Watches
from tests.lab.processes import wait_for

LONG = 20.0


def test_a_wake_ends_the_present_wait() -> None:
    """From another thread, at once."""
    waker = EventWaker()
    began = time.monotonic()
    threading.Timer(0.05, waker.wake).start()
    waker.wait(LONG)
    assert time.monotonic() - began < LONG / 2
    waker.close()


def test_a_wake_before_the_wait_ends_it_too_and_only_once() -> None:
    """No word is lost between a look at the queue and the sleep; two are one."""
    waker = EventWaker()
    waker.wake()
    waker.wake()
    began = time.monotonic()
    waker.wait(LONG)
    assert time.monotonic() - began < LONG / 2
    waker.wait(0.05)
    assert time.monotonic() - began >= 0.05
    waker.close()


def test_a_signal_ends_the_wait() -> None:
    """Its number arrives on the pipe of ``signal.set_wakeup_fd``; more of them than it holds harm nobody."""
    waker = EventWaker()
    heard: list[int] = []
    handler = signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
    before = signal.set_wakeup_fd(waker.signal_fd, warn_on_full_buffer=False)
    try:
        began = time.monotonic()
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        while not heard:
            waker.wait(LONG)
        assert time.monotonic() - began < LONG / 2
    finally:
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGUSR1, handler)
        waker.close()


class Watched:
    """Watches of a directory, with what they told."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.troubles: list[str] = []
        self.calls = 0
        self.watches = Watches(unavailable=self.troubles.append)

    def watch(self, *names: str, owner: str = "cell", directory: Path | None = None) -> None:
        """Watch files, and wait until that is in force."""
        self.watches.watch(owner, directory or self.directory, names, self.called)
        self.settle()

    def called(self) -> None:
        """Count a call."""
        self.calls += 1

    def settle(self) -> None:
        """Wait until everything asked for so far is done."""
        done = threading.Event()
        self.watches._do("settle", done.set)
        assert done.wait(LONG)

    def wait_calls(self, least: int) -> None:
        """Wait for that many calls."""
        wait_for(lambda: self.calls >= least, LONG, f"{least} calls")

    def calm(self) -> int:
        """Let all events arrive and return the number of calls so far."""
        seen = -1
        while seen != self.calls:
            seen = self.calls
            time.sleep(0.3)
        return seen


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """Give watches that end with the test."""
    made = Watched(tmp_path)
    yield made
    observer = made.watches._observer
    if observer is not None:
        observer.stop()
        observer.join(LONG)


def test_what_happens_to_a_watched_file_calls(watched: Watched) -> None:
    """Created, changed in place, replaced by rename, moved away, deleted: each is a call."""
    watched.watch("heartbeat")
    path = watched.directory / "heartbeat"
    other = watched.directory / "new"

    def replace() -> None:
        other.write_text("2")
        other.rename(path)

    for deed in (path.touch, lambda: path.write_text("1"), replace, lambda: path.rename(other), path.touch):
        before = watched.calm()
        deed()
        watched.wait_calls(before + 1)
    before = watched.calm()
    path.unlink()
    watched.wait_calls(before + 1)


def test_other_files_and_our_own_reads_do_not_call(watched: Watched) -> None:
    """A poll reads and lists, other files come and go: none of it may wake us, or we would never sleep."""
    path = watched.directory / "heartbeat"
    path.write_text("1")
    watched.watch("heartbeat")
    before = watched.calm()
    for turn in range(50):
        path.read_text()
        list(watched.directory.iterdir())
        (watched.directory / f"job{turn}").write_text("x")
        (watched.directory / "heartbeat.new").write_text("x")
    assert watched.calm() == before


def test_a_forgotten_owner_is_not_called(watched: Watched) -> None:
    """After a reload nothing of the old cell wakes anybody, and the new one is called once a change."""
    path = watched.directory / "heartbeat"
    watched.watch("heartbeat")
    watched.watches.forget("cell")
    watched.settle()
    path.touch()
    assert watched.calm() == 0
    for _ in range(100):
        watched.watch("heartbeat")
        watched.watches.forget("cell")
    watched.watch("heartbeat")
    path.unlink()
    watched.wait_calls(1)
    assert watched.calm() == 1
    assert watched.troubles == []


def test_an_owner_that_watches_one_directory_twice_is_forgotten_in_silence(watched: Watched) -> None:
    """The spool of a cell may be the directory of its records; a reload has nothing to complain of."""
    for _ in range(2):
        watched.watch("heartbeat")
        watched.watch("lock")
        watched.watches.forget("cell")
        watched.settle()
    (watched.directory / "lock").touch()
    assert watched.calm() == 0
    assert watched.troubles == []


def test_what_is_told_of_a_trouble_is_words(watched: Watched) -> None:
    """Never an object as Python writes it."""

    def breaks() -> None:
        raise KeyError(watched)

    watched.watches._do("SPOOL", breaks)
    watched.settle()
    assert watched.troubles == ["SPOOL: an internal error (KeyError)"]


def test_two_owners_of_one_directory_are_two(watched: Watched) -> None:
    """Forgetting one keeps the other."""
    watched.watch("heartbeat", owner="one")
    watched.watch("lock", owner="two")
    watched.watches.forget("one")
    watched.settle()
    (watched.directory / "lock").touch()
    watched.wait_calls(1)


def test_directories_that_are_missing_are_one_warning(watched: Watched) -> None:
    """No exception, one word about all of them, and the others are watched."""
    for number in range(5):
        watched.watch("heartbeat", directory=watched.directory / f"missing{number}")
    assert len(watched.troubles) == 1
    assert "missing0" in watched.troubles[0]
    watched.watch("heartbeat")
    (watched.directory / "heartbeat").touch()
    watched.wait_calls(1)


def test_too_many_directories_are_one_warning(watched: Watched) -> None:
    """An inotify instance and two threads each: from a number on, cells are only polled."""
    for number in range(40):
        directory = watched.directory / f"cell{number}"
        directory.mkdir()
        watched.watches.watch(f"cell{number}", directory, ("heartbeat",), watched.called)
    watched.settle()
    assert len(watched.troubles) == 1
    assert "only polled" in watched.troubles[0]
    (watched.directory / "cell0" / "heartbeat").touch()
    watched.wait_calls(1)


def test_a_watch_that_hangs_holds_up_nobody(watched: Watched) -> None:
    """Asking for a watch returns at once, whatever the one before it is doing."""
    hanging = threading.Event()
    watched.watches._do("a mount that hangs", lambda: hanging.wait(LONG) and None)
    began = time.monotonic()
    for number in range(100):
        watched.watches.watch(f"cell{number}", watched.directory, ("heartbeat",), watched.called)
        watched.watches.forget(f"cell{number}")
    assert time.monotonic() - began < LONG / 2
    hanging.set()
    watched.settle()


def test_before_anything_is_watched_nothing_runs() -> None:
    """No thread and no package is paid for by a daemon that watches nothing."""
    watches = Watches(unavailable=lambda _: None)
    watches.forget("cell")
    assert watches._thread is None
    assert watches._observer is None
