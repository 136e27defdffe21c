"""The machine that looks after the master that runs here, so that a master that was replaced is stopped.

It stops its master with KILL when a higher claim appears (PROTOCOL rules 10 and 11), when its epoch was
closed by somebody, and when the beat was not read back advanced within the lease (rule 9, ``core.lease``).
For a planned move it asks the master to end (``core.ending``), and in a ``generic`` cell, for whose master it
beats (``core.beating``), for a regular shutdown too. What lies around the master (lock, records,
name, scheduler) is kept in order by ``core.upkeep``.

A guard may begin with nothing but the lease that an earlier daemon kept on this host: then it enforces that
lease before anybody could read the shared directory, and learns from the first listing what it guards.
"""

from dataclasses import replace
from enum import Enum

from shadowd.core.actions import Action, Inspect, KeepLease, Level, Observe, Say
from shadowd.core.beating import Beating
from shadowd.core.ending import Ending
from shadowd.core.ending import Step as EndingStep
from shadowd.core.events import BeatWritten, Event, HealthAnswered, Inspected, Observed
from shadowd.core.lease import Reign
from shadowd.core.ledger import EpochRecord, Ledger
from shadowd.core.policy import Policy
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import Refusal
from shadowd.core.timing import Timing
from shadowd.core.upkeep import Upkeep
from shadowd.core.values import (
    NEVER,
    Claim,
    ClaimKey,
    ClaimReason,
    ExitKind,
    Host,
    Instant,
    LockKind,
    NoticeKind,
    PairView,
    Problem,
    Seconds,
    Unknown,
)

_EARLY = Seconds(1)
"""At most one early round in this time, however often the cell is woken."""
_PATIENCE = 0.8
"""The share of ``step_down_timeout`` in which a planned end may take its time."""


class Duty(Enum):
    """What the guard is doing."""

    GUARD = "guard"
    END = "end"
    DONE = "done"


class Guard:
    """Look after the master of one epoch. In duty DONE there is an outcome, or a launch to ``resume``."""

    def __init__(
        self, timing: Timing, reign: Reign, policy: Policy, *, now: Instant, names: set[Host] | None = None
    ) -> None:
        self.duty = Duty.GUARD
        self.lease = reign.lease
        self.ended: Ending | None = None
        self.resume: Claim | None = None
        """The claim of a launch that an earlier daemon began and that was never confirmed."""
        self.detail = ""
        self._timing = timing
        self._epoch = reign.epoch
        self._nonce = reign.nonce
        self._confirmed = reign.confirmed
        self._planned = reign.planned
        self._upkeep = Upkeep(
            reign.epoch, reign.nonce, policy.host, has_scheduler=policy.has_scheduler, now=now, names=names
        )
        self._beating = Beating(reign.epoch, timing, policy, now=now)
        self._heeds_marks = policy.beats
        self._clean_stops = policy.clean_exit_stops
        self._marked = False
        """The last round showed a lock that names no claim."""
        self._taken = False
        """The last round showed that another server took the server lock."""
        self._foreign = False
        """It was told that another directory lies in the place of the cell's."""
        self._next_look = now
        self._looked = Instant(now - _EARLY)
        self._next_inspection = now
        self._awaiting: set[type[Event]] = set()
        self._unproved = not reign.confirmed and not reign.planned
        """Only a record on this host says that there is a master: nothing of it was seen to live yet."""
        self._patient_until = Instant(now + _EARLY) if self._unproved else Instant(0)
        """An end of the lease waits for the first look at the processes until then, and no longer."""

    @property
    def claim(self) -> ClaimKey:
        """Which claim's master it looks after."""
        return ClaimKey(self._epoch, self._nonce)

    @property
    def outcome(self) -> NoticeKind | None:
        """How it ended, once nothing of the epoch is left."""
        return None if self.ended is None else self.ended.outcome

    @property
    def complaints(self) -> tuple[Refusal, ...]:
        """What it cannot put right."""
        return self._upkeep.complaints

    def begin(self, now: Instant) -> tuple[Action, ...]:
        """Keep the lease on this host, and look; or go on with a planned end that an earlier daemon began."""
        if self._planned:
            return self._end_in_order(now)
        return (KeepLease(self.lease.kept()), *self.tick(now))

    def deadline(self) -> Instant:
        """Return when ``tick`` has something to do."""
        if self.ended is not None:
            return self.ended.deadline()
        look = NEVER if Observed in self._awaiting else self._next_look
        inspection = NEVER if Inspected in self._awaiting else self._next_inspection
        return min(max(self.lease.ends, self._patient_until), look, inspection, self._beating.deadline())

    @property
    def answers_until(self) -> Instant:
        """Until when it answers for its master: not while that is killed, and for ever once it is gone."""
        if self.ended is None or self.ended.at in {EndingStep.NOTE, EndingStep.TERM}:
            return self.lease.ends
        return Instant(-NEVER) if self.ended.at is EndingStep.KILL else NEVER

    def tick(self, now: Instant) -> tuple[Action, ...]:
        """Do what is due by time; the lease is tested first."""
        if self.duty is Duty.DONE:
            return ()
        if self.ended is not None:
            return self.ended.tick(now)
        if self._over(now):
            return self._stop(Reason.LEASE_OVER)
        actions = self._beating.tick(now)
        if Observed not in self._awaiting and now >= self._next_look:
            self._looked = now
            actions = (*actions, *self._ask(Observe(), Observed))
        if Inspected not in self._awaiting and now >= self._next_inspection:
            actions = (*actions, *self._ask(Inspect(self._epoch, self._nonce), Inspected))
        return actions

    def look(self, now: Instant) -> tuple[Action, ...]:
        """Look early: a process ended, or a file changed."""
        self._next_look = min(self._next_look, max(now, Instant(self._looked + _EARLY)))
        self._next_inspection = min(self._next_inspection, now)
        return self.tick(now)

    def step(self, event: Event, now: Instant) -> tuple[Action, ...]:
        """Take one answer; the lease is tested before it is used (rule 9)."""
        if self.duty is Duty.DONE:
            return ()
        if isinstance(event, Observed):
            self._learn(event)
        if self.ended is not None:
            return self._finish(self.ended.step(event, now))
        if self._over(now) and not (self._unproved and isinstance(event, Inspected)):
            return self._stop(Reason.LEASE_OVER)
        if isinstance(event, Observed | Inspected):
            if type(event) not in self._awaiting:
                return ()
            self._awaiting.discard(type(event))
        match event:
            case Observed():
                self._next_look = Instant(now + self._timing.guard_interval)
                return self._observed(event, now)
            case Inspected():
                self._next_inspection = Instant(now + self._timing.guard_interval)
                return self._inspected(event.pair, now)
            case BeatWritten() | HealthAnswered():
                return self._beating.step(event, now)
            case _:
                return self._heed(self._upkeep.step(event))

    def _observed(self, seen: Observed, now: Instant) -> tuple[Action, ...]:
        if isinstance(seen.ledger, Unknown):
            return self._unlisted(seen.ledger)
        self._foreign = False
        record = seen.ledger.get(self._epoch)
        if record is not None and not record.belongs_to(self.claim):
            return self._stop(Reason.SUPERSEDED)
        if record is not None and not record.open:
            return self._stop(Reason.EPOCH_CLOSED)
        superseder = seen.ledger.superseder(self._epoch)
        if superseder is not None:
            return self._give_way(superseder, seen, now)
        if self._unproved:
            return ()
        if record is not None and not self._confirmed:
            return self._hand_back(record)
        if self._shut_down(seen):
            return self._end(Reason.SHUT_DOWN_HERE).term(self.lease.ends)
        if self._deposed(seen):
            return self._stop(Reason.FOREIGN_SERVER)
        return self._keep_up(seen, seen.ledger)

    def _unlisted(self, why: Unknown) -> tuple[Action, ...]:
        """Renew nothing; and tell once that another directory lies in the place of the cell's (rule 15)."""
        told, self._foreign = self._foreign, why.problem is Problem.FOREIGN
        if told or not self._foreign:
            return ()
        detail = f"{why.subject}: {why.detail}"
        return (Say("cell.foreign", Reason.CELL_FOREIGN, Level.ALARM, self._epoch, detail),)

    def _over(self, now: Instant) -> bool:
        """Tell whether the lease is over, and nothing that may be found at once could make that moot."""
        return self.lease.over(now) and now >= self._patient_until

    def _learn(self, seen: Observed) -> None:
        """Hear whether the master was ever confirmed, however late: its end is called by that."""
        record = None if isinstance(seen.ledger, Unknown) else seen.ledger.get(self._epoch)
        if record is not None and record.confirmed and record.belongs_to(self.claim):
            self._confirmed = True
            if self.ended is not None:
                self.ended.confirmed = True

    def _shut_down(self, seen: Observed) -> bool:
        """Tell whether two rounds in a row show the mark of a regular shutdown, where that stops the master.

        A master that writes no heartbeat of its own leaves no mark either: there it comes first.
        """
        before = self._marked
        self._marked = not isinstance(seen.lock, Unknown) and seen.lock.kind is LockKind.FOREIGN
        return self._heeds_marks and before and self._marked

    def _deposed(self, seen: Observed) -> bool:
        """Tell whether two rounds in a row show that another server took the server lock from ours."""
        before = self._taken
        self._taken = not isinstance(seen.server_lock, Unknown) and seen.server_lock.foreign
        return before and self._taken

    def _hand_back(self, record: EpochRecord) -> tuple[Action, ...]:
        """Leave a launch under way to the bidder, who needs its claim."""
        if not isinstance(record.claim, Unknown):
            self.duty = Duty.DONE
            self.resume = record.claim
        return ()

    def _keep_up(self, seen: Observed, ledger: Ledger) -> tuple[Action, ...]:
        listed = ledger.get(self._epoch)
        kept: tuple[Action, ...] = ()
        # A listing without our own claim proves nothing about higher ones.
        if listed is not None and not isinstance(listed.claim, Unknown) and self.lease.renew(seen):
            kept = (KeepLease(self.lease.kept()),)
        return (*kept, *self._heed(self._upkeep.round(seen, ledger)))

    def _heed(self, actions: tuple[Action, ...]) -> tuple[Action, ...]:
        if self._upkeep.verdict is None:
            return actions
        return (*actions, *self._stop(self._upkeep.verdict, self._upkeep.detail))

    def _give_way(self, superseder: EpochRecord, seen: Observed, now: Instant) -> tuple[Action, ...]:
        claim = superseder.claim
        planned = not isinstance(claim, Unknown) and claim.reason is ClaimReason.MIGRATE
        unmarked = not isinstance(seen.lock, Unknown) and seen.lock.kind is LockKind.ABSENT
        if not (planned and unmarked):
            return self._stop(Reason.SUPERSEDED)
        return self._end_in_order(now)

    def _end_in_order(self, now: Instant) -> tuple[Action, ...]:
        """Let the master end by itself, and remember that its mark is ours to take away (rule 11)."""
        until = min(Instant(now + _PATIENCE * self._timing.step_down_timeout), self.lease.ends)
        kept = replace(self.lease.kept(), planned=True)
        return (KeepLease(kept), *self._end(Reason.SUPERSEDED, "a planned move").plan(until))

    def _inspected(self, pair: PairView, now: Instant) -> tuple[Action, ...]:
        if self._unproved and not pair.alive:
            self.duty = Duty.DONE
            return (KeepLease(None),)
        self._unproved, self._patient_until = False, Instant(0)
        if self._over(now):
            return self._stop(Reason.LEASE_OVER)
        if pair.master is ExitKind.RUNNING:
            kept = self._upkeep.pair(pair, now) if self._confirmed else ()
            return (*kept, *self._beating.inspected(pair, now))
        return self._finish(self._end(Reason.MASTER_ENDED).by_itself(pair))

    def _stop(self, reason: Reason, detail: str = "") -> tuple[Action, ...]:
        return self._end(reason, detail).kill()

    def _end(self, reason: Reason, detail: str = "") -> Ending:
        self.duty = Duty.END
        self.detail = detail
        self.ended = Ending(
            self._epoch,
            self._nonce,
            reason,
            confirmed=self._confirmed,
            marks=not self._heeds_marks,
            clean_stops=self._clean_stops,
        )
        return self.ended

    def _finish(self, actions: tuple[Action, ...]) -> tuple[Action, ...]:
        """Nothing of the epoch is left: no lease has to be enforced any more."""
        if self.ended is None or self.ended.at is not EndingStep.DONE:
            return actions
        self.duty = Duty.DONE
        return (*actions, KeepLease(None))

    def _ask(self, action: Action, answer: type[Event]) -> tuple[Action, ...]:
        self._awaiting.add(answer)
        return (action,)
