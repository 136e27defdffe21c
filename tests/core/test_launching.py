"""The launch: confirmed by four signs, or stopped altogether."""

from collections.abc import Callable

import pytest

from shadowd.core.actions import (
    ClearLock,
    Identify,
    Inspect,
    KeepLease,
    Launch,
    LaunchScheduler,
    Level,
    Observe,
    StopPair,
    WriteNotice,
)
from shadowd.core.events import Inspected, Launched, NoticeAnswered, Woken
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State, Timer
from shadowd.core.values import Epoch, ExitKind, Host, Instant, Lock, LockKind, NoticeKind, PairView
from tests.core import phases
from tests.core.rounds import BEGINNING, ELSEWHERE, HERE, RUNNING, THERE, UNREADABLE, policy, record
from tests.core.seat import Seat
from tests.core.world import Pair, World

LAUNCHED_AT = BEGINNING + 840
OURS = (HERE, Epoch(1))


def program(**signs: object) -> Callable[[World, Host, Epoch], None]:
    """Return a program that becomes a master except for these signs."""

    def run(world: World, host: Host, epoch: Epoch) -> None:
        before = {name: getattr(world, name) for name in ("beat", "lock", "active")}
        world.start(host, epoch)
        for name, value in signs.items():
            if name == "pair":
                world.pairs[host, epoch] = value  # type: ignore[assignment]
            else:
                setattr(world, name, before[name] if value is None else value)

    return run


def launched(**signs: object) -> Seat:
    """Return a seat whose launched program lacks something."""
    seat = Seat(World(launch=program(**signs)))
    phases.launching(seat)
    return seat


def failed(seat: Seat) -> bool:
    """Tell whether nothing of the launch is left."""
    return (
        seat.state is not State.ACTIVE
        and not any(pair.alive for pair in seat.world.pairs.values())
        and seat.world.records[Epoch(1)].outcome is NoticeKind.FAILED
        and not seat.world.records[Epoch(1)].confirmed
    )


def failed_first(seat: Seat) -> bool:
    """Tell whether the first epoch was closed as failed, never confirmed."""
    first = seat.world.records[Epoch(1)]
    return first.outcome is NoticeKind.FAILED and not first.confirmed


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        ({"beat": None}, "no beat"),
        ({"beat": UNREADABLE}, "no beat"),
        ({"active": None}, "act_qmaster does not name this host"),
        ({"active": UNREADABLE}, "act_qmaster does not name this host"),
        ({"lock": None}, "the lock is still there"),
        ({"lock": UNREADABLE}, "the lock is still there"),
        ({"pair": Pair(ExitKind.CLEAN, strays=1)}, "no master process"),
        ({"pair": Pair(), "lock": None, "active": None}, "the lock is still there, act_qmaster does not"),
    ],
    ids=str,
)
def test_each_sign_is_needed(lacking: dict[str, object], words: str) -> None:
    """Process, act_qmaster, beat and lock: while one is missing the master is not confirmed."""
    seat = launched(**lacking)
    seat.run(119.9)
    assert seat.state is State.LAUNCHING
    assert (seat.cell.snapshot().timer, seat.cell.snapshot().due) == (
        Timer.LAUNCH_TIMEOUT,
        LAUNCHED_AT + 120,
    )
    seat.run(0.1)
    assert (State.LAUNCHING, Reason.LAUNCH_TIMEOUT, State.STANDBY) in seat.rows
    assert words in seat.heard("takeover.failed")[0].detail
    seat.world.launch = None
    seat.settle()
    assert failed(seat)
    assert seat.world.lock in {World().lock, UNREADABLE}


def test_signs_that_come_late_count() -> None:
    """A master that takes a minute to read its spool is confirmed when all signs are there."""
    seat = launched(active=None, lock=None)
    seat.run(60)
    seat.world.active = HERE
    seat.run(1)
    assert seat.state is State.LAUNCHING
    seat.world.lock = World().lock
    seat.run(0.3)
    assert seat.state is State.ACTIVE
    assert seat.world.records[Epoch(1)].confirmed


def test_a_master_that_writes_another_name_of_its_host() -> None:
    """Full where the daemon's is short: nobody but this host is called so, and it is asked once."""
    full = Host("alpha.example.com")
    seat = launched(active=full)
    seat.world.here[full] = True
    phases.active(seat)
    assert [asked.host for asked in seat.requests(Identify)] == [full]
    seat.run(400, masters_beat=True)
    assert seat.state is State.ACTIVE


def test_another_host_s_name_is_asked_about_once_and_confirms_nothing() -> None:
    """The new master has not written its own name, or somebody overwrote it."""
    seat = launched(active=THERE)
    seat.run(60)
    assert [asked.host for asked in seat.requests(Identify)] == [THERE]
    assert seat.state is State.LAUNCHING


def test_confirming_is_no_busy_loop() -> None:
    """Four looks a second, each at the files and at the processes."""
    seat = launched(active=None)
    seat.run(10)
    assert len(seat.times(Inspect)) <= 41


def test_a_program_that_cannot_be_executed() -> None:
    """It is said what and why; nothing stays behind, not even what we cannot see."""
    seat = Seat()
    phases.launching(seat)
    seat.world.refuses[Launch] = UNREADABLE
    seat.settle()
    (line,) = seat.heard("takeover.failed")
    assert (line.reason, line.level) == (Reason.LAUNCH_FAILED, Level.ALARM)
    assert line.detail == "a file: input/output error"
    assert len(seat.times(StopPair)) == 1
    assert len(seat.times(ClearLock)) == 1
    assert failed(seat)


def test_a_program_that_exits_with_an_error() -> None:
    """A master that was seen to fail is not waited for."""
    seat = launched(pair=Pair(ExitKind.FAILED))
    seat.settle()
    assert "ended before it was ready" in seat.heard("takeover.failed")[0].detail
    assert failed(seat)


@pytest.mark.parametrize("kind", [ExitKind.CLEAN, ExitKind.UNSEEN])
def test_a_program_that_vanishes(kind: ExitKind) -> None:
    """Exit status 0 says nothing, for the real one forks; gone for three seconds does."""
    seat = launched(pair=Pair(kind), beat=None, active=None, lock=None)
    seat.run(2.9)
    assert seat.state is State.LAUNCHING
    seat.run(0.5)
    assert failed(seat)


def test_a_program_that_forks_is_waited_for() -> None:
    """A moment without a process is no failure."""
    seat = launched(pair=Pair(ExitKind.CLEAN))
    seat.run(2)
    seat.world.pairs[OURS] = Pair()
    seat.run(1)
    assert seat.state is State.ACTIVE


def test_an_old_beat_is_no_sign() -> None:
    """The beat that the verification saw is the old master's."""
    seat = launched(beat=None)
    seat.run(30)
    assert seat.state is State.LAUNCHING
    seat.world.advance_beat()
    seat.run(1)
    assert seat.state is State.ACTIVE


@pytest.mark.parametrize("early", [0.0, 0.1, 0.2])
def test_woken_between_two_looks(early: float) -> None:
    """A hint does not hasten the confirmation: its looks come often enough."""
    seat = launched(active=None)
    seat.settle()
    seat.run(early)
    looks = len(seat.times(Observe))
    seat.step(Woken())
    seat.settle()
    assert len(seat.times(Observe)) == looks


# --- superseded --------------------------------------------------------------------------------------


def test_a_higher_claim_during_the_launch() -> None:
    """All of it is stopped, and closed as failed: nobody runs twice."""
    seat = launched(active=None)
    seat.run(5)
    seat.world.add(record(2, host=ELSEWHERE))
    seat.run(1)
    assert (State.LAUNCHING, Reason.SUPERSEDED, State.STANDBY) in seat.rows
    assert failed(seat)
    assert seat.reasons == [Reason.WINDOW_OPEN]
    assert seat.cell.snapshot().attempts == 0


def test_a_higher_claim_that_failed_is_nobody() -> None:
    """A claim closed as failed supersedes nobody."""
    seat = launched(active=None)
    seat.world.add(record(2, NoticeKind.FAILED, host=ELSEWHERE))
    seat.run(5)
    assert seat.state is State.LAUNCHING
    seat.world.active = HERE
    seat.run(1)
    assert seat.state is State.ACTIVE


def test_an_unreadable_directory_during_the_launch() -> None:
    """What cannot be listed supersedes nobody; the launch goes on within its time."""
    seat = launched()
    seat.world.unlisted = UNREADABLE
    seat.settle()
    assert seat.state is State.ACTIVE


# --- stopping ----------------------------------------------------------------------------------------


def test_processes_that_do_not_die() -> None:
    """Said once, tried each second, and the claim stays open as long as they live."""
    seat = launched(active=None, pair=Pair(unkillable=True))
    seat.run(120 + 10)
    assert seat.state is State.LAUNCHING
    (line,) = seat.heard("master.unkillable")
    assert (line.level, line.detail) == (Level.ALARM, "1 processes left")
    assert 8 <= len(seat.times(StopPair)) <= 12
    assert seat.world.records[Epoch(1)].open
    seat.world.pairs[OURS].unkillable = False
    seat.world.launch = None
    seat.run(1)
    assert failed(seat)


def test_an_inspection_older_than_the_stop_is_no_alarm() -> None:
    """An answer that still shows the process may have been given before it was killed."""
    seat = launched(active=None)
    seat.run(119.6)
    seat.until(Inspect)
    old = next(action for action in seat.pending if isinstance(action, Inspect))
    seat.pending.remove(old)
    seat.now = Instant(LAUNCHED_AT + 120)
    seat.tick()
    assert StopPair(Epoch(1), "alpha-1") in seat.pending
    seat.step(Inspected(Epoch(1), RUNNING))
    assert seat.heard("master.unkillable") == []
    seat.world.launch = None
    seat.settle()
    assert seat.world.records[Epoch(1)].outcome is NoticeKind.FAILED
    assert seat.heard("master.unkillable") == []
    assert len(seat.times(StopPair)) == 1


def test_a_launch_that_hangs() -> None:
    """Its answer never comes: the time limit holds all the same, and the stop waits behind it."""
    seat = Seat()
    hung = seat.until(Launch)
    seat.pending.clear()
    seat.run(120)
    assert seat.pending == []
    assert len(seat.times(StopPair)) == 1
    seat.step(Launched(hung.epoch))
    assert seat.state is not State.ACTIVE


@pytest.mark.parametrize("kind", [Observe, Inspect])
def test_a_look_that_hangs(kind: type) -> None:
    """One of the two looks never answers: nothing is confirmed, and the time limit holds."""
    seat = launched()
    seat.answer()
    seat.pending = [action for action in seat.pending if not isinstance(action, kind)]
    seat.run(119)
    assert seat.state is State.LAUNCHING
    seat.until(StopPair)
    assert seat.now == LAUNCHED_AT + 120
    if kind is Observe:
        seat.settle()
        assert "the cell's files were not read" in seat.heard("takeover.failed")[0].detail


# --- the scheduler -----------------------------------------------------------------------------------


def test_the_scheduler_follows_the_master() -> None:
    """The second of the pair is started once the first is confirmed, and before that is recorded."""
    seat = Seat()
    phases.active(seat)
    order = [type(action) for _, action in seat.done]
    start = order.index(LaunchScheduler)
    assert order[start - 3 : start + 2] == [Observe, Inspect, KeepLease, LaunchScheduler, WriteNotice]


def test_a_cell_without_a_scheduler() -> None:
    """Since 6.2 the scheduler is a thread of the master: nothing more is started."""
    seat = Seat(policy=policy(has_scheduler=False))
    phases.active(seat)
    assert seat.times(LaunchScheduler) == []


def test_a_scheduler_that_cannot_be_started() -> None:
    """An alarm; the master that runs is not stopped for it."""
    seat = Seat()
    seat.world.refuses[LaunchScheduler] = UNREADABLE
    phases.active(seat)
    line, *_ = seat.heard("scheduler.failed")
    assert (line.level, line.detail) == (Level.ALARM, "a file: input/output error")


def test_a_scheduler_that_hangs() -> None:
    """Its start is bounded by the launch's time limit."""
    seat = Seat()
    seat.until(LaunchScheduler)
    seat.pending.clear()
    seat.until(StopPair)
    assert seat.now == LAUNCHED_AT + 120


# --- the record --------------------------------------------------------------------------------------


def test_a_started_notice_that_cannot_be_written_at_once() -> None:
    """It is tried again a few times a second."""
    seat = Seat()
    phases.recording(seat)
    seat.world.refuses[NoticeKind.STARTED] = UNREADABLE
    seat.run(10)
    assert seat.state is State.LAUNCHING
    assert 30 <= sum(notice.kind is NoticeKind.STARTED for notice in seat.requests(WriteNotice)) <= 45
    del seat.world.refuses[NoticeKind.STARTED]
    seat.run(1)
    assert seat.state is State.ACTIVE


def test_a_started_notice_that_cannot_be_written_at_all() -> None:
    """A master that nobody can be told of is stopped at the end of the time limit."""
    seat = Seat()
    phases.recording(seat)
    seat.world.refuses[NoticeKind.STARTED] = UNREADABLE
    seat.until(StopPair)
    assert seat.now == LAUNCHED_AT + 120
    seat.settle()
    assert (State.LAUNCHING, Reason.LAUNCH_TIMEOUT, State.STANDBY) in seat.rows
    assert failed(seat)


def test_a_started_notice_that_is_answered_too_late() -> None:
    """The answer to ``started`` is never taken for that to ``failed``: the outcome is written."""
    seat = Seat()
    phases.recording(seat)
    seat.pending.clear()
    seat.until(NoticeKind.FAILED)
    assert seat.now == LAUNCHED_AT + 120
    seat.world.note(1, NoticeKind.STARTED)
    seat.step(NoticeAnswered(Epoch(1), NoticeKind.STARTED))
    assert Reason.OWES_OUTCOME not in seat.reasons
    assert [notice.kind for notice in seat.pending if isinstance(notice, WriteNotice)] == [NoticeKind.FAILED]
    seat.settle()
    assert seat.world.records[Epoch(1)].outcome is NoticeKind.FAILED


def test_other_answers_are_not_mixed_up() -> None:
    """Neither another epoch's processes nor another's notice confirm this launch."""
    seat = launched(pair=Pair(ExitKind.CLEAN))
    seat.answer()
    seat.step(Inspected(Epoch(9), RUNNING))
    seat.step(NoticeAnswered(Epoch(9), NoticeKind.STARTED))
    seat.step(Launched(Epoch(1), UNREADABLE))
    assert seat.state is State.LAUNCHING
    assert PairView(ExitKind.CLEAN, None, None, 0).alive == 0
    assert Lock(LockKind.ABSENT) == seat.world.lock


# --- another restarter -------------------------------------------------------------------------------


SERVED = {"pair": Pair(serving=False)}
"""Our process lives, and another one beats, took the lock away, named this host and holds the port."""


def test_a_beat_of_another_master_on_this_host_confirms_nothing() -> None:
    """A service manager was quicker: ours is stopped and closed as failed, and the other one is adopted."""
    seat = launched(**SERVED)
    seat.world.resident = 815
    seat.run(5)
    assert (State.LAUNCHING, Reason.RESIDENT, State.STANDBY) in seat.rows
    assert failed_first(seat)
    assert (State.CLAIMING, Reason.ADOPTED, State.ACTIVE) in seat.rows
    assert seat.world.records[Epoch(2)].confirmed


def test_a_resident_master_where_nobody_can_say_who_serves() -> None:
    """The pid file names another one that lives: the beat may be its."""
    seat = launched()
    seat.until(Observe)
    seat.world.resident = 815
    seat.run(1)
    assert (State.LAUNCHING, Reason.RESIDENT, State.STANDBY) in seat.rows


def test_a_resident_master_that_only_waits() -> None:
    """Ours holds the port: the other one will give up."""
    seat = launched(pair=Pair(serving=True))
    seat.until(Observe)
    seat.world.resident = 815
    seat.run(1)
    assert (State.LAUNCHING, Reason.CONFIRMED, State.ACTIVE) in seat.rows


def test_where_the_guard_beats_another_listener_is_waited_for() -> None:
    """The beats are ours there: the master is ready when it has its port, and not before."""
    seat = Seat(World(launch=program(pair=Pair(serving=False))), policy=policy(beats=True))
    phases.launching(seat)
    seat.run(60)
    assert seat.state is State.LAUNCHING
    seat.world.pairs[OURS].serving = True
    seat.run(1)
    assert seat.state is State.ACTIVE


def test_where_the_guard_beats_another_listener_that_stays_ends_the_launch() -> None:
    """It is said what is wrong."""
    seat = Seat(World(launch=program(pair=Pair(serving=False))), policy=policy(beats=True))
    phases.launching(seat)
    seat.run(121)
    assert "another process serves on its port" in seat.heard("takeover.failed")[0].detail
