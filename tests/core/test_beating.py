"""Beats for a master that writes none: when there is one, when there is none, and what follows."""

from shadowd.core.actions import (
    AskHealth,
    ClearLock,
    ClearMark,
    Launch,
    Level,
    NameMaster,
    Observe,
    StopPair,
    TermPair,
    WriteBeat,
)
from shadowd.core.beating import Beating
from shadowd.core.events import BeatWritten, HealthAnswered, LockCleared, MasterNamed
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State
from shadowd.core.values import NEVER, ClaimReason, Epoch, ExitKind, Host, Instant, NoticeKind, Seconds
from tests.core import phases
from tests.core.rounds import (
    ABSENT,
    FOREIGN,
    GONE,
    HERE,
    RUNNING,
    THERE,
    UNREADABLE,
    confirmed,
    policy,
    record,
    timing,
)
from tests.core.seat import Seat
from tests.core.world import Pair, World

ONE = Epoch(1)
ZERO = Instant(0)
TIMERS = timing(
    check_interval=5, beat_interval=5, stale_after=30, delay=60, health_interval=10, health_timeout=4
)
BEATS = policy(beats=True, has_scheduler=False)
ASKS = policy(beats=True, has_scheduler=False, health_threshold=3)
PASSES = HealthAnswered(ONE)
FAILS = HealthAnswered(ONE, UNREADABLE)


def program(world: World, host: Host, epoch: Epoch) -> None:
    """Be a program that does nothing for its cell but run."""
    world.pairs[host, epoch] = Pair()


def seat(who: object = BEATS, world: World | None = None) -> Seat:
    """Return a host whose cell has a master that writes no heartbeat."""
    world = World(launch=program) if world is None else world
    return Seat(world, timing=TIMERS, policy=who)  # type: ignore[arg-type]


def active(who: object = BEATS) -> Seat:
    """Return a host whose master was just confirmed."""
    made = seat(who)
    phases.active(made)
    return made


def beating(who: object = BEATS, introduces: Host | None = None) -> Beating:
    """Return the part by itself, with a master that runs."""
    made = Beating(ONE, TIMERS, who, now=ZERO, introduces=introduces)  # type: ignore[arg-type]
    made.inspected(RUNNING, ZERO)
    return made


# --- when there is a beat ----------------------------------------------------------------------------


def test_no_beat_without_a_process() -> None:
    """Neither before the process was seen to run nor after it was seen to be gone."""
    made = Beating(ONE, TIMERS, BEATS, now=ZERO)
    assert made.deadline() == NEVER
    assert made.tick(ZERO) == ()
    assert made.inspected(GONE, ZERO) == ()
    assert made.inspected(RUNNING, ZERO) == (WriteBeat(ONE),)
    made.step(BeatWritten(ONE), ZERO)
    assert made.deadline() == 5
    made.inspected(GONE, Instant(1))
    assert made.deadline() == NEVER


def test_nothing_is_ever_asked_for_where_the_master_beats_by_itself() -> None:
    """A Grid Engine cell: whatever its process does, nothing."""
    made = beating(policy(), introduces=HERE)
    assert made.deadline() == NEVER
    assert made.tick(Instant(100)) == ()


def test_one_beat_each_interval_and_one_at_a_time() -> None:
    """The next is due an interval after the last one was on disk; while one hangs there is no other."""
    made = beating()
    assert made.deadline() == NEVER
    assert made.tick(Instant(60)) == ()
    made.step(BeatWritten(ONE), Instant(60))
    assert made.deadline() == 65
    assert made.tick(Instant(64)) == ()
    assert made.tick(Instant(65)) == (WriteBeat(ONE),)


def test_answers_that_nobody_awaits_are_dropped() -> None:
    """Late ones change nothing."""
    made = beating()
    made.step(BeatWritten(ONE), ZERO)
    for late in (BeatWritten(ONE), FAILS, LockCleared(), MasterNamed()):
        assert made.step(late, Instant(1)) == ()
    assert made.deadline() == 5


def test_a_beat_that_cannot_be_written_is_told_once() -> None:
    """Tried again at each interval; told again only after one was written in between."""
    made = beating()
    (said,) = made.step(BeatWritten(ONE, UNREADABLE), ZERO)
    assert (said.event, said.reason) == ("heartbeat.unwritten", Reason.BEAT_UNWRITTEN)  # type: ignore[union-attr]
    made.tick(Instant(5))
    assert made.step(BeatWritten(ONE, UNREADABLE), Instant(5)) == ()
    made.tick(Instant(10))
    made.step(BeatWritten(ONE), Instant(10))
    made.tick(Instant(15))
    assert len(made.step(BeatWritten(ONE, UNREADABLE), Instant(15))) == 1


# --- the first beat ----------------------------------------------------------------------------------


def test_the_first_beat_introduces_the_master() -> None:
    """Beat, then the lock, then the name: the order of sge_qmaster's own start (rule 4)."""
    made = beating(introduces=HERE)
    assert made.step(BeatWritten(ONE), ZERO) == (ClearLock(),)
    assert made.step(LockCleared(), ZERO) == (NameMaster(HERE),)
    assert made.step(MasterNamed(), ZERO) == ()
    made.tick(Instant(5))
    assert made.step(BeatWritten(ONE), Instant(5)) == ()


def test_an_introduction_that_fails_is_tried_again_after_the_next_beat() -> None:
    """Whichever of its two steps it was; a step that hangs is not taken twice."""
    made = beating(introduces=HERE)
    made.step(BeatWritten(ONE), ZERO)
    made.tick(Instant(5))
    assert made.step(BeatWritten(ONE), Instant(5)) == ()
    assert made.step(LockCleared(UNREADABLE), Instant(6)) == ()
    made.tick(Instant(10))
    assert made.step(BeatWritten(ONE), Instant(10)) == (ClearLock(),)
    assert made.step(LockCleared(), Instant(10)) == (NameMaster(HERE),)
    assert made.step(MasterNamed(UNREADABLE), Instant(10)) == ()
    made.tick(Instant(15))
    assert made.step(BeatWritten(ONE), Instant(15)) == (ClearLock(),)


# --- health ------------------------------------------------------------------------------------------


def test_the_health_command_passes_before_the_first_beat() -> None:
    """Asked each second until it has passed once, however often it fails before."""
    made = Beating(ONE, TIMERS, ASKS, now=ZERO)
    assert made.inspected(RUNNING, ZERO) == (AskHealth(ONE),)
    assert made.step(FAILS, ZERO) == ()
    assert made.deadline() == 1
    assert made.tick(Instant(1)) == (AskHealth(ONE),)
    assert made.step(PASSES, Instant(1)) == (WriteBeat(ONE),)
    made.step(BeatWritten(ONE), Instant(1))
    assert made.deadline() == 6
    assert made.tick(Instant(11)) == (AskHealth(ONE), WriteBeat(ONE))


def test_beats_end_at_the_threshold_and_begin_again() -> None:
    """One failure fewer is none; the failures must be in a row; a pass makes all good again."""
    made = beating(ASKS)
    made.step(PASSES, ZERO)
    made.step(BeatWritten(ONE), ZERO)
    heard = []
    for turn, answer in enumerate((FAILS, FAILS, PASSES, FAILS, FAILS, FAILS, FAILS, PASSES), start=1):
        now = Instant(10.0 * turn)
        assert AskHealth(ONE) in made.tick(now)
        made.step(BeatWritten(ONE), now)
        heard += [action for action in made.step(answer, now) if not isinstance(action, WriteBeat)]
        assert (made.deadline() == now + 10) is (turn >= 6), "no beat is due then"
    assert [line.event for line in heard] == ["health.failed", "health.passed"]  # type: ignore[union-attr]
    assert heard[0].level is Level.ALARM  # type: ignore[union-attr]


# --- in a takeover -----------------------------------------------------------------------------------


def test_a_launch_is_confirmed_by_our_own_beat() -> None:
    """Process, beat, lock and name: the guard's work, and then it is the same as with any master."""
    made = active()
    assert made.world.lock == ABSENT
    assert made.world.active == HERE
    assert made.world.records[ONE].confirmed
    order = [type(action) for _, action in made.done]
    begun = order[order.index(Launch) :]
    assert begun.index(WriteBeat) < begun.index(ClearLock) < begun.index(NameMaster)


def test_a_launch_that_is_never_well_fails() -> None:
    """No beat, so no confirmation; all of it is stopped at the end of the time limit."""
    world = World(launch=program, refuses={AskHealth: UNREADABLE})
    made = seat(ASKS, world)
    began = made.until(Launch)
    at = made.now
    made.until(StopPair)
    assert made.now == at + TIMERS.launch_timeout
    assert made.times(WriteBeat) == []
    made.settle()
    assert made.world.records[began.epoch].outcome is NoticeKind.FAILED
    assert len(made.times(AskHealth)) > 60


def test_a_late_beat_of_a_launch_that_was_given_up() -> None:
    """The answer comes when all of it is being stopped: it introduces nobody."""
    made = seat()
    made.pending.remove(made.until(WriteBeat))
    made.until(StopPair)
    made.step(BeatWritten(ONE))
    made.settle()
    assert made.times(NameMaster) == []
    assert made.world.records[ONE].outcome is NoticeKind.FAILED


def test_a_guard_goes_on_beating() -> None:
    """Its own beats renew its lease; others see them move."""
    made = active()
    made.run(600)
    assert made.state is State.ACTIVE
    assert 110 <= len(made.times(WriteBeat)) <= 125


def test_a_master_that_is_not_well_is_replaced() -> None:
    """No beat after the threshold, the lease runs out, the master is stopped and says so to the others."""
    made = active(ASKS)
    made.run(60)
    made.world.refuses[AskHealth] = UNREADABLE
    made.until(StopPair)
    made.settle()
    assert (State.ACTIVE, Reason.LEASE_OVER, State.STANDBY) in made.rows
    assert made.world.records[ONE].outcome is NoticeKind.STEPPED_DOWN
    (line,) = made.heard("health.failed")
    assert line.detail == "input/output error"


def test_a_frozen_guard_stops_its_master_and_does_not_beat_first() -> None:
    """Thawed after its lease: whatever else is due, the lease is tested first."""
    made = active()
    made.run(20)
    beats = len(made.times(WriteBeat))
    made.now = Instant(made.now + TIMERS.lease + 10)
    made.tick()
    assert any(isinstance(action, StopPair) for action in made.pending)
    assert len(made.times(WriteBeat)) == beats


def test_a_beat_that_is_written_too_late_renews_nothing() -> None:
    """The answer to a beat is no proof: what counts is reading it back within the lease."""
    made = active()
    made.run(20)
    made.until(WriteBeat)
    made.now = Instant(made.now + TIMERS.lease + 10)
    made.step(BeatWritten(ONE))
    assert any(isinstance(action, StopPair) for action in made.pending)


# --- the regular shutdown ----------------------------------------------------------------------------


def test_the_mark_of_a_shutdown_ends_the_master_in_order() -> None:
    """SIGTERM, no restart, the mark stays: nobody takes over."""
    made = active()
    made.world.lock = FOREIGN
    made.until(TermPair)
    made.settle()
    made.run(600)
    assert (State.ACTIVE, Reason.SHUT_DOWN_HERE, State.STANDBY) in made.rows
    assert made.world.records[ONE].outcome is NoticeKind.STOPPED
    assert made.world.lock == FOREIGN
    assert made.world.pairs[HERE, ONE].master is ExitKind.CLEAN
    assert made.times(StopPair) == []


def test_the_mark_of_a_shutdown_ends_a_launch() -> None:
    """Put there when our own lock was gone already and the master was not confirmed yet."""
    made = seat()
    made.until(NameMaster)
    made.world.lock = FOREIGN
    made.until(StopPair)
    made.settle()
    assert (State.LAUNCHING, Reason.LOCKED, State.STANDBY) in made.rows
    assert made.world.records[ONE].outcome is NoticeKind.FAILED
    assert made.world.lock == FOREIGN


def test_a_master_that_does_not_end_in_order_is_killed() -> None:
    """Within its lease, for beats have ended; it is a regular shutdown all the same."""
    made = active()
    made.run(20)
    pair = made.world.pairs[HERE, ONE]
    pair.unkillable = True
    made.world.lock = FOREIGN
    made.until(TermPair)
    begun = made.now
    made.until(StopPair)
    assert begun + TIMERS.lease - 10 <= made.now <= begun + TIMERS.lease
    pair.unkillable = False
    made.settle()
    assert made.world.records[ONE].outcome is NoticeKind.STOPPED


def test_one_round_with_a_strange_lock_is_not_enough() -> None:
    """A single odd reading stops no master."""
    made = active()
    made.until(Observe)
    made.world.lock = FOREIGN
    made.answer()
    made.world.lock = ABSENT
    made.run(60)
    assert made.state is State.ACTIVE
    assert made.times(TermPair) == []


def test_a_strange_lock_beside_a_master_that_beats_by_itself_stops_nobody() -> None:
    """In a Grid Engine cell the mark comes from the master's own end."""
    made = Seat(timing=timing(), policy=policy(has_scheduler=False))
    phases.active(made)
    made.world.lock = FOREIGN
    made.run(60, masters_beat=True)
    assert made.times(TermPair) == []
    assert made.state is State.ACTIVE


def test_a_planned_move_leaves_a_persons_mark_alone() -> None:
    """The master leaves none itself: one that comes while it ends is of somebody who shuts the cell down."""
    made = active()
    made.world.add(record(2, host=THERE, reason=ClaimReason.MIGRATE))
    made.until(TermPair)
    made.answer()
    made.run(5)
    assert made.world.records[ONE].outcome is NoticeKind.STEPPED_DOWN
    assert made.world.lock == FOREIGN
    assert made.times(ClearMark) == []


def test_a_shutdown_binds_the_others() -> None:
    """A shadow beside it, without the mark: the outcome alone keeps it from starting a master."""
    world = World(launch=program)
    world.add(confirmed(1, NoticeKind.STOPPED))
    made = seat(world=world)
    made.run(600)
    assert Reason.SHUT_DOWN in made.reasons
    assert made.times(Launch) == []


def test_the_rules_between_timers_know_who_beats() -> None:
    """Short timers are no offence where no dead reader can hold up a beat and no sge_qmaster starts."""
    short = timing(check_interval=5, beat_interval=5, stale_after=30, delay=60, launch_timeout=60)
    assert {broken.key for broken in short.broken()} == {"stale_after", "launch_timeout"}
    assert short.broken(guard_beats=True) == ()
    assert timing(lease=Seconds(5), beat_interval=5).broken(guard_beats=True)[0].fatal
