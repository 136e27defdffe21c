"""What a cell's machines think at one moment: the raw material of ``hosts/<host>.json`` and ``status``.

Instants here are this host's own; whoever publishes a snapshot turns them into wall-clock times for people.
"""

from dataclasses import dataclass
from enum import Enum

from shadowd.core.reasons import Reason
from shadowd.core.values import (
    Epoch,
    FenceAttempt,
    FencePolicy,
    Host,
    Instant,
    Lock,
    Pause,
    Protection,
    Seconds,
    Unknown,
)


class State(Enum):
    """Where a cell stands on this host (DESIGN.md §4)."""

    STANDBY = "standby"
    STALE = "stale"
    VERIFYING = "verifying"
    CLAIMING = "claiming"
    ACCOUNTING = "accounting"
    LAUNCHING = "launching"
    ACTIVE = "active"


class Timer(Enum):
    """Which timer runs, by what happens when it is over."""

    NEXT_CHECK = "next_check"
    STALE_AFTER = "stale_after"
    TAKEOVER = "takeover"
    LICENCE = "licence"
    LAUNCH_TIMEOUT = "launch_timeout"
    LEASE = "lease"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that speaks against a takeover by this host now."""

    reason: Reason
    detail: str = ""
    until: Instant | None = None
    """When it ends by time alone; None where it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One moment of one cell on this host."""

    state: State
    reason: Reason
    """Why the last transition happened."""
    since: Instant
    refusals: tuple[Refusal, ...]
    """All that speaks against a takeover by this host; empty means eligible."""
    timer: Timer
    due: Instant
    silence: Seconds
    beat: int | Unknown
    active: Host | Unknown
    """The host in act_qmaster."""
    epoch: Epoch
    """The highest epoch known; our own while ACTIVE."""
    master: Host | None
    """The holder of the last confirmed open epoch, if there is one."""
    protection: Protection
    lock: Lock | Unknown
    pause: Pause | Unknown | None
    observed: Instant | None
    """Completion of the last round of reads."""
    attempts: int
    """Failed attempts in a row."""
    complaints: tuple[Refusal, ...] = ()
    """What the guard here cannot put right."""
    fence: FencePolicy = FencePolicy.NONE
    fenced: tuple[FenceAttempt, ...] = ()
    """The last attempt on each host since it mattered."""
