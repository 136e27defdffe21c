"""The words to the service manager."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from shadowd.adapters.service import ServiceManager


class Manager:
    """A socket in the place of systemd's."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(5)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.environ = {"NOTIFY_SOCKET": address}

    def heard(self) -> list[str]:
        """Return the lines of the next datagram."""
        return self._socket.recv(4096).decode().splitlines()

    def hears_nothing(self) -> bool:
        """Tell whether no datagram waits."""
        self._socket.settimeout(0)
        try:
            self._socket.recv(4096)
        except BlockingIOError:
            return True
        return False

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest) -> Iterator[Manager]:
    """Give a manager at an address of either kind."""
    name = f"shadowd-notify-{os.getpid()}-{os.urandom(4).hex()}"
    path = Path(f"/tmp/{name}")
    made = Manager(f"@{name}" if request.param == "abstract" else str(path))
    yield made
    made.close()
    path.unlink(missing_ok=True)


class Speak(Protocol):
    """Makes what speaks to the manager of this environment."""

    def __call__(self, environ: dict[str, str]) -> ServiceManager:
        """Return it; it is closed with the test."""
        ...


@pytest.fixture
def speak() -> Iterator[Speak]:
    """Give the means to make one."""
    made: list[ServiceManager] = []

    def make(environ: dict[str, str]) -> ServiceManager:
        made.append(ServiceManager(environ))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_ready_comes_with_a_status_and_the_main_pid(manager: Manager, speak: Speak) -> None:
    """One datagram says that we serve, what, and who we are (a daemon may have forked)."""
    speak(manager.environ).ready("2 of 2 cells")
    assert manager.heard() == ["READY=1", "STATUS=2 of 2 cells", f"MAINPID={os.getpid()}"]


def test_reloading_comes_with_the_moment(manager: Manager, speak: Speak) -> None:
    """``Type=notify-reload`` wants the monotonic clock in microseconds."""
    speak(manager.environ).reloading()
    first, second = manager.heard()
    assert first == "RELOADING=1"
    assert second.removeprefix("MONOTONIC_USEC=").isdigit()


def test_stopping_is_said(manager: Manager, speak: Speak) -> None:
    """The manager knows that an end is meant."""
    speak(manager.environ).stopping()
    assert manager.heard() == ["STOPPING=1"]


def test_the_watchdog_is_fed_at_half_its_interval_and_no_oftener(manager: Manager, speak: Speak) -> None:
    """However often the loop turns, one word each half interval."""
    us = speak(manager.environ | {"WATCHDOG_USEC": "3600000000"})
    assert us.ping_every == 1800
    for _ in range(100):
        us.alive()
    assert manager.heard() == ["WATCHDOG=1"]
    assert manager.hears_nothing()


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WATCHDOG_USEC": ""},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "-5"},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "us"},
    ],
)
def test_without_a_watchdog_of_ours_nothing_is_fed(
    manager: Manager, speak: Speak, environ: dict[str, str]
) -> None:
    """A variable that is missing, wrong or meant for another process means no watchdog."""
    us = speak(manager.environ | environ)
    us.alive()
    assert manager.hears_nothing()
    assert us.ping_every == float("inf")


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "relative", "/tmp", "x" * 500, "@"])
def test_a_manager_that_does_not_listen_harms_nobody(speak: Speak, address: str) -> None:
    """Missing, impossible and too long addresses are no reason to fail."""
    us = speak({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "10"})
    us.ready("")
    us.alive()
    us.stopping()


def test_a_manager_that_reads_nothing_never_blocks_us(manager: Manager, speak: Speak) -> None:
    """A full queue loses words; the decision loop goes on."""
    us = speak(manager.environ)
    for _ in range(5000):
        us.ready("x" * 100)
    assert manager.heard()[0] == "READY=1"


def test_it_says_nothing_of_its_own(manager: Manager, speak: Speak) -> None:
    """Making one is silent: nothing is claimed before it is true."""
    speak(manager.environ)
    assert manager.hears_nothing()
