"""Beats in the name of a master that writes none: what a guard does in a ``generic`` or ``torque`` cell.

A beat says "the master lives and is well", so it is written only while its process was seen to run, not
stopped, and, where a health command is configured, while that passes: it must pass once before the first
beat, and beats end when it has failed ``health_threshold`` times in a row. What follows is no matter of this
module: without beats the lease runs out, as that of any silent master does (PROTOCOL rule 9), and whoever has
it beat tests that first.

At a launch the first beat is followed by what sge_qmaster does at its own start: the claim's ``lock`` goes,
and the file that names the master is written, in this order (rule 4). In a cell whose master beats by itself
nothing here ever asks for anything.
"""

from shadowd.core.actions import Action, AskHealth, ClearLock, Level, NameMaster, Say, WriteBeat
from shadowd.core.events import BeatWritten, Event, HealthAnswered, LockCleared, MasterNamed
from shadowd.core.policy import Policy
from shadowd.core.reasons import Reason
from shadowd.core.timing import Timing
from shadowd.core.values import NEVER, Epoch, ExitKind, Host, Instant, PairView, Seconds

_EAGER = Seconds(1)
"""Between two questions as long as the health command has not passed once."""

Answer = BeatWritten | HealthAnswered | LockCleared | MasterNamed


class Beating:
    """The beats of one epoch. ``introduces``: the host that is to be named with the first beat."""

    def __init__(
        self, epoch: Epoch, timing: Timing, policy: Policy, *, now: Instant, introduces: Host | None = None
    ) -> None:
        self._epoch = epoch
        self._timing = timing
        self._wanted = policy.beats
        self._threshold = policy.health_threshold
        self._introduces = introduces
        self._alive = False
        self._healthy = not self._threshold
        self._passed = False
        self._failures = 0
        self._unwritten = False
        self._beat_at = now
        self._ask_at = now
        self._awaiting: set[type[Event]] = set()

    def deadline(self) -> Instant:
        """Return when ``tick`` has something to do."""
        return min(self._next_beat(), self._next_question())

    def tick(self, now: Instant) -> tuple[Action, ...]:
        """Beat and ask, whatever is due."""
        actions: tuple[Action, ...] = ()
        if now >= self._next_question():
            actions = self._ask(AskHealth(self._epoch), HealthAnswered)
        if now >= self._next_beat():
            actions = (*actions, *self._ask(WriteBeat(self._epoch), BeatWritten))
        return actions

    def inspected(self, pair: PairView, now: Instant) -> tuple[Action, ...]:
        """Hear whether the master's process lives; one that is stopped does not beat.

        So a frozen master is killed by its lease before another host starts one, and never thaws beside it.
        """
        self._alive = pair.master is ExitKind.RUNNING and not pair.frozen
        return self.tick(now)

    def step(self, event: Answer, now: Instant) -> tuple[Action, ...]:
        """Take one answer; those that are not awaited are dropped."""
        if type(event) not in self._awaiting:
            return ()
        self._awaiting.discard(type(event))
        match event:
            case BeatWritten():
                return self._written(event, now)
            case HealthAnswered():
                return (*self._judged(event, now), *self.tick(now))
            case LockCleared() if event.problem is None and self._introduces is not None:
                return self._ask(NameMaster(self._introduces), MasterNamed)
            case MasterNamed() if event.problem is None:
                self._introduces = None
        return ()

    def _next_beat(self) -> Instant:
        ready = self._wanted and self._alive and self._healthy and BeatWritten not in self._awaiting
        return self._beat_at if ready else NEVER

    def _next_question(self) -> Instant:
        asks = self._wanted and self._alive and self._threshold and HealthAnswered not in self._awaiting
        return self._ask_at if asks else NEVER

    def _written(self, event: BeatWritten, now: Instant) -> tuple[Action, ...]:
        self._beat_at = Instant(now + self._timing.beat_interval)
        if event.problem is not None:
            if self._unwritten:
                return ()
            self._unwritten = True
            detail = f"{event.problem.subject}: {event.problem.detail}"
            return (Say("heartbeat.unwritten", Reason.BEAT_UNWRITTEN, Level.WARNING, self._epoch, detail),)
        self._unwritten = False
        if self._introduces is None or {LockCleared, MasterNamed} & self._awaiting:
            return ()
        return self._ask(ClearLock(), LockCleared)

    def _judged(self, event: HealthAnswered, now: Instant) -> tuple[Action, ...]:
        if event.problem is None:
            told = self._passed and not self._healthy
            self._failures, self._healthy, self._passed = 0, True, True
            self._ask_at = Instant(now + self._timing.health_interval)
            return (Say("health.passed", Reason.HEALTHY, Level.INFO, self._epoch),) if told else ()
        eager = not self._passed
        self._ask_at = Instant(now + min(self._timing.health_interval, _EAGER if eager else NEVER))
        self._failures += 1
        if self._failures != self._threshold:
            return ()
        self._healthy = False
        said = Say("health.failed", Reason.UNHEALTHY, Level.ALARM, self._epoch, event.problem.detail)
        return (said,)

    def _ask(self, action: Action, answer: type[Event]) -> tuple[Action, ...]:
        self._awaiting.add(answer)
        return (action,)
