"""A day of bad weather over a cell that was switched over by halves: ours on all hosts but one.

On that one a real ``sge_shadowd`` runs, and acts by its own, shorter timers: it starts masters past every
claim, beside ours where ours stands still. That is excluded from "one master" by name (PROTOCOL.md), and no
more than that: masters of claims are judged among themselves as if the rival's were not there, and a
claim may start none beside a master of the rival that serves.

What the rival does counts as done by a person (``Kind.STRAY``), so that its left lock or its stolen name is
no fault of ours. This module refuses to excuse what ours does.
"""

from typing import Any, Final, cast

from shadowd.core.timing import Timing
from shadowd.core.values import Host, LockKind, NoticeKind, Seconds
from shadowd.sim.clock import Moment
from shadowd.sim.court import Court
from shadowd.sim.daemon import Light
from shadowd.sim.faults import Faults
from shadowd.sim.host import SimHost
from shadowd.sim.judges import Judge, Promise, SomeMaster
from shadowd.sim.machines import Maker
from shadowd.sim.master import Master
from shadowd.sim.onemaster import Excuse, OneMaster
from shadowd.sim.rivals.host import Rival, RivalHost, Tale
from shadowd.sim.rivals.sge_shadowd import SgeShadowd
from shadowd.sim.swarm import HOSTS, Day
from shadowd.sim.weather import OF_IDENTITY, ORDINARY, Kind, Strike
from shadowd.sim.world import World

SEATED: Final = Host(HOSTS[-1])
"""Where the rival runs."""
_TO_BE_SEEN: Final = Seconds(90)
"""A beat of its master, and a look at it."""
_ASKS: Final = frozenset({Kind.TAKEOVER, Kind.MIGRATE})


class BesideDay(Day):
    """One seed of a cell with one rival; ``live`` it once."""

    def __init__(
        self,
        seed: int,
        *,
        hours: float,
        strikes: tuple[Strike, ...] | None = None,
        rival: Rival | None = None,
    ) -> None:
        self.story: list[Tale] = []
        """What the rival did."""
        self._rival = rival or SgeShadowd()
        super().__init__(seed, hours=hours, skip=False, strikes=strikes, kinds=ORDINARY - OF_IDENTITY)

    def build(self, timing: Timing, make: Maker) -> World:
        """Make the world, with the rival on one host."""
        world = World(HOSTS, timing=timing, make=make, runtime=Light, kind=_host)
        host = cast("RivalHost", world.hosts[SEATED])
        host.rival, host.peers, host.tell = self._rival, tuple(world.hosts), self._tell
        return world

    def convene(self) -> Court:
        """Return who judges."""
        return _BesideCourt(self.world, self.faults)

    def _tell(self, text: str) -> None:
        self.story.append(Tale(self.world.now, SEATED, text))
        self.faults.meddled(SEATED)


def _host(name: Host, *args: Any, **ports: Any) -> SimHost:
    return (RivalHost if name == SEATED else SimHost)(name, *args, **ports)


class _AmongClaims(OneMaster):
    """Judges the masters of claims as ever, and what remains only with a master of the rival as a stray."""

    def _excuse(self, able: list[Master]) -> tuple[Excuse | None, Moment]:
        claimed = [master for master in able if master.epoch is not None]
        return super()._excuse(claimed if len(claimed) > 1 else able)


class _NoneBeside(Judge):
    """No claim starts a master while the rival's serves and nothing is wrong with anybody's sight of it."""

    def __init__(self, world: World, faults: Faults) -> None:
        super().__init__(world, faults)
        self._serves: Moment | None = None
        """Since when a master serves that no claim started."""
        self._known: set[Master] = set()

    def look(self) -> None:
        """See who was started, and beside whom."""
        serves = any(
            master.epoch is None and master.able and master.serving for master in self._world.masters()
        )
        self._serves = (self._serves or self._world.now) if serves else None
        for host in self._world.hosts.values():
            for process in host.seats[self._world.disk.cell].processes:
                if isinstance(process, Master) and process.epoch is not None and process not in self._known:
                    self._known.add(process)  # one that ended at once was started all the same
                    if self._seen() and not self._cause(host.name):
                        self._convict(Promise.ONE_MASTER, f"epoch {process.epoch} started beside a stray")

    def _seen(self) -> bool:
        return self._serves is not None and self._world.now - self._serves > _TO_BE_SEEN

    def _cause(self, host: Host) -> bool:
        """Tell whether this host or the rival's had trouble, or a person asked."""
        recent = self._world.now - self._world.timing.earliest
        return any(
            trouble.end >= recent and (trouble.host in {host, SEATED} or trouble.kind in _ASKS)
            for trouble in self._faults.troubles
            if trouble.kind is not Kind.STRAY
        )


class _SomeUnlessLocked(SomeMaster):
    """A lock that the rival left, or an end beside it, keeps ours off until a person comes (rule 16)."""

    def _due(self, changes: int) -> None:
        last = self._world.disk.ledger().last_confirmed
        stopped = last is not None and last.outcome is NoticeKind.STOPPED
        if self._world.disk.lock.kind is not LockKind.FOREIGN and not stopped:
            super()._due(changes)


class _BesideCourt(Court):
    """All judges, where the rival makes a difference other ones."""

    def __init__(self, world: World, faults: Faults) -> None:
        super().__init__(world, faults)
        self.one = _AmongClaims(world, faults)
        self.some = _SomeUnlessLocked(world, faults)
        kept = [judge for judge in self._judges if not isinstance(judge, OneMaster | SomeMaster)]
        self._judges = (self.one, self.some, *kept, _NoneBeside(world, faults))
