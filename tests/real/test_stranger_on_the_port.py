"""A user without rights listens on the master's port: where it died, and where the next one would start.

The real sge_qmaster, and strangers of uid 65534 with every manner that costs nothing: they accept nobody,
close, reset, babble, or say word for word what sge_qmaster says. They stay, and no takeover waits for them.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.gridengine import Cell
from tests.lab.net import CONNECTED
from tests.lab.ours import Ours, one_master, shadows
from tests.lab.processes import wait_for

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

STRANGER = """
import os, socket, struct, sys, time
port, manner, words = int(sys.argv[1]), sys.argv[2], bytes.fromhex(sys.argv[3])
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
while True:
    try:
        listener.bind(("", port))
        break
    except OSError:
        time.sleep(0.01)
listener.listen(5)
print("listens", flush=True)
while True:
    if manner == "accepts nobody":
        time.sleep(60)
    client, _ = listener.accept()
    try:
        client.settimeout(5)
        client.recv(4096)
        if manner == "resets":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if manner == "babbles":
            client.sendall(b"hello, hello\\n")
        if manner == "greets":
            client.sendall(words)
    except OSError:
        pass
    client.close()
"""
MANNERS = ("accepts nobody", "closes", "resets", "babbles")


@contextmanager
def stranger(cell: Cell, host: str, manner: str) -> Iterator[None]:
    """Let a stranger wait for the port of a host, and take it as soon as it is free."""
    said = cell.lab.dir / f"stranger-{host}"
    said.unlink(missing_ok=True)
    argv = [sys.executable, "-ISc", STRANGER, str(cell.port), manner, CONNECTED.hex()]
    child = cell.lab[host].popen(argv, output=said)
    try:
        yield
        assert "listens" in said.read_text(), "it never had the port"
    finally:
        child.kill()
        child.wait()


def has_the_port(cell: Cell, host: str) -> None:
    """Wait until the stranger has it."""
    said = cell.lab.dir / f"stranger-{host}"
    wait_for(lambda: said.exists() and "listens" in said.read_text(), 20, "the stranger has the port")


def guarded(daemons: list[Ours]) -> None:
    """Wait until the master of the first host is in its daemon's care, and the others have seen it beat."""
    daemons[0].wait_said("master.adopted", 60)
    for daemon in daemons[1:]:
        daemon.wait_for_beat()


@pytest.mark.parametrize("manner", [*MANNERS, "greets"])
def test_uid_65534_holds_the_dead_masters_port_on_its_host(cell: Cell, manner: str) -> None:
    """Its guard says that it died: nobody is asked, and who speaks as sge_qmaster does holds up nothing."""
    cell.start_qmaster("a")
    with shadows(cell, "a", "b") as daemons, cell.masters() as masters:
        guarded(daemons)
        with stranger(cell, "a", manner):
            cell.kill_qmaster("a")
            has_the_port(cell, "a")
            one_master(cell, "b", 60)
            assert not daemons[1].said("heartbeat.stuck")
    masters.never_two()


def test_uid_65534_holds_the_port_after_its_guard_is_gone_too(cell: Cell) -> None:
    """No notice comes: the lease of the old guard is waited for (two beats of 30 s), and not the stranger."""
    cell.start_qmaster("a")
    with shadows(cell, "a", "b", lease=61) as daemons, cell.masters() as masters:
        guarded(daemons)
        cell.lab["a"].stop()
        with stranger(cell, "a", "closes"):
            has_the_port(cell, "a")
            one_master(cell, "b", 150)
            assert not daemons[1].said("heartbeat.stuck")
    masters.never_two()


def test_uid_65534_where_a_master_without_a_guard_was_keeps_others_waiting_until_a_person_asks(
    cell: Cell,
) -> None:
    """It may be that master, unwell: nobody knows better. It is told, and an operator passes over it."""
    cell.start_qmaster("a")
    with shadows(cell, "b") as (ours,), cell.masters() as masters:
        ours.wait_for_beat()
        with stranger(cell, "a", "closes"):
            cell.kill_qmaster("a")
            has_the_port(cell, "a")
            ours.wait_refused("listens")
            assert cell.qmasters() == []
            assert "does not answer as a master does" in ours.verb("status").stdout
            # A beat of a minute ago binds an operator too.
            wait_for(lambda: not ours.verb("takeover", "--yes").returncode, 90, "the takeover", every=1)
            one_master(cell, "b", 60)
    masters.never_two()


def test_uid_65534_holds_the_port_on_the_shadows_host(cell: Cell) -> None:
    """The first shadow host could not start a master: it is named there, and the second one takes over."""
    cell.start_qmaster("a")
    quick = {"launch_timeout": 15, "window": 40}
    with (
        stranger(cell, "b", "closes"),
        shadows(cell, "b", "c", **quick) as (first, second),
        cell.masters() as masters,
    ):
        for daemon in (first, second):
            daemon.wait_for_beat()
        has_the_port(cell, "b")
        first.wait_refused("cannot_run")
        told = f"{cell.port} of this host is held by nobody (uid 65534)"
        for verb in ("status", "check"):
            assert told in " ".join(first.verb(verb).stdout.split()), verb
            assert told not in " ".join(second.verb(verb).stdout.split()), verb
        cell.kill_qmaster("a")
        one_master(cell, "c", 120)
        time.sleep(1)
    masters.never_two()
