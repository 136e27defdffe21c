"""Cells that nobody should run and somebody will: a rival on one host beside ours, and two of ours on one."""

from collections import Counter
from pathlib import Path

import pytest

from shadowd.adapters.instance import lock_instance
from shadowd.core.values import Epoch, LockKind
from shadowd.errors import AlreadyRunningError
from shadowd.sim.court import Court
from shadowd.sim.daemon import Daemon, Light
from shadowd.sim.host import SimHost
from shadowd.sim.judges import Promise
from shadowd.sim.onemaster import Excuse
from shadowd.sim.rivals.beside import SEATED, BesideDay
from shadowd.sim.swarm import HOSTS, SeedResult
from shadowd.sim.twins import HOME, TwinsDay, settle
from shadowd.sim.world import World

pytestmark = pytest.mark.long

HOURS = 8.0
LATEST = 545.0
"""Seconds within which the rival's first attempt has come, and its probe of a frozen host."""
GUARD = 25.0
"""One round of a simulated guard, and the stop."""
STRAY = Excuse.STRAY.value


def show(result: SeedResult) -> str:
    """Return what was broken, and how it came to that."""
    lines = [f"seed {result.seed}", *map(str, result.verdicts), *result.trace]
    return "\n".join(lines)


# --- a real sge_shadowd on one host ---------------------------------------------------------------------


def beside() -> BesideDay:
    """Return a fine day on which our master serves on a, b is ours and c the rival's."""
    day = BesideDay(1, hours=HOURS, strikes=())
    day.begin()
    day.world.run(1000)
    found = day.world.master()
    assert found is not None
    assert found[0] == "a"
    return day


@pytest.mark.parametrize("seed", [4, 10, 12, 13, 21, 25, 34, 49, 70, 73, 93, 116])
def test_beside_a_rival_ours_keeps_every_promise_of_its_own(seed: int) -> None:
    """No second master of ours, none beside the rival's, no shutdown overruled, no false outcome.

    On most of these days the rival starts a master, and on most of those there are two for a while.
    """
    day = BesideDay(seed, hours=HOURS)
    result = day.live()
    assert not result.verdicts, show(result)
    assert result.two_masters == 0


def test_two_masters_with_one_of_the_rival_are_counted_apart() -> None:
    """The exclusion is needed: it is what such a cell costs."""
    assert BesideDay(5, hours=HOURS).live().excused[STRAY] > 0


def test_a_thawed_guard_gives_way_to_the_master_of_the_rival() -> None:
    """The rival acts within our lease; whoever comes back sees its name answer, and stops its own master."""
    day = beside()
    world = day.world
    world["a"].freeze()
    assert world.run_until(lambda: any(m.serving for m in world[SEATED].masters("cell")), LATEST + 5)
    world.run(60)
    world["a"].thaw(masters_first=True)
    assert world.run_until(lambda: not world["a"].masters("cell"), GUARD)
    world.run(3600)
    (left,) = world.masters()
    assert (left.where, left.epoch) == (SEATED, None)
    assert world.disk.lock.kind is LockKind.ABSENT
    day.court.close()
    assert not day.court.verdicts
    assert 0 < day.court.one.excused[Excuse.STRAY] <= GUARD


def test_the_judge_sees_a_claim_that_starts_a_master_beside_the_rivals() -> None:
    """Nothing of ours does that, so it is done by hand here."""
    day = beside()
    world = day.world
    world["a"].crash()
    assert world.run_until(lambda: world.master() is not None, LATEST + 5)
    world.run(200)
    world["b"].seats["cell"]._run_master(Epoch(9), "by hand")
    world.run(5)
    assert [verdict.promise for verdict in day.court.verdicts] == [Promise.ONE_MASTER]


def test_the_judge_excuses_no_two_masters_of_ours_for_a_third_of_the_rival() -> None:
    """A stray among them is no cover for the others."""
    day = beside()
    world = day.world
    world[SEATED].seats["cell"].start_master()
    world["b"].seats["cell"]._run_master(Epoch(9), "by hand")
    for host in "bc":
        for master in world[host].masters("cell"):
            master.writing = True
    day.court.look()
    world.run(5)
    assert day.court.one.seconds > 0
    assert not day.court.one.excused[Excuse.STRAY]


# --- two of ours on one host ----------------------------------------------------------------------------


def test_the_second_daemon_of_a_host_is_refused(tmp_path: Path) -> None:
    """As in life: the lock comes before everything else, and the first daemon serves on."""
    locked: list[int] = []

    def start(host: SimHost) -> Daemon:
        locked.append(lock_instance(tmp_path / host.name))
        return Light(host)

    world = World(HOSTS, runtime=start)
    court = Court(world, strict=True)
    world.start_daemons()
    world.run(100)
    world[HOME].ask_takeover("cell")
    world.run(100)
    (master,) = world.masters()
    with pytest.raises(AlreadyRunningError):
        start(world[HOME])
    world.run(3600)
    assert world.masters() == (master,)
    court.close()


@pytest.mark.parametrize("seed", [1, 8, 22, 25, 26, 34])
def test_two_daemons_on_a_host_never_make_two_masters(seed: int) -> None:
    """Without that lock they spoil each other's starts, and no more: claims keep the masters apart.

    Any overlap would be that of a thaw, which a guard needs a moment to see.
    """
    result = TwinsDay(seed, hours=HOURS, skip=False).live()
    broken = Counter(verdict.promise for verdict in result.verdicts)
    assert not broken[Promise.ONE_MASTER], show(result)
    assert not broken[Promise.SHUTDOWN], show(result)
    assert result.two_masters == 0
    assert sum(result.excused.values()) < GUARD


def test_what_the_instance_lock_is_for() -> None:
    """The second daemon sees an open claim of its host without a process, and closes it before the launch."""
    world = World(HOSTS, runtime=settle)
    court = Court(world)
    world.start_daemons()
    world.run(100)
    world[HOME].ask_takeover("cell")
    world.run(10)
    assert Promise.DEATH in {verdict.promise for verdict in court.verdicts}
    assert not court.one.seconds
