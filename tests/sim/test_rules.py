"""Each rule is needed: on the day that was found for it a promise breaks without it, and only without it."""

import pytest

from shadowd.core.timing import Timing
from shadowd.core.values import Seconds
from shadowd.sim.swarm import HOSTS, LEVELS, Day, SeedResult, timed
from tests.sim import names, stories
from tests.sim.dropped import RULES
from tests.sim.stories import HOURS, Story

pytestmark = pytest.mark.long


def live(story: Story, level: str = "guarded") -> SeedResult:
    """Live through a day with one story."""
    hours = 1.45 if story is stories.two_claimants_crash else HOURS
    timing = timed(stories.SHORT_LEASE if story in LAUNCHES else Timing(), level)
    day = Day(1, hours=hours, strikes=(), exact=True, level=level, timing=timing, make=LEVELS[level])
    day.world.after(990, lambda: story(day))
    return day.live()


def hurt(result: SeedResult) -> str:
    """Return what went wrong, for people; empty when nothing did."""
    broken = [verdict.promise.value for verdict in result.verdicts]
    longest = max(result.excused.values(), default=0.0)
    return ", ".join([*broken, *(["two masters for long"] if longest > 3 else [])])


LAUNCHES = {stories.slow_start, stories.launch_beside_the_next_one, stories.daemon_dies_with_started}
"""Stories of launches that may take longer than the lease."""
NEEDED: list[tuple[str, Story]] = [
    ("r2_guards_date_late", stories.frozen_guard_then_cut),
    ("r4_whoever_listens_is_a_master", stories.stranger_on_the_port),
    ("r4_asked_after_a_death", stories.stranger_who_speaks_as_a_master),
    ("r4_nothing_accounts_for_a_host_without_an_address", names.nobody_finds_the_dead_host),
    ("r5_bid_at_once", stories.two_claimants_crash),
    ("r7_no_accounts", stories.cut_within_its_lease),
    ("r7_launch_window_unheeded", stories.launch_beside_the_next_one),
    ("r8_launch_within_its_lease", stories.slow_start),
    ("r8_launch_renewed_by_beats", stories.launch_that_nobody_confirms),
    ("r8_lease_bound_late", stories.daemon_dies_with_started),
    ("r8_any_beat_confirms", stories.restarter_beside_the_guard),
    ("r8_failed_claims_supersede", stories.claim_that_came_to_nothing),
    ("r9_no_lease", stories.master_frozen_then_cut),
    ("r9_nobody_stands_in", stories.master_then_guard_frozen),
    ("r9_nobody_stands_in", stories.cut_then_guard_frozen),
    ("r9_lease_dies_with_its_daemon", stories.guard_restarts_while_cut),
    ("r10_supersession_unheard", stories.clock_stood_still),
    ("r10_here_is_elsewhere", names.another_name_of_its_host),
    ("r10_name_unheeded", stories.ghost_rewrites_act_qmaster),
    ("r11_stop_politely", stories.frozen_and_thawed),
    ("r12_outcome_before_the_end", stories.scheduler_outlives_its_master),
    ("r12_stopped_does_not_bind", stories.shutdown_and_the_lock_is_removed),
    ("r13_adopt_whatever_runs", stories.stray_start),
    ("r14_own_master_unknown", stories.daemon_restarted),
    ("r14_another_boot_is_over", stories.cloned_beside_its_master),
    ("r14_a_clone_adopts", stories.cloned_with_a_startup_script),
    ("r14_old_names_are_others", stories.renamed_without_its_record),
    ("r15_prune_whatever_is_old", stories.failed_starts_while_cut_off),
    ("r15_identity_unread", stories.old_copy_beneath_the_mount_point),
    ("r15_epochs_not_remembered", stories.old_copy_with_the_identity),
    ("r15_found_beside_a_master", stories.reinstalled_and_not_mounted),
    ("r16_foreign_lock_is_ours", stories.shutdown_without_a_guard),
    ("r17_lock_in_two_steps", stories.crash_within_the_lock),
    ("r18_claim_locks_stay", stories.late_lock_beside_a_master),
    ("r18_unlink_whatever_lies_there", stories.delayed_unlink),
    ("r19_whatever_is_missing", stories.program_that_is_gone),
    ("r19_whatever_lies_there", stories.directory_of_ones_own),
]
LOST = {
    "r8_failed_claims_supersede",
    "r10_name_unheeded",
    "r13_adopt_whatever_runs",
    "r14_a_clone_adopts",
    "r19_whatever_is_missing",
}
"""Without these claims are made that lead to nothing, or the right master has to make room."""


@pytest.mark.parametrize(
    ("name", "story"), NEEDED, ids=[f"{name}-{story.__name__}" for name, story in NEEDED]
)
def test_a_promise_breaks_without_the_rule_and_only_without_it(
    name: str, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same day, with the rule and without."""
    good = live(story)
    assert not hurt(good)
    RULES[name](monkeypatch)
    bad = live(story)
    if name in LOST:
        assert bad.claims > good.claims
    else:
        assert hurt(bad)


MARGIN = {
    "r1_long_intervals_count": "the second look and the probe come before every claim",
    "r1_late_replies_count": "a lane answers in the order in which it was asked",
    "r3_no_drift": "a new sge_qmaster asks the old host for longer than two clocks can differ in a lease",
    "r4_claim_before_verifying": "a guarded master that does not beat was stopped before, by its lease",
    "r4_whoever_it_leads_to": "as the rule before: the lease has ended its master by then",
    "r6_no_last_look": "lock, beat and act_qmaster tell of a later master too",
    "r8_launch_unannounced": "a claim that announced nothing is waited for as long, but for a step-down",
    "r15_loss_unnoticed": "nothing is written about a number that another claim holds now",
    "r15_notices_of_any_claim": "a directory that lost records is noticed before its numbers are used again",
    "r12_failed_skips_timers": "a launch that failed was stopped before it was closed",
}
"""Rules whose loss nothing noticed yet, and what stands behind them."""


@pytest.mark.parametrize("level", ["guarded", "fenced"])
@pytest.mark.parametrize(
    "story", [stories.claimant_freezes_before_its_fence, stories.late_reply_with_an_old_value]
)
def test_days_on_which_more_than_one_rule_protects(story: Story, level: str) -> None:
    """Dropping one of them is not enough here."""
    assert not hurt(live(story, level))


BOUNDED = "r8_any_beat_ends_the_back_off"
RESTLESS = Timing(
    check_interval=Seconds(5), beat_interval=Seconds(5), stale_after=Seconds(15), delay=Seconds(0)
)
"""Timers with which nothing but the back-off keeps hosts from failing again at once."""


def failures(hours: float) -> int:
    """Return how many epochs hosts spend that cannot start a master, in so many hours."""
    day = Day(1, hours=hours, strikes=(), exact=True, timing=RESTLESS)
    day.world.after(990, lambda: stories.programs_that_beat_and_fall(day))
    day.live()
    return max(day.world.disk.claims)


def test_failed_starts_of_a_day_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host fails once in ``retry_limit`` in the end, whatever its attempts leave behind."""
    hours = 2.5
    bound = len(HOSTS) * (hours * 3600 / RESTLESS.retry_limit + 10)
    assert 20 < failures(hours) <= bound
    RULES[BOUNDED](monkeypatch)
    assert failures(hours) > bound


def test_numbers_that_are_used_again_close_nobodys_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an emptied directory: either of two rules is enough, and without both a living epoch is closed."""
    for name in ("r15_loss_unnoticed", "r15_notices_of_any_claim"):
        assert not hurt(live(stories.emptied_directory))
        RULES[name](monkeypatch)
    assert hurt(live(stories.emptied_directory))


def test_every_rule_is_needed_or_is_margin() -> None:
    """No rule is left out of both lists."""
    assert {name for name, _ in NEEDED} | MARGIN.keys() | {BOUNDED} == RULES.keys()


@pytest.mark.parametrize("level", ["guarded", "fenced"])
def test_a_renamed_host_keeps_its_master(level: str) -> None:
    """Its script started one after the renaming: it is adopted, at once, and nothing is missing."""
    result = live(stories.renamed_and_started_by_its_script, level)
    assert not hurt(result)
    assert result.claims == 2
