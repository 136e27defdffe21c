"""Fencing within a bid: whom, when, in which order, and what follows from each outcome."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from shadowd.core.actions import (
    Fence,
    Identify,
    KeepLease,
    Launch,
    Level,
    MakeClaim,
    Observe,
    PlaceLock,
    WriteNotice,
)
from shadowd.core.events import Fenced
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State
from shadowd.core.values import (
    Epoch,
    FenceOutcome,
    FencePolicy,
    Host,
    Instant,
    NoticeKind,
    Protection,
)
from tests.core.rounds import (
    ELSEWHERE,
    FOREIGN,
    HERE,
    PAUSE,
    THERE,
    confirmed,
    ledger,
    policy,
    record,
    timing,
)
from tests.core.seat import Seat
from tests.core.world import World

DEAD, FAILED, REFUSED = FenceOutcome.DEAD, FenceOutcome.FAILED, FenceOutcome.REFUSED
OPTIONAL, REQUIRED = FencePolicy.OPTIONAL, FencePolicy.REQUIRED
FENCED_TIMING = timing(fence_timeout=60)
either = pytest.mark.parametrize("fence", [OPTIONAL, REQUIRED])


def cell(fence: FencePolicy, *, outcome: FenceOutcome = DEAD, master: bool = True) -> Seat:
    """Return a shadow with a fence beside a confirmed master of THERE, which is silent from now on."""
    world = World(fences={THERE: outcome, ELSEWHERE: outcome})
    if master:
        world.add(confirmed(1))
    return Seat(world, timing=FENCED_TIMING, policy=policy(fence=fence))


def shapes(seat: Seat) -> list[type]:
    """Return the kinds of requests from the first claim on."""
    start = next(i for i, (_, action) in enumerate(seat.done) if isinstance(action, MakeClaim))
    return [type(action) for _, action in seat.done[start:]]


@either
def test_another_name_of_this_host_in_act_qmaster_is_nobody_to_be_fenced(fence: FencePolicy) -> None:
    """Somebody wrote an alias. No fence could prove this host off, and no takeover would ever come."""
    alias = Host("alias")
    seat = cell(fence, outcome=REFUSED, master=False)
    seat.world.active = alias
    seat.world.here[alias] = True
    seat.until(Launch)
    assert seat.requests(Fence) == []
    assert [asked.host for asked in seat.requests(Identify)] == [alias]


@either
def test_the_order_of_a_fenced_takeover(fence: FencePolicy) -> None:
    """Claim, look, fence, look, lock, keep, announce, look, launch: nothing beside the fence."""
    seat = cell(fence)
    asked = seat.until(Fence)
    assert seat.pending == [asked]
    assert asked == Fence(Epoch(2), THERE)
    assert seat.state is State.ACCOUNTING
    seat.until(Launch)
    rest = [PlaceLock, KeepLease, WriteNotice, Observe, Launch]
    assert shapes(seat) == [MakeClaim, Observe, Fence, Observe, *rest]
    seat.run(1)
    assert seat.state is State.ACTIVE


@either
def test_what_people_are_told(fence: FencePolicy) -> None:
    """One line before the power goes, one after, the notice, and the snapshot."""
    seat = cell(fence)
    seat.until(Launch)
    (begun,), (done,) = seat.heard("fence.begun"), seat.heard("fence.done")
    assert (begun.reason, begun.level, begun.epoch, begun.detail) == (
        Reason.FENCING,
        Level.WARNING,
        2,
        THERE,
    )
    assert (done.reason, done.level, done.epoch, done.detail) == (
        Reason.FENCED,
        Level.WARNING,
        2,
        "beta: by hand",
    )
    (notice,) = seat.requests(WriteNotice)
    assert notice == WriteNotice(Epoch(2), NoticeKind.LAUNCHING, f"{HERE}-2", "fence beta: dead, by hand")
    snapshot = seat.cell.snapshot()
    assert snapshot.fence is fence
    (told,) = snapshot.fenced
    assert (told.epoch, told.host, told.outcome, told.detail) == (2, THERE, DEAD, "by hand")


@pytest.mark.parametrize(
    ("fence", "level"),
    [
        (FencePolicy.NONE, Protection.GUARDED),
        (OPTIONAL, Protection.GUARDED),
        (REQUIRED, Protection.FENCED),
    ],
)
def test_the_claim_states_its_protection(fence: FencePolicy, level: Protection) -> None:
    """Only a fence that must succeed protects."""
    assert cell(fence).until(MakeClaim).protection is level


def test_without_a_fence_nobody_is_fenced() -> None:
    """Time alone settles it, and the notice says nothing of it."""
    seat = cell(FencePolicy.NONE)
    seat.until(Launch)
    assert seat.times(Fence) == []
    assert seat.requests(WriteNotice)[0].detail == ""


@either
def test_an_outcome_needs_no_fence(fence: FencePolicy) -> None:
    """A guard that wrote ``died`` has proved it: no host loses its power, and the timers are skipped."""
    seat = cell(fence)
    seat.run(70)
    seat.world.note(1, NoticeKind.DIED)
    seat.until(Launch, 60)
    assert seat.times(Fence) == []


@either
def test_a_master_that_no_claim_started_is_fenced(fence: FencePolicy) -> None:
    """Level none: act_qmaster is all that is known of it."""
    seat = cell(fence, master=False)
    assert seat.until(Fence) == Fence(Epoch(1), THERE)


@either
def test_several_hosts_one_after_the_other(fence: FencePolicy) -> None:
    """The next one only after a fresh look, which tests the licence again."""
    seat = cell(fence)
    seat.world.add(record(2, NoticeKind.LAUNCHING, host=ELSEWHERE))
    seat.run(60)
    seat.until(Launch)
    assert shapes(seat)[1:5] == [Observe, Fence, Observe, Fence]
    assert seat.requests(Fence) == [Fence(Epoch(3), THERE), Fence(Epoch(3), ELSEWHERE)]
    assert "fence beta: dead, by hand; fence gamma: dead, by hand" in seat.requests(WriteNotice)[0].detail


@pytest.mark.parametrize(
    ("outcome", "reason"), [(FAILED, Reason.FENCE_FAILED), (REFUSED, Reason.FENCE_REFUSED)]
)
def test_an_optional_fence_that_fails(outcome: FenceOutcome, reason: Reason) -> None:
    """Said aloud, tried once, and the takeover goes on: time has settled it."""
    seat = cell(OPTIONAL, outcome=outcome)
    seat.until(Launch)
    assert len(seat.times(Fence)) == 1
    (alarm,) = seat.heard("fence.failed")
    assert (alarm.reason, alarm.level, alarm.detail) == (reason, Level.ALARM, "beta: by hand")
    assert seat.requests(WriteNotice)[0].detail == f"fence beta: {outcome.value}, by hand"


@pytest.mark.parametrize("outcome", [FAILED, REFUSED])
def test_a_required_fence_that_fails(outcome: FenceOutcome) -> None:
    """No proof, no launch: given up, backed off, tried again for ever, and once it works: launched."""
    seat = cell(REQUIRED, outcome=outcome)
    seat.run(20_000)
    assert seat.times(Launch) == seat.times(PlaceLock) == []
    assert len(seat.times(Fence)) > 20
    assert (State.ACCOUNTING, Reason.FENCE_FAILED, State.STANDBY) in seat.rows
    assert seat.heard("takeover.abandoned")[0].level is Level.ALARM
    assert seat.heard("takeover.abandoned")[0].detail == "beta: by hand"
    snapshot = seat.cell.snapshot()
    assert snapshot.attempts == len(seat.times(Fence))
    assert [one.outcome for one in snapshot.fenced] == [outcome]
    assert all(item.outcome is NoticeKind.FAILED for item in list(seat.world.records.values())[1:])
    seat.world.fences[THERE] = DEAD
    seat.run(1000)
    assert seat.state is State.ACTIVE
    assert len(seat.times(Launch)) == 1
    assert [one.outcome for one in seat.cell.snapshot().fenced] == [DEAD]


def test_the_back_off_of_a_fence_that_fails() -> None:
    """30 s, doubled to 600 s: neither a storm of claims nor an end of trying."""
    seat = cell(REQUIRED, outcome=FAILED)
    seat.run(5000)
    times = seat.times(Fence)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps[:5] == pytest.approx([30, 60, 120, 240, 480], abs=1)
    assert max(gaps) <= 601


def test_proof_may_come_by_itself_after_a_failure() -> None:
    """The old host boots and closes its epoch: its word is proof, and the very same bid goes on."""
    seat = cell(REQUIRED, outcome=FAILED)
    seat.until(Fence)
    seat.world.note(1, NoticeKind.DIED)
    seat.run(1)
    assert seat.state is State.ACTIVE
    assert len(seat.times(Fence)) == 1


@either
def test_a_host_is_not_fenced_twice(fence: FencePolicy) -> None:
    """The launch failed; the next bid of this host trusts the proof that it has."""
    seat = cell(fence)
    seat.world.launch = lambda *_: None
    seat.run(1100)
    assert len(seat.times(Launch)) > 1
    assert len(seat.times(Fence)) == 1


def test_two_slow_switches_need_no_longer_licence() -> None:
    """Each takes most of a licence: the first proof is kept, so the second bid gets through."""
    seat = cell(REQUIRED)
    seat.world.add(record(2, NoticeKind.LAUNCHING, host=ELSEWHERE))
    _fence_slowly(seat)
    assert [fence.host for fence in seat.requests(Fence)] == [THERE, ELSEWHERE]
    assert [row[1] for row in seat.rows].count(Reason.LICENCE_OVER) == 1


def test_two_slow_switches_that_fail_do_not_keep_an_optional_cell_without_a_master() -> None:
    """Each is tried once in a silence, else the licence would run out at every bid."""
    seat = cell(OPTIONAL, outcome=FAILED)
    seat.world.add(record(2, NoticeKind.LAUNCHING, host=ELSEWHERE))
    _fence_slowly(seat)
    assert [fence.host for fence in seat.requests(Fence)] == [THERE, ELSEWHERE]


def _fence_slowly(seat: Seat) -> None:
    """Let time pass until a master runs; each fence takes 70 s, of a licence of 121 s."""
    for _ in range(2):
        seat.until(Fence)
        seat.now = Instant(seat.now + 70)
        seat.answer()
    seat.until(Launch)


@either
@pytest.mark.parametrize(
    ("obstacle", "reason"),
    [
        (lambda world: world.add(record(3, host=ELSEWHERE)), Reason.SUPERSEDED),
        (lambda world: setattr(world, "lock", FOREIGN), Reason.LOCKED),
        (lambda world: setattr(world, "pause", PAUSE), Reason.PAUSED),
        (lambda world: setattr(world, "active", ELSEWHERE), Reason.ACTIVE_CHANGED),
        (lambda world: world.note(1, NoticeKind.STOPPED), Reason.SHUT_DOWN),
    ],
)
def test_what_turns_up_during_the_fence(
    fence: FencePolicy, obstacle: Callable[[World], None], reason: Reason
) -> None:
    """The look after the fence ends the bid, whatever came of the fence."""
    seat = cell(fence, outcome=REFUSED)
    seat.until(Fence)
    obstacle(seat.world)
    seat.answer()
    seat.settle()
    assert reason in [row[1] for row in seat.rows]
    assert Epoch(2) not in [launch.epoch for launch in seat.requests(Launch)]


@either
def test_the_licence_bounds_the_fence(fence: FencePolicy) -> None:
    """A fence that was answered too late launches nothing; before it the licence was tested too."""
    seat = cell(fence)
    seat.until(Fence)
    seat.now = Instant(seat.now + FENCED_TIMING.licence)
    seat.answer()
    seat.settle()
    assert (State.ACCOUNTING, Reason.LICENCE_OVER, State.STANDBY) in seat.rows
    assert seat.times(Launch) == []


def test_no_fence_after_the_licence() -> None:
    """List, test the licence, then fence."""
    seat = cell(REQUIRED)
    claim = seat.until(MakeClaim)
    seat.answer()
    seat.now = Instant(seat.now + claim.licence)
    seat.settle()
    assert seat.times(Fence) == []


def test_a_late_answer_is_not_for_the_next_bid() -> None:
    """It names the epoch in whose name it was done."""
    seat = cell(REQUIRED, outcome=FAILED)
    seat.until(Fence)
    seat.answer()
    seat.until(Fence)
    before = len(seat.pending)
    seat.step(Fenced(Epoch(2), THERE, DEAD))
    assert len(seat.pending) == before
    assert seat.heard("fence.done") == []


def test_this_host_does_not_fence_itself() -> None:
    """Its own old epoch is settled by its own process table."""
    seat = cell(REQUIRED, master=False)
    seat.world.active = HERE
    seat.world.add(confirmed(1, host=HERE))
    seat.until(Launch)
    assert seat.times(Fence) == []


def test_the_notice_is_bounded() -> None:
    """However many hosts there were, and however much their agents said."""
    seat = cell(OPTIONAL, outcome=FAILED)
    crowd = [Host("x" * 100 + str(number)) for number in range(12)]
    seat.world.add(*(record(2 + n, NoticeKind.LAUNCHING, host=host) for n, host in enumerate(crowd)))
    seat.until(Launch)
    assert len(ledger(*seat.world.records.values()).suspects) > 12
    assert len(seat.requests(WriteNotice)[-1].detail) == 800
