"""A master that beats by itself, and a daemon that is dead or stands still: its lease counts all the same."""

import os
import signal
import time

import pytest

from tests.daemon.toys import LONG, Toys, patiently
from tests.lab import processes

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def master_on_beta(toys: Toys) -> int:
    """Bring about a master that beta's daemon guards, and alpha's waits for; return its pid."""
    toys.start_master("alpha")
    beta = toys.serve("beta", restart_limit=0)
    assert not toys.enforcers("beta"), "a shadow that guards nothing needs none"
    toys.kill_pair("alpha")
    beta.wait_told("master.confirmed", epoch=1)
    toys.start("alpha")
    patiently(lambda: len(toys.enforcers("beta")) == 1, LONG, "an enforcer", toys.story)
    (pid,) = toys.pids("beta", "master")
    return pid


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_master_that_fell_still_before_its_daemon_is_gone_in_time(
    toys: Toys, number: signal.Signals
) -> None:
    """No shadow can tell when its guard stood still too, so its lease must not depend on that."""
    master = master_on_beta(toys)
    os.kill(master, signal.SIGSTOP)
    time.sleep(1)
    os.kill(toys.daemons["beta"].pid, number)
    assert toys.wait_master(["alpha"]) == "alpha"
    assert not processes.alive(master), toys.story()
    os.kill(toys.daemons["beta"].pid, signal.SIGCONT)
    toys.never_two()


def test_a_master_that_beats_outlives_its_daemon(toys: Toys) -> None:
    """Dead for several leases, and the next daemon finds the same process under a lease that goes on."""
    master = master_on_beta(toys)
    (first,) = toys.enforcers("beta")
    toys.daemons["beta"].kill()
    time.sleep(8)
    assert toys.pids("beta", "master") == [master], toys.story()
    toys.start("beta").wait_state("active")
    assert toys.pids("beta", "master") == [master], toys.story()
    patiently(lambda: first not in toys.enforcers("beta"), LONG, "the old enforcer goes", toys.story)
    assert len(toys.enforcers("beta")) == 1
    assert toys.reigns() == [("0", "alpha"), ("1", "beta")]


def test_a_daemon_that_is_told_to_end_takes_its_enforcer_along(toys: Toys) -> None:
    """Nobody is to find a process of a program that was stopped, or lose a master to it."""
    master = master_on_beta(toys)
    beta = toys.daemons["beta"].process
    beta.terminate()
    beta.wait(LONG)
    patiently(lambda: not toys.enforcers("beta"), LONG, "the enforcer goes", toys.story)
    assert processes.alive(master)


def test_a_daemon_that_was_stopped_for_long_finds_its_master(toys: Toys) -> None:
    """Its lease was over long ago, and nobody looked: whether it beats is what counts."""
    master = master_on_beta(toys)
    beta = toys.daemons["beta"].process
    beta.terminate()
    beta.wait(LONG)
    time.sleep(4)
    toys.start("beta").wait_told("master.attached")
    time.sleep(4)
    assert toys.pids("beta", "master") == [master], toys.story()
    assert toys.reigns() == [("0", "alpha"), ("1", "beta")]


def test_an_enforcer_that_dies_is_replaced(toys: Toys) -> None:
    """As long as there is something to look after."""
    master_on_beta(toys)
    (first,) = toys.enforcers("beta")
    time.sleep(11)  # one that ended sooner would be taken for one that cannot run
    os.kill(first, signal.SIGKILL)
    patiently(lambda: toys.enforcers("beta") not in ([], [first]), LONG, "another one", toys.story)
