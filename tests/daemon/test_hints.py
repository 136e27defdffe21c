"""Hints between whole daemons: a death is acted on at once although nobody was going to look for long."""

import ast
import signal
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from shadowd.adapters.hints import encode
from tests.bench import meter
from tests.daemon.toys import LONG, SLOW, Daemon, Toys, launch, patiently
from tests.lab.hosts import Lab, usable
from tests.lab.processes import wait_for

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

RARELY = SLOW | {"check_interval": 30, "notice_interval": 30}
"""Neither the heartbeat nor the notices are looked at while a test runs, unless somebody hints."""
UNWATCHED = "watch = false\n"
"""The hosts of a test share a disk; on a network file system inotify sees nothing of another host."""
FLOOD = """
import os, socket, sys, time
port, seconds, good = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3].encode()
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
junk = [os.urandom(size) for size in (0, 1, 40, 127, 128, 129, 1400, 9000)] + [good]
ends, sent = time.monotonic() + seconds, 0
while time.monotonic() < ends:
    for data in junk:
        try:
            sender.sendto(data, ("127.0.0.1", port))
            sent += 1
        except OSError:
            pass
print(sent)
"""


def start(toys: Toys, host: str, top: str = "", wish: dict[str, Any] | None = None, **keys: Any) -> Daemon:
    """Start a daemon that inotify does not wake, and wait until it has looked once."""
    path = toys.cell.configure(host, **keys)
    path.write_text(f"{UNWATCHED}{top}\n{path.read_text()}")
    daemon = launch(toys.cell.home(host), host, wish=wish)
    toys.daemons[host] = daemon
    daemon.cell = toys.cell.name
    daemon.wait_told("daemon.started")
    return daemon


def guarded(toys: Toys, top: str = "") -> Daemon:
    """Bring about a master on alpha, guarded by a daemon that will not bid when it dies."""
    toys.start_master("gamma")
    daemon = start(toys, "alpha", top, restart_limit=0)
    daemon.wait_eligible()
    toys.kill_pair("gamma")
    toys.wait_master(("alpha",))
    daemon.wait_state("active")
    path = toys.cell.home("alpha") / "shadowd.toml"
    path.write_text(path.read_text().replace("[[cell]]\n", "[[cell]]\nobserver = true\n"))
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_told("master.attached")
    return daemon


def watching(toys: Toys, top: str = "") -> Daemon:
    """Start a shadow that has looked at the cell and will not do so again for long."""
    shadow = start(toys, "beta", top, **RARELY)
    patiently(lambda: shadow.record().get("epoch"), LONG, "the first look", shadow.story)
    return shadow


def test_a_death_is_acted_on_at_once(toys: Toys) -> None:
    """The guard's notice hints; the shadow looks, and takes over half a minute before its next look."""
    guard = guarded(toys)
    shadow = watching(toys)
    died = time.monotonic()
    toys.kill_pair("alpha")
    guard.wait_told("master.ended")
    shadow.wait_told("takeover.claiming", 10)
    took = time.monotonic() - died
    assert took < 5, f"{took:.1f} s\n{toys.story()}"
    assert toys.wait_master(("beta",)) == "beta"
    toys.never_two()


@pytest.mark.parametrize(("guards", "shadows"), [("hints = false", ""), ("", "hints = false")])
def test_without_hints_it_waits_for_its_own_look(toys: Toys, guards: str, shadows: str) -> None:
    """Switched off on either side nothing is sent or heard; the record says so."""
    guard = guarded(toys, guards)
    shadow = watching(toys, shadows)
    heard = [daemon.record()["hints"] is not None for daemon in (guard, shadow)]
    assert heard == [not guards, not shadows]
    toys.kill_pair("alpha")
    guard.wait_told("master.ended")
    time.sleep(5)
    assert not shadow.told("takeover.claiming")
    assert shadow.record()["silence"] < 30


def looks(daemon: Daemon) -> list[float]:
    """Return when the daemon looked at its cell."""
    lines = (daemon.home / "witness").read_text().splitlines()
    return [float(line.split()[0]) for line in lines if line.endswith(" Observe")]


def test_a_flood_costs_a_look_a_second_and_little_else(toys: Toys) -> None:
    """Garbage and real hints as fast as a process can send: bounded CPU, no line in the log."""
    (toys.cell.spool / "heartbeat").write_text("00041\n")
    daemon = start(toys, "beta", wish={}, **RARELY)
    patiently(lambda: looks(daemon), LONG, "the first look", daemon.story)
    port = daemon.record()["hints"]["port"]
    time.sleep(1.5)
    lines, before, used = len(list(daemon.events())), len(looks(daemon)), meter.cpu(daemon.pid)
    argv = [sys.executable, "-IS", "-c", FLOOD, str(port), "5", encode(toys.cell.name).decode()]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60)
    used = meter.cpu(daemon.pid) - used
    assert int(done.stdout) > 10_000
    assert used < 1.0, f"{used:.2f} s of CPU in 5 s of {done.stdout.strip()} datagrams"
    found = looks(daemon)
    assert 3 <= len(found) - before <= 7, daemon.story()
    assert all(later - earlier > 0.7 for earlier, later in pairwise(found))
    assert len(list(daemon.events())) == lines
    # It is as quick as ever afterwards.
    (toys.cell.spool / "lock").touch()
    time.sleep(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(encode(toys.cell.name), ("127.0.0.1", port))
    daemon.wait_refused("locked", seconds=10)


LISTEN = """
import sys, threading
from shadowd.adapters.hints import Hints
heard = threading.Event()
hints = Hints(0, serves=lambda name: name == "prod", woken=lambda name: heard.set())
hints.start()
print(*hints.place(), flush=True)
sys.exit(0 if heard.wait(30) else 1)
"""
SEND = """
import sys
from shadowd.adapters.hints import Hints
port, address = int(sys.argv[1]), sys.argv[2]
Hints(0, serves=bool, woken=print).send("prod", (port, ("192.0.2.99", address)))
"""


@pytest.mark.parametrize("six", [False, True], ids=["IPv4", "IPv6"])
def test_a_hint_reaches_another_host_at_the_address_that_it_tells(six: bool) -> None:  # noqa: FBT001
    """Over a cable between two network namespaces, by what the kernel says and nobody resolves."""
    lack = usable()
    if lack:
        pytest.skip(lack)
    with Lab(("a", "b")) as lab:
        if six:
            for number, host in enumerate(lab, start=1):
                host.run(["ip", "addr", "add", f"fd00:5::{number}/64", "dev", "eth0", "nodad"])
        listener = subprocess.Popen(
            lab["b"].argv([sys.executable, "-c", LISTEN]), stdout=subprocess.PIPE, text=True
        )
        assert listener.stdout is not None
        with listener.stdout as said:
            port, _, addresses = said.readline().partition(" ")
        told = ast.literal_eval(addresses)
        assert told == (lab["b"].address, *(["fd00:5::2"] if six else []))
        lab["a"].run([sys.executable, "-c", SEND, port, told[-1]])
        assert listener.wait(60) == 0


def test_a_port_that_is_taken_is_said_and_served_without(toys: Toys) -> None:
    """Hints are a comfort: without their socket the daemon serves its cells."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", 0))
        (toys.cell.spool / "heartbeat").write_text("00041\n")
        daemon = start(toys, "beta", f"hint_port = {taken.getsockname()[1]}", **RARELY)
        (told,) = daemon.wait_told("hints.unavailable")
    assert "in use" in told["detail"]
    daemon.wait_eligible()


def test_switched_off_there_is_no_socket(toys: Toys) -> None:
    """``hints = false``: no UDP socket at all."""
    (toys.cell.spool / "heartbeat").write_text("00041\n")
    off = start(toys, "beta", "hints = false", **RARELY)
    on = start(toys, "gamma", **RARELY)
    wait_for(lambda: on.record() and off.record(), LONG, "both have looked")
    assert udp(on.pid) == 1
    assert udp(off.pid) == 0


def udp(pid: int) -> int:
    """Return how many UDP sockets a process holds."""
    tables = [Path(f"/proc/{pid}/net/{name}") for name in ("udp", "udp6")]
    inodes = {line.split()[9] for table in tables for line in table.read_text().splitlines()[1:]}
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    return sum(link.removeprefix("socket:[").rstrip("]") in inodes for link in links)
