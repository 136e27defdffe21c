"""How to bring a cell into each phase of a takeover, so that a test can change the world right there."""

from collections.abc import Callable

from shadowd.core.actions import Fence, Launch, MakeClaim, PlaceLock, Probe
from shadowd.core.snapshot import State
from shadowd.core.values import FenceOutcome, FencePolicy, NoticeKind
from tests.core.rounds import THERE, confirmed, policy
from tests.core.seat import Seat
from tests.core.world import World


def standby(seat: Seat) -> None:
    """Wait until the last beat is two beats old, with no request unanswered."""
    seat.run(70)
    assert seat.state is State.STANDBY


def stale(seat: Seat) -> None:
    """Wait for the first timer."""
    seat.run(300)
    assert seat.state is State.STALE


def verifying(seat: Seat) -> None:
    """Stop before the probe's answer."""
    seat.until(Probe)
    assert seat.state is State.VERIFYING


def claiming(seat: Seat) -> None:
    """Stop before the answer to the claim."""
    seat.until(MakeClaim)
    assert seat.state is State.CLAIMING


def accounting(seat: Seat) -> None:
    """Stop before the round in which others are accounted for."""
    claiming(seat)
    seat.answer()
    assert seat.state is State.ACCOUNTING


def locking(seat: Seat) -> None:
    """Stop before the lock is placed."""
    seat.until(PlaceLock)


def announcing(seat: Seat) -> None:
    """Stop before the notice ``launching`` is written."""
    seat.until(NoticeKind.LAUNCHING)


def looking(seat: Seat) -> None:
    """Stop before the last look."""
    announcing(seat)
    seat.answer()


def launching(seat: Seat) -> None:
    """Stop before the program is executed."""
    seat.until(Launch)
    assert seat.state is State.LAUNCHING


def recording(seat: Seat) -> None:
    """Stop before the notice ``started`` is written."""
    seat.until(NoticeKind.STARTED)


def active(seat: Seat) -> None:
    """Take over, and answer the guard's first questions."""
    seat.until(NoticeKind.STARTED)
    seat.settle()
    assert seat.state is State.ACTIVE


def without_proof() -> Seat:
    """Return a seat that gave up a bid because the old master's host could not be proved to be off."""
    world = World(fences={THERE: FenceOutcome.FAILED})
    world.add(confirmed(1))
    seat = Seat(world, policy=policy(fence=FencePolicy.REQUIRED))
    seat.until(Fence)
    seat.settle()
    return seat


Phase = Callable[[Seat], None]
UNDER_THE_CLAIM: tuple[Phase, ...] = (accounting, locking, announcing, looking)
"""The phases between the claim and the launch."""
