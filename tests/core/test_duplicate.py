"""Another machine under this host's name: a clone, or two hosts that an alias makes one."""

from typing import Any

import pytest

from shadowd.core.actions import (
    Adopt,
    Identify,
    Level,
    MakeClaim,
    Observe,
    Probe,
    StopPair,
    StopStray,
    WriteNotice,
)
from shadowd.core.events import Namesake
from shadowd.core.ledger import EpochRecord
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State
from shadowd.core.values import Host, NoticeKind, ProbeOutcome
from tests.core import phases
from tests.core.rounds import (
    BEGINNING,
    ELSEWHERE,
    FOREIGN,
    HERE,
    THERE,
    UNREADABLE,
    confirmed,
    record,
    timing,
)
from tests.core.seat import Seat
from tests.core.world import World

DIED, FAILED = NoticeKind.DIED, NoticeKind.FAILED
BEFORE = "boot before"
ALIAS = Host("alias")


def booted(*records: EpochRecord, **world: Any) -> Seat:
    """Return a seat whose daemon starts in a new boot, with these records of an old one on disk."""
    cell = World(**{"active": HERE, **world})
    cell.add(*records)
    return Seat(cell)


def mine(epoch: int = 1, *notices: NoticeKind) -> EpochRecord:
    """Return a confirmed epoch of this host and machine, of another boot."""
    return confirmed(epoch, *notices, host=HERE, boot_id=BEFORE)


def outcomes(seat: Seat) -> list[tuple[int, NoticeKind]]:
    """Return the notices that were asked for."""
    return [(notice.epoch, notice.kind) for notice in seat.requests(WriteNotice)]


# --- a heartbeat that moves ----------------------------------------------------------------------------


def test_a_clone_does_not_close_the_epoch_of_a_master_that_beats() -> None:
    """Same name, same machine id, another boot: nothing runs here, and the beat moves all the same."""
    seat = booted(mine())
    seat.run(4000, masters_beat=True)
    assert outcomes(seat) == []
    assert seat.requests(MakeClaim) == []
    (line,) = seat.heard("host.duplicate")
    assert (line.reason, line.level) == (Reason.DUPLICATE_HOST, Level.ALARM)
    assert "epoch 1" in line.detail
    assert Reason.DUPLICATE_HOST in seat.reasons


def test_an_alias_in_act_qmaster_does_not_explain_the_beat_of_a_clone_s_master() -> None:
    """Somebody wrote another name of this host: until it is known whose it is, it may be ours."""
    seat = booted(mine(), active=ALIAS, here={ALIAS: True})
    seat.run(4000, masters_beat=True)
    assert [asked.host for asked in seat.requests(Identify)] == [ALIAS]
    assert outcomes(seat) == []
    assert seat.heard("host.duplicate")


def test_an_honest_reboot_costs_its_death_notice_two_beats() -> None:
    """Nobody beats: the notice comes when a living master would have beaten twice, and not later."""
    seat = booted(mine())
    seat.until(DIED)
    assert seat.now == BEGINNING + 2 * timing().beat_interval
    assert seat.heard("host.duplicate") == []


def test_two_beats_that_are_longer_than_a_check_are_waited_for_too() -> None:
    """Checks in between show the same value; their sum counts."""
    seat = Seat(World(active=HERE), timing=timing(beat_interval=100, stale_after=400, check_interval=30))
    seat.world.add(mine())
    seat.until(DIED)
    assert seat.now == BEGINNING + 200
    assert len(seat.times(Observe)) >= 7


def test_the_mark_of_a_shutdown_is_waited_for_as_well() -> None:
    """An outcome is an outcome: over there the guard would stop a healthy master."""
    seat = booted(mine(), lock=FOREIGN)
    seat.run(2000, masters_beat=True)
    assert outcomes(seat) == []


def test_an_unreadable_heartbeat_proves_no_end() -> None:
    """Doubt: nothing is closed until it could be watched."""
    seat = booted(mine(), beat=UNREADABLE)
    seat.run(2000)
    assert outcomes(seat) == []
    assert seat.heard("host.duplicate") == []
    seat.world.beat = 5
    seat.run(130)
    assert outcomes(seat)[0] == (1, DIED)


def test_after_a_sign_of_a_clone_time_alone_settles_its_epoch() -> None:
    """Its guard may be frozen by now, with its master: it counts as every other host does."""
    seat = booted(mine())
    seat.run(200, masters_beat=True)
    assert seat.heard("host.duplicate")
    last = seat.now
    seat.until(DIED)
    assert seat.now >= last - 30 + timing().lease


def test_a_master_that_is_being_started_here_is_no_clone() -> None:
    """The startup script was quicker: it beats before its pid file tells of it, and its port answers."""
    seat = booted(mine(), probe=ProbeOutcome.ANSWERS)
    seat.run(30, masters_beat=True)
    seat.world.advance_beat()
    seat.run(100)
    assert [probe.host for probe in seat.requests(Probe)][:1] == [HERE]
    assert seat.heard("host.duplicate") == []
    assert outcomes(seat) == []


@pytest.mark.parametrize(
    "later", [(confirmed(2, host=ELSEWHERE),), ()], ids=["a later epoch", "another name"]
)
def test_the_beat_of_another_master_is_no_sign(later: tuple[EpochRecord, ...]) -> None:
    """This host was rebooted after another one took over: what it left is closed at once."""
    seat = booted(mine(), *later, active=ELSEWHERE)
    seat.run(5, masters_beat=True)
    assert outcomes(seat) == [(1, DIED)]
    seat.run(300, masters_beat=True)
    assert seat.heard("host.duplicate") == []


def test_an_epoch_of_this_boot_is_closed_at_once() -> None:
    """What runs of it would be seen: there is nothing to wait for."""
    seat = booted(confirmed(1, host=HERE))
    seat.settle()
    assert outcomes(seat)[0] == (1, DIED)


def test_a_launch_of_another_boot_is_closed_when_its_window_is_over() -> None:
    """A master that is being started does not beat: two beats without a move tell nothing about it."""
    seat = booted(record(1, NoticeKind.LAUNCHING, host=HERE, boot_id=BEFORE))
    seat.until(FAILED)
    assert seat.now >= BEGINNING + timing().window


def test_what_another_boot_left_unconfirmed_is_closed_in_the_end() -> None:
    """It blocks nobody for ever, this host least of all."""
    seat = booted(record(1, host=HERE, boot_id=BEFORE), active=THERE)
    seat.run(4000)
    assert outcomes(seat)[0] == (1, FAILED)
    assert seat.state is State.ACTIVE


# --- the host record -----------------------------------------------------------------------------------


def test_a_host_record_that_another_machine_writes_is_an_alarm() -> None:
    """Told once, shown as long as it goes on; no bid meanwhile, and one when the other is switched off."""
    seat = Seat()
    for _ in range(30):
        seat.step(Namesake("its boot"))
        seat.run(60)
    assert len(seat.heard("host.duplicate")) == 1
    assert "its boot" in seat.heard("host.duplicate")[0].detail
    assert Reason.DUPLICATE_HOST in seat.reasons
    assert seat.requests(MakeClaim) == []
    seat.until(MakeClaim)
    assert Reason.DUPLICATE_HOST not in seat.reasons


def test_a_second_appearance_is_told_again() -> None:
    """It was gone for longer than three checks."""
    seat = Seat()
    for _ in range(2):
        seat.step(Namesake("its boot"))
        seat.run(200, masters_beat=True)
    assert len(seat.heard("host.duplicate")) == 2


def test_a_guard_tells_of_it_and_goes_on() -> None:
    """The master that runs here beats: it is nobody's to stop."""
    seat = Seat()
    phases.active(seat)
    seat.step(Namesake("its boot"))
    assert [item.reason for item in seat.cell.snapshot().complaints] == [Reason.DUPLICATE_HOST]
    seat.run(1000, masters_beat=True)
    assert seat.state is State.ACTIVE
    assert seat.requests(StopPair) == []
    assert seat.cell.snapshot().complaints == ()


def test_a_record_that_moves_keeps_an_epoch_open() -> None:
    """The beat may stand still over there for other reasons."""
    seat = booted(mine())
    for _ in range(10):
        seat.step(Namesake("its boot"))
        seat.run(60)
    assert outcomes(seat) == []


# --- a master that no claim started ---------------------------------------------------------------------


def test_a_master_that_a_clone_s_script_started_is_not_adopted() -> None:
    """It would supersede the right one. It is not stopped either: nobody can say which is which."""
    seat = booted(mine(), resident=4711)
    seat.run(50, masters_beat=True)
    assert seat.requests(MakeClaim) == []
    for _ in range(20):
        seat.step(Namesake("its boot"))
        seat.run(60, masters_beat=True)
    assert [seat.requests(kind) for kind in (MakeClaim, Adopt, StopStray)] == [[], [], []]
    assert Reason.DUPLICATE_HOST in seat.reasons


def test_after_an_honest_reboot_it_is_adopted_within_little_more_than_a_check() -> None:
    """As soon as another machine of this name would have shown itself."""
    seat = booted(mine(), resident=4711)
    seat.until(MakeClaim)
    assert BEGINNING + timing().check_interval < seat.now <= BEGINNING + 1.1 * timing().check_interval + 2


def test_after_another_host_s_epoch_nothing_is_waited_for() -> None:
    """Only an epoch of this name raises the question."""
    seat = booted(confirmed(1, DIED, host=THERE), resident=4711)
    seat.until(MakeClaim)
    assert seat.now == BEGINNING
