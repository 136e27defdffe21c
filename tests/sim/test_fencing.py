"""A fence in the simulated world: who loses its power, and who must not start without that."""

import pytest

from shadowd.core.timing import Timing
from shadowd.core.values import Claim, FencePolicy, NoticeKind, Seconds
from shadowd.sim.court import Court
from shadowd.sim.disk import FAILS, Op
from shadowd.sim.machines import fencing_machines
from shadowd.sim.world import World

pytestmark = pytest.mark.long

HOUR = 3_600.0
TAKEOVER = 1_000.0
either = pytest.mark.parametrize("fence", [FencePolicy.OPTIONAL, FencePolicy.REQUIRED])


def cell(fence: FencePolicy) -> World:
    """Return a world with a guarded master on "old"; b and c watch."""
    timing = Timing(fence_timeout=Seconds(60))
    world = World(["old", "b", "c"], timing=timing, make=fencing_machines(fence))
    Court(world, strict=True)
    world["old"].seats["cell"].start_master()
    world.start_daemons()
    assert world.run_until(lambda: bool(world.said("master.adopted")), 300)
    world.run(120)
    return world


@either
def test_a_host_that_is_cut_off_loses_its_power(fence: FencePolicy) -> None:
    """It could neither be asked nor write an outcome, and it never comes back as a second master."""
    world = cell(fence)
    world["old"].unplug()
    assert world.run_until(lambda: world.master() is not None and world.master()[0] != "old", TAKEOVER)  # type: ignore[index]
    assert not world["old"].up
    (done,) = world.said("fence.done")
    assert done.say.detail.startswith("old: ")


@either
def test_a_host_whose_guard_saw_the_end_keeps_its_power(fence: FencePolicy) -> None:
    """``died`` on disk is proof."""
    world = cell(fence)
    newest = world.disk.ledger().records[-1].claim
    assert isinstance(newest, Claim)
    world.disk.link_notice(newest.key, NoticeKind.DIED)
    world.masters()[0].kill()
    world["old"].kill_daemon()
    assert world.run_until(lambda: world.master() is not None and world.master()[0] != "old", TAKEOVER)  # type: ignore[index]
    assert world["old"].up
    assert world.said("fence.begun") == ()


def test_no_proof_no_master_until_there_is_one() -> None:
    """Hours without a master, each try told; and the takeover as soon as the fence works."""
    world = cell(FencePolicy.REQUIRED)
    for host in ("b", "c"):
        world[host].seats["cell"].view.set(FAILS, [Op.FENCE])
    world["old"].unplug()
    world.run(3 * HOUR)
    assert world.said("takeover.launching") == ()
    assert len(world.said("fence.failed")) > 10
    for host in ("b", "c"):
        world[host].seats["cell"].view.heal()
    assert world.run_until(lambda: world.master() is not None, HOUR)
    assert not world["old"].up


def test_an_optional_fence_that_fails_delays_nothing() -> None:
    """Said once, and the takeover comes with the timers."""
    world = cell(FencePolicy.OPTIONAL)
    for host in ("b", "c"):
        world[host].seats["cell"].view.set(FAILS, [Op.FENCE])
    world["old"].unplug()
    assert world.run_until(lambda: world.master() is not None and world.master()[0] != "old", TAKEOVER)  # type: ignore[index]
    assert world["old"].up
    assert len(world.said("fence.failed")) == 1
