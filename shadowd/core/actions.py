"""What the machines ask the world to do. The executor performs each and answers with one event.

Actions are requests, not commands with results: a machine never waits, it remembers what it asked for
and is told later. ``Say`` alone has no answer.
"""

from dataclasses import dataclass
from enum import Enum

from shadowd.core.reasons import Reason
from shadowd.core.values import (
    ClaimReason,
    Epoch,
    Host,
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
class WriteNotice:
    """Write one notice of an epoch. → ``NoticeAnswered``."""

    epoch: Epoch
    kind: NoticeKind
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


@dataclass(frozen=True, slots=True)
class StopPair:
    """SIGKILL every process of the epoch (PROTOCOL rule 11). → ``Inspected``."""

    epoch: Epoch
    nonce: str


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
    | MakeClaim
    | WriteNotice
    | PlaceLock
    | ClearLock
    | Launch
    | LaunchScheduler
    | Inspect
    | StopPair
    | Say
)
