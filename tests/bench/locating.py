"""How long ``locate`` takes to find the server: all well, the first one frozen, the first one cut off.

Three hosts of the lab: two servers that answer whatever they are asked, and a client, on which the whole
program is timed, interpreter included. The network between them takes a tenth of a millisecond, so what is
measured is what ``locate`` adds. The memory of the last good server is off, or nothing would be seen of the
first one. Nothing is compared with: TORQUE's own clients need a TORQUE, and are in TORQUE.md.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from shadowd.client.locating import PROBE_TIMEOUT
from tests.bench.table import Row, median
from tests.lab.host import Host
from tests.lab.hosts import Lab
from tests.lab.processes import wait_for

_TIMING = Path(__file__).with_name("timing.py")
_PORT = 15001
_SERVER = f"""
import socket
with socket.create_server(("", {_PORT}), backlog=100) as listener:
    while True:
        client, _ = listener.accept()
        with client:
            client.recv(100)
            client.send(b"+2+1")
"""


def measure(rounds: int, say: Callable[[str], None]) -> list[Row]:
    """Return the rows; each is the median of ``rounds`` calls."""
    limit = 1000 * (1 + PROBE_TIMEOUT)
    with Lab(("a", "b", "c")) as lab:
        first, client = lab["a"], lab["c"]
        servers = f"{first.fqdn},{lab['b'].fqdn}"
        child = first.popen([sys.executable, "-c", _SERVER])
        lab["b"].popen([sys.executable, "-c", _SERVER])
        # With --all both are asked, so both are there.
        wait_for(lambda: _answering(client, servers) == 2, 20, "both servers answer")
        say("locate")
        well = _time(client, servers, rounds)
        os.kill(child.pid, signal.SIGSTOP)
        frozen = _time(client, servers, rounds)
        first.cable(plugged=False)
        cut = _time(client, servers, rounds)
    return [
        Row("locate, the first server answers", 1000 * median(run[0] for run in well), None, "ms", 50),
        Row("… CPU", 1000 * median(run[1] for run in well), None, "ms"),
        Row("locate, the first is frozen", 1000 * median(run[0] for run in frozen), None, "ms", limit),
        Row("locate, the first is cut off", 1000 * median(run[0] for run in cut), None, "ms", limit),
    ]


def _program() -> Path:
    return Path(sys.executable).with_name("shadowd")


def _answering(client: Host, servers: str) -> int:
    said = client.run([_program(), "locate", "--all", "--json", "--servers", servers])
    found = json.loads(said.stdout)["servers"] if said.stdout else []
    return sum(one["state"] == "answers" for one in found)


def _time(client: Host, servers: str, rounds: int) -> list[list[float]]:
    """Return wall seconds, CPU seconds and exit status of each call."""
    argv = [sys.executable, _TIMING, str(rounds), _program(), "locate", "--no-cache", "--servers", servers]
    runs: list[list[float]] = json.loads(client.run(argv, check=True, timeout=120).stdout)
    assert {run[2] for run in runs} == {0}, runs
    return runs
