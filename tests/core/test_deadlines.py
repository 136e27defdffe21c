"""The timers at their real lengths, in virtual time: 60/240/600 and both meanings of the delay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowd.core.actions import MakeClaim, Observe
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State, Timer
from shadowd.core.timing import DelayApplies
from shadowd.core.values import ClaimReason, NoticeKind
from tests.core.rounds import BEGINNING, ELSEWHERE, HERE, THERE, UNREADABLE, confirmed, policy, timing
from tests.core.seat import Seat
from tests.core.world import World

AFTER_FAILED_BID = timing(delay_applies=DelayApplies.AFTER_FAILED_BID)


def test_the_default_takeover() -> None:
    """No takeover at 839.9 s of silence, takeover at 840.0."""
    seat = Seat()
    seat.run(839.9)
    assert not seat.times(MakeClaim)
    assert seat.state is State.STALE
    seat.run(0.1)
    assert seat.times(MakeClaim) == [BEGINNING + 840]
    assert seat.requests(MakeClaim)[0].reason is ClaimReason.SILENCE
    assert seat.state is State.ACTIVE


def test_stale_at_240() -> None:
    """The first timer ends at 240 s exactly, and says what comes next."""
    seat = Seat()
    seat.run(239.9)
    assert seat.state is State.STANDBY
    assert (seat.cell.snapshot().timer, seat.cell.snapshot().due) == (Timer.STALE_AFTER, BEGINNING + 240)
    seat.run(0.1)
    assert seat.rows == [(State.STANDBY, Reason.SILENT, State.STALE)]
    assert (seat.cell.snapshot().timer, seat.cell.snapshot().due) == (Timer.TAKEOVER, BEGINNING + 840)


def test_checks_are_a_minute_apart() -> None:
    """The file is read each minute and at each deadline, and not more often."""
    seat = Seat()
    seat.run(839.9)
    assert seat.times(Observe) == [BEGINNING + 60 * minute for minute in range(14)]


@pytest.mark.parametrize(("stale_after", "delay"), [(250, 600), (240, 605), (61, 17), (100.5, 0)])
def test_deadlines_between_two_checks_are_met_exactly(stale_after: float, delay: float) -> None:
    """``check_interval`` bounds how late we notice, not when we act."""
    seat = Seat(timing=timing(stale_after=stale_after, delay=delay, beat_interval=10))
    seat.until(MakeClaim)
    assert seat.now == pytest.approx(BEGINNING + stale_after + delay)


def test_after_failed_bid() -> None:
    """With the ancestor's meaning of the delay: not at 239.9 s of silence, but at 240.0."""
    seat = Seat(timing=AFTER_FAILED_BID)
    seat.run(239.9)
    assert not seat.times(MakeClaim)
    seat.run(0.1)
    assert seat.times(MakeClaim) == [BEGINNING + 240]


def test_after_failed_bid_the_delay_follows_a_failure() -> None:
    """A launch that fails is followed by the whole delay, and then by the next bid."""
    world = World(launch=lambda *_: None)
    seat = Seat(world, timing=AFTER_FAILED_BID)
    seat.run(240)
    seat.run(10)
    assert seat.rows[-2:] == [
        (State.LAUNCHING, Reason.LAUNCH_FAILED, State.STANDBY),
        (State.STANDBY, Reason.SILENT, State.STALE),
    ]
    failed_at = BEGINNING + 240 + 3
    seat.run(failed_at + 599.9 - seat.now)
    assert len(seat.times(MakeClaim)) == 1
    seat.run(0.2)
    assert seat.times(MakeClaim)[1:] == [pytest.approx(failed_at + 600)]


def test_after_failed_bid_the_delay_follows_a_lost_race() -> None:
    """Whoever lost waits the delay too, as in the ancestor, although nobody is to blame."""
    seat = Seat(timing=AFTER_FAILED_BID)
    seat.until(MakeClaim)
    seat.world.add(confirmed(1, NoticeKind.FAILED, host=ELSEWHERE))
    seat.answer()
    assert seat.state is State.STANDBY
    seat.settle()
    seat.run(599.9)
    assert len(seat.times(MakeClaim)) == 1
    seat.run(0.2)
    assert len(seat.times(MakeClaim)) == 2


@pytest.mark.parametrize(("rank", "seconds"), [(0, 840), (1, 855), (2, 870)])
def test_stagger_by_rank(rank: int, seconds: float) -> None:
    """Each rank in shadow_masters waits its part longer, so that two shadows rarely meet."""
    shadows = [THERE, ELSEWHERE]
    shadows.insert(rank, HERE)
    seat = Seat(World(shadows=tuple(shadows)), timing=timing(stagger=15))
    seat.until(MakeClaim)
    assert seat.now == BEGINNING + seconds


@given(st.floats(0, 839.9))
def test_a_beat_at_any_moment_resets_it(when: float) -> None:
    """One beat, whenever it comes: no takeover until 840 s after it was *seen*, at most one check later."""
    seat = Seat()
    seat.run(when)
    seat.world.advance_beat()
    seat.run(839.9)
    assert not seat.times(MakeClaim)
    seat.until(MakeClaim)
    seen = seat.now - 840
    assert BEGINNING + when <= seen + 1e-6
    assert seen <= BEGINNING + when + 60 + 1e-6


@given(st.floats(0, 239.9))
def test_a_beat_at_any_moment_resets_the_short_one(when: float) -> None:
    """The same for ``after_failed_bid``."""
    seat = Seat(timing=AFTER_FAILED_BID)
    seat.run(when)
    seat.world.advance_beat()
    seat.run(239.9)
    assert not seat.times(MakeClaim)
    seat.run(60.1)
    assert len(seat.times(MakeClaim)) == 1


@given(st.lists(st.floats(1, 839), max_size=6))
def test_a_master_that_beats_is_never_replaced(pauses: list[float]) -> None:
    """However irregular: beats closer than the timers keep everybody quiet."""
    seat = Seat()
    for pause in pauses:
        seat.run(min(pause, 780))
        seat.world.advance_beat()
    assert not seat.times(MakeClaim)


@given(st.floats(60, 830), st.floats(0.1, 500))
def test_an_unreadable_stretch_is_no_silence(when: float, length: float) -> None:
    """While the beat cannot be read the silence stands still; it only ever delays a takeover."""
    seat = Seat()
    seat.run(when)
    seat.world.beat, beat = UNREADABLE, seat.world.beat
    seat.run(length)
    seat.world.beat = beat
    assert not seat.times(MakeClaim)
    seat.until(MakeClaim)
    assert seat.now >= BEGINNING + 840


@given(st.floats(130, 5000))
def test_our_own_outage_is_no_silence(length: float) -> None:
    """A hung read or a suspended host: its duration is not counted, however long."""
    seat = Seat()
    seat.run(120)
    seat.until(Observe)
    seat.now = type(seat.now)(seat.now + length)
    seat.settle()
    seat.until(MakeClaim)
    assert seat.now >= BEGINNING + 840 + length - 60


def test_with_an_observer_nothing_ever_happens() -> None:
    """An observer sees it all and bids for nothing."""
    seat = Seat(policy=policy(observer=True))
    seat.run(5000)
    assert not seat.times(MakeClaim)
    assert seat.state is State.STALE
    assert seat.reasons == [Reason.NOT_A_SHADOW]
