"""The machine that looks after the master that runs here, so that a master that was replaced is stopped.

It stops its master with KILL when a higher claim appears (PROTOCOL rules 10 and 11) and when the beat was
not read back advanced within the lease (rule 9). It dates an advance *early*: at the issue of the latest
read that still showed the old beat (rule 2), so that a guard that was itself frozen never takes an old
beat for a new one. An outcome is given only when no process of the epoch is left (rule 12).
"""

from enum import Enum

from shadowd.core.actions import Action, ClearLock, Inspect, Level, Observe, Say, StopPair
from shadowd.core.events import Event, Inspected, LockCleared, Observed
from shadowd.core.launching import STUBBORN
from shadowd.core.reasons import Reason
from shadowd.core.timing import Timing
from shadowd.core.values import (
    NEVER,
    Epoch,
    ExitKind,
    Instant,
    Lock,
    LockKind,
    NoticeKind,
    PairView,
    Seconds,
    Unknown,
)

_AGAIN = Seconds(1)
_EARLY = Seconds(1)
"""At most one early round in this time, however often the cell is woken."""


class Duty(Enum):
    """What the guard is doing."""

    GUARD = "guard"
    STOP = "stop"
    CLOSE = "close"
    """The master ended by itself: one look at the lock tells how."""
    DONE = "done"


class Guard:
    """Look after the master of one epoch. ``outcome`` and ``ending`` are set in duty DONE."""

    def __init__(
        self,
        timing: Timing,
        *,
        epoch: Epoch,
        nonce: str,
        lease: Seconds,
        lease_from: Instant,
        now: Instant,
    ) -> None:
        self.duty = Duty.GUARD
        self.outcome: NoticeKind | None = None
        self.ending: Reason | None = None
        self.lease_ends = Instant(lease_from + lease)
        self._timing = timing
        self._lease = lease
        self._epoch = epoch
        self._nonce = nonce
        self._beat: int | None = None
        self._unmoved = lease_from
        """Issue of the latest read that still showed the present beat as the old one."""
        self._next_look = now
        self._looked = Instant(now - _EARLY)
        self._next_inspection = now
        self._awaiting: set[type[Event]] = set()
        self._exit = ExitKind.RUNNING
        self._again_at = NEVER
        self._refused_to_die = 0

    def deadline(self) -> Instant:
        """Return when ``tick`` has something to do."""
        if self.duty is not Duty.GUARD:
            return self._again_at
        look = NEVER if Observed in self._awaiting else self._next_look
        inspection = NEVER if Inspected in self._awaiting else self._next_inspection
        return min(self.lease_ends, look, inspection)

    def tick(self, now: Instant) -> tuple[Action, ...]:
        """Do what is due by time; the lease is tested first."""
        if self.duty is not Duty.GUARD:
            return self._go_on(now)
        if now >= self.lease_ends:
            return self._stop(Reason.LEASE_OVER)
        actions: tuple[Action, ...] = ()
        if Observed not in self._awaiting and now >= self._next_look:
            self._looked = now
            actions = self._ask(Observe(), Observed)
        if Inspected not in self._awaiting and now >= self._next_inspection:
            actions = (*actions, *self._ask(Inspect(self._epoch, self._nonce), Inspected))
        return actions

    def _go_on(self, now: Instant) -> tuple[Action, ...]:
        if now < self._again_at:
            return ()
        self._again_at = NEVER
        if self.duty is Duty.STOP:
            return self._ask(StopPair(self._epoch, self._nonce), Inspected)
        return self._ask(Observe(), Observed)

    def look(self, now: Instant) -> tuple[Action, ...]:
        """Look early: a process ended, or a file changed."""
        self._next_look = min(self._next_look, max(now, Instant(self._looked + _EARLY)))
        self._next_inspection = min(self._next_inspection, now)
        return self.tick(now)

    def step(self, event: Event, now: Instant) -> tuple[Action, ...]:
        """Take one answer; the lease is tested before it is used (rule 9)."""
        if type(event) not in self._awaiting:
            return ()
        self._awaiting.discard(type(event))
        if self.duty is Duty.GUARD and now >= self.lease_ends:
            return self._stop(Reason.LEASE_OVER)
        match event:
            case Observed():
                return self._observed(event, now)
            case Inspected():
                return self._inspected(event.pair, now)
            case LockCleared() if event.problem is None:
                return (Say("lock.cleared", Reason.GUARDING, Level.INFO, self._epoch),)
            case _:
                return ()

    def _observed(self, seen: Observed, now: Instant) -> tuple[Action, ...]:
        self._next_look = Instant(now + self._timing.guard_interval)
        if self.duty is Duty.CLOSE:
            return self._close(seen, now)
        if self.duty is not Duty.GUARD or isinstance(seen.ledger, Unknown):
            return ()
        if seen.ledger.superseder(self._epoch) is not None:
            return self._stop(Reason.SUPERSEDED)
        self._renew(seen)
        if isinstance(seen.lock, Lock) and seen.lock.kind is LockKind.CLAIM:
            return self._ask(ClearLock(), LockCleared)
        return ()

    def _renew(self, seen: Observed) -> None:
        beat = seen.beat.value
        if isinstance(beat, int):
            if self._beat is not None and beat != self._beat:
                self.lease_ends = max(self.lease_ends, Instant(self._unmoved + self._lease))
            self._beat = beat
            self._unmoved = seen.beat.issued
        if seen.pause is not None and not isinstance(seen.pause, Unknown):
            self.lease_ends = max(self.lease_ends, Instant(seen.listed + self._lease))

    def _inspected(self, pair: PairView, now: Instant) -> tuple[Action, ...]:
        self._next_inspection = Instant(now + self._timing.guard_interval)
        if self.duty is Duty.GUARD and pair.master is ExitKind.RUNNING:
            return ()
        if self.duty is Duty.GUARD:
            self._exit = pair.master
            if pair.alive:  # a scheduler without its master
                return self._stop(Reason.MASTER_ENDED)
            return self._ask_lock()
        if pair.alive:
            return self._wait_for_death(pair, now)
        return self._ask_lock() if self.ending is Reason.MASTER_ENDED else self._done(NoticeKind.STEPPED_DOWN)

    def _stop(self, reason: Reason) -> tuple[Action, ...]:
        self.duty = Duty.STOP
        self.ending = reason
        return self._ask(StopPair(self._epoch, self._nonce), Inspected)

    def _wait_for_death(self, pair: PairView, now: Instant) -> tuple[Action, ...]:
        self._again_at = Instant(now + _AGAIN)
        self._awaiting.add(Inspected)  # perhaps this answered an inspection older than the stop
        self._refused_to_die += 1
        if self._refused_to_die != STUBBORN:
            return ()
        detail = f"{pair.alive} processes left"
        return (Say("master.unkillable", Reason.UNKILLABLE, Level.ALARM, self._epoch, detail),)

    def _ask_lock(self) -> tuple[Action, ...]:
        """Look at the lock as it is after the end: a round under way may have read it before."""
        self.duty = Duty.CLOSE
        self.ending = Reason.MASTER_ENDED
        self._again_at = NEVER
        return self._ask(Observe(), Observed)

    def _close(self, seen: Observed, now: Instant) -> tuple[Action, ...]:
        marked = isinstance(seen.lock, Lock) and seen.lock.kind is LockKind.FOREIGN
        if self._exit is ExitKind.CLEAN or marked:
            self.ending = Reason.SHUT_DOWN_HERE
            return self._done(NoticeKind.STOPPED)
        if isinstance(seen.lock, Unknown):
            # Without the lock nobody can tell a crash from a shutdown: look again.
            self._again_at = Instant(now + _AGAIN)
            return ()
        return self._done(NoticeKind.DIED)

    def _done(self, outcome: NoticeKind) -> tuple[Action, ...]:
        self.duty = Duty.DONE
        self.outcome = outcome
        self._again_at = NEVER
        self._awaiting = set()
        return ()

    def _ask(self, action: Action, answer: type[Event]) -> tuple[Action, ...]:
        self._awaiting.add(answer)
        return (action,)
