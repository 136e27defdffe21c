"""``sge_shadowd`` in the simulated world shows what was measured of the real one, bad and good.

Each test is a row of the table in GRIDENGINE.md, "What sge_shadowd does, and where it fails".
"""

from collections.abc import Callable

import pytest

from shadowd.core.values import Host, Lock, LockKind, Problem, Seconds
from shadowd.sim.disk import FAILS, HANGS, Op
from shadowd.sim.master import Program
from shadowd.sim.rivals.host import RivalHost, RivalWorld
from shadowd.sim.rivals.sge_shadowd import SgeShadowd

HOUR = 3_600.0
LATEST = 480.0
"""Seconds after a death within which the first attempt comes, with the default intervals."""


def running(rival: SgeShadowd | None = None, hosts: str = "abc") -> RivalWorld:
    """Return a world in which a master serves on the first host, and shadows watch on all."""
    world = RivalWorld(tuple(hosts), rival or SgeShadowd())
    world.begin()
    world.run(1000)
    found = world.master()
    assert found is not None
    assert found[0] == "a"
    return world


def crash_after(world: RivalWorld, op: Op) -> list[str]:
    """Let the first host that does this crash right after it; return who did."""
    crashed: list[str] = []

    def watch(host: RivalHost) -> Callable[[str, Op], None]:
        def crash(_cell: str, done: Op) -> None:
            if done is op and not crashed:
                crashed.append(host.name)
                host.crash()

        return crash

    for host in world.rivals.values():
        host.on_operation = watch(host)
    return crashed


@pytest.mark.parametrize("later", range(0, 240, 30))
def test_a_dead_master_is_replaced_after_210_to_480_seconds(later: int) -> None:
    """The first attempt depends on where in its interval the shadow stands; 600 s play no part."""
    world = running()
    world.run(later)
    died = world.now
    world.masters()[0].kill()
    assert world.run_until(lambda: world.master() is not None, LATEST + 5)
    assert 200 < world.now - died < LATEST + 5
    assert world.disk.lock.kind is LockKind.ABSENT


@pytest.mark.parametrize("later", range(7))
def test_of_two_shadows_exactly_one_takes_over(later: int) -> None:
    """The lock is created exclusively: two masters never come of a race."""
    world = running()
    world.run(later * 0.3)
    world.masters()[0].kill()
    world.run(LATEST + 100)
    assert len(world.masters()) == 1
    assert sum("has the lock" in tale.text for tale in world.story) == 1


def test_a_regular_shutdown_is_respected() -> None:
    """The lock that a clean exit leaves keeps every shadow back for ever."""
    world = running()
    world.masters()[0].terminate()
    world.run(6 * HOUR)
    assert not world.masters()


def test_a_frozen_master_that_thaws_makes_two_masters() -> None:
    """Both write the spool for many minutes: the old one looks only at every twentieth beat, if ever."""
    world = running()
    old = world.masters()[0]
    old.frozen = True
    assert world.run_until(lambda: len(world.masters()) > 1, HOUR)
    world.run(300)
    assert old.alive
    old.thaw()
    thawed = world.now
    world.run_until(lambda: not old.alive, 2 * HOUR)
    assert world.now - thawed >= 200
    assert all(master.writing for master in world.masters())


def test_the_probe_of_a_frozen_master_blocks_the_takeover() -> None:
    """65 s for the shadow's own question, then as long for the new master's."""
    world = running()
    world.masters()[0].frozen = True
    assert world.run_until(lambda: bool(world.story), HOUR)
    locked = world.now
    assert world.run_until(lambda: any(m.serving and not m.frozen for m in world.masters()), 300)
    assert 120 < world.now - locked < 135


def test_a_network_cut_with_short_timers_makes_two_masters() -> None:
    """The beat goes on, but the interval is shorter than it, and the old master's host cannot be asked."""
    rival = SgeShadowd(Seconds(1), Seconds(2), Seconds(3))
    world = running(rival)
    world["a"].cut = True
    assert world.run_until(lambda: sum(m.writing for m in world.masters()) > 1, HOUR)


@pytest.mark.parametrize("program", [Program.EXITS, Program.MISSING, Program.DEAF])
def test_a_start_that_fails_switches_failover_off_for_ever(program: Program) -> None:
    """The lock stays: no shadow ever tries again, though every program is mended soon."""
    world = running()
    for host in ("b", "c"):
        world[host].seats["cell"].program = program
    world.masters()[0].kill()
    world.run(LATEST + 100)
    for host in ("b", "c"):
        world[host].seats["cell"].program = Program.GOOD
    world.run(24 * HOUR)
    assert not any(master.serving for master in world.masters())
    assert world.disk.lock.kind is LockKind.FOREIGN


def test_an_orphan_lock_switches_failover_off_for_ever() -> None:
    """The shadow's host dies between the lock and the start; the other shadow never tries again."""
    world = running()
    crashed = crash_after(world, Op.LINK_CLAIM)
    world.masters()[0].kill()
    world.run(24 * HOUR)
    assert len(crashed) == 1
    assert not world.masters()


def test_a_heartbeat_that_was_missing_at_the_start_blinds_for_life() -> None:
    """The heartbeat comes back with the master; the shadow never sees it."""
    world = RivalWorld("ab", SgeShadowd())
    world.disk.beat = Problem.MISSING
    world.start_daemons()
    world.run(100)
    world["a"].seats["cell"].start_master()
    world.run(1000)
    world.masters()[0].kill()
    world.run(24 * HOUR)
    assert not world.masters()
    assert any("blind for life" in tale.text for tale in world.story)


@pytest.mark.parametrize("beat", [Problem.MISSING, Problem.UNREADABLE, 0, -5])
def test_a_heartbeat_that_says_nothing_is_no_silence(beat: int | Problem) -> None:
    """The shadow waits, and takes over once the number can be read again."""
    world = running()
    world.masters()[0].kill()
    world.disk.beat = beat
    world.run(6 * HOUR)
    assert not world.masters()
    world.disk.beat = 7
    assert world.run_until(lambda: world.master() is not None, 2 * LATEST)


@pytest.mark.parametrize("active", [Problem.MISSING, Problem.UNREADABLE])
def test_without_a_name_in_act_qmaster_nobody_acts(active: Problem) -> None:
    """The shadows warn each round and wait for a person."""
    world = running()
    world.masters()[0].kill()
    world.disk.active = active
    world.run(6 * HOUR)
    assert not world.masters()


def test_the_last_shadow_does_not_restart_its_own_master() -> None:
    """act_qmaster names this host: refused, silently, for ever."""
    world = running(hosts="ab")
    world["b"].crash()
    world.masters()[0].kill()
    world.run(24 * HOUR)
    assert not world.masters()
    assert not world.story


def test_a_booting_host_starts_its_master_again() -> None:
    """The startup script does what the shadow does not: a reboot takes no failover."""
    world = running(hosts="ab")
    world["a"].crash()
    world.run(100)
    world["a"].boot()
    assert world.run_until(lambda: world.master() is not None, 10)


def test_a_host_outside_shadow_masters_takes_over_all_the_same() -> None:
    """It warns, and starts."""
    world = running(hosts="ab")
    world.disk.shadows = (Host("z"),)
    world.masters()[0].kill()
    assert world.run_until(lambda: world.master() is not None, LATEST + 5)


def test_a_spool_that_fails_for_a_while_is_survived() -> None:
    """Errors are no silence: nothing is taken over, and later deaths are seen."""
    world = running(hosts="ab")
    world["b"].seats["cell"].view.set(FAILS)
    world.run(HOUR)
    assert len(world.masters()) == 1
    world["b"].seats["cell"].view.heal()
    world.masters()[0].kill()
    assert world.run_until(lambda: world.master() is not None, 2 * LATEST)


def test_a_hung_file_system_hangs_the_shadow_with_it() -> None:
    """Nothing happens until the mount is back, and then it goes on where it stood."""
    world = running(hosts="ab")
    world["b"].seats["cell"].view.set(HANGS)
    world.masters()[0].kill()
    world.run(6 * HOUR)
    assert not world.masters()
    world["b"].seats["cell"].view.heal()
    assert world.run_until(lambda: world.master() is not None, 2 * LATEST)


def test_a_clock_that_steps_back_stops_failover_for_as_long() -> None:
    """An hour back is an hour without a look at the silence."""
    world = running(hosts="ab")
    world["b"].wall_offset = -HOUR
    world.masters()[0].kill()
    world.run(HOUR - 300)
    assert not world.masters()
    assert world.run_until(lambda: world.master() is not None, 300 + LATEST)


def test_a_clock_that_steps_forward_fires_early() -> None:
    """The next look ends the interval, however short it was."""
    world = running(hosts="ab")
    beat = world.disk.beat
    world.run_until(lambda: world.disk.beat != beat, 60)
    world.run(61)
    world.masters()[0].frozen = True
    died = world.now
    world["b"].wall_offset = HOUR
    world.run(61)
    world["b"].wall_offset = 2 * HOUR
    assert world.run_until(lambda: bool(world.story), 130)
    assert world.now - died < 200


def test_a_lock_that_lies_there_is_never_questioned() -> None:
    """Whoever made it, and however long ago."""
    world = running()
    world.masters()[0].kill()
    world.disk.lock = Lock(LockKind.FOREIGN)
    world.run(24 * HOUR)
    assert not world.masters()


def test_a_master_that_it_started_is_not_watched_by_it() -> None:
    """On its own host it restarts nothing; another shadow has to."""
    world = running()
    world.masters()[0].kill()
    assert world.run_until(lambda: world.master() is not None, LATEST + 5)
    found = world.master()
    assert found is not None
    where = found[0]
    other = "c" if where == "b" else "b"
    for host in {"a", other}:
        world[host].kill_daemon()
    found[1].kill()
    world.run(6 * HOUR)
    assert not world.masters()
    world[other].start_daemon()
    assert world.run_until(lambda: world.master() is not None, 2 * LATEST)
