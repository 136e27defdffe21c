"""Waiting for the old master's guard to say that its master is gone (PROTOCOL rule 8).

Asked for after a beat that moved under the claim, and for a planned move: the claim itself makes that guard
stop a healthy master, so giving up at once could leave none, and going on without its word could make two.
"""

from enum import Enum

from shadowd.core.memory import Memory
from shadowd.core.values import Epoch, Instant, LockKind, NoticeKind, Seconds, Unknown


class Word(Enum):
    """What the old guard says."""

    GONE = "gone"
    """Its epoch has an outcome."""
    AWAITED = "awaited"
    NONE = "none"
    """There is no such guard, or it did not answer within its time."""


class OldGuard:
    """The guard of the epoch that was confirmed and open when the bid began, if any."""

    def __init__(self, memory: Memory, epoch: Epoch | None, patience: Seconds) -> None:
        self._memory = memory
        self._epoch = epoch
        self._patience = patience
        self._asked: Instant | None = None

    @property
    def left_mark(self) -> bool:
        """True if it announced a planned end, has not said that it is over, and a mark lies there."""
        seen = self._memory.round
        record = None if self._epoch is None else self._memory.ledger.get(self._epoch)
        begun = record is not None and record.open and NoticeKind.STEPPING_DOWN in record.notices
        if seen is None or isinstance(seen.lock, Unknown):
            return False
        return begun and seen.lock.kind is LockKind.FOREIGN

    def ask(self, now: Instant) -> Word:
        """Return its word as the last listing shows it; its time runs from the first call."""
        record = None if self._epoch is None else self._memory.ledger.get(self._epoch)
        if record is None:
            return Word.NONE
        if not record.open:
            return Word.GONE
        if self._asked is None:
            self._asked = now
        return Word.AWAITED if now < self._asked + self._patience else Word.NONE
