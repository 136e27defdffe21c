"""The actions that have an answer, and the answer of doubt for each of them.

A port that raises (a programming error, or an operating system that does something new) gives such an
answer, because a machine that waits for ever is worse than a doubt.
"""

from typing import assert_never

from shadowd.core.actions import (
    Adopt,
    AskHealth,
    ClearLock,
    ClearMark,
    Fence,
    Identify,
    Inspect,
    Launch,
    LaunchScheduler,
    ListEpochs,
    MakeClaim,
    NameMaster,
    Observe,
    PlaceLock,
    Probe,
    RestoreClaim,
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
    Listed,
    LockAnswered,
    LockCleared,
    MasterNamed,
    NoticeAnswered,
    Observed,
    Probed,
    StrayStopped,
)
from shadowd.core.values import (
    BeatReading,
    ExitKind,
    FenceOutcome,
    Instant,
    PairView,
    ProbeOutcome,
    Problem,
    Unknown,
)

OnPair = Launch | LaunchScheduler | Inspect | StopPair | TermPair | Adopt | StopStray
"""What concerns processes of this host."""

_InDirectory = (
    ListEpochs | MakeClaim | RestoreClaim | WriteNotice | PlaceLock | ClearLock | ClearMark | NameMaster
)
"""What concerns the shared directory, but for a full round of it."""

_Vital = WriteBeat | AskHealth
"""What a guard does for a master that writes no heartbeat."""

Request = Observe | Probe | Identify | Fence | _Vital | _InDirectory | OnPair
"""Every action that has an answer: all but ``Say`` and ``KeepLease``."""


def unanswered(action: Request, why: str, now: Instant) -> Event:
    """Return the answer to an action of which nobody knows what came of it."""
    unknown = Unknown(Problem.UNREADABLE, type(action).__name__, why)
    match action:
        case Observe():
            beat = BeatReading(unknown, now, now)
            return Observed(now, unknown, unknown, beat, unknown, unknown, unknown, None, now)
        case Probe(host):
            return Probed(host, ProbeOutcome.UNRESOLVABLE, why)
        case Identify(host):
            return Identified(host, None)
        case Fence(epoch, host):
            return Fenced(epoch, host, FenceOutcome.FAILED, why)
        case WriteBeat(epoch):
            return BeatWritten(epoch, unknown)
        case AskHealth(epoch):
            return HealthAnswered(epoch, unknown)
        case Launch() | LaunchScheduler() | Inspect() | StopPair() | TermPair() | Adopt() | StopStray():
            return _pair(action, unknown)
        case _:
            return _directory(action, unknown, now)


def _directory(action: _InDirectory, unknown: Unknown, now: Instant) -> Event:
    match action:
        case ListEpochs():
            return Listed(now, unknown)
        case MakeClaim(epoch):
            return ClaimAnswered(epoch, "", unknown)
        case RestoreClaim(claim):
            return ClaimAnswered(claim.epoch, claim.nonce, unknown)
        case WriteNotice(epoch, kind):
            return NoticeAnswered(epoch, kind, unknown)
        case PlaceLock():
            return LockAnswered(unknown)
        case ClearLock() | ClearMark():
            return LockCleared(unknown)
        case NameMaster():
            return MasterNamed(unknown)
        case _:
            assert_never(action)


def _pair(action: OnPair, unknown: Unknown) -> Event:
    match action:
        case Launch(epoch) | LaunchScheduler(epoch):
            return Launched(epoch, unknown)
        case StopStray(pid):
            return StrayStopped(pid, alive=True)
        case Inspect(epoch) | StopPair(epoch) | TermPair(epoch) | Adopt(epoch):
            # Not knowing must neither end a reign nor count as a death: assume that it runs.
            return Inspected(epoch, PairView(ExitKind.RUNNING, None, None, alive=1))
        case _:
            assert_never(action)
