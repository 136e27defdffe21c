"""What the world tells the machines: the answers to their actions, and what people ask for."""

from dataclasses import dataclass

from shadowd.core.fitness import NOTHING_LACKS, Fitness
from shadowd.core.ledger import Ledger
from shadowd.core.values import (
    BeatReading,
    Claim,
    Epoch,
    FenceOutcome,
    Host,
    Instant,
    KeptLease,
    Lock,
    NoticeKind,
    PairView,
    Pause,
    ProbeOutcome,
    ServerLock,
    Unknown,
)


@dataclass(frozen=True, slots=True)
class Observed:
    """One round of reads, in the order of the fields (PROTOCOL rules 4 and 6)."""

    listed: Instant
    """Issue of the listing: what dates the ledger."""
    ledger: Ledger | Unknown
    lock: Lock | Unknown
    beat: BeatReading
    active: Host | Unknown
    """The host in act_qmaster."""
    shadows: tuple[Host, ...] | Unknown
    """shadow_masters, in its order."""
    pause: Pause | Unknown | None
    resident: int | None
    """Pid of a live master of this cell on this host that carries no epoch of ours; else None."""
    completed: Instant
    pauses: int | None = 0
    """How many pauses the cell has had; None where that could not be read."""
    server_lock: ServerLock | Unknown = ServerLock.NONE
    """Read right after the lock."""
    fitness: Fitness = NOTHING_LACKS
    """As of the last look at this host, which is not part of the round."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The listing alone."""

    issued: Instant
    ledger: Ledger | Unknown


@dataclass(frozen=True, slots=True)
class Probed:
    """The probe's outcome, within its time limit."""

    host: Host
    outcome: ProbeOutcome
    detail: str = ""

    @property
    def doubt(self) -> str:
        """Return for people why it says nothing about the host that was asked; empty where it does."""
        if self.outcome is ProbeOutcome.HERE:
            return self.detail or f"{self.host} leads to this host itself"
        if self.outcome is ProbeOutcome.UNRESOLVABLE:
            return self.detail or f"{self.host} has no address"
        return ""


@dataclass(frozen=True, slots=True)
class Identified:
    """Whether every address of a name is this host's; None where nobody can say."""

    host: Host
    here: bool | None


@dataclass(frozen=True, slots=True)
class ClaimAnswered:
    """``claim`` is ours (we hold it), another's (lost), or Unknown (nobody could say)."""

    epoch: Epoch
    nonce: str
    """The nonce that our attempt carried."""
    claim: Claim | Unknown

    @property
    def won(self) -> bool:
        """True when the claim on disk is the one that we wrote."""
        return not isinstance(self.claim, Unknown) and self.claim.nonce == self.nonce


@dataclass(frozen=True, slots=True)
class NoticeAnswered:
    """The notice is on disk (``problem`` None), or could not be written."""

    epoch: Epoch
    kind: NoticeKind
    problem: Unknown | None = None


@dataclass(frozen=True, slots=True)
class LockAnswered:
    """The lock that lies there now: ours if kind and nonce say so."""

    lock: Lock | Unknown


@dataclass(frozen=True, slots=True)
class LockCleared:
    """No lock of a claim lies there any more (``problem`` None), or it could not be removed."""

    problem: Unknown | None = None


@dataclass(frozen=True, slots=True)
class MasterNamed:
    """act_qmaster names this host again (``problem`` None), or could not be written."""

    problem: Unknown | None = None


@dataclass(frozen=True, slots=True)
class Fenced:
    """What became of the attempt to switch a host off, in the name of this epoch of ours."""

    epoch: Epoch
    host: Host
    outcome: FenceOutcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Launched:
    """The program was started (``problem`` None) or could not be."""

    epoch: Epoch
    problem: Unknown | None = None


@dataclass(frozen=True, slots=True)
class Inspected:
    """What runs of the epoch on this host."""

    epoch: Epoch
    pair: PairView


@dataclass(frozen=True, slots=True)
class StrayStopped:
    """Whether the process still lives."""

    pid: int
    alive: bool


@dataclass(frozen=True, slots=True)
class BeatWritten:
    """The heartbeat was counted up (``problem`` None), or could not be written."""

    epoch: Epoch
    problem: Unknown | None = None


@dataclass(frozen=True, slots=True)
class HealthAnswered:
    """The health command passes (``problem`` None), or what is wrong."""

    epoch: Epoch
    problem: Unknown | None = None


@dataclass(frozen=True, slots=True)
class LeaseKept:
    """The lease was written on this host, as well as that could be done."""

    kept: KeptLease | None


@dataclass(frozen=True, slots=True)
class TakeoverAsked:
    """A person asks for a takeover: skip the timers, keep every safety check."""

    who: str
    migrate: bool = False
    """The old master may be alive and well: its guard is asked to step down in an orderly way."""


@dataclass(frozen=True, slots=True)
class Namesake:
    """Another machine wrote the host record of this host since we did. Nobody asked for it."""

    boot_id: str


@dataclass(frozen=True, slots=True)
class Woken:
    """Something may have changed: look sooner. Carries nothing and proves nothing."""


Event = (
    Observed
    | Listed
    | Probed
    | Identified
    | ClaimAnswered
    | NoticeAnswered
    | LockAnswered
    | LockCleared
    | MasterNamed
    | Fenced
    | Launched
    | Inspected
    | StrayStopped
    | BeatWritten
    | HealthAnswered
    | LeaseKept
    | TakeoverAsked
    | Namesake
    | Woken
)
