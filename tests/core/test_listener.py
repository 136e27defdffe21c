"""Whoever listens on the old master's port and does not answer as a master: what that can hold up."""

import pytest

from shadowd.core.actions import MakeClaim, Probe
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State
from shadowd.core.values import Host, NoticeKind, ProbeOutcome, Protection
from tests.core.obstacles import asked
from tests.core.rounds import BEGINNING, ELSEWHERE, THERE, confirmed
from tests.core.seat import Seat
from tests.core.world import World


@pytest.mark.parametrize(
    ("protection", "host"),
    [(None, THERE), (Protection.NONE, THERE), (Protection.GUARDED, ELSEWHERE)],
    ids=["no claim", "a claim without a guard", "the claim of another host"],
)
def test_a_listener_where_nothing_accounts_for_the_old_master(
    protection: Protection | None, host: Host
) -> None:
    """It may be a master that is not well: nobody is replaced, it is told, and asked again with back-off."""
    world = World(probe=ProbeOutcome.LISTENS)
    if protection is not None:
        world.add(confirmed(1, host=host, protection=protection))
    seat = Seat(world)
    seat.run(2000)
    assert seat.times(MakeClaim) == []
    assert Reason.LISTENS in seat.reasons
    assert (State.VERIFYING, Reason.LISTENS, State.STANDBY) in seat.rows
    assert 2 <= len(seat.times(Probe)) <= 6
    seat.world.probe = ProbeOutcome.REFUSES
    seat.until(MakeClaim)


def test_a_listener_does_not_outweigh_a_guards_lease() -> None:
    """Whoever likes may listen on the port that a dead master left: its lease is over, so it is gone."""
    world = World(probe=ProbeOutcome.LISTENS)
    world.add(confirmed(1, protection=Protection.GUARDED))
    seat = Seat(world)
    seat.until(MakeClaim)
    assert seat.now == BEGINNING + 840
    assert len(seat.times(Probe)) == 1


def test_a_listener_does_not_outweigh_an_operator() -> None:
    """A person can look who it is. A master that answers binds a person, too."""
    for outcome, claims in ((ProbeOutcome.LISTENS, 1), (ProbeOutcome.ANSWERS, 0)):
        seat = Seat(World(probe=outcome))
        seat.run(1000)
        assert seat.times(MakeClaim) == []
        asked(seat)
        seat.run(1)
        assert len(seat.times(MakeClaim)) == claims


def test_after_a_death_notice_nobody_is_asked() -> None:
    """The guard saw that nothing is left; on its port anybody may listen by then, and say what he likes."""
    for outcome in (ProbeOutcome.LISTENS, ProbeOutcome.ANSWERS):
        world = World(probe=outcome)
        world.add(confirmed(1))
        seat = Seat(world)
        seat.run(100)
        seat.world.note(1, NoticeKind.DIED)
        seat.until(MakeClaim)
        assert seat.times(Probe) == []
