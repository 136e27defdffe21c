"""The judge of the first promise: never two masters that can write at one moment.

What PROTOCOL.md excludes by name ("Promises, exactly") is counted apart, and each exclusion has an end: a
thawed guard has its seconds to look, and what lasts longer is a broken promise like any other.
"""

from enum import Enum

from shadowd.core.values import Host, Seconds
from shadowd.sim.clock import Moment
from shadowd.sim.faults import Faults
from shadowd.sim.host import SimHost
from shadowd.sim.judges import LOSSES, Judge, Promise
from shadowd.sim.master import Master
from shadowd.sim.weather import Kind
from shadowd.sim.world import World


class Excuse(Enum):
    """What PROTOCOL.md excludes from "one master", by name."""

    THAWED = "until a thawed guard looks"
    UNGUARDED = "no guard for longer than a lease"
    STOOD = "resumed with a clock that stood still, and cut off"
    STRAY = "a master started past shadowd"
    RESTORED = "a restored directory"
    COPIED = "a copy of a host whose master stood still"


_LOOKS = Seconds(3.0)
"""How long after a thaw a guard may need for its first look."""
_FOR_EVER = Moment(float("inf"))


class OneMaster(Judge):
    """Never two that can write at one moment; counts the seconds, and those that are excused apart."""

    def __init__(self, world: World, faults: Faults) -> None:
        super().__init__(world, faults)
        self.seconds = Seconds(0)
        self.excused = dict.fromkeys(Excuse, Seconds(0))
        self._since = world.now
        self._under: Excuse | None = None
        self._excused_until = world.now
        self._two = False
        self._unguarded: dict[Host, Moment] = {}
        self._absence: dict[Host, tuple[float, Moment]] = {}
        """How long the guard of a host had been away when it came back, and when that was."""
        self._froze: set[Host] = set()
        """Hosts that stood still whole while their guard was away: it comes back with its master."""

    def look(self) -> None:
        """Count the time since the last look, and begin anew."""
        self._watch_guards()
        now = self._world.now
        if self._two:
            self._count(now)
        able = [master for master in self._world.masters() if master.able]
        two = len(able) > 1
        self._since = now
        if two:
            self._under, self._excused_until = self._excuse(able)
            if not self._two and self._under is None:
                where = ", ".join(f"epoch {master.epoch} on {master.where}" for master in able)
                self._convict(Promise.ONE_MASTER, where)
        self._two = two

    close = look

    def _count(self, now: Moment) -> None:
        """Count the time since the last look: an excuse ends when its time is over, looked at or not."""
        if self._under is None:
            self.seconds = Seconds(self.seconds + now - self._since)
            return
        excused = max(0.0, min(now, self._excused_until) - self._since)
        self.excused[self._under] = Seconds(self.excused[self._under] + excused)
        if now > max(self._since, self._excused_until):
            self.seconds = Seconds(self.seconds + now - max(self._since, self._excused_until))
            self._convict(Promise.ONE_MASTER, f"longer than excused ({self._under.value})")

    def _watch_guards(self) -> None:
        for host in self._world.hosts.values():
            daemon_works = host.daemon is not None and not host.still
            away = not daemon_works and (host.stopped is not None or not host.enforcer.here)
            if away and host.machine not in self._unguarded:
                self._unguarded[host.machine] = self._world.now
                self._froze.discard(host.machine)
            if away and host.stopped is not None:
                self._froze.add(host.machine)
            if not away and host.machine in self._unguarded:
                since = self._unguarded.pop(host.machine)
                self._absence[host.machine] = self._world.now - since, self._world.now

    def _excuse(self, able: list[Master]) -> tuple[Excuse | None, Moment]:
        """Return why this is excluded, and until when.

        The newest master is the rightful one, the others need an excuse.
        """
        if any(trouble.kind in LOSSES for trouble in self._faults.troubles):
            return Excuse.RESTORED, _FOR_EVER
        if any(master.epoch is None for master in able):
            return Excuse.STRAY, _FOR_EVER
        able.sort(key=lambda master: master.epoch or 0)
        excuses = [self._excuse_of(self._world.hosts[master.where]) for master in able[:-1]]
        lacking = any(excuse is None for excuse, _ in excuses)
        return (None, self._world.now) if lacking else min(excuses, key=lambda pair: pair[1])

    def _excuse_of(self, host: SimHost) -> tuple[Excuse | None, Moment]:
        now, lease = self._world.now, host.timing.lease / host.rate
        stood = [each.end for each in self._faults.troubles if each.kind is Kind.STAND_CLOCK]
        if any(now < end + lease for end in stood):
            return Excuse.STOOD, Moment(max(stood) + lease)
        copied = [each.end for each in self._faults.troubles if each.kind is Kind.CLONE]
        if any(host.is_copied_by(other) for other in self._world.hosts.values()):
            return Excuse.COPIED, Moment(max(copied) + lease)
        away = self._unguarded.get(host.machine)
        if away is not None:
            # Its return is a change that is looked at.
            return (Excuse.UNGUARDED, _FOR_EVER) if now - away > lease else (None, now)
        lasted, ended = self._absence.get(host.machine, (0.0, Moment(-1e9)))
        longest = host.timing.step_down_timeout + _LOOKS
        alone = lasted > host.timing.lease and host.machine not in self._froze
        if alone and now - ended <= longest:
            return Excuse.UNGUARDED, Moment(ended + longest)
        if now - ended <= _LOOKS:
            return Excuse.THAWED, Moment(ended + _LOOKS)
        return None, now
