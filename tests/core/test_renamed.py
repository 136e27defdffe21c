"""A host that was renamed: what it left under its old name is its own, and what a copy of it left is not."""

from typing import Any

import pytest

from shadowd.core.actions import (
    Fence,
    Identify,
    Inspect,
    MakeClaim,
    NameMaster,
    StopPair,
    StopStray,
    WriteNotice,
)
from shadowd.core.ledger import EpochRecord
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State
from shadowd.core.values import Epoch, FencePolicy, Host, NoticeKind, ProbeOutcome
from tests.core.rounds import ELSEWHERE, HERE, THERE, confirmed, policy, record
from tests.core.seat import Seat
from tests.core.world import Pair, World

OLD = Host("alpha-before")
ONE = Epoch(1)
MACHINE = f"machine-{HERE}"
DIED = NoticeKind.DIED


def left(epoch: int = 1, *notices: NoticeKind, **changes: Any) -> EpochRecord:
    """Return a confirmed epoch that this machine left under its old name, in this boot by default."""
    return confirmed(epoch, *notices, host=OLD, **{"machine_id": MACHINE, **changes})


def renamed(
    *records: EpochRecord,
    ours: Pair | None = None,
    policy_changes: dict[str, Any] | None = None,
    **world: Any,
) -> Seat:
    """Return a seat whose daemon starts under a new name; ``ours`` runs of epoch 1."""
    cell = World(**{"active": OLD, "here": {OLD: True}, **world})
    cell.add(*records)
    if ours is not None:
        cell.pairs[HERE, ONE], cell.nonces[HERE, ONE] = ours, f"{OLD}-1"
    return Seat(cell, policy=policy(**(policy_changes or {})))


def outcomes(seat: Seat) -> list[tuple[int, NoticeKind]]:
    """Return the notices that were asked for."""
    return [(notice.epoch, notice.kind) for notice in seat.requests(WriteNotice)]


def test_the_running_master_is_attached() -> None:
    """It was started under the old name, and goes on under it: act_qmaster keeps the name that it knows."""
    seat = renamed(left(), ours=Pair())
    seat.run(1000, masters_beat=True)
    assert seat.rows == [(State.STANDBY, Reason.ATTACHED, State.ACTIVE)]
    assert [seat.requests(kind) for kind in (MakeClaim, StopPair, NameMaster)] == [[], [], []]


def test_another_name_is_put_right_with_the_name_that_the_master_knows() -> None:
    """A real sge_qmaster ends itself when act_qmaster names a host that it is not."""
    seat = renamed(left(), ours=Pair())
    seat.run(5, masters_beat=True)
    seat.world.active = ELSEWHERE
    seat.run(5, masters_beat=True)
    assert seat.world.active == OLD
    assert seat.state is State.ACTIVE


def test_a_master_that_its_script_started_is_adopted() -> None:
    """The last confirmed epoch is ours, under the old name: nobody is asked, nobody is stopped."""
    seat = renamed(left(), active=HERE, resident=4711, probe=ProbeOutcome.ANSWERS)
    seat.run(5, masters_beat=True)
    assert seat.state is State.ACTIVE
    assert seat.world.records[Epoch(2)].confirmed
    assert seat.requests(StopStray) == []


def test_one_that_was_started_before_the_renaming_is_adopted_too() -> None:
    """act_qmaster has the old name, which is ours."""
    seat = renamed(left(), resident=4711)
    seat.run(5, masters_beat=True)
    assert seat.state is State.ACTIVE


def test_a_master_that_was_adopted_under_the_old_name_keeps_it() -> None:
    """Our claim has the new name, act_qmaster the one that the master knows: neither is put right."""
    seat = renamed(left(), resident=4711, probe=ProbeOutcome.HERE)
    seat.run(1000, masters_beat=True)
    assert seat.state is State.ACTIVE
    assert seat.requests(NameMaster) == []
    seat.world.active = ELSEWHERE
    seat.world.probe = ProbeOutcome.REFUSES
    seat.run(5, masters_beat=True)
    assert seat.world.active == OLD


def test_what_it_left_is_closed() -> None:
    """Nothing of it runs: as if the name were the same."""
    seat = renamed(left())
    seat.settle()
    assert [probe.host for probe in seat.requests(Identify)] == [OLD]
    assert outcomes(seat)[0] == (1, DIED)


def test_after_a_reboot_too_the_name_and_the_machine_id_are_proof() -> None:
    """After the two beats that any reboot costs."""
    seat = renamed(left(boot_id="boot before"))
    seat.run(70)
    assert outcomes(seat)[0] == (1, DIED)


def test_a_boot_id_is_proof_although_the_name_has_no_address_any_more() -> None:
    """Nobody else can have it."""
    seat = renamed(left(), ours=Pair(), here={})
    seat.run(5, masters_beat=True)
    assert seat.state is State.ACTIVE


@pytest.mark.parametrize(
    ("changes", "here"),
    [
        ({"boot_id": "another"}, {}),
        ({"boot_id": "another"}, {OLD: False}),
        ({}, {OLD: False}),
        ({"machine_id": "another"}, {OLD: True}),
    ],
    ids=["a name without an address", "another host's name", "a container's", "another machine"],
)
def test_what_is_not_proved_to_be_ours_is_left_alone(changes: dict[str, Any], here: dict[Host, bool]) -> None:
    """Images are copied with their machine id, and containers share a boot."""
    seat = renamed(left(**changes), here=here)
    seat.run(300)
    assert seat.requests(Inspect) == []
    assert outcomes(seat) == []
    assert len(seat.requests(Identify)) <= 1, "a name is looked up once"


def test_a_name_of_the_configuration_is_no_machine_s() -> None:
    """One machine plays several hosts there: its ids prove nothing."""
    seat = renamed(left(), policy_changes={"named": True})
    seat.run(300)
    assert seat.requests(Identify) == []
    assert seat.requests(Inspect) == []
    assert outcomes(seat) == []


def test_hosts_of_one_image_look_each_name_up_once() -> None:
    """The same machine id everywhere: the others' epochs stay theirs, and bids go on."""
    seat = renamed(
        confirmed(1, DIED, host=THERE, machine_id=MACHINE, boot_id="another"),
        record(2, host=ELSEWHERE, machine_id=MACHINE, boot_id="its boot"),
        active=THERE,
        here={ELSEWHERE: False},
    )
    assert seat.until(MakeClaim).epoch == 3
    assert [one.host for one in seat.requests(Identify)] == [THERE, ELSEWHERE]


def test_our_old_name_is_not_fenced() -> None:
    """Whoever is suspected under it is this host: it would switch itself off."""
    seat = renamed(left(1, DIED), policy_changes={"fence": FencePolicy.REQUIRED})
    seat.run(5)
    seat.world.advance_beat()  # what was closed is overtaken: somebody started a master by hand
    seat.run(2000)
    assert seat.state is State.ACTIVE
    assert seat.requests(Fence) == []
