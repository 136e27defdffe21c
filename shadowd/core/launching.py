"""The launch of a pair: execute the master, confirm it, add its scheduler, record it; or stop all of it.

A launcher's exit status says nothing (sge_qmaster's parent returns 0 whatever happens: GRIDENGINE.md,
"Start"), so a master counts as started only when its process is alive *and* act_qmaster names this host, by
whichever of its names, *and* the beat advanced *and* the lock is gone (PROTOCOL rule 8). A failed launch ends
only when no process of the epoch is left.

A launch is bounded by its own time, ``launch_timeout`` from the execution, and not by the lease: other
hosts wait for the window of a claim that was not confirmed. From ``started`` on they wait for the lease. So
before that is written the lease binds, and its end is kept on this host.
"""

from shadowd.core.actions import (
    Action,
    Identify,
    Inspect,
    KeepLease,
    Launch,
    LaunchScheduler,
    Level,
    Observe,
    Say,
    StopPair,
    WriteNotice,
)
from shadowd.core.beating import Answer, Beating
from shadowd.core.events import Event, Identified, Inspected, Launched, LeaseKept, NoticeAnswered, Observed
from shadowd.core.memory import Memory
from shadowd.core.phases import Step
from shadowd.core.policy import Policy
from shadowd.core.reasons import Reason
from shadowd.core.timing import Timing
from shadowd.core.values import (
    NEVER,
    BeatReading,
    Epoch,
    ExitKind,
    Host,
    Instant,
    KeptLease,
    LockKind,
    NoticeKind,
    PairView,
    Seconds,
    Unknown,
)

LOOK_AGAIN = Seconds(0.25)
"""Between two looks while something is awaited that only time brings."""
SETTLE = Seconds(3)
"""A launched program whose processes are all gone for this long will not come back."""

STUBBORN = 2
"""Looks that still show processes after a stop before people are told; the first may be older than it."""


class Launching:
    """The launch of one epoch. ``ending`` is CONFIRMED, or why nothing of it runs any more."""

    def __init__(
        self,
        *,
        epoch: Epoch,
        nonce: str,
        policy: Policy,
        timing: Timing,
        lease: Seconds,
        now: Instant,
        memory: Memory,
        old_beat: BeatReading,
    ) -> None:
        """``old_beat``: the latest read from before the start."""
        self.at = Step.EXECUTE
        self.ends = NEVER
        self.ending: Reason | None = None
        self.detail = ""
        self.beaten: Instant | None = None
        """Date of the latest advance: issue of the latest read that showed the beat before it (rule 2)."""
        self._epoch = epoch
        self._nonce = nonce
        self._unnamed: set[Host] = set()
        """What act_qmaster said and is no known name of ours: asked once whether it is one more."""
        self._launch_timeout = timing.launch_timeout
        self._lease = lease
        self._memory = memory
        self._beat = old_beat.value
        self._unmoved = old_beat.issued
        """Issue of the latest read that showed this beat."""
        self._beats = policy.beats
        """Then a lock that names no claim is not the master's own: a person shuts the cell down."""
        self._has_scheduler = policy.has_scheduler
        self._beating = Beating(epoch, timing, policy, now=now, introduces=policy.host)
        self._why = Reason.LAUNCH_FAILED
        self._wake = NEVER
        self._awaiting: set[type[Event]] = set()
        self._round: Observed | None = None
        self._pair: PairView | None = None
        self._alive_at = Instant(0)
        self._refused_to_die = 0

    def begin(self, now: Instant) -> tuple[Action, ...]:
        """Execute the master."""
        self.ends = Instant(now + self._launch_timeout)
        return self._ask(Launch(self._epoch, self._nonce), answers={Launched})

    def resume(self, now: Instant, by: Instant) -> tuple[Action, ...]:
        """Go on at the confirmation of a master that is alive already, and whose launch is over then."""
        self.ends = min(Instant(now + self._launch_timeout), by)
        return self._confirm_from(now)

    def deadline(self) -> Instant:
        """Return when ``tick`` has something to do."""
        if self.at is Step.STOP:
            return self._wake
        beat = self._beating.deadline() if self.at is Step.CONFIRM else NEVER
        return min(self._wake, self.ends, beat)

    def tick(self, now: Instant) -> tuple[Action, ...]:
        """Do what is due by time."""
        if self.at is not Step.STOP and now >= self.ends:
            return self._fail(Reason.LAUNCH_TIMEOUT, self._missing(now))
        beats = self._beating.tick(now) if self.at is Step.CONFIRM else ()
        if now < self._wake:
            return beats
        self._wake = NEVER
        if self.at is Step.STOP:
            return self._ask(StopPair(self._epoch, self._nonce), answers={Inspected})
        if self.at is Step.RECORD:
            return self._record()
        self._round = None
        self._pair = None
        looks = (Observe(), Inspect(self._epoch, self._nonce, serving=True))
        return (*beats, *self._ask(*looks, answers={Observed, Inspected}))

    def step(self, event: Event, now: Instant) -> tuple[Action, ...]:
        """Take one answer; those that are not awaited are late and dropped."""
        if isinstance(event, Answer):
            return self._beating.step(event, now) if self.at is Step.CONFIRM else ()
        if type(event) not in self._awaiting:
            return ()
        self._awaiting.discard(type(event))
        match event:
            case Launched() if self.at is Step.EXECUTE:
                return self._executed(event, now)
            case Launched():
                return self._completed(event)
            case Observed():
                self._round = event
                self._date(event.beat)
                return self._confirm(now)
            case Inspected():
                return self._inspected(event.pair, now)
            case Identified():
                # A new master writes the name that its host's resolver gives it, which may be another.
                if event.here:
                    self._memory.names.add(event.host)
                return self._confirm(now)
            case LeaseKept():
                return self._bound()
            case _:
                return self._recorded(event, now)

    def _executed(self, event: Launched, now: Instant) -> tuple[Action, ...]:
        if event.problem is not None:
            return self._fail(Reason.LAUNCH_FAILED, f"{event.problem.subject}: {event.problem.detail}")
        return self._confirm_from(now)

    def _confirm_from(self, now: Instant) -> tuple[Action, ...]:
        self.at = Step.CONFIRM
        self._alive_at = now
        self._wake = now
        return self.tick(now)

    def _inspected(self, pair: PairView, now: Instant) -> tuple[Action, ...]:
        self._pair = pair
        if self.at is Step.STOP:
            return self._stopped(pair, now)
        if pair.alive:
            self._alive_at = now
        elif pair.master is ExitKind.FAILED or now >= self._alive_at + SETTLE:
            return self._fail(Reason.LAUNCH_FAILED, "the program ended before it was ready; see its log")
        beats = self._beating.inspected(pair, now)
        return (*beats, *self._confirm(now))

    def _confirm(self, now: Instant) -> tuple[Action, ...]:
        if self._round is None or self._pair is None:
            return ()
        if self._memory.ledger.superseder(self._epoch) is not None:
            return self._fail(Reason.SUPERSEDED)
        lock = self._round.lock
        if self._beats and not isinstance(lock, Unknown) and lock.kind is LockKind.FOREIGN:
            return self._fail(Reason.LOCKED)
        active = self._round.active
        if (
            self.beaten is not None
            and not isinstance(active, Unknown)
            and active not in self._memory.names | self._unnamed
        ):
            self._unnamed.add(active)
            return self._ask(Identify(active), answers={Identified})
        if self.beaten is None or self._missing(now):
            self._wake = Instant(now + LOOK_AGAIN)
            return ()
        if self._displaced and not self._beats:
            # The beat is another's, which somebody else's restart brought up first: that one is adopted.
            return self._fail(Reason.RESIDENT, "another master serves here, and ours does not")
        # Whoever lists ``started`` waits for the lease alone, so from here on it must bind (rule 9).
        self.ends = min(self.ends, Instant(self.beaten + self._lease))
        self.at = Step.BIND
        kept = KeptLease(self._epoch, self._nonce, self._lease, self.ends, launching=True)
        return self._ask(KeepLease(kept, answered=True), answers={LeaseKept})

    @property
    def _displaced(self) -> bool:
        """True where another process than ours serves on this host, as far as the last looks tell."""
        pair, seen = self._pair, self._round
        if pair is None or pair.serving is not None:
            return pair is not None and not pair.serving
        return seen is not None and seen.resident is not None

    def _date(self, beat: BeatReading) -> None:
        """Date the advance that this read shows, if it shows one; early, as a guard does (rule 2)."""
        if beat.value != self._beat:
            if isinstance(beat.value, Unknown):
                return
            self.beaten, self._beat = self._unmoved, beat.value
        self._unmoved = beat.issued

    def _bound(self) -> tuple[Action, ...]:
        if not self._has_scheduler:
            return self._record()
        self.at = Step.COMPLETE
        return self._ask(LaunchScheduler(self._epoch, self._nonce), answers={Launched})

    def _missing(self, now: Instant) -> str:
        """Return what is still missing of a started master, for people; empty when it is started."""
        missing = []
        if self._pair is None or self._pair.master is not ExitKind.RUNNING:
            missing.append("no master process")
        seen = self._round
        if seen is None:
            return ", ".join([*missing, "the cell's files were not read"])
        if isinstance(seen.lock, Unknown) or seen.lock.kind is not LockKind.ABSENT:
            missing.append("the lock is still there")
        if seen.active not in self._memory.names:
            missing.append("act_qmaster does not name this host")
        if isinstance(seen.beat.value, Unknown) or self.beaten is None:
            missing.append("no beat")
        elif now >= self.beaten + self._lease:
            missing.append("no beat within its lease")
        if self._beats and self._displaced:  # whoever starts it may be stopping the one before it
            missing.append("another process serves on its port")
        return ", ".join(missing)

    def _completed(self, event: Launched) -> tuple[Action, ...]:
        if event.problem is None:
            return self._record()
        detail = f"{event.problem.subject}: {event.problem.detail}"
        alarm = Say("scheduler.failed", Reason.SCHEDULER_FAILED, Level.ALARM, self._epoch, detail)
        return (alarm, *self._record())

    def _record(self) -> tuple[Action, ...]:
        self.at = Step.RECORD
        started = WriteNotice(self._epoch, NoticeKind.STARTED, self._nonce)
        return self._ask(started, answers={NoticeAnswered})

    def _recorded(self, event: Event, now: Instant) -> tuple[Action, ...]:
        if isinstance(event, NoticeAnswered) and event.problem is None:
            self.at = Step.DONE
            self.ending = Reason.CONFIRMED
        else:
            self._wake = Instant(now + LOOK_AGAIN)
        return ()

    def _fail(self, reason: Reason, detail: str = "") -> tuple[Action, ...]:
        self.at = Step.STOP
        self._why = reason
        self.detail = detail
        self._wake = NEVER
        return self._ask(StopPair(self._epoch, self._nonce), answers={Inspected})

    def _stopped(self, pair: PairView, now: Instant) -> tuple[Action, ...]:
        if not pair.alive:
            self.at = Step.DONE
            self.ending = self._why
            return ()
        self._wake = Instant(now + 1)
        self._awaiting.add(Inspected)  # perhaps this answered an inspection older than the stop
        self._refused_to_die += 1
        if self._refused_to_die != STUBBORN:
            return ()
        detail = f"{pair.alive} processes left"
        return (Say("master.unkillable", Reason.UNKILLABLE, Level.ALARM, self._epoch, detail),)

    def _ask(self, *actions: Action, answers: set[type[Event]]) -> tuple[Action, ...]:
        self._awaiting = answers
        return actions
