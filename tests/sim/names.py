"""Days on which a name misleads; as in ``stories``, each shows that a rule is needed."""

from shadowd.sim.swarm import Day
from shadowd.sim.weather import Kind
from tests.sim.stories import NOON, at, strike


def another_name_of_its_host(day: Day) -> None:
    """Somebody writes another name of the master's host into act_qmaster (rule 10)."""
    strike(day, Kind.ALIAS, NOON)


def nobody_finds_the_dead_host(day: Day) -> None:
    """Lose the master's host for good, and its name with it: its lease accounts for it (rule 4)."""
    for host in day.world.hosts.values():
        at(day, NOON - 1, lambda host=host: setattr(host, "misled", True))
    at(day, NOON, day.world["a"].crash)
