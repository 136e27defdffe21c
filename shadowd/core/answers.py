"""Which answer belongs to which request, so that a late one is never taken for the one awaited.

Requests of one kind of work are answered in order, those of different kinds are not, and a hung one may be
answered when its asker is long gone. Each answer is therefore compared with the latest request that it
could answer: the same epoch, notice or host, and a round that was read after it was asked for. Whatever
does not fit is dropped; nobody waits for it any more.
"""

from shadowd.core.actions import (
    Action,
    Adopt,
    AskHealth,
    ClearLock,
    ClearMark,
    Fence,
    Identify,
    Inspect,
    KeepLease,
    Launch,
    LaunchScheduler,
    ListEpochs,
    MakeClaim,
    NameMaster,
    Observe,
    PlaceLock,
    Probe,
    RestoreClaim,
    Say,
    StopPair,
    StopStray,
    TermPair,
    WriteBeat,
    WriteNotice,
)
from shadowd.core.events import (
    BeatWritten,
    ClaimAnswered,
    Event,
    Fenced,
    HealthAnswered,
    Identified,
    Inspected,
    Launched,
    LeaseKept,
    Listed,
    LockAnswered,
    LockCleared,
    MasterNamed,
    NoticeAnswered,
    Observed,
    Probed,
    StrayStopped,
)
from shadowd.core.values import Instant

ANSWERS: dict[type[Action], type[Event]] = {
    Observe: Observed,
    ListEpochs: Listed,
    Probe: Probed,
    Identify: Identified,
    MakeClaim: ClaimAnswered,
    RestoreClaim: ClaimAnswered,
    WriteNotice: NoticeAnswered,
    PlaceLock: LockAnswered,
    ClearLock: LockCleared,
    ClearMark: LockCleared,
    NameMaster: MasterNamed,
    Fence: Fenced,
    Launch: Launched,
    LaunchScheduler: Launched,
    Inspect: Inspected,
    StopPair: Inspected,
    TermPair: Inspected,
    Adopt: Inspected,
    StopStray: StrayStopped,
    WriteBeat: BeatWritten,
    AskHealth: HealthAnswered,
    KeepLease: LeaseKept,
}
"""Every request and the event that answers it; ``Say`` has none, and ``KeepLease`` only if it asks."""


class Requests:
    """The latest request of each kind."""

    def __init__(self) -> None:
        self._latest: dict[type[Event], tuple[Action, Instant]] = {}

    def asked(self, actions: tuple[Action, ...], now: Instant) -> None:
        """Remember what was asked for, and when."""
        for action in actions:
            if not isinstance(action, Say) and not (isinstance(action, KeepLease) and not action.answered):
                self._latest[ANSWERS[type(action)]] = (action, now)

    def answered_by(self, event: Event) -> bool:
        """Tell whether this may answer the latest request of its kind."""
        if type(event) not in self._latest:
            return False
        action, when = self._latest[type(event)]
        return _subject(event) == _subject(action) and _issued(event, when) >= when


def _subject(travels: Action | Event) -> object:
    """Return what a request and its answer have in common."""
    match travels:
        case WriteNotice(epoch, kind) | NoticeAnswered(epoch, kind):
            return epoch, kind
        case Probe(host) | Probed(host) | Identify(host) | Identified(host):
            return host
        case Fence(epoch, host) | Fenced(epoch, host):
            return epoch, host
        case StopStray(pid) | StrayStopped(pid):
            return pid
        case RestoreClaim(claim):
            return claim.epoch
        case MakeClaim(epoch) | ClaimAnswered(epoch) | Launched(epoch) | Inspected(epoch):
            return epoch
        case Launch(epoch) | LaunchScheduler(epoch) | Inspect(epoch) | StopPair(epoch):
            return epoch
        case TermPair(epoch) | Adopt(epoch) | WriteBeat(epoch) | BeatWritten(epoch):
            return epoch
        case AskHealth(epoch) | HealthAnswered(epoch):
            return epoch
        case KeepLease(kept) | LeaseKept(kept):
            return kept
        case _:
            return None


def _issued(event: Event, otherwise: Instant) -> Instant:
    """Return when the reading began that this event tells of."""
    match event:
        case Observed(listed=issued) | Listed(issued=issued):
            return issued
        case _:
            return otherwise
