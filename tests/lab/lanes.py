"""Several real cells side by side, each with hosts and daemons of its own, for what mostly waits.

Ten times the same failure would take minutes one after the other and takes seconds in lanes: a lane is a
cell with its hosts in one common lab, and a scenario runs in all of them at once. The lanes share the
programs, the network and nothing else. What this refuses to do: hide who failed; each lane's error is kept.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.lab.gridengine import Cell
from tests.lab.hosts import Lab
from tests.lab.ours import Ours
from tests.lab.processes import wait_for

QUICK: dict[str, float | str] = {
    "check_interval": 0.5,
    "stale_after": 2,
    "delay": 2,
    "beat_interval": 1,
    "probe_timeout": 1,
    "io_timeout": 2,
    "launch_timeout": 90,
    "guard_interval": 0.3,
    "notice_interval": 0.3,
    "retry_after": 1,
    "retry_limit": 2,
}
"""Timers of seconds; a healthy master survives its lease of 3.2 s with a quickened pulse (``lab.pulse``)."""


@dataclass
class Lane:
    """One cell, the daemons of its hosts, and the questions that every scenario asks."""

    cell: Cell
    daemons: dict[str, Ours] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The lane's hosts, in their order."""
        return [host.name for host in self.cell.hosts]

    def serve(self, *hosts: str, **keys: float | str) -> None:
        """Start our daemon on these hosts (all of them)."""
        for name in hosts or self.names:
            self.daemons[name] = Ours(self.cell, self.cell.lab[name], dict(keys)).start()

    def confirmed(self) -> list[tuple[str, int]]:
        """Return host and epoch of each master that a daemon confirmed, in the order of the epochs."""
        found = [
            (name, int(line["epoch"]))
            for name, daemon in self.daemons.items()
            for line in daemon.events()
            if line.get("event") == "master.confirmed"
        ]
        return sorted(found, key=lambda pair: pair[1])

    def wait_confirmed(self, count: int, seconds: float = 150) -> str:
        """Wait for that many confirmed masters in all; return the host of the last."""
        self.wait(lambda: len(self.confirmed()) >= count, seconds, f"{count} confirmed masters")
        return self.confirmed()[-1][0]

    def wait(self, question: Callable[[], object], seconds: float, what: str) -> None:
        """Wait; a failure ends with what the daemons said until then."""
        try:
            wait_for(question, seconds, f"{self.cell.name}: {what}", every=0.05)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.story()}") from None

    def master(self, host: str) -> int:
        """Return the pid of the one master of a host."""
        pids = self.cell.lab[host].pids("sge_qmaster")
        assert len(pids) == 1, f"masters on {host}: {pids}\n{self.story()}"
        return pids[0]

    def story(self) -> str:
        """Return what a person would read when a test fails."""
        return "\n".join(daemon.story() for daemon in self.daemons.values())


@contextmanager
def lanes(count: int, others: Sequence[str] = ()) -> Iterator[list[Lane]]:
    """Give that many cells; the hosts of lane 0 are ``b0`` and ``c0``, and so on; the others serve nobody."""
    names = [[f"b{number}", f"c{number}"] for number in range(count)]
    with Lab([*(name for lane in names for name in lane), *others]) as lab:
        built = Cell(lab)
        built.build()
        yield [Lane(built.sibling(f"lane{number}", mine)) for number, mine in enumerate(names)]


def together(*running: tuple[Callable[[Lane], None], Lane]) -> None:
    """Run each scenario in its lane, all at once; raise what went wrong, all of it."""
    with ThreadPoolExecutor(len(running)) as pool:
        begun = [pool.submit(scenario, lane) for scenario, lane in running]
    errors = [error for one in begun if (error := one.exception()) is not None]
    if errors:
        raise BaseExceptionGroup(f"{len(errors)} of {len(running)} lanes failed", errors)
