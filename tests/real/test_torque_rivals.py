"""The stand-ins of TORQUE's server show what was measured of the real one, the good and the bad.

Each is a row of reference/torque-lab.md. Without them, the tests of ours beside them would prove little: a
shim that shifts no clock, or a rival that never takes a lock, makes everybody look good.
"""

import os
import signal
import time

import pytest

from tests.lab import processes
from tests.lab.hostmount import mounted_on
from tests.lab.torque import PRIVATE, RELEASES, skewed, torque_cell

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

OLD, NEW = RELEASES["fcntl"], RELEASES["lease"]


def test_2_3_waits_for_the_lock_and_has_it_within_a_second_or_two() -> None:
    """The first serves, the others block; without --ha another one quits; a death frees the lock at once."""
    with torque_cell(**OLD) as cell:
        first = cell.start_rival("h1", "--ha")
        reign = cell.wait_server("h1")
        for host in ("h2", "h2", "h3"):
            cell.start_rival(host, "--ha")
        lonely = cell.start_rival("h3")
        assert lonely.wait(20) == 1
        assert "another server running" in (cell.lab.dir / "torque-h3.rival").read_text()
        assert cell.submit("h1", 2) == [f"{number}.{cell.lab['h1'].short}" for number in (1, 2)]
        killed = time.monotonic()
        processes.kill([first.pid])
        second = cell.wait_server(("h2", "h3"), after=reign)
        assert time.monotonic() - killed < 8
        assert cell.submit(second.host) == [f"3.{cell.lab['h1'].short}"]
        cell.never_two()


def test_6_1_takes_over_when_the_date_is_old() -> None:
    """Measured with check 3 and update 1: 2.1 to 4.8 s. Clean or not, the end looks the same."""
    with torque_cell(**NEW) as cell:
        first = cell.start_rival("h1", "--ha")
        reign = cell.wait_server("h1")
        cell.start_rival("h2", "--ha")
        time.sleep(3.5)
        assert cell.last() == reign
        ended = time.monotonic()
        first.terminate()
        assert first.wait(20) == 0
        cell.wait_server("h2", after=reign)
        assert time.monotonic() - ended > 1
        cell.never_two()


def test_6_1_with_a_frozen_standby_has_no_server() -> None:
    """It holds the mutex, however many others wait."""
    with torque_cell(**NEW) as cell:
        first = cell.start_rival("h1", "--ha")
        reign = cell.wait_server("h1")
        waiting = {host: cell.start_rival(host, "--ha") for host in ("h2", "h3")}

        def alarmed() -> list[str]:
            return [
                host for host in waiting if "ALERT" in (cell.lab.dir / f"torque-{host}.rival").read_text()
            ]

        cell.wait(alarmed, "one of them has the mutex, and the other says so")
        (third,) = alarmed()
        (holder,) = (server for host, server in waiting.items() if host != third)
        os.kill(holder.pid, signal.SIGSTOP)
        processes.kill([first.pid])
        time.sleep(6.5)
        assert cell.reigns() == [reign]
        processes.kill([holder.pid])
        cell.wait_server(third, after=reign)


def test_6_1_believes_its_own_clock() -> None:
    """A standby an hour ahead steals at its first look: two servers, and job ids given twice."""
    with torque_cell(**NEW) as cell:
        cell.start_rival("h1", "--ha")
        reign = cell.wait_server("h1")
        cell.start_rival("h2", "--ha", env=skewed(cell.lab, 3600))
        cell.wait_server("h2", after=reign)
        both = cell.submit("h1", 3), cell.submit("h2", 3)
        assert both[0] == both[1], cell.report()
        assert len(set(cell.reigns())) < len(cell.reigns())


def test_6_1_restarts_itself_at_one_error_on_its_lock_file() -> None:
    """And is a standby then, with nobody to wait for but its own date."""
    with torque_cell("h1", **NEW) as cell, mounted_on(cell.lab["h1"], PRIVATE, cell.lab.dir) as mount:
        server = cell.start_rival("h1", "--ha")
        cell.wait_server("h1")
        assert cell.submit("h1")
        mount.fail("getattr", "server.lock", 116)
        cell.wait(lambda: not cell.submit("h1"), "it serves nobody")
        assert processes.alive(server.pid)
        mount.heal()
