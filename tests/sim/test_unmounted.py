"""Hosts that boot without their mount, with an old copy beneath: whole days of it, beside other deaths."""

import pytest

from shadowd.sim.swarm import Day
from shadowd.sim.weather import Kind
from tests.sim.dropped import RULES

pytestmark = pytest.mark.long

KINDS = (Kind.UNMOUNT, Kind.KILL_MASTER, Kind.CRASH, Kind.KILL_DAEMON, Kind.LIE)


def test_a_missing_mount_breaks_no_promise() -> None:
    """Neither two masters nor none, whatever happens meanwhile and however late it is mounted."""
    unmounted = 0
    for seed in range(12):
        day = Day(seed, kinds=KINDS)
        assert day.live().verdicts == (), seed
        unmounted += sum(each.kind is Kind.UNMOUNT and each.end > each.begin for each in day.faults.troubles)
    assert unmounted > 3


def test_without_the_identity_there_are_two_masters(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judges see a master on an old copy like any other."""
    RULES["r15_identity_unread"](monkeypatch)
    assert any(Day(seed, kinds=KINDS).live().verdicts for seed in range(12))
