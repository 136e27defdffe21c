"""The bid: from the claim to the launch, and every way to give it up."""

from collections.abc import Callable

import pytest

from shadowd.core.actions import KeepLease, Launch, MakeClaim, Observe, PlaceLock, WriteNotice
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
    UNREADABLE,
    claim,
    confirmed,
    record,
    timing,
)
from tests.core.seat import Seat
from tests.core.world import World

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
    """Claim, look, lock, keep, announce, look, launch: each after the answer of the one before."""
    seat = guarded()
    phases.claiming(seat)
    start = len(seat.done) - 1
    seat.until(Launch)
    assert [type(action) for _, action in seat.done[start:]] == [
        MakeClaim,
        Observe,
        PlaceLock,
        KeepLease,
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
    assert seat.requests(WriteNotice).count(WriteNotice(Epoch(1), FAILED, f"{HERE}-1")) == 1
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
    # The notice ``started`` of the earlier claim comes up late: its lease counts now, not its window.
    seat.world.note(1, NoticeKind.STARTED)
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
def test_a_shutdown_during_the_bid(phase: Phase, *, moved: bool) -> None:
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
