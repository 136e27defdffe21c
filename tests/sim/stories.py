"""The days on which a rule is needed: each was found by dropping it (PROTOCOL.md, "Why each rule")."""

# ruff: noqa: D401 - these docstrings tell stories, they command nothing

from collections.abc import Callable
from functools import partial

from shadowd.core.timing import Timing
from shadowd.core.values import Epoch, Host, Lock, LockKind, ProbeOutcome, Seconds
from shadowd.sim.disk import Op, late
from shadowd.sim.host import SimHost
from shadowd.sim.master import Program
from shadowd.sim.swarm import Day, sparse
from shadowd.sim.weather import Kind, Strike

NOON = 1000.0
"""When things begin; the first master was started at 100 s, on a."""
HOURS = 2.5

Story = Callable[[Day], None]


def strike(day: Day, kind: Kind, at: float, lasts: float = 0.0, *, dice: float = 0.0) -> None:
    """Let a fault strike the master's host."""
    day.world.after(at - day.world.now, lambda: day.faults.strike(Strike(at, kind, lasts, 0.0, dice)))


def at(day: Day, moment: float, happen: Callable[[], None]) -> None:
    """Let something happen at this moment."""
    day.world.after(moment - day.world.now, happen)


def frozen_guard_then_cut(day: Day) -> None:
    """A guard thaws late, sees a beat that is old, and is cut off before it could see a claim (rule 2)."""
    a = day.world["a"]
    (master,) = day.world.masters()
    at(day, NOON, a.freeze_daemon)
    at(day, NOON + 40, lambda: setattr(master, "frozen", True))
    at(day, NOON + 600, a.thaw_daemon)
    at(day, NOON + 601, a.unplug)
    at(day, NOON + 1300, a.plug)
    at(day, NOON + 1300, master.thaw)


def guard_restarts_while_cut(day: Day) -> None:
    """A daemon that cannot read the directory must not give its master more time (rule 9)."""
    a = day.world["a"]
    at(day, NOON, a.unplug)
    at(day, NOON + 700, a.kill_daemon)
    at(day, NOON + 705, a.start_daemon)
    at(day, NOON + 1000, a.plug)


def master_frozen_then_cut(day: Day) -> None:
    """A guard that is well stops a master that is not, before anybody else may start one (rule 9)."""
    a = day.world["a"]
    (master,) = day.world.masters()
    at(day, NOON, lambda: setattr(master, "frozen", True))
    at(day, NOON + 500, a.unplug)
    at(day, NOON + 1300, a.plug)
    at(day, NOON + 1300, master.thaw)


def master_then_guard_frozen(day: Day) -> None:
    """First the master stands still, then its guard, and the master goes on first (rule 9)."""
    a = day.world["a"]
    (master,) = day.world.masters()
    at(day, NOON, lambda: setattr(master, "frozen", True))
    at(day, NOON + 450, a.freeze_daemon)
    at(day, NOON + 1000, master.thaw)
    at(day, NOON + 1100, a.thaw_daemon)


def cut_then_guard_frozen(day: Day) -> None:
    """The guard stands still while nobody could hear of it, and its host comes back first (rule 9)."""
    a = day.world["a"]
    at(day, NOON, a.unplug)
    at(day, NOON + 650, a.freeze_daemon)
    at(day, NOON + 1080, a.plug)
    at(day, NOON + 1300, a.thaw_daemon)


def shutdown_and_the_lock_is_removed(day: Day) -> None:
    """A shutdown was recorded; somebody tidies up the lock (rule 12)."""
    strike(day, Kind.SHUTDOWN, NOON, 3000)
    at(day, NOON + 100, day.world.disk.remove_lock)


def shutdown_without_a_guard(day: Day) -> None:
    """Only the mark tells of the shutdown (rule 16)."""
    at(day, NOON - 10, day.world["a"].kill_daemon)
    strike(day, Kind.SHUTDOWN, NOON, 3000)


def delayed_unlink(day: Day) -> None:
    """A claimant's unlink arrives when the mark of a shutdown lies there (rule 18)."""
    shutdown_without_a_guard(day)
    at(day, NOON + 100, day.world.disk.clear_lock)


def late_lock_beside_a_master(day: Day) -> None:
    """A late claimant's lock lies there at a shutdown, and would swallow the mark (rule 18)."""
    disk = day.world.disk
    at(day, NOON, lambda: setattr(disk, "lock", Lock(LockKind.CLAIM, Epoch(1), "late")))
    at(day, NOON + 190, day.world["a"].kill_daemon)
    strike(day, Kind.SHUTDOWN, NOON + 200, 3000)


def ghost_rewrites_act_qmaster(day: Day) -> None:
    """A thawed ghost writes its name into act_qmaster and dies (rule 10)."""
    at(day, NOON, lambda: setattr(day.world.disk, "active", Host("b")))


def claim_that_came_to_nothing(day: Day) -> None:
    """A move is asked for while the guard stands still, and given up (rule 8)."""
    at(day, NOON, day.world["a"].freeze_daemon)
    at(day, NOON + 10, lambda: day.faults.strike(Strike(0, Kind.MIGRATE, 0, 0.7, 0)))
    at(day, NOON + 100, day.world["a"].thaw_daemon)


def on_first(day: Day, op: Op, act: Callable[[SimHost], None]) -> None:
    """Act on the first host that does this after noon."""
    done: list[SimHost] = []

    def hook(host: SimHost) -> Callable[[str, Op], None]:
        def operated(_cell: str, what: Op) -> None:
            if what is op and not done:
                done.append(host)
                act(host)

        return operated

    def arm() -> None:
        for host in day.world.hosts.values():
            host.on_operation = hook(host)

    at(day, NOON, arm)


def impatient(day: Day, lease: float) -> None:
    """Let b and c have short timers, and claims that state this lease."""
    for name in ("b", "c"):
        host = day.world[name]
        host.timing = sparse(
            Timing(
                check_interval=Seconds(20), stale_after=Seconds(60), delay=Seconds(60), lease=Seconds(lease)
            )
        )
        host.start_daemon()


def launched_and_frozen(day: Day) -> None:
    """A claimant stands still before it recorded its start, and its master goes on alone later (rule 8)."""
    impatient(day, 741)
    at(day, NOON, day.world["a"].crash)
    at(day, NOON + 5, day.world["a"].boot)

    def freeze(host: SimHost) -> None:
        day.faults._note(Kind.AMBUSH, host.name, 900)
        host.freeze_daemon()
        for master in host.seats["cell"].masters():
            master.frozen = True
            day.world.after(600, master.thaw)
        day.world.after(700, host.thaw_daemon)

    on_first(day, Op.SCHEDULE, freeze)


def cut_within_its_lease(day: Day) -> None:
    """Impatient shadows replace a host that was cut off, long before its lease is over (rule 7)."""
    impatient(day, 90)
    at(day, NOON, day.world["a"].unplug)
    at(day, NOON + 500, day.world["a"].plug)


def emptied_directory(day: Day) -> None:
    """The records are lost while the master beats; then it is cut off (rule 15)."""
    strike(day, Kind.EMPTY, NOON)
    cut_within_its_lease(day)


def old_copy_beneath_the_mount_point(day: Day) -> None:
    """A shadow boots without its mount; beneath lies what once was a cell of its own (rule 15)."""
    _boot_unmounted(day, "of old")


def old_copy_with_the_identity(day: Day) -> None:
    """Likewise, and the copy was made after the cell was founded: it only ends with a lower epoch."""
    _boot_unmounted(day, day.world.disk.identity)


def reinstalled_and_not_mounted(day: Day) -> None:
    """Likewise, and the host remembers nothing, for it was installed anew; but the master answers."""
    _boot_unmounted(day, "", remembers=False)


def _boot_unmounted(day: Day, identity: str, *, remembers: bool = True) -> None:
    seat, disk = day.world["b"].seats[day.world.disk.cell], day.world.disk

    def boot() -> None:
        day.world["b"].crash()
        seat.disk = disk.old_copy(0, identified=False)
        seat.disk.identity = identity
        seat.disk.active = Host("c")  # the master then
        seat.remembered = seat.remembered if remembers else ""
        day.world["b"].boot()

    def mount() -> None:
        seat.disk = disk

    at(day, NOON, boot)
    at(day, NOON + 4000, mount)


def crash_within_the_lock(day: Day) -> None:
    """A claimant dies while it places its lock (rule 17)."""
    at(day, NOON, day.world["a"].crash)
    on_first(day, Op.LINK_LOCK, SimHost.crash)


def clock_stood_still(day: Day) -> None:
    """A host comes back with a lease that is not over: only the higher claim tells it (rule 10)."""
    strike(day, Kind.STAND_CLOCK, NOON, 1500)


def daemon_restarted(day: Day) -> None:
    """The daemon is upgraded below its master (rule 14)."""
    at(day, NOON, day.world["a"].kill_daemon)
    at(day, NOON + 5, day.world["a"].start_daemon)


def frozen_and_thawed(day: Day) -> None:
    """The host is frozen whole, replaced, and thawed (rule 11)."""
    strike(day, Kind.FREEZE_HOST, NOON, 1500)


def scheduler_outlives_its_master(day: Day) -> None:
    """The master dies, its scheduler does not (rule 12)."""
    strike(day, Kind.KILL_MASTER, NOON)


def two_claimants_crash(day: Day) -> None:
    """Whoever claims first dies right after the link, and the next one too (rules 5 and 8)."""
    at(day, NOON, day.world["a"].crash)
    left = 2

    def hook(host: SimHost) -> Callable[[str, Op], None]:
        def operated(_cell: str, op: Op) -> None:
            nonlocal left
            if op is Op.LINK_CLAIM and left:
                left -= 1
                day.faults._note(Kind.CRASH, host.name, 300)
                day.world.after(300, host.boot)
                host.crash()

        return operated

    def arm() -> None:
        for host in day.world.hosts.values():
            host.on_operation = hook(host)

    at(day, NOON, arm)


def claimant_freezes_before_its_fence(day: Day) -> None:
    """A claimant stands still, another one starts a master; thawed, the first must not fence it (rule 6)."""
    at(day, NOON, day.world["a"].unplug)

    def freeze(host: SimHost) -> None:
        day.faults._note(Kind.FREEZE_HOST, host.name, 2500)
        host.freeze()
        day.world.after(2500, host.thaw)

    on_first(day, Op.LINK_CLAIM, freeze)


def stray_start(day: Day) -> None:
    """Somebody starts a master by hand while the right one cannot be reached for a moment (rule 13)."""
    a = day.world["a"]
    at(day, NOON, lambda: setattr(a, "cut", True))
    strike_on = Strike(NOON + 1, Kind.STRAY, 0.0, 0.7, 0.0)
    at(day, NOON + 1, lambda: day.faults.strike(strike_on))
    at(day, NOON + 30, lambda: setattr(a, "cut", False))


def late_reply_with_an_old_value(day: Day) -> None:
    """A read is answered a quarter of an hour late, and the master stands still after it (rule 1)."""
    for name in ("b", "c"):
        at(day, NOON, partial(day.world[name].seats["cell"].view.inject, Op.READ_BEAT, late(900)))
    (master,) = day.world.masters()
    at(day, NOON + 890, lambda: setattr(master, "frozen", True))
    at(day, NOON + 1100, master.thaw)


def directory_of_ones_own(day: Day) -> None:
    """The shadows have directories of their own where the data should be, and the master dies (rule 19)."""
    for name in ("b", "c"):
        host = day.world[name]
        day.faults._note(Kind.UNSHARE, host.name, 4000)
        at(day, NOON + 3000, day.faults._unshare(host, Strike(NOON, Kind.UNSHARE, 3000.0, 0.0, 0.0)))
    strike(day, Kind.CRASH, NOON + 600, 2000)


def program_that_is_gone(day: Day) -> None:
    """No shadow has the master's program, and the master dies (rule 19)."""
    for name in ("b", "c"):
        day.world[name].seats["cell"].program = Program.MISSING
        at(day, NOON + 3000, partial(setattr, day.world[name].seats["cell"], "program", Program.GOOD))
    strike(day, Kind.CRASH, NOON, 2000)


# --- launches: with a lease that is shorter than they may take --------------------------------------------

SHORT_LEASE = Timing(
    check_interval=Seconds(5),
    beat_interval=Seconds(5),
    stale_after=Seconds(30),
    delay=Seconds(80),
    launch_timeout=Seconds(240),
)
"""A lease of 88 s, and 240 s to become ready."""


def slow_start(day: Day) -> None:
    """Every master takes longer than its lease to become ready, and the old one dies (rule 8)."""
    for host in day.world.hosts.values():
        host.seats["cell"].slow = Seconds(200)
    strike(day, Kind.CRASH, NOON, 300)


def b_bids_first(day: Day) -> None:
    """Let a die with its host, which says so at its boot and dies again; c hears nothing of it."""
    a, c = day.world["a"], day.world["c"]

    def hook(_cell: str, op: Op) -> None:
        if op is Op.LINK_NOTICE:
            a.crash()

    at(day, NOON, c.unplug)
    at(day, NOON, a.crash)
    at(day, NOON + 5, a.boot)
    at(day, NOON + 5, lambda: setattr(a, "on_operation", hook))
    at(day, NOON + 2000, lambda: setattr(a, "on_operation", None))
    at(day, NOON + 2000, a.boot)


def master_and_guard_are_lost(day: Day) -> None:
    """Neither the master nor its guard is left on a host that goes on otherwise."""
    a = day.world["a"]
    day.faults._note(Kind.KILL_DAEMON, a.name, 0)
    a.kill_daemon()
    for master in day.world.masters():
        master.kill()


def stranger_on_the_port(day: Day) -> None:
    """Master and guard end without a word, and somebody listens on the port as long as he likes (rule 4)."""
    at(day, NOON, partial(setattr, day.world["a"], "stranger", ProbeOutcome.LISTENS))
    at(day, NOON, partial(master_and_guard_are_lost, day))
    strike(day, Kind.STEP_WALL, NOON + 1)


def stranger_who_speaks_as_a_master(day: Day) -> None:
    """The guard has written how its master died; on the port somebody says what a master says (rule 4)."""
    a, *others = (host.seats[day.world.disk.cell] for host in day.world.hosts.values())
    a.program = Program.MISSING  # or it would be started again where it was
    for seat in others:
        at(day, NOON, partial(setattr, seat, "lie", ProbeOutcome.ANSWERS))
    strike(day, Kind.KILL_MASTER, NOON)
    strike(day, Kind.STEP_WALL, NOON + 60)


def lose_the_daemon(day: Day, host: SimHost) -> None:
    """Kill it, and start it again much later."""
    day.faults._note(Kind.KILL_DAEMON, host.name, 1000)
    host.kill_daemon()
    day.world.after(1000, host.start_daemon)


def freeze_masters(host: SimHost) -> None:
    """Let the masters of a host stand still."""
    for master in host.masters("cell"):
        master.frozen = True


def thaw_masters(host: SimHost) -> None:
    """Let them go on."""
    for master in host.masters("cell"):
        master.thaw()


def launch_that_nobody_confirms(day: Day) -> None:
    """A claimant's daemon dies; its slow master beats, freezes, and goes on beside the next one (rule 8)."""
    b_bids_first(day)
    b, c = day.world["b"], day.world["c"]
    b.seats["cell"].slow = Seconds(100)

    def leave(host: SimHost) -> None:
        lose_the_daemon(day, host)
        begun = day.world.now
        at(day, begun + 20, c.plug)
        at(day, begun + 165, partial(freeze_masters, host))
        at(day, begun + 290, lambda: c.ask_takeover("cell"))
        at(day, begun + 370, partial(thaw_masters, host))

    on_first(day, Op.LAUNCH, leave)


def launch_beside_the_next_one(day: Day) -> None:
    """A claimant's daemon dies, cut off; its slow master becomes ready late in its window (rule 7)."""
    b_bids_first(day)
    b, c = day.world["b"], day.world["c"]
    b.seats["cell"].slow = Seconds(100)

    def leave(host: SimHost) -> None:
        lose_the_daemon(day, host)
        host.cut = True
        begun = day.world.now
        at(day, begun + 2, c.plug)
        at(day, begun + 115, lambda: c.ask_takeover("cell"))

    on_first(day, Op.LAUNCH, leave)
    at(day, NOON + 2000, lambda: setattr(b, "cut", False))


def daemon_dies_with_started(day: Day) -> None:
    """``started`` is on disk, and its writer knows of it no more; the master freezes and thaws (rule 8)."""
    b_bids_first(day)
    b, c = day.world["b"], day.world["c"]
    noted: list[Op] = []

    def hook(_cell: str, op: Op) -> None:
        if op is Op.LINK_NOTICE:
            noted.append(op)
            if len(noted) == 2:
                leave()

    def leave() -> None:
        lose_the_daemon(day, b)
        begun = day.world.now
        at(day, begun + 5, c.plug)
        at(day, begun + 10, partial(freeze_masters, b))
        at(day, begun + 200, partial(thaw_masters, b))

    at(day, NOON, lambda: setattr(b, "on_operation", hook))
    at(day, NOON + 2000, lambda: setattr(b, "on_operation", None))


# --- starts that fail for long ---------------------------------------------------------------------------


def failed_starts_while_cut_off(day: Day) -> None:
    """More than a thousand epochs fail while the old master's lease runs, and are pruned (rule 15)."""
    cut_within_its_lease(day)
    strike_on = Strike(NOON + 1, Kind.FAILED_STARTS, 0.0, 0.7, 0.5)
    at(day, NOON + 1, lambda: day.faults.strike(strike_on))


def programs_that_beat_and_fall(day: Day) -> None:
    """No host can start a master any more, but each attempt moves the heartbeat."""
    for host in day.world.hosts.values():
        host.seats["cell"].program = Program.FALLS
    strike(day, Kind.KILL_MASTER, NOON)


def restarter_beside_the_guard(day: Day) -> None:
    """The master's unit has ``Restart=always``, and its master has the port before ours has (rule 8)."""
    a = day.world["a"]
    seat = a.seats["cell"]
    left = [1, 2, 3]

    def overtake(_cell: str, op: Op) -> None:
        if op is Op.LAUNCH and left:
            left.pop()
            seat.slow = Seconds(0)
            seat.start_master()
            seat.slow = Seconds(1)

    seat.slow = Seconds(1)
    at(day, NOON, lambda: setattr(a, "on_operation", overtake))
    for moment in (10, 400, 800):
        strike(day, Kind.KILL_MASTER, NOON + moment)
    at(day, NOON + 1000, lambda: setattr(a, "on_operation", None))


def renamed_without_its_record(day: Day) -> None:
    """A host is renamed while its daemon is away, and the master stands still later (rule 14)."""
    a = day.world["a"]
    (master,) = day.world.masters()

    def rename() -> None:
        a.stop_daemon()
        a.seats["cell"].kept = None
        strike(day, Kind.RENAME, day.world.now)

    at(day, NOON, rename)
    at(day, NOON + 30, a.start_daemon)
    at(day, NOON + 200, lambda: setattr(master, "frozen", True))
    at(day, NOON + 1400, master.thaw)


def renamed_and_started_by_its_script(day: Day) -> None:
    """A host is renamed, its script starts a master, and its daemon comes back last (rule 13)."""
    a = day.world["a"]
    (master,) = day.world.masters()

    def rename() -> None:
        a.stop_daemon()
        master.kill()
        a.seats["cell"].kept = None
        strike(day, Kind.RENAME, day.world.now)
        a.seats["cell"].start_master()

    at(day, NOON, rename)
    at(day, NOON + 30, a.start_daemon)


def cloned_beside_its_master(day: Day) -> None:
    """A copy of the host is booted: the master beats, and nothing of it runs on the copy (rule 14)."""
    strike(day, Kind.CLONE, NOON, 2000)


def cloned_with_a_startup_script(day: Day) -> None:
    """The copy's own script starts a master that comes to nothing, and takes nobody's place (rule 14)."""

    def boot() -> None:
        clone = day.world.clone(day.world["a"])
        clone.seats["cell"].program = Program.DEAF
        clone.seats["cell"].start_master()
        day.faults.meddled(clone.machine)
        day.world.after(2000, lambda: day.world.remove(clone))

    at(day, NOON, boot)
