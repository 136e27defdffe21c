"""Seeded bad weather over a guarded cell, and the judge who watches what comes of it.

A storm draws faults from the one ``random.Random`` that it is given, each with an end; afterwards it is
calm, everything is repaired, and a master must come. Two kinds of weather, because PROTOCOL.md excludes
their mixture from "one master" until a guard's lease survives its own restart (the end of rule 9): in
``CRASHES`` daemons are killed wherever they are, in ``STALLS`` masters freeze and mounts hang, and only
daemons without a master are killed.

This module refuses to freeze a guard: for that PROTOCOL.md promises less than "never".
"""

from collections.abc import Callable
from enum import Enum
from random import Random

from shadowd.core.timing import Timing
from shadowd.core.values import OUTCOMES, NoticeKind, Seconds
from shadowd.sim.disk import DONE_BUT_HANGS, FAILS, HANGS, LOST, Fault, Op, late
from shadowd.sim.host import SimHost
from shadowd.sim.machines import Maker, real_machines
from shadowd.sim.master import Program
from shadowd.sim.world import World

TIMING = Timing(
    check_interval=Seconds(30),
    stale_after=Seconds(90),
    delay=Seconds(90),
    beat_interval=Seconds(10),
    guard_interval=Seconds(3),
    notice_interval=Seconds(6),
    retry_limit=Seconds(120),
)
"""Shorter than life, so that a second of a test sees more takeovers."""


class Weather(Enum):
    """Which faults come together."""

    CRASHES = "crashes"
    STALLS = "stalls"


class VerdictError(AssertionError):
    """A promise was broken; ``trace`` tells how it came to that."""

    def __init__(self, verdict: str, world: World) -> None:
        super().__init__(f"{verdict} at {world.now:.3f} s")
        self.trace = tuple(str(line) for line in world.trace)


class Judge:
    """Looks at the world after everything that happens."""

    def __init__(self, world: World) -> None:
        self._world = world
        world.watch = self.look

    def look(self) -> None:
        """Raise if there are two masters, or an outcome that is not true."""
        masters = self._world.masters()
        if len(masters) > 1 and sum(master.writing for master in masters) > 1:
            where = ", ".join(f"epoch {master.epoch} on {master.where}" for master in masters)
            raise VerdictError(f"two masters: {where}", self._world)
        for master in masters:
            if master.epoch is not None:
                false = self._world.disk.notices.get(master.epoch, frozenset()) & OUTCOMES
                if false:
                    names = ", ".join(sorted(kind.value for kind in false))
                    raise VerdictError(f"epoch {master.epoch} lives but is closed as {names}", self._world)

    def close(self) -> None:
        """Raise if an end was taken for a regular shutdown: nobody here orders one."""
        for epoch, notices in self._world.disk.notices.items():
            if NoticeKind.STOPPED in notices:
                raise VerdictError(f"epoch {epoch} counts as shut down, and nobody did that", self._world)


class Storm:
    """Bad weather drawn from one seed."""

    def __init__(self, world: World, random: Random, weather: Weather) -> None:
        self._world = world
        self._random = random
        self._raging = False
        self._mend: list[Callable[[], None]] = []
        kinds = {
            Weather.CRASHES: (self._kill_daemon, self._break_program, self._hang_launch),
            Weather.STALLS: (self._freeze_master, self._hang_mount, self._unplug, self._kill_idle_daemon),
        }
        self._kinds = (*kinds[weather], self._kill_master, self._crash_host, self._garble)

    def rage(self, seconds: float, *, every: float) -> None:
        """Let faults of some kinds come for so long, one each ``every`` seconds or so.

        Not of all kinds: what kills everything at once hides what happens to those who live longer.
        """
        self._raging = True
        self._next(every, self._random.sample(self._kinds, self._random.randint(1, 3)))
        self._world.run(seconds)
        self._raging = False

    def calm(self) -> None:
        """Repair everything."""
        self._raging = False
        mend, self._mend = self._mend, []
        for repair in mend:
            repair()

    def _next(self, every: float, kinds: list[Callable[[SimHost], None]]) -> None:
        def strike() -> None:
            if self._raging:
                self._random.choice(kinds)(self._random.choice(self._targets()))
                self._next(every, kinds)

        self._world.after(self._random.expovariate(1 / every), strike)

    def _targets(self) -> tuple[SimHost, ...]:
        """Return the hosts, the master's own as often as all the others."""
        hosts = tuple(self._world.hosts.values())
        masters = tuple(self._world.hosts[master.where] for master in self._world.masters())
        return (*hosts, *masters[:1] * (len(hosts) - 2))

    def _until(self, longest: float, repair: Callable[[], None]) -> None:
        """Repair after a while, or when it is calm again; repairing twice changes nothing."""
        self._mend.append(repair)
        self._world.after(self._random.uniform(1, longest), repair)

    def _kill_daemon(self, host: SimHost) -> None:
        def restart() -> None:
            if host.up and host.loop is None:
                host.start_daemon()

        host.kill_daemon()
        self._until(20, restart)

    def _kill_idle_daemon(self, host: SimHost) -> None:
        if not host.masters(self._world.disk.cell):
            self._kill_daemon(host)

    def _kill_master(self, _host: SimHost) -> None:
        for master in self._world.masters():
            master.kill()

    def _crash_host(self, host: SimHost) -> None:
        def boot() -> None:
            if not host.up:
                host.boot()

        host.crash()
        self._until(600, boot)

    def _freeze_master(self, _host: SimHost) -> None:
        for master in self._world.masters():
            master.frozen = True
            self._until(900, master.thaw)

    def _hang_mount(self, host: SimHost) -> None:
        view = host.seats[self._world.disk.cell].view
        if not view.hangs:
            view.set(HANGS)
            self._until(900, view.heal)

    def _unplug(self, host: SimHost) -> None:
        if not host.seats[self._world.disk.cell].view.hangs:
            host.unplug()
            self._until(900, host.plug)

    def _break_program(self, host: SimHost) -> None:
        seat = host.seats[self._world.disk.cell]
        seat.program = self._random.choice((Program.EXITS, Program.DEAF, Program.MISSING))
        self._until(300, lambda: setattr(seat, "program", Program.GOOD))

    def _hang_launch(self, host: SimHost) -> None:
        view = host.seats[self._world.disk.cell].view
        view.set(HANGS, (self._random.choice((Op.LAUNCH, Op.SCHEDULE, Op.STOP)),))
        self._until(300, view.heal)

    def _garble(self, host: SimHost) -> None:
        """Let a share of a host's operations fail, lose their replies, answer late or hang when done.

        Not what starts and stops processes: a lease cannot end where KILL hangs.
        """
        view = host.seats[self._world.disk.cell].view
        share = self._random.choice((0.02, 0.2))

        def draw(op: Op) -> Fault | None:
            if self._random.random() >= share or op in (Op.LAUNCH, Op.SCHEDULE, Op.STOP):
                return None
            kinds = (FAILS, LOST, late(self._random.uniform(0, 30)), DONE_BUT_HANGS)
            return self._random.choices(kinds, (3, 3, 3, 1))[0]

        def clear() -> None:
            view.draw = lambda _op: None
            view.heal()

        view.draw = draw
        self._until(300, clear)


def weather_report(
    seed: int, *, rounds: int = 1, weather: Weather | None = None, make: Maker = real_machines
) -> World:
    """Live through the weather of one seed; raise ``VerdictError`` where a promise breaks."""
    random = Random(seed)  # noqa: S311 - replay needs a seed, nobody guesses anything
    world = World(["a", "b", "c"], timing=TIMING, make=make)
    judge = Judge(world)
    for host in world.hosts.values():
        host.rate = random.uniform(0.99, 1.01)
        host.latency = lambda: Seconds(random.uniform(0.0005, 0.02))
    world.start_daemons()
    timing = world.timing
    limit = timing.earliest + timing.handover + 2 * timing.window + timing.retry_limit + timing.launch_timeout
    storm = Storm(world, random, weather or random.choice(tuple(Weather)))
    for number in range(rounds + 1):
        if not world.run_until(lambda: world.master() is not None, limit):
            raise VerdictError(f"no master {limit:.0f} s after the storm", world)
        world.run(60)
        if number < rounds:
            storm.rage(random.uniform(400, 1500), every=random.choice((20.0, 100.0, 400.0)))
            storm.calm()
    judge.close()
    return world
