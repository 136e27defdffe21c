"""The bad weather of one seed: which faults, where, when, how long. Drawn whole before the day begins.

Everything comes from one ``random.Random``, so a seed is a day. Each kind of fault has a rate of its own,
half of them none at all on a given day, for what kills everything at once hides what happens to those who
live longer. Faults come in storms, minutes or moments apart, because a takeover is disturbed by what happens
during it; between storms it is calm long enough to see whether a master comes back.

This module only draws; ``sim.faults`` strikes.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from random import Random

HOURS = 24.0
_CALM = 3000.0
"""At least so long between two storms."""
_LAST = 7200.0
"""No storm in the last two hours: they are for the masters that must come."""


class Kind(Enum):
    """Every fault and operator action. The value is the word for the command line."""

    CRASH = "crash"
    KILL_MASTER = "kill_master"
    FREEZE_MASTER = "freeze_master"
    KILL_DAEMON = "kill_daemon"
    STOP_DAEMON = "stop_daemon"
    FREEZE_DAEMON = "freeze_daemon"
    FREEZE_HOST = "freeze_host"
    STAND_CLOCK = "stand_clock"
    """A host stands still whole, and its BOOTTIME with it."""
    UNMOUNT = "unmount"
    """A host boots without its mount, and an old copy of the directory lies beneath."""
    AMBUSH = "ambush"
    """The master is lost, and whoever bids is struck between two of his actions."""
    GARBLE = "garble"
    LOSE_REPLIES = "lose_replies"
    LATE = "late"
    FULL = "full"
    """Nothing can be created (ENOSPC)."""
    HANG = "hang"
    HANG_DONE = "hang_done"
    CUT = "cut"
    """The network, not the file system."""
    UNPLUG = "unplug"
    """Both."""
    HANG_LOCAL = "hang_local"
    """What starts or inspects processes hangs."""
    BREAK_PROGRAM = "break_program"
    SLOW_START = "slow_start"
    """A master takes its time to become ready: up to ``launch_timeout``, and beyond."""
    FAILED_STARTS = "failed_starts"
    """What weeks of starts that came to nothing leave behind: more than a thousand epochs, closed."""
    UNSHARE = "unshare"
    """A host has a directory of its own in the place of one that all share: no jobs of the cell in it."""
    LIE = "lie"
    """Probes say what is not so."""
    SQUAT = "squat"
    """A user without rights listens on the master's port of a host, where no master has it."""
    STEP_WALL = "step_wall"
    STALE_READS = "stale_reads"
    STALE_LISTING = "stale_listing"
    """Beyond what NFS.md measured: a listing that is not fresh."""
    MISLEAD = "mislead"
    """A hosts file gives the names of all other hosts to this one, or to nobody."""
    ALIAS = "alias"
    """Somebody writes another name of the master's own host into act_qmaster."""
    SHUTDOWN = "shutdown"
    TOUCH_LOCK = "touch_lock"
    PAUSE = "pause"
    TAKEOVER = "takeover"
    MIGRATE = "migrate"
    RESTARTER = "restarter"
    """A service manager of the master's own restarts it as soon as it ends, beside the guard."""
    STRAY = "stray"
    """Somebody starts a master by hand, on whatever host."""
    RENAME = "rename"
    """A host gets another name; its old one still leads to it."""
    CLONE = "clone"
    """Somebody boots a copy of a host: the same name, the same machine id, each for itself that name."""
    EMPTY = "empty"
    """The claims directory is emptied."""
    RESTORE = "restore"
    """It is put back to what it was some time ago."""


EXOTIC = frozenset({Kind.STALE_LISTING, Kind.STAND_CLOCK, Kind.STRAY, Kind.EMPTY, Kind.RESTORE})
"""Not on an ordinary day: PROTOCOL.md promises less under them, or NFS.md says that they do not occur."""
ORDINARY = frozenset(Kind) - EXOTIC
OF_IDENTITY = frozenset({Kind.RENAME, Kind.CLONE, Kind.ALIAS, Kind.UNMOUNT, Kind.RESTARTER})
"""Who is who, and what is the cell's: hosts, copies of them, mounts, masters of a service manager."""
LATER = OF_IDENTITY | {Kind.SLOW_START, Kind.FAILED_STARTS, Kind.SQUAT, Kind.UNSHARE, Kind.MISLEAD}
"""Kinds that were added later: a day drawn without them is the day that it was before."""

OF_THE_CELL = frozenset({Kind.SHUTDOWN, Kind.TOUCH_LOCK, Kind.PAUSE, Kind.EMPTY, Kind.RESTORE, Kind.ALIAS})
"""These strike no host."""

_LONGEST = {
    Kind.CRASH: 2400.0,
    Kind.FREEZE_MASTER: 2000.0,
    Kind.KILL_DAEMON: 20.0,
    Kind.STOP_DAEMON: 2400.0,
    Kind.FREEZE_DAEMON: 2000.0,
    Kind.FREEZE_HOST: 2000.0,
    Kind.STAND_CLOCK: 2000.0,
    Kind.UNMOUNT: 2400.0,
    Kind.AMBUSH: 1500.0,
    Kind.GARBLE: 900.0,
    Kind.LOSE_REPLIES: 1500.0,
    Kind.LATE: 1500.0,
    Kind.FULL: 1500.0,
    Kind.HANG: 2000.0,
    Kind.HANG_DONE: 2000.0,
    Kind.CUT: 2000.0,
    Kind.UNPLUG: 2000.0,
    Kind.HANG_LOCAL: 400.0,
    Kind.BREAK_PROGRAM: 1200.0,
    Kind.SLOW_START: 2000.0,
    Kind.RESTARTER: 2000.0,
    Kind.UNSHARE: 2000.0,
    Kind.LIE: 2000.0,
    Kind.SQUAT: 2400.0,
    Kind.STALE_READS: 1500.0,
    Kind.STALE_LISTING: 1500.0,
    Kind.MISLEAD: 2400.0,
    Kind.SHUTDOWN: 1800.0,
    Kind.TOUCH_LOCK: 1800.0,
    Kind.PAUSE: 1800.0,
    Kind.CLONE: 2400.0,
}
"""How long a fault may last, in seconds; what is not here is over at once."""


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault. ``at`` and ``lasts`` in seconds; ``target`` and ``dice`` are numbers from 0 to 1."""

    at: float
    kind: Kind
    lasts: float
    target: float
    """Which host: below one half the master's own, else any."""
    dice: float
    """Whatever else has to be chosen."""


def draw(
    random: Random, *, hours: float, kinds: Collection[Kind], storms: int | None = None
) -> tuple[Strike, ...]:
    """Draw the faults of one day, in order."""
    ordered = sorted(kinds, key=lambda kind: kind.value)
    rates = [random.expovariate(1.0) if random.random() < 0.5 else 0.0 for _ in ordered]
    if not any(rates):
        rates = [1.0] * len(ordered)
    number = random.randint(2, 7) if storms is None else storms
    length = (hours * 3600.0 - _LAST) / max(number, 1)
    strikes = []
    for storm in range(number):
        begin = storm * length + random.uniform(600.0, max(601.0, length - _CALM))
        gap = random.choice((2.0, 20.0, 120.0, 600.0))
        at = begin
        for _ in range(min(1 + int(random.expovariate(0.5)), 8)):
            kind = random.choices(ordered, rates)[0]
            lasts = _duration(random, _LONGEST.get(kind, 0.0))
            strikes.append(Strike(at, kind, lasts, random.random(), random.random()))
            at += random.expovariate(1.0 / gap)
    end = hours * 3600.0 - _LAST
    return tuple(sorted((strike for strike in strikes if strike.at < end), key=lambda strike: strike.at))


def _duration(random: Random, longest: float) -> float:
    """Draw a duration: moments, minutes, about as long as a takeover, or longer, each as often."""
    if not longest:
        return 0.0
    spans = ((0.01, 2.0), (2.0, 60.0), (60.0, 650.0), (650.0, 1100.0), (1100.0, 2400.0))
    return min(longest, random.uniform(*random.choice(spans)))
