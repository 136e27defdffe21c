"""Own epochs: what a daemon that comes back finds of itself, and the outcomes it owes (PROTOCOL rule 14)."""

import pytest

from shadowd.core.actions import ClearLock, ClearMark, Inspect, MakeClaim, Observe, StopPair, WriteNotice
from shadowd.core.ledger import EpochRecord
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State, Timer
from shadowd.core.values import ClaimReason, Epoch, ExitKind, Lock, LockKind, NoticeKind, Seconds
from tests.core import phases
from tests.core.rounds import (
    ABSENT,
    BEGINNING,
    ELSEWHERE,
    FOREIGN,
    HERE,
    THERE,
    UNREADABLE,
    claim,
    confirmed,
    record,
)
from tests.core.seat import Seat
from tests.core.world import Pair, World

DIED, STOPPED, FAILED = NoticeKind.DIED, NoticeKind.STOPPED, NoticeKind.FAILED
OURS = (HERE, Epoch(1))


def restarted(*records: EpochRecord, pair: Pair | None = None, lock: Lock = ABSENT) -> Seat:
    """Return a seat whose daemon starts into a cell with epochs of its earlier life."""
    world = World(lock=lock)
    world.add(*records)
    if pair is not None:
        world.pairs[OURS] = pair
    return Seat(world)


def outcomes(seat: Seat) -> list[tuple[int, NoticeKind]]:
    """Return the notices that were asked for."""
    return [(notice.epoch, notice.kind) for notice in seat.requests(WriteNotice)]


# --- alive -------------------------------------------------------------------------------------------


def test_a_running_master_is_attached() -> None:
    """Recognised by epoch and nonce: guarded again, nothing claimed, nothing launched."""
    seat = restarted(confirmed(1, host=HERE), pair=Pair())
    seat.settle()
    assert seat.rows == [(State.STANDBY, Reason.ATTACHED, State.ACTIVE)]
    seat.run(2000, masters_beat=True)
    assert seat.state is State.ACTIVE
    assert seat.times(MakeClaim) == []
    assert seat.times(StopPair) == []


def test_an_attached_master_has_the_lease_of_its_claim() -> None:
    """Others count by what the claim states, whatever the configuration says now."""
    seat = restarted(confirmed(1, host=HERE, lease=Seconds(100.0)), pair=Pair())
    seat.settle()
    seat.run(10)
    seat.world.advance_beat()
    seat.run(2)
    shown = seat.cell.snapshot()
    assert shown.timer is Timer.LEASE
    assert BEGINNING + 109 <= shown.due <= BEGINNING + 110
    seat.until(StopPair)
    assert seat.now == shown.due


def test_an_attached_master_that_was_superseded_is_stopped() -> None:
    """While the daemon was away another host took over: the ghost dies at the first look."""
    seat = restarted(confirmed(1, host=HERE), record(2, host=ELSEWHERE), pair=Pair())
    seat.run(1)
    assert seat.world.records[Epoch(1)].outcome is NoticeKind.STEPPED_DOWN
    assert seat.world.pairs[OURS].alive == 0


def test_a_launch_under_way_is_resumed() -> None:
    """Alive and not confirmed: the confirmation goes on, on trial without a record, and no second start."""
    seat = restarted(record(1, NoticeKind.LAUNCHING, host=HERE), pair=Pair(), lock=ABSENT)
    seat.world.active = HERE
    seat.settle()
    assert seat.rows == [(State.STANDBY, Reason.RESUMED, State.LAUNCHING)]
    assert seat.cell.snapshot().due == BEGINNING + 15 + 3 * 30
    seat.world.advance_beat()
    seat.run(1)
    assert seat.state is State.ACTIVE
    assert outcomes(seat) == [(1, NoticeKind.STARTED)]
    assert [type(action) for _, action in seat.done].count(MakeClaim) == 0


def test_a_resumed_launch_has_the_lease_of_its_claim() -> None:
    """As for an attached one."""
    seat = restarted(record(1, NoticeKind.LAUNCHING, host=HERE, lease=Seconds(100.0)), pair=Pair())
    seat.world.active = HERE
    seat.run(1)
    seat.world.advance_beat()
    seat.run(1)
    assert seat.state is State.ACTIVE
    assert BEGINNING + 100 <= seat.cell.snapshot().due <= BEGINNING + 102


def test_a_resumed_launch_that_comes_to_nothing() -> None:
    """Stopped, its lock cleared, closed as failed: as if the daemon had never been away."""
    lock = Lock(LockKind.CLAIM, Epoch(1), "alpha-1")
    seat = restarted(record(1, NoticeKind.LAUNCHING, host=HERE), pair=Pair(beating=False), lock=lock)
    seat.run(106)
    assert (State.LAUNCHING, Reason.LAUNCH_TIMEOUT, State.STANDBY) in seat.rows
    ending = [type(action) for when, action in seat.done if when == BEGINNING + 15 + 3 * 30]
    assert ending[:3] == [StopPair, ClearLock, WriteNotice]
    assert outcomes(seat) == [(1, FAILED)]
    assert seat.world.pairs[OURS].alive == 0
    assert seat.world.lock == ABSENT


def test_a_resumed_launch_that_was_superseded() -> None:
    """Another host claimed meanwhile: stopped at the first look."""
    seat = restarted(record(1, NoticeKind.LAUNCHING, host=HERE), record(2, host=ELSEWHERE), pair=Pair())
    seat.settle()
    assert (State.LAUNCHING, Reason.SUPERSEDED, State.STANDBY) in seat.rows
    assert outcomes(seat) == [(1, FAILED)]


def test_only_one_of_our_epochs_lives() -> None:
    """The live one is guarded; the others are closed when the guard is done."""
    seat = restarted(record(1, host=HERE), confirmed(2, host=HERE), record(3, FAILED, host=HERE))
    seat.world.pairs[HERE, Epoch(2)] = Pair()
    seat.settle()
    assert seat.state is State.ACTIVE
    assert seat.requests(Inspect)[0].epoch == 1
    assert seat.world.records[Epoch(1)].open
    seat.world.pairs[HERE, Epoch(2)] = Pair(ExitKind.FAILED)
    seat.run(2)
    assert seat.world.records[Epoch(2)].outcome is DIED
    assert seat.world.records[Epoch(1)].outcome is FAILED


# --- dead --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("notices", "lock", "outcome"),
    [
        ((), ABSENT, FAILED),
        ((NoticeKind.LAUNCHING,), ABSENT, FAILED),
        ((NoticeKind.LAUNCHING,), FOREIGN, FAILED),
        ((NoticeKind.LAUNCHING, NoticeKind.STARTED), ABSENT, DIED),
        ((NoticeKind.LAUNCHING, NoticeKind.STARTED), Lock(LockKind.CLAIM, Epoch(1), "x"), DIED),
        ((NoticeKind.LAUNCHING, NoticeKind.STARTED), FOREIGN, STOPPED),
    ],
)
def test_a_dead_epoch_is_closed(notices: tuple[NoticeKind, ...], lock: Lock, outcome: NoticeKind) -> None:
    """Never confirmed: failed. Confirmed: died, or stopped where the mark of a shutdown lies."""
    seat = restarted(record(1, *notices, host=HERE), lock=lock)
    seat.settle()
    assert outcomes(seat) == [(1, outcome)]
    assert seat.world.records[Epoch(1)].outcome is outcome


def test_an_unreadable_lock_closes_nothing() -> None:
    """A crash or a shutdown, nobody can tell: no outcome until the lock can be read, and no bid either."""
    seat = restarted(confirmed(1, host=HERE))
    seat.world.lock = UNREADABLE
    seat.run(300)
    assert outcomes(seat) == []
    assert Reason.OWES_OUTCOME in seat.reasons
    seat.world.lock = FOREIGN
    seat.run(60)
    assert outcomes(seat) == [(1, STOPPED)]


def test_the_lock_is_read_after_the_processes() -> None:
    """A master that is shut down while the daemon starts: its mark comes after the first round."""
    seat = restarted(confirmed(1, host=HERE))
    seat.until(Inspect)
    seat.world.lock = FOREIGN
    seat.settle()
    assert outcomes(seat) == [(1, STOPPED)]


def test_several_dead_epochs_are_all_closed() -> None:
    """One after the other, each as it ended."""
    seat = restarted(
        confirmed(1, host=HERE), record(2, host=HERE), record(3, NoticeKind.LAUNCHING, host=HERE)
    )
    seat.run(10)
    assert set(outcomes(seat)) == {(1, DIED), (2, FAILED), (3, FAILED)}


@pytest.mark.parametrize(
    "stranger",
    [
        confirmed(1, host=THERE),
        confirmed(1, host=HERE, machine_id="another machine of this name", boot_id="its boot"),
        EpochRecord(Epoch(1), UNREADABLE),
        confirmed(1, DIED, host=HERE),
    ],
    ids=["another host", "another machine", "unreadable", "closed"],
)
def test_what_is_not_ours_is_left_alone(stranger: EpochRecord) -> None:
    """Only open epochs of this host *and* machine are ours to close."""
    seat = restarted(stranger)
    seat.run(300)
    assert seat.times(Inspect) == []
    assert outcomes(seat) == []


def test_what_lies_in_an_unreadable_directory_is_not_closed() -> None:
    """An old listing is no ground for an outcome."""
    seat = restarted(confirmed(1, host=HERE))
    seat.world.unlisted = UNREADABLE
    seat.run(300)
    assert seat.times(Inspect) == []
    assert seat.reasons == [Reason.CELL_UNREADABLE]


# --- owed --------------------------------------------------------------------------------------------


def test_an_owed_outcome_is_tried_each_second() -> None:
    """Until it is on disk; no bid before that, and no busy loop."""
    seat = restarted(confirmed(1, host=HERE))
    seat.world.refuses[DIED] = UNREADABLE
    seat.run(2000)
    assert 1990 <= len(seat.times(WriteNotice)) <= 2001
    assert Reason.OWES_OUTCOME in seat.reasons
    assert seat.times(MakeClaim) == []
    seat.world.refuses.clear()
    seat.run(1)
    assert seat.world.records[Epoch(1)].outcome is DIED
    seat.run(60)
    assert seat.state is State.ACTIVE


def test_an_outcome_that_was_written_is_never_another() -> None:
    """The directory cannot be listed, but written: one outcome, once, and no busy loop."""
    seat = Seat()
    phases.active(seat)
    seat.world.unlisted = UNREADABLE
    seat.run(2000, masters_beat=True)
    written = [kind for _, kind in outcomes(seat) if kind not in {NoticeKind.LAUNCHING, NoticeKind.STARTED}]
    assert written == [NoticeKind.STEPPED_DOWN]


def test_an_outcome_that_vanished_is_written_again() -> None:
    """The same one, after a second, however often it vanishes."""
    seat = restarted(confirmed(1, host=HERE))
    seat.settle()
    for _ in range(3):
        seat.world.records[Epoch(1)] = confirmed(1, host=HERE)
        seat.world.lock = FOREIGN
        seat.run(62)
        assert seat.world.records[Epoch(1)].outcome is DIED
    assert set(outcomes(seat)) == {(1, DIED)}
    assert len(outcomes(seat)) == 4


def test_an_outcome_that_is_never_listed_is_no_busy_loop() -> None:
    """The write succeeds and the listing never shows it: once a second is enough."""
    seat = restarted(confirmed(1, host=HERE))
    seat.run(600, after=lambda: seat.world.add(confirmed(1, host=HERE)))
    assert len(seat.times(WriteNotice)) <= 601
    assert len(seat.times(Observe)) <= 1500


def test_an_owed_epoch_that_was_closed_by_others() -> None:
    """Whatever outcome it was given is its outcome: nothing is owed any more."""
    seat = restarted(confirmed(1, host=HERE))
    seat.world.refuses[DIED] = UNREADABLE
    seat.run(5)
    seat.world.note(1, STOPPED)
    seat.run(2)
    tries = len(seat.times(WriteNotice))
    seat.run(60)
    assert len(seat.times(WriteNotice)) == tries
    assert Reason.OWES_OUTCOME not in seat.reasons


def test_nothing_is_owed_for_what_a_later_confirmed_epoch_left_behind() -> None:
    """Somebody closed it, and listings leave it out since: no other outcome is taken, or asked for."""
    seat = restarted(confirmed(1, host=HERE))
    seat.world.refuses[DIED] = UNREADABLE
    seat.run(5)
    assert Reason.OWES_OUTCOME in seat.reasons
    del seat.world.records[Epoch(1)]
    seat.world.add(confirmed(2, host=THERE))
    seat.run(2)
    tries = len(seat.times(WriteNotice))
    seat.run(60)
    assert len(seat.times(WriteNotice)) == tries
    assert Reason.OWES_OUTCOME not in seat.reasons


def test_nothing_is_owed_for_a_number_that_another_claim_holds() -> None:
    """The directory was another one when ours was made: its epoch 1 is not the one that is listed now."""
    seat = Seat()
    phases.active(seat)
    theirs = confirmed(1, host=THERE)
    seat.world.records[Epoch(1)] = theirs
    seat.run(10, masters_beat=True)
    assert seat.times(StopPair)
    assert (State.ACTIVE, Reason.SUPERSEDED, State.STANDBY) in seat.rows
    assert seat.world.records[Epoch(1)] == theirs
    assert Reason.OWES_OUTCOME not in seat.reasons


def test_an_end_in_one_directory_closes_nothing_in_another() -> None:
    """A debt that could not be written is forgotten where the number is another claim's."""
    seat = restarted(confirmed(1, host=HERE))
    seat.world.refuses[DIED] = UNREADABLE
    seat.run(5)
    theirs = confirmed(1, host=THERE)
    seat.world.records[Epoch(1)] = theirs
    seat.world.refuses.clear()
    seat.run(60, masters_beat=True)
    assert seat.world.records[Epoch(1)] == theirs
    assert Reason.OWES_OUTCOME not in seat.reasons


def test_what_was_found_gone_in_one_directory_is_not_closed_in_another() -> None:
    """Found without a process, and another claim of the number before the next look at the lock."""
    seat = restarted(confirmed(1, host=HERE))
    seat.world.lock = UNREADABLE
    seat.run(5)
    theirs = confirmed(1, host=HERE, nonce="another", machine_id="another", boot_id="another")
    seat.world.records[Epoch(1)] = theirs
    seat.world.lock = ABSENT
    seat.run(60, masters_beat=True)
    assert seat.world.records[Epoch(1)] == theirs


def test_two_owed_outcomes_are_both_written() -> None:
    """One that cannot be written does not keep the other for ever."""
    seat = restarted(confirmed(1, host=HERE), record(2, host=HERE))
    seat.world.refuses[DIED] = UNREADABLE
    seat.run(10)
    seat.world.refuses.clear()
    seat.run(5)
    assert {item.outcome for item in seat.world.records.values()} == {DIED, FAILED}


def test_our_own_open_claim_is_no_obstacle_for_long() -> None:
    """A daemon that was killed after its claim closes it at its next start, and may bid again."""
    seat = restarted(record(1, host=HERE))
    seat.settle()
    assert seat.world.records[Epoch(1)].outcome is FAILED
    assert seat.until(MakeClaim).epoch == 2
    assert seat.now == BEGINNING + 840
    assert claim(2, HERE).host == HERE


# --- a planned end that a reboot cut short -------------------------------------------------------------

STEPPING_DOWN, STEPPED_DOWN = NoticeKind.STEPPING_DOWN, NoticeKind.STEPPED_DOWN


def announced(epoch: int = 1) -> EpochRecord:
    """Return an epoch of this host that was about to step down."""
    made = confirmed(epoch, host=HERE)
    return EpochRecord(made.epoch, made.claim, made.notices | {STEPPING_DOWN})


def test_the_mark_of_a_planned_end_is_taken_away_before_it_is_told() -> None:
    """The guard did not live to do it: nobody ordered a shutdown."""
    seat = restarted(announced(), record(2, host=ELSEWHERE, reason=ClaimReason.MIGRATE), lock=FOREIGN)
    seat.until(ClearMark)
    assert seat.world.records[Epoch(1)].open
    seat.run(2)
    assert seat.world.lock == ABSENT
    assert outcomes(seat) == [(1, STEPPED_DOWN)]


def test_a_mark_that_cannot_be_taken_away_is_tried_again() -> None:
    """With the next look, and nothing is told before."""
    seat = restarted(announced(), lock=FOREIGN)
    seat.world.refuses[ClearMark] = UNREADABLE
    seat.run(200)
    assert len(seat.times(ClearMark)) >= 2
    assert seat.world.records[Epoch(1)].open
    del seat.world.refuses[ClearMark]
    seat.run(130)
    assert seat.world.lock == ABSENT
    assert outcomes(seat) == [(1, STEPPED_DOWN)]


def test_a_planned_end_without_a_mark_is_told() -> None:
    """It ended by the reboot, before or after the mark."""
    seat = restarted(announced())
    seat.run(2)
    assert outcomes(seat) == [(1, STEPPED_DOWN)]
    assert seat.times(ClearMark) == []


def test_the_mark_of_a_later_master_is_its_own() -> None:
    """Since then another one was confirmed, and shut down: that binds."""
    seat = restarted(announced(), confirmed(2, STOPPED, host=ELSEWHERE), lock=FOREIGN)
    seat.run(200)
    assert seat.times(ClearMark) == []
    assert seat.world.lock == FOREIGN
