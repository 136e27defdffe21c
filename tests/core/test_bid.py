"""The bid: from the claim to the launch, and every way to give it up."""

from collections.abc import Callable

import pytest

from shadowd.core.actions import ClearLock, Launch, MakeClaim, Observe, PlaceLock, WriteNotice
from shadowd.core.events import ClaimAnswered, LockAnswered, LockCleared, NoticeAnswered, TakeoverAsked, Woken
from shadowd.core.ledger import EpochRecord
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State, Timer
from shadowd.core.values import Epoch, Instant, Lock, LockKind, NoticeKind
from tests.core import phases
from tests.core.phases import UNDER_THE_CLAIM, Phase
from tests.core.rounds import (
    ABSENT,
    BEGINNING,
    ELSEWHERE,
    FOREIGN,
    HERE,
    PAUSE,
    THERE,
    UNREADABLE,
    claim,
    confirmed,
    observed,
    record,
    timing,
)
from tests.core.world import Seat, World

FAILED = NoticeKind.FAILED
LICENCE = timing().licence
by_phase = pytest.mark.parametrize("phase", UNDER_THE_CLAIM, ids=lambda phase: phase.__name__)


def guarded() -> Seat:
    """Return a seat whose cell has a confirmed master of THERE, with a guard that may answer."""
    world = World()
    world.add(confirmed(1))
    return Seat(world)


def ended(seat: Seat) -> Reason:
    """Return why the last takeover came to nothing."""
    return next(reason for before, reason, after in reversed(seat.rows) if after is State.STANDBY)


def closed(seat: Seat, epoch: int = 1) -> bool:
    """Tell whether the epoch is closed as failed and its lock is gone."""
    return seat.world.records[Epoch(epoch)].outcome is FAILED and seat.world.lock != Lock(
        LockKind.CLAIM, Epoch(epoch), f"{HERE}-{epoch}"
    )


# --- the straight way --------------------------------------------------------------------------------


def test_the_order_of_a_takeover() -> None:
    """Claim, look, lock, announce, look, launch: each after the answer of the one before."""
    seat = guarded()
    phases.claiming(seat)
    start = len(seat.done) - 1
    seat.until(Launch)
    assert [type(action) for _, action in seat.done[start:]] == [
        MakeClaim,
        Observe,
        PlaceLock,
        WriteNotice,
        Observe,
        Launch,
    ]
    assert seat.world.records[Epoch(2)].launching
    assert seat.world.lock == Lock(LockKind.CLAIM, Epoch(2), "alpha-2")


def test_the_claim_states_its_terms() -> None:
    """One above the highest, naming what it supersedes and how long others have to wait for it."""
    seat = guarded()
    seat.world.add(record(2, FAILED, host=ELSEWHERE))
    asked = seat.until(MakeClaim)
    usual = timing()
    assert (asked.epoch, asked.supersedes) == (3, 2)
    assert (asked.lease, asked.licence, asked.window) == (usual.lease, usual.licence, usual.window)


def test_a_lost_reply_is_won() -> None:
    """What was read back carries our nonce: we hold it, whatever the first reply said."""
    seat = Seat()
    asked = seat.until(MakeClaim)
    seat.world.perform(seat.host, asked, seat.now)  # the link was made; its reply is lost
    seat.answer()
    assert seat.state is State.ACCOUNTING


def test_another_host_holds_the_number() -> None:
    """Lost: back to watching at once, nobody to blame, nothing of ours to close."""
    seat = Seat()
    phases.claiming(seat)
    seat.world.add(record(1, host=ELSEWHERE))
    seat.settle()
    assert ended(seat) is Reason.LOST
    assert seat.heard("takeover.lost")[0].detail == ELSEWHERE
    assert seat.cell.snapshot().attempts == 0
    assert seat.requests(WriteNotice) == []
    assert seat.reasons == [Reason.WINDOW_OPEN]


def test_nobody_can_say_who_holds_the_number() -> None:
    """Back off, and close the claim if it turns out to be ours."""
    seat = Seat()
    asked = seat.until(MakeClaim)
    seat.world.refuses[MakeClaim] = UNREADABLE
    seat.world.add(EpochRecord(asked.epoch, claim(1, HERE)))
    seat.settle()
    assert ended(seat) is Reason.CLAIM_UNKNOWN
    assert seat.cell.snapshot().attempts == 1
    assert closed(seat)
    del seat.world.refuses[MakeClaim]
    assert seat.until(MakeClaim).epoch == 2
    assert seat.now == pytest.approx(BEGINNING + 840 + 30, abs=1)


def test_a_hung_claim_is_of_no_use_any_more() -> None:
    """The licence runs from before the link: a claim that was answered too late is given up."""
    seat = Seat()
    phases.claiming(seat)
    assert (seat.cell.snapshot().timer, seat.cell.snapshot().due) == (Timer.LICENCE, seat.now + LICENCE)
    seat.now = Instant(seat.now + LICENCE)
    seat.settle()
    assert ended(seat) is Reason.LICENCE_OVER
    assert closed(seat)


def test_a_win_below_the_highest_is_no_win() -> None:
    """A number that is free only because it was pruned wins nothing."""
    seat = Seat()
    phases.claiming(seat)
    seat.world.add(record(5, host=ELSEWHERE))
    seat.settle()
    assert ended(seat) is Reason.SUPERSEDED
    assert seat.times(Launch) == []


# --- every phase, every obstacle ---------------------------------------------------------------------


@by_phase
@pytest.mark.parametrize(
    ("obstacle", "reason"),
    [
        (lambda world: world.add(record(2, host=ELSEWHERE)), Reason.SUPERSEDED),
        (lambda world: world.add(record(2, FAILED, host=ELSEWHERE)), Reason.SUPERSEDED),
        (lambda world: setattr(world, "lock", FOREIGN), Reason.LOCKED),
        (lambda world: setattr(world, "pause", PAUSE), Reason.PAUSED),
        (lambda world: setattr(world, "active", ELSEWHERE), Reason.ACTIVE_CHANGED),
        (lambda world: setattr(world, "resident", 4711), Reason.RESIDENT),
        (lambda world: world.advance_beat(), Reason.BEAT_MOVED),
    ],
    ids=["superseded", "superseded by a failed one", "locked", "paused", "active", "resident", "beat"],
)
def test_an_obstacle_in_each_phase(phase: Phase, obstacle: Callable[[World], None], reason: Reason) -> None:
    """Whatever turns up between the claim and the launch: no launch, lock cleared, claim closed, once."""
    seat = Seat()
    phase(seat)
    obstacle(seat.world)
    seat.settle()
    assert reason in [row[1] for row in seat.rows]
    assert Epoch(1) not in [launch.epoch for launch in seat.requests(Launch)]
    assert seat.world.records[Epoch(1)].outcome is FAILED
    assert seat.requests(WriteNotice).count(WriteNotice(Epoch(1), FAILED)) == 1
    assert seat.world.lock in {ABSENT, FOREIGN}


@by_phase
def test_the_licence_runs_out_in_each_phase(phase: Phase) -> None:
    """Listed first, then the licence, then the act: after its end nothing is placed or launched."""
    seat = Seat()
    phase(seat)
    seat.now = Instant(BEGINNING + 840 + LICENCE)
    seat.settle()
    assert ended(seat) is Reason.LICENCE_OVER
    assert seat.times(Launch) == []
    assert closed(seat)
    assert seat.cell.snapshot().attempts == 1


@pytest.mark.parametrize("phase", [phases.accounting, phases.looking])
def test_our_own_claim_vanished(phase: Phase) -> None:
    """A directory that forgot our claim is no ground to stand on."""
    seat = Seat()
    phase(seat)
    seat.world.records.clear()
    seat.settle()
    assert ended(seat) is Reason.LEDGER_SHRANK
    assert seat.times(Launch) == []


@pytest.mark.parametrize("phase", [phases.accounting, phases.looking])
@pytest.mark.parametrize("part", ["unlisted", "lock", "active", "pause", "beat"])
def test_doubt_waits_within_the_licence(phase: Phase, part: str) -> None:
    """A part that cannot be read now is read again and again, and never guessed; the licence bounds it."""
    seat = Seat()
    phase(seat)
    before = getattr(seat.world, part)
    setattr(seat.world, part, UNREADABLE)
    seat.run(10)
    assert seat.state in {State.ACCOUNTING, State.LAUNCHING}
    assert seat.times(Launch) == []
    setattr(seat.world, part, before)
    seat.run(1)
    assert seat.state is State.ACTIVE


@pytest.mark.parametrize("phase", [phases.accounting, phases.looking])
def test_doubt_that_lasts_is_given_up(phase: Phase) -> None:
    """Doubt never starts a master."""
    seat = Seat()
    phase(seat)
    seat.world.pause = UNREADABLE
    seat.run(LICENCE + 1)
    assert ended(seat) is Reason.LICENCE_OVER
    assert seat.times(Launch) == []


def test_looking_again_is_no_busy_loop() -> None:
    """While it waits inside the licence the bid looks a few times a second, at its own dates."""
    seat = Seat()
    phases.accounting(seat)
    seat.world.active = UNREADABLE
    looks = len(seat.times(Observe))
    seat.run(10)
    assert 30 <= len(seat.times(Observe)) - looks <= 41


def test_whoever_may_still_run_is_waited_for() -> None:
    """An account that opened after the verification is waited for, and costs the licence at most."""
    seat = Seat()
    seat.run(500)
    seat.world.add(record(1, host=ELSEWHERE))
    seat.until(MakeClaim)
    # The notice ``launching`` of the earlier claim comes up late: its lease counts now, not its window.
    seat.world.note(1, NoticeKind.LAUNCHING)
    seat.answer()
    seat.run(20)
    assert seat.state is State.ACCOUNTING
    seat.world.note(1, FAILED)
    seat.run(1)
    assert seat.state is State.ACTIVE


# --- the old guard answers ---------------------------------------------------------------------------


@pytest.mark.parametrize("notice", [NoticeKind.STEPPED_DOWN, NoticeKind.DIED])
def test_a_moved_beat_whose_guard_answers(notice: NoticeKind) -> None:
    """Our claim made a healthy master stop: giving up now would leave none, so we go on."""
    seat = guarded()
    phases.accounting(seat)
    seat.world.advance_beat()
    seat.run(5)
    assert seat.state is State.ACCOUNTING
    seat.world.note(1, notice)
    seat.run(1)
    assert seat.state is State.ACTIVE


def test_a_moved_beat_whose_guard_is_silent() -> None:
    """Nobody answers within ``step_down_timeout``: somebody lives there, and the claim is closed."""
    seat = guarded()
    phases.accounting(seat)
    seat.world.advance_beat()
    seat.run(14.9)
    assert seat.state is State.ACCOUNTING
    seat.run(0.5)
    assert ended(seat) is Reason.BEAT_MOVED
    assert closed(seat, 2)
    assert seat.cell.snapshot().attempts == 0, "nobody's fault"


def test_a_beat_that_goes_on_moving_is_waited_for_once() -> None:
    """Further beats do not prolong the wait for the guard's answer."""
    seat = guarded()
    phases.accounting(seat)
    for _ in range(31):
        seat.world.advance_beat()
        seat.run(0.5)
    assert ended(seat) is Reason.BEAT_MOVED


def test_a_beat_after_the_guards_answer() -> None:
    """The old one said that it was gone, and still it beats: somebody else does."""
    seat = guarded()
    phases.accounting(seat)
    seat.world.note(1, NoticeKind.STEPPED_DOWN)
    seat.world.advance_beat()
    seat.answer()
    seat.world.advance_beat()
    seat.settle()
    assert ended(seat) is Reason.BEAT_MOVED
    assert seat.times(Launch) == []


@by_phase
@pytest.mark.parametrize("moved", [True, False])
def test_a_shutdown_during_the_bid(phase: Phase, moved: bool) -> None:  # noqa: FBT001 - a column
    """``stopped`` binds without the lock, whether or not the beat moved before it."""
    seat = guarded()
    phase(seat)
    if moved:
        seat.world.advance_beat()
    seat.world.note(1, NoticeKind.STOPPED)
    seat.settle()
    assert ended(seat) is Reason.SHUT_DOWN
    assert seat.times(Launch) == []
    assert closed(seat, 2)


@pytest.mark.parametrize("notice", [NoticeKind.STEPPED_DOWN, None])
def test_a_beat_under_the_lock_ends_the_bid(notice: NoticeKind | None) -> None:
    """At the last look a moved beat is always the end; a guard's notice makes the next bid quick."""
    seat = guarded()
    phases.looking(seat)
    seat.world.advance_beat()
    if notice is not None:
        seat.world.note(1, notice)
    seat.run(4)
    assert (State.LAUNCHING, Reason.BEAT_MOVED, State.STANDBY) in seat.rows
    assert (seat.state is State.ACTIVE) is (notice is not None)


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
    gaps = [round(later - earlier) for earlier, later in zip(times, times[1:], strict=False)]
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
