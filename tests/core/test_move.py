"""A planned move: the new host claims, the old guard ends its master in order, then the new one starts."""

import pytest

from shadowd.core.actions import (
    ClearMark,
    KeepLease,
    Launch,
    Level,
    MakeClaim,
    Probe,
    StopPair,
    TermPair,
    WriteNotice,
)
from shadowd.core.ending import Ending
from shadowd.core.events import Inspected, LockCleared, NoticeAnswered, TakeoverAsked
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State
from shadowd.core.values import (
    NEVER,
    ClaimReason,
    Epoch,
    ExitKind,
    Instant,
    Lock,
    NoticeKind,
    PairView,
    ProbeOutcome,
    Unknown,
)
from tests.core import phases
from tests.core.rounds import (
    ABSENT,
    ELSEWHERE,
    FOREIGN,
    GONE,
    HERE,
    RUNNING,
    THERE,
    UNREADABLE,
    confirmed,
    observed,
    record,
)
from tests.core.seat import Seat
from tests.core.world import Pair, World

ONE = Epoch(1)
OURS = (HERE, ONE)


# --- the new host ------------------------------------------------------------------------------------


def asked(**world: object) -> Seat:
    """Return a seat that was asked to take the beating, answering, guarded master of THERE."""
    cell = World(probe=ProbeOutcome.ANSWERS, **world)  # type: ignore[arg-type]
    cell.add(confirmed(1))
    seat = Seat(cell)
    seat.run(70, masters_beat=True)
    seat.step(TakeoverAsked("eve", migrate=True))
    return seat


def test_a_living_master_is_moved_here() -> None:
    """Claim with reason ``migrate``; the launch waits for the old guard's word."""
    seat = asked()
    made = seat.until(MakeClaim)
    assert made.reason is ClaimReason.MIGRATE
    seat.run(5)
    assert seat.state is State.ACCOUNTING
    assert seat.times(Launch) == []
    seat.world.note(1, NoticeKind.STEPPED_DOWN)
    seat.run(2)
    assert seat.state is State.ACTIVE
    assert seat.world.records[Epoch(2)].confirmed


def test_a_beat_and_a_mark_on_the_way_do_not_matter() -> None:
    """The old master beats until it ends, and its clean exit leaves an empty lock for a moment."""
    seat = asked()
    seat.until(Probe)
    seat.world.advance_beat()
    seat.until(MakeClaim)
    seat.answer()
    seat.world.advance_beat()
    seat.world.lock = FOREIGN
    seat.run(2)
    assert seat.state is State.ACCOUNTING
    seat.world.lock = ABSENT
    seat.world.note(1, NoticeKind.STEPPED_DOWN)
    seat.run(2)
    assert seat.state is State.ACTIVE


def test_a_guard_that_says_nothing_ends_the_move() -> None:
    """The claim is closed as failed and supersedes nobody; the old master was not touched by us."""
    seat = asked()
    seat.run(25, masters_beat=True)
    assert (State.ACCOUNTING, Reason.GUARD_SILENT, State.STANDBY) in seat.rows
    assert seat.world.records[Epoch(2)].outcome is NoticeKind.FAILED


def test_a_mark_that_a_lost_guard_left_is_taken_away() -> None:
    """It announced the end and was never heard of again: nobody ordered a shutdown."""
    seat = asked()
    seat.until(MakeClaim)
    seat.answer()
    seat.world.note(1, NoticeKind.STEPPING_DOWN)
    seat.world.lock = FOREIGN
    seat.run(25)
    assert (State.ACCOUNTING, Reason.GUARD_SILENT, State.STANDBY) in seat.rows
    assert seat.world.lock == ABSENT
    assert seat.world.records[Epoch(2)].outcome is NoticeKind.FAILED


@pytest.mark.parametrize("lock", [FOREIGN, ABSENT, UNREADABLE])
@pytest.mark.parametrize("announced", [False, True])
def test_a_mark_that_nobody_announced_stays(lock: Lock | Unknown, *, announced: bool) -> None:
    """It is a person's; and what cannot be read is not touched."""
    seat = asked()
    seat.until(MakeClaim)
    seat.answer()
    if announced:
        seat.world.note(1, NoticeKind.STEPPING_DOWN)
    seat.world.lock = lock
    seat.run(80)
    assert (seat.times(ClearMark) != []) is (announced and lock == FOREIGN)


def test_a_pause_or_an_older_mark_forbids_a_move() -> None:
    """Every safety check but the master's life is kept."""
    seat = asked(lock=FOREIGN)
    seat.run(2)
    assert seat.times(MakeClaim) == []
    assert (State.STALE, Reason.LOCKED, State.STANDBY) in seat.rows


# --- the old guard -----------------------------------------------------------------------------------


def guarding() -> Seat:
    """Return a seat whose master runs."""
    seat = Seat()
    phases.active(seat)
    return seat


def wanted(seat: Seat) -> None:
    """Let another host ask for the master."""
    seat.world.add(record(2, host=ELSEWHERE, reason=ClaimReason.MIGRATE))


def test_the_guard_lets_its_master_end_in_an_orderly_way() -> None:
    """TERM, the mark is taken away, and only then the outcome lets the other go on (rule 11)."""
    seat = guarding()
    wanted(seat)
    seat.until(TermPair)
    answers = seat.cell.answers_until()
    assert answers is not None
    assert seat.now < answers < NEVER, "a planned end is no reason to reset the host"
    seat.answer()
    seat.until(ClearMark)
    assert seat.world.lock == FOREIGN
    assert seat.world.records[ONE].open
    seat.run(1)
    assert seat.world.lock == ABSENT
    assert seat.world.records[ONE].outcome is NoticeKind.STEPPED_DOWN
    assert seat.times(StopPair) == []
    assert [(line.reason, line.level) for line in seat.heard("master.ended")] == [(Reason.MOVED, Level.INFO)]
    assert seat.heard("master.superseded") == []


def test_the_planned_end_is_announced_first() -> None:
    """Before TERM, on disk: after a reboot nobody else could tell the mark from that of a shutdown."""
    seat = guarding()
    wanted(seat)
    seat.until(TermPair)
    assert NoticeKind.STEPPING_DOWN in seat.world.records[ONE].notices


def test_an_end_that_cannot_be_announced_leaves_no_mark() -> None:
    """Then the master is killed."""
    seat = guarding()
    wanted(seat)
    seat.world.refuses[NoticeKind.STEPPING_DOWN] = UNREADABLE
    seat.run(3)
    assert seat.times(TermPair) == []
    assert seat.world.records[ONE].outcome is NoticeKind.STEPPED_DOWN


def test_an_announcement_that_hangs_is_waited_for_as_long_as_a_planned_end() -> None:
    """Within the time that the other host waits; what is answered later moves nothing."""
    seat = guarding()
    wanted(seat)
    seat.pending.remove(seat.until(WriteNotice))
    asked_at = seat.now
    seat.until(StopPair)
    assert seat.now - asked_at == 12
    seat.step(NoticeAnswered(ONE, NoticeKind.STEPPING_DOWN))
    seat.run(3)
    assert seat.times(TermPair) == []
    assert seat.world.records[ONE].outcome is NoticeKind.STEPPED_DOWN


def test_a_daemon_that_dies_between_the_end_and_the_mark_leaves_no_mark() -> None:
    """The next one finds noted on its host that the empty lock is of a planned end, and takes it away."""
    seat = guarding()
    wanted(seat)
    seat.until(TermPair)
    seat.answer()
    assert seat.kept is not None
    assert seat.kept.planned
    assert seat.world.lock == FOREIGN
    back = Seat(seat.world, now=Instant(seat.now + 5), kept=seat.kept)
    back.run(3)
    assert back.world.lock == ABSENT
    assert back.world.records[ONE].outcome in {NoticeKind.DIED, NoticeKind.STEPPED_DOWN}
    assert back.kept is None


def test_a_master_that_takes_too_long_is_killed() -> None:
    """Within the time that the other host waits."""
    seat = guarding()
    wanted(seat)
    seat.world.pairs[OURS].unkillable = True
    asked_at = seat.until(TermPair) and seat.now
    seat.until(StopPair)
    assert seat.now - asked_at == 12
    seat.world.pairs[OURS].unkillable = False
    seat.run(3)
    assert seat.world.records[ONE].outcome is NoticeKind.STEPPED_DOWN


def test_a_mark_that_cannot_be_taken_away_is_tried_again() -> None:
    """No outcome before: the mark would switch failover off for ever."""
    seat = guarding()
    wanted(seat)
    seat.world.refuses[ClearMark] = UNREADABLE
    seat.run(10)
    assert 8 <= len(seat.times(ClearMark)) <= 11
    assert seat.world.records[ONE].open
    del seat.world.refuses[ClearMark]
    seat.run(2)
    assert seat.world.records[ONE].outcome is NoticeKind.STEPPED_DOWN


def test_a_mark_that_was_there_before_stays() -> None:
    """Then TERM could not tell its own mark from that one: the master is killed."""
    seat = guarding()
    seat.world.lock = FOREIGN
    wanted(seat)
    seat.run(2)
    assert seat.times(TermPair) == []
    assert seat.world.lock == FOREIGN
    assert seat.world.records[ONE].outcome is NoticeKind.STEPPED_DOWN


def test_a_claim_that_cannot_be_read_stops_nobody() -> None:
    """It is a doubt; once it can be read, it supersedes as it says."""
    seat = guarding()
    seat.world.records[Epoch(2)] = type(record(2))(Epoch(2), UNREADABLE)
    seat.run(30, masters_beat=True)
    assert seat.times(StopPair) == []
    seat.world.records[Epoch(2)] = record(2)
    seat.run(2)
    assert seat.times(StopPair)


def test_a_lease_that_ends_meanwhile_is_kept() -> None:
    """The patience of a planned end never outlasts the lease."""
    seat = guarding()
    seat.run(735)
    wanted(seat)
    seat.world.pairs[OURS].unkillable = True
    seat.until(StopPair)
    assert seat.now <= seat.cell.snapshot().due


def test_an_ending_drops_what_it_does_not_await() -> None:
    """Late answers move nothing, and a kind of answer that it never asks for is none."""
    ending = Ending(ONE, "n", Reason.SUPERSEDED)
    ending.kill()
    assert ending.step(observed(5), Instant(5)) == ()
    ending._awaiting.add(KeepLease)  # type: ignore[arg-type]
    assert ending.step(KeepLease(None), Instant(5)) == ()  # type: ignore[arg-type]
    assert ending.outcome is None


def test_strays_of_a_master_that_ended_are_stopped_before_the_look() -> None:
    """The lock tells how it ended only when nothing of the epoch is left (rule 12)."""
    ending = Ending(ONE, "n", Reason.MASTER_ENDED)
    stop = ending.by_itself(PairView(ExitKind.FAILED, None, None, 1))
    assert [type(action) for action in stop] == [StopPair]
    assert ending.step(LockCleared(), Instant(1)) == ()
    ending.step(Inspected(ONE, RUNNING), Instant(1))
    look = ending.step(Inspected(ONE, GONE), Instant(1))
    assert len(look) == 1
    ending.step(observed(2, lock=UNREADABLE), Instant(2))
    assert ending.deadline() == 3
    assert ending.tick(Instant(2.5)) == ()
    assert len(ending.tick(Instant(3))) == 1
    ending.step(observed(3), Instant(3))
    assert ending.outcome is NoticeKind.DIED


def test_a_launch_of_which_nobody_knows_is_looked_up() -> None:
    """Without a listing nobody can tell whether it was ever confirmed: look again."""
    ending = Ending(ONE, "n", Reason.MASTER_ENDED, confirmed=False)
    ending.by_itself(GONE)
    ending.step(observed(2, ledger=UNREADABLE), Instant(2))
    assert (ending.outcome, ending.deadline()) == (None, 3)
    ending.tick(Instant(3))
    ending.step(observed(3), Instant(3))
    assert ending.outcome is NoticeKind.FAILED


def test_another_masters_move_is_not_ours() -> None:
    """Without a guarded epoch of another host there is nothing to move."""
    seat = Seat(World(active=HERE))
    seat.world.add(confirmed(1, host=THERE, protection=type(confirmed(1).claim.protection)("none")))  # type: ignore[union-attr]
    seat.world.pairs[OURS] = Pair()
    seat.run(70)
    seat.step(TakeoverAsked("eve", migrate=True))
    seat.settle()
    assert (State.STALE, Reason.NOT_GUARDED, State.STANDBY) in seat.rows
