"""The fencing of one bid: whom to switch off next, what came of it, and whether the bid may go on.

It comes when all waiting by time is over and before the lock is placed, one host after the other and
beside nothing else; each after a fresh round that tested the licence (PROTOCOL rules 6 and 7). Where it
is required there is no launch without proof: the bid gives up, and the next one tries again, for ever.
Where it is optional, time has settled the matter already: a failure is said aloud, and tried once in a
silence, because two dead switches that use up the licence of each bid would leave no master at all.
"""

from shadowd.core.actions import Fence, Level, Say
from shadowd.core.events import Fenced
from shadowd.core.memory import Memory
from shadowd.core.policy import Policy
from shadowd.core.reasons import Reason
from shadowd.core.values import (
    Epoch,
    FenceAttempt,
    FenceOutcome,
    FencePolicy,
    Host,
    Instant,
    Protection,
    Unknown,
)

_LONGEST = 800
"""Characters of what the notice ``launching`` says about it."""
_SAID = {
    FenceOutcome.DEAD: ("fence.done", Reason.FENCED, Level.WARNING),
    FenceOutcome.FAILED: ("fence.failed", Reason.FENCE_FAILED, Level.ALARM),
    FenceOutcome.REFUSED: ("fence.failed", Reason.FENCE_REFUSED, Level.ALARM),
}


class Fencing:
    """The fencing of one bid."""

    def __init__(self, policy: Policy, epoch: Epoch, memory: Memory) -> None:
        self.obstacle = ""
        """Why there must be no launch; set by ``next``."""
        self._policy = policy
        self._epoch = epoch
        self._memory = memory
        self._failed: dict[Host, str] = {}
        """By this bid, with the detail."""

    @property
    def protection(self) -> Protection:
        """The level that a claim of this cell states."""
        return self._policy.protection

    @property
    def told(self) -> str:
        """What was tried since the last beat, for the notice; empty where nothing was."""
        tried = self._memory.proofs.recent
        return "; ".join(f"fence {one.host}: {one.outcome.value}, {one.detail}" for one in tried)[:_LONGEST]

    def next(self, active: Host | Unknown) -> Fence | None:
        """Return whom to switch off now; None once the bid may go on, or must not (``obstacle``)."""
        if self._policy.fence is FencePolicy.NONE:
            return None
        suspected = self._memory.suspected(active)
        if self._policy.fence is FencePolicy.REQUIRED:
            self.obstacle = next((self._failed[host] for host in suspected if host in self._failed), "")
            untried = suspected
        else:
            untried = tuple(host for host in suspected if not self._memory.proofs.failed(host))
        return None if self.obstacle or not untried else Fence(self._epoch, untried[0])

    def begin(self, fence: Fence) -> Say:
        """Return what people are told before a host loses its power."""
        return Say("fence.begun", Reason.FENCING, Level.WARNING, self._epoch, fence.host)

    def answered(self, event: Fenced, now: Instant) -> Say:
        """Take in what came of it; the next round decides what follows."""
        detail = f"{event.host}: {event.detail}"
        self._memory.proofs.note(FenceAttempt(event.epoch, event.host, event.outcome, event.detail, now))
        if event.outcome is not FenceOutcome.DEAD:
            self._failed[event.host] = detail
        return Say(*_SAID[event.outcome], self._epoch, detail)
