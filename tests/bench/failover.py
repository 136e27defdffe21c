"""How long after its last beat a killed real master is replaced, beyond what the timers ask for.

The master is killed with SIGKILL in the moment after a beat that this program writes itself (two a second,
so that intervals of 1, 2 and 3 s stand to the beat as 60, 240 and 600 s do to its real 30 s), at moments
spread over the daemons' check interval. The new master's start is the first sight of a new ``sge_qmaster``
in the process table, looked at every 2 ms.

Measured twice for ours: past the last beat, as for the ancestor, which includes how late a beat is noticed
(up to a check interval), and past the deadline by the reads that the daemon made and published. Both contain
what the safety costs: the probe, the second look, the claim on the disk.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bench.table import Row, median
from tests.lab import processes
from tests.lab.gridengine import Cell
from tests.lab.host import Host
from tests.lab.hosts import Lab
from tests.lab.ours import Ours
from tests.lab.processes import wait_for

CHECK, STALE, DELAY = 1, 2, 3
_BEAT = 0.5
_LOOK = 0.002
_LONGEST = 60.0


@dataclass(frozen=True)
class Replaced:
    """One failover; seconds."""

    past_beat: float
    """From the last beat to the start of the new master."""
    past_deadline: float | None
    """From the deadline that the daemon published."""


class Beater:
    """Moves the heartbeat until told to stop."""

    def __init__(self, cell: Cell) -> None:
        self._file = cell.heartbeat
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._value = 1000
        self.last = 0.0
        """Wall time of the last beat."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Write one beat more, and no other."""
        self._done.set()
        self._thread.join(10)
        self._beat()

    def _run(self) -> None:
        while not self._done.wait(_BEAT):
            self._beat()

    def _beat(self) -> None:
        self._value += 1
        with self._file.open("r+") as file:
            file.write(f"{self._value:05d}\n")
        self.last = time.time()


def first_sight(host: Host, watch: Callable[[], None]) -> float:
    """Return the wall time of the first sight of a master on the host; ``watch`` is called between looks."""
    before = set(processes.everybody())
    ends = time.monotonic() + _LONGEST
    while time.monotonic() < ends:
        for pid in set(processes.everybody()) - before:
            if processes.name(pid) == "sge_qmaster" and _is_on(pid, host):
                return time.time()
        watch()
        time.sleep(_LOOK)
    raise AssertionError(f"no master on {host.short} within {_LONGEST} s")


def _is_on(pid: int, host: Host) -> bool:
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino == host.inode  # noqa: PTH116 - 500 times a second
    except OSError:
        return False


def kill_and_watch(cell: Cell, phase: float, deadline: Callable[[], float | None]) -> Replaced:
    """Kill the master of ``a`` right after a beat, ``phase`` seconds from now; wait for one on ``b``."""
    beater = Beater(cell)
    beater.start()
    time.sleep(2 * CHECK + phase)
    beater.stop()
    cell.kill_qmaster("a")
    known: list[float] = []

    def note() -> None:
        if (published := deadline()) is not None:
            known[:] = [published]

    started = first_sight(cell.lab["b"], note)
    wait_for(lambda: cell.active() == "b", _LONGEST, f"the new master serves\n{cell.report()}")
    return Replaced(started - beater.last, started - known[0] if known else None)


@contextmanager
def _fresh(cell: Cell) -> Iterator[None]:
    cell.restore()
    cell.start_qmaster("a")
    try:
        yield
    finally:
        cell.stop_all()


def ours(cell: Cell, phase: float, delay_applies: str) -> Replaced:
    """Let our daemon replace the master once."""
    before = delay_applies == "before_takeover"
    keys: dict[str, float | str] = {
        "delay_applies": delay_applies,
        "check_interval": CHECK,
        "stale_after": STALE,
        "delay": DELAY,
    }
    with _fresh(cell):
        daemon = Ours(cell, cell.lab["b"], keys).start()
        wait_for(lambda: daemon.record().get("beat") is not None, 20, f"a beat\n{daemon.story()}")

        def deadline() -> float | None:
            record = daemon.record()
            if not record or record["observed"] is None:
                return None
            # The silence is the time between two of its reads, so this is when it first read the last beat.
            return float(record["observed"] - record["silence"] + STALE + (DELAY if before else 0))

        return kill_and_watch(cell, phase, deadline)


def theirs(cell: Cell, phase: float) -> Replaced:
    """Let ``sge_shadowd`` replace the master once."""
    with _fresh(cell):
        cell.start_real_shadowd("b", CHECK, STALE, DELAY)
        return kill_and_watch(cell, phase, lambda: None)


def measure(rounds: int, say: Callable[[str], None]) -> list[Row]:
    """Return the rows; each kind of daemon fails over ``rounds`` times."""
    with Lab(("a", "b")) as lab:
        cell = Cell(lab)
        cell.build()
        runs: dict[str, list[Replaced]] = {"before": [], "after": [], "theirs": []}
        for turn in range(rounds):
            phase = turn / rounds * CHECK
            say(f"failover {turn + 1} of {rounds}")
            runs["before"].append(ours(cell, phase, "before_takeover"))
            runs["after"].append(ours(cell, phase, "after_failed_bid"))
            runs["theirs"].append(theirs(cell, phase))
    both = [*runs["before"], *runs["after"]]
    exact = [run.past_deadline * 1000 for run in both if run.past_deadline is not None]
    after, before, other = (
        [run.past_beat * 1000 for run in runs[key]] for key in ("after", "before", "theirs")
    )
    short, long = STALE * 1000, (STALE + DELAY) * 1000
    return [
        Row("new master past the deadline, median", median(exact), None, "ms", 100),
        Row("new master past the deadline, worst", max(exact), None, "ms", 100),
        Row(f"… past last beat + {STALE} s, median", median(after) - short, median(other) - short, "ms"),
        Row(f"… past last beat + {STALE} s, worst", max(after) - short, max(other) - short, "ms"),
        Row(f"… past last beat + {STALE + DELAY} s, worst", max(before) - long, None, "ms"),
    ]
