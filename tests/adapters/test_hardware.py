"""The hardware watchdog, with a terminal in its place: a character device that shows what was written."""

import fcntl
import os
import struct
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from shadowd.adapters.hardware import GET_TIMEOUT, SET_TIMEOUT, HardwareWatchdog
from shadowd.core.values import NEVER, Instant
from tests.lab.processes import wait_for

LONG = 20.0


class Bench:
    """A device, what was written to it, and a watchdog whose clock only the test moves."""

    def __init__(self) -> None:
        self.far, self._near = os.openpty()
        tty.setraw(self.far)
        os.set_blocking(self.far, False)
        self.path = Path(os.ttyname(self._near))
        self.now = 1000.0
        self.said: list[tuple[str, str]] = []
        self.dog = self.watchdog(self.path)
        self.written = b""

    def watchdog(self, path: Path) -> HardwareWatchdog:
        """Return a watchdog of this path."""
        return HardwareWatchdog(path, 15, lambda *said: self.said.append(said), clock=lambda: self.now)

    def attend(self, *ends: float, now: float = 0.0) -> None:
        """Take a turn of the decision loop in which the guards answer until then."""
        self.dog.attend([Instant(end) for end in ends], Instant(now))

    def read(self) -> bytes:
        """Return all that was written so far."""
        with suppress(BlockingIOError):
            self.written += os.read(self.far, 4096)
        return self.written

    def wait(self, wanted: bytes) -> None:
        """Wait until exactly this was written."""
        wait_for(lambda: self.read() == wanted, LONG, f"{wanted!r} is written")

    def settled(self) -> bytes:
        """Return what was written once nothing more comes."""
        time.sleep(0.2)
        return self.read()

    def events(self) -> list[str]:
        """Return the names of what was said."""
        return [event for event, _ in self.said]

    def close(self) -> None:
        """Give the terminal back."""
        os.close(self.far)
        os.close(self._near)


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Give a bench."""
    made = Bench()
    yield made
    made.close()


def test_with_nothing_to_guard_the_device_is_not_touched(bench: Bench) -> None:
    """No thread, no open, nothing said."""
    bench.attend()
    bench.now += 60
    bench.attend()
    bench.dog.close()
    assert bench.settled() == b""
    assert bench.said == []


def test_it_is_fed_once_a_second_while_the_leases_hold(bench: Bench) -> None:
    """Many turns in a second are one feed; no turn is none."""
    for _ in range(50):
        bench.attend(100.0, NEVER)
    bench.wait(b"\0")
    bench.now += 1
    bench.attend(100.0)
    bench.wait(b"\0\0")
    assert bench.settled() == b"\0\0"
    (armed,) = bench.said
    assert armed[0] == "hardware.armed"
    assert "resets this host ? s" in armed[1], "a terminal knows no time limit"


def test_one_lease_that_is_over_stops_the_feeding(bench: Bench) -> None:
    """However many others hold; and a guard that lets its master die in time is fed again."""
    bench.attend(100.0)
    bench.wait(b"\0")
    for _ in range(20):
        bench.now += 0.1
        bench.attend(100.0, 49.9, now=50)
    assert bench.settled() == b"\0"
    assert "hardware.withheld" not in bench.events(), "dying takes a moment"
    bench.now += 1
    bench.attend(100.0, now=51)
    bench.wait(b"\0\0")


def test_a_master_that_does_not_die_is_said_once_and_outlives_the_daemon(bench: Bench) -> None:
    """Not even an orderly stop of the daemon saves this host then."""
    bench.attend(100.0)
    bench.wait(b"\0")
    for _ in range(50):
        bench.now += 0.1
        bench.attend(float("-inf"))
    bench.dog.close()
    assert bench.settled() == b"\0"
    assert bench.events() == ["hardware.armed", "hardware.withheld"]


@pytest.mark.parametrize("stopped", [False, True])
def test_the_end_of_guarding_and_an_orderly_stop_disarm(bench: Bench, stopped: bool) -> None:  # noqa: FBT001
    """The magic character is the last that is written; a later master arms it again."""
    bench.attend(100.0)
    bench.wait(b"\0")
    if stopped:
        bench.dog.close()
        assert bench.read() == b"\0V"
    else:
        bench.attend()
        bench.wait(b"\0V")
    bench.now += 5
    bench.attend(200.0)
    bench.wait(b"\0V\0")
    assert bench.events() == ["hardware.armed", "hardware.disarmed", "hardware.armed"]


def test_a_device_that_cannot_be_opened_is_said_once(bench: Bench, tmp_path: Path) -> None:
    """Tried again each minute; when it is there at last it is used."""
    path = tmp_path / "watchdog"
    bench.dog = bench.watchdog(path)
    for _ in range(100):
        bench.attend(9e9)
        bench.now += 1.5
        time.sleep(0.002)
    wait_for(lambda: bench.said, LONG, "the trouble is said")
    assert bench.said == [("hardware.unavailable", f"{path}: No such file or directory")]
    path.symlink_to(bench.path)
    bench.now += 61
    bench.attend(9e9)
    bench.wait(b"\0")
    assert bench.events()[-1] == "hardware.armed"


@pytest.mark.parametrize("kind", ["file", "pipe", "directory"])
def test_what_is_no_device_is_never_written(bench: Bench, tmp_path: Path, kind: str) -> None:
    """A slip in the path harms no file and hangs nobody."""
    path = tmp_path / "watchdog"
    if kind == "file":
        path.write_text("precious")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    bench.dog = bench.watchdog(path)
    bench.attend(100.0)
    wait_for(lambda: bench.said, LONG, "the trouble is said")
    assert bench.events() == ["hardware.unavailable"]
    bench.dog.close()
    assert kind != "file" or path.read_text() == "precious"


def test_a_device_that_vanishes_is_said_and_opened_anew(bench: Bench) -> None:
    """The driver was unloaded, say: an error of a feed is no end of the thread."""
    bench.attend(100.0)
    bench.wait(b"\0")
    other = Bench()
    os.close(bench.far)
    bench.now += 2
    bench.attend(100.0)
    wait_for(lambda: "hardware.unavailable" in bench.events(), LONG, "the trouble is said")
    bench.far = other.far
    other.far = os.dup(other.far)
    other.close()


@pytest.mark.parametrize(("granted", "said"), [(15, "15 s after the last feed"), (60, "15 s were asked for")])
def test_the_time_limit_is_set_and_what_was_granted_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, granted: int, said: str
) -> None:
    """Drivers round the limit; a longer one is a remark, as another master may run by then."""
    asked: list[tuple[int, int]] = []
    plain = fcntl.ioctl

    def ioctl(device: int, request: int, word: bytes) -> bytes:
        if request not in {SET_TIMEOUT, GET_TIMEOUT}:
            return plain(device, request, word)
        asked.append((request, *struct.unpack("i", word)))
        return struct.pack("i", granted)

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    bench.attend(100.0)
    bench.wait(b"\0")
    assert asked == [(SET_TIMEOUT, 15)]
    assert said in bench.said[0][1]
    assert ("asked for" in bench.said[0][1]) == (granted > 15)


def test_the_requests_are_those_of_the_kernel() -> None:
    """A request that means something else to a terminal would be a surprise; these mean nothing to it."""
    far, near = os.openpty()
    for request in (SET_TIMEOUT, GET_TIMEOUT):
        with pytest.raises(OSError, match="Inappropriate ioctl"):
            fcntl.ioctl(near, request, struct.pack("i", 15))
    assert termios.tcgetattr(near)
    os.close(far)
    os.close(near)
