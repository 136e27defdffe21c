"""Stories of one cell in virtual time, at the real default timers (60, 240 and 600 s)."""

import json

import pytest

from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State
from shadowd.core.timing import DelayApplies, Timing
from shadowd.core.values import Host, Lock, LockKind, NoticeKind, Problem
from shadowd.sim.disk import FAILS, HANGS, Op
from shadowd.sim.world import World

HOUR = 3_600.0
PEER = 60.0
"""A new sge_qmaster asks a host that does not answer for so long."""


class Watcher:
    """Notes when a host first read the present beat, and when each claim was made."""

    def __init__(self, world: World, host: str) -> None:
        self.first_read = 0.0
        self.claims: list[float] = []
        self._world = world
        self._beat: object = None
        for each in world.hosts.values():
            each.on_operation = self._note_claim
        world[host].on_operation = self._note_beat

    def _note_beat(self, cell: str, op: Op) -> None:
        if op is Op.READ_BEAT and self._beat != self._world.disk.beat:
            self._beat, self.first_read = self._world.disk.beat, self._world.now
        self._note_claim(cell, op)

    def _note_claim(self, _cell: str, op: Op) -> None:
        if op is Op.LINK_CLAIM:
            self.claims.append(self._world.now)


def unguarded(*shadows: str, timing: Timing | None = None, cells: tuple[str, ...] = ("cell",)) -> World:
    """Return a world with a master that nobody claimed on ``old``, where no shadowd runs, and its shadows."""
    world = World(["old", *shadows], timing=timing, cells=cells)
    for seat in world["old"].seats.values():
        seat.start_master()
    world.start_daemons(*shadows)
    world.run(1000)
    return world


def guarded(*hosts: str) -> World:
    """Return a world whose master was started by the first host's shadowd and is guarded by it."""
    world = World(hosts)
    world.start_daemons()
    world.run(100)
    world[hosts[0]].ask_takeover("cell")
    assert world.run_until(lambda: world[hosts[0]].state("cell") is State.ACTIVE, 30)
    world.run(100)
    return world


def reasons(world: World, host: str) -> set[Reason]:
    """Return what speaks against a takeover by this host."""
    snapshot = world[host].snapshot("cell")
    assert snapshot is not None
    return {item.reason for item in snapshot.refusals}


@pytest.mark.parametrize(
    ("applies", "silence"), [(DelayApplies.BEFORE_TAKEOVER, 840.0), (DelayApplies.AFTER_FAILED_BID, 240.0)]
)
def test_exactly_one_shadow_takes_over_when_the_silence_is_long_enough(
    applies: DelayApplies, silence: float
) -> None:
    """Of two shadows one claims, to the tenth of a second when the timers end, and one master runs."""
    world = unguarded("b", "c", timing=Timing(delay_applies=applies))
    watcher = Watcher(world, "b")
    world.run(60)
    world.masters()[0].kill()
    world.run_until(lambda: bool(watcher.claims), HOUR)
    assert silence <= watcher.claims[0] - watcher.first_read < silence + 0.1
    world.run(100)
    found = world.master()
    assert found is not None
    assert [(found[0], 1)] == [(claim.host, epoch) for epoch, claim in world.disk.claims.items()]
    assert found[0] == world.disk.active


@pytest.mark.parametrize("moment", [0.5, 239.9, 240.1, 500.0, 839.9])
def test_a_beat_at_any_moment_begins_the_silence_anew(moment: float) -> None:
    """A beat that comes a tenth of a second before the takeover prevents it for another 840 s."""
    world = unguarded("b", "c")
    watcher = Watcher(world, "b")
    world.run(60)
    world.masters()[0].kill()
    world.run(70)
    world.run(watcher.first_read + moment - world.now)
    world.disk.advance_beat()
    before = watcher.first_read
    assert world.run_until(lambda: watcher.first_read > before, 61)
    assert not world.run_until(lambda: bool(watcher.claims), 839.9)
    assert world.run_until(lambda: bool(watcher.claims), 0.2)


def test_nobody_takes_over_while_the_master_beats() -> None:
    """While all is well there is no transition at all."""
    world = unguarded("b", "c")
    world.run(6 * HOUR)
    assert not world.trace
    assert len(world.masters()) == 1


def test_a_regular_shutdown_is_never_overruled() -> None:
    """After an orderly end the empty lock keeps all shadows back for ever, and they say so."""
    world = unguarded("b", "c")
    world.masters()[0].terminate()
    world.run(6 * HOUR)
    assert not world.disk.claims
    assert Reason.LOCKED in reasons(world, "b") & reasons(world, "c")


def test_a_regular_shutdown_of_a_guarded_master_binds_even_without_its_lock() -> None:
    """The outcome ``stopped`` outlives the lock file; only a person starts the next master."""
    world = guarded("a", "b")
    world.masters()[0].terminate()
    world.run(60)
    assert NoticeKind.STOPPED in world.disk.notices[world.disk.ledger().highest]
    world.disk.remove_lock()
    world.run(2 * HOUR)
    assert not world.masters()
    assert Reason.SHUT_DOWN in reasons(world, "b")
    world["b"].ask_takeover("cell")
    assert world.run_until(lambda: world.master() is not None, 60)


def test_a_lock_of_a_stranger_is_respected_until_it_goes() -> None:
    """A foreign lock keeps everybody back and is never touched; without it the takeover comes."""
    world = unguarded("b", "c")
    world.masters()[0].kill()
    world.disk.lock = Lock(LockKind.FOREIGN)
    world.run(3 * HOUR)
    assert not world.disk.claims
    assert world.disk.lock.kind is LockKind.FOREIGN
    world.disk.remove_lock()
    assert world.run_until(lambda: world.master() is not None, 120)


def test_a_guard_that_saw_its_master_die_hastens_the_takeover() -> None:
    """A death notice is proof: the next master serves within seconds and not after 14 minutes."""
    world = guarded("a", "b", "c")
    world.masters()[0].kill()
    assert world.run_until(lambda: world.master() is not None, 10)


def test_a_dead_host_is_replaced_after_the_timers() -> None:
    """Nobody is left to write a notice: silence and lease decide, and a probe that nobody answers."""
    world = guarded("a", "b", "c")
    watcher = Watcher(world, "b")
    world.run(60)
    world["a"].crash()
    assert world.run_until(lambda: bool(watcher.claims), HOUR)
    assert 850.0 <= watcher.claims[0] - watcher.first_read < 850.1
    assert not world.said("io.stuck")
    assert world.run_until(lambda: world.master() is not None, PEER + 10)


def test_a_frozen_master_is_stopped_by_its_guard_and_replaced() -> None:
    """The lease ends a master that does not beat, before anybody may start another."""
    world = guarded("a", "b")
    old = world.masters()[0]
    old.frozen = True
    assert world.run_until(lambda: not old.alive, 742 + 60)
    assert len(world.disk.claims) == 1
    assert world.run_until(lambda: world.master() is not None, 60)
    found = world.master()
    old.thaw()
    world.run(300)
    assert world.master() == found


def test_a_host_that_was_frozen_whole_stops_its_replaced_master_when_it_thaws() -> None:
    """Guard and master wake up together, and the old master is gone two seconds later."""
    world = guarded("a", "b")
    old = world.masters()[0]
    old.frozen = True
    world["a"].freeze_daemon()
    assert world.run_until(lambda: world["b"].state("cell") is State.ACTIVE, HOUR)
    old.thaw()
    world["a"].thaw_daemon()
    world.run(2)
    assert not old.alive
    world.run(300)
    found = world.master()
    assert found is not None
    assert found[0] == "b"


def test_a_host_that_is_cut_off_stops_its_master_within_the_lease() -> None:
    """Cut from network and directory, the old master is dead before the new one starts."""
    world = guarded("a", "b")
    old = world.masters()[0]
    world["a"].unplug()
    assert world.run_until(lambda: len(world.disk.claims) == 2, HOUR)
    assert not old.alive
    assert world.run_until(lambda: world.master() is not None, PEER + 10)
    world["a"].plug()
    world.run(300)
    assert len(world.masters()) == 1


def test_a_look_at_the_processes_that_hangs_does_not_keep_a_guard_from_stopping_its_master() -> None:
    """Reading /proc can hang with a process on the hung mount; the lease ends its master all the same."""
    world = guarded("a", "b")
    old = world.masters()[0]
    world["a"].unplug()
    world["a"].seats["cell"].view.set(HANGS, (Op.INSPECT,))
    assert world.run_until(lambda: not old.alive, 742)


def test_a_cut_network_alone_starts_no_second_master() -> None:
    """While the beat goes on nobody cares whether the master's port can be reached."""
    world = unguarded("b", "c")
    world["old"].cut = True
    world.run(6 * HOUR)
    assert not world.trace


def test_a_hung_directory_of_one_cell_does_not_delay_another() -> None:
    """The lanes of a cell hang alone: the other's takeover comes to the tenth of a second."""
    world = unguarded("b", cells=("cell", "other"))
    for cell in ("cell", "other"):
        world["old"].masters(cell)[0].kill()
    watcher = Watcher(world, "b")
    world.run(61)
    world["b"].unplug()
    world["b"].seats["cell"].view.heal()
    world["b"].cut = False
    assert world.run_until(lambda: bool(watcher.claims), HOUR)
    assert watcher.claims[0] - watcher.first_read < 840.1
    assert world.run_until(lambda: world.master("cell") is not None, 60)
    record = json.loads(world["b"].seats["other"].local)
    assert record["io_stuck"] is not None
    assert not world.disks["other"].claims
    assert {line.cell for line in world.said("io.stuck")} == {"other"}
    world["b"].seats["other"].view.heal()
    assert world.run_until(lambda: world.master("other") is not None, HOUR)
    assert len(world.said("io.resumed")) == len(world.said("io.stuck"))


def test_records_for_people_that_cannot_be_written_do_not_delay_a_takeover() -> None:
    """On NFSv4 a dead reader of hosts/<host>.json may hold up its replacement for 104 s (NFS.md)."""
    world = unguarded("b")
    watcher = Watcher(world, "b")
    world.run(60)
    world.masters()[0].kill()
    world["b"].seats["cell"].view.set(HANGS, (Op.PUBLISH,))
    assert world.run_until(lambda: bool(watcher.claims), HOUR)
    assert watcher.claims[0] - watcher.first_read < 840.1
    assert world.run_until(lambda: world.master() is not None, 10)
    world.run(HOUR)
    assert len(world.disk.claims) == 1


@pytest.mark.parametrize("step", [-3600.0, 3600.0, -1.6e9])
def test_a_step_of_the_wall_clock_has_no_effect(step: float) -> None:
    """Only the monotonic clock decides, so the takeover comes when it would have come."""
    world = unguarded("b", "c")
    watcher = Watcher(world, "b")
    world.run(60)
    world.masters()[0].kill()
    world.run(500)
    world["b"].wall_offset = world["c"].wall_offset = step
    assert world.run_until(lambda: bool(watcher.claims), HOUR)
    assert 840.0 <= watcher.claims[0] - watcher.first_read < 840.1


def test_clocks_of_different_rate_elect_one() -> None:
    """A host whose clock is one per cent fast bids first, and the slow one loses or sees the new beat."""
    world = unguarded("b", "c")
    world["b"].rate, world["c"].rate = 0.99, 1.01
    world.masters()[0].kill()
    assert world.run_until(lambda: world.master() is not None, HOUR)
    world.run(300)
    assert [claim.host for claim in world.disk.claims.values()] == ["c"]


@pytest.mark.parametrize("problem", [Problem.MISSING, Problem.EMPTY, Problem.GARBAGE, Problem.NOT_A_FILE])
def test_a_heartbeat_that_cannot_be_read_is_doubt_and_recovers(problem: Problem) -> None:
    """Nobody acts on an unreadable heartbeat, all say so, and when it is back its silence counts anew."""
    world = unguarded("b", "c")
    world.masters()[0].kill()
    world.run(400)
    world.disk.beat = problem
    world.run(6 * HOUR)
    assert not world.disk.claims
    assert Reason.BEAT_UNKNOWN in reasons(world, "b")
    assert len(world.said("heartbeat.unknown", "b")) == 1
    world.disk.beat = 7
    watcher = Watcher(world, "b")
    assert world.run_until(lambda: bool(watcher.claims), HOUR)
    assert 840.0 <= watcher.claims[0] - watcher.first_read < 840.1


def test_a_daemon_that_starts_without_a_heartbeat_is_not_blind_for_life() -> None:
    """The file may be missing at the start; the shadow waits, says so, and works when it comes."""
    world = World(["old", "b"])
    world.disk.beat = Problem.MISSING
    world.start_daemons("b")
    world.run(HOUR)
    assert Reason.BEAT_UNKNOWN in reasons(world, "b")
    master = world["old"].seats["cell"].start_master()
    world.run(600)
    assert not reasons(world, "b")
    master.kill()
    assert world.run_until(lambda: world.master() is not None, 840 + 61)


@pytest.mark.parametrize("beat", [0, -5, 1, 99_999_999_999])
def test_any_change_of_the_beat_is_a_sign_of_life(beat: int) -> None:
    """A counter that goes down or is huge was written by somebody."""
    world = unguarded("b")
    watcher = Watcher(world, "b")
    world.masters()[0].kill()
    world.run(800)
    world.disk.beat = beat
    before = watcher.first_read
    assert world.run_until(lambda: watcher.first_read > before, 61)
    assert not world.run_until(lambda: bool(watcher.claims), 839.9)
    assert world.run_until(lambda: bool(watcher.claims), 0.2)


@pytest.mark.parametrize("active", [Problem.MISSING, Problem.EMPTY, Problem.GARBAGE, Host("unknown")])
def test_an_act_qmaster_that_names_nobody_is_doubt_and_recovers(active: Host | Problem) -> None:
    """Without a host to ask nobody acts; the takeover comes as soon as there is one again."""
    world = unguarded("b", "c")
    world.masters()[0].kill()
    world.disk.active = active
    world.run(3 * HOUR)
    assert not world.disk.claims
    assert world.said("takeover.refused" if active == "unknown" else "shadow.ineligible", "b")
    world.disk.active = Host("old")
    assert world.run_until(lambda: world.master() is not None, 700)


def test_the_last_shadow_restarts_a_master_that_died_on_its_own_host() -> None:
    """act_qmaster may name this very host: the ancestor stays silent for ever, ours restarts it."""
    world = guarded("a")
    world.masters()[0].kill()
    assert world.run_until(lambda: world.master() is not None, 10)
    assert len(world.disk.claims) == 2


def test_a_host_that_is_no_shadow_only_watches_until_it_is_listed() -> None:
    """The list is read again at each check, so adding a host needs no restart."""
    world = unguarded("b", "c")
    world.disk.shadows = (Host("c"),)
    world["c"].kill_daemon()
    world.masters()[0].kill()
    world.run(3 * HOUR)
    assert not world.disk.claims
    assert Reason.NOT_A_SHADOW in reasons(world, "b")
    world.disk.shadows = (Host("b"), Host("c"))
    assert world.run_until(lambda: world.master() is not None, 120)


def test_a_master_that_answers_is_not_replaced_whatever_its_heartbeat_does() -> None:
    """A probe that is answered stands against a takeover each time, and is reported."""
    world = unguarded("b")
    world["old"].seats["cell"].view.set(FAILS)
    world.run(4 * HOUR)
    assert not world.disk.claims
    assert len(world.said("heartbeat.stuck", "b")) > 3


def test_the_same_story_is_told_the_same_way_twice() -> None:
    """Nothing in the simulated world depends on anything but its own past."""

    def tell() -> list[str]:
        world = guarded("a", "b", "c")
        world["a"].unplug()
        world.run(1100)
        return [str(line) for line in world.trace]

    assert tell() == tell()
