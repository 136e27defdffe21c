"""What a guard keeps in order around a healthy master: its lock, its records, its name, its scheduler.

Each is small, each has its own answer, and none of them holds up the guard's looks. What is found here may
end the reign all the same: a master that answers on the host that ``act_qmaster`` names, or another host's
claim under our own number (``verdict``).

This module refuses to stop anything.
"""

from shadowd.core.actions import (
    Action,
    ClearLock,
    LaunchScheduler,
    Level,
    NameMaster,
    Probe,
    RestoreClaim,
    Say,
    WriteNotice,
)
from shadowd.core.events import (
    ClaimAnswered,
    Event,
    Launched,
    LockCleared,
    MasterNamed,
    NoticeAnswered,
    Observed,
    Probed,
)
from shadowd.core.ledger import EpochRecord, Ledger
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import Refusal
from shadowd.core.values import (
    Claim,
    ClaimReason,
    Epoch,
    ExitKind,
    Host,
    Instant,
    Lock,
    LockKind,
    NoticeKind,
    PairView,
    ProbeOutcome,
    Problem,
    Seconds,
    ServerLock,
    Unknown,
)

_LONGEST = Seconds(60)
"""Between two attempts to start a scheduler."""


class Upkeep:
    """The upkeep of one reign."""

    def __init__(
        self,
        epoch: Epoch,
        nonce: str,
        host: Host,
        *,
        has_scheduler: bool,
        now: Instant,
        names: set[Host] | None = None,
    ) -> None:
        """``names``: all that are proved to be this host's; the name in our own claim is one more."""
        self.verdict: Reason | None = None
        """Why the reign must end, if it must."""
        self.detail = ""
        self._epoch = epoch
        self._nonce = nonce
        self._names = {host} if names is None else names
        self._called = host
        """The name of this host that act_qmaster had last: the master may end when it has another one."""
        self._has_scheduler = has_scheduler
        self._claim: Claim | None = None
        """Ours, as it was listed: what is linked again if the directory loses it."""
        self._lost = False
        self._named: Host | None = None
        """The other host that act_qmaster named in the last round."""
        self._replaced: Probed | None = None
        """What the host said whose name is replaced by ours."""
        self._aliases: set[Host] = set()
        """Other names of this host that were found in act_qmaster and told."""
        self._unwritten = ""
        """Why our name could not be written over that."""
        self._scheduler_at = now
        self._attempts = 0
        self._scheduled = False
        """The scheduler was seen to run since its last start."""
        self._unlocked = False
        """The last round showed that our server holds no lock, although it must."""
        self._awaiting: set[type[Event]] = set()

    @property
    def complaints(self) -> tuple[Refusal, ...]:
        """What is wrong and could not be put right."""
        return (Refusal(Reason.NAME_UNWRITTEN, self._unwritten),) if self._unwritten else ()

    def round(self, seen: Observed, ledger: Ledger) -> tuple[Action, ...]:
        """Put right what one round shows."""
        said = (*self._records(ledger.get(self._epoch)), *self._lock(seen), *self._name(seen))
        return (*said, *self._server_lock(seen))

    def pair(self, pair: PairView, now: Instant) -> tuple[Action, ...]:
        """Start a scheduler again that ended while its master runs."""
        if pair.scheduler is ExitKind.RUNNING:
            self._attempts, self._scheduled = 0, True
        if not self._has_scheduler or pair.scheduler is ExitKind.RUNNING or now < self._scheduler_at:
            return ()
        if Launched in self._awaiting:
            return ()
        said: tuple[Action, ...] = ()
        if self._scheduled:
            self._scheduled = False
            said = (Say("scheduler.ended", Reason.SCHEDULER_ENDED, Level.WARNING, self._epoch),)
        self._attempts += 1
        self._scheduler_at = Instant(now + min(_LONGEST, 2.0 ** min(self._attempts, 16)))
        return (*said, *self._ask(LaunchScheduler(self._epoch, self._nonce), Launched))

    def step(self, event: Event) -> tuple[Action, ...]:
        """Take one answer; those that are not awaited are dropped."""
        if type(event) not in self._awaiting:
            return ()
        self._awaiting.discard(type(event))
        match event:
            case LockCleared() if event.problem is None:
                return (Say("lock.cleared", Reason.GUARDING, Level.INFO, self._epoch),)
            case ClaimAnswered():
                return self._restored(event)
            case Probed():
                return self._probed(event)
            case MasterNamed():
                return self._wrote(event.problem)
            case Launched() if event.problem is not None and self._attempts == 1:
                detail = f"{event.problem.subject}: {event.problem.detail}"
                return (Say("scheduler.failed", Reason.SCHEDULER_FAILED, Level.ALARM, self._epoch, detail),)
            case _:
                return ()

    # --- records (rule 15) ---------------------------------------------------------------------------

    def _records(self, record: EpochRecord | None) -> tuple[Action, ...]:
        """Write again what the directory lost of our epoch: an emptied one must not look like a new cell."""
        if record is not None and not isinstance(record.claim, Unknown):
            self._adopted(record.claim)
            if not record.confirmed:
                started = WriteNotice(self._epoch, NoticeKind.STARTED, self._nonce)
                return self._ask(started, NoticeAnswered)
            if self._lost:
                self._lost = False
                return (Say("ledger.restored", Reason.RECORDS_BACK, Level.WARNING, self._epoch),)
            return ()
        if isinstance(record, EpochRecord) and not _missing(record.claim):
            return ()
        said: tuple[Action, ...] = ()
        if not self._lost:
            self._lost = True
            said = (Say("ledger.doubt", Reason.RECORDS_LOST, Level.ALARM, self._epoch),)
        if self._claim is None:
            return said
        return (*said, *self._ask(RestoreClaim(self._claim), ClaimAnswered))

    def _adopted(self, claim: Claim) -> None:
        """Remember our claim; an adopted master came with whatever scheduler it has."""
        if self._claim is None:
            self._names.add(claim.host)
            self._called = claim.host
        self._claim = claim
        if claim.reason is ClaimReason.ADOPTED:
            self._has_scheduler = False

    def _restored(self, event: ClaimAnswered) -> tuple[Action, ...]:
        if not isinstance(event.claim, Unknown) and not event.won:
            self.verdict, self.detail = Reason.SUPERSEDED, f"{event.claim.host} holds our number"
        return ()

    # --- lock (rule 18) ------------------------------------------------------------------------------

    def _lock(self, seen: Observed) -> tuple[Action, ...]:
        """Clear a lock that names a claim, or the mark of the next regular shutdown would be swallowed.

        Whichever claim: one that is higher and still open ends the reign before anybody comes here.
        """
        named = isinstance(seen.lock, Lock) and seen.lock.kind is LockKind.CLAIM
        return self._ask(ClearLock(), LockCleared) if named else ()

    def _server_lock(self, seen: Observed) -> tuple[Action, ...]:
        """Tell once that our server does not take the lock that others must find held; it is left alone."""
        before, self._unlocked = self._unlocked, seen.server_lock is ServerLock.UNLOCKED
        if before or not self._unlocked:
            return ()
        return (Say("server.unlocked", Reason.SERVER_UNLOCKED, Level.ALARM, self._epoch),)

    # --- act_qmaster (rule 10) -----------------------------------------------------------------------

    def _name(self, seen: Observed) -> tuple[Action, ...]:
        """Ask the host that act_qmaster names instead of us, once it was read twice."""
        active = seen.active
        if isinstance(active, Unknown):
            self._named = None
            return ()
        if active in self._names:
            self._named, self._unwritten, self._called = None, "", active
            return ()
        if active != self._named:
            self._named = active
            return ()
        return self._ask(Probe(active), Probed)

    def _probed(self, event: Probed) -> tuple[Action, ...]:
        """Give way to a master that answers elsewhere; whatever else the name leads to, we are the master."""
        if event.host != self._named:
            return ()
        self._named = None
        if event.outcome is ProbeOutcome.ANSWERS:
            self.verdict, self.detail = Reason.ACTIVE_CHANGED, f"a master answers at {event.host}"
            return ()
        self._replaced = event
        return self._ask(NameMaster(self._called), MasterNamed)

    def _wrote(self, problem: Unknown | None) -> tuple[Action, ...]:
        """Tell which name was replaced; another name of this host once, whoever goes on writing it.

        Or tell why it was not replaced: once, for it is tried again for ever.
        """
        told, self._unwritten = self._unwritten, _shown(problem)
        if problem is not None:
            line = Say("master.unnamed", Reason.NAME_UNWRITTEN, Level.ALARM, self._epoch, self._unwritten)
            return () if told == self._unwritten else (line,)
        old, self._replaced = self._replaced, None
        if old is None or old.host in self._aliases:
            return ()
        detail = old.detail or old.host
        if old.outcome is not ProbeOutcome.HERE:
            return (Say("master.named", Reason.NAMED_AGAIN, Level.WARNING, self._epoch, detail),)
        self._aliases.add(old.host)
        return (Say("master.named", Reason.NAMED_OTHERWISE, Level.WARNING, self._epoch, detail),)

    def _ask(self, action: Action, answer: type[Event]) -> tuple[Action, ...]:
        """Ask, unless the same kind of question is out already."""
        if answer in self._awaiting:
            return ()
        self._awaiting.add(answer)
        return (action,)


def _shown(problem: Unknown | None) -> str:
    return "" if problem is None else f"{problem.subject}: {problem.detail or problem.problem.value}"


def _missing(claim: Claim | Unknown) -> bool:
    return isinstance(claim, Unknown) and claim.problem is Problem.MISSING
