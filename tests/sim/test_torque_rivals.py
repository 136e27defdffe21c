"""TORQUE's servers in the simulated world show what was measured of the real ones, bad and good.

Each test is a row of reference/torque-lab.md or of the last table in TORQUE.md.
"""

import pytest

from shadowd.core.values import Seconds
from shadowd.sim.disk import FAILS, HANGS, Op
from shadowd.sim.rivals.host import RivalWorld
from shadowd.sim.rivals.torque import Servers, Torque
from shadowd.sim.rivals.torque_fcntl import TorqueFcntl

HOUR = 3_600.0
SOON = 20.0
"""Seconds in which a dead server is replaced, at the default timings."""
ALL = pytest.mark.parametrize("rival", [Torque, TorqueFcntl])


def running(rival: Servers, hosts: str = "abc") -> RivalWorld:
    """Return a world in which the first host's server is the active one."""
    world = RivalWorld(tuple(hosts), rival)
    world.begin()
    world.run(100)
    found = world.master()
    assert found is not None
    assert found[0] == "a"
    return world


def serving(world: RivalWorld) -> list[str]:
    """Return the hosts that have an active server."""
    return [master.where for master in world.masters()]


@pytest.mark.parametrize("later", [0.1 * tenth for tenth in range(0, 100, 7)])
def test_a_killed_server_is_replaced_in_6_to_18_seconds(later: float) -> None:
    """Measured: 6.6 to 14.5 s; look every 9 s, take when 9 s old."""
    world = running(Torque())
    world.run(later)
    world.masters()[0].kill()
    died = world.now
    assert world.run_until(lambda: world.master() is not None, SOON)
    assert 5.5 < world.now - died < 18.5


def test_the_lock_of_2_3_is_free_in_a_second() -> None:
    """The kernel frees it with the process; the others try once a second."""
    world = running(TorqueFcntl())
    world.masters()[0].kill()
    assert world.run_until(lambda: world.master() is not None, 2)


@ALL
@pytest.mark.parametrize("round_", range(7))
def test_of_many_standbys_exactly_one_takes_over(rival: type[Servers], round_: int) -> None:
    """The mutex, or the lock, is one's at a time."""
    world = running(rival(), hosts="abcde")
    for turn in range(3):
        world.run(round_ + turn / 3)
        world.masters()[0].kill()
        for _ in range(60):
            world.run(1)
            assert len(world.masters()) <= 1
        assert len(world.masters()) == 1


@ALL
def test_cron_brings_a_dead_server_back_as_a_standby(rival: type[Servers]) -> None:
    """A server that was killed everywhere else comes back and is there when it is needed."""
    world = running(rival(), hosts="ab")
    for expected in ("b", "a", "b"):
        world.masters()[0].kill()
        world.run(SOON)
        assert serving(world) == [expected]
        world.run(61)


def test_a_frozen_server_is_replaced_and_gone_when_it_thaws() -> None:
    """It looks at the date before anything else: 9 to 29 ms measured."""
    world = running(Torque())
    old = world.masters()[0]
    old.frozen = True
    world.run(30)
    assert len(world.masters()) == 2
    old.thaw()
    world.run(0.05)
    assert len(world.masters()) == 1
    world.run(HOUR)
    assert len(world.masters()) == 1


def test_a_frozen_server_of_2_3_is_never_replaced() -> None:
    """A stopped process keeps its lock for ever."""
    world = running(TorqueFcntl())
    world.masters()[0].frozen = True
    world.run(24 * HOUR)
    assert serving(world) == ["a"]


def test_a_standby_20_s_ahead_steals_at_once() -> None:
    """Two servers until the old one renews the date; after that it stays with the thief."""
    world = RivalWorld("ab", Torque())
    world["b"].wall_offset = 20.0
    world["b"].crash()
    world.begin()
    world.run(100)
    assert serving(world) == ["a"]
    world["b"].boot()
    world.run(0.1)
    assert serving(world) == ["a", "b"]
    began = world.now
    assert world.run_until(lambda: len(world.masters()) == 1, 10)
    assert world.now - began < 6
    world.run(HOUR)
    assert serving(world) == ["b"]


def test_a_date_in_the_future_is_old_only_much_later() -> None:
    """Active 20 s ahead and killed, right standby: 31.6 s measured."""
    world = RivalWorld("ab", Torque())
    world["a"].wall_offset = 20.0
    world.begin()
    world.run(100)
    world.masters()[0].kill()
    died = world.now
    assert world.run_until(lambda: world.master() is not None, 60)
    assert 25 < world.now - died < 39


def test_a_renewal_slower_than_the_check_makes_two_servers_all_the_time() -> None:
    """Check 3 and update 10 are accepted: two servers in 58 of 60 samples."""
    world = running(Torque(check=Seconds(9), update=Seconds(3)), hosts="ab")
    world = RivalWorld("ab", Torque(check=Seconds(3), update=Seconds(10)))
    world.begin()
    world.run(60)
    double = 0
    for _ in range(60):
        world.run(1)
        double += len(world.masters()) > 1
    assert double > 50


def test_a_frozen_standby_keeps_the_mutex_from_all_others() -> None:
    """The active one dies, and no server comes, however many wait."""
    world = running(Torque(), hosts="abcd")
    world["b"].freeze_daemon()
    world["a"].crash()
    world.run(24 * HOUR)
    assert not world.masters()
    world["b"].kill_daemon()
    assert world.run_until(lambda: world.master() is not None, SOON)


def test_a_third_server_never_gets_the_mutex() -> None:
    """While the second waits, 60 of 60."""
    rival = Torque()
    world = running(rival)
    for _ in range(60):
        world.run(1)
        assert rival.mutex.holder is not None
        assert rival.mutex.holder.host.name == "b"


def test_a_third_server_moves_up() -> None:
    """Starved but not lost: once the second is active, it waits in its place."""
    rival = Torque()
    world = running(rival)
    world["a"].crash()
    world.run(SOON)
    assert serving(world) == ["b"]
    world.run(2)
    assert rival.mutex.holder is not None
    assert rival.mutex.holder.host.name == "c"


@ALL
def test_a_clean_stop_looks_like_a_crash(rival: type[Servers]) -> None:
    """Nothing marks a regular shutdown: another server takes over."""
    world = running(rival())
    world.masters()[0].terminate()
    world.run(SOON)
    assert len(serving(world)) == 1
    assert serving(world) != ["a"]


def test_one_error_on_the_lock_file_makes_a_healthy_server_start_anew() -> None:
    """No second server, but none for a while either: the standby sees an old date before it does."""
    world = running(Torque())
    world["a"].seats["cell"].view.inject(Op.READ_BEAT, FAILS)
    assert world.run_until(lambda: not world.masters(), 4)
    assert world.run_until(lambda: world.master() is not None, SOON)
    world.run(SOON)
    assert len(world.masters()) == 1


def test_a_lone_server_waits_for_its_own_old_date() -> None:
    """9.1 s after a clean stop or a crash."""
    world = running(Torque(), hosts="a")
    world.masters()[0].kill()
    world["a"].start_daemon()
    began = world.now
    assert world.run_until(lambda: world.master() is not None, SOON)
    assert 9 < world.now - began < 10


def test_a_lock_of_a_host_that_is_cut_off_is_given_away_after_the_lease() -> None:
    """On NFSv4 after 90 s, and nothing tells the old holder: two servers when it is back."""
    world = running(TorqueFcntl())
    world["a"].unplug()
    cut = world.now
    assert world.run_until(lambda: len(world.masters()) == 2, HOUR)
    assert 90 <= world.now - cut < 93
    world["a"].plug()
    world.run(24 * HOUR)
    assert len(world.masters()) == 2


def test_a_lock_of_a_crashed_host_on_nfs_v3_is_never_free() -> None:
    """Until that host boots again."""
    world = running(TorqueFcntl(lock_lease=None))
    world["a"].crash()
    world.run(24 * HOUR)
    assert not world.masters()
    world["a"].boot()
    assert world.run_until(lambda: world.master() is not None, 5)


def test_a_server_whose_mount_hung_is_gone_soon_after() -> None:
    """The date has changed meanwhile, and it looks before it renews it."""
    world = running(Torque())
    world["a"].seats["cell"].view.set(HANGS)
    world.run(60)
    assert len(world.masters()) == 2
    world["a"].seats["cell"].view.heal()
    world.run(4)
    assert len(world.masters()) == 1
