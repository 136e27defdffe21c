"""The end of a reign: by KILL, by a planned TERM, or by itself; and which outcome it has.

Stopping is KILL (PROTOCOL rule 11): the clean exit of a superseded master would leave an empty ``lock``, and
that is the mark of a regular shutdown. TERM is sent for a planned move, and the mark that comes of it is
taken away again before the outcome lets the next master start; and for a shutdown whose mark came first, as
the order, and stays. An outcome is certain only when no process of the epoch is left, and for a master that
ended by itself only with a look at the lock made *after* that (rule 12): a round that was under way may have
read it before.
"""

from enum import Enum

from shadowd.core.actions import (
    Action,
    ClearMark,
    Inspect,
    Level,
    Observe,
    Say,
    StopPair,
    TermPair,
    WriteNotice,
)
from shadowd.core.events import Event, Inspected, LockCleared, NoticeAnswered, Observed
from shadowd.core.launching import LOOK_AGAIN, STUBBORN
from shadowd.core.reasons import Reason
from shadowd.core.values import (
    NEVER,
    Epoch,
    ExitKind,
    Instant,
    LockKind,
    NoticeKind,
    PairView,
    Seconds,
    Unknown,
)

_AGAIN = Seconds(1)


class Step(Enum):
    """What is awaited."""

    NOTE = "note"
    """The notice of a planned end is being written."""
    TERM = "term"
    """The processes were asked to end."""
    KILL = "kill"
    MARK = "mark"
    """The empty lock of the planned end is being taken away."""
    LOOK = "look"
    """One look at the lock tells how it ended by itself."""
    DONE = "done"


class Ending:
    """How the master of one epoch ends. ``outcome`` is set in step DONE."""

    def __init__(
        self,
        epoch: Epoch,
        nonce: str,
        reason: Reason,
        *,
        confirmed: bool = True,
        marks: bool = True,
        clean_stops: bool = True,
    ) -> None:
        self.at = Step.KILL
        self.reason = reason
        self.outcome: NoticeKind | None = None
        self.confirmed = confirmed
        """The master was seen to serve; a listing may tell so while it is being stopped."""
        self.round: Observed | None = None
        """The look after the end, where there was one."""
        self._epoch = epoch
        self._nonce = nonce
        self._exit = ExitKind.UNSEEN
        self._planned = False
        self._marks = marks
        """An orderly end leaves an empty lock; else one that lies there is a person's, and stays."""
        self._clean_stops = clean_stops
        """Exit status 0 tells of a shutdown."""
        self._patient_until = NEVER
        self._again_at = NEVER
        self._awaiting: set[type[Event]] = set()
        self._refused_to_die = 0

    def kill(self) -> tuple[Action, ...]:
        """Stop every process of the epoch."""
        self.at = Step.KILL
        return self._ask(StopPair(self._epoch, self._nonce), Inspected)

    def plan(self, until: Instant) -> tuple[Action, ...]:
        """End by TERM, once everybody can know that the mark which comes of it is ours to take away."""
        if not self._marks:
            return self.term(until)
        self.at = Step.NOTE
        self._patient_until = self._again_at = until
        return self._ask(WriteNotice(self._epoch, NoticeKind.STEPPING_DOWN, self._nonce), NoticeAnswered)

    def term(self, until: Instant) -> tuple[Action, ...]:
        """Ask the processes to end, and stop them when they have not by then."""
        self.at = Step.TERM
        self._planned = True
        self._patient_until = until
        self._again_at = NEVER
        return self._ask(TermPair(self._epoch, self._nonce), Inspected)

    def by_itself(self, pair: PairView) -> tuple[Action, ...]:
        """Settle a master that is gone; what it left running (a scheduler, a helper) is stopped first."""
        self._exit = pair.master
        return self.kill() if pair.alive else self._look()

    def deadline(self) -> Instant:
        """Return when ``tick`` has something to do."""
        return self._again_at

    def tick(self, now: Instant) -> tuple[Action, ...]:
        """Ask again."""
        if now < self._again_at:
            return ()
        self._again_at = NEVER
        match self.at:
            case Step.TERM if now < self._patient_until:
                return self._ask(Inspect(self._epoch, self._nonce), Inspected)
            case Step.NOTE | Step.TERM | Step.KILL:
                return self.kill()
            case Step.MARK:
                return self._ask(ClearMark(), LockCleared)
            case _:
                return self._ask(Observe(), Observed)

    def step(self, event: Event, now: Instant) -> tuple[Action, ...]:
        """Take one answer; those that are not awaited are late and dropped."""
        if type(event) not in self._awaiting:
            return ()
        self._awaiting.discard(type(event))
        match event:
            case Inspected():
                return self._inspected(event.pair, now)
            case NoticeAnswered() if self.at is Step.NOTE:
                return self.kill() if event.problem else self.term(self._patient_until)
            case LockCleared():
                return self._unmarked(event, now)
            case Observed():
                return self._looked(event, now)
            case _:
                return ()

    def _inspected(self, pair: PairView, now: Instant) -> tuple[Action, ...]:
        if pair.alive:
            return self._wait(pair, now)
        if self.reason is Reason.SHUT_DOWN_HERE:
            return self._done(NoticeKind.STOPPED)
        if self.at is Step.TERM and self.reason is Reason.SUPERSEDED:
            self.reason = Reason.MOVED
        if self._planned and self._marks:
            self.at = Step.MARK
            return self._ask(ClearMark(), LockCleared)
        if self.reason is Reason.MASTER_ENDED:
            return self._look()
        return self._done(NoticeKind.STEPPED_DOWN if self.confirmed else NoticeKind.FAILED)

    def _wait(self, pair: PairView, now: Instant) -> tuple[Action, ...]:
        if self.at is Step.TERM:
            self._again_at = min(Instant(now + LOOK_AGAIN), max(now, self._patient_until))
            return ()
        self._again_at = Instant(now + _AGAIN)
        self._awaiting.add(Inspected)  # perhaps this answered an inspection older than the stop
        self._refused_to_die += 1
        if self._refused_to_die != STUBBORN:
            return ()
        detail = f"{pair.alive} processes left"
        return (Say("master.unkillable", Reason.UNKILLABLE, Level.ALARM, self._epoch, detail),)

    def _unmarked(self, event: LockCleared, now: Instant) -> tuple[Action, ...]:
        """Go on when the mark is gone for certain: one that stayed would switch failover off for ever."""
        if event.problem is None:
            return self._done(NoticeKind.STEPPED_DOWN)
        self._again_at = Instant(now + _AGAIN)
        return ()

    def _look(self) -> tuple[Action, ...]:
        self.at = Step.LOOK
        self._again_at = NEVER
        return self._ask(Observe(), Observed)

    def _looked(self, seen: Observed, now: Instant) -> tuple[Action, ...]:
        self.round = seen
        if not self.confirmed:
            if isinstance(seen.ledger, Unknown):
                self._again_at = Instant(now + _AGAIN)
                return ()
            return self._done(NoticeKind.FAILED)
        lock = seen.lock
        marked = not isinstance(lock, Unknown) and lock.kind is LockKind.FOREIGN
        if (self._clean_stops and self._exit is ExitKind.CLEAN) or marked:
            self.reason = Reason.SHUT_DOWN_HERE
            return self._done(NoticeKind.STOPPED)
        if isinstance(lock, Unknown):
            # Without the lock nobody can tell a crash from a shutdown: look again.
            self._again_at = Instant(now + _AGAIN)
            return ()
        if self._exit is ExitKind.CLEAN:
            self.reason = Reason.HANDED_OVER
        return self._done(NoticeKind.DIED)

    def _done(self, outcome: NoticeKind) -> tuple[Action, ...]:
        self.at = Step.DONE
        self.outcome = outcome
        self._again_at = NEVER
        self._awaiting = set()
        return ()

    def _ask(self, action: Action, answer: type[Event]) -> tuple[Action, ...]:
        self._awaiting.add(answer)
        return (action,)
