"""A takeover that is disturbed: crashes between any two steps, lost replies, launches that fail."""

from collections.abc import Callable

import pytest

from shadowd.core.snapshot import State
from shadowd.core.values import NoticeKind
from shadowd.sim.court import Court
from shadowd.sim.disk import FAILS, HANGS, LOCAL, LOST, Fault, Op, late
from shadowd.sim.host import SimHost
from shadowd.sim.master import Program
from shadowd.sim.world import World

HOUR = 3_600.0
BEGIN = 900.0
"""The takeover comes at 840 s of silence, which begins at the check after the master's death."""


def dead_master(**programs: Program) -> World:
    """Return a world whose master has just died, watched by a judge and by b and c."""
    world = World(["old", "b", "c"])
    Court(world, strict=True)
    for host, program in programs.items():
        world[host].seats["cell"].program = program
    master = world["old"].seats["cell"].start_master()
    world.start_daemons("b", "c")
    world.run(130)
    master.kill()
    return world


def on_bid(world: World, strike: Callable[[SimHost, Op, int], None]) -> None:
    """Call this after each operation of the first bidder from its claim on, with a count for each kind."""
    bidder: list[str] = []
    counts: dict[Op, int] = {}

    def hook(host: SimHost) -> Callable[[str, Op], None]:
        def operated(_cell: str, op: Op) -> None:
            if not bidder and op is Op.LINK_CLAIM:
                bidder.append(host.name)
            if bidder == [host.name]:
                counts[op] = counts.get(op, 0) + 1
                strike(host, op, counts[op])

        return operated

    for host in world.hosts.values():
        host.on_operation = hook(host)


def restart(host: SimHost) -> None:
    """Kill shadowd; its service manager starts it again after five seconds."""
    host.kill_daemon()
    host.timeline.after(host.timing.step_down_timeout, host.start_daemon)


CRASHES: tuple[Callable[[SimHost], None], ...] = (SimHost.crash, SimHost.kill_daemon, restart)
BEFORE_LAUNCHING = ((Op.LINK_CLAIM, 1), (Op.LIST, 1), (Op.READ_PAUSE, 1), (Op.LINK_LOCK, 1))
BEFORE_START = ((Op.LINK_NOTICE, 1), (Op.LIST, 2), (Op.READ_PAUSE, 2))
FROM_START = (
    (Op.LAUNCH, 1),
    (Op.INSPECT, 1),
    (Op.INSPECT, 2),
    (Op.SCHEDULE, 1),
    (Op.LINK_NOTICE, 2),
    (Op.INSPECT, 3),
)
UNCONFIRMED = FROM_START[:-1]


@pytest.mark.parametrize("crash", CRASHES, ids=lambda crash: crash.__name__)
@pytest.mark.parametrize("point", [*BEFORE_LAUNCHING, *BEFORE_START, *FROM_START], ids=str)
def test_a_claimant_may_crash_between_any_two_steps(
    point: tuple[Op, int], crash: Callable[[SimHost], None]
) -> None:
    """Somebody completes the takeover in time, without a hand, and never are there two masters.

    In time: one window for a claimant that had not announced its launch, one lease for one that had, and
    all of the timers again if its master beat before its host died (PROTOCOL, "Some master").
    """
    world = dead_master()
    timing = world.timing
    struck: list[float] = []

    def strike(host: SimHost, op: Op, count: int) -> None:
        if not struck and (op, count) == point:
            struck.append(world.now)
            crash(host)

    on_bid(world, strike)
    assert world.run_until(lambda: bool(struck), BEGIN + 10)
    limit = timing.window * 1.02 if point in BEFORE_LAUNCHING else timing.handover
    if point in FROM_START:
        limit = timing.earliest + timing.check_interval + timing.probe_timeout
    slack = 65  # a new master asks a dead old host for 60 s
    assert world.run_until(lambda: world.now > struck[0] + 2 and world.master() is not None, limit + slack)
    found = world.master()
    if crash is SimHost.kill_daemon and point in UNCONFIRMED:
        # Nobody is left to confirm it: its enforcer ends it within its window, and another host completes.
        limit = timing.window + timing.earliest + timing.check_interval
        assert world.run_until(lambda: world.master() not in {None, found}, limit + slack)
        found = world.master()
    world.run(200)
    assert world.master() == found


FAULTS = {"fails": FAILS, "reply lost": LOST, "30 s late": late(30), "200 s late": late(200)}
STEPS = (
    Op.PROBE,
    Op.LINK_CLAIM,
    Op.LIST,
    Op.READ_LOCK,
    Op.READ_BEAT,
    Op.READ_ACTIVE,
    Op.READ_SHADOWS,
    Op.READ_PAUSE,
    Op.LINK_LOCK,
    Op.LINK_NOTICE,
    Op.LAUNCH,
    Op.INSPECT,
    Op.SCHEDULE,
)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("step", STEPS, ids=lambda op: op.value)
def test_any_step_of_a_takeover_may_go_wrong_once(step: Op, fault: Fault) -> None:
    """An error, a lost reply or a late answer costs at most a licence, a window or a back-off."""
    world = dead_master()
    if step in {Op.PROBE, Op.LINK_CLAIM}:
        world["b"].seats["cell"].view.inject(step, fault)
        world["c"].seats["cell"].view.inject(step, fault)

    def strike(host: SimHost, op: Op, count: int) -> None:
        if op is Op.LINK_CLAIM and step is not op and count == 1:
            host.seats["cell"].view.inject(step, fault)

    on_bid(world, strike)
    timing = world.timing
    limit = BEGIN + 200 + max(timing.window, timing.retry_after) + timing.check_interval
    assert world.run_until(lambda: world.master() is not None, limit)
    world.run(250)
    # A launch that took 200 s failed after it had beaten, so all timers begin anew (rule 12).
    again = timing.earliest + 2 * timing.check_interval if fault == late(200) and step in LOCAL else 0
    assert world.run_until(lambda: world.master() is not None, again)
    assert len([record for record in world.disk.ledger().records if record.open]) == 1


def test_a_claim_whose_reply_was_lost_is_known_as_ours() -> None:
    """Reading the number back shows our nonce, so the very first claim becomes the master."""
    world = dead_master()
    for host in ("b", "c"):
        world[host].seats["cell"].view.inject(Op.LINK_CLAIM, LOST)
    assert world.run_until(lambda: world.master() is not None, BEGIN + 10)
    assert list(world.disk.claims) == [1]


def test_a_claim_that_nobody_can_ascertain_is_closed_and_bid_for_again() -> None:
    """Link and reading back both fail: the host finds its own open claim later and closes it."""
    world = dead_master()
    world["c"].kill_daemon()
    view = world["b"].seats["cell"].view
    view.inject(Op.LINK_CLAIM, LOST)
    view.inject(Op.READ_CLAIM, FAILS)
    assert world.run_until(lambda: world.master() is not None, BEGIN + 120)
    assert NoticeKind.FAILED in world.disk.notices[world.disk.claims[min(world.disk.claims)].epoch]
    assert len(world.disk.claims) == 2


def test_a_lock_whose_reply_was_lost_is_known_as_ours() -> None:
    """The lock is read back after an error, so the takeover goes on at once."""
    world = dead_master()
    for host in ("b", "c"):
        world[host].seats["cell"].view.inject(Op.LINK_LOCK, LOST)
    assert world.run_until(lambda: world.master() is not None, BEGIN + 10)
    assert list(world.disk.claims) == [1]


def test_a_host_without_the_program_leaves_it_to_the_others() -> None:
    """It could not start a master, so it claims nothing."""
    world = dead_master(b=Program.MISSING)
    assert world.run_until(lambda: world.master() is not None, BEGIN + 600)
    assert {claim.host for claim in world.disk.claims.values()} == {"c"}


@pytest.mark.parametrize("program", [Program.EXITS, Program.DEAF])
def test_a_launch_that_fails_is_closed_and_another_shadow_tries(program: Program) -> None:
    """All of it is stopped, the lock is gone, the claim is closed, and the other host starts one."""
    world = dead_master(b=program)
    assert world.run_until(lambda: world.master() is not None, BEGIN + 600)
    assert world["c"].state("cell") is State.ACTIVE or world.run_until(
        lambda: world["c"].state("cell") is State.ACTIVE, 5
    )
    closed = [epoch for epoch, claim in world.disk.claims.items() if claim.host == "b"]
    assert closed
    for epoch in closed:
        assert NoticeKind.FAILED in world.disk.notices[epoch]
    assert not [process for process in world["b"].seats["cell"].processes if process.alive]
    assert world.said("takeover.failed", "b")


def test_a_launch_that_hangs_is_superseded_after_its_lease() -> None:
    """Nobody can know what a hung launch may still start, so its lease is waited for."""
    world = dead_master()
    for op in (Op.LAUNCH, Op.STOP):
        world["b"].seats["cell"].view.set(HANGS, (op,))
    timing = world.timing
    assert world.run_until(lambda: world.master() is not None, BEGIN + timing.handover + timing.window)
    assert world["c"].state("cell") is not State.STANDBY
    world.run(60)
    world["b"].seats["cell"].view.heal()
    world.run(HOUR / 4)
    found = world.master()
    assert found is not None
    assert found[0] == "c"


def test_a_program_that_never_works_is_tried_for_ever_with_growing_pauses() -> None:
    """No failed start switches failover off: when the program is repaired a master comes."""
    world = dead_master(b=Program.EXITS, c=Program.EXITS)
    world.run(3 * HOUR)
    attempts = len(world.disk.claims)
    assert 2 * 10 <= attempts <= 2 * 30
    world["c"].seats["cell"].program = Program.GOOD
    assert world.run_until(lambda: world.master() is not None, 1300)
