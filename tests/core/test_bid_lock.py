"""The bid under its lock: placing it, announcing, late answers, and what follows a failure."""

from itertools import pairwise

import pytest

from shadowd.core.actions import ClearLock, Launch, MakeClaim, PlaceLock
from shadowd.core.events import ClaimAnswered, LockAnswered, LockCleared, NoticeAnswered, TakeoverAsked, Woken
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State
from shadowd.core.values import Epoch, Lock, LockKind, NoticeKind
from tests.core import phases
from tests.core.phases import UNDER_THE_CLAIM, Phase
from tests.core.rounds import (
    ABSENT,
    ELSEWHERE,
    FOREIGN,
    HERE,
    THERE,
    UNREADABLE,
    claim,
    observed,
    record,
    timing,
)
from tests.core.seat import Seat
from tests.core.world import World

FAILED = NoticeKind.FAILED
LICENCE = timing().licence
by_phase = pytest.mark.parametrize("phase", UNDER_THE_CLAIM, ids=lambda phase: phase.__name__)


FAILED = NoticeKind.FAILED
by_phase = pytest.mark.parametrize("phase", UNDER_THE_CLAIM, ids=lambda phase: phase.__name__)


def ended(seat: Seat) -> Reason:
    """Return why the last takeover came to nothing."""
    return next(reason for before, reason, after in reversed(seat.rows) if after is State.STANDBY)


def closed(seat: Seat, epoch: int = 1) -> bool:
    """Tell whether the epoch is closed as failed and its lock is gone."""
    return seat.world.records[Epoch(epoch)].outcome is FAILED and seat.world.lock != Lock(
        LockKind.CLAIM, Epoch(epoch), f"{HERE}-{epoch}"
    )


# --- the lock ----------------------------------------------------------------------------------------


def test_a_lock_of_a_lower_epoch_is_replaced() -> None:
    """An orphan of a crashed claimant stops nobody."""
    seat = Seat()
    seat.world.add(record(1, FAILED))
    seat.world.lock = Lock(LockKind.CLAIM, Epoch(1), "beta-1")
    seat.until(NoticeKind.LAUNCHING)
    assert seat.world.lock == Lock(LockKind.CLAIM, Epoch(2), "alpha-2")


def test_a_lock_of_another_claim() -> None:
    """One that is not ours is never cleared."""
    seat = Seat()
    phases.locking(seat)
    theirs = Lock(LockKind.CLAIM, Epoch(7), "gamma-7")
    seat.world.lock = theirs
    seat.settle()
    assert ended(seat) is Reason.LOCKED
    assert seat.world.lock == theirs
    assert seat.times(ClearLock) == []


def test_a_foreign_lock_is_never_touched() -> None:
    """A regular shutdown at the last moment: hands off."""
    seat = Seat()
    phases.locking(seat)
    seat.world.lock = FOREIGN
    seat.settle()
    assert ended(seat) is Reason.LOCKED
    assert seat.times(ClearLock) == []
    assert seat.world.lock == FOREIGN


def test_a_lock_that_may_have_been_placed_is_cleared() -> None:
    """Nobody can say whether it lies there: clearing looks before it takes."""
    seat = Seat()
    phases.locking(seat)
    seat.world.refuses[PlaceLock] = UNREADABLE
    seat.settle()
    assert ended(seat) is Reason.LOCK_UNKNOWN
    assert len(seat.times(ClearLock)) == 1


@pytest.mark.parametrize("lock", [ABSENT, Lock(LockKind.CLAIM, Epoch(1), "other")])
def test_our_lock_is_gone_at_the_last_look(lock: Lock) -> None:
    """Without our lock nothing is launched."""
    seat = Seat()
    phases.looking(seat)
    seat.world.lock = lock
    seat.settle()
    assert ended(seat) is Reason.LOCKED
    assert seat.times(Launch) == []


def test_a_notice_that_cannot_be_written() -> None:
    """Without ``launching`` on disk nothing is launched."""
    seat = Seat()
    phases.announcing(seat)
    seat.world.refuses[NoticeKind.LAUNCHING] = UNREADABLE
    seat.settle()
    assert ended(seat) is Reason.NOTICE_FAILED
    assert seat.heard("takeover.abandoned")[0].detail == UNREADABLE.detail
    assert seat.times(Launch) == []
    assert closed(seat)


def test_a_lock_that_cannot_be_cleared() -> None:
    """The claim is closed all the same; the lock names it and stops nobody of ours."""
    seat = Seat()
    phases.announcing(seat)
    seat.world.refuses.update({NoticeKind.LAUNCHING: UNREADABLE, ClearLock: UNREADABLE})
    seat.settle()
    assert seat.world.records[Epoch(1)].outcome is FAILED
    seat.world.refuses.clear()
    seat.run(60)
    assert seat.state is State.ACTIVE


# --- late and strange answers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "late",
    [
        LockCleared(),
        NoticeAnswered(Epoch(9), NoticeKind.LAUNCHING),
        ClaimAnswered(Epoch(9), "x", claim(9)),
        observed(0),
    ],
    ids=lambda event: type(event).__name__,
)
@by_phase
def test_answers_to_nothing_change_nothing(phase: Phase, late: object) -> None:
    """An answer that this phase does not await is dropped."""
    seat = Seat()
    phase(seat)
    before = (seat.state, list(seat.pending), len(seat.done))
    seat.step(late)  # type: ignore[arg-type]
    assert (seat.state, seat.pending, len(seat.done)) == before


def test_a_fitting_answer_that_nobody_awaits() -> None:
    """An answer that came twice is used once."""
    seat = Seat()
    phases.announcing(seat)
    seat.step(LockAnswered(seat.world.lock))
    assert len(seat.pending) == 1
    assert seat.state is State.LAUNCHING


@by_phase
def test_woken_during_a_bid(phase: Phase) -> None:
    """A hint has no say in a bid: its dates are its own."""
    seat = Seat()
    phase(seat)
    before = list(seat.pending)
    seat.step(Woken())
    seat.tick()
    assert seat.pending == before


# --- back-off ----------------------------------------------------------------------------------------


def test_a_failed_bid_backs_off_and_never_stops_trying() -> None:
    """Longer each time, capped, and each attempt a new claim."""
    seat = Seat(World(launch=lambda *_: None))
    seat.run(6000)
    times = seat.times(MakeClaim)
    gaps = [round(later - earlier) for earlier, later in pairwise(times)]
    assert gaps[:5] == pytest.approx([33, 63, 123, 243, 483], abs=2)
    assert max(gaps) <= 604
    assert [asked.epoch for asked in seat.requests(MakeClaim)] == list(range(1, len(times) + 1))
    assert all(item.outcome is FAILED for item in seat.world.records.values())


def test_other_shadows_are_not_hindered() -> None:
    """While we back off nothing of ours is in another's way."""
    world = World(launch=lambda *_: None)
    seat = Seat(world)
    seat.run(845)
    world.launch = None
    other = Seat(world)
    other.host = ELSEWHERE
    other.cell.step(TakeoverAsked("eve"), other.now)
    assert world.lock == ABSENT
    assert world.ledger().suspects[0].outcome is FAILED  # type: ignore[union-attr]


def test_the_host_that_should_be_master_is_ourselves() -> None:
    """The last shadow left restarts its own master: act_qmaster naming us is no obstacle."""
    seat = Seat(World(active=HERE))
    phases.active(seat)
    assert seat.world.active == HERE
    assert THERE != HERE
