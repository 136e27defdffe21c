"""All protocols in one weather: the same faults, the same measure, and a seed that replays."""

import pytest

from shadowd.core.timing import Timing
from shadowd.sim.rivals.contest import LEVELS, OURS, RIVALS, Run, compete, day
from shadowd.sim.rivals.day import RivalDay
from shadowd.sim.rivals.heats import results
from shadowd.sim.rivals.replay import replay
from shadowd.sim.swarm import run_seed
from shadowd.sim.weather import OF_IDENTITY, Kind, Strike

pytestmark = pytest.mark.long

TIMING = Timing().derived()
ROWS = [(protocol, level) for protocol, levels in LEVELS.items() for level in levels]


def run_of(protocol: str, *, seed: int = 1, level: str = "none", hours: float = 24.0) -> Run:
    """Return one run at the default timers."""
    return Run(protocol=protocol, level=level, seed=seed, hours=hours, timing=TIMING)


def struck(*strikes: Strike, protocol: str = "torque", hours: float = 6.0) -> RivalDay:
    """Return a lived day with these faults and no others."""
    lived = RivalDay(RIVALS[protocol](TIMING), 1, level="none", timing=TIMING, hours=hours)
    lived.strikes = strikes
    lived.live()
    return lived


@pytest.mark.parametrize("seed", range(5))
def test_every_protocol_meets_the_same_faults(seed: int) -> None:
    """Which, when, how long, at whom: drawn whole before anything runs, and so are the clocks' rates.

    Of what becomes of names, copies and mounts the rivals are spared.
    """
    days = [day(run_of(protocol, seed=seed, level=level)) for protocol, level in ROWS]
    common = [strike for strike in days[0].strikes if strike.kind not in OF_IDENTITY]
    assert all(
        [strike for strike in each.strikes if strike.kind not in OF_IDENTITY] == common for each in days
    )
    assert not any(
        strike.kind in OF_IDENTITY for each in days if isinstance(each, RivalDay) for strike in each.strikes
    )
    rates = [tuple(host.rate for host in each.world.hosts.values()) for each in days]
    assert len(set(rates)) == 1


@pytest.mark.parametrize("level", LEVELS[OURS])
def test_ours_is_what_run_seed_says(level: str) -> None:
    """The verb and the tests of the simulator count the same days."""
    assert compete(run_of(OURS, seed=5, level=level)) == run_seed(5, level)


@pytest.mark.parametrize(("protocol", "level"), ROWS)
def test_a_seed_is_a_day(protocol: str, level: str) -> None:
    """The same run comes to the same."""
    run = run_of(protocol, seed=3, level=level, hours=8.0)
    assert compete(run) == compete(run)
    assert list(replay(run)) == list(replay(run))


@pytest.mark.parametrize("protocol", RIVALS)
def test_in_good_weather_nothing_happens(protocol: str) -> None:
    """One master from the first to the last minute, whoever looks after it."""
    lived = struck(protocol=protocol)
    result = lived.result()
    assert not result.verdicts
    assert result.two_masters == 0
    assert result.outages == ()


def test_each_rival_runs_two_masters_in_some_weather() -> None:
    """Within a few seeds, and ours, guarded, never does but where PROTOCOL.md says so."""
    for protocol in RIVALS:
        assert any(compete(run_of(protocol, seed=seed)).two_masters > 0 for seed in range(1, 30))


def test_frozen_seconds_are_not_counted_as_two_masters() -> None:
    """A stopped process writes nothing: what counts begins when it thaws."""
    freeze = Strike(at=5000.0, kind=Kind.FREEZE_MASTER, lasts=1500.0, target=0.1, dice=0.5)
    assert struck(freeze).result().two_masters < 0.1
    result = struck(freeze, protocol="sge_shadowd").result()
    assert 200 < result.two_masters < 6 * 3600.0 - 6500.0


def test_an_outage_lasts_until_somebody_serves() -> None:
    """From the kill to the new server; then cron brings the old one back as a standby."""
    kill = Strike(at=5000.0, kind=Kind.KILL_MASTER, lasts=0.0, target=0.1, dice=0.5)
    (outage,) = struck(kill).result().outages
    assert 5 < outage < 19
    (outage,) = struck(kill, protocol="sge_shadowd").result().outages
    assert 200 < outage < 500


def test_who_is_left_without_a_master_is_told() -> None:
    """A start that failed leaves the lock behind, which is for ever, though every program is mended."""
    broken = Strike(at=5000.0, kind=Kind.BREAK_PROGRAM, lasts=1200.0, target=0.7, dice=0.9)
    others = Strike(at=5000.0, kind=Kind.BREAK_PROGRAM, lasts=1200.0, target=0.9, dice=0.9)
    kill = Strike(at=5001.0, kind=Kind.KILL_MASTER, lasts=0.0, target=0.1, dice=0.5)
    lived = struck(broken, others, kill, protocol="sge_shadowd")
    assert lived.result().left_without
    assert any("did not start" in line for line in lived.story())


def test_a_person_starts_a_master_only_where_none_answers() -> None:
    """``takeover`` of a healthy cell is refused, ours and theirs."""
    takeover = Strike(at=5000.0, kind=Kind.TAKEOVER, lasts=0.0, target=0.9, dice=0.5)
    assert struck(takeover, protocol="sge_shadowd").result().two_masters == 0
    shutdown = Strike(at=5000.0, kind=Kind.SHUTDOWN, lasts=1000.0, target=0.9, dice=0.5)
    lived = struck(shutdown, protocol="sge_shadowd")
    assert not lived.result().verdicts
    assert any("a person starts" in line for line in lived.story())


def test_a_stepped_clock_is_set_right_again() -> None:
    """By an hour at most, for half an hour: what NTP would leave of it."""
    step = Strike(at=5000.0, kind=Kind.STEP_WALL, lasts=0.0, target=0.1, dice=1.0)
    lived = RivalDay(RIVALS["torque"](TIMING), 1, level="none", timing=TIMING, hours=6.0)
    lived.strikes = (step,)
    offsets: list[float] = []
    for at in (5001.0, 6900.0):
        lived.world.after(
            at, lambda: offsets.append(max(abs(h.wall_offset) for h in lived.world.hosts.values()))
        )
    lived.live()
    assert offsets[0] == 3600.0
    assert offsets[1] < 0.2


def test_runs_come_back_in_the_order_in_which_they_were_given() -> None:
    """One process or none of our own: the same pairs."""
    runs = [run_of(protocol, seed=seed, hours=4.0) for seed in (2, 1) for protocol in (OURS, "torque-2.3")]
    assert [run for run, _ in results(runs, 1)] == runs
    assert [result.seed for _, result in results(runs, 4)] == [2, 2, 1, 1]
