"""A master that died is started again where it died, a few times; then it is handed over."""

from typing import Any

import pytest

from shadowd.core.actions import Launch, MakeClaim, Observe
from shadowd.core.fitness import Fitness
from shadowd.core.persistence import Persistence
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State
from shadowd.core.values import ClaimReason, Epoch, ExitKind, Instant, NoticeKind, Seconds
from tests.core import phases
from tests.core.rounds import ELSEWHERE, FOREIGN, HERE, PAUSE, THERE, UNREADABLE, policy, record
from tests.core.seat import Seat

DIED = NoticeKind.DIED


def guarding(limit: int = 3) -> Seat:
    """Return a seat whose master runs and may be started again."""
    seat = Seat(policy=policy(restart_limit=limit))
    phases.active(seat)
    return seat


def kill(seat: Seat, epoch: int) -> None:
    """Let the master of an epoch die."""
    seat.world.pairs[HERE, Epoch(epoch)].end()


def found_dead(seat: Seat) -> None:
    """Let the master of epoch 1 die, and stop before the look that precedes its restart."""
    kill(seat, 1)
    for _ in range(100):
        if seat.state is not State.ACTIVE:
            break
        seat.until(Observe if not seat.pending else type(seat.pending[0]))
        seat.answer()
    assert [type(action) for action in seat.pending] == [Observe]


def outcome(seat: Seat, epoch: int) -> NoticeKind | None:
    """Return the outcome of an epoch."""
    return seat.world.records[Epoch(epoch)].outcome


def test_a_master_that_died_is_started_again_at_once() -> None:
    """A new claim with reason ``restart``, and a new epoch; the old one has died."""
    seat = guarding()
    kill(seat, 1)
    seat.run(2)
    assert seat.requests(MakeClaim)[-1].reason is ClaimReason.RESTART
    assert (outcome(seat, 1), seat.world.records[Epoch(2)].confirmed) == (DIED, True)
    assert seat.state is State.ACTIVE
    assert [launch.epoch for launch in seat.requests(Launch)] == [1, 2]


def test_the_new_claim_comes_before_the_old_outcome() -> None:
    """Or every other shadow would skip its timers for an end that is dealt with."""
    seat = guarding()
    kill(seat, 1)
    seat.until(NoticeKind.DIED)
    assert Epoch(2) in seat.world.records
    assert seat.world.records[Epoch(1)].open


def test_the_next_restarts_wait_a_little() -> None:
    """At once, then after two seconds, then after four; then it is handed over."""
    seat = guarding()
    for epoch in (1, 2, 3):
        kill(seat, epoch)
        died = seat.now
        seat.until(MakeClaim)
        assert seat.now - died == pytest.approx({1: 0, 2: 2, 3: 4}[epoch], abs=1.1)
        seat.run(3)
        assert seat.state is State.ACTIVE
    kill(seat, 4)
    seat.until(NoticeKind.DIED)
    assert seat.world.records.keys() == {1, 2, 3, 4}
    assert seat.state is State.STANDBY


def test_restarts_of_long_ago_do_not_count() -> None:
    """The limit is one within a window."""
    persistence = Persistence(2, Seconds(100))
    assert [persistence.next(Instant(now)) for now in (0, 1, 2)] == [0, 3, None]
    assert persistence.next(Instant(100.5)) == 102.5
    assert persistence.next(Instant(101.5)) == 103.5
    assert Persistence(0, Seconds(100)).next(Instant(5)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"pause": PAUSE},
        {"active": ELSEWHERE},
        {"resident": 4711},
        {"doubts": (UNREADABLE,)},
        {"fitness": Fitness(("no such program /x",))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_speaks_against_a_restart(change: dict[str, Any]) -> None:
    """It is handed over: the death is told, and others judge by themselves."""
    seat = guarding()
    found_dead(seat)
    for name, value in change.items():
        setattr(seat.world, name, value)
    seat.until(NoticeKind.DIED)
    assert seat.world.records.keys() == {1}


def test_a_clean_exit_is_never_started_again() -> None:
    """Somebody wanted it."""
    seat = guarding()
    seat.world.pairs[HERE, Epoch(1)].end(ExitKind.CLEAN)
    seat.run(100)
    assert outcome(seat, 1) is NoticeKind.STOPPED
    assert [launch.epoch for launch in seat.requests(Launch)] == [1]


def test_a_lock_that_came_after_the_end_forbids_it() -> None:
    """An ancestor is at work, or a person said no."""
    seat = guarding()
    found_dead(seat)
    seat.world.lock = FOREIGN
    seat.run(5)
    assert outcome(seat, 1) is DIED
    assert seat.world.records.keys() == {1}


def test_a_higher_claim_forbids_it() -> None:
    """Somebody else is taking over already."""
    seat = guarding()
    found_dead(seat)
    seat.world.add(record(2, host=ELSEWHERE))
    seat.run(5)
    assert outcome(seat, 1) is DIED
    assert [made.epoch for made in seat.requests(MakeClaim)] == [1]


def test_an_unreadable_directory_makes_it_wait() -> None:
    """No claim can be made, and no outcome written: the epoch stays open, and the look is repeated."""
    seat = guarding()
    found_dead(seat)
    seat.world.unlisted = UNREADABLE
    seat.run(30)
    assert seat.world.records[Epoch(1)].open
    seat.world.unlisted = None
    seat.run(3)
    assert seat.world.records[Epoch(2)].confirmed


def test_a_restart_whose_claim_was_lost() -> None:
    """Another host was quicker: the old epoch is closed as died all the same."""
    seat = guarding()
    kill(seat, 1)
    seat.until(MakeClaim)
    seat.world.add(record(2, host=THERE))
    seat.run(3)
    assert (State.CLAIMING, Reason.LOST, State.STANDBY) in seat.rows
    assert outcome(seat, 1) is DIED


def test_a_restart_that_fails_is_handed_over() -> None:
    """Both epochs are closed, so that any eligible host may go on at once."""
    seat = guarding()
    seat.world.launch = lambda *_: None
    kill(seat, 1)
    seat.run(12)
    assert (outcome(seat, 1), outcome(seat, 2)) == (DIED, NoticeKind.FAILED)


def test_an_outcome_that_cannot_be_written_ends_the_restart() -> None:
    """Two open epochs of one host would keep everybody waiting for a lease."""
    seat = guarding()
    seat.world.refuses[DIED] = UNREADABLE
    kill(seat, 1)
    seat.run(3)
    assert (State.ACCOUNTING, Reason.NOTICE_FAILED, State.STANDBY) in seat.rows
    del seat.world.refuses[DIED]
    seat.run(3)
    assert (outcome(seat, 1), outcome(seat, 2)) == (DIED, NoticeKind.FAILED)


def test_a_master_that_cannot_live_is_left_to_others_longer_each_time() -> None:
    """Else two hosts would hand it over thousands of times a day; one that lasted begins anew."""
    seat = guarding(limit=0)
    for epoch, pause in ((1, 30), (2, 60), (3, 120), (4, 240)):
        kill(seat, epoch)
        seat.until(DIED)
        fell = seat.now
        seat.until(MakeClaim)
        assert seat.now - fell == pytest.approx(pause, abs=61), "at the first look after it"
        assert seat.now - fell >= pause
        seat.until(NoticeKind.STARTED)
        seat.settle()
    seat.run(600, masters_beat=True)
    kill(seat, 5)
    seat.until(DIED)
    fell = seat.now
    seat.until(MakeClaim)
    assert 30 <= seat.now - fell <= 91
