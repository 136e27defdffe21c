"""Watching on request: an operator who asks for a takeover, and one who pauses."""

import pytest

from shadowd.core.actions import MakeClaim, Observe
from shadowd.core.events import TakeoverAsked
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State
from shadowd.core.values import ClaimReason, NoticeKind
from tests.core import phases
from tests.core.rounds import (
    BEGINNING,
    ELSEWHERE,
    PAUSE,
    UNREADABLE,
    confirmed,
    record,
)
from tests.core.seat import Seat
from tests.core.world import World

# --- an operator asks --------------------------------------------------------------------------------


def test_an_operator_skips_the_timers() -> None:
    """Asked, the takeover begins at once, with the probe and all checks."""
    seat = Seat()
    seat.run(90)
    seat.step(TakeoverAsked("eve"))
    claim = seat.until(MakeClaim)
    assert seat.now == BEGINNING + 90
    assert claim.reason is ClaimReason.TAKEOVER
    assert seat.heard("takeover.asked")[0].detail == "eve"


def test_an_operator_is_refused_with_the_first_reason() -> None:
    """A refusal names what speaks against it, and the wish is forgotten."""
    seat = Seat(World(pause=PAUSE))
    seat.run(90)
    seat.step(TakeoverAsked("eve"))
    seat.settle()
    (line,) = seat.heard("takeover.refused")
    assert line.reason is Reason.PAUSED
    assert "eve" in line.detail
    seat.world.pause = None
    seat.run(120)
    assert seat.times(MakeClaim) == []


def test_a_wish_is_granted_once() -> None:
    """A race that was lost is over: the next bid waits for the timers again."""
    seat = Seat()
    seat.run(90)
    seat.step(TakeoverAsked("eve"))
    seat.until(MakeClaim)
    seat.world.add(record(1, NoticeKind.FAILED, host=ELSEWHERE))
    seat.answer()
    seat.until(MakeClaim)
    assert seat.now == BEGINNING + 840


def test_an_operator_may_overrule_a_recorded_shutdown() -> None:
    """``stopped`` binds the timers, not a person; the lock of a shutdown binds both."""
    world = World()
    world.add(confirmed(1, NoticeKind.STOPPED))
    seat = Seat(world)
    seat.run(2000)
    assert seat.times(MakeClaim) == []
    assert seat.reasons == [Reason.SHUT_DOWN]
    seat.step(TakeoverAsked("eve"))
    seat.settle()
    assert seat.state is State.ACTIVE


@pytest.mark.parametrize("phase", [phases.verifying, phases.claiming, phases.accounting, phases.launching])
def test_an_operator_who_comes_late_is_told_so(phase: phases.Phase) -> None:
    """A takeover under way is not begun twice."""
    seat = Seat()
    phase(seat)
    before = list(seat.pending)
    seat.step(TakeoverAsked("eve"))
    assert seat.said[-1].event == "takeover.refused"
    assert seat.said[-1].detail == f"this host is {seat.state.value} already"
    assert seat.pending == before


def test_an_operator_asks_the_master_itself() -> None:
    """On the host of the master there is nothing to take over."""
    seat = Seat()
    phases.active(seat)
    seat.step(TakeoverAsked("eve"))
    assert seat.said[-1].detail == "this host is active already"
    assert seat.state is State.ACTIVE


def test_an_operator_asks_while_a_round_is_read() -> None:
    """The round under way is judged as asked."""
    seat = Seat()
    seat.run(90)
    seat.until(Observe)
    seat.step(TakeoverAsked("eve"))
    seat.settle()
    assert seat.state is State.ACTIVE


# --- pause -------------------------------------------------------------------------------------------


def test_the_end_of_a_pause_is_a_beat() -> None:
    """It renewed the guard's lease like a beat, so both timers begin again (rule 9)."""
    world = World(pause=PAUSE)
    world.add(confirmed(1))
    seat = Seat(world)
    seat.run(3600)
    assert seat.state is State.STALE
    seat.world.pause = None
    over = seat.now
    seat.until(MakeClaim)
    assert seat.now >= over + 840
    assert (State.STALE, Reason.BEAT_MOVED, State.STANDBY) in seat.rows


def test_an_unreadable_pause_is_not_its_end() -> None:
    """Only a round that read that there is none ends it."""
    seat = Seat(World(pause=PAUSE))
    seat.run(1000)
    seat.world.pause = UNREADABLE
    seat.run(1000)
    assert seat.reasons == [Reason.PAUSE_UNKNOWN]
    assert seat.state is State.STALE
    seat.world.pause = None
    over = seat.now
    seat.until(MakeClaim)
    assert seat.now >= over + 840
