"""How long a daemon takes to be there, and ``status`` to answer.

A daemon is there when it has written its pid into the spool, which both do when they begin to watch.
``status`` is measured beside a running daemon, as monitoring calls it; the ancestor has no such thing.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench import meter, papercells
from tests.bench.daemons import pid_file, start_ours, start_theirs
from tests.bench.papercells import PaperCell
from tests.bench.table import Row, median
from tests.lab import processes
from tests.lab.host import Host
from tests.lab.hosts import Lab
from tests.lab.processes import wait_for

_TIMING = Path(__file__).with_name("timing.py")
_RUNS = 20


def measure(rounds: int, say: Callable[[str], None]) -> list[Row]:
    """Return the rows; each daemon starts ``rounds`` times."""
    with Lab(("a", "b")) as lab:
        host = lab["b"]
        (cell,) = papercells.make(lab.dir / "cells", 1, [one.fqdn for one in lab])
        file = pid_file(cell, host)
        took: dict[str, list[float]] = {"ours": [], "theirs": []}
        used: dict[str, list[float]] = {"ours": [], "theirs": []}
        for turn in range(rounds):
            say(f"start {turn + 1} of {rounds}")
            for name in ("ours", "theirs"):
                file.unlink(missing_ok=True)
                begun = time.monotonic()
                if name == "ours":
                    pid = start_ours(host, lab.dir / "ours", [cell]).pid
                else:
                    (pid,) = start_theirs(host, [cell])
                took[name].append(time.monotonic() - begun)
                used[name].append(meter.cpu(pid))
                _end(pid)
        say("status")
        start_ours(host, lab.dir / "ours", [cell])
        time.sleep(1)
        program = Path(sys.executable).with_name("shadowd")
        runs = _time(host, cell, program, "status", "--config", lab.dir / "ours" / "shadowd.toml")
        bare = _time(host, cell, sys.executable, "-c", "")
    return [
        Row("start-up", median(took["ours"]) * 1000, median(took["theirs"]) * 1000, "ms"),
        Row("… CPU", median(used["ours"]) * 1000, median(used["theirs"]) * 1000, "ms"),
        Row("status, one cell", median(run[0] for run in runs) * 1000, None, "ms", 80),
        Row("… CPU", median(run[1] for run in runs) * 1000, None, "ms"),
        Row("… of it Python itself", median(run[1] for run in bare) * 1000, None, "ms"),
    ]


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not processes.alive(pid), 10, "the daemon ends")


def _time(host: Host, cell: PaperCell, *argv: str | Path) -> list[list[float]]:
    """Run a program on the host some times; return wall seconds, CPU seconds and exit status of each."""
    said = host.run([sys.executable, _TIMING, str(_RUNS), *argv], env=cell.env, check=True)
    runs: list[list[float]] = json.loads(said.stdout)
    assert {run[2] for run in runs} <= {0, 1, 2}, runs
    return runs
