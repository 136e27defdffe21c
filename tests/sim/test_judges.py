"""A judge that catches nothing is worth nothing: each is shown the machines that break its promise."""

import pytest

from shadowd.core.values import Epoch, Lock, LockKind
from shadowd.sim.disk import Disk
from shadowd.sim.judges import Promise
from shadowd.sim.machines import Maker, real_machines
from shadowd.sim.master import Master
from shadowd.sim.swarm import Day
from shadowd.sim.weather import Kind, Strike
from tests.sim.spoilt import Hasty, Jumpy, LongLease, Merciful, Overruling, Sleepy

NOON = 4000.0


def blow(kind: Kind, lasts: float = 0.0) -> Strike:
    """Return a fault at noon that strikes the master's host."""
    return Strike(NOON, kind, lasts, 0.0, 0.0)


def broken(strike: Strike, make: Maker = real_machines) -> set[Promise]:
    """Return which promises were broken on a day with this one fault."""
    day = Day(1, hours=3.5, strikes=(strike,), make=make, exact=True)
    return {verdict.promise for verdict in day.live().verdicts}


@pytest.mark.parametrize(
    ("make", "strike", "promise"),
    [
        (LongLease, blow(Kind.UNPLUG, 2000), Promise.ONE_MASTER),
        (Merciful, blow(Kind.FREEZE_HOST, 1500), Promise.ONE_MASTER),
        (Hasty, blow(Kind.FREEZE_MASTER, 700), Promise.DEATH),
        (Sleepy, blow(Kind.KILL_MASTER), Promise.SOME_MASTER),
        (Jumpy, blow(Kind.PAUSE, 500), Promise.CAUSE),
    ],
)
def test_each_judge_notices_what_it_is_there_for(make: Maker, strike: Strike, promise: Promise) -> None:
    """The same fault breaks nothing with the real machines, and the promise with the spoilt ones."""
    assert not broken(strike)
    assert promise in broken(strike, make)


def test_an_excuse_has_an_end() -> None:
    """A thawed guard has its seconds to look; a second master that lives on after them is no exclusion."""
    strikes = (blow(Kind.FREEZE_HOST, 1500),)
    spoilt = Day(1, hours=3.5, strikes=strikes, make=Merciful, exact=True).live()
    assert spoilt.excused == {"until a thawed guard looks": pytest.approx(3.0, abs=0.1)}
    assert spoilt.two_masters > 100


def test_a_shutdown_that_is_overruled_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes shadows that see no mark, and a lock that is placed over it."""
    strike = blow(Kind.SHUTDOWN, 2000)
    assert not broken(strike)
    assert Promise.SHUTDOWN not in broken(strike, Overruling)

    def overwrite(disk: Disk, epoch: Epoch, nonce: str) -> Lock:
        disk.lock = Lock(LockKind.CLAIM, epoch, nonce)
        return disk.lock

    monkeypatch.setattr(Disk, "link_lock", overwrite)
    assert Promise.SHUTDOWN in broken(strike, Overruling)


def test_a_master_that_is_ended_politely_counts_as_shut_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """TERM instead of KILL leaves the mark of a regular shutdown, and that is noticed."""
    strike = blow(Kind.FREEZE_HOST, 1500)
    assert not broken(strike)
    monkeypatch.setattr(Master, "kill", Master.terminate)
    assert Promise.SWITCHED_OFF in broken(strike)
