"""Watching: when the cell is read, what is said, and what the verification makes of it."""

import pytest

from shadowd.core.actions import Level, ListEpochs, MakeClaim, Observe, Probe
from shadowd.core.events import Woken
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State, Timer
from shadowd.core.values import ClaimReason, Instant, NoticeKind, ProbeOutcome
from tests.core.rounds import (
    BEGINNING,
    ELSEWHERE,
    FOREIGN,
    HERE,
    PAUSE,
    THERE,
    UNREADABLE,
    confirmed,
    policy,
    record,
    timing,
)
from tests.core.seat import Seat
from tests.core.world import World

DIED = NoticeKind.DIED


def claimed_cell() -> Seat:
    """Return a seat that watches a confirmed master of THERE."""
    world = World()
    world.add(confirmed(1))
    return Seat(world)


# --- when to look ------------------------------------------------------------------------------------


def test_the_first_round_comes_at_once() -> None:
    """A daemon that starts looks before it says anything."""
    seat = Seat()
    assert seat.cell.deadline() == BEGINNING
    assert seat.reasons == [Reason.LOOKING]
    seat.tick()
    assert seat.pending == [Observe()]
    assert seat.cell.deadline() > 10**18, "one request at a time"
    seat.tick()
    assert seat.pending == [Observe()]


def test_being_woken_looks_early_at_most_once_a_second() -> None:
    """A flood of hints is no flood of reads."""
    seat = Seat()
    seat.run(30)
    for _ in range(100):
        seat.step(Woken())
        seat.settle()
    assert len(seat.times(Observe)) == 2
    seat.run(0.5)
    seat.step(Woken())
    seat.settle()
    assert len(seat.times(Observe)) == 2
    seat.run(0.5)
    assert len(seat.times(Observe)) == 3


def test_being_woken_before_the_first_round() -> None:
    """A hint that comes before anything was read finds the first round due anyway."""
    seat = Seat()
    seat.step(Woken())
    assert seat.pending == [Observe()]


def test_being_woken_while_waiting_asks_nothing_twice() -> None:
    """A hint during a read adds no second one."""
    seat = Seat()
    seat.run(30)
    seat.until(Observe)
    seat.step(Woken())
    assert seat.pending == [Observe()]


def test_notices_are_listed_often_while_a_guard_could_write_one() -> None:
    """Every two seconds, and only while the last confirmed epoch is open."""
    seat = claimed_cell()
    seat.run(20)
    assert len(seat.times(ListEpochs)) == 11
    unclaimed = Seat()
    unclaimed.run(200)
    assert unclaimed.times(ListEpochs) == []


def test_notices_are_not_listed_where_they_are_ignored() -> None:
    """With ``death_notice = "ignore"`` nobody looks for one, and one that is there hastens nothing."""
    world = World()
    world.add(confirmed(1))
    seat = Seat(world, policy=policy(death_skips_timers=False))
    seat.run(100)
    assert seat.times(ListEpochs) == []
    world.note(1, DIED)
    seat.until(MakeClaim)
    assert seat.now == BEGINNING + 840


# --- death notices -----------------------------------------------------------------------------------


def test_a_fresh_death_notice_skips_both_timers() -> None:
    """Proof, not suspicion: takeover within a notice interval."""
    seat = claimed_cell()
    seat.run(100)
    seat.world.note(1, DIED)
    claim = seat.until(MakeClaim)
    assert seat.now <= BEGINNING + 102
    assert claim.reason is ClaimReason.DEATH_NOTICE


def test_a_death_notice_of_a_master_that_came_between_two_checks() -> None:
    """Another took over and died since our last full round: act_qmaster is read again, and counts then."""
    seat = claimed_cell()
    seat.run(100)
    seat.world.note(1, NoticeKind.STEPPED_DOWN)
    seat.world.add(confirmed(2, host=ELSEWHERE))
    seat.world.active = ELSEWHERE
    seat.run(4)
    seat.world.note(2, DIED)
    seat.until(MakeClaim, 3)


def test_a_death_notice_of_another_than_the_master() -> None:
    """The master was moved by hand: the closing of its old epoch, on another host, hastens nothing."""
    world = World(active=ELSEWHERE)
    world.add(confirmed(1))
    seat = Seat(world)
    seat.run(100)
    world.note(1, DIED)
    seat.run(20)
    assert len(seat.times(Observe)) == 3, "one look more, and no more than one"
    seat.until(MakeClaim)
    assert seat.now == BEGINNING + 840


@pytest.mark.parametrize("outcome", [NoticeKind.STOPPED, NoticeKind.FAILED])
def test_other_outcomes_skip_nothing(outcome: NoticeKind) -> None:
    """Neither a shutdown nor a failed launch is a death notice."""
    seat = claimed_cell()
    seat.run(100)
    seat.world.note(1, outcome)
    seat.run(700)
    assert seat.times(MakeClaim) == []


def test_an_old_death_notice_hastens_nothing() -> None:
    """One that was there at the first listing may be years old."""
    world = World()
    world.add(confirmed(1, DIED))
    seat = Seat(world)
    seat.until(MakeClaim)
    assert seat.now == BEGINNING + 840


def test_a_death_notice_with_a_later_claim_open_waits() -> None:
    """While somebody else may be about to launch, the timers and his window count."""
    seat = claimed_cell()
    seat.run(100)
    seat.world.add(record(2, host=ELSEWHERE))
    seat.world.note(1, DIED)
    seat.run(60)
    assert seat.times(MakeClaim) == []
    seat.world.note(2, NoticeKind.FAILED)
    seat.until(MakeClaim)
    assert seat.now <= BEGINNING + 240, "found at the next check, for nothing is listed in between"


def test_a_death_notice_overtaken_by_a_beat() -> None:
    """Somebody started a master by hand after it: the timers count again."""
    seat = claimed_cell()
    seat.run(100)
    seat.world.note(1, DIED)
    seat.world.pause = PAUSE
    seat.run(60)
    seat.world.advance_beat()
    seat.run(60)
    seat.world.pause = None
    seat.run(800)
    assert seat.times(MakeClaim) == []


def test_an_answering_master_overtakes_a_death_notice_that_is_old_news() -> None:
    """It was there before this daemon looked: nobody here knows what lived since, so the port is asked."""
    world = World(probe=ProbeOutcome.ANSWERS)
    world.add(confirmed(1, DIED))
    seat = Seat(world)
    seat.run(900)
    assert len(seat.times(Probe)) == 1
    assert seat.rows[-1][1:] in {(Reason.MASTER_ANSWERS, State.STANDBY), (Reason.SILENT, State.STALE)}


def test_a_listing_that_fails_is_no_news() -> None:
    """An unreadable directory between two checks changes nothing."""
    seat = claimed_cell()
    seat.run(10)
    seat.world.unlisted = UNREADABLE
    seat.run(40)
    assert seat.state is State.STANDBY
    assert seat.cell.snapshot().master == THERE


# --- the verification --------------------------------------------------------------------------------


def test_a_bid_needs_a_probe_and_one_more_round() -> None:
    """Silence alone claims nothing: first the probe, then all files once more."""
    seat = Seat()
    seat.until(MakeClaim)
    last = [type(action) for _, action in seat.done[-4:]]
    assert last == [Observe, Probe, Observe, MakeClaim]


@pytest.mark.parametrize("outcome", [ProbeOutcome.REFUSES, ProbeOutcome.SILENT])
def test_a_probe_without_an_answer_is_no_obstacle(outcome: ProbeOutcome) -> None:
    """Refused or silent: the timers have decided already."""
    seat = Seat(World(probe=outcome))
    seat.until(MakeClaim)
    assert seat.now == BEGINNING + 840


def test_an_answering_master_is_alive() -> None:
    """A stuck heartbeat with a living master is reported, never replaced; its answer restarts the silence."""
    seat = Seat(World(probe=ProbeOutcome.ANSWERS))
    seat.run(840 + 839)
    assert [line.reason for line in seat.heard("heartbeat.stuck")] == [Reason.MASTER_ANSWERS]
    seat.run(2)
    assert len(seat.heard("heartbeat.stuck")) == 2
    assert seat.times(MakeClaim) == []


def test_an_answer_is_dated_at_its_coming() -> None:
    """What passed before the master answered is not silence after it."""
    seat = Seat(World(probe=ProbeOutcome.ANSWERS))
    seat.until(Probe)
    seat.now = Instant(seat.now + 9)
    seat.settle()
    seat.world.probe = ProbeOutcome.REFUSES
    answered = seat.now
    seat.until(MakeClaim)
    assert seat.now == pytest.approx(answered + 840)


def failing() -> Seat:
    """Return a seat whose launches come to nothing, after some of them."""
    seat = Seat(World(launch=lambda *_: None))
    seat.run(1150)
    assert seat.cell.snapshot().attempts > 0
    return seat


def test_a_beat_of_a_confirmed_master_ends_the_back_off_at_once() -> None:
    """Its record says that it is one."""
    seat = failing()
    seat.world.add(confirmed(50))
    seat.world.advance_beat()
    seat.run(60)
    assert seat.cell.snapshot().attempts == 0


def test_beats_of_launches_that_come_to_nothing_end_no_back_off() -> None:
    """Where guards beat, every attempt of the other host moves the heartbeat; each is a new epoch."""
    seat = failing()
    attempts = seat.cell.snapshot().attempts
    for epoch in range(50, 56):
        seat.world.add(record(epoch, NoticeKind.LAUNCHING, host=ELSEWHERE))
        for _ in range(2):
            seat.world.advance_beat()
            seat.run(60)
        seat.world.note(epoch, NoticeKind.FAILED)
        seat.world.advance_beat()
        seat.run(60)
    assert seat.cell.snapshot().attempts >= attempts


def test_doubt_while_stale_waits() -> None:
    """Silent for long, but a foreign lock lies there: nothing happens, however long; then it goes on."""
    seat = Seat(World(lock=FOREIGN))
    seat.run(5000)
    assert seat.state is State.STALE
    assert seat.times(Probe) == []
    assert seat.reasons == [Reason.LOCKED]
    seat.world.lock = World().lock
    seat.until(MakeClaim)


def test_an_open_claim_is_waited_for_and_not_longer() -> None:
    """A claimant that crashed before ``launching`` costs one window."""
    seat = Seat()
    seat.run(800)
    seat.world.add(record(1, host=ELSEWHERE))
    seat.until(MakeClaim)
    window = timing().window * 1.02
    assert seat.now == pytest.approx(BEGINNING + 840 + window, abs=1), "seen at the check of 840 s"
    assert seat.requests(MakeClaim)[0].epoch == 2


def test_a_lease_is_waited_for_whatever_our_timers_say() -> None:
    """No bid on suspicion before the stated lease of the last confirmed epoch has ended (rule 5)."""
    world = World()
    world.add(confirmed(1))
    seat = Seat(world, timing=timing(stale_after=60, delay=0))
    seat.until(MakeClaim)
    assert seat.now == pytest.approx(BEGINNING + 741 * 1.02 + 6)


# --- what is said ------------------------------------------------------------------------------------


def test_an_obstacle_is_said_once_and_its_end_once() -> None:
    """One line when something begins to speak against a takeover, one when nothing does any more."""
    seat = Seat(World(lock=FOREIGN))
    seat.run(200)
    (line,) = seat.heard("shadow.ineligible")
    assert (line.reason, line.level) == (Reason.LOCKED, Level.WARNING)
    seat.world.lock = World().lock
    seat.run(60)
    assert [line.reason for line in seat.heard("shadow.eligible")] == [Reason.ALL_CLEAR]


def test_a_second_obstacle_is_said_alone() -> None:
    """The first is known already."""
    seat = Seat(World(lock=FOREIGN))
    seat.run(60)
    seat.world.beat = UNREADABLE
    seat.run(60)
    assert [line.reason for line in seat.said] == [Reason.LOCKED, Reason.BEAT_UNKNOWN]
    assert seat.said[1].event == "heartbeat.unknown"


def test_what_passes_by_itself_is_not_said() -> None:
    """While the master beats nobody needs to hear of leases and windows."""
    seat = claimed_cell()
    seat.run(100, masters_beat=True)
    assert seat.reasons == [Reason.LEASE_RUNS]
    assert seat.said == []


# --- what is shown -----------------------------------------------------------------------------------


def test_the_timer_that_runs() -> None:
    """While nothing can be counted the next check is shown; a wait longer than the delay is shown as such."""
    world = World(beat=UNREADABLE)
    seat = Seat(world)
    seat.run(30)
    assert (seat.cell.snapshot().timer, seat.cell.snapshot().due) == (Timer.NEXT_CHECK, BEGINNING + 60)
    seat = Seat(timing=timing(stale_after=240, delay=60))
    seat.run(295)
    seat.world.add(record(1, host=ELSEWHERE))
    seat.run(10)
    shown = seat.cell.snapshot()
    assert shown.timer is Timer.TAKEOVER
    assert shown.due == pytest.approx(BEGINNING + 300 + timing().window * 1.02, abs=1)


def test_a_stale_cell_whose_beat_became_unreadable() -> None:
    """The takeover has no date; the next check is shown instead."""
    seat = Seat()
    seat.run(300)
    seat.world.beat = UNREADABLE
    seat.run(60)
    assert seat.cell.snapshot().timer is Timer.TAKEOVER
    assert seat.cell.snapshot().due == BEGINNING + 420


def test_an_unknown_list_of_shadows_has_no_ranks() -> None:
    """Without the list nobody waits a rank longer, for nobody bids at all."""
    seat = Seat(World(shadows=UNREADABLE), timing=timing(stagger=100))
    seat.run(900)
    assert seat.reasons == [Reason.SHADOWS_UNKNOWN]
    assert Seat(timing=timing(stagger=100)).cell.snapshot().refusals[0].reason is Reason.LOOKING


def test_a_host_without_a_beat_file_counts_where_configured() -> None:
    """Where the file may be lost with its master, its absence is silence like any other."""
    seat = Seat(World(beat=UNREADABLE), policy=policy(unknown_beat_counts=True))
    seat.until(MakeClaim)
    assert seat.now == BEGINNING + 840
    assert seat.host == HERE
