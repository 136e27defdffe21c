"""Watching: when to read the cell's files, when the silence is long enough, and the verification.

One request is under way at a time; everything else is a matter of dates. Rounds are asked for at
``min(next check, next deadline)``, so that a takeover begins when the silence *is* stale_after + delay and
not up to a check later. What speaks against a bid is ``eligibility``'s part.
"""

from dataclasses import replace

from shadowd.core.accounts import Account
from shadowd.core.actions import Action, Level, ListEpochs, Observe, Probe, Say
from shadowd.core.backoff import BackOff
from shadowd.core.course import Course
from shadowd.core.eligibility import Circumstances, refusals, unproved
from shadowd.core.events import Listed, Observed, Probed
from shadowd.core.memory import Memory
from shadowd.core.own import OwnEpochs
from shadowd.core.policy import Policy
from shadowd.core.reasons import Reason
from shadowd.core.silence import Change
from shadowd.core.snapshot import Refusal, State, Timer
from shadowd.core.standing import Standing
from shadowd.core.timing import Timing
from shadowd.core.values import (
    NEVER,
    Claim,
    ClaimReason,
    Epoch,
    FencePolicy,
    Instant,
    ProbeOutcome,
    Protection,
    Seconds,
    Unknown,
)

_ROUNDING = 1e-6
_SOONEST = Seconds(0.05)
"""Two rounds are never closer than this, whatever the dates say."""
_EARLY = Seconds(1)
"""At most one early round in this time, however often the cell is woken."""
_CLAIM_REASONS = {
    Reason.DELAY_OVER: ClaimReason.SILENCE,
    Reason.DEATH_NOTICE: ClaimReason.DEATH_NOTICE,
    Reason.VACANT: ClaimReason.VACANT,
    Reason.ASKED: ClaimReason.TAKEOVER,
    Reason.ASKED_MOVE: ClaimReason.MIGRATE,
}


class Watch:
    """The states STANDBY, STALE and VERIFYING. ``cleared`` is set when a bid may begin."""

    def __init__(
        self, timing: Timing, policy: Policy, memory: Memory, course: Course, own: OwnEpochs
    ) -> None:
        self.refusals: tuple[Refusal, ...] = (Refusal(Reason.LOOKING),)
        self.back_off = BackOff(timing, course.since)
        self.cleared: ClaimReason | None = None
        self._timing = timing
        self._policy = policy
        self._memory = memory
        self._course = course
        self._own = own
        self._next_check = course.since
        self._next_list = course.since
        self._last_check = Instant(course.since - _EARLY)
        self._unproved: Probed | None = None
        """The last probe, where it proved nothing and nothing else accounts for the old master."""
        self._asked: Reason | None = None
        self._cause = Reason.SILENT
        self._standing = Standing()

    def deadline(self) -> Instant:
        """Return when ``due`` has something to do."""
        return min(self._next_check, self._next_list if self._listens() else NEVER)

    def due(self, now: Instant) -> Action | None:
        """Return the next read to make, if any."""
        if now >= self._next_check:
            self._last_check = now
            return Observe()
        if self._listens() and now >= self._next_list:
            return ListEpochs()
        return None

    def soon(self, now: Instant) -> None:
        """Look early: something may have changed."""
        self._next_check = min(self._next_check, max(now, Instant(self._last_check + _EARLY)))

    def at_once(self, now: Instant) -> None:
        """Look now: something did change."""
        self._next_check = now

    def ask(self, now: Instant, reason: Reason) -> None:
        """Let an operator skip the timers, for a takeover or for a move."""
        self._asked = reason
        self._next_check = now

    def timer(self) -> tuple[Timer, Instant]:
        """Return which timer runs and when it is over, as far as can be told now."""
        if self._course.state is State.STANDBY:
            due = self._memory.silence.reaches(self._timing.stale_after)
            return (Timer.NEXT_CHECK, self._next_check) if due is None else (Timer.STALE_AFTER, due)
        due = self._memory.silence.reaches(self._bid_after()) or self._next_check
        waits = [item.until for item in self.refusals if item.until is not None]
        return Timer.TAKEOVER, max([due, *waits])

    # --- answers -----------------------------------------------------------------------------------

    def observed(self, seen: Observed, change: Change, now: Instant) -> tuple[Action, ...]:
        """Judge one full round that the memory has taken in."""
        if change is Change.MOVED:
            self._unproved = None
            self.back_off.doubts = 0
            if self._memory.reigns():
                self.back_off.end(now)
        self.refusals = refusals(seen, self._circumstances(now), now)
        said = self._standing.say(self.refusals)
        if self._course.state is State.VERIFYING:
            said = (*said, *self._verified(change, now))
        else:
            said = (*said, *self._judge(seen, now))
        self._plan(now)
        return said

    def listed(self, event: Listed, now: Instant) -> None:
        """Take in a listing between two checks: a fresh outcome of the master makes the next round due."""
        before = self._memory.death_listed, self._memory.shut_down
        self._memory.absorb_listing(event.ledger, now)
        self._next_list = Instant(now + self._timing.notice_interval)
        if (self._memory.death_listed, self._memory.shut_down) != before:
            self._next_check = now

    def probed(self, event: Probed, now: Instant) -> tuple[Action, ...]:
        """Hear what the old master's port says."""
        ours = event.outcome is ProbeOutcome.HERE and event.host == self._policy.host
        if (event.outcome is ProbeOutcome.ANSWERS or ours) and not self.moving:
            self._memory.answered(now)
            return self._stand_down(Reason.MASTER_ANSWERS, f"{event.host} {event.detail}".strip(), now)
        refusal = None if ours else unproved(event)
        if refusal is not None and not self._outweighed(event):
            self._unproved = event
            self.back_off.doubted(now)
            self.refusals = (replace(refusal, until=self.back_off.retry_at),)
            return self._stand_down(refusal.reason, refusal.detail, now)
        self.back_off.doubts, self._unproved = 0, None
        unasked = () if ours or not event.doubt else (Reason.UNASKED,)
        return (
            *(Say("takeover.unasked", why, Level.WARNING, None, event.doubt) for why in unasked),
            Observe(),
        )

    def _outweighed(self, event: Probed) -> bool:
        """Tell whether a lease, an outcome or a fence accounts for it; of a listener a person may judge."""
        judged = event.outcome is ProbeOutcome.LISTENS and self._asked is not None
        return judged or self._policy.fence is FencePolicy.REQUIRED or self._memory.accounted(event.host)

    # --- judging -----------------------------------------------------------------------------------

    def _judge(self, seen: Observed, now: Instant) -> tuple[Action, ...]:
        cause = self._find_cause()
        if cause is None:
            return () if self._course.state is State.STANDBY else self._course.go(Reason.BEAT_MOVED, now)
        said: tuple[Action, ...] = ()
        if self._course.state is State.STANDBY:
            said = self._course.go(cause, now)
        if cause is Reason.SILENT:
            if self._memory.silence.total < self._bid_after() - _ROUNDING:
                return said
            cause = Reason.DELAY_OVER
        if not self.refusals and not isinstance(seen.active, Unknown):
            self._cause = cause
            # The guard's word is better than the port's, where anybody may listen by now.
            look = Observe() if self._memory.death else Probe(seen.active)
            return (*said, *self._course.go(cause, now), look)
        if cause is self._asked:
            return (*said, *self._refuse(now))
        return said

    def _find_cause(self) -> Reason | None:
        if self._asked is not None:
            return self._asked
        if self._policy.death_skips_timers and self._memory.death:
            return Reason.DEATH_NOTICE
        if self._policy.death_skips_timers and self._memory.vacant:
            return Reason.VACANT
        return Reason.SILENT if self._silent else None

    @property
    def _silent(self) -> bool:
        """True once the silence is long enough to be stale."""
        return self._memory.silence.total >= self._timing.stale_after - _ROUNDING

    def _verified(self, change: Change, now: Instant) -> tuple[Action, ...]:
        if change is Change.MOVED and not self.moving:
            return self._stand_down(Reason.BEAT_MOVED, "", now)
        if self.refusals:
            return self._refuse(now)
        self._asked = None
        self.cleared = _CLAIM_REASONS[self._cause]
        return ()

    def _refuse(self, now: Instant) -> tuple[Action, ...]:
        return self._stand_down(self.refusals[0].reason, self.refusals[0].detail, now)

    def _stand_down(self, reason: Reason, detail: str, now: Instant) -> tuple[Action, ...]:
        self._asked = None
        said = self._course.go(reason, now, detail=detail)
        self._plan(now)
        return said

    @property
    def moving(self) -> bool:
        """True while an operator wants the master moved here."""
        return self._asked is Reason.ASKED_MOVE

    def _guarded(self) -> Epoch | None:
        """Return the epoch whose guard on another host could step down."""
        last = self._memory.ledger.last_confirmed
        claim = None if last is None or not last.open else last.claim
        if not isinstance(claim, Claim) or claim.host in self._memory.names:
            return None
        return None if claim.protection is Protection.NONE else claim.epoch

    def _accounts(self, now: Instant) -> tuple[Account, ...]:
        """Return who must be waited for; not the one that is asked to step down."""
        accounts = self._memory.unsettled(own=None, step_down=self._timing.step_down_timeout, now=now)
        guarded = self._guarded() if self.moving else None
        return tuple(account for account in accounts if account.epoch != guarded)

    def _circumstances(self, now: Instant) -> Circumstances:
        return Circumstances(
            host=self._policy.host,
            observer=self._policy.observer,
            unknown_beat_counts=self._policy.unknown_beat_counts,
            peak=self._memory.peak,
            shut_down=self._memory.shut_down,
            accounts=self._accounts(now),
            unproved=self._unproved if now < self.back_off.retry_at else None,
            retry_at=self.back_off.until,
            owes_outcome=self._own.owes,
            duplicate=self._own.duplicates.refusal(now),
            asked=self._asked is not None,
            moving=self.moving,
            guarded=self._guarded() is not None,
            silent_at=None
            if self._silent
            else self._memory.silence.reaches(self._timing.stale_after) or NEVER,
            last_beat=self._memory.last_beat,
            fresh_beat=Seconds(2 * self._timing.beat_interval),
        )

    def _bid_after(self) -> Seconds:
        return Seconds(self._timing.earliest + self._timing.stagger * self._rank())

    def _rank(self) -> int:
        seen = self._memory.round
        if seen is None or isinstance(seen.shadows, Unknown) or self._policy.host not in seen.shadows:
            return 0
        return seen.shadows.index(self._policy.host)

    def _listens(self) -> bool:
        """Tell whether there is a guard whose death notice could come."""
        last = self._memory.ledger.last_confirmed
        return self._policy.death_skips_timers and last is not None and last.open

    def _plan(self, now: Instant) -> None:
        """Set the next round: at the next check, or at the next date that could change the verdict."""
        dates = [Instant(self._last_check + self._timing.check_interval)]
        standby = self._course.state is State.STANDBY
        threshold = self._timing.stale_after if standby else self._bid_after()
        reached = self._memory.silence.reaches(threshold)
        if reached is not None and self._memory.silence.total < threshold - _ROUNDING:
            dates.append(reached)
        if not standby:
            dates += [item.until for item in self.refusals if item.until is not None]
        self._next_check = max(min(dates), Instant(now + _SOONEST))
