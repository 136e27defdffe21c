"""One attempt to become the master: from the claim to the last look before the launch.

The order is PROTOCOL.md's "Becoming master": claim, account for everyone who might run, place the lock,
announce, look again, launch. Each step tests the licence after a fresh listing and before it acts
(rule 6). A bid never decides whether there *should* be a takeover: ``shadowd.core.shadow`` settled that
before the claim. What happens from the launch on is ``shadowd.core.launching``'s part.
"""

from shadowd.core.actions import (
    Action,
    ClearLock,
    ClearMark,
    KeepLease,
    MakeClaim,
    Observe,
    PlaceLock,
    WriteNotice,
)
from shadowd.core.events import (
    ClaimAnswered,
    Event,
    Fenced,
    LeaseKept,
    LockAnswered,
    LockCleared,
    NoticeAnswered,
    Observed,
)
from shadowd.core.fencing import Fencing
from shadowd.core.launching import LOOK_AGAIN, Launching
from shadowd.core.lease import Reign
from shadowd.core.memory import Memory
from shadowd.core.oldguard import OldGuard, Word
from shadowd.core.phases import Phase
from shadowd.core.policy import Policy
from shadowd.core.reasons import Reason
from shadowd.core.timing import Timing
from shadowd.core.values import (
    NEVER,
    BeatReading,
    Claim,
    ClaimKey,
    ClaimReason,
    Epoch,
    Instant,
    KeptLease,
    LockKind,
    NoticeKind,
    Unknown,
)
from shadowd.core.verified import Verified


class Bid:
    """The attempt for one epoch. ``ending`` says how it ended once the phase is DONE."""

    def __init__(
        self,
        *,
        epoch: Epoch,
        policy: Policy,
        timing: Timing,
        memory: Memory,
        verified: Verified,
        fencing: Fencing,
        beat: BeatReading,
        now: Instant,
        predecessor: ClaimKey | None = None,
        moves: bool = False,
    ) -> None:
        """``beat``: the heartbeat as it was verified."""
        self.epoch = epoch
        self.predecessor = predecessor
        """Our own claim before this one, whose master died and is started again by this bid."""
        self.nonce = ""
        self.phase = Phase.CLAIM
        self.ending: Reason | None = None
        self.detail = ""
        self.lease_from = now
        self.licence_ends = Instant(now + timing.licence)
        """From before the link (PROTOCOL rule 6)."""
        self.lease = timing.lease
        self.claimed = False
        self.launching: Launching | None = None
        self._policy = policy
        self._timing = timing
        self._memory = memory
        self._verified = verified
        self._beat = beat
        self._fencing = fencing
        self._moves = moves
        """The old master is alive, and its guard is asked to step down."""
        self._lock_placed = False
        self._bound = False
        """A lease of this epoch was kept on this host."""
        self._wake = NEVER
        self._awaiting: type[Event] | None = None
        self._old_guard = OldGuard(memory, verified.guarded, timing.step_down_timeout)

    @property
    def reign(self) -> Reign:
        """That of the confirmed master."""
        return Reign.begun(self.epoch, self.nonce, self.lease, self.lease_from)

    def claim(self, reason: ClaimReason) -> tuple[Action, ...]:
        """Begin: ask for the claim."""
        self._awaiting = ClaimAnswered
        return (
            MakeClaim(
                epoch=self.epoch,
                reason=reason,
                supersedes=self._memory.ledger.highest,
                lease=self.lease,
                licence=self._timing.licence,
                window=self._timing.window,
                protection=self._fencing.protection,
            ),
        )

    def resume(self, claim: Claim, ends: Instant, now: Instant) -> tuple[Action, ...]:
        """Begin at the confirmation: a restarted daemon found its launch under way (PROTOCOL rule 14).

        ``ends``: when it must be over, as far as this life of the daemon knows.
        """
        self.nonce = claim.nonce
        self.lease = claim.lease
        self.claimed = True
        self._lock_placed = True
        self.phase = Phase.LAUNCH
        self.launching = self._launching(now)
        return (KeepLease(self._kept(ends)), *self.launching.resume(now, ends))

    def deadline(self) -> Instant:
        """Return when ``tick`` has something to do."""
        if self.phase is Phase.LAUNCH and self.launching is not None:
            return self.launching.deadline()
        return self._wake

    def tick(self, now: Instant) -> tuple[Action, ...]:
        """Do what is due by time."""
        if self.phase is Phase.LAUNCH and self.launching is not None:
            return self._after_launch(self.launching.tick(now))
        if now < self._wake:
            return ()
        self._wake = NEVER
        return self._ask(Observe(), Observed)

    def step(self, event: Event, now: Instant) -> tuple[Action, ...]:
        """Take one answer; answers that this phase does not await are late and dropped."""
        if self.phase is Phase.LAUNCH and self.launching is not None:
            return self._after_launch(self.launching.step(event, now))
        if type(event) is not self._awaiting:
            return ()
        self._awaiting = None
        match event:
            case ClaimAnswered():
                return self._claimed(event)
            case Observed():
                return self._observed(event, now)
            case Fenced():
                return (self._fencing.answered(event, now), *self._ask(Observe(), Observed))
            case LockAnswered():
                return self._locked(event, now)
            case NoticeAnswered():
                return self._noted(event)
            case LeaseKept():
                self.phase = Phase.ANNOUNCE
                notice = WriteNotice(self.epoch, NoticeKind.LAUNCHING, self.nonce, self._fencing.told)
                return self._ask(notice, NoticeAnswered)
            case _:
                return self._end()

    def _claimed(self, event: ClaimAnswered) -> tuple[Action, ...]:
        if isinstance(event.claim, Unknown):
            self.ending, self.detail = Reason.CLAIM_UNKNOWN, event.claim.detail
            return self._end()
        if not event.won:
            self.ending, self.detail = Reason.LOST, event.claim.host
            return self._end()
        self.nonce = event.nonce
        self.claimed = True
        if self.predecessor is not None:
            # After the claim, or every other shadow would skip its timers for an end that we deal with.
            self.phase = Phase.CLOSE
            died = WriteNotice(self.predecessor.epoch, NoticeKind.DIED, self.predecessor.nonce)
            return self._ask(died, NoticeAnswered)
        self.phase = Phase.ACCOUNT
        return self._ask(Observe(), Observed)

    def _observed(self, seen: Observed, now: Instant) -> tuple[Action, ...]:
        over = now >= self.licence_ends
        against = self._verified.against(
            seen, self.epoch, self._memory.ledger, over=over, steps_down=self._moves
        )
        if against is not None:
            return self._give_up(against)
        if self._verified.doubtful(seen):
            return self._later(now)
        return self._account(seen, now) if self.phase is Phase.ACCOUNT else self._look(seen, now)

    def _account(self, seen: Observed, now: Instant) -> tuple[Action, ...]:
        if self._moves or self._verified.moved(seen):
            word = self._old_guard.ask(now)
            if word is Word.AWAITED:
                return self._later(now)
            if word is Word.NONE:
                return self._give_up(Reason.GUARD_SILENT if self._moves else Reason.BEAT_MOVED)
            self._moves = False
            self._verified = Verified(seen.beat.value, self._verified.active, None)
        if self._memory.unsettled(own=self.epoch, step_down=self._timing.step_down_timeout, now=now):
            return self._later(now)
        fence = self._fencing.next(seen.active)
        if self._fencing.obstacle:
            return self._give_up(Reason.FENCE_FAILED, self._fencing.obstacle)
        if fence is not None:
            return (self._fencing.begin(fence), *self._ask(fence, Fenced))
        self.phase = Phase.LOCK
        return self._ask(PlaceLock(self.epoch, self.nonce), LockAnswered)

    def _locked(self, event: LockAnswered, now: Instant) -> tuple[Action, ...]:
        lock = event.lock
        self._lock_placed = True  # even if unknown: perhaps it was, and clearing looks before it takes
        if isinstance(lock, Unknown):
            return self._give_up(Reason.LOCK_UNKNOWN, lock.detail)
        if lock.kind is not LockKind.CLAIM or lock.nonce != self.nonce:
            self._lock_placed = False
            return self._give_up(Reason.LOCKED)
        if now >= self.licence_ends:
            return self._give_up(Reason.LICENCE_OVER)
        self.phase = Phase.BIND
        kept = self._kept(Instant(self.licence_ends + self._timing.launch_timeout))
        return self._ask(KeepLease(kept, answered=True), LeaseKept)

    def _kept(self, ends: Instant) -> KeptLease:
        """Return what bounds the launch of this epoch for a later daemon, and for the enforcer."""
        self._bound = True
        return KeptLease(self.epoch, self.nonce, self.lease, ends, launching=True)

    def _noted(self, event: NoticeAnswered) -> tuple[Action, ...]:
        if event.problem is not None:
            return self._give_up(Reason.NOTICE_FAILED, event.problem.detail)
        self.phase = Phase.ACCOUNT if self.phase is Phase.CLOSE else Phase.LOOK
        return self._ask(Observe(), Observed)

    def _look(self, seen: Observed, now: Instant) -> tuple[Action, ...]:
        """List, then test the licence, then act (rule 6): the last look, under the lock."""
        if self._verified.moved(seen):
            return self._give_up(Reason.BEAT_MOVED)
        if isinstance(seen.lock, Unknown) or seen.lock.nonce != self.nonce:
            return self._give_up(Reason.LOCKED)
        self.phase = Phase.LAUNCH
        self._beat = seen.beat
        self.launching = self._launching(now)
        return self.launching.begin(now)

    def _launching(self, now: Instant) -> Launching:
        return Launching(
            epoch=self.epoch,
            nonce=self.nonce,
            policy=self._policy,
            timing=self._timing,
            lease=self.lease,
            now=now,
            memory=self._memory,
            old_beat=self._beat,
        )

    def _after_launch(self, actions: tuple[Action, ...]) -> tuple[Action, ...]:
        if self.launching is None or self.launching.ending is None:
            return actions
        self.detail = self.launching.detail
        if self.launching.ending is Reason.CONFIRMED:
            self.ending = Reason.CONFIRMED
            self.lease_from = self.launching.beaten or self.lease_from
            return (*actions, *self._end())
        return (*actions, *self._give_up(self.launching.ending, self.detail))

    def _give_up(self, reason: Reason, detail: str = "") -> tuple[Action, ...]:
        """End the bid for this reason; whatever ran of it is stopped already."""
        self.ending, self.detail = reason, detail
        forgotten = (KeepLease(None),) if self._bound else ()
        left = self._moves and self._old_guard.left_mark
        if not (self._lock_placed or left):
            return (*forgotten, *self._end())
        self.phase = Phase.CLEAR
        return (*forgotten, *self._ask(ClearMark() if left else ClearLock(), LockCleared))

    def _later(self, now: Instant) -> tuple[Action, ...]:
        self._wake = Instant(now + LOOK_AGAIN)
        return ()

    def _ask(self, action: Action, answer: type[Event]) -> tuple[Action, ...]:
        self._awaiting = answer
        return (action,)

    def _end(self) -> tuple[Action, ...]:
        self.phase = Phase.DONE
        self._awaiting = None
        self._wake = NEVER
        return ()
