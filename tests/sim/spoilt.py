"""Machines with something left out, each the undoing of one promise. A judge that misses them is blind."""

from dataclasses import replace
from typing import Any

from shadowd.core.actions import Action, MakeClaim, StopPair
from shadowd.core.cell import Cell
from shadowd.core.events import Event, Inspected, Observed, Woken
from shadowd.core.ledger import EpochRecord, Ledger
from shadowd.core.policy import Policy
from shadowd.core.snapshot import State
from shadowd.core.timing import Timing
from shadowd.core.values import (
    NEVER,
    Claim,
    Epoch,
    ExitKind,
    Instant,
    KeptLease,
    Lock,
    LockKind,
    NoticeKind,
    PairView,
    Seconds,
)


class Spoilt(Cell):
    """The real machines, made as a simulated host makes them."""

    def __init__(
        self, _cell: str, timing: Timing, policy: Policy, now: Instant, kept: KeptLease | None
    ) -> None:
        super().__init__(timing, policy, now=now, kept=kept)

    @property
    def active(self) -> bool:
        """True while a guard is at work here."""
        return self.snapshot().state is State.ACTIVE


class LongLease(Spoilt):
    """A guard that lets its master live far longer than its claim says."""

    def __init__(self, cell: str, timing: Timing, policy: Policy, now: Instant, kept: Any) -> None:
        super().__init__(cell, replace(timing, lease=Seconds(9999)), policy, now, None)
        del kept
        self._stated = timing.lease

    def step(self, event: Event, now: Instant) -> tuple[Action, ...]:
        """State the short lease in claims."""
        return tuple(
            replace(action, lease=self._stated) if isinstance(action, MakeClaim) else action
            for action in super().step(event, now)
        )


class Hasty(Spoilt):
    """Machines that take a master for dead as soon as they cannot see it beat."""

    def step(self, event: Event, now: Instant) -> tuple[Action, ...]:
        """See an empty process table whenever the heartbeat stands still."""
        if isinstance(event, Inspected) and self.active and self.snapshot().silence > 60:
            event = Inspected(event.epoch, PairView(ExitKind.FAILED, None, None, alive=0))
        return super().step(event, now)


class Sleepy(Spoilt):
    """Machines that do nothing any more once there was a master."""

    def deadline(self) -> Instant:
        """Sleep for ever."""
        return NEVER if self.snapshot().epoch else super().deadline()

    def step(self, event: Event, now: Instant) -> tuple[Action, ...]:
        """Hear no hint."""
        return () if isinstance(event, Woken) else super().step(event, now)


class Overruling(Spoilt):
    """Shadows for which no master was ever shut down on purpose."""

    def step(self, event: Event, now: Instant) -> tuple[Action, ...]:
        """See no mark and no outcome of a shutdown."""
        if isinstance(event, Observed) and isinstance(event.lock, Lock) and isinstance(event.ledger, Ledger):
            lock = Lock(LockKind.ABSENT) if event.lock.kind is LockKind.FOREIGN else event.lock
            records = tuple(
                replace(record, notices=record.notices - {NoticeKind.STOPPED} | {NoticeKind.DIED})
                if NoticeKind.STOPPED in record.notices
                else record
                for record in event.ledger.records
            )
            event = replace(event, lock=lock, ledger=replace(event.ledger, records=records))
        return super().step(event, now)


class Jumpy(Spoilt):
    """A guard that takes a pause for a higher claim."""

    def step(self, event: Event, now: Instant) -> tuple[Action, ...]:
        """See a claim that nobody made."""
        if isinstance(event, Observed) and event.pause is not None and isinstance(event.ledger, Ledger):
            newest = event.ledger.records[-1].claim
            assert isinstance(newest, Claim)
            claim = replace(newest, epoch=Epoch(newest.epoch + 1), nonce="ghost")
            records = (*event.ledger.records, EpochRecord(claim.epoch, claim))
            event = replace(event, ledger=replace(event.ledger, records=records))
        return super().step(event, now)


class Merciful(Spoilt):
    """Machines that kill nobody (rules 9 and 10): a thawed master goes on beside the one that replaced it."""

    def step(self, event: Event, now: Instant) -> tuple[Action, ...]:
        """Forget to stop."""
        return tuple(action for action in super().step(event, now) if not isinstance(action, StopPair))

    def tick(self, now: Instant) -> tuple[Action, ...]:
        """Forget to stop."""
        return tuple(action for action in super().tick(now) if not isinstance(action, StopPair))
