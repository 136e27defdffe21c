"""N hosts, their shared directories and the network between them, driven in virtual time.

A test makes a world, breaks it as its story wants, and lets time go on. Random faults come from one
``random.Random`` that the test injects, and every container is ordered, so a seed replays exactly.

This module refuses to judge: it counts masters and keeps a trace, what is right is the test's business.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf

from shadowd.core.actions import Say
from shadowd.core.reasons import Reason
from shadowd.core.timing import Timing
from shadowd.core.values import Host
from shadowd.sim.clock import Moment, Timeline
from shadowd.sim.daemon import Daemon, Whole
from shadowd.sim.disk import Disk
from shadowd.sim.host import SimHost
from shadowd.sim.machines import Maker, real_machines
from shadowd.sim.master import Master
from shadowd.sim.network import Network


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
        runtime: Callable[[SimHost], Daemon] = Whole,
        kind: Callable[..., SimHost] = SimHost,
    ) -> None:
        names = tuple(Host(name) for name in hosts)
        self.timeline = Timeline()
        self.timing = (timing or Timing()).derived()
        self.trace: list[Line] = []
        self.disks = {cell: Disk(cell, names) for cell in cells}
        for disk in self.disks.values():
            disk.stir = self.stir
        self.disk = self.disks[cells[0]]
        """The first cell's."""
        self.watch: Callable[[], None] = lambda: None
        """Called after everything that changed a master, a mount or a notice: where checkers come in."""
        self.stirred_at = Moment(0.0)
        """When a process, a mount, a notice or a daemon changed last."""
        self.restarted_at = Moment(-inf)
        """When a daemon began to start its host's dead master again."""
        self._stirred = False
        self.network = Network(self.disks)
        self.hosts = self.network.hosts
        """By machine, whatever they are called."""
        self.arrived: Callable[[SimHost], None] = lambda _host: None
        """Hears of each machine that comes later."""
        self._install = partial(
            kind,
            timeline=self.timeline,
            timing=self.timing,
            disks=tuple(self.disks.values()),
            network=self.network,
            trace=self._say,
            make=make,
            runtime=runtime,
            stir=self.stir,
        )
        for name in names:
            self.hosts[name] = self._install(name)

    def clone(self, of: SimHost) -> SimHost:
        """Switch on a copy of a machine: the same name and machine id, a boot of its own, and its daemon."""
        made = self._install(of.name, clone_of=of)
        self.hosts[made.machine] = made
        self.arrived(made)
        made.start_daemon()
        return made

    def remove(self, host: SimHost) -> None:
        """Switch a machine off for good."""
        host.crash()
        host.removed = True
        del self.hosts[host.machine]

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
            if not self.step(until):
                return done()
        return True

    def stir(self) -> None:
        """Let whoever watches look, once this moment's callback is over."""
        self._stirred = True
        self.stirred_at = self.now

    def said(self, event: str, host: str = "") -> tuple[Line, ...]:
        """Return the lines of the trace with this event, from one host or all."""
        return tuple(
            line for line in self.trace if line.say.event == event and (not host or line.host == host)
        )

    def step(self, until: Moment) -> bool:
        """Let the next thing happen; False if there is none up to this moment."""
        happened = self.timeline.step(until)
        if self._stirred:
            self._stirred = False
            self.watch()
        return happened

    def after(self, seconds: float, happen: Callable[[], None]) -> None:
        """Let something happen later."""
        self.timeline.after(seconds, happen)

    def _say(self, host: Host, cell: str, say: Say) -> None:
        if say.reason is Reason.RESTARTING:
            self.restarted_at = self.now
        self.trace.append(Line(self.now, host, cell, say))
