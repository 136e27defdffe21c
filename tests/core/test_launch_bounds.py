"""Until when a launch may last, until when its lease binds, and what is kept of either on this host."""

import pytest

from shadowd.core.actions import KeepLease, Launch, Observe, StopPair, WriteNotice
from shadowd.core.snapshot import State, Timer
from shadowd.core.values import Epoch, Instant, NoticeKind
from tests.core import phases
from tests.core.rounds import ABSENT, HERE, UNREADABLE, timing
from tests.core.seat import Seat
from tests.core.test_launching import LAUNCHED_AT, failed, launched, program
from tests.core.world import World


def test_the_lease_runs_from_the_last_read_of_the_old_beat() -> None:
    """Dated early (rule 2): the last round that still showed the old master's beat."""
    seat = launched(beat=None)
    seat.run(30)
    unmoved = seat.times(Observe)[-1]
    seat.world.advance_beat()
    seat.until(NoticeKind.STARTED)
    seat.answer()
    assert seat.state is State.ACTIVE
    assert seat.cell.snapshot().timer is Timer.LEASE
    assert seat.cell.snapshot().due == unmoved + 741


def test_the_lease_runs_from_the_last_look_at_the_earliest() -> None:
    """A master that beats at once: no read but the one before its start showed the old beat."""
    seat = Seat()
    phases.launching(seat)
    looked = seat.times(Observe)[-1]
    seat.now = Instant(seat.now + 7)
    seat.until(NoticeKind.STARTED)
    seat.answer()
    assert seat.cell.snapshot().due == looked + 741


def test_a_beat_that_moves_on_dates_the_lease_anew() -> None:
    """The lock goes a hundred seconds after the first beat, longer than the lease: the latest beat counts."""
    seat = Seat(World(launch=program(lock=None)), timing=timing(lease=90))
    phases.launching(seat)
    seat.run(95, masters_beat=True)
    assert seat.state is State.LAUNCHING
    seat.world.lock = ABSENT
    seat.run(1)
    assert seat.state is State.ACTIVE
    assert LAUNCHED_AT + 89 + 90 <= seat.cell.snapshot().due <= LAUNCHED_AT + 90 + 90


def test_an_unreadable_beat_in_between_is_none() -> None:
    """It dates nothing, and the one that is readable again is no advance."""
    seat = launched(beat=None)
    seat.run(5)
    before = seat.world.beat
    seat.world.beat = UNREADABLE
    seat.run(5)
    seat.world.beat = before
    seat.run(5)
    assert seat.state is State.LAUNCHING


def test_a_master_that_needs_longer_than_its_lease_to_become_ready() -> None:
    """The launch has its own time: with a lease of 72 s it may take 119 s."""
    seat = Seat(World(launch=program(beat=None, active=None, lock=None)), timing=timing(lease=72))
    phases.launching(seat)
    seat.run(119)
    assert seat.state is State.LAUNCHING
    seat.world.start(HERE, Epoch(1))
    seat.run(0.5)
    assert seat.state is State.ACTIVE
    assert seat.cell.snapshot().due == pytest.approx(LAUNCHED_AT + 119 + 72, abs=0.5)


def test_the_bound_of_a_launch_is_kept_before_it_is_announced() -> None:
    """Licence and launch_timeout after the claim, for whoever enforces it; forgotten when it failed."""
    seat = launched(beat=None)
    claimed, bound = LAUNCHED_AT, KeepLease
    order = [action for _, action in seat.done if isinstance(action, bound | WriteNotice | Launch)]
    assert [type(action) for action in order] == [KeepLease, WriteNotice, Launch]
    kept = seat.kept
    assert kept is not None
    assert kept.launching
    assert kept.ends == claimed + timing().licence + 120
    seat.run(121)
    assert failed(seat)
    assert seat.kept is None


def test_the_lease_is_kept_before_anybody_can_list_started() -> None:
    """A daemon that dies right after it wrote ``started`` leaves the lease, and not the launch's bound."""
    seat = Seat(timing=timing(lease=72))
    phases.recording(seat)
    kept = seat.kept
    assert kept is not None
    assert kept.launching
    assert kept.ends == LAUNCHED_AT + 72
    seat.settle()
    assert seat.kept is not None
    assert not seat.kept.launching


def test_a_lease_that_is_never_written_ends_the_launch() -> None:
    """The local disk hangs: nothing is recorded that nobody enforces, and the time limit holds."""
    seat = launched()
    while not any(isinstance(action, KeepLease) for action in seat.pending):
        seat.answer()
    seat.pending.clear()
    seat.until(StopPair)
    assert seat.now == LAUNCHED_AT + 120
    assert not any(notice.kind is NoticeKind.STARTED for notice in seat.requests(WriteNotice))


def test_the_lease_binds_before_the_notice_is_answered() -> None:
    """Whoever lists ``started`` waits for the lease only, so it ends the launch too (rule 9)."""
    seat = Seat(timing=timing(lease=90))
    phases.recording(seat)
    seat.pending.clear()
    seat.until(StopPair)
    assert seat.now == LAUNCHED_AT + 90


def test_a_launch_is_not_recorded_after_its_lease() -> None:
    """The last sign comes when the lease of its only beat is over: it waits for another, within its time."""
    seat = Seat(World(launch=program(lock=None)), timing=timing(lease=90))
    phases.launching(seat)
    seat.run(100)
    assert seat.state is State.LAUNCHING
    seat.world.lock = ABSENT
    seat.until(StopPair)
    assert seat.now == LAUNCHED_AT + 120
    assert seat.requests(WriteNotice)[-1].kind is not NoticeKind.STARTED
    seat.settle()
    assert failed(seat)
    assert "no beat within its lease" in seat.heard("takeover.failed")[0].detail
