"""The end of a master: died, stopped or unkillable, and how each is told."""

import pytest

from shadowd.core.actions import Inspect, Level, Observe, StopPair, WriteNotice
from shadowd.core.events import Inspected, Woken
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State
from shadowd.core.values import (
    Epoch,
    ExitKind,
    Instant,
    Lock,
    LockKind,
    NoticeKind,
)
from tests.core import phases
from tests.core.rounds import (
    BEGINNING,
    ELSEWHERE,
    FOREIGN,
    HERE,
    RUNNING,
    UNREADABLE,
    record,
)
from tests.core.seat import Seat
from tests.core.world import Pair

OURS = (HERE, Epoch(1))
LEASE = 741
TOOK_OVER = BEGINNING + 840
DIED, STOPPED, STEPPED_DOWN = NoticeKind.DIED, NoticeKind.STOPPED, NoticeKind.STEPPED_DOWN


OURS = (HERE, Epoch(1))
LEASE = 741
TOOK_OVER = BEGINNING + 840
DIED, STOPPED, STEPPED_DOWN = NoticeKind.DIED, NoticeKind.STOPPED, NoticeKind.STEPPED_DOWN


def guarding() -> Seat:
    """Return a seat whose master runs and was inspected once."""
    seat = Seat()
    phases.active(seat)
    return seat


def end(seat: Seat, kind: ExitKind, *, strays: int = 0) -> None:
    """Let our master end by itself."""
    seat.world.pairs[OURS] = Pair(kind, strays)


def outcome(seat: Seat) -> NoticeKind | None:
    """Return the outcome of our epoch on disk."""
    return seat.world.records[Epoch(1)].outcome


# --- the end of a master -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ExitKind.FAILED, ExitKind.UNSEEN])
def test_a_master_that_died(kind: ExitKind) -> None:
    """Within a guard interval the others are told; this host then watches like any shadow."""
    seat = guarding()
    seat.run(100, masters_beat=True)
    end(seat, kind)
    seat.until(DIED, 1.1)
    assert seat.rows[-1] == (State.ACTIVE, Reason.MASTER_ENDED, State.STANDBY)
    assert seat.heard("master.ended")[0].level is Level.ALARM
    seat.settle()
    assert outcome(seat) is DIED


@pytest.mark.parametrize("lock", [Lock(LockKind.ABSENT), FOREIGN, UNREADABLE])
def test_a_master_that_left_with_status_0(lock: Lock) -> None:
    """Nobody asked for it, but it was orderly: a regular shutdown, with or without its mark."""
    seat = guarding()
    end(seat, ExitKind.CLEAN)
    seat.world.lock = lock
    seat.until(STOPPED, 1.1)
    seat.settle()
    assert outcome(seat) is STOPPED
    assert seat.rows[-1] == (State.ACTIVE, Reason.SHUT_DOWN_HERE, State.STANDBY)
    seat.run(2000)
    assert seat.state is State.STALE
    assert Reason.SHUT_DOWN in seat.reasons


def test_a_master_that_left_its_mark() -> None:
    """Whatever its status: an empty lock after the end is a regular shutdown."""
    seat = guarding()
    end(seat, ExitKind.UNSEEN)
    seat.world.lock = FOREIGN
    seat.run(1.1)
    assert outcome(seat) is STOPPED


def test_a_lock_that_cannot_be_read_at_the_end() -> None:
    """A crash or a shutdown, nobody can tell: looked at each second until it can be read."""
    seat = guarding()
    end(seat, ExitKind.UNSEEN)
    seat.world.lock = UNREADABLE
    seat.run(30)
    assert outcome(seat) is None
    assert seat.state is State.ACTIVE
    seat.world.lock = FOREIGN
    seat.run(1)
    assert outcome(seat) is STOPPED


def test_a_round_that_is_older_than_the_end_tells_nothing() -> None:
    """The lock was read before the master left its mark: the answer to a later look decides."""
    seat = guarding()
    seat.run(10)
    seat.until(Observe)
    under_way = next(action for action in seat.pending if isinstance(action, Observe))
    before = seat.world.perform(HERE, under_way, seat.now)
    seat.pending.remove(under_way)
    seat.now = Instant(seat.now + 0.5)
    seat.world.lock = FOREIGN
    end(seat, ExitKind.UNSEEN)
    seat.answer(next(action for action in seat.pending if isinstance(action, Inspect)))
    seat.step(before)
    assert [notice.kind for notice in seat.requests(WriteNotice)][-1] is NoticeKind.STARTED
    seat.settle()
    assert outcome(seat) is STOPPED


def test_a_scheduler_without_its_master() -> None:
    """What is left of the pair is stopped first; then it is told how the master ended."""
    seat = guarding()
    end(seat, ExitKind.FAILED, strays=1)
    seat.until(StopPair, 1.1)
    seat.until(DIED, 0.1)
    assert seat.world.pairs[OURS].alive == 0


def test_a_scheduler_without_a_master_that_shut_down() -> None:
    """A shutdown stays one, although a stray had to be killed."""
    seat = guarding()
    end(seat, ExitKind.CLEAN, strays=1)
    seat.run(1.1)
    assert outcome(seat) is STOPPED
    assert seat.world.pairs[OURS].alive == 0


def test_processes_that_do_not_die() -> None:
    """Said once, tried each second; no outcome as long as one lives (rule 12)."""
    seat = guarding()
    seat.world.pairs[OURS] = Pair(unkillable=True)
    seat.world.add(record(2, host=ELSEWHERE))
    seat.run(20)
    assert outcome(seat) is None
    assert seat.state is State.ACTIVE
    (line,) = seat.heard("master.unkillable")
    assert (line.level, line.detail) == (Level.ALARM, "1 processes left")
    assert 17 <= len(seat.times(StopPair)) <= 22
    seat.world.pairs[OURS].unkillable = False
    seat.run(1)
    assert outcome(seat) is STEPPED_DOWN


def test_an_inspection_older_than_the_stop_is_no_alarm() -> None:
    """Its answer still shows the process; the stop's own answer decides, without waiting a second."""
    seat = guarding()
    seat.run(100)
    seat.until(Inspect)
    seat.pending.clear()
    seat.now = Instant(TOOK_OVER + LEASE)
    seat.tick()
    seat.step(Inspected(Epoch(1), RUNNING))
    assert seat.pending == [StopPair(Epoch(1), "alpha-1")]
    seat.answer()
    assert seat.heard("master.unkillable") == []
    assert seat.rows[-1] == (State.ACTIVE, Reason.LEASE_OVER, State.STANDBY)


def test_a_stop_that_is_not_answered() -> None:
    """While the stop is under way nothing else is asked for, and waking changes nothing."""
    seat = guarding()
    seat.run(100)
    seat.until(Observe)
    seat.pending = [Observe()]
    seat.world.add(record(2, host=ELSEWHERE))
    seat.answer()
    assert seat.pending == [StopPair(Epoch(1), "alpha-1")]
    seat.pending.clear()
    seat.step(Woken())
    seat.run(100)
    assert seat.pending == []
    assert seat.state is State.ACTIVE


def test_a_round_that_comes_during_the_stop() -> None:
    """It is remembered and changes nothing: a master that is being stopped is not renewed."""
    seat = guarding()
    seat.run(100)
    seat.until(Observe)
    seat.pending = [action for action in seat.pending if isinstance(action, Observe)]
    seat.world.pairs[OURS] = Pair(ExitKind.FAILED, strays=1, unkillable=True)
    seat.step(Inspected(Epoch(1), RUNNING))
    seat.world.pairs[OURS].master = ExitKind.FAILED
    seat.run(1, masters_beat=True)
    assert StopPair(Epoch(1), "alpha-1") in seat.requests(StopPair)
    assert seat.state is State.ACTIVE
    seat.world.pairs[OURS].unkillable = False
    seat.run(1.1)
    assert outcome(seat) is DIED
