"""What a guard keeps in order around its master: records, name and scheduler; and what ends its reign."""

import pytest

from shadowd.core.actions import (
    ClearLock,
    Launch,
    LaunchScheduler,
    Level,
    NameMaster,
    Probe,
    RestoreClaim,
    StopPair,
    WriteNotice,
)
from shadowd.core.events import ClaimAnswered, Probed
from shadowd.core.ledger import EpochRecord
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State
from shadowd.core.upkeep import Upkeep
from shadowd.core.values import (
    ClaimReason,
    Epoch,
    ExitKind,
    Host,
    Instant,
    Lock,
    LockKind,
    NoticeKind,
    ProbeOutcome,
)
from tests.core import phases
from tests.core.rounds import ELSEWHERE, HERE, UNREADABLE, claim, confirmed, policy, record
from tests.core.seat import Seat
from tests.core.world import Pair, World

ONE = Epoch(1)
OURS = (HERE, ONE)


def guarding() -> Seat:
    """Return a seat whose master runs."""
    seat = Seat()
    phases.active(seat)
    seat.run(3, masters_beat=True)
    return seat


# --- records -----------------------------------------------------------------------------------------


def test_a_directory_that_lost_our_claim_gets_it_again() -> None:
    """Emptied under a running master: an alarm, and within a second or two all of it is there again."""
    seat = guarding()
    before = seat.world.records[ONE]
    seat.world.records.clear()
    seat.run(4, masters_beat=True)
    assert seat.world.records[ONE].claim == before.claim
    assert seat.world.records[ONE].confirmed
    assert [line.reason for line in seat.heard("ledger.doubt")] == [Reason.RECORDS_LOST]
    assert [line.level for line in seat.heard("ledger.restored")] == [Level.WARNING]
    assert seat.state is State.ACTIVE


def test_lost_notices_are_written_again() -> None:
    """A claim that lost its ``started`` would count as a bid that may still launch."""
    seat = guarding()
    seat.world.records[ONE] = EpochRecord(ONE, seat.world.records[ONE].claim)
    seat.run(2)
    assert seat.world.records[ONE].confirmed


def test_a_claim_that_cannot_be_read_is_not_lost() -> None:
    """An error of the file server is no reason to write anything."""
    seat = guarding()
    seat.world.records[ONE] = EpochRecord(ONE, UNREADABLE, seat.world.records[ONE].notices)
    seat.run(5, masters_beat=True)
    assert seat.times(RestoreClaim) == []
    assert seat.heard("ledger.doubt") == []


def test_a_claim_that_cannot_be_linked_again_is_tried_each_second() -> None:
    """One alarm; the lease is not renewed by listings that prove nothing."""
    seat = guarding()
    due = seat.cell.snapshot().due
    seat.world.refuses[RestoreClaim] = UNREADABLE
    seat.world.records.clear()
    seat.run(30, masters_beat=True)
    assert 20 <= len(seat.times(RestoreClaim)) <= 31
    assert len(seat.heard("ledger.doubt")) == 1
    assert seat.cell.snapshot().due <= due + 3


def test_a_number_that_another_host_holds_now_ends_the_reign() -> None:
    """A restored directory in which somebody else was given our number: we are the ghost."""
    seat = guarding()
    seat.world.records[ONE] = record(1, host=ELSEWHERE)
    seat.run(2)
    assert (State.ACTIVE, Reason.SUPERSEDED, State.STANDBY) in seat.rows
    assert seat.world.pairs[OURS].alive == 0


def test_a_number_that_was_given_away_while_we_linked_ends_the_reign() -> None:
    """The link lost its race: the answer tells whose the number is."""
    seat = guarding()
    seat.world.records.clear()
    seat.until(RestoreClaim)
    seat.world.records[ONE] = record(1, host=ELSEWHERE)
    seat.settle()
    (line,) = seat.heard("master.superseded")
    assert line.detail == "gamma holds our number"


def test_an_epoch_that_somebody_closed_ends_the_reign() -> None:
    """Others may start a master at once: ours must not live beside it."""
    seat = guarding()
    seat.world.note(1, NoticeKind.DIED)
    seat.run(2)
    assert (State.ACTIVE, Reason.EPOCH_CLOSED, State.STANDBY) in seat.rows
    assert seat.world.pairs[OURS].alive == 0


def test_a_lost_record_that_was_never_seen_cannot_be_linked_again() -> None:
    """A daemon that starts into an emptied directory has only its lease, and says so once."""
    seat = Seat(World(), kept=guarding().kept)
    seat.world.pairs[OURS], seat.world.nonces[OURS] = Pair(), "alpha-1"
    seat.run(20, masters_beat=True)
    assert seat.times(RestoreClaim) == []
    assert len(seat.heard("ledger.doubt")) == 1


# --- act_qmaster -------------------------------------------------------------------------------------


def test_another_name_in_act_qmaster_with_a_master_there_ends_the_reign() -> None:
    """Somebody started a master past us: one of the two has to go, and clients are sent to the other."""
    seat = guarding()
    seat.world.active, seat.world.probe = ELSEWHERE, ProbeOutcome.ANSWERS
    seat.run(3)
    (line,) = seat.heard("master.superseded")
    assert (line.reason, line.detail) == (Reason.ACTIVE_CHANGED, "a master answers at gamma")
    assert seat.world.records[ONE].outcome is NoticeKind.STEPPED_DOWN


@pytest.mark.parametrize(
    "outcome", [one for one in ProbeOutcome if one is not ProbeOutcome.ANSWERS], ids=lambda o: o.value
)
def test_another_name_without_a_master_is_put_right(outcome: ProbeOutcome) -> None:
    """A thawed ghost wrote it before it died: our name is written again, the master lives on."""
    seat = guarding()
    seat.world.active, seat.world.probe = ELSEWHERE, outcome
    seat.run(3, masters_beat=True)
    assert seat.world.active == HERE
    here = outcome is ProbeOutcome.HERE
    told = [(line.reason, line.level) for line in seat.heard("master.named")]
    assert told == [(Reason.NAMED_OTHERWISE if here else Reason.NAMED_AGAIN, Level.WARNING)]
    assert seat.state is State.ACTIVE
    seat.run(10, masters_beat=True)
    assert len(seat.times(NameMaster)) == 1


def test_another_name_of_this_host_is_told_once() -> None:
    """Whoever writes it again and again: it is put right each time, and the master lives on."""
    seat = guarding()
    for name in (ELSEWHERE, ELSEWHERE, Host("alias"), ELSEWHERE):
        seat.world.active, seat.world.probe = name, ProbeOutcome.HERE
        seat.run(3, masters_beat=True)
        assert seat.world.active == HERE
    assert [line.reason for line in seat.heard("master.named")] == [Reason.NAMED_OTHERWISE] * 2
    assert len(seat.times(NameMaster)) == 4
    assert seat.state is State.ACTIVE


def test_a_name_seen_once_asks_nobody() -> None:
    """A file that is being written may show anything for a moment."""
    seat = guarding()
    probes = len(seat.times(Probe))
    for name in (ELSEWHERE, HERE, UNREADABLE, ELSEWHERE, Host("delta"), HERE):
        seat.world.active = name  # type: ignore[assignment]
        seat.run(1, masters_beat=True)
    assert len(seat.times(Probe)) == probes


def test_a_name_that_cannot_be_written_is_tried_again() -> None:
    """It is told once, with the reason, and shown until it is put right."""
    seat = guarding()
    seat.world.active = ELSEWHERE
    seat.world.refuses[NameMaster] = UNREADABLE
    seat.run(12, masters_beat=True)
    assert len(seat.times(NameMaster)) >= 3
    assert seat.heard("master.named") == []
    (line,) = seat.heard("master.unnamed")
    assert (line.reason, line.level) == (Reason.NAME_UNWRITTEN, Level.ALARM)
    assert line.detail == "a file: input/output error"
    (complaint,) = seat.cell.snapshot().complaints
    assert (complaint.reason, complaint.detail) == (Reason.NAME_UNWRITTEN, line.detail)
    del seat.world.refuses[NameMaster]
    seat.run(4, masters_beat=True)
    assert seat.world.active == HERE
    assert len(seat.heard("master.named")) == 1
    assert seat.cell.snapshot().complaints == ()


def test_a_name_that_is_put_right_by_others_is_no_trouble_any_more() -> None:
    """Whoever wrote it."""
    seat = guarding()
    seat.world.active = ELSEWHERE
    seat.world.refuses[NameMaster] = UNREADABLE
    seat.run(5, masters_beat=True)
    assert seat.cell.snapshot().complaints
    seat.world.active = HERE
    seat.run(3, masters_beat=True)
    assert seat.cell.snapshot().complaints == ()


def test_a_clearing_that_hangs_is_not_asked_for_again() -> None:
    """The lock is looked at each second, the question stays one."""
    seat = guarding()
    seat.world.lock = Lock(LockKind.CLAIM, ONE, "alpha-1")
    seat.until(ClearLock)
    for _ in range(10):
        seat.pending = [action for action in seat.pending if not isinstance(action, ClearLock)]
        seat.run(1, masters_beat=True)
    assert len(seat.times(ClearLock)) == 1


def test_answers_to_what_is_not_asked_any_more() -> None:
    """Late ones are dropped, and so is the word of a host that is not named any more."""
    upkeep = Upkeep(ONE, "n", HERE, has_scheduler=False, now=Instant(0))
    assert upkeep.step(Probed(ELSEWHERE, ProbeOutcome.ANSWERS)) == ()
    upkeep._awaiting = {Probed, ClaimAnswered}
    assert upkeep.step(Probed(ELSEWHERE, ProbeOutcome.ANSWERS)) == ()
    assert upkeep.step(ClaimAnswered(ONE, "n", UNREADABLE)) == ()
    assert upkeep.verdict is None


# --- the scheduler -----------------------------------------------------------------------------------


def test_a_scheduler_that_ends_alone_is_started_alone() -> None:
    """The master is not touched; no claim is made for it."""
    seat = guarding()
    launches = len(seat.times(Launch))
    seat.world.pairs[OURS].scheduler = ExitKind.FAILED
    seat.run(2, masters_beat=True)
    assert seat.world.pairs[OURS].scheduler is ExitKind.RUNNING
    assert len(seat.heard("scheduler.ended")) == 1
    assert (len(seat.times(Launch)), seat.times(StopPair)) == (launches, [])


def test_a_scheduler_that_does_not_stay_is_started_ever_more_seldom() -> None:
    """Pauses double up to a minute; it is said once, not each time."""
    seat = guarding()
    before = len(seat.times(LaunchScheduler))
    seat.world.refuses[LaunchScheduler] = UNREADABLE
    seat.world.pairs[OURS].scheduler = ExitKind.FAILED
    seat.run(600, masters_beat=True)
    assert 10 <= len(seat.times(LaunchScheduler)) - before <= 17
    assert len(seat.heard("scheduler.ended")) == 1
    assert len(seat.heard("scheduler.failed")) == 1


def test_a_scheduler_whose_start_hangs_is_not_started_twice() -> None:
    """The question stays one until it is answered."""
    seat = guarding()
    seat.world.pairs[OURS].scheduler = ExitKind.FAILED
    seat.until(LaunchScheduler)
    started = len(seat.times(LaunchScheduler))
    for _ in range(30):
        seat.pending = [action for action in seat.pending if not isinstance(action, LaunchScheduler)]
        seat.run(1, masters_beat=True)
    assert len(seat.times(LaunchScheduler)) == started


def test_an_adopted_master_has_the_scheduler_that_it_came_with() -> None:
    """Who started the one has started the other: a second scheduler would be worse than none."""
    world = World(active=HERE)
    world.add(confirmed(1, host=HERE, reason=ClaimReason.ADOPTED))
    world.pairs[OURS] = Pair()
    seat = Seat(world, policy=policy(has_scheduler=True))
    seat.run(10, masters_beat=True)
    assert seat.state is State.ACTIVE
    assert seat.times(LaunchScheduler) == []


def test_the_claim_is_linked_as_it_was() -> None:
    """The very record, with its nonce: another one would be another claim."""
    seat = guarding()
    held = seat.world.records[ONE].claim
    seat.world.records.clear()
    assert seat.until(RestoreClaim).claim == held
    assert held == claim(1, HERE, **{name: getattr(held, name) for name in ("nonce", "supersedes")})
    seat.settle()
    assert [notice.kind for notice in seat.requests(WriteNotice)].count(NoticeKind.STARTED) == 1
