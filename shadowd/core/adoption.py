"""Making a master that no claim started one of ours: a claim with reason ``adopted`` (PROTOCOL rule 13).

An init script or a person started it, on this host. It is adopted only when nobody else's master can be the
right one: the last confirmed epoch is ours, closed, or its host does not answer. If that host answers, the
one here is the intruder, and is stopped. While another claim is undecided, neither: its outcome is awaited.

The lease begins before the link, so a frozen master is not adopted for longer than any other one lives.
"""

from collections.abc import Collection
from enum import Enum

from shadowd.core.actions import (
    Action,
    Adopt,
    Level,
    MakeClaim,
    Probe,
    Say,
    StopStray,
    WriteNotice,
)
from shadowd.core.duplicate import Duplicates
from shadowd.core.events import (
    ClaimAnswered,
    Event,
    Inspected,
    NoticeAnswered,
    Observed,
    Probed,
    StrayStopped,
)
from shadowd.core.lease import Reign
from shadowd.core.ledger import Ledger
from shadowd.core.memory import Memory
from shadowd.core.policy import Policy
from shadowd.core.reasons import Reason
from shadowd.core.timing import Timing
from shadowd.core.values import (
    Claim,
    ClaimReason,
    Epoch,
    ExitKind,
    Host,
    Instant,
    LockKind,
    NoticeKind,
    ProbeOutcome,
    Unknown,
)


class Step(Enum):
    """What is awaited."""

    ASK = "ask"
    CLAIM = "claim"
    ADOPT = "adopt"
    RECORD = "record"
    STOP = "stop"
    DONE = "done"


class Adoptions:
    """Begins the adoptions of one cell on this host, when one may begin."""

    def __init__(
        self, policy: Policy, timing: Timing, memory: Memory, duplicates: Duplicates, now: Instant
    ) -> None:
        self._policy = policy
        self._timing = timing
        self._memory = memory
        self._duplicates = duplicates
        self._at = now
        self._failures = 0

    def wait(self, now: Instant, *, failed: bool) -> None:
        """Wait after one that came to nothing; longer each time that it cost an epoch."""
        self._failures = self._failures + 1 if failed else 1
        self._at = Instant(now + self._timing.pause_after(self._failures))

    def done(self) -> None:
        """Hear that one came to its good end."""
        self._failures = 0

    def of(self, seen: Observed, now: Instant) -> "Adoption | None":
        """Return the adoption of the resident master of this round; None where there is none, or not now.

        Not while a lock lies there (it is starting or being shut down), not unless act_qmaster names this
        host, not while somebody's later claim is undecided or another machine has this host's name.
        """
        names = self._memory.names
        if seen.resident is None or not self._policy.adopts or now < self._at:
            return None
        if isinstance(seen.ledger, Unknown) or seen.ledger.doubts or seen.active not in names:
            return None
        if self._duplicates.refusal(now) is not None:
            return None
        if isinstance(seen.lock, Unknown) or seen.lock.kind is LockKind.FOREIGN:
            return None
        last = seen.ledger.last_confirmed
        settled = Epoch(0) if last is None else last.epoch
        accounts = self._memory.unsettled(own=None, step_down=self._timing.step_down_timeout, now=now)
        if any(account.epoch > settled and account.host not in names for account in accounts):
            return None
        return Adoption(
            epoch=Epoch(self._memory.peak + 1),
            pid=seen.resident,
            policy=self._policy,
            timing=self._timing,
            ledger=seen.ledger,
            names=names,
            now=now,
        )


class Adoption:
    """The adoption of one resident master. ``ending`` is set in step DONE."""

    def __init__(
        self,
        *,
        epoch: Epoch,
        pid: int,
        policy: Policy,
        timing: Timing,
        ledger: Ledger,
        names: Collection[Host],
        now: Instant,
    ) -> None:
        self.epoch = epoch
        self.at = Step.ASK
        self.ending: Reason | None = None
        self.claimed = False
        self.detail = f"pid {pid}"
        self._pid = pid
        self._names = names
        self._protection = policy.protection
        self._timing = timing
        self._ledger = ledger
        self._nonce = ""
        self._began = now
        self._awaiting: type[Event] | None = None

    @property
    def reign(self) -> Reign:
        """That of the adopted master; its lease began before the link."""
        return Reign.begun(self.epoch, self._nonce, self._timing.lease, self._began)

    def begin(self, now: Instant) -> tuple[Action, ...]:
        """Ask the host of the last confirmed epoch, if that may still be the right one."""
        last = self._ledger.last_confirmed
        claim = None if last is None or not last.open else last.claim
        if isinstance(claim, Claim) and claim.host not in self._names:
            return self._ask(Probe(claim.host), Probed)
        return self._claim(now)

    def step(self, event: Event, now: Instant) -> tuple[Action, ...]:
        """Take one answer; others are late and dropped."""
        if type(event) is not self._awaiting:
            return ()
        self._awaiting = None
        match event:
            case Probed():
                return self._probed(event, now)
            case StrayStopped():
                return self._stopped(event)
            case ClaimAnswered():
                return self._claimed(event)
            case Inspected() if event.pair.master is ExitKind.RUNNING:
                self.at = Step.RECORD
                return self._ask(WriteNotice(self.epoch, NoticeKind.STARTED, self._nonce), NoticeAnswered)
            case NoticeAnswered() if event.problem is None:
                return self._done(Reason.ADOPTED)
            case _:
                return self._done(Reason.ADOPTION_FAILED)

    def _probed(self, event: Probed, now: Instant) -> tuple[Action, ...]:
        match event.outcome:
            case ProbeOutcome.ANSWERS:
                self.at = Step.STOP
                detail = f"{self.detail}; the master answers at {event.host}"
                alarm = Say("master.intruder", Reason.INTRUDER, Level.ALARM, None, detail)
                return (alarm, *self._ask(StopStray(self._pid), StrayStopped))
            case ProbeOutcome.UNRESOLVABLE | ProbeOutcome.HERE:
                self.detail = event.doubt
                return self._done(Reason.ADOPTION_FAILED)
            case _:
                return self._claim(now)

    def _stopped(self, event: StrayStopped) -> tuple[Action, ...]:
        self._done(Reason.INTRUDER)
        if not event.alive:
            return ()
        return (Say("master.unkillable", Reason.UNKILLABLE, Level.ALARM, None, self.detail),)

    def _claim(self, now: Instant) -> tuple[Action, ...]:
        self.at = Step.CLAIM
        self._began = now
        timing = self._timing
        claim = MakeClaim(
            epoch=self.epoch,
            reason=ClaimReason.ADOPTED,
            supersedes=self._ledger.highest,
            lease=timing.lease,
            licence=timing.licence,
            window=timing.window,
            protection=self._protection,
        )
        return self._ask(claim, ClaimAnswered)

    def _claimed(self, event: ClaimAnswered) -> tuple[Action, ...]:
        if isinstance(event.claim, Unknown):
            self.detail = event.claim.detail
            return self._done(Reason.CLAIM_UNKNOWN)
        if not event.won:
            self.detail = event.claim.host
            return self._done(Reason.LOST)
        self.claimed = True
        self._nonce = event.nonce
        self.at = Step.ADOPT
        return self._ask(Adopt(self.epoch, event.nonce, self._pid), Inspected)

    def _done(self, ending: Reason) -> tuple[Action, ...]:
        self.at = Step.DONE
        self.ending = ending
        return ()

    def _ask(self, action: Action, answer: type[Event]) -> tuple[Action, ...]:
        self._awaiting = answer
        return (action,)
