"""The guard: a master that was replaced, cut off or gone is stopped, and how it ended is told."""

import pytest

from shadowd.core.actions import ClearLock, Inspect, KeepLease, Level, Observe, StopPair
from shadowd.core.events import Inspected, LockCleared, Woken
from shadowd.core.guard import Duty, Guard
from shadowd.core.lease import Reign
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State, Timer
from shadowd.core.values import (
    NEVER,
    OUTCOMES,
    Epoch,
    ExitKind,
    Instant,
    Lock,
    LockKind,
    NoticeKind,
    Problem,
    Seconds,
    Unknown,
)
from tests.core import phases
from tests.core.rounds import (
    BEGINNING,
    ELSEWHERE,
    FOREIGN,
    GONE,
    HERE,
    PAUSE,
    RUNNING,
    UNREADABLE,
    confirmed,
    ledger,
    observed,
    policy,
    reading,
    record,
    timing,
)
from tests.core.seat import Seat
from tests.core.world import Pair

OURS = (HERE, Epoch(1))
LEASE = 741
TOOK_OVER = BEGINNING + 840
DIED, STOPPED, STEPPED_DOWN = NoticeKind.DIED, NoticeKind.STOPPED, NoticeKind.STEPPED_DOWN


def guarding() -> Seat:
    """Return a seat whose master runs and was inspected once."""
    seat = Seat()
    phases.active(seat)
    return seat


def guard_of(length: Seconds, begins: Instant, now: Instant) -> Guard:
    """Return a guard by itself."""
    reign = Reign.begun(Epoch(1), "n", length, begins)
    return Guard(timing(), reign, policy(), now=now)


def end(seat: Seat, kind: ExitKind, *, strays: int = 0) -> None:
    """Let our master end by itself."""
    seat.world.pairs[OURS] = Pair(kind, strays)


def outcome(seat: Seat) -> NoticeKind | None:
    """Return the outcome of our epoch on disk."""
    return seat.world.records[Epoch(1)].outcome


# --- looking -----------------------------------------------------------------------------------------


def test_a_healthy_master_is_left_alone() -> None:
    """An hour of beats: looked at each second, never touched, nothing said."""
    seat = guarding()
    said = len(seat.said)
    seat.run(3600, masters_beat=True)
    assert seat.state is State.ACTIVE
    assert seat.times(StopPair) == []
    assert len(seat.said) == said
    assert 3500 < len(seat.times(Observe)) < 3700
    assert seat.cell.snapshot().master == HERE


def test_being_woken_inspects_at_once() -> None:
    """A process may have ended: it is looked for now; the files at most once a second."""
    seat = guarding()
    seat.run(10.5)
    looks, inspections = len(seat.times(Observe)), len(seat.times(Inspect))
    for _ in range(20):
        seat.step(Woken())
        seat.settle()
    assert len(seat.times(Inspect)) == inspections + 20
    assert len(seat.times(Observe)) == looks


def test_being_woken_before_the_next_look() -> None:
    """Where the guard looks seldom, a hint makes it look sooner."""
    seat = Seat(timing=timing(guard_interval=10))
    phases.active(seat)
    seat.run(3)
    looks = len(seat.times(Observe))
    seat.step(Woken())
    seat.settle()
    assert len(seat.times(Observe)) == looks + 1


def test_a_hung_directory_does_not_stop_the_inspections() -> None:
    """The files hang: the processes are looked at all the same, each second."""
    seat = guarding()
    seat.until(Observe)
    for _ in range(20):
        seat.pending = [action for action in seat.pending if not isinstance(action, Observe)]
        seat.run(0.5)
    assert len(seat.times(Inspect)) >= 10
    assert seat.state is State.ACTIVE


def test_a_hung_inspection_is_not_asked_for_again() -> None:
    """The processes cannot be looked at: the files are, and the question stays one."""
    seat = guarding()
    seat.until(Inspect)
    inspections = len(seat.times(Inspect))
    for _ in range(20):
        seat.pending = [action for action in seat.pending if not isinstance(action, Inspect)]
        seat.run(0.5, masters_beat=True)
    assert len(seat.times(Inspect)) == inspections
    assert len(seat.times(Observe)) >= 10


# --- supersession ------------------------------------------------------------------------------------


def test_a_higher_claim_stops_the_master_with_kill() -> None:
    """Within a guard interval, whatever the claim has come to; then the outcome is told."""
    seat = guarding()
    seat.run(100, masters_beat=True)
    seat.world.add(record(2, host=ELSEWHERE))
    at = seat.now
    seat.until(StopPair)
    assert seat.now <= at + 1
    seat.settle()
    assert outcome(seat) is STEPPED_DOWN
    assert seat.rows[-1] == (State.ACTIVE, Reason.SUPERSEDED, State.STANDBY)


def test_a_failed_claim_supersedes_nobody() -> None:
    """It came to nothing, and so does the alarm."""
    seat = guarding()
    seat.world.add(record(2, NoticeKind.FAILED, host=ELSEWHERE))
    seat.run(100, masters_beat=True)
    assert seat.state is State.ACTIVE


@pytest.mark.parametrize("kind", sorted(OUTCOMES - {NoticeKind.FAILED}, key=str))
def test_a_later_epoch_that_ran_supersedes(kind: NoticeKind) -> None:
    """It had its master, so ours is the ghost, even if that one is gone by now."""
    seat = guarding()
    seat.world.add(record(2, kind, host=ELSEWHERE))
    seat.run(2)
    assert outcome(seat) is STEPPED_DOWN


# --- the lease ---------------------------------------------------------------------------------------


def test_a_beat_that_stands_still_ends_the_lease() -> None:
    """At the end of the lease, exactly, and before any shadow may start another."""
    seat = guarding()
    seat.run(300, masters_beat=True)
    seat.until(StopPair)
    assert TOOK_OVER + 298 + LEASE <= seat.now <= TOOK_OVER + 300 + LEASE
    seat.answer()
    assert seat.rows[-1] == (State.ACTIVE, Reason.LEASE_OVER, State.STANDBY)
    seat.answer()
    assert outcome(seat) is STEPPED_DOWN


def test_a_cut_off_guard_stops_in_time() -> None:
    """No answer at all: the date alone ends the lease."""
    seat = guarding()
    seat.run(100, masters_beat=True)
    seat.until(Observe)
    seat.pending = []
    for _ in range(1000):
        seat.pending = [action for action in seat.pending if not isinstance(action, Observe)]
        if seat.times(StopPair):
            break
        seat.run(1)
    assert seat.now <= TOOK_OVER + 101 + LEASE + 1


def test_an_unreadable_ledger_renews_nothing() -> None:
    """A round counts only if its listing showed no higher claim (rule 9)."""
    seat = guarding()
    seat.world.unlisted = UNREADABLE
    seat.run(800, masters_beat=True)
    assert seat.times(StopPair)
    assert seat.now <= TOOK_OVER + 801


def test_an_unreadable_beat_renews_nothing() -> None:
    """What cannot be read back has not advanced."""
    seat = guarding()
    seat.world.beat = UNREADABLE
    seat.run(800)
    assert (State.ACTIVE, Reason.LEASE_OVER, State.STANDBY) in seat.rows
    assert outcome(seat) is STEPPED_DOWN


def test_a_pause_counts_as_a_beat() -> None:
    """Maintenance without a heartbeat is not the end of a master, as long as the pause is read back."""
    seat = guarding()
    seat.world.pause = PAUSE
    seat.run(3000)
    assert seat.state is State.ACTIVE
    seat.world.pause = None
    over = seat.now
    seat.until(StopPair)
    assert over + LEASE - 2 <= seat.now <= over + LEASE


def test_an_unreadable_pause_is_no_beat() -> None:
    """It has to be read back."""
    seat = guarding()
    seat.world.pause = UNREADABLE
    seat.until(StopPair)
    assert seat.now <= TOOK_OVER + LEASE


def test_an_expired_lease_is_never_renewed() -> None:
    """The end is tested before a reply is used, even one that shows a new beat."""
    seat = guarding()
    seat.run(10)
    seat.until(Observe)
    seat.world.advance_beat()
    seat.now = Instant(TOOK_OVER + LEASE)
    seat.answer(next(action for action in seat.pending if isinstance(action, Observe)))
    assert seat.pending[-1] == StopPair(Epoch(1), "alpha-1")
    assert seat.heard("master.lease_over") == []
    seat.settle()
    assert outcome(seat) is STEPPED_DOWN


def test_frozen_then_cut() -> None:
    """Guard and master freeze; the guard thaws late and reads an old beat: it is dated early (rule 2).

    The advance happened after the latest read that still showed the old value, nobody knows when: the
    lease runs from that read, not from the one after the freeze.
    """
    seat = guarding()
    seat.run(100)
    seat.until(Observe)
    issued = seat.now
    seat.settle()  # the last read before the freeze
    seat.world.advance_beat()  # and a beat just after it
    seat.now = Instant(issued + 600)  # thawed: the old beat looks new
    seat.settle()
    assert seat.cell.snapshot().due == pytest.approx(issued + LEASE)
    for _ in range(1000):  # cut off from now on
        seat.pending = [action for action in seat.pending if not isinstance(action, Observe)]
        if seat.times(StopPair):
            break
        seat.run(1)
    assert seat.times(StopPair) == [pytest.approx(issued + LEASE)]
    assert seat.times(StopPair)[0] < issued + timing().handover, "before any shadow may start another"


def test_frozen_beyond_the_lease() -> None:
    """A guard that thaws after the end of its lease stops its master first and asks nothing before."""
    seat = guarding()
    seat.run(100, masters_beat=True)
    seat.now = Instant(seat.now + 5000)
    seat.world.advance_beat()
    seat.tick()
    assert seat.pending == [StopPair(Epoch(1), "alpha-1")]


def test_the_lease_is_never_shortened() -> None:
    """A renewal that would end earlier than what is promised already changes nothing."""
    guard = guard_of(Seconds(100), Instant(1000), now=Instant(1000))
    guard.tick(Instant(1000))
    ours = ledger(confirmed(1, host=HERE, nonce="n"))
    guard.step(observed(1000, beat=reading(1, 900), ledger=ours), Instant(1000))
    guard.tick(Instant(1001))
    guard.step(observed(1001, beat=reading(2, 1001), ledger=ours), Instant(1001))
    assert guard.lease.ends == 1100


def test_an_answer_that_nobody_awaits_is_dropped() -> None:
    """The same round twice is used once."""
    guard = guard_of(Seconds(100), Instant(1000), now=Instant(1000))
    guard.tick(Instant(1000))
    ours = ledger(confirmed(1, host=HERE, nonce="n"))
    guard.step(observed(1000, ledger=ours), Instant(1000))
    assert guard.step(observed(1000, ledger=ledger(record(9))), Instant(1000)) == ()
    assert guard.duty is Duty.GUARD


# --- the lock of a claim -----------------------------------------------------------------------------


@pytest.mark.parametrize("epoch", [1, 2, 7])
def test_a_lock_that_names_a_claim_is_cleared(epoch: int) -> None:
    """It would swallow the mark of the next regular shutdown, whichever claim it names (rule 18)."""
    seat = guarding()
    seat.world.lock = Lock(LockKind.CLAIM, Epoch(epoch), "someone")
    seat.run(1.1)
    assert seat.world.lock == Lock(LockKind.ABSENT)
    assert [line.epoch for line in seat.heard("lock.cleared")] == [1]


def test_a_lock_that_cannot_be_cleared_is_tried_again() -> None:
    """Each second, silently; the lease does not suffer."""
    seat = guarding()
    seat.world.lock = Lock(LockKind.CLAIM, Epoch(2), "someone")
    seat.world.refuses[ClearLock] = UNREADABLE
    seat.run(10, masters_beat=True)
    assert 9 <= len(seat.times(ClearLock)) <= 11
    assert seat.heard("lock.cleared") == []
    assert seat.state is State.ACTIVE


def test_a_foreign_lock_is_left_alone() -> None:
    """The mark of a shutdown that is under way is nobody's to clear."""
    seat = guarding()
    seat.world.lock = FOREIGN
    seat.run(10, masters_beat=True)
    assert seat.times(ClearLock) == []


# --- by itself ---------------------------------------------------------------------------------------


def test_a_guard_that_is_done_rests() -> None:
    """No date, no request, no answer moves it."""
    guard = guard_of(Seconds(10), Instant(0), now=Instant(20))
    assert guard.deadline() == 10
    assert guard.tick(Instant(20)) == (StopPair(Epoch(1), "n"),)
    assert guard.step(LockCleared(), Instant(20)) == ()
    guard.step(Inspected(Epoch(1), RUNNING), Instant(20))
    assert guard.deadline() == 21
    guard.step(Inspected(Epoch(1), RUNNING), Instant(20))
    assert guard.tick(Instant(20.5)) == ()
    guard.tick(Instant(21))
    assert guard.duty is Duty.END
    gone = guard.step(Inspected(Epoch(1), GONE), Instant(22))
    assert gone == (KeepLease(None),)
    assert guard.deadline() == NEVER
    assert guard.tick(Instant(99)) == ()
    assert guard.step(observed(99), Instant(99)) == ()
    assert guard.outcome is STEPPED_DOWN


def test_the_lease_is_shown() -> None:
    """While active the timer that matters is the lease."""
    seat = guarding()
    shown = seat.cell.snapshot()
    assert (shown.timer, shown.due) == (Timer.LEASE, TOOK_OVER + LEASE)
    assert shown.refusals == ()


def test_it_answers_for_its_master_within_the_lease_only() -> None:
    """Until the lease ends; never while it stops one; for nobody once that is gone."""
    seat = guarding()
    assert seat.cell.answers_until() == TOOK_OVER + LEASE
    seat.world.add(record(2, host=ELSEWHERE))
    seat.until(StopPair)
    assert seat.cell.answers_until() == -NEVER
    seat.settle()
    assert outcome(seat) is STEPPED_DOWN
    assert seat.cell.answers_until() is None


def test_it_answers_for_a_master_that_ended_by_itself() -> None:
    """What is left is to say how it ended; nothing of it can do harm, however long that takes."""
    guard = guard_of(Seconds(10), Instant(0), now=Instant(1))
    guard.tick(Instant(1))
    assert guard.answers_until == 10
    guard.step(Inspected(Epoch(1), GONE), Instant(1))
    assert guard.duty is Duty.END
    assert guard.answers_until == NEVER


def test_another_directory_in_the_place_of_the_cells_is_told_and_kills_nobody_at_once() -> None:
    """Nothing of it is believed: the lease is not renewed, and binds as in any other outage (rule 15)."""
    seat = Seat()
    phases.active(seat)
    foreign = Unknown(Problem.FOREIGN, "shadowd/cell.json", "of another cell")
    for _ in range(2):
        seat.world.unlisted = foreign
        seat.run(60, masters_beat=True)
        assert seat.times(StopPair) == []
        seat.world.unlisted = None
        seat.run(60, masters_beat=True)
    said = [(line.level, line.detail) for line in seat.heard("cell.foreign")]
    assert said == [(Level.ALARM, "shadowd/cell.json: of another cell")] * 2
    seat.world.unlisted = foreign
    seat.run(800, masters_beat=True)
    assert (State.ACTIVE, Reason.LEASE_OVER, State.STANDBY) in seat.rows
    assert Reason.CELL_FOREIGN in seat.reasons
