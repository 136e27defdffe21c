"""A storm: several cells on one world, whose answers come late, out of order or never.

Hosts freeze, are cut off from the shared directory, reboot and lose their daemon; masters die, hang or are
shut down; people pause and ask. Each host has a clock of its own, up to one percent fast or slow. What must
hold is checked at every request and every start; when the storm is over, one master has to be left.
"""

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shadowd.core.actions import (
    Action,
    ClearLock,
    MakeClaim,
    Observe,
    PlaceLock,
    WriteNotice,
)
from shadowd.core.events import Event, TakeoverAsked, Woken
from shadowd.core.values import (
    NEVER,
    ExitKind,
    Host,
    Pause,
    ProbeOutcome,
)
from tests.core.cluster import HOSTS, Cluster, Lane, Machine
from tests.core.rounds import (
    ABSENT,
    FOREIGN,
    PAUSE,
    THERE,
)
from tests.core.world import Pair

# Covered elsewhere: following each line would only make the weather slow.
pytestmark = pytest.mark.no_cover

hosts = st.sampled_from(HOSTS)
points = st.sampled_from([MakeClaim, Observe, PlaceLock, WriteNotice, ClearLock])
troubles = st.sampled_from(["death", "hang", "freeze", "cut", "none"])
rates = st.sampled_from([1.0, 0.99, 1.01])


class Storm(RuleBasedStateMachine):
    """The weather."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = Cluster()

    def machine(self, host: Host) -> Machine:
        """Return a host."""
        return self.cluster.machines[host]

    @initialize(speeds=st.tuples(rates, rates, rates), watched=st.sampled_from([1.0, 30.0]))
    def begin(self, speeds: tuple[float, ...], watched: float) -> None:
        """Start all daemons."""
        self.cluster.begin(speeds)
        self.cluster.calm(watched)

    @rule(seconds=st.sampled_from([0.3, 2.0, 9.0, 35.0, 110.0]))
    def calm(self, seconds: float) -> None:
        """Let time pass."""
        self.cluster.calm(seconds)

    @rule(
        host=hosts,
        point=points,
        trouble=troubles,
        then=st.sampled_from(["freeze", "cut", "restart", "go on"]),
    )
    def ambush(self, host: Host, point: type[Action], trouble: str, then: str) -> None:
        """Bring the master into trouble, and a bidder too, just when it asks for something."""
        cluster, machine = self.cluster, self.machine(host)
        for place, epoch in list(cluster.masters(frozen=False)):
            if trouble == "death":
                cluster.world.pairs[place, epoch] = Pair(ExitKind.FAILED)
            elif trouble == "hang":
                cluster.world.pairs[place, epoch].beating = False
            elif trouble == "freeze":
                self.freeze(place)
            elif trouble == "cut":
                self.machine(place).cut = True
        cluster.calm(200, lambda: self.bids(machine, point))
        if then == "freeze":
            self.freeze(host)
        elif then == "cut":
            self.cut(host, done=True)
        elif then == "restart":
            self.lose(host)

    @staticmethod
    def bids(machine: Machine, point: type[Action]) -> bool:
        """Tell whether a host is at this point of a bid."""
        heads = [queue[0].action for queue in machine.lanes.values() if queue]
        bidding = machine.cell._shadow.bid is not None
        return bidding and any(isinstance(head, point) for head in heads)

    @rule(host=hosts)
    def freeze(self, host: Host) -> None:
        """Let a whole host stand still; not between the last test and exec, which nobody promises."""
        machine = self.machine(host)
        if not machine.frozen:
            while machine.lanes[Lane.LOCAL]:
                self.cluster.carry_out(machine, Lane.LOCAL)
                self.cluster.deliver(machine, Lane.LOCAL)
            machine.frozen = True

    @rule(host=hosts, tick_first=st.booleans())
    def thaw(self, host: Host, *, tick_first: bool) -> None:
        """Let it go on where it was: an answer or a date may come first."""
        machine = self.machine(host)
        if machine.frozen:
            machine.frozen = False
            if tick_first:
                self.cluster.tick(machine)
            self.cluster.settle(only=machine)
            self.cluster.settle()

    @rule(host=hosts, done=st.booleans())
    def cut(self, host: Host, *, done: bool) -> None:
        """Let the shared directory hang, perhaps after it did what was asked for."""
        machine = self.machine(host)
        if machine.lanes[Lane.SHARED] and done and not machine.cut and not machine.frozen:
            self.cluster.carry_out(machine, Lane.SHARED)
        machine.cut = True

    @rule(host=hosts)
    def heal(self, host: Host) -> None:
        """Let it answer again."""
        self.machine(host).cut = False

    @rule(host=hosts, part=st.sampled_from(["", "ledger", "lock", "beat", "active", "shadows", "pause"]))
    def blind(self, host: Host, part: str) -> None:
        """Hide a part of each round from a host, or show it all again."""
        self.machine(host).blind = part

    @rule(host=hosts)
    def lose(self, host: Host) -> None:
        """Never answer what hangs: restart the daemon, whatever runs there."""
        self.restart(host)

    @rule(host=hosts)
    def reboot(self, host: Host) -> None:
        """Let a host lose all its processes."""
        for (place, _), pair in self.cluster.world.pairs.items():
            if place == host and pair.alive:
                pair.end(ExitKind.UNSEEN)
        self.machine(host).kept = None
        self.restart(host)

    def restart(self, host: Host) -> None:
        """Start a daemon that knows nothing of its earlier life but the lease that it kept.

        It takes its first step at once: a host that was frozen whole may have run two masters until then.
        """
        machine = self.machine(host)
        self.cluster.world.lives += 1
        machine.frozen = machine.cut = False
        machine.begin(self.cluster.time)
        self.cluster.settle(only=machine)
        self.cluster.settle()

    @rule(kind=st.sampled_from([ExitKind.FAILED, ExitKind.UNSEEN]), strays=st.integers(0, 1))
    def kill(self, kind: ExitKind, strays: int) -> None:
        """Let a master die."""
        for host, epoch in self.cluster.masters(frozen=True):
            pair = self.cluster.world.pairs[host, epoch]
            stray = pair.scheduler if strays else None
            pair.end(kind)
            pair.scheduler = stray

    @rule()
    def hang(self) -> None:
        """Let a master run on without a beat."""
        for host, epoch in self.cluster.masters(frozen=False):
            self.cluster.world.pairs[host, epoch].beating = False

    @rule()
    def revive(self) -> None:
        """Let a master that hung beat again."""
        for pair in self.cluster.world.pairs.values():
            pair.beating = True

    @rule()
    def stranger(self) -> None:
        """Let a real shadow daemon of old leave its lock."""
        if self.cluster.world.lock == ABSENT:
            self.cluster.world.lock = FOREIGN

    @rule(kind=st.sampled_from([ExitKind.CLEAN, ExitKind.UNSEEN]))
    def shut_down(self, kind: ExitKind) -> None:
        """Shut the master down in an orderly way: it leaves its mark."""
        for host, epoch in list(self.cluster.masters(frozen=False)):
            if not self.machine(host).cut:
                pair = self.cluster.world.pairs[host, epoch]
                pair.end(kind)
                if self.cluster.world.lock == ABSENT:
                    self.cluster.world.lock = FOREIGN

    @rule()
    @precondition(lambda self: self.cluster.world.lock == FOREIGN)
    def remove_mark(self) -> None:
        """Take the lock away, as a person would."""
        self.cluster.world.lock = ABSENT

    @rule(pause=st.sampled_from([None, PAUSE]))
    def pause(self, pause: Pause | None) -> None:
        """Pause or resume."""
        world = self.cluster.world
        if pause is not None and world.pause is None:
            world.pauses += 1
            pause = replace(PAUSE, number=world.pauses)
        world.pause = pause if world.pause is None or pause is None else world.pause

    @rule(host=hosts, event=st.sampled_from([Woken(), TakeoverAsked("eve")]))
    def ask(self, host: Host, event: Event) -> None:
        """Send a hint, or ask for a takeover."""
        machine = self.machine(host)
        if not machine.frozen:
            machine.now = max(machine.now, machine.clock(self.cluster.time))
            self.cluster.take(machine, machine.cell.step(event, machine.now))

    @rule(kind=st.sampled_from(["good", "hangs", "fails", "half"]))
    def next_program(self, kind: str) -> None:
        """Choose what the next launched programs do."""
        self.cluster.program = kind

    @rule(outcome=st.sampled_from(ProbeOutcome))
    def probes(self, outcome: ProbeOutcome) -> None:
        """Choose what the port of a host says."""
        self.cluster.world.probe = outcome

    @invariant()
    def always_a_date(self) -> None:
        """See that a machine that waits for nothing has a date."""
        for machine in self.cluster.machines.values():
            assert machine.waits or machine.cell.deadline() < NEVER

    @invariant()
    def one_master(self) -> None:
        """See that of the hosts that are not frozen one at most runs a master."""
        assert len(list(self.cluster.masters(frozen=False))) <= 1

    def teardown(self) -> None:
        """End the storm: there has to be a master again, if need be after a person asked."""
        cluster = self.cluster
        if not cluster.machines:
            return
        cluster.world.lock = ABSENT if cluster.world.lock == FOREIGN else cluster.world.lock
        cluster.world.pause = None
        cluster.world.probe = ProbeOutcome.REFUSES
        cluster.program = "good"
        for machine in cluster.machines.values():
            machine.cut, machine.blind = False, ""
            self.thaw(machine.name, tick_first=True)
        self.revive()
        for _ in range(4):
            cluster.calm(400, cluster.one_master)
            if cluster.one_master():
                break
            for host in HOSTS:
                self.ask(host, TakeoverAsked("eve"))
        assert cluster.one_master(), "nobody is master"
        cluster.calm(120)
        assert cluster.one_master(), "it did not last"


TestStorm = Storm.TestCase
TestStorm.settings = settings(max_examples=25, stateful_step_count=25)


def test_a_host_that_slept_through_a_pause() -> None:
    """Its guard kept a silent master alive by the pause; whoever did not see it waits for the lease anew."""
    cluster = Cluster()
    cluster.begin((1.0, 1.0, 1.0))
    cluster.calm(1.0)
    for pair in cluster.world.pairs.values():
        pair.beating = False
    sleeper = cluster.machines[HOSTS[0]]
    sleeper.now = max(sleeper.now, sleeper.clock(cluster.time))
    cluster.take(sleeper, sleeper.cell.step(TakeoverAsked("eve"), sleeper.now))
    sleeper.frozen = True
    cluster.world.pause = PAUSE
    cluster.calm(200)
    cluster.world.pause = None
    sleeper.frozen = False
    cluster.settle()
    cluster.calm(400, lambda: len(cluster.launched) > 1)
    assert len(list(cluster.masters(frozen=False))) <= 1


def test_a_pause_between_two_looks() -> None:
    """It renewed the lease of a silent master, which is cut off then; no shadow saw it: a number remains."""
    cluster = Cluster()
    cluster.begin((1.0, 1.0, 1.0))
    cluster.calm(60)
    for pair in cluster.world.pairs.values():
        pair.beating = False
    cluster.calm(75)
    shadows = [machine for machine in cluster.machines.values() if machine.name != THERE]
    seen = [machine.rounds[-1] for machine in shadows]
    cluster.world.pause = PAUSE
    cluster.calm(1.5)
    cluster.world.pause = None
    assert [machine.rounds[-1] for machine in shadows] == seen, "nobody saw it"
    cluster.machines[THERE].cut = True
    cluster.calm(400)
    assert cluster.launched
