"""What one check costs, and what a daemon costs that has nothing to do: CPU and system calls.

All daemons run at the same time, each on a host and a cell of its own: both at a check a second, both with
the timers' defaults, and ours once more with a guarded master, whose death notice it listens for. A cell
beats every 30 s. What a check costs is the difference between many checks and few, divided by their number.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.bench import meter, papercells
from tests.bench.daemons import start_ours, start_theirs
from tests.bench.meter import Calls, Trace
from tests.bench.papercells import PaperCell
from tests.bench.table import Row
from tests.lab.hosts import Lab

_OFTEN = 1
_DEFAULT = 60
_BEAT = 30.0
_SETTLE = 5.0


@dataclass(frozen=True)
class Cost:
    """What one daemon used in the time of the measurement."""

    cpu: float
    seconds: float
    interval: int

    @property
    def checks(self) -> float:
        """Return how many checks it made; a beat that is seen at once makes one more each 30 s."""
        return self.seconds / self.interval


def measure(seconds: float, traced: float, say: Callable[[str], None]) -> list[Row]:
    """Return the rows: CPU over ``seconds``, system calls over ``traced`` seconds."""
    with Lab(("a", "b", "c", "d", "e")) as lab:
        hosts = [host.fqdn for host in lab]
        top = lab.dir / "cells"
        one, two, three, four = papercells.make(top / "plain", 4, hosts)
        five = papercells.make(top / "guarded", 1, hosts, guarded=True)[0]
        often = f"check_interval = {_OFTEN}"
        pids = {
            "ours often": start_ours(lab["a"], lab.dir / "ours-a", [one], often).pid,
            "theirs often": start_theirs(lab["b"], [two], _OFTEN)[0],
            "ours": start_ours(lab["c"], lab.dir / "ours-c", [three]).pid,
            "theirs": start_theirs(lab["d"], [four], _DEFAULT)[0],
            "guarded": start_ours(lab["e"], lab.dir / "ours-e", [five]).pid,
        }
        done = threading.Event()
        beats = threading.Thread(target=_beat, args=([one, two, three, four, five], done), daemon=True)
        beats.start()
        try:
            time.sleep(_SETTLE)
            say(f"CPU of five daemons for {seconds:.0f} s")
            cost = _watch(pids, seconds)
            calls = {}
            for name in ("ours often", "theirs often"):
                say(f"system calls of {name.split()[0]} for {traced:.0f} s")
                with Trace(pids[name], lab.dir / "trace") as trace:
                    time.sleep(traced)
                calls[name] = trace.calls
        finally:
            done.set()
            beats.join(10)
    return _rows(cost, calls)


def _rows(cost: dict[str, Cost], calls: dict[str, Calls]) -> list[Row]:
    def each(name: str) -> float:
        often, idle = cost[f"{name} often"], cost[name]
        return 1000 * (often.cpu - idle.cpu) / (often.checks - idle.checks)

    def hour(name: str) -> float:
        return 3600 * cost[name].cpu / cost[name].seconds

    def share(name: str, *names: str) -> float:
        counted = calls[f"{name} often"]
        total = sum(counted.by_name[one] for one in names) if names else counted.total
        return total / max(1, counted.checks)

    return [
        Row("CPU per check", each("ours"), each("theirs"), "ms", 1.0),
        Row("system calls per check", share("ours"), share("theirs"), ""),
        Row("… of them futex (threads)", share("ours", "futex"), share("theirs", "futex"), ""),
        Row("CPU in an hour, default timers", hour("ours"), hour("theirs"), "s"),
        Row("… with a guarded master", hour("guarded"), None, "s"),
    ]


def _watch(pids: dict[str, int], seconds: float) -> dict[str, Cost]:
    intervals = {name: _OFTEN if name.endswith("often") else _DEFAULT for name in pids}
    before = {name: (meter.cpu(pid), time.monotonic()) for name, pid in pids.items()}
    time.sleep(seconds)
    return {
        name: Cost(meter.cpu(pid) - before[name][0], time.monotonic() - before[name][1], intervals[name])
        for name, pid in pids.items()
    }


def _beat(cells: list[PaperCell], done: threading.Event) -> None:
    while not done.wait(_BEAT):
        for cell in cells:
            cell.beat()
