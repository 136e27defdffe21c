"""One cell on one host: the shadow and, while a master of ours runs here, its guard.

Events go to whoever is at work; when the guard is done its outcome becomes the shadow's debt. This is the
face of the core: ``step``, ``tick``, ``deadline`` and ``snapshot`` are all that the runtime calls.
"""

from shadowd.core.actions import Action
from shadowd.core.answers import Requests
from shadowd.core.events import Event, Namesake, Observed, TakeoverAsked, Woken
from shadowd.core.guard import Duty, Guard
from shadowd.core.policy import Policy
from shadowd.core.shadow import Shadow
from shadowd.core.snapshot import Refusal, Snapshot, Timer
from shadowd.core.timing import Timing
from shadowd.core.values import Instant, KeptLease, Problem, Protection, Unknown


class Cell:
    """The machines of one cell on this host."""

    def __init__(
        self, timing: Timing, policy: Policy, *, now: Instant, kept: KeptLease | None = None
    ) -> None:
        self._timing = timing
        self._policy = policy
        self._shadow = Shadow(timing, policy, now=now, kept=kept)
        self._guard: Guard | None = None
        self._requests = Requests()
        self._now = now

    def step(self, event: Event, now: Instant) -> tuple[Action, ...]:
        """Take one event and return what to do about it; a late answer is dropped."""
        self._advance(now)
        if not isinstance(event, TakeoverAsked | Namesake | Woken) and not self._requests.answered_by(event):
            return ()
        actions = self._take(event, now)
        self._requests.asked(actions, now)
        return actions

    def tick(self, now: Instant) -> tuple[Action, ...]:
        """Do what is due by time."""
        self._advance(now)
        machine = self._guard or self._shadow
        actions = self._follow(machine.tick(now), now)
        self._requests.asked(actions, now)
        return actions

    def deadline(self) -> Instant:
        """Return when ``tick`` has something to do."""
        return (self._guard or self._shadow).deadline()

    def answers_until(self) -> Instant | None:
        """Return until when the guard answers for the master here, as long as it ends; None: no guard."""
        return None if self._guard is None else self._guard.answers_until

    def snapshot(self) -> Snapshot:
        """Return what these machines think now, for people."""
        shadow, seen = self._shadow, self._shadow.memory.round
        nothing = Unknown(Problem.MISSING, "nothing was read yet")
        timer, due = shadow.timer() if self._guard is None else (Timer.LEASE, self._guard.lease.ends)
        last = shadow.memory.ledger.last_confirmed
        holder = last if last is not None and last.open else None
        claim = None if holder is None or isinstance(holder.claim, Unknown) else holder.claim
        return Snapshot(
            state=shadow.course.state,
            reason=shadow.course.reason,
            since=shadow.course.since,
            refusals=self._refusals(),
            timer=timer,
            due=due,
            silence=shadow.memory.silence.total,
            beat=nothing if seen is None else seen.beat.value,
            active=nothing if seen is None else seen.active,
            epoch=shadow.memory.peak,
            master=None if claim is None else claim.host,
            protection=Protection.NONE if claim is None else claim.protection,
            lock=nothing if seen is None else seen.lock,
            pause=None if seen is None else seen.pause,
            observed=None if seen is None else seen.completed,
            attempts=shadow.watch.back_off.attempts,
            complaints=self._complaints(),
            fence=self._policy.fence,
            fenced=shadow.memory.proofs.attempts,
        )

    def _refusals(self) -> tuple[Refusal, ...]:
        return () if self._guard is not None else self._shadow.watch.refusals

    def _complaints(self) -> tuple[Refusal, ...]:
        if self._guard is None:  # a shadow has refusals
            return ()
        duplicate = self._shadow.duplicates.refusal(self._now)
        return (*self._guard.complaints, *(() if duplicate is None else (duplicate,)))

    def _advance(self, now: Instant) -> None:
        assert now >= self._now, "time is an argument, and it never goes back"  # noqa: S101 - an invariant
        self._now = now

    def _take(self, event: Event, now: Instant) -> tuple[Action, ...]:
        if self._guard is None or isinstance(event, TakeoverAsked | Namesake):
            return self._follow(self._shadow.step(event, now), now)
        if isinstance(event, Woken):
            return self._follow(self._guard.look(now), now)
        if isinstance(event, Observed):
            self._shadow.memory.absorb(event)
        return self._follow(self._guard.step(event, now), now)

    def _follow(self, actions: tuple[Action, ...], now: Instant) -> tuple[Action, ...]:
        reign = self._shadow.reign
        if self._guard is None:
            if reign is None:
                return actions
            self._guard = Guard(self._timing, reign, self._policy, now=now, names=self._shadow.memory.names)
            return (*actions, *self._guard.begin(now))
        guard = self._guard
        if guard.duty is not Duty.DONE:
            return actions
        self._guard = None
        return (*actions, *self._shadow.relieve(guard, now))
