"""The machine that takes over: it watches, and when nothing speaks against it, it bids.

Three parts do the work, one at a time: ``Watch`` until a bid may begin, ``Bid`` from the claim on, and
``OwnEpochs`` for what an earlier life of this daemon left behind. This module only hands each event to
whoever awaits it and walks the table accordingly.
"""

from dataclasses import dataclass
from typing import assert_never

from shadowd.core.actions import Action, Level, Say
from shadowd.core.answers import ANSWERS
from shadowd.core.bid import Bid
from shadowd.core.bid import Phase as BidPhase
from shadowd.core.course import Course
from shadowd.core.events import (
    Event,
    Inspected,
    Listed,
    NoticeAnswered,
    Observed,
    Probed,
    TakeoverAsked,
    Woken,
)
from shadowd.core.memory import Memory
from shadowd.core.own import OwnEpochs
from shadowd.core.reasons import Reason
from shadowd.core.silence import Silence
from shadowd.core.snapshot import State, Timer
from shadowd.core.timing import Timing
from shadowd.core.values import (
    NEVER,
    Claim,
    ClaimReason,
    Epoch,
    Instant,
    NoticeKind,
    Problem,
    Seconds,
    Unknown,
)
from shadowd.core.verified import Verified
from shadowd.core.watch import Policy, Watch

_BLAMELESS = frozenset({Reason.LOST, Reason.SUPERSEDED, Reason.BEAT_MOVED, Reason.ACTIVE_CHANGED})
"""Endings that are nobody's fault: no back-off, the next bid may come as soon as the rules allow."""

_Answer = Observed | Probed | Listed | Inspected | NoticeAnswered
"""What the shadow itself asks for; the rest belongs to a bid."""


@dataclass(frozen=True, slots=True)
class Reign:
    """A confirmed master of this host that wants a guard."""

    epoch: Epoch
    nonce: str
    lease_from: Instant
    """The last read that showed the beat before its own first one, or when it was found running."""
    lease: Seconds
    """As its claim states it, whatever the configuration says now (rule 9)."""


class Shadow:
    """Watch one cell and take over. While ``reign`` is set its guard is at work and this one rests."""

    def __init__(self, timing: Timing, policy: Policy, *, now: Instant) -> None:
        silence = Silence(timing.check_interval, unknown_counts=policy.unknown_beat_counts)
        self.course = Course(now)
        self.memory = Memory(silence, now=now)
        self.own = OwnEpochs(policy.host, policy.machine_id)
        self.watch = Watch(timing, policy, self.memory, self.course, lambda: self.own.owes)
        self.bid: Bid | None = None
        self.reign: Reign | None = None
        self._timing = timing
        self._policy = policy
        self._awaiting: type[Event] | None = None

    def deadline(self) -> Instant:
        """Return when ``tick`` has something to do."""
        if self.bid is not None:
            return self.bid.deadline()
        if self._awaiting is not None or self.reign is not None:
            return NEVER
        return min(self.own.deadline(), self.watch.deadline())

    def tick(self, now: Instant) -> tuple[Action, ...]:
        """Do what is due by time."""
        if self.bid is not None:
            return self._follow(self.bid, self.bid.tick(now), now)
        if self._awaiting is not None or self.reign is not None:
            return ()
        due = self.own.due(now) or self.watch.due(now)
        return () if due is None else self._ask(due)

    def step(self, event: Event, now: Instant) -> tuple[Action, ...]:
        """Take one event and return what to do about it."""
        if isinstance(event, TakeoverAsked):
            return self._asked(event, now)
        if isinstance(event, Woken):
            self.watch.soon(now)
            return self.tick(now)
        if self.bid is not None:
            if isinstance(event, Observed):
                self.memory.absorb(event)
            return self._follow(self.bid, self.bid.step(event, now), now)
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

    def retire(self, reason: Reason, outcome: NoticeKind, now: Instant) -> tuple[Action, ...]:
        """Watch again after the guard is done; nothing of its epoch runs, and its outcome is owed."""
        if self.reign is None:
            return ()
        epoch, self.reign = self.reign.epoch, None
        self.own.owe(epoch, outcome, now)
        self.watch.at_once(now)
        return (*self.course.go(reason, now, epoch=epoch), *self.tick(now))

    def _ask(self, action: Action) -> tuple[Action, ...]:
        self._awaiting = ANSWERS[type(action)]
        return (action,)

    def _asked(self, event: TakeoverAsked, now: Instant) -> tuple[Action, ...]:
        if self.course.state not in {State.STANDBY, State.STALE}:
            detail = f"this host is {self.course.state.value} already"
            return (Say("takeover.refused", self.course.reason, Level.WARNING, None, detail),)
        self.watch.ask(now)
        return (Say("takeover.asked", Reason.ASKED, Level.INFO, None, event.who), *self.tick(now))

    def _answered(self, event: _Answer, now: Instant) -> tuple[Action, ...]:
        match event:
            case Observed():
                return self._observed(event, now)
            case Probed():
                return self._arm(self.watch.probed(event, now), now)
            case Listed():
                self.watch.listed(event, now)
            case Inspected():
                alive = self.own.inspected(event)
                if alive is not None:
                    return self._found(alive, now)
                self.watch.at_once(now)
            case NoticeAnswered():
                self.own.paid(event, now)
                self.watch.at_once(now)
            case _:
                assert_never(event)
        return self.tick(now)

    def _observed(self, seen: Observed, now: Instant) -> tuple[Action, ...]:
        change = self.memory.absorb(seen)
        if not isinstance(seen.ledger, Unknown):
            self.own.find(seen.ledger, seen.lock, now)
        return self._arm(self.watch.observed(seen, change, now), now)

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
        self.bid = self._new_bid(Epoch(self.memory.peak + 1), now)
        said = self.course.go(Reason.ALL_CLEAR, now, epoch=self.bid.epoch)
        return (*said, *self.bid.claim(reason))

    def _new_bid(self, epoch: Epoch, now: Instant) -> Bid:
        last = self.memory.ledger.last_confirmed
        guarded = last.epoch if last is not None and last.open and last.epoch != epoch else None
        seen = self.memory.round
        nothing = Unknown(Problem.MISSING, "nothing was read")
        return Bid(
            epoch=epoch,
            host=self._policy.host,
            timing=self._timing,
            memory=self.memory,
            verified=Verified(
                nothing if seen is None else seen.beat.value,
                nothing if seen is None else seen.active,
                guarded,
            ),
            now=now,
            has_scheduler=self._policy.has_scheduler,
        )

    def _found(self, claim: Claim, now: Instant) -> tuple[Action, ...]:
        """Guard a master of our own that was found alive, or go on confirming it."""
        record = self.memory.ledger.get(claim.epoch)
        if record is not None and record.confirmed:
            self.reign = Reign(claim.epoch, claim.nonce, now, claim.lease)
            return self.course.go(Reason.ATTACHED, now, epoch=claim.epoch)
        self.bid = self._new_bid(claim.epoch, now)
        said = self.course.go(Reason.RESUMED, now, epoch=claim.epoch)
        return (*said, *self.bid.resume(claim, now))

    def _follow(self, bid: Bid, actions: tuple[Action, ...], now: Instant) -> tuple[Action, ...]:
        """Walk the table after the bid took a step."""
        said: tuple[Action, ...] = ()
        if self.course.state is State.CLAIMING and bid.claimed:
            said = self.course.go(Reason.WON, now, epoch=bid.epoch)
        if self.course.state is State.ACCOUNTING and bid.phase in {BidPhase.LOCK, BidPhase.LAUNCH}:
            said = self.course.go(Reason.ACCOUNTED, now, epoch=bid.epoch)
        if bid.phase is not BidPhase.DONE or bid.ending is None:
            return (*said, *actions)
        self.bid = None
        said = (*said, *actions, *self.course.go(bid.ending, now, epoch=bid.epoch, detail=bid.detail))
        if bid.ending is Reason.CONFIRMED:
            self.watch.attempts = 0
            self.reign = Reign(bid.epoch, bid.nonce, bid.lease_from, bid.lease)
            return said
        return (*said, *self._lost(bid, bid.ending, now))

    def _lost(self, bid: Bid, ending: Reason, now: Instant) -> tuple[Action, ...]:
        if bid.claimed:
            self.own.owe(bid.epoch, NoticeKind.FAILED, now)
        if ending in _BLAMELESS:
            self.watch.bid_over(now)
        else:
            self.watch.back_off(now)
        self.watch.at_once(now)
        return self.tick(now)
