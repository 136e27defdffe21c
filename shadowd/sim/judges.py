"""The promises, each watched by a judge: what may never happen, and what must happen in time.

A judge looks after everything that changed a process, a mount, a notice or a daemon, and counts. What
PROTOCOL.md excludes by name ("Promises, exactly") is counted apart, under the name of its exclusion, and
never dropped: a promise with exceptions is honest only while one can see how often they were needed.

A judge refuses to trust what it judges: it reads processes and files, never what a machine thinks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from shadowd.core.values import OUTCOMES, Claim, LockKind, NoticeKind, Seconds
from shadowd.sim.clock import Moment
from shadowd.sim.faults import Faults
from shadowd.sim.host import SimHost
from shadowd.sim.master import Master, Process
from shadowd.sim.weather import Kind
from shadowd.sim.world import World


class Promise(Enum):
    """What was broken."""

    ONE_MASTER = "two masters"
    SOME_MASTER = "no master"
    SHUTDOWN = "a shutdown overruled"
    DEATH = "a false outcome"
    CAUSE = "a healthy master killed"
    SWITCHED_OFF = "taken for a shutdown"
    DATA = "a master without its data"


LOSSES = frozenset({Kind.EMPTY, Kind.RESTORE})
"""Weather in which the claims directory loses records."""
_AT_ODDS = Seconds(30)
"""Two people who want different things in this time have not heard of each other."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One broken promise."""

    when: Moment
    promise: Promise
    detail: str

    def __str__(self) -> str:
        return f"{self.when:.3f} s: {self.promise.value}: {self.detail}"


class Judge:
    """Something that watches a world. ``look`` after each change, ``close`` at the end."""

    def __init__(self, world: World, faults: Faults) -> None:
        self.verdicts: list[Verdict] = []
        self._world = world
        self._faults = faults

    def look(self) -> None:
        """Look at the world as it is now."""

    def close(self) -> None:
        """Look for the last time."""

    def _convict(self, promise: Promise, detail: str) -> None:
        self.verdicts.append(Verdict(self._world.now, promise, detail))


class TrueOutcomes(Judge):
    """No outcome is written while a process of its epoch lives, and no master confirmed that never wrote."""

    def __init__(self, world: World, faults: Faults) -> None:
        super().__init__(world, faults)
        self._known: set[object] = set()
        self._confirmed: set[str] = set()

    def look(self) -> None:
        """Compare the notices with the processes."""
        for record in self._world.disk.ledger().records:
            claim = record.claim
            if record.launched and isinstance(claim, Claim) and claim.nonce not in self._confirmed:
                self._confirmed.add(claim.nonce)
                self._confirm(claim)
        for host in self._world.hosts.values():
            for process in host.seats[self._world.disk.cell].processes:
                if process.alive and process not in self._known:
                    false = self._outcomes(process)
                    if false and self._is_copied(host) and not host.works:
                        self._known.add(process)
                    elif false:
                        self._known.add(process)
                        names = ", ".join(sorted(kind.value for kind in false))
                        self._convict(
                            Promise.DEATH, f"epoch {process.epoch} lives on {host.machine}: {names}"
                        )

    def _is_copied(self, host: SimHost) -> bool:
        """Tell whether another machine has its id: to that, a host which stands still has been rebooted."""
        return any(map(host.is_copied_by, self._world.hosts.values()))

    def _confirm(self, claim: Claim) -> None:
        seats = [host.seats[self._world.disk.cell] for host in self._world.hosts.values()]
        processes = [each for seat in seats for each in seat.processes]
        ours = [each for each in processes if isinstance(each, Master) and each.nonce == claim.nonce]
        if ours and not any(master.writing for master in ours):
            self._convict(Promise.DEATH, f"epoch {claim.epoch} on {claim.host} never started")

    def _outcomes(self, process: Process) -> frozenset[NoticeKind]:
        """Return the outcomes of its epoch, if that is still its own: an emptied directory counts anew."""
        disk = self._world.disk
        claim = None if process.epoch is None else disk.claims.get(process.epoch)
        if claim is None or claim.nonce != process.nonce:
            return frozenset()
        return disk.notices.get(claim.epoch, frozenset()) & OUTCOMES


class Shutdowns(Judge):
    """Nothing is started after a regular shutdown, and nothing else is taken for one."""

    def __init__(self, world: World, faults: Faults) -> None:
        super().__init__(world, faults)
        self._down: Moment | None = None
        self._known: set[Master] = set()
        self._ended: set[int] = set()
        """Epochs whose end a person had a hand in."""

    def look(self) -> None:
        """See who ended, and who was started since."""
        for host in self._world.hosts.values():
            for process in host.seats[self._world.disk.cell].processes:
                if isinstance(process, Master) and process not in self._known:
                    self._see(process)
        if not self._faults.down_on_purpose:
            self._down = None

    def _see(self, master: Master) -> None:
        if master.ending and master.epoch is not None:
            self._ended.add(master.epoch)
        if master.status == 0:
            self._known.add(master)
            if master in self._faults.ordered and self._faults.down_on_purpose:
                self._down = self._down or self._world.now
        elif master.alive and self._down is not None and master.began >= self._down and master.epoch:
            self._known.add(master)
            if not self._asked_since():
                self._convict(Promise.SHUTDOWN, f"epoch {master.epoch} started on {master.where}")

    def _asked_since(self) -> bool:
        """Tell whether another person asked for a master when the shutdown was ordered, or since."""
        troubles = self._faults.troubles
        ordered = max(each.begin for each in troubles if each.kind is Kind.SHUTDOWN)
        return any(
            each.kind in {Kind.TAKEOVER, Kind.MIGRATE} and each.begin >= ordered - _AT_ODDS
            for each in troubles
        )

    def close(self) -> None:
        """See whether something is taken for a shutdown that was none."""
        touched = any(t.kind in {Kind.TOUCH_LOCK, Kind.SHUTDOWN, Kind.STRAY} for t in self._faults.troubles)
        for epoch, notices in self._world.disk.notices.items():
            if NoticeKind.STOPPED in notices and epoch not in self._ended and not touched:
                self._convict(Promise.SWITCHED_OFF, f"epoch {epoch} counts as shut down")
        if self._world.disk.lock.kind is LockKind.FOREIGN and not touched:
            self._convict(Promise.SWITCHED_OFF, "the mark of a shutdown lies there, and nobody ordered one")


class SameData(Judge):
    """No host takes over that has another directory than the last master's host where the data should be."""

    def __init__(self, world: World, faults: Faults) -> None:
        super().__init__(world, faults)
        self._known: set[Master] = set()
        self._last: SimHost | None = None

    def look(self) -> None:
        """See who was started since, and who serves."""
        cell = self._world.disk.cell
        for host in self._world.hosts.values():
            for process in host.seats[cell].processes:
                if isinstance(process, Master) and process not in self._known:
                    self._known.add(process)
                    self._see(process, host)
        self._last = next(
            (self._world.hosts[master.where] for master in self._world.masters() if master.serving),
            self._last,
        )

    def _see(self, master: Master, host: SimHost) -> None:
        last, cell = self._last, self._world.disk.cell
        if master.epoch is None or last is None or last is host:
            return
        recent = Moment(self._world.now - host.timing.window / host.rate)
        changes = (each for each in self._faults.troubles if each.kind is Kind.UNSHARE)
        lately = any(recent <= each.begin or recent <= each.end <= self._world.now for each in changes)
        if (host.seats[cell].unshared or last.seats[cell].unshared) and not lately:
            self._convict(Promise.DATA, f"epoch {master.epoch} started on {host.name} after {last.name}")


class Causes(Judge):
    """A guard kills no healthy master: one that serves on a host where nothing was wrong for a lease."""

    def __init__(self, world: World, faults: Faults) -> None:
        super().__init__(world, faults)
        for host in world.hosts.values():
            self.watch(host)
        world.arrived = self.watch

    def watch(self, host: SimHost) -> None:
        """Look after what the daemon of a machine stops."""
        host.seats[self._world.disk.cell].on_stop = self._stopping(host)

    def _stopping(self, host: SimHost) -> Callable[[Master], None]:
        def judge(master: Master) -> None:
            if master.serving and master.able and not master.ending and not self._cause(host):
                self._convict(Promise.CAUSE, f"epoch {master.epoch} on {host.machine}")

        return judge

    def _cause(self, host: SimHost) -> bool:
        """Tell whether the host had trouble within a lease, or a person had a hand in it."""
        timing, now = host.timing, self._world.now
        recent = Moment(now - timing.lease / host.rate - 120)
        of_people = {
            Kind.TAKEOVER,
            Kind.MIGRATE,
            Kind.STRAY,
            Kind.RESTARTER,
            Kind.EMPTY,
            Kind.RESTORE,
            Kind.SHUTDOWN,
            Kind.TOUCH_LOCK,
        }
        return any(
            trouble.end >= recent and (trouble.host == host.machine or trouble.kind in of_people)
            for trouble in self._faults.troubles
        )


class SomeMaster(Judge):
    """In good weather a master comes in time. Measures the outages too."""

    def __init__(self, world: World, faults: Faults) -> None:
        super().__init__(world, faults)
        timing = world.timing
        self.bound = Seconds(
            (timing.earliest + timing.handover + 2 * timing.window + timing.retry_limit) * 1.02
            + timing.launch_timeout
            + timing.check_interval
        )
        """For what the storm left behind: open claims, leases, back-offs, a launch that waits for a host."""
        self.outages: list[float] = []
        self._gone: Moment | None = None
        self._excused = False
        self._changes = -1

    def look(self) -> None:
        """Begin or end an outage, and a spell of good weather."""
        now = self._world.now
        serving = any(master.serving and master.able for master in self._world.masters())
        wanted = not (self._faults.down_on_purpose or self._world.disk.pause is not None)
        if serving:
            if self._gone is not None and not self._excused:
                self.outages.append(now - self._gone)
            self._gone = None
        elif self._gone is None:
            self._gone, self._excused = now, False
        self._excused = self._excused or not wanted
        changes = self._faults.changes
        if changes != self._changes:
            self._changes = changes
            if self._faults.standing == 0:
                self._world.after(self.bound, lambda: self._due(changes))

    def _due(self, changes: int) -> None:
        """See whether a master came, if the weather was good all the while."""
        lost = any(trouble.kind in LOSSES for trouble in self._faults.troubles)
        if lost:  # nobody bids on a directory that lost records (rule 15): a person has to look
            return
        calm = self._faults.changes == changes and self._world.disk.pause is None
        if calm and not any(master.serving for master in self._world.masters()):
            self._convict(Promise.SOME_MASTER, f"{self.bound:.0f} s after the last repair")
