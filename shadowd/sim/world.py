"""N hosts, their shared directories and the network between them, driven in virtual time.

A test makes a world, breaks it as its story wants, and lets time go on. Random faults come from one
``random.Random`` that the test injects, and every container is ordered, so a seed replays exactly.

This module refuses to judge: it counts masters and keeps a trace, what is right is the test's business.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shadowd.core.actions import Say
from shadowd.core.timing import Timing
from shadowd.core.values import Epoch, FenceOutcome, Host, ProbeOutcome, Seconds
from shadowd.sim.clock import Moment, Timeline
from shadowd.sim.disk import Disk
from shadowd.sim.host import SimHost
from shadowd.sim.machines import Maker, real_machines
from shadowd.sim.master import Master


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the trace."""

    when: Moment
    host: Host
    cell: str
    say: Say

    def __str__(self) -> str:
        say = self.say
        epoch = "" if say.epoch is None else f"#{say.epoch}"
        where = f"{self.when:12.3f} {self.host:<6} {self.cell:<8}"
        return f"{where} {say.event:<22} {epoch:<5} {say.reason.value} {say.detail}".rstrip()


class World:
    """The simulated world."""

    def __init__(
        self,
        hosts: Sequence[str],
        *,
        cells: Sequence[str] = ("cell",),
        timing: Timing | None = None,
        make: Maker = real_machines,
    ) -> None:
        names = tuple(Host(name) for name in hosts)
        self.timeline = Timeline()
        self.timing = (timing or Timing()).derived()
        self.trace: list[Line] = []
        self.disks = {cell: Disk(cell, names) for cell in cells}
        self.disk = self.disks[cells[0]]
        """The first cell's."""
        self.watch: Callable[[], None] = lambda: None
        """Called after everything that happens: where checkers come in."""
        self.hosts = {
            name: SimHost(
                name,
                self.timeline,
                self.timing,
                disks=tuple(self.disks.values()),
                network=self._probe,
                fence=self._fence,
                trace=self._say,
                make=make,
            )
            for name in names
        }

    @property
    def now(self) -> Moment:
        """The present moment."""
        return self.timeline.now

    def __getitem__(self, host: str) -> SimHost:
        return self.hosts[Host(host)]

    def start_daemons(self, *hosts: str) -> None:
        """Start shadowd on these hosts; on all without any."""
        for name in hosts or self.hosts:
            self[name].start_daemon()

    def masters(self, cell: str = "") -> tuple[Master, ...]:
        """Return the live masters of a cell on all hosts, frozen ones too."""
        found: tuple[Master, ...] = ()
        for host in self.hosts.values():
            found += host.masters(cell or self.disk.cell)
        return found

    def master(self, cell: str = "") -> tuple[str, Master] | None:
        """Return the serving master and its host, if there is exactly one master."""
        alive = self.masters(cell)
        if len(alive) != 1 or not alive[0].serving:
            return None
        return alive[0].where, alive[0]

    def run(self, seconds: float) -> None:
        """Let so much time go by."""
        self.run_until(lambda: False, seconds)

    def run_until(self, done: Callable[[], bool], limit: float) -> bool:
        """Let time go by until this holds; False if it did not within so many seconds."""
        until = Moment(self.now + limit)
        while not done():
            if not self.timeline.step(until):
                return done()
            self.watch()
        return True

    def said(self, event: str, host: str = "") -> tuple[Line, ...]:
        """Return the lines of the trace with this event, from one host or all."""
        return tuple(
            line for line in self.trace if line.say.event == event and (not host or line.host == host)
        )

    def after(self, seconds: float, happen: Callable[[], None]) -> None:
        """Let something happen later."""
        self.timeline.after(Seconds(seconds), happen)

    def _say(self, host: Host, cell: str, say: Say) -> None:
        self.trace.append(Line(self.now, host, cell, say))

    def _fence(self, asking: SimHost, cell: str, epoch: Epoch, host: Host) -> FenceOutcome:
        """Power a host off, as a fence agent that reaches every power switch does."""
        target = self.hosts.get(host)
        later = any(claim.host == host for number, claim in self.disks[cell].claims.items() if number > epoch)
        if target is None or target is asking or later:
            return FenceOutcome.REFUSED
        target.crash()
        return FenceOutcome.DEAD

    def _probe(self, asking: SimHost, cell: str, host: Host) -> ProbeOutcome:
        asked = self.hosts.get(host)
        if asked is None:
            return ProbeOutcome.UNRESOLVABLE
        if asked is not asking and (asked.cut or asking.cut or not asked.up):
            return ProbeOutcome.SILENT
        outcomes = [master.answers() for master in asked.masters(cell)]
        if ProbeOutcome.ANSWERS in outcomes:
            return ProbeOutcome.ANSWERS
        return ProbeOutcome.SILENT if ProbeOutcome.SILENT in outcomes else ProbeOutcome.REFUSES
