"""A master that no claim started: taken into care, left alone, or stopped as an intruder (rule 13)."""

from typing import Any

import pytest

from shadowd.core.actions import Adopt, MakeClaim, Probe, StopPair, StopStray
from shadowd.core.adoption import Adoption
from shadowd.core.events import LockCleared, Probed, StrayStopped
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State
from shadowd.core.values import (
    ClaimReason,
    Epoch,
    Instant,
    NoticeKind,
    ProbeOutcome,
    Protection,
)
from tests.core.rounds import (
    ABSENT,
    BEGINNING,
    ELSEWHERE,
    FOREIGN,
    HERE,
    THERE,
    UNREADABLE,
    confirmed,
    ledger,
    policy,
    record,
    timing,
)
from tests.core.seat import Seat
from tests.core.world import World

PID = 4711
STARTED = NoticeKind.STARTED


def started_by_hand(*records: Any, policy_changes: dict[str, Any] | None = None, **world: Any) -> Seat:
    """Return a seat beside whose daemon an init script started a master."""
    cell = World(resident=PID, active=HERE, **world)
    cell.add(*records)
    return Seat(cell, policy=policy(**(policy_changes or {})))


# --- adopted -----------------------------------------------------------------------------------------


def test_a_master_that_an_init_script_started_is_taken_into_care() -> None:
    """A claim with reason ``adopted``, recorded as started, guarded from then on; nothing is launched."""
    seat = started_by_hand()
    seat.settle()
    assert [row[1] for row in seat.rows] == [Reason.ADOPTING, Reason.ADOPTED]
    (made,) = seat.requests(MakeClaim)
    assert (made.epoch, made.reason, made.protection) == (1, ClaimReason.ADOPTED, Protection.GUARDED)
    assert seat.world.records[Epoch(1)].notices == {STARTED}
    assert seat.state is State.ACTIVE
    seat.run(2000, masters_beat=True)
    assert seat.times(StopPair) == []


def test_an_adopted_master_has_a_lease_from_before_its_claim() -> None:
    """A frozen one is found out in time, as any other."""
    seat = started_by_hand()
    seat.until(StopPair)
    assert seat.now == BEGINNING + timing().lease


def test_an_adopted_master_that_is_superseded_is_stopped() -> None:
    """It is one of ours now."""
    seat = started_by_hand()
    seat.run(5, masters_beat=True)
    seat.world.add(record(2, host=ELSEWHERE))
    seat.run(2)
    assert seat.world.records[Epoch(1)].outcome is NoticeKind.STEPPED_DOWN
    assert seat.world.pairs[HERE, Epoch(1)].alive == 0


@pytest.mark.parametrize(
    "last",
    [confirmed(3, host=HERE), confirmed(3, NoticeKind.DIED), confirmed(3, NoticeKind.STOPPED)],
    ids=["ours", "died", "stopped"],
)
def test_it_is_adopted_after_an_epoch_that_cannot_be_meant(last: Any) -> None:
    """The last confirmed epoch is ours or closed: nobody has to be asked."""
    seat = started_by_hand(last)
    seat.run(5, masters_beat=True)
    assert seat.state is State.ACTIVE
    assert seat.world.records[Epoch(4)].confirmed
    assert [probe.host for probe in seat.requests(Probe)] in ([], [HERE])


@pytest.mark.parametrize("outcome", [ProbeOutcome.REFUSES, ProbeOutcome.SILENT], ids=lambda o: o.value)
def test_it_is_adopted_when_the_other_host_does_not_answer(outcome: ProbeOutcome) -> None:
    """The last confirmed epoch is another host's and open; that host is asked."""
    seat = started_by_hand(confirmed(3), probe=outcome)
    seat.run(5, masters_beat=True)
    assert [probe.host for probe in seat.requests(Probe)] == [THERE]
    assert seat.state is State.ACTIVE


def test_our_own_older_epoch_is_closed_after_the_adoption() -> None:
    """Else its death notice would be read as the end of the master that runs (rule 13)."""
    seat = started_by_hand(confirmed(3, host=HERE))
    seat.run(3, masters_beat=True)
    assert seat.world.records[Epoch(3)].open
    seat.world.pairs[HERE, Epoch(4)].end()
    seat.run(5)
    assert not seat.world.records[Epoch(4)].open


def test_an_observer_guards_too() -> None:
    """A host that may never take over still looks after the master that it has."""
    seat = started_by_hand(policy_changes={"observer": True})
    seat.settle()
    assert seat.state is State.ACTIVE


# --- an intruder -------------------------------------------------------------------------------------


def test_a_second_master_beside_a_living_one_is_stopped() -> None:
    """A stray legacy start against a confirmed master: the stray goes, with an alarm."""
    seat = started_by_hand(confirmed(3), probe=ProbeOutcome.ANSWERS)
    seat.run(1)
    assert [stop.pid for stop in seat.requests(StopStray)] == [PID]
    assert seat.world.resident is None
    (line,) = seat.heard("master.intruder")
    assert line.detail == "pid 4711; the master answers at beta"
    assert seat.times(MakeClaim) == []
    assert seat.state is State.STANDBY


def test_an_intruder_that_does_not_die_is_said() -> None:
    """And tried again later, not in a busy loop."""
    seat = started_by_hand(confirmed(3), probe=ProbeOutcome.ANSWERS)
    seat.world.refuses[StopStray] = UNREADABLE
    seat.run(100)
    assert len(seat.heard("master.unkillable")) == len(seat.times(StopStray))
    assert 2 <= len(seat.times(StopStray)) <= 4


# --- left alone --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "world",
    [
        {"lock": FOREIGN},
        {"lock": UNREADABLE},
        {"unlisted": UNREADABLE},
        {"doubts": (UNREADABLE,)},
    ],
    ids=["a lock", "an unreadable lock", "no listing", "a doubtful record"],
)
def test_it_is_left_alone_for_now(world: dict[str, Any]) -> None:
    """It may be starting, or being shut down, or belong to a claim that cannot be read."""
    seat = started_by_hand(**world)
    seat.run(100, masters_beat=True)
    assert seat.times(MakeClaim) == []
    assert Reason.RESIDENT in seat.reasons


def test_it_is_left_alone_while_act_qmaster_names_another_host() -> None:
    """It is not the cell's master as far as clients know."""
    seat = started_by_hand()
    seat.world.active = THERE
    seat.run(100, masters_beat=True)
    assert seat.times(MakeClaim) == []


def test_it_is_left_alone_if_the_configuration_says_so() -> None:
    """Watched, as the ancestor does, and not guarded."""
    seat = started_by_hand(policy_changes={"adopts": False})
    seat.run(1000, masters_beat=True)
    assert seat.times(MakeClaim) == []


def test_it_waits_for_another_hosts_bid() -> None:
    """Losing the race: the winner's outcome is awaited, at most for its window; then it is our turn."""
    seat = started_by_hand(record(4, host=ELSEWHERE))
    seat.run(100, masters_beat=True)
    assert seat.times(MakeClaim) == []
    seat.world.note(4, NoticeKind.FAILED)
    seat.run(65, masters_beat=True)
    assert seat.world.records[Epoch(5)].confirmed


def test_it_does_not_wait_for_a_bid_that_crashed() -> None:
    """A claim without ``launching`` has launched nothing when its window is over."""
    seat = started_by_hand(record(4, host=ELSEWHERE))
    seat.run(timing().window * 1.02 + 70, masters_beat=True)
    assert seat.state is State.ACTIVE


# --- failures ----------------------------------------------------------------------------------------


def test_a_claim_that_another_host_won() -> None:
    """Its outcome is awaited; nothing is adopted under a number that is not ours."""
    seat = started_by_hand()
    seat.until(MakeClaim)
    seat.world.add(record(1, host=ELSEWHERE))
    seat.settle()
    assert (State.CLAIMING, Reason.LOST, State.STANDBY) in seat.rows
    assert seat.times(Adopt) == []


def test_a_claim_that_nobody_can_tell_of() -> None:
    """Doubt: back to watching, and another try after a while."""
    seat = started_by_hand()
    seat.world.refuses[MakeClaim] = UNREADABLE
    seat.run(100, masters_beat=True)
    assert (State.CLAIMING, Reason.CLAIM_UNKNOWN, State.STANDBY) in seat.rows
    assert 2 <= len(seat.times(MakeClaim)) <= 4


def test_a_master_that_ended_while_it_was_adopted() -> None:
    """The claim is closed as failed, and supersedes nobody."""
    seat = started_by_hand()
    seat.until(Adopt)
    seat.world.resident = None
    seat.run(2)
    assert (State.CLAIMING, Reason.ADOPTION_FAILED, State.STANDBY) in seat.rows
    assert seat.world.records[Epoch(1)].outcome is NoticeKind.FAILED


def test_a_record_that_cannot_be_written() -> None:
    """Nobody could know of it: the claim is given up, and the next one may succeed."""
    seat = started_by_hand()
    seat.world.refuses[STARTED] = UNREADABLE
    seat.run(5, masters_beat=True)
    assert seat.world.records[Epoch(1)].outcome is NoticeKind.FAILED
    del seat.world.refuses[STARTED]
    seat.world.resident = PID
    seat.run(100, masters_beat=True)
    assert seat.state is State.ACTIVE


@pytest.mark.parametrize("outcome", [ProbeOutcome.UNRESOLVABLE, ProbeOutcome.HERE], ids=lambda o: o.value)
def test_a_host_without_an_address_answers_nothing(outcome: ProbeOutcome) -> None:
    """Doubt: neither adopted nor stopped. So is a host whose name leads to this one."""
    seat = started_by_hand(confirmed(3), probe=outcome)
    seat.run(10, masters_beat=True)
    assert (State.CLAIMING, Reason.ADOPTION_FAILED, State.STANDBY) in seat.rows
    assert seat.times(StopStray) == []


def test_late_answers_are_dropped() -> None:
    """Only what is awaited moves it."""
    adoption = Adoption(
        epoch=Epoch(1), pid=PID, policy=policy(), timing=timing(), ledger=ledger(), names={HERE},
        now=BEGINNING,
    )  # fmt: skip
    adoption.begin(BEGINNING)
    late = (Probed(THERE, ProbeOutcome.ANSWERS), StrayStopped(PID, alive=False), LockCleared())
    assert [adoption.step(event, Instant(BEGINNING + 1)) for event in late] == [(), (), ()]
    assert adoption.ending is None


@pytest.mark.parametrize("outcome", [ProbeOutcome.ANSWERS, ProbeOutcome.HERE], ids=lambda o: o.value)
def test_our_own_port_is_asked_before_an_end_is_believed(outcome: ProbeOutcome) -> None:
    """After a reboot an init script may have been quicker than this daemon (rule 14)."""
    world = World(active=HERE, lock=ABSENT, probe=outcome)
    world.add(confirmed(1, host=HERE))
    seat = Seat(world)
    seat.run(100)
    assert seat.world.records[Epoch(1)].open
    assert [probe.host for probe in seat.requests(Probe)] == [HERE, HERE]
    assert Reason.OWES_OUTCOME in seat.reasons
    seat.world.probe = ProbeOutcome.REFUSES
    seat.run(130)
    assert seat.world.records[Epoch(1)].outcome is NoticeKind.DIED
