"""A lock that servers take which no claim started: when it is proof, in the way, or deposes."""

import pytest

from shadowd.core.actions import Level, MakeClaim, StopPair, WriteBeat
from shadowd.core.eligibility import refusals
from shadowd.core.events import TakeoverAsked
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import Refusal, State
from shadowd.core.values import (
    ClaimReason,
    Epoch,
    ExitKind,
    Host,
    Instant,
    NoticeKind,
    ServerLock,
    Unknown,
)
from shadowd.core.verified import Verified
from tests.core.rounds import (
    BEGINNING,
    FOREIGN,
    HERE,
    THERE,
    UNREADABLE,
    confirmed,
    observed,
    policy,
    record,
    timing,
)
from tests.core.seat import Seat
from tests.core.test_eligibility import EASY
from tests.core.world import Pair, World

TIMERS = timing(
    check_interval=1,
    notice_interval=1,
    beat_interval=1,
    stale_after=9,
    delay=0,
    probe_timeout=3,
    io_timeout=5,
    launch_timeout=30,
    retry_after=5,
    retry_limit=60,
)
BEATS = policy(beats=True, has_scheduler=False)
CLEAR, NAMED, HELD = ServerLock.CLEAR, ServerLock.NAMED, ServerLock.HELD
DIED, STOPPED, FAILED = NoticeKind.DIED, NoticeKind.STOPPED, NoticeKind.FAILED


def program(world: World, host: Host, epoch: Epoch) -> None:
    """Be a server that does nothing for its cell but run."""
    world.pairs[host, epoch] = Pair()


def seat(world: World, **changes: object) -> Seat:
    """Return a host of a TORQUE cell."""
    world.launch = program
    return Seat(world, timing=TIMERS, policy=policy(beats=True, has_scheduler=False, **changes))


def claimed_at(seat: Seat) -> float:
    """Return the seconds until it bid."""
    seat.until(MakeClaim)
    return seat.now - BEGINNING


# --- proof -------------------------------------------------------------------------------------------


def test_an_empty_cell_gets_its_first_server_at_once() -> None:
    """No epoch and nobody in the lock: there is nobody to wait for."""
    host = seat(World(server_lock=CLEAR))
    assert host.until(MakeClaim).reason is ClaimReason.VACANT
    assert host.now - BEGINNING < 1
    host.run(3)
    assert host.cell.snapshot().state is State.ACTIVE
    assert ("cell.vacant", Reason.VACANT, Level.INFO) in {
        (line.event, line.reason, line.level) for line in host.said
    }


def test_a_server_of_theirs_that_ended_is_replaced_at_the_next_look() -> None:
    """Its lock is the kernel's, so that it is free is proof."""
    world = World(server_lock=HELD)
    host = seat(world)
    for _ in range(20):
        world.advance_beat()
        host.run(1)
    assert host.cell.snapshot().state is State.STANDBY
    world.server_lock = CLEAR
    assert claimed_at(host) < 22


@pytest.mark.parametrize("outcome", [DIED, NoticeKind.STEPPED_DOWN])
def test_an_end_that_was_there_before_us_is_proof_too(outcome: NoticeKind) -> None:
    """It hastens nothing as a death notice; with the lock it does."""
    world = World(server_lock=CLEAR)
    world.add(confirmed(1, outcome))
    assert claimed_at(seat(world)) < 1


def test_an_open_epoch_is_waited_for() -> None:
    """Its server may live on a host that a file server forgot: stale_after, and its lease."""
    world = World(server_lock=CLEAR)
    world.add(confirmed(1, lease=TIMERS.lease))
    assert claimed_at(seat(world)) >= 9


def test_a_claim_under_way_is_waited_for() -> None:
    """A later claim that nobody closed yet is somebody's."""
    world = World(server_lock=CLEAR)
    world.add(confirmed(1, DIED), record(2, window=TIMERS.window))
    assert claimed_at(seat(world)) >= 9


def test_a_failed_one_is_not() -> None:
    """It runs nothing."""
    world = World(server_lock=CLEAR)
    world.add(confirmed(1, DIED), record(2, FAILED))
    assert claimed_at(seat(world)) < 1


def test_a_shutdown_binds() -> None:
    """Nobody holds the lock because nobody shall."""
    world = World(server_lock=CLEAR)
    world.add(confirmed(1, STOPPED))
    host = seat(world)
    host.run(60)
    assert host.times(MakeClaim) == []
    assert Reason.SHUT_DOWN in host.reasons


@pytest.mark.parametrize("lock", [ServerLock.NONE, NAMED, UNREADABLE])
def test_what_is_no_proof(lock: ServerLock | Unknown) -> None:
    """No lock at all, another's name in it, or one that cannot be read."""
    host = seat(World(server_lock=lock))
    host.run(5)
    assert host.times(MakeClaim) == []


def test_a_listing_that_fails_proves_nothing() -> None:
    """That no epoch is listed is no word of there being none."""
    host = seat(World(server_lock=CLEAR, unlisted=UNREADABLE))
    host.run(5)
    assert host.cell.snapshot().state is State.STANDBY


def test_who_ignores_death_notices_waits() -> None:
    """The key is about all that skips the timers."""
    world = World(server_lock=CLEAR)
    world.add(confirmed(1, DIED))
    assert claimed_at(seat(world, death_skips_timers=False)) >= 9


# --- in the way --------------------------------------------------------------------------------------


def against(lock: ServerLock | Unknown, **known: object) -> tuple[Refusal, ...]:
    """Return what speaks against a bid with this lock."""
    from dataclasses import replace

    return refusals(observed(5000, server_lock=lock), replace(EASY, **known), Instant(5000))  # type: ignore[arg-type]


def test_who_holds_it_is_respected() -> None:
    """The kernel's word, for as long as it is said; a name only until it has been silent."""
    assert against(HELD) == (Refusal(Reason.FOREIGN_SERVER),)
    soon = Instant(5009)
    assert against(NAMED, silent_at=soon) == (Refusal(Reason.FOREIGN_SERVER, until=soon),)
    assert against(NAMED) == ()
    assert against(CLEAR) == ()
    (doubt,) = against(UNREADABLE)
    assert doubt.reason is Reason.SERVER_LOCK_UNKNOWN


def test_who_asks_is_refused_while_theirs_lives() -> None:
    """It beats more seldom than ours, so a fresh beat is not what tells."""
    world = World(server_lock=NAMED)
    host = seat(world)
    host.run(5)
    host.step(TakeoverAsked("eve"))
    host.settle()
    assert (State.STALE, Reason.FOREIGN_SERVER, State.STANDBY) in host.rows
    host.run(30)
    assert host.times(MakeClaim) != []


def test_one_that_takes_it_during_a_bid_ends_the_bid() -> None:
    """Nothing was started yet."""
    verified = Verified(7, THERE, None)
    seen = observed(0, server_lock=HELD, ledger=World(records={Epoch(1): record(1, host=HERE)}).ledger())
    ledger = seen.ledger
    assert not isinstance(ledger, Unknown)
    reason = verified.against(seen, Epoch(1), ledger, over=False, steps_down=False)
    assert reason is Reason.FOREIGN_SERVER


# --- deposed -----------------------------------------------------------------------------------------


def active(**changes: object) -> Seat:
    """Return a host whose server was just confirmed."""
    host = seat(World(server_lock=CLEAR), **changes)
    host.run(4)
    assert host.cell.snapshot().state is State.ACTIVE
    return host


@pytest.mark.parametrize("lock", [HELD, NAMED])
def test_a_server_that_lost_the_lock_to_another_is_stopped(lock: ServerLock) -> None:
    """Seen twice: what one round shows may be half written."""
    host = active()
    host.world.server_lock = lock
    host.run(1)
    host.world.server_lock = CLEAR
    host.run(2)
    assert host.cell.snapshot().state is State.ACTIVE
    host.world.server_lock = lock
    host.run(2.5)
    assert host.times(StopPair) != []
    assert host.world.records[Epoch(1)].outcome is NoticeKind.STEPPED_DOWN
    host.run(1)
    assert Reason.FOREIGN_SERVER in host.reasons or lock is NAMED


def test_a_lock_that_cannot_be_read_stops_nobody() -> None:
    """Input/output errors for as long as they last."""
    host = active()
    host.world.server_lock = UNREADABLE
    host.run(60)
    assert host.cell.snapshot().state is State.ACTIVE


# --- frozen, and ended by itself ---------------------------------------------------------------------


def test_a_stopped_server_gets_no_beats() -> None:
    """So its lease ends it while it stands still, and it never thaws beside another."""
    host = active()
    host.world.pairs[HERE, Epoch(1)].frozen = True
    host.run(1)
    beats = len(host.times(WriteBeat))
    host.run(2)
    assert len(host.times(WriteBeat)) == beats
    host.run(8)
    assert (State.ACTIVE, Reason.LEASE_OVER, State.STANDBY) in host.rows


def test_a_server_that_goes_on_in_time_lives() -> None:
    """Stopped for less than its lease."""
    host = active()
    host.world.pairs[HERE, Epoch(1)].frozen = True
    host.run(3)
    host.world.pairs[HERE, Epoch(1)].frozen = False
    host.run(20)
    assert host.cell.snapshot().state is State.ACTIVE


@pytest.mark.parametrize(
    ("stops", "outcome", "reason"),
    [(True, STOPPED, Reason.SHUT_DOWN_HERE), (False, DIED, Reason.HANDED_OVER)],
)
def test_a_clean_exit(*, stops: bool, outcome: NoticeKind, reason: Reason) -> None:
    """It is a shutdown, or hands over: as the policy has it. Somebody wanted it, so it is no alarm."""
    host = active(clean_exit_stops=stops)
    host.world.pairs[HERE, Epoch(1)].end(ExitKind.CLEAN)
    host.run(2)
    assert host.world.records[Epoch(1)].outcome is outcome
    assert [(line.reason, line.level) for line in host.heard("master.ended")] == [(reason, Level.INFO)]


def test_a_server_that_dies_is_an_alarm() -> None:
    """Nobody wanted that."""
    host = active(clean_exit_stops=False)
    host.world.pairs[HERE, Epoch(1)].end(ExitKind.FAILED)
    host.run(2)
    said = [(line.reason, line.level) for line in host.heard("master.ended")]
    assert said == [(Reason.MASTER_ENDED, Level.ALARM)]


def test_a_mark_is_a_shutdown_all_the_same() -> None:
    """Somebody asked for it."""
    host = active(clean_exit_stops=False)
    host.world.lock = FOREIGN
    host.run(5)
    assert host.world.records[Epoch(1)].outcome is STOPPED


# --- a lock that nobody takes ------------------------------------------------------------------------


def test_a_server_of_ours_that_takes_no_lock_is_left_alone_and_told_once() -> None:
    """The method is wrong for its release: an alarm, and again only after it was well in between."""
    host = active()
    for lock, alarms in ((ServerLock.UNLOCKED, 1), (CLEAR, 1), (ServerLock.UNLOCKED, 2)):
        host.world.server_lock = lock
        host.run(5)
        said = [line for line in host.said if line.event == "server.unlocked"]
        assert [line.level for line in said] == [Level.ALARM] * alarms
    assert host.cell.snapshot().state is State.ACTIVE
    assert host.times(StopPair) == []


@pytest.mark.parametrize("outcome", [None, DIED])
def test_nobody_bids_where_a_server_lives_that_takes_no_lock(outcome: NoticeKind | None) -> None:
    """That the lock is free proves nothing, whatever the notices say, and whoever asks."""
    world = World(server_lock=ServerLock.UNLOCKED)
    world.add(confirmed(1, *([outcome] if outcome else []), lease=TIMERS.lease))
    host = seat(world)
    host.run(100)
    host.step(TakeoverAsked("eve"))
    host.run(100)
    assert host.times(MakeClaim) == []
    assert Reason.SERVER_UNLOCKED in host.reasons
    world.server_lock = CLEAR
    host.until(MakeClaim)
