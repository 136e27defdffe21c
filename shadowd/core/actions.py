"""What the machines ask the world to do. The executor performs each and answers with one event.

Actions are requests, not commands with results: a machine never waits, it remembers what it asked for
and is told later. ``Say`` alone never has an answer, and ``KeepLease`` has one only where that is asked for.
"""

from dataclasses import dataclass
from enum import Enum

from shadowd.core.reasons import Reason
from shadowd.core.values import (
    Claim,
    ClaimReason,
    Epoch,
    Host,
    KeptLease,
    NoticeKind,
    Protection,
    Seconds,
)


@dataclass(frozen=True, slots=True)
class Observe:
    """Read one full round: listing, lock, beat, act_qmaster, shadow_masters, pause. → ``Observed``."""


@dataclass(frozen=True, slots=True)
class ListEpochs:
    """Read only the listing, to see death notices between two checks. → ``Listed``."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask the master at this host whether it answers, within ``probe_timeout``. → ``Probed``."""

    host: Host


@dataclass(frozen=True, slots=True)
class Identify:
    """Tell whether this is one more name of this host, by its addresses. → ``Identified``."""

    host: Host


@dataclass(frozen=True, slots=True)
class MakeClaim:
    """Claim an epoch; the executor adds who we are and a nonce. → ``ClaimAnswered``."""

    epoch: Epoch
    reason: ClaimReason
    supersedes: Epoch
    lease: Seconds
    licence: Seconds
    window: Seconds
    protection: Protection


@dataclass(frozen=True, slots=True)
class RestoreClaim:
    """Link our own claim again, which the directory has lost (PROTOCOL rule 15). → ``ClaimAnswered``."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class WriteNotice:
    """Write one notice of a claim. → ``NoticeAnswered``."""

    epoch: Epoch
    kind: NoticeKind
    nonce: str
    """Of the claim that is meant: nothing is written where another one holds the number."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PlaceLock:
    """Create the spool's ``lock`` with our claim in it (PROTOCOL rule 17). → ``LockAnswered``."""

    epoch: Epoch
    nonce: str


@dataclass(frozen=True, slots=True)
class ClearLock:
    """Take away a ``lock`` that names any claim (PROTOCOL rule 18). → ``LockCleared``."""


@dataclass(frozen=True, slots=True)
class ClearMark:
    """Take away the empty ``lock`` that a planned clean exit left (PROTOCOL rule 11). → ``LockCleared``."""


@dataclass(frozen=True, slots=True)
class NameMaster:
    """Write this host into act_qmaster again (PROTOCOL rule 10). → ``MasterNamed``."""

    host: Host


@dataclass(frozen=True, slots=True)
class Fence:
    """Have a host switched off; ``epoch`` is ours, the fencing token. → ``Fenced``."""

    epoch: Epoch
    host: Host


@dataclass(frozen=True, slots=True)
class Launch:
    """Start the pair's master. → ``Launched``."""

    epoch: Epoch
    nonce: str


@dataclass(frozen=True, slots=True)
class LaunchScheduler:
    """Start the second of the pair, after the master is confirmed. → ``Launched``."""

    epoch: Epoch
    nonce: str


@dataclass(frozen=True, slots=True)
class Inspect:
    """Look for the processes of an epoch on this host. → ``Inspected``."""

    epoch: Epoch
    nonce: str
    serving: bool = False
    """Also tell who listens on the cell's port."""


@dataclass(frozen=True, slots=True)
class StopPair:
    """SIGKILL every process of the epoch (PROTOCOL rule 11). → ``Inspected``."""

    epoch: Epoch
    nonce: str


@dataclass(frozen=True, slots=True)
class TermPair:
    """SIGTERM every process of the epoch: only for a planned move (PROTOCOL rule 11). → ``Inspected``."""

    epoch: Epoch
    nonce: str


@dataclass(frozen=True, slots=True)
class Adopt:
    """Count a live process that no claim started as the master of this epoch (rule 13). → ``Inspected``."""

    epoch: Epoch
    nonce: str
    pid: int


@dataclass(frozen=True, slots=True)
class StopStray:
    """SIGKILL a master of this cell that no claim started (PROTOCOL rule 13). → ``StrayStopped``."""

    pid: int


@dataclass(frozen=True, slots=True)
class WriteBeat:
    """Count the heartbeat up, for a master of ours that writes none. → ``BeatWritten``."""

    epoch: Epoch


@dataclass(frozen=True, slots=True)
class AskHealth:
    """Ask the cell's health command about the master here, within its time limit. → ``HealthAnswered``."""

    epoch: Epoch


@dataclass(frozen=True, slots=True)
class KeepLease:
    """Keep this on the host for a daemon that starts anew; None: nothing of ours runs."""

    kept: KeptLease | None
    answered: bool = False
    """Whoever asks goes on once it was written. → ``LeaseKept``."""


class Level(Enum):
    """How loud a ``Say`` is."""

    INFO = "info"
    WARNING = "warning"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class Say:
    """Tell people: one line in every log. No answer."""

    event: str
    reason: Reason
    level: Level = Level.INFO
    epoch: Epoch | None = None
    detail: str = ""


Action = (
    Observe
    | ListEpochs
    | Probe
    | Identify
    | MakeClaim
    | RestoreClaim
    | WriteNotice
    | PlaceLock
    | ClearLock
    | ClearMark
    | NameMaster
    | Fence
    | Launch
    | LaunchScheduler
    | Inspect
    | StopPair
    | TermPair
    | Adopt
    | StopStray
    | WriteBeat
    | AskHealth
    | KeepLease
    | Say
)
