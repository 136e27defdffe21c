"""The cell: who gets which event, and what it shows of itself."""

import pytest

from shadowd.core.actions import Inspect, MakeClaim, Observe, StopPair, WriteNotice
from shadowd.core.cell import Cell
from shadowd.core.events import Inspected, Launched, NoticeAnswered
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State, Timer
from shadowd.core.values import (
    NEVER,
    Epoch,
    ExitKind,
    Instant,
    NoticeKind,
    Problem,
    Protection,
    Unknown,
)
from tests.core import phases
from tests.core.rounds import (
    BEGINNING,
    ELSEWHERE,
    HERE,
    RUNNING,
    THERE,
    UNREADABLE,
    confirmed,
    observed,
    policy,
    record,
    timing,
)
from tests.core.seat import Seat
from tests.core.world import Pair, World


def test_before_anything_was_read() -> None:
    """A snapshot can be taken at any time; what is not known says so."""
    shown = Seat().cell.snapshot()
    assert (shown.state, shown.reason, shown.since) == (State.STANDBY, Reason.STARTED, BEGINNING)
    assert [refusal.reason for refusal in shown.refusals] == [Reason.LOOKING]
    for part in (shown.beat, shown.active, shown.lock):
        assert isinstance(part, Unknown)
        assert part.problem is Problem.MISSING
    assert (shown.pause, shown.observed, shown.master) == (None, None, None)
    assert shown.protection is Protection.NONE
    assert (shown.epoch, shown.attempts, shown.silence) == (0, 0, 0)


def test_a_watched_cell_is_shown_as_it_is() -> None:
    """Whose master, which epoch, how silent, and how well protected."""
    world = World()
    world.add(confirmed(3))
    seat = Seat(world)
    seat.run(100)
    shown = seat.cell.snapshot()
    assert (shown.master, shown.epoch, shown.protection) == (THERE, 3, Protection.GUARDED)
    assert (shown.beat, shown.active, shown.lock) == (100, THERE, world.lock)
    assert (shown.silence, shown.observed) == (60, BEGINNING + 60)


@pytest.mark.parametrize(
    "item",
    [
        confirmed(3, NoticeKind.DIED),
        record(3),
        type(record(3))(Epoch(3), UNREADABLE, frozenset({NoticeKind.STARTED})),
    ],
    ids=["dead", "claimed only", "unreadable"],
)
def test_a_cell_without_a_known_master(item: object) -> None:
    """A closed, unconfirmed or unreadable epoch has no master to show."""
    world = World()
    world.add(item)  # type: ignore[arg-type]
    seat = Seat(world)
    seat.settle()
    assert seat.cell.snapshot().master is None
    assert seat.cell.snapshot().protection is Protection.NONE


def test_time_does_not_go_back() -> None:
    """A caller that turns the clock back is a programming error."""
    cell = Cell(timing(), policy(), now=Instant(100))
    cell.tick(Instant(100))
    with pytest.raises(AssertionError, match="never goes back"):
        cell.tick(Instant(99))
    with pytest.raises(AssertionError, match="never goes back"):
        cell.step(observed(99), Instant(99))


def test_a_tick_too_early_does_nothing() -> None:
    """Whoever ticks before the deadline changes nothing."""
    seat = Seat()
    seat.run(30)
    deadline = seat.cell.deadline()
    seat.tick()
    assert seat.pending == []
    assert seat.cell.deadline() == deadline


def test_the_guard_gets_the_answers_while_it_is_at_work() -> None:
    """And the memory goes on following the rounds for the time after it."""
    seat = Seat()
    phases.active(seat)
    seat.run(100, masters_beat=True)
    shown = seat.cell.snapshot()
    assert shown.observed == pytest.approx(seat.now, abs=1)
    assert shown.silence <= 30
    assert shown.timer is Timer.LEASE
    assert shown.master == HERE


def test_after_the_guard_the_watch_goes_on() -> None:
    """Its outcome is written first; then this host is a shadow like any other."""
    seat = Seat()
    phases.active(seat)
    seat.world.pairs[HERE, Epoch(1)] = Pair(ExitKind.FAILED)
    seat.until(NoticeKind.DIED, 2)
    assert seat.state is State.STANDBY
    seat.answer()
    assert seat.until(MakeClaim, 31).epoch == 2, "its own death notice is as good as another's"


def test_a_host_whose_master_failed_stands_back() -> None:
    """Its own death notice would make it the first of all to bid, again and again; a beat changes nothing."""
    seat = Seat()
    phases.active(seat)
    seat.run(20)
    seat.world.advance_beat()
    seat.world.pairs[HERE, Epoch(1)] = Pair(ExitKind.FAILED)
    seat.until(NoticeKind.DIED, 2)
    died = seat.now
    seat.run(29)
    assert seat.reasons == [Reason.BACKING_OFF]
    seat.until(MakeClaim, 5)
    assert seat.now - died == pytest.approx(30, abs=1.1)


def test_a_host_whose_master_outlived_its_lease_stands_back() -> None:
    """Whatever kept it from its files keeps it from being a good master."""
    seat = Seat()
    phases.active(seat)
    seat.until(StopPair)
    stopped = seat.now
    seat.until(MakeClaim)
    assert seat.now - stopped >= 30


def test_a_round_of_before_is_dropped() -> None:
    """The guard's last round comes when the shadow has asked for its own: it is not taken for that."""
    seat = Seat()
    phases.active(seat)
    seat.run(50)
    seat.until(Observe)
    old = seat.world.perform(HERE, Observe(), seat.now)
    seat.pending = [action for action in seat.pending if isinstance(action, Inspect)]
    seat.world.add(record(5, NoticeKind.FAILED, host=ELSEWHERE))
    seat.world.pairs[HERE, Epoch(1)] = Pair(ExitKind.FAILED)
    seat.now = Instant(seat.now + 0.5)
    seat.answer()
    seat.answer()  # the lock
    assert isinstance(seat.pending[0], WriteNotice)
    seat.answer()
    assert seat.pending == [Observe()]
    seat.step(old)
    assert seat.pending == [Observe()], "nothing follows from an old round"
    assert seat.cell.snapshot().observed != BEGINNING + 891
    seat.answer()
    assert seat.cell.snapshot().epoch == 5


def test_answers_of_another_life() -> None:
    """A daemon that just began knows nothing of what its predecessor asked for."""
    seat = Seat()
    for event in (
        Inspected(Epoch(1), RUNNING),
        Launched(Epoch(1)),
        NoticeAnswered(Epoch(1), NoticeKind.DIED),
    ):
        seat.step(event)
    assert seat.pending == []
    assert seat.said == []
    assert seat.state is State.STANDBY


def test_an_inspection_of_another_epoch_attaches_nothing() -> None:
    """Live processes of one epoch are never taken for those of another."""
    world = World()
    world.add(confirmed(3, host=HERE))
    seat = Seat(world)
    seat.until(Inspect)
    seat.step(Inspected(Epoch(9), RUNNING))
    assert seat.state is State.STANDBY
    seat.settle()
    assert world.records[Epoch(3)].outcome is NoticeKind.DIED


def test_the_shadow_rests_while_its_guard_works() -> None:
    """Two machines, one at a time: the shadow has no date and asks for nothing."""
    seat = Seat()
    phases.active(seat)
    shadow = seat.cell._shadow
    assert shadow.deadline() == NEVER
    assert shadow.tick(seat.now) == ()
    assert shadow.step(observed(seat.now), seat.now) == ()
