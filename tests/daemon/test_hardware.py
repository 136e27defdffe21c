"""The hardware watchdog under a whole daemon, with a terminal in the place of the device.

No test resets a machine: what the kernel does when feeding ends is the driver's part. What is shown is that
bytes come while the guard answers for its master, and the magic character exactly when they should end.
"""

import os
import signal
import time
import tty
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.daemon.toys import LONG, Daemon, Toys, launch
from tests.lab.processes import wait_for

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


class Device:
    """A character device that anybody can make."""

    def __init__(self) -> None:
        self._far, self._near = os.openpty()
        tty.setraw(self._far)
        os.set_blocking(self._far, False)
        self.path = os.ttyname(self._near)

    def read(self) -> bytes:
        """Return what was written since the last call."""
        with suppress(BlockingIOError):
            return os.read(self._far, 4096)
        return b""

    def within(self, seconds: float) -> bytes:
        """Return what is written in the next seconds."""
        self.read()
        time.sleep(seconds)
        return self.read()

    def close(self) -> None:
        """Give it back."""
        os.close(self._far)
        os.close(self._near)


@pytest.fixture
def device() -> Iterator[Device]:
    """Give a device."""
    made = Device()
    yield made
    made.close()


def guarded(toys: Toys, device: Device) -> Daemon:
    """Bring about a master on alpha whose guard feeds the device."""
    toys.start_master("gamma")
    path = toys.cell.configure("alpha")
    path.write_text(f'hardware_watchdog = "{device.path}"\n{path.read_text()}')
    daemon = launch(toys.cell.home("alpha"), "alpha")
    toys.daemons["alpha"] = daemon
    daemon.wait_eligible()
    assert device.read() == b""
    toys.kill_pair("gamma")
    daemon.wait_told("hardware.armed")
    toys.wait_master(("alpha",))
    return daemon


def test_it_is_fed_while_a_master_is_guarded_and_stopped_in_order(toys: Toys, device: Device) -> None:
    """Feeds about once a second; an orderly stop disarms and leaves the master alone; the next one arms."""
    daemon = guarded(toys, device)
    fed = device.within(4)
    assert set(fed) == {0}
    assert 2 <= len(fed) <= 6
    (master,) = toys.pids("alpha", "master")
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(LONG) == 0
    assert device.read().endswith(b"V")
    again = launch(daemon.home, "alpha")
    wait_for(lambda: len(again.told("hardware.armed")) == 2, LONG, "armed again")
    assert toys.pids("alpha", "master") == [master]


def test_a_daemon_that_is_frozen_or_killed_feeds_nothing(toys: Toys, device: Device) -> None:
    """No byte and above all no magic character, so that the hardware does what it is for."""
    daemon = guarded(toys, device)
    daemon.process.send_signal(signal.SIGSTOP)
    time.sleep(0.5)
    assert device.within(3) == b""
    daemon.kill()
    assert device.within(1) == b""


def test_without_a_master_there_is_nothing_to_reset_for(toys: Toys, device: Device) -> None:
    """The master is shut down in order: disarmed, and nothing is written any more."""
    daemon = guarded(toys, device)
    (toys.cell.spool / "lock").touch()
    toys.kill_pair("alpha")
    daemon.wait_told("hardware.disarmed")
    time.sleep(0.5)
    assert device.read().endswith(b"V")
    assert device.within(2) == b""
