"""The lease: dated early, never shortened, kept over a restart of the daemon, and tried without a record."""

from dataclasses import replace

import pytest

from shadowd.core.actions import Inspect, Observe, StopPair
from shadowd.core.events import Inspected
from shadowd.core.guard import Guard
from shadowd.core.lease import Lease, Reign
from shadowd.core.ledger import EpochRecord
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State
from shadowd.core.values import (
    BeatReading,
    Epoch,
    Instant,
    KeptLease,
    NoticeKind,
    Seconds,
)
from tests.core import phases
from tests.core.rounds import (
    BEGINNING,
    ELSEWHERE,
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
from tests.core.world import Pair, World

ONE = Epoch(1)
OURS = (HERE, ONE)
LEASE = 741


def kept(ends: float, nonce: str = "alpha-1") -> KeptLease:
    """Return a record that an earlier daemon left."""
    return KeptLease(ONE, nonce, Seconds(LEASE), Instant(ends))


def back(*records: object, ends: float, alive: bool = True) -> Seat:
    """Return a seat whose daemon comes back to a lease."""
    world = World(active=HERE)
    world.add(*records)  # type: ignore[arg-type]
    if alive:
        world.pairs[OURS] = Pair()
    return Seat(world, kept=kept(ends))


# --- the dates ---------------------------------------------------------------------------------------


def test_an_advance_is_dated_by_the_last_read_of_the_old_value() -> None:
    """The issue of the read before the one that shows it (rule 2)."""
    lease = Lease(ONE, "n", Seconds(100), begins=Instant(0))
    assert not lease.renew(observed(10, beat=reading(7, 10)))
    assert lease.renew(observed(20, beat=reading(8, 20, 25)))
    assert lease.ends == 110
    assert not lease.renew(observed(30, beat=UNREADABLE_BEAT))
    assert lease.renew(observed(40, beat=reading(9, 40)))
    assert lease.ends == 120
    assert (lease.over(Instant(119.9)), lease.over(Instant(120))) == (False, True)
    assert lease.kept() == KeptLease(ONE, "n", Seconds(100), Instant(120))


UNREADABLE_BEAT = reading(UNREADABLE, 30)


def test_a_lease_is_renewed_by_a_beat_alone() -> None:
    """A process beside the daemon reads nothing but the heartbeat, and goes on from what was kept."""
    lease = Lease.recalled(KeptLease(Epoch(1), "nonce", Seconds(100), Instant(600)))
    assert lease.ends == 600
    assert not lease.heed(BeatReading(7, Instant(530), Instant(531)))
    assert not lease.heed(BeatReading(7, Instant(560), Instant(561)))
    assert not lease.heed(BeatReading(UNREADABLE, Instant(570), Instant(571)))
    assert lease.heed(BeatReading(8, Instant(580), Instant(581)))
    assert lease.ends == 660


def test_a_lease_is_neglected_when_a_quarter_of_it_went_by_unrenewed() -> None:
    """A daemon that works renews it earlier, so whoever stands in leaves the heartbeat alone until then."""
    lease = Lease.recalled(KeptLease(Epoch(1), "nonce", Seconds(100), Instant(600)))
    assert not lease.neglected(Instant(525))
    assert lease.neglected(Instant(525.1))


def test_a_pause_that_was_read_counts_as_a_beat() -> None:
    """From the issue of the round that showed it."""
    lease = Lease(ONE, "n", Seconds(100), begins=Instant(0))
    assert lease.renew(observed(50, pause=PAUSE, pauses=1))
    assert lease.ends == 150
    assert not lease.renew(observed(60, pause=UNREADABLE))


@pytest.mark.parametrize(("number", "pauses"), [(0, 0), (0, 3), (3, None), (2, 3), (4, 3)])
def test_a_pause_that_a_sleeper_could_not_tell_of_renews_nothing(number: int, pauses: int | None) -> None:
    """Written by hand, or put back from a backup: whoever misses it sees no higher number afterwards."""
    lease = Lease(ONE, "n", Seconds(100), begins=Instant(0))
    assert not lease.renew(observed(50, pause=replace(PAUSE, number=number), pauses=pauses))


# --- kept over a restart -----------------------------------------------------------------------------


def test_a_guard_keeps_its_lease_on_this_host() -> None:
    """From before the launch, with each renewal, and no longer than something of it lives."""
    seat = Seat()
    phases.launching(seat)
    assert seat.kept is not None
    assert seat.kept.launching
    phases.active(seat)
    seat.run(100, masters_beat=True)
    assert seat.kept is not None
    assert seat.kept.ends == seat.cell.snapshot().due
    seat.world.pairs[OURS].end()
    seat.until(NoticeKind.DIED)
    assert seat.kept is None


def test_a_failed_launch_leaves_no_lease() -> None:
    """Nothing of it runs."""
    seat = Seat()
    seat.world.launch = lambda *_: None
    phases.launching(seat)
    seat.run(10)
    assert seat.world.records[ONE].outcome is NoticeKind.FAILED
    assert seat.kept is None


def test_a_lease_is_enforced_before_anything_shared_is_read() -> None:
    """The daemon comes back to a hung directory: its master dies in time all the same (rule 9)."""
    seat = back(confirmed(1, host=HERE), ends=BEGINNING + 50)
    seat.tick()
    assert [type(action) for action in seat.pending] == [Observe, type(seat.pending[1])]
    seat.pending = [action for action in seat.pending if not isinstance(action, Observe)]
    seat.run(49)
    assert seat.times(StopPair) == []
    seat.run(1)
    assert seat.times(StopPair) == [BEGINNING + 50]


def test_a_lease_that_ended_meanwhile_ends_the_master_at_once() -> None:
    """An expired lease is never renewed, whatever the directory would say."""
    seat = back(confirmed(1, host=HERE), ends=BEGINNING - 1)
    seat.settle()
    assert seat.times(StopPair) == [BEGINNING]
    assert (State.ACTIVE, Reason.LEASE_OVER, State.STANDBY) in seat.rows
    seat.run(1)
    assert seat.world.records[ONE].outcome is NoticeKind.STEPPED_DOWN


@pytest.mark.parametrize("listed", [True, False])
def test_a_lease_that_ran_out_on_purpose_puts_the_master_on_trial(*, listed: bool) -> None:
    """The daemon had been told to end, so that nobody renewed it: whether it beats is what counts."""
    world = World(active=HERE, unlisted=None if listed else UNREADABLE)
    world.add(confirmed(1, host=HERE, nonce="alpha-1"))
    world.pairs[OURS] = Pair()
    seat = Seat(world, kept=replace(kept(BEGINNING - 1), left=True))
    seat.run(14, masters_beat=True)
    assert world.pairs[OURS].alive
    seat.run(300, masters_beat=True)
    assert bool(world.pairs[OURS].alive) is listed


def test_a_master_that_beats_lives_on_over_a_restart() -> None:
    """The lease goes on where it stood and is renewed as before."""
    seat = back(confirmed(1, host=HERE), ends=BEGINNING + 50)
    seat.run(2000, masters_beat=True)
    assert seat.rows == [(State.STANDBY, Reason.ATTACHED, State.ACTIVE)]
    assert seat.times(StopPair) == []


def test_a_launch_under_way_is_handed_back_to_the_bidder() -> None:
    """Never confirmed and alive: it is confirmed, and not guarded before."""
    seat = back(record(1, NoticeKind.LAUNCHING, host=HERE), ends=BEGINNING + 50)
    seat.run(3, masters_beat=True)
    assert (State.ACTIVE, Reason.RESUMED, State.LAUNCHING) in seat.rows
    seat.run(60, masters_beat=True)
    assert seat.state is State.ACTIVE
    assert seat.world.records[ONE].confirmed


def test_a_resumed_launch_ends_with_its_lease() -> None:
    """A launch that never comes up does not outlive what its claim states."""
    seat = back(record(1, NoticeKind.LAUNCHING, host=HERE), ends=BEGINNING + 50)
    seat.world.pairs[OURS].beating = False
    seat.until(StopPair)
    assert seat.now == BEGINNING + 50


def test_a_launch_that_died_meanwhile_has_failed() -> None:
    """Nobody saw it run: it supersedes nobody."""
    seat = back(record(1, NoticeKind.LAUNCHING, host=HERE), ends=BEGINNING + 50, alive=False)
    seat.run(5)
    assert seat.world.records[ONE].outcome is NoticeKind.FAILED


def test_a_launch_whose_lease_ended_meanwhile_has_failed() -> None:
    """It is stopped first."""
    seat = back(record(1, NoticeKind.LAUNCHING, host=HERE), ends=BEGINNING)
    seat.run(5)
    assert seat.times(StopPair)
    assert seat.world.records[ONE].outcome is NoticeKind.FAILED


def test_a_master_that_died_meanwhile_is_closed() -> None:
    """The lease is no reason to believe that it lives."""
    seat = back(confirmed(1, host=HERE), ends=BEGINNING + 500, alive=False)
    seat.run(5)
    assert seat.world.records[ONE].outcome is NoticeKind.DIED


def test_a_lease_of_an_epoch_that_is_not_listed_writes_nothing() -> None:
    """A record of long ago: what is not listed was pruned or lost, and gets no notice of its own."""
    seat = back(ends=BEGINNING - 5000, alive=False)
    seat.run(5)
    assert seat.world.records == {}
    assert seat.state is State.STANDBY
    assert seat.kept is None


def test_a_guard_that_knows_nothing_yet_hands_nothing_back() -> None:
    """A listing before the first look at the processes: whether the launch lives is not known."""
    reign = Reign.recalled(kept(BEGINNING + 50), timing(), BEGINNING)
    guard = Guard(timing(), reign, policy(has_scheduler=False), now=BEGINNING)
    guard.begin(BEGINNING)
    ours = ledger(record(1, NoticeKind.LAUNCHING, host=HERE))
    assert guard.step(observed(BEGINNING, ledger=ours), BEGINNING) == ()
    assert guard.resume is None
    guard.step(Inspected(ONE, RUNNING), BEGINNING)
    guard.tick(Instant(BEGINNING + 1))
    assert guard.step(observed(BEGINNING + 1, ledger=ours), Instant(BEGINNING + 1)) == ()
    assert guard.resume is not None
    assert guard.outcome is None


# --- without a record --------------------------------------------------------------------------------


def found(**world: object) -> Seat:
    """Return a seat whose daemon finds its master, and no record of a lease."""
    seat = Seat(World(active=HERE, **world))  # type: ignore[arg-type]
    seat.world.add(confirmed(1, host=HERE))
    seat.world.pairs[OURS] = Pair()
    seat.settle()
    assert seat.state is State.ACTIVE
    return seat


def test_without_a_record_two_beats_must_be_enough() -> None:
    """No advance within two beats after a listing without a higher claim: stopped (rule 9)."""
    seat = found()
    seat.until(StopPair)
    assert seat.now == BEGINNING + 15 + 90


def test_without_a_record_a_beat_is_enough() -> None:
    """The lease runs from then on as ever."""
    seat = found()
    seat.run(3000, masters_beat=True)
    assert seat.times(StopPair) == []


def test_without_a_record_and_without_a_listing() -> None:
    """The directory hangs: one step-down, and no more."""
    seat = Seat(World(active=HERE))
    seat.world.add(confirmed(1, host=HERE))
    seat.world.pairs[OURS] = Pair()
    seat.tick()
    seat.answer()
    while seat.state is not State.ACTIVE:
        seat.answer()
    seat.pending = [action for action in seat.pending if not isinstance(action, Observe)]
    seat.until(StopPair)
    assert seat.now == BEGINNING + 15


def test_without_a_record_a_higher_claim_ends_it() -> None:
    """Whoever took over meanwhile is right."""
    seat = found()
    seat.world.add(record(2, host=ELSEWHERE))
    seat.run(2)
    assert seat.world.records[ONE].outcome is NoticeKind.STEPPED_DOWN


def test_a_record_of_which_nothing_runs_is_dropped_in_silence() -> None:
    """The listing tells what is to be closed; nobody stands back, and nobody is alarmed."""
    seat = back(confirmed(1, host=HERE), ends=BEGINNING - 50, alive=False)
    seat.tick()
    inspect = next(action for action in seat.pending if isinstance(action, Inspect))
    seat.pending.remove(inspect)
    seat.step(seat.world.perform(HERE, inspect, seat.now))
    assert seat.kept is None
    seat.run(3)
    assert (State.ACTIVE, Reason.GONE_BEFORE, State.STANDBY) in seat.rows
    assert seat.world.records[ONE].outcome is NoticeKind.DIED
    assert Reason.BACKING_OFF not in seat.reasons


def test_a_listing_that_comes_after_the_lease_tells_what_ended() -> None:
    """A confirmed master that was stopped for its lease has not failed to start, whoever knew it when."""
    seat = back(confirmed(1, host=HERE), ends=BEGINNING + 5)
    seat.tick()
    seat.pending = [action for action in seat.pending if not isinstance(action, Observe)]
    seat.until(StopPair)
    seat.step(seat.world.perform(HERE, Observe(), seat.now))
    seat.run(30)
    assert seat.world.records[ONE].outcome is NoticeKind.STEPPED_DOWN


def test_a_launch_whose_claim_cannot_be_read_is_guarded_until_it_can() -> None:
    """The bidder could not go on with it; its lease is enforced meanwhile."""
    seat = back(record(1, NoticeKind.LAUNCHING, host=HERE), ends=BEGINNING + 50)
    claim = seat.world.records[ONE].claim
    seat.world.records[ONE] = EpochRecord(ONE, UNREADABLE, frozenset({NoticeKind.LAUNCHING}))
    seat.run(10)
    assert seat.state is State.ACTIVE
    seat.world.records[ONE] = EpochRecord(ONE, claim, frozenset({NoticeKind.LAUNCHING}))
    seat.run(2)
    assert seat.state is not State.ACTIVE or seat.world.records[ONE].confirmed
