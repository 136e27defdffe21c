"""``sge_shadowd`` as GRIDENGINE.md measured it, with the master that it starts (``sim.master``).

What it does well: of several shadows exactly one opens the lock (21 of 21 races), a regular shutdown's lock
holds it back, and it asks the old master before it starts a new one. What it does not do: watch the master
that it started, take its own lock back when the start fails, notice that the master's host is itself, or
bound any wait. It judges time by the wall clock, and a heartbeat that it could not read when it was started
makes it blind for life.

Kinder than life: its own supervisor restarts it, the script of a booting host starts the master that
act_qmaster expects there, and no file is ever found half written.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from shadowd.core.values import Lock, LockKind, ProbeOutcome, Seconds, Unknown
from shadowd.sim.disk import Disk, Op
from shadowd.sim.master import Program
from shadowd.sim.rivals.script import Do, Player, Script, Sleep

if TYPE_CHECKING:
    from shadowd.sim.master import Master
    from shadowd.sim.rivals.host import RivalHost, RivalWorld
    from shadowd.sim.seat import Seat

_HEARS_NOTHING: Final = 65.0
"""Seconds that the probe of a frozen or vanished master blocks; nothing bounds it but the library."""


@dataclass(frozen=True, slots=True)
class SgeShadowd:
    """The rival, with the three intervals of its environment variables."""

    check_interval: Seconds = Seconds(60)
    """SGE_CHECK_INTERVAL: between two looks at the heartbeat."""
    active_interval: Seconds = Seconds(240)
    """SGE_GET_ACTIVE_INTERVAL: two looks so far apart must show the same beat."""
    delay: Seconds = Seconds(600)
    """SGE_DELAY_TIME: waited *after* an attempt, not before it (6.2 and later)."""

    def daemon(self, host: "RivalHost", seat: "Seat") -> Player | None:
        """Start a shadow daemon; on every host, as ours does."""
        shadow = _Shadow(self, host, seat)
        shadow.play(shadow.main())
        return shadow

    def begin(self, world: "RivalWorld") -> None:
        """Start the master on the first host, then the shadows."""
        first = next(iter(world.rivals.values()))
        for seat in first.seats.values():
            seat.start_master()
        world.run(10)
        world.start_daemons()

    def booted(self, host: "RivalHost", seat: "Seat") -> None:
        """Start the master if act_qmaster names this host, as ``sgemaster start`` does."""
        if seat.disk.active == host.name:
            host.tell("the startup script starts sge_qmaster: act_qmaster names this host")
            seat.start_master()

    def by_hand(self, host: "RivalHost", seat: "Seat") -> None:
        """Start the master, as ``sgemaster start`` does for a person who sees none."""
        host.tell("a person starts sge_qmaster")
        seat.start_master()

    def masters(self, _seat: "Seat") -> "tuple[Master, ...] | None":
        """Leave it to the host: its masters are of the ordinary kind."""
        return None


class _Shadow(Player):
    """One sge_shadowd process."""

    def __init__(self, rival: SgeShadowd, host: "RivalHost", seat: "Seat") -> None:
        super().__init__(host, seat)
        self._rival = rival
        self._disk = seat.disk

    def main(self) -> Script:
        last = yield self._beat()
        if not _usable(last):
            self.host.tell("sge_shadowd could not read the heartbeat at its start: it is blind for life")
        since, delay = self.host.wall(), 0.0
        while True:
            yield Sleep(self._rival.check_interval)
            if not _usable(last):
                continue
            beat = yield self._beat(often=True)
            if not _usable(beat) or self.host.wall() - since < self._rival.active_interval + delay:
                continue
            delay = 0.0
            if beat == last:
                delay = self._rival.delay
                yield from self._attempt(beat)
            since, last = self.host.wall(), beat

    def _attempt(self, old: int) -> Script:
        """Try to become the host of the master, in the order of system calls that was traced."""
        lock = yield Do(Op.READ_LOCK, lambda: self._disk.lock)
        if isinstance(lock, Unknown) or lock.kind is not LockKind.ABSENT:
            return  # it logs nothing
        active = yield self._active()
        if isinstance(active, Unknown) or active == self.host.name:
            return
        yield Do(Op.READ_SHADOWS, lambda: None)  # not listed: it warns, and starts all the same
        if (yield Do(Op.LINK_CLAIM, lambda: _create(self._disk))) is not True:
            return
        self.host.tell("sge_shadowd has the lock")
        beat = yield self._beat()
        if beat != old or (yield self._active()) != active:
            yield from self._unlock("the master is alive after all")
            return
        outcome = yield Do(Op.PROBE, lambda: self.seat.lie or self.seat.probe(active), _probe_takes)
        if outcome is ProbeOutcome.ANSWERS:
            yield from self._unlock("the old master answers")
            return
        # Whatever comes of the start, the lock stays: the new master is expected to take it away.
        started = yield Do(Op.LAUNCH, self._launch)
        self.host.tell("sge_shadowd started sge_qmaster" if started is True else "sge_qmaster did not start")

    def _unlock(self, why: str) -> Script:
        self.host.tell(f"sge_shadowd gives the lock back: {why}")
        yield Do(Op.CLEAR_LOCK, self._disk.remove_lock)

    def _launch(self) -> bool:
        if self.seat.program is Program.MISSING:
            return False
        self.seat.start_master()
        return True

    def _beat(self, *, often: bool = False) -> Do:
        return Do(Op.READ_BEAT, lambda: self._disk.read("beat"), often=often)

    def _active(self) -> Do:
        return Do(Op.READ_ACTIVE, lambda: self._disk.read("active"))


def _usable(beat: Any) -> bool:
    """Zero, negative numbers and everything unreadable count as no heartbeat at all."""
    return isinstance(beat, int) and beat > 0


def _create(disk: Disk) -> bool:
    """Open the lock with O_CREAT and O_EXCL."""
    if disk.lock.kind is not LockKind.ABSENT:
        return False
    disk.lock = Lock(LockKind.FOREIGN)
    return True


def _probe_takes(outcome: Any) -> float:
    return _HEARS_NOTHING if outcome is ProbeOutcome.SILENT else 0.0
