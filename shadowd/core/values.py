"""The words of the trade as types: what travels between the floors and carries no behaviour of its own.

Everything is frozen, so that a value seen by two threads or kept for a log line is still what it was.
Durations are ``Seconds`` and points in time ``Instant`` (CLOCK_BOOTTIME of this host, in seconds; the
type checker keeps the two apart). No value here holds a wall-clock time that anything decides by:
fields named ``wall`` are for people (PROTOCOL rule 3).
"""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, NewType

Seconds = NewType("Seconds", float)
Instant = NewType("Instant", float)
Epoch = NewType("Epoch", int)
Host = NewType("Host", str)
"""A host name in the cell's canonical form (aliases resolved, case and domain folded as the cell says)."""

NEVER = Instant(float("inf"))
DRIFT = 0.02
"""Allowance for two clocks of 1 % drift each, one fast and one slow (PROTOCOL rule 3)."""


class Problem(Enum):
    """Why something could not be read as a value."""

    MISSING = "missing"
    EMPTY = "empty"
    GARBAGE = "garbage"
    TOO_LARGE = "too large"
    NOT_A_FILE = "not a regular file"
    UNREADABLE = "unreadable"
    FOREIGN = "of another cell"
    NEWER_FORMAT = "of a newer format"


@dataclass(frozen=True, slots=True)
class Unknown:
    """The answer of a read that gave no value: never silence, never absence, always reported."""

    problem: Problem
    subject: str
    """The file (or host) in question, as a person would look for it."""
    detail: str = ""


class Protection(Enum):
    """What keeps an old master from writing on after it was replaced."""

    NONE = "none"
    GUARDED = "guarded"
    FENCED = "fenced"


class ClaimReason(Enum):
    """Why an epoch was claimed."""

    SILENCE = "silence"
    DEATH_NOTICE = "death_notice"
    TAKEOVER = "takeover"
    MIGRATE = "migrate"
    RESTART = "restart"
    ADOPTED = "adopted"
    VACANT = "vacant"


class NoticeKind(Enum):
    """The notices of an epoch, in the order of its life; the last four are outcomes."""

    LAUNCHING = "launching"
    STARTED = "started"
    STEPPING_DOWN = "stepping_down"
    """Its planned end has begun: the mark of a clean exit that comes now is no shutdown."""
    FAILED = "failed"
    STOPPED = "stopped"
    DIED = "died"
    STEPPED_DOWN = "stepped_down"

    __hash__ = object.__hash__
    """Enum's own is Python code, and each listing asks it some ten times for each epoch."""


OUTCOMES = frozenset({NoticeKind.FAILED, NoticeKind.STOPPED, NoticeKind.DIED, NoticeKind.STEPPED_DOWN})


class ClaimKey(NamedTuple):
    """Which claim is meant: the nonce tells it from another one of the same number, in another directory."""

    epoch: Epoch
    nonce: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One host's write-once claim to start the master of one epoch (``claims/N.json``)."""

    cell: str
    epoch: Epoch
    host: Host
    machine_id: str
    boot_id: str
    pid: int
    start_token: str
    nonce: str
    reason: ClaimReason
    supersedes: Epoch
    """The epoch that was highest when this one was claimed; 0 for none."""
    lease: Seconds
    licence: Seconds
    window: Seconds
    protection: Protection
    wall: float
    """Unix time, for people."""
    bound: bool = True
    """Its notices carry its nonce, and count only if they do; those of the first release's claims do not."""

    @property
    def key(self) -> ClaimKey:
        """What tells it from every other claim."""
        return ClaimKey(self.epoch, self.nonce)


@dataclass(frozen=True, slots=True)
class KeptLease:
    """Until when a master of this host may live, kept on this host over a restart of its daemon (rule 9)."""

    epoch: Epoch
    nonce: str
    lease: Seconds
    """As the epoch's claim states it."""
    ends: Instant
    """Of this boot; a record of another boot is none."""
    planned: bool = False
    """The master was asked to end for a planned move: an empty lock that lies there afterwards is of that."""
    left: bool = False
    """The daemon was told to end, and left the master alone: that nobody renewed it proves nothing."""
    launching: bool = False
    """The master was not confirmed yet: ``ends`` bounds its launch, and no beat renews it (rule 8)."""


class FenceOutcome(Enum):
    """What became of the attempt to switch a host off."""

    DEAD = "dead"
    """The host is proved to be off."""
    FAILED = "failed"
    """Perhaps it is off, perhaps not: no proof."""
    REFUSED = "refused"
    """Not even tried: the host holds a later epoch, or it is this one (PROTOCOL rule 6)."""


class FencePolicy(Enum):
    """Whether a new master needs the proof that the old one's host is off."""

    NONE = "none"
    """No fence is configured."""
    OPTIONAL = "optional"
    """Tried, told, and no condition."""
    REQUIRED = "required"
    """No proof, no launch."""


@dataclass(frozen=True, slots=True)
class FenceAttempt:
    """One attempt to switch a host off, and what came of it."""

    epoch: Epoch
    """In whose name: whatever the host ran of lower epochs is gone if it is dead."""
    host: Host
    outcome: FenceOutcome
    detail: str
    when: Instant


@dataclass(frozen=True, slots=True)
class Pause:
    """Maintenance: nobody starts a master (``pause.json``)."""

    who: str
    why: str
    until_wall: float | None
    """When it was meant to end; nothing ends it but a person (PROTOCOL rule 3)."""
    since_wall: float | None = None
    number: int = 0
    """The how many-th of the cell it is; 0 where somebody wrote the file by hand."""

    def counted(self, begun: int | None) -> bool:
        """Tell whether it is the last that has begun, so that whoever looks later will know of it."""
        return self.number > 0 and self.number == begun


class PauseReading(NamedTuple):
    """The pause record as last read, and how many pauses the cell has had."""

    pause: Pause | Unknown | None
    """None: there is none."""
    begun: int | None
    """None: not known."""


class LockKind(Enum):
    """Whose ``lock`` lies in the spool directory."""

    ABSENT = "absent"
    CLAIM = "claim"
    """Names an epoch of this project."""
    FOREIGN = "foreign"
    """Empty or of unknown content: a regular shutdown, or an ancestor at work (PROTOCOL rule 16)."""


@dataclass(frozen=True, slots=True)
class Lock:
    """The spool's ``lock`` as last read."""

    kind: LockKind
    epoch: Epoch | None = None
    nonce: str = ""
    wall: float | None = None
    """Modification time, for people."""


class ServerLock(Enum):
    """What TORQUE's ``server.lock`` says of servers that no claim started (TORQUE.md, "Later releases")."""

    NONE = "none"
    """The cell has no such lock."""
    CLEAR = "clear"
    """Nobody holds it but, perhaps, a server of ours."""
    NAMED = "named"
    """Another server is written in it; only its being refreshed tells whether that one lives."""
    HELD = "held"
    """Another server holds it, says the kernel."""
    UNLOCKED = "unlocked"
    """A server that lives holds no lock, although the method says that it must: the lock proves nothing."""

    @property
    def foreign(self) -> bool:
        """True where another server took it."""
        return self in {ServerLock.NAMED, ServerLock.HELD}


@dataclass(frozen=True, slots=True)
class BeatReading:
    """One read of the heartbeat, dated on both sides (PROTOCOL rule 2)."""

    value: int | Unknown
    issued: Instant
    completed: Instant


class ProbeOutcome(Enum):
    """What the old master's port says."""

    ANSWERS = "answers"
    HERE = "here"
    """Something answers, and all that does is this host: the name is one more name of ours, or our own
    process listens behind the port. It tells nothing about another host."""
    REFUSES = "refuses"
    """Connection refused, or host or network unreachable: nobody is there."""
    LISTENS = "listens"
    """Somebody accepts, and does not answer as a master does: a master that is not well, or anybody else, for
    whoever likes may listen on a port that nobody holds. It speaks against a takeover only where nothing
    accounts for the old master (``core.watch``)."""
    SILENT = "silent"
    """Accepts and never says a word, or drops everything, until ``probe_timeout``."""
    UNRESOLVABLE = "unresolvable"
    """The name has no address: doubt, never a reason to act."""


class ExitKind(Enum):
    """How the master's process ended, as far as anybody saw."""

    RUNNING = "running"
    CLEAN = "clean"
    """Exit status 0."""
    FAILED = "failed"
    """Another status, or a signal."""
    UNSEEN = "unseen"
    """Gone, and nobody was there to collect the status."""


@dataclass(frozen=True, slots=True)
class PairView:
    """What /proc shows of the processes of one epoch on this host."""

    master: ExitKind
    master_pid: int | None
    scheduler: ExitKind | None
    """None where the pair has no second program, or it was not started yet."""
    alive: int
    """Number of live processes that carry the epoch's nonce, strays included."""
    frozen: bool = False
    """The master is stopped (state T): it lives and does nothing."""
    serving: bool | None = None
    """One of these processes listens on the cell's port; False: only others do. None: not known."""
