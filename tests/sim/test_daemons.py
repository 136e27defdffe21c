"""A light daemon tells the same stories as a whole one, but for what it says about stuck lanes."""

from collections.abc import Callable

import pytest

from shadowd.sim.daemon import Daemon, Light, Whole
from shadowd.sim.host import SimHost
from shadowd.sim.world import Line, World

pytestmark = pytest.mark.long

ROUNDING = 0.001


def freeze(world: World) -> None:
    """Freeze the master's host whole until it was replaced."""
    world["a"].freeze()
    world.run(1000)
    world["a"].thaw()


def unplug(world: World) -> None:
    """Cut the master off until it was replaced."""
    world["a"].unplug()
    world.run(1000)
    world["a"].plug()


def reboot(world: World) -> None:
    """Lose the master's host for half a minute."""
    world["a"].crash()
    world.run(30)
    world["a"].boot()


def die(world: World) -> None:
    """Lose the master alone, again and again."""
    for _ in range(5):
        for master in world.masters():
            master.kill()
        world.run(100)


def restart(world: World) -> None:
    """Restart the daemon below its master."""
    world["a"].kill_daemon()
    world.run(5)
    world["a"].start_daemon()


def live(story: Callable[[World], None], runtime: Callable[[SimHost], Daemon]) -> list[Line]:
    """Live through a story with daemons of one kind; without hints, which only light ones send."""
    world = World(["a", "b", "c"], runtime=runtime)
    world.network.hints_arrive = lambda: False
    world.start_daemons()
    world.run(100)
    world["a"].ask_takeover("cell")
    world.run(200)
    story(world)
    world.run(1200)
    return [line for line in world.trace if not line.say.event.startswith("io.")]


@pytest.mark.parametrize("story", [freeze, unplug, reboot, die, restart])
def test_light_and_whole_daemons_tell_the_same_story(story: Callable[[World], None]) -> None:
    """Line for line, to the millisecond."""
    for light, whole in zip(live(story, Light), live(story, Whole), strict=True):
        assert (light.host, light.say) == (whole.host, whole.say)
        assert light.when == pytest.approx(whole.when, abs=ROUNDING)
