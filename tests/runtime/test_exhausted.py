"""A cell on a host without memory or threads: it begins anew, and its master is left alone."""

import pytest

from shadowd.core.snapshot import State
from shadowd.sim.world import World
from tests.runtime.test_runner import Workshop, poke


class Refusing:
    """Takes the place of something that works, and has no memory for what counts."""

    def __init__(self, sound: object) -> None:
        self._sound = sound

    def __getattr__(self, name: str) -> object:
        """Return what the sound one has, but for what a cell must have done."""
        if name in {"send", "perform"}:
            return self._refuse
        return getattr(self._sound, name)

    def _refuse(self, *_: object, droppable: bool = False) -> None:
        if not droppable:
            raise MemoryError("none left")


def test_a_cell_that_cannot_begin_anew_tries_again() -> None:
    """No memory for new machines: said, and ten seconds later there may be some."""
    workshop = Workshop()
    world = World(["a"], make=workshop.make)
    world.start_daemons()
    world.run(30)
    workshop.breaks = True
    workshop.unmade = 2
    poke(world)
    world.run(25)
    assert world["a"].snapshot("cell") is None
    assert len(world.said("cell.disabled")) == 3
    world.run(10)
    assert world["a"].snapshot("cell") is not None


def test_an_action_that_cannot_be_sent_or_done_makes_the_cell_begin_anew() -> None:
    """Its answer would never come: the machines that follow ask again, and know their master."""
    world = World(["a"])
    world.start_daemons()
    assert world.run_until(lambda: world["a"].state("cell") is State.ACTIVE, 1000)
    (master,) = world.masters()
    loop = world["a"].loop
    assert loop is not None
    runner = loop.runners["cell"]
    for broken in ("_lanes", "_executor"):
        sound = getattr(runner, broken)
        setattr(runner, broken, Refusing(sound))
        assert world.run_until(lambda: runner.snapshot() is None, 1000)
        setattr(runner, broken, sound)
        assert world.run_until(lambda: world["a"].state("cell") is State.ACTIVE, 1000)
    assert world.masters() == (master,)
    assert {line.say.detail for line in world.said("cell.disabled")} == {"MemoryError: none left"}


def test_a_failed_call_of_machines_that_are_gone_is_dropped() -> None:
    """It breaks nothing of those that followed."""
    workshop = Workshop()
    world = World(["a"], make=workshop.make)
    world.start_daemons()
    world.run(30)
    loop = world["a"].loop
    assert loop is not None
    runner = loop.runners["cell"]
    runner._fail(MemoryError(), workshop.made[0])
    assert runner.snapshot() is None
    poke(world)
    world.run(15)
    runner._fail(MemoryError(), workshop.made[0])
    assert runner.snapshot() is not None


def test_what_cannot_be_published_or_said_is_no_matter_of_the_machines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The cell goes on; it is said once, as far as that works."""
    world = World(["a"])
    world.start_daemons()
    world.run(30)
    loop = world["a"].loop
    assert loop is not None
    runner = loop.runners["cell"]

    def fail(*_: object, **__: object) -> None:
        raise MemoryError("none left")

    monkeypatch.setattr(runner, "_publish", fail)
    monkeypatch.setattr(runner._journal, "say", fail)
    assert world.run_until(lambda: world["a"].state("cell") is State.ACTIVE, 1000)
    monkeypatch.undo()
    world.run(100)
    assert not world.said("cell.disabled")
    assert runner._complained
