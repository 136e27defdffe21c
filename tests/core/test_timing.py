"""Timing: how the unset durations follow, and which combinations are refused."""

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowd.core.timing import Broken, DelayApplies, Timing, handover
from shadowd.core.values import Seconds
from tests.core.rounds import timing


def broken(**changes: Any) -> tuple[Broken, ...]:
    """Return what does not hold in the default timing with these changes."""
    return timing(**changes).broken()


def test_the_defaults_of_the_ancestor() -> None:
    """60/240/600: a takeover at 840 s, a lease of 741 s, a step-down of 15 s; and nothing is broken."""
    usual = timing()
    assert (usual.check_interval, usual.stale_after, usual.delay) == (60, 240, 600)
    assert usual.earliest == 840
    assert usual.step_down_timeout == 15
    assert usual.lease == 741
    assert usual.licence == pytest.approx(1.05 * (15 + 10 + 3 * 10))
    assert usual.window == pytest.approx((usual.licence + 120) * 1.02 + 1)
    assert usual.handover == pytest.approx(741 * 1.02 + 15)
    assert usual.broken() == ()


def test_the_delay_after_a_failed_bid() -> None:
    """What really happens in the ancestor: a takeover at 240 s, and so a lease of 201 s."""
    usual = timing(delay_applies=DelayApplies.AFTER_FAILED_BID)
    assert usual.earliest == 240
    assert usual.step_down_timeout == 15
    assert usual.lease == 201
    assert usual.broken() == ()


def test_short_timers_get_a_short_step_down() -> None:
    """A tenth of the earliest takeover, at most 15 s; and never a lease below three beats."""
    quick = timing(stale_after=4, delay=6, beat_interval=1)
    assert quick.step_down_timeout == 1
    assert quick.lease == 8
    assert timing(stale_after=10, delay=10, beat_interval=30).lease == 90


def test_fencing_needs_a_longer_licence() -> None:
    """The licence covers the fence command, and the window covers the licence."""
    fenced = timing(fence_timeout=60)
    assert fenced.licence == pytest.approx(timing().licence + 63)
    assert fenced.broken() == ()


def test_what_is_set_is_kept() -> None:
    """Deriving replaces zeros only, and deriving twice changes nothing."""
    odd = {field.name: Seconds(number + 1000) for number, field in enumerate(fields(Timing))}
    given_all = Timing(**{**odd, "delay_applies": DelayApplies.AFTER_FAILED_BID})  # type: ignore[arg-type]
    assert given_all.derived() == given_all
    assert timing().derived() == timing()


@pytest.mark.parametrize(
    ("key", "fatal", "changes", "nearly"),
    [
        ("lease", True, {"lease": 59.9}, {"lease": 60}),
        ("licence", True, {"licence": 54.9}, {"licence": 55}),
        ("window", True, {"licence": 60, "window": 183.5}, {"licence": 60, "window": 183.6}),
        ("retry_limit", True, {"retry_limit": 29}, {"retry_limit": 30}),
        ("check_interval", False, {"check_interval": 29}, {"check_interval": 30}),
        ("stale_after", False, {"stale_after": 163}, {"stale_after": 164}),
        ("lease", True, {"lease": 809}, {"lease": 808}),
        ("launch_timeout", False, {"launch_timeout": 119}, {"launch_timeout": 120}),
        ("launch_timeout", False, {"health_timeout": 120}, {"health_timeout": 119}),
    ],
    ids=str,
)
def test_each_relation(key: str, changes: dict[str, Any], nearly: dict[str, Any], *, fatal: bool) -> None:
    """Each relation is broken just beyond its limit, and holds at it."""
    (found,) = broken(**changes)
    assert (found.key, found.fatal) == (key, fatal)
    assert found.rule
    assert broken(**nearly) == ()


def test_a_lease_longer_than_the_earliest_takeover() -> None:
    """Refused when it was asked for; a mere warning where three beats leave no choice."""
    (asked,) = broken(lease=840)
    assert asked.fatal
    assert "earliest takeover" in asked.rule
    forced = broken(stale_after=60, delay=0)
    assert [(item.key, item.fatal) for item in forced] == [("stale_after", False), ("lease", False)]


def test_a_stale_after_below_two_beats_breaks_two_rules() -> None:
    """Both are said, for both must be mended."""
    assert [item.key for item in broken(stale_after=59)] == ["stale_after", "stale_after"]


def test_fatal_ones_come_first() -> None:
    """Whoever reads one line reads the one that stops the start."""
    found = broken(launch_timeout=60, check_interval=10, retry_limit=1, lease=1)
    assert [item.fatal for item in found] == [True, True, False, False]


def test_handover() -> None:
    """The lease, the drift of two clocks, and the time to step down (rule 7)."""
    assert handover(Seconds(100), Seconds(15)) == pytest.approx(117)


@given(
    stale_after=st.floats(120, 10_000),
    delay=st.floats(0, 10_000),
    applies=st.sampled_from(DelayApplies),
    limits=st.fixed_dictionaries(
        {
            "probe_timeout": st.floats(0, 100),
            "io_timeout": st.floats(0, 100),
            "launch_timeout": st.floats(0, 1000),
        }
    ),
)
def test_what_is_derived_is_sound(
    stale_after: float, delay: float, applies: DelayApplies, limits: dict[str, float]
) -> None:
    """Whatever is configured, derived durations break no rule that stops the start."""
    found = broken(stale_after=stale_after, delay=delay, delay_applies=applies, **limits)
    assert not [item for item in found if item.fatal]
