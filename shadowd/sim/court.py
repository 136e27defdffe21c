"""All judges over one world: told of each change, and asked in the end."""

from random import Random

from shadowd.sim.faults import Faults
from shadowd.sim.judges import Causes, Judge, SameData, Shutdowns, SomeMaster, TrueOutcomes, Verdict
from shadowd.sim.onemaster import OneMaster
from shadowd.sim.world import World


class VerdictError(AssertionError):
    """A promise was broken; ``trace`` tells how it came to that."""

    def __init__(self, verdict: Verdict, world: World) -> None:
        super().__init__(str(verdict))
        self.trace = tuple(str(line) for line in world.trace)


class Court:
    """Watches a world. ``strict``: the first broken promise raises ``VerdictError``.

    A strict court leaves out the judges who need to know of every fault and its repair.
    """

    def __init__(self, world: World, faults: Faults | None = None, *, strict: bool = False) -> None:
        faults = faults or Faults(world, Random(0))  # noqa: S311 - no fault is drawn
        self.one = OneMaster(world, faults)
        self.some = SomeMaster(world, faults)
        self._judges: tuple[Judge, ...] = (self.one, TrueOutcomes(world, faults), Shutdowns(world, faults))
        if not strict:
            self._judges += (self.some, Causes(world, faults), SameData(world, faults))
        self._world = world
        self._strict = strict
        world.watch = self.look

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Every broken promise so far, in order."""
        found = (verdict for judge in self._judges for verdict in judge.verdicts)
        return tuple(sorted(found, key=lambda verdict: verdict.when))

    def look(self) -> None:
        """Let every judge look."""
        for judge in self._judges:
            judge.look()
        if self._strict and any(judge.verdicts for judge in self._judges):
            raise VerdictError(self.verdicts[0], self._world)

    def close(self) -> None:
        """Let every judge look for the last time."""
        self.look()
        for judge in self._judges:
            judge.close()
