"""The machine that takes over: it watches, and when nothing speaks against it, it bids.

The parts do the work, one at a time: ``Watch`` until a bid may begin, ``Bid`` from the claim on,
``Adoption`` for a master that no claim started, ``Revival`` for one that died here, and ``OwnEpochs`` for
what an earlier life of this daemon left behind. This module only hands each event to whoever awaits it and
walks the table accordingly.
"""

from typing import assert_never

from shadowd.core.actions import Action, Level, Observe, Say
from shadowd.core.adoption import Adoption, Adoptions
from shadowd.core.adoption import Step as AdoptionStep
from shadowd.core.answers import ANSWERS
from shadowd.core.bid import Bid
from shadowd.core.bids import Bids
from shadowd.core.course import Course
from shadowd.core.duplicate import Duplicates
from shadowd.core.events import (
    Event,
    Identified,
    Inspected,
    Listed,
    LockCleared,
    Namesake,
    NoticeAnswered,
    Observed,
    Probed,
    TakeoverAsked,
    Woken,
)
from shadowd.core.guard import Guard
from shadowd.core.lease import Reign, trial
from shadowd.core.memory import Memory
from shadowd.core.own import OwnEpochs
from shadowd.core.persistence import Persistence, Revival
from shadowd.core.phases import Phase
from shadowd.core.policy import Policy
from shadowd.core.reasons import Reason
from shadowd.core.silence import Change, Silence
from shadowd.core.snapshot import State, Timer
from shadowd.core.timing import Timing
from shadowd.core.values import (
    NEVER,
    Claim,
    ClaimReason,
    Epoch,
    FencePolicy,
    Instant,
    KeptLease,
    NoticeKind,
    Unknown,
)
from shadowd.core.watch import Watch

_BLAMELESS = frozenset({Reason.LOST, Reason.SUPERSEDED, Reason.BEAT_MOVED, Reason.ACTIVE_CHANGED})
"""Endings that are nobody's fault: no back-off, the next bid may come as soon as the rules allow."""

_Answer = Observed | Probed | Identified | Listed | Inspected | NoticeAnswered | LockCleared
"""What the shadow itself asks for; the rest belongs to a bid."""


class Shadow:
    """Watch one cell and take over. While ``reign`` is set its guard is at work and this one rests."""

    def __init__(
        self, timing: Timing, policy: Policy, *, now: Instant, kept: KeptLease | None = None
    ) -> None:
        silence = Silence(timing.check_interval, unknown_counts=policy.unknown_beat_counts)
        self.course = Course(now)
        self.memory = Memory(silence, policy.host, now=now)
        self.duplicates = Duplicates(timing.check_interval)
        self.own = OwnEpochs(policy, timing, self.memory, self.duplicates, now)
        self.watch = Watch(timing, policy, self.memory, self.course, self.own)
        self.bid: Bid | None = None
        self.adoption: Adoption | None = None
        self.reign: Reign | None = None
        self._timing = timing
        self._policy = policy
        self._kept = kept
        """What an earlier life of this daemon left, until the first turn."""
        self._bids = Bids(policy, timing, self.memory)
        self._persistence = Persistence(policy.restart_limit, policy.restart_window)
        self._revival: Revival | None = None
        self._adoptions = Adoptions(policy, timing, self.memory, self.duplicates, now)
        self._awaiting: type[Event] | None = None

    def deadline(self) -> Instant:
        """Return when ``tick`` has something to do."""
        if self._kept is not None:
            return self.course.since
        if self.bid is not None:
            return self.bid.deadline()
        if self._rests:
            return NEVER
        if self._revival is not None:
            return self._revival.at
        return min(self.own.deadline(), self.watch.deadline())

    def tick(self, now: Instant) -> tuple[Action, ...]:
        """Do what is due by time."""
        if self._kept is not None:
            return self._recall(self._kept, now)
        if self.bid is not None:
            return self._follow(self.bid, self.bid.tick(now), now)
        if self._rests:
            return ()
        if self._revival is not None:
            return () if now < self._revival.at else self._ask(Observe())
        due = self.own.due(now) or self.watch.due(now)
        return () if due is None else self._ask(due)

    @property
    def _rests(self) -> bool:
        """True while others are at work, or an answer is awaited."""
        return self._awaiting is not None or self.reign is not None or self.adoption is not None

    def step(self, event: Event, now: Instant) -> tuple[Action, ...]:
        """Take one event and return what to do about it."""
        if isinstance(event, TakeoverAsked):
            return self._asked(event, now)
        if isinstance(event, Namesake | Woken):
            self.watch.soon(now)
            return (*self.duplicates.heard(event, now), *self.tick(now))
        if self.bid is not None:
            if isinstance(event, Observed):
                self.memory.absorb(event)
            return self._follow(self.bid, self.bid.step(event, now), now)
        if self.adoption is not None:
            return self._follow_adoption(self.adoption, self.adoption.step(event, now), now)
        if not isinstance(event, _Answer) or type(event) is not self._awaiting:
            return ()
        self._awaiting = None
        return self._answered(event, now)

    def timer(self) -> tuple[Timer, Instant]:
        """Return which timer runs and when it is over, for people."""
        if self.bid is None:
            return self.watch.timer()
        if self.bid.launching is not None:
            return Timer.LAUNCH_TIMEOUT, self.bid.launching.ends
        return Timer.LICENCE, self.bid.licence_ends

    def relieve(self, guard: Guard, now: Instant) -> tuple[Action, ...]:
        """Go on after the guard: nothing of its epoch runs, or it was a launch that is to be resumed."""
        claim, epoch, self.reign = guard.claim, guard.claim.epoch, None
        if guard.resume is not None:
            return self._resume(guard.resume, guard.lease.ends, now)
        if guard.ended is None or guard.ended.outcome is None:
            return (*self.course.go(Reason.GONE_BEFORE, now, epoch=epoch), *self.tick(now))
        outcome, reason = guard.ended.outcome, guard.ended.reason
        since = self.course.since
        said = self.course.go(reason, now, epoch=epoch, detail=guard.detail)
        at = self._persistence.next(now) if outcome is NoticeKind.DIED else None
        if at is not None:
            self._revival = Revival(claim, at)
        else:
            self.own.owe(claim, outcome, now, self.memory.ledger)
            self.watch.back_off.ended_here(reason, since, now)
        self.watch.at_once(now)
        return (*said, *self.tick(now))

    def _recall(self, kept: KeptLease, now: Instant) -> tuple[Action, ...]:
        """Guard what an earlier life of this daemon left, before anybody reads the shared directory."""
        self._kept = None
        self.reign = Reign.recalled(kept, self._timing, now)
        return self.course.go(Reason.ATTACHED, now, epoch=kept.epoch)

    def _ask(self, action: Action) -> tuple[Action, ...]:
        self._awaiting = ANSWERS[type(action)]
        return (action,)

    def _asked(self, event: TakeoverAsked, now: Instant) -> tuple[Action, ...]:
        if self.course.state not in {State.STANDBY, State.STALE}:
            detail = f"this host is {self.course.state.value} already"
            return (Say("takeover.refused", self.course.reason, Level.WARNING, None, detail),)
        reason = Reason.ASKED_MOVE if event.migrate else Reason.ASKED
        self.watch.ask(now, reason)
        return (Say("takeover.asked", reason, Level.INFO, None, event.who), *self.tick(now))

    def _answered(self, event: _Answer, now: Instant) -> tuple[Action, ...]:
        match event:
            case Observed():
                return self._observed(event, now)
            case Probed() if self.own.asking:
                said = self.own.probed(event, now)
                self.watch.at_once(now)
                return (*said, *self.tick(now))
            case Probed():
                return self._arm(self.watch.probed(event, now), now)
            case Listed():
                self.watch.listed(event, now)
            case Inspected():
                alive = self.own.inspected(event)
                if alive is not None:
                    return self._found(alive, now)
                self.watch.at_once(now)
            case Identified() | NoticeAnswered() | LockCleared():
                self.own.heard(event, now)
                self.watch.at_once(now)
            case _:
                assert_never(event)
        return self.tick(now)

    def _observed(self, seen: Observed, now: Instant) -> tuple[Action, ...]:
        change = self.memory.absorb(seen)
        if self._revival is not None:
            return self._revive(self._revival, seen, now)
        if not isinstance(seen.ledger, Unknown):
            self.own.find(seen, seen.ledger, now, moved=change is Change.MOVED)
            fences = self._policy.fence is not FencePolicy.NONE
            if fences and self.course.state is State.STALE and not isinstance(seen.active, Unknown):
                # Another name of this host is nobody to be switched off, and could never be.
                self.own.look_up(seen.active)
            idle = self.course.state in {State.STANDBY, State.STALE}
            if idle and seen.resident is not None and self.own.adopts(seen.ledger, now):
                self.adoption = self._adoptions.of(seen, now)
        if self.adoption is not None:
            said = self.course.go(Reason.ADOPTING, now, detail=self.adoption.detail)
            return (*said, *self.adoption.begin(now))
        return self._arm(self.watch.observed(seen, change, now), now)

    # --- a master that died here -------------------------------------------------------------------

    def _revive(self, revival: Revival, seen: Observed, now: Instant) -> tuple[Action, ...]:
        """Start a master again where it died, unless something speaks against it; then hand it over."""
        if isinstance(seen.ledger, Unknown) or isinstance(seen.lock, Unknown):
            self._revival = revival.later(now)
            return ()
        self._revival = None
        if not revival.may(seen, seen.ledger, self.memory.names):
            self.own.owe(revival.claim, NoticeKind.DIED, now)
            return self._arm((), now)
        self.bid = self._bids.make(Epoch(self.memory.peak + 1), now, predecessor=revival.claim)
        said = self.course.go(Reason.RESTARTING, now, epoch=self.bid.epoch)
        return (*said, *self.bid.claim(ClaimReason.RESTART))

    # --- a master that no claim started ------------------------------------------------------------

    def _follow_adoption(
        self, adoption: Adoption, actions: tuple[Action, ...], now: Instant
    ) -> tuple[Action, ...]:
        if adoption.at is not AdoptionStep.DONE or adoption.ending is None:
            return actions
        self.adoption = None
        said = self.course.go(adoption.ending, now, epoch=adoption.epoch, detail=adoption.detail)
        if adoption.ending is Reason.ADOPTED:
            self._adoptions.done()
            self.reign = adoption.reign
            return (*actions, *said)
        if adoption.claimed:
            self.own.owe(adoption.reign.claim, NoticeKind.FAILED, now)
        self._adoptions.wait(now, failed=adoption.claimed)
        self.watch.at_once(now)
        return (*actions, *said, *self.tick(now))

    def _arm(self, actions: tuple[Action, ...], now: Instant) -> tuple[Action, ...]:
        """Send what the watch wants; begin the bid once it has cleared one."""
        if self.watch.cleared is not None:
            reason, self.watch.cleared = self.watch.cleared, None
            return (*actions, *self._begin(reason, now))
        asked = [action for action in actions if not isinstance(action, Say)]
        if asked:
            self._awaiting = ANSWERS[type(asked[0])]
            return actions
        return (*actions, *self.tick(now))

    def _begin(self, reason: ClaimReason, now: Instant) -> tuple[Action, ...]:
        moves = reason is ClaimReason.MIGRATE
        self.bid = self._bids.make(Epoch(self.memory.peak + 1), now, moves=moves)
        said = self.course.go(Reason.ALL_CLEAR, now, epoch=self.bid.epoch)
        return (*said, *self.bid.claim(reason))

    def _found(self, claim: Claim, now: Instant) -> tuple[Action, ...]:
        """Guard a master of our own that was found alive, or go on confirming it."""
        record = self.memory.ledger.get(claim.epoch)
        if record is not None and record.confirmed:
            self.reign = Reign.found(claim, self._timing, now)
            return self.course.go(Reason.ATTACHED, now, epoch=claim.epoch)
        return self._resume(claim, Instant(now + trial(self._timing)), now)

    def _resume(self, claim: Claim, ends: Instant, now: Instant) -> tuple[Action, ...]:
        self.bid = self._bids.make(claim.epoch, now)
        said = self.course.go(Reason.RESUMED, now, epoch=claim.epoch)
        return (*said, *self.bid.resume(claim, ends, now))

    def _follow(self, bid: Bid, actions: tuple[Action, ...], now: Instant) -> tuple[Action, ...]:
        """Walk the table after the bid took a step."""
        said: tuple[Action, ...] = ()
        if self.course.state is State.CLAIMING and bid.claimed:
            said = self.course.go(Reason.WON, now, epoch=bid.epoch)
        if self.course.state is State.ACCOUNTING and bid.phase in {Phase.LOCK, Phase.LAUNCH}:
            said = self.course.go(Reason.ACCOUNTED, now, epoch=bid.epoch)
        if bid.phase is not Phase.DONE or bid.ending is None:
            return (*said, *actions)
        self.bid = None
        said = (*said, *actions, *self.course.go(bid.ending, now, epoch=bid.epoch, detail=bid.detail))
        if bid.ending is Reason.CONFIRMED:
            self.watch.back_off.attempts = 0
            self.reign = bid.reign
            return said
        return (*said, *self._lost(bid, bid.ending, now))

    def _lost(self, bid: Bid, ending: Reason, now: Instant) -> tuple[Action, ...]:
        if bid.predecessor is not None:
            self.own.owe(bid.predecessor, NoticeKind.DIED, now)
        if bid.claimed:
            self.own.owe(bid.reign.claim, NoticeKind.FAILED, now)
        if ending in _BLAMELESS:
            self.watch.back_off.bid_over(now)
        else:
            self.watch.back_off.failed(now)
        self.watch.at_once(now)
        return self.tick(now)
