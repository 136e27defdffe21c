"""Watching a master whose host nobody can ask: doubt, what settles it, and how it is told and counted."""

from itertools import pairwise

import pytest

from shadowd.core.actions import Fence, Launch, MakeClaim, Probe
from shadowd.core.events import TakeoverAsked
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State
from shadowd.core.values import FencePolicy, NoticeKind, ProbeOutcome, Protection
from tests.core.rounds import ELSEWHERE, HERE, THERE, confirmed, policy
from tests.core.seat import Seat
from tests.core.world import World

DIED = NoticeKind.DIED


def claimed_cell() -> Seat:
    """Return a seat that watches a confirmed master of THERE."""
    world = World()
    world.add(confirmed(1))
    return Seat(world)


@pytest.mark.parametrize("outcome", [ProbeOutcome.UNRESOLVABLE, ProbeOutcome.HERE], ids=lambda o: o.value)
def test_a_name_without_an_address_is_doubt(outcome: ProbeOutcome) -> None:
    """It never starts a master; it is tried again with back-off, for names come back.

    So is one that leads to this host: it says nothing about the host that was meant.
    """
    seat = Seat(World(probe=outcome))
    seat.run(845)
    assert seat.reasons == [Reason.ACTIVE_UNASKED]
    assert seat.state is State.STANDBY
    seat.run(190)
    assert seat.reasons == [Reason.ACTIVE_UNASKED, Reason.BACKING_OFF]
    assert seat.state is State.STALE
    seat.run(600)
    gaps = [later - earlier for earlier, later in pairwise(seat.times(Probe))]
    for gap, back_off in zip(gaps, [30, 60, 120, 240], strict=False):
        assert back_off <= gap <= back_off + 60, "at the first look after it"
    assert seat.times(MakeClaim) == []
    seat.world.probe = ProbeOutcome.REFUSES
    seat.until(MakeClaim)


@pytest.mark.parametrize("outcome", [ProbeOutcome.UNRESOLVABLE, ProbeOutcome.HERE], ids=lambda o: o.value)
@pytest.mark.parametrize("outcomes", [(), (DIED,)], ids=["lease over", "outcome of before"])
def test_an_ended_lease_or_an_outcome_accounts_for_a_host_that_nobody_can_ask(
    outcome: ProbeOutcome, outcomes: tuple[NoticeKind, ...]
) -> None:
    """The dead master's name may be gone for ever: its guard has killed whatever ran of its epoch."""
    world = World(probe=outcome)
    world.add(confirmed(1, *outcomes))
    seat = Seat(world)
    seat.until(MakeClaim)
    (line,) = seat.heard("takeover.unasked")
    assert line.reason is Reason.UNASKED
    assert line.detail.startswith("beta ")
    assert seat.cell.snapshot().attempts == 0


def test_a_master_that_was_started_past_every_claim_is_accounted_for_by_none() -> None:
    """It beats after the outcome of the last epoch, or runs on a host that never claimed."""
    world = World(probe=ProbeOutcome.UNRESOLVABLE)
    world.add(confirmed(1, DIED))
    seat = Seat(world)
    seat.run(100)
    seat.world.advance_beat()
    seat.run(2000)
    assert Reason.ACTIVE_UNASKED in seat.reasons
    other = claimed_cell()
    other.world.probe, other.world.active = ProbeOutcome.UNRESOLVABLE, ELSEWHERE
    other.run(2000)
    assert Reason.ACTIVE_UNASKED in other.reasons
    assert seat.times(MakeClaim) == other.times(MakeClaim) == []


def test_an_epoch_that_nobody_guards_is_not_accounted_for_by_its_lease() -> None:
    """A claim that states no protection promises nothing about its end."""
    world = World(probe=ProbeOutcome.UNRESOLVABLE)
    world.add(confirmed(1, protection=Protection.NONE))
    seat = Seat(world)
    seat.run(3000)
    assert Reason.ACTIVE_UNASKED in seat.reasons
    assert seat.times(MakeClaim) == []


def test_a_required_fence_settles_what_nobody_can_be_asked() -> None:
    """The host in act_qmaster is proved to be off before anything is started."""
    seat = Seat(World(probe=ProbeOutcome.UNRESOLVABLE), policy=policy(fence=FencePolicy.REQUIRED))
    assert seat.until(Fence).host == THERE
    seat.until(Launch)


def test_an_operator_has_a_host_without_an_address_asked_anew() -> None:
    """The back-off after a doubt does not bind a person who mended the name, and no doubt stays unsaid."""
    seat = Seat(World(probe=ProbeOutcome.UNRESOLVABLE))
    seat.run(845)
    probes = len(seat.times(Probe))
    seat.step(TakeoverAsked("eve"))
    seat.settle()
    assert len(seat.times(Probe)) == probes + 1
    assert [line.reason for line in seat.heard("takeover.refused")] == [Reason.ACTIVE_UNASKED] * 2
    seat.world.probe = ProbeOutcome.REFUSES
    seat.step(TakeoverAsked("eve"))
    seat.until(MakeClaim)


def test_what_answers_at_our_own_name_is_a_master() -> None:
    """A stuck heartbeat, and something answers at this very host, which act_qmaster names."""
    seat = Seat(World(active=HERE, probe=ProbeOutcome.HERE))
    seat.run(845)
    assert [line.reason for line in seat.heard("heartbeat.stuck")] == [Reason.MASTER_ANSWERS]
    assert seat.times(MakeClaim) == []


def test_back_off_is_capped() -> None:
    """Longer each time, never longer than ``retry_limit``, never for ever."""
    seat = Seat(World(probe=ProbeOutcome.UNRESOLVABLE))
    seat.run(50_000)
    times = seat.times(Probe)
    assert times[-1] - times[-2] == pytest.approx(600)
    assert seat.cell.snapshot().attempts == 0, "nobody tried to start a master"


def test_a_beat_ends_the_back_off() -> None:
    """A master that lives again begins a new count of attempts, and whoever follows it need not wait."""
    seat = Seat(World(probe=ProbeOutcome.UNRESOLVABLE))
    seat.run(1150)
    assert seat.reasons == [Reason.ACTIVE_UNASKED, Reason.BACKING_OFF]
    seat.run(120, masters_beat=True)
    assert seat.cell.snapshot().attempts == 0
    assert seat.reasons == []
