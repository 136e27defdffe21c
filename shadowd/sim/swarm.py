"""One seed: a day of bad weather over one cell, and what the judges made of it.

``run_seed`` is all that a process pool or a verb needs: numbers and words go in, a result comes out that can
be pickled. The same arguments give the same day, so a seed is a bug report.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from random import Random

from shadowd.core.timing import Timing
from shadowd.core.values import FencePolicy, Seconds
from shadowd.sim.clock import Moment
from shadowd.sim.court import Court
from shadowd.sim.daemon import Light
from shadowd.sim.faults import Faults
from shadowd.sim.host import SimHost
from shadowd.sim.judges import Promise, Verdict
from shadowd.sim.machines import Maker, Unguarded, fencing_machines, real_machines
from shadowd.sim.steady import Steady
from shadowd.sim.weather import HOURS, ORDINARY, Kind, Strike, draw
from shadowd.sim.world import World

_GUARD_INTERVAL = Seconds(20)
_NOTICE_INTERVAL = Seconds(1e6)
"""Not polled within a day: hints and process ends wake the machines, and a lost hint only makes it harder. (A
second period beside the check interval would not be where it was when steady time was skipped.)"""
_FENCE_TIMEOUT = Seconds(60)
HOSTS = ("a", "b", "c")
_HEALED = 3600.0
"""Good weather at the end of each day."""


LEVELS: dict[str, Maker] = {
    "none": Unguarded,
    "guarded": real_machines,
    "fenced": fencing_machines(FencePolicy.REQUIRED),
}
"""Protection levels, and whose machines stand for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedResult:
    """What became of one day."""

    seed: int
    level: str
    hours: float
    skipped: float
    """Seconds that were skipped as steady."""
    verdicts: tuple[Verdict, ...]
    two_masters: float
    """Seconds with two masters that no exclusion covers."""
    excused: dict[str, float] = field(default_factory=dict)
    """Seconds with two masters by the name of the exclusion."""
    outages: tuple[float, ...] = ()
    """Seconds without a serving master while one was wanted, each."""
    claims: int = 0
    trace: tuple[str, ...] = ()
    """The end of the trace, where a promise was broken or it was asked for."""

    def count(self, promise: Promise) -> int:
        """Return how often a promise was broken."""
        return sum(verdict.promise is promise for verdict in self.verdicts)

    @property
    def left_without(self) -> bool:
        """True if no master came in time."""
        return self.count(Promise.SOME_MASTER) > 0


def sparse(timing: Timing) -> Timing:
    """Return this timing with the polling of a simulation, which a healthy master's lease survives."""
    seldom = Seconds(min(_GUARD_INTERVAL, timing.derived().lease / 8))
    looks = max(timing.guard_interval, seldom)
    return replace(timing, guard_interval=looks, notice_interval=_NOTICE_INTERVAL).derived()


def timed(timing: Timing, level: str) -> Timing:
    """Return this timing with time to fence, where the level needs it and nobody has given it."""
    if level != "fenced" or timing.fence_timeout:
        return timing
    return replace(timing, fence_timeout=_FENCE_TIMEOUT, licence=Seconds(0), window=Seconds(0))


class Day:
    """One seed at work; ``live`` it once."""

    def __init__(
        self,
        seed: int,
        *,
        level: str = "guarded",
        timing: Timing | None = None,
        hours: float = HOURS,
        kinds: Collection[Kind] = ORDINARY,
        make: Maker = real_machines,
        skip: bool = True,
        exact: bool = False,
        strikes: tuple[Strike, ...] | None = None,
        mixed: tuple[Timing, ...] = (),
    ) -> None:
        """``exact``: no latency is drawn, so that a day with skipping can be compared with one without.

        ``mixed``: timers from which each host draws its own.
        """
        self.seed, self.level, self.hours = seed, level, hours
        random = Random(seed)  # noqa: S311 - replay needs a seed, nobody guesses anything
        self.strikes = draw(random, hours=hours, kinds=kinds) if strikes is None else strikes
        world = self.world = self.build(sparse(timing or Timing()), make)
        deaf = random.random() < 0.2
        world.network.hints_arrive = (lambda: False) if deaf else (lambda: True)
        for host in world.hosts.values():
            if mixed:
                host.timing = sparse(random.choice(mixed))
            host.rate = random.choice((1.0, random.uniform(0.99, 1.01)))
            if exact:
                host.latency = lambda: Seconds(0)
            else:
                self._slow_down(host, random)
        self.faults = Faults(world, random)
        self.court = self.convene()
        self.steady = Steady(world) if skip else None

    def build(self, timing: Timing, make: Maker) -> World:
        """Make the world of the day; another protocol has its own."""
        return World(HOSTS, timing=timing, make=make, runtime=Light)

    def convene(self) -> Court:
        """Return who judges."""
        return Court(self.world, self.faults)

    def begin(self) -> None:
        """Bring up the cell, as its administrator does."""
        self.world.start_daemons()
        self.world.run(100)
        self.world["a"].ask_takeover("cell")

    @staticmethod
    def _slow_down(host: SimHost, random: Random) -> None:
        slow = random.choice((0.002, 0.02, 0.5))
        host.latency = lambda: Seconds(slow * random.random())
        if random.random() < 0.3:
            host.delivery = lambda: Seconds(slow * random.random())

    def live(self) -> SeedResult:
        """Live through the day."""
        self.begin()
        self.world.run(120)
        self.court.some.outages.clear()  # of the cell's first start
        self.faults.expect(self.strikes)
        end = Moment(self.hours * 3600.0)
        self._until(Moment(end - _HEALED))
        self.faults.heal()
        self._until(end)
        self.court.close()
        return self.result()

    def result(self) -> SeedResult:
        """Return what the judges say."""
        one, some, verdicts = self.court.one, self.court.some, self.court.verdicts
        return SeedResult(
            seed=self.seed,
            level=self.level,
            hours=self.hours,
            skipped=0.0 if self.steady is None else self.steady.skipped,
            verdicts=verdicts,
            two_masters=one.seconds,
            excused={excuse.value: seconds for excuse, seconds in one.excused.items() if seconds},
            outages=tuple(some.outages),
            claims=len(self.world.disk.claims),
            trace=tuple(str(line) for line in self.world.trace[-60:]) if verdicts else (),
        )

    def _until(self, end: Moment) -> None:
        timeline, step, steady = self.world.timeline, self.world.step, self.steady
        while step(end):
            if steady is not None and timeline.now >= steady.next:
                steady.skip(end)


def run_seed(
    seed: int,
    level: str = "guarded",
    timing: Timing | None = None,
    *,
    hours: float = HOURS,
    kinds: Collection[Kind] = ORDINARY,
    make: Maker | None = None,
) -> SeedResult:
    """Live through one seed's day and return what became of it; ``make`` overrides the level's machines."""
    timing = timed(timing or Timing(), level)
    day = Day(seed, level=level, timing=timing, hours=hours, kinds=kinds, make=make or LEVELS[level])
    return day.live()
