"""The projection: one cell as people ask for it, from what was gathered.

Who is master is ``master``'s part and what will happen next ``outlook``'s. The beat's age is the freshest
that any host observed, because only an observed change counts (PROTOCOL rule 1); the protection level needs
a recent sign of life of the guard, not a line in a configuration. Text and JSON print the same ``CellView``.
This module refuses to read files and clocks.
"""

from collections.abc import Iterator
from typing import NamedTuple

from shadowd.console.clock import ago, at, span
from shadowd.console.fencing import FenceView, all_fence, fence_views
from shadowd.console.gather import Gathered, Shared, Unreached
from shadowd.console.lock import LockView, lock_view
from shadowd.console.master import MasterView, master_view, stranger
from shadowd.console.outlook import outlook
from shadowd.console.records import HostRecord, clean, in_words
from shadowd.console.rows import BIDDING, HostRow, earliest, is_fresh, row
from shadowd.console.serverlock import ServerLockView, server_lock_view
from shadowd.core.ledger import Ledger
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State
from shadowd.core.values import Pause, Protection, Unknown


class BeatView(NamedTuple):
    """The heartbeat: its value, and when it last moved by whose observation."""

    value: int | None
    problem: str
    moved: float | None
    seen_by: str
    age: float | None
    at_least: bool = False
    """It moved after ``moved``, since the last record of a living daemon."""
    foreign: bool = False
    """What moves is a lock of a server that shadowd did not start: dates, and no counter."""

    @property
    def shown(self) -> str:
        """The value for people."""
        if self.foreign:
            return "of a server that shadowd did not start"
        return f"{self.value:05d}" if self.value is not None else self.problem or "unknown"


class ProtectionView(NamedTuple):
    """The protection level in force, with what it rests on."""

    level: str
    text: str
    bystander: bool = False
    """The daemon on the master's host lives, and its guard does not: the master was started past it."""


class CellView(NamedTuple):
    """Everything ``status`` prints of one cell; times are Unix seconds, ages seconds."""

    name: str
    kind: str
    host: str
    """The host that looks."""
    now: float
    spool: str
    unreached: str
    """Why the shared directories could not be looked at; empty when they could."""
    stale_after: float
    earliest: float
    master: MasterView
    beat: BeatView
    takeover: str
    """What happens next while the master is silent or gone, and while a takeover runs; else empty."""
    lock: LockView | None
    pause: str
    protection: ProtectionView
    epoch: int | None
    rows: tuple[HostRow, ...]
    fences: tuple[FenceView, ...] = ()
    """The last attempts to switch hosts off, by the daemons that report."""
    server_lock: ServerLockView | None = None
    """TORQUE's lock."""


def project(gathered: Gathered) -> CellView:
    """Make the view of one cell."""
    shared = gathered.shared
    reached = shared if isinstance(shared, Shared) else None
    known = host_records(gathered)
    records = {host: record for host, record in known.items() if isinstance(record, HostRecord)}
    freshest = max(records.values(), key=lambda record: record.wall, default=None)
    beat = _beat(reached, records, gathered.now)
    stale_after = freshest.durations.get("stale_after", 240.0) if freshest else 240.0
    moving = beat.age is not None and beat.age < stale_after
    watched = any(is_fresh(record, gathered.now) for record in records.values())
    server_lock = server_lock_view(reached, beating=moving, watched=watched) if reached else None
    foreign = server_lock is not None and server_lock.foreign
    beat = beat._replace(foreign=foreign)
    master = stranger() if foreign else master_view(reached, records.values(), gathered.now)
    beating = beat.moved if moving and not master.stopped else None
    lock = lock_view(reached, freshest, beating=beating) if reached else None
    hold = _hold(reached, lock, master)
    rows = _rows(gathered, reached, known, master.host, hold)
    return CellView(
        name=gathered.cell,
        kind=gathered.kind,
        host=gathered.host,
        now=gathered.now,
        spool=reached.spool if reached else "",
        unreached=f"{shared.subject}: {shared.reason}" if isinstance(shared, Unreached) else "",
        stale_after=stale_after,
        earliest=earliest(freshest) if freshest else 840.0,
        master=master,
        beat=beat,
        takeover=outlook(rows, hold, gathered.now, beating=moving and (foreign or bool(master.host))),
        lock=lock,
        pause=_pause(reached, gathered.now),
        protection=_protection(master.host, records, freshest, gathered.now)
        if reached
        else ProtectionView("unknown", "the shared directory cannot be looked at"),
        epoch=_epoch(reached, freshest),
        rows=rows,
        fences=fence_views(
            [record for record in records.values() if is_fresh(record, gathered.now)], gathered.now
        ),
        server_lock=server_lock,
    )


def host_records(gathered: Gathered) -> dict[str, HostRecord | Unknown]:
    """Return the newest record of every host; our own has a local copy that may be newer."""
    shared = gathered.shared
    found: dict[str, HostRecord | Unknown] = {}
    if isinstance(shared, Shared) and not isinstance(shared.hosts, Unknown):
        found = dict(shared.hosts)
    local, published = gathered.local, found.get(gathered.host)
    if isinstance(local, HostRecord) and not (
        isinstance(published, HostRecord) and published.wall >= local.wall
    ):
        found[gathered.host] = local
    own = found.get(gathered.host)
    # What a daemon that runs no more meant to do is no plan. Only of this host that can be seen at once.
    if isinstance(local, HostRecord) and isinstance(own, HostRecord) and gathered.daemon is None:
        found[gathered.host] = own._replace(gone=True)
    return found


def _hold(shared: Shared | None, lock: LockView | None, master: MasterView) -> Reason | None:
    """Return what keeps every host from taking over, as far as it can be seen from here."""
    if master.stopped:
        return Reason.SHUT_DOWN
    if lock and lock.blocks:
        return Reason.LOCKED if lock.kind == "foreign" else Reason.LOCK_UNKNOWN
    if shared and shared.pause is not None:
        return Reason.PAUSE_UNKNOWN if isinstance(shared.pause, Unknown) else Reason.PAUSED
    return None


def _rows(
    gathered: Gathered,
    shared: Shared | None,
    known: dict[str, HostRecord | Unknown],
    master: str,
    hold: Reason | None,
) -> tuple[HostRow, ...]:
    listed = shared.shadows if shared and not isinstance(shared.shadows, Unknown) else ()
    ranks = {str(host): rank for rank, host in enumerate(listed, 1)}
    # Where nothing shared can be read, a host without a record is no finding.
    seen = {gathered.host, *([master] if master else [])} if shared else set[str]()
    others = sorted({*known, *seen} - ranks.keys())
    claimed = _open_claims(shared)
    rows = [
        row(
            clean(host),
            known.get(host),
            ranks.get(host),
            here=host == gathered.host,
            now=gathered.now,
            spool=shared.spool if shared else "",
            hold=hold,
            claimed=claimed.get(host),
        )
        for host in [*ranks, *others]
    ]
    return tuple(_beside_a_bidder(rows))


def _beside_a_bidder(rows: list[HostRow]) -> Iterator[HostRow]:
    """Correct what the others reported before one of them began to take over."""
    bidder = next((each.host for each in rows if each.fresh and each.state in BIDDING), None)
    for each in rows:
        waits = bidder and each.fresh and each.state == State.STALE.value and not each.runs_master
        yield each._replace(does=f"waits: {bidder} is taking over") if waits else each


def _open_claims(shared: Shared | None) -> dict[str, int]:
    """Return the epoch that each host holds without its master being confirmed: a launch under way."""
    ledger = shared.ledger if shared and isinstance(shared.ledger, Ledger) else Ledger()
    return {
        str(record.claim.host): record.epoch
        for record in ledger.records
        if record.open and not record.confirmed and not isinstance(record.claim, Unknown)
    }


def _beat(shared: Shared | None, records: dict[str, HostRecord], now: float) -> BeatView:
    read = shared.beat if shared else None
    value = read if isinstance(read, int) else None
    problem = in_words(read) if isinstance(read, Unknown) else ""
    watching = [r for r in records.values() if r.observed is not None and r.beat is not None]
    best = max(watching, key=lambda record: _moved(record, value), default=None)
    moved, seen_by = (_moved(best, value), clean(best.host)) if best else (None, "")
    watched = any(is_fresh(record, now) for record in records.values())
    at_least = best is not None and watched and _differs(best, value)
    if not watched and shared and shared.beat_wall is not None and shared.beat_wall > (moved or 0.0):
        moved, seen_by = shared.beat_wall, "the file's time (no daemon watches)"
    if value is None and shared is None:
        value = next((r.beat for r in records.values() if r.host == seen_by), None)
    age = None if moved is None else max(0.0, now - moved)
    return BeatView(value, problem, moved, seen_by, age, at_least)


def moved_text(view: CellView) -> str:
    """Say when the heartbeat moved, and by whose word."""
    beat = view.beat
    if beat.moved is None:
        return "nobody watched it move"
    if beat.at_least:
        return f"moved since {beat.seen_by} looked at {ago(beat.moved, view.now)}"
    return f"moved {ago(beat.moved, view.now)}, seen by {beat.seen_by}"


def _moved(record: HostRecord, value: int | None) -> float:
    """Return when that host last saw the beat move; another value now means: after its last look."""
    observed = record.observed or record.wall
    return observed if _differs(record, value) else observed - record.silence


def _differs(record: HostRecord, value: int | None) -> bool:
    return value is not None and value != record.beat


def _protection(
    master: str, records: dict[str, HostRecord], freshest: HostRecord | None, now: float
) -> ProtectionView:
    if freshest is None:
        return ProtectionView(Protection.NONE.value, "no shadowd has reported")
    fresh = {host: record for host, record in records.items() if is_fresh(record, now)}
    if all_fence(fresh, master):
        return ProtectionView(Protection.FENCED.value, "an old master's host is fenced before a launch")
    guard = records.get(master)
    alive = guard is not None and is_fresh(guard, now) and guard.io_stuck is None
    if guard and alive and guard.state == State.ACTIVE.value:
        return ProtectionView(Protection.GUARDED.value, f"the guard on {clean(master)} lives")
    if not master:
        return ProtectionView(Protection.NONE.value, "there is no master to guard")
    if guard and alive and guard.state in BIDDING:
        return ProtectionView(Protection.NONE.value, "guarded as soon as the new master runs", bystander=True)
    # A daemon that rests beside the master of its own host did not start it, and guards only its own.
    why = "shadowd did not start this master" if alive else f"no sign of life of a guard on {clean(master)}"
    return ProtectionView(Protection.NONE.value, f"{why}: timers and probe only", bystander=alive)


def is_over(pause: Pause | Unknown | None, now: float) -> bool:
    """Tell whether a pause that still lies there was meant to have ended by now, by this host's clock."""
    return isinstance(pause, Pause) and pause.until_wall is not None and pause.until_wall <= now


def _pause(shared: Shared | None, now: float) -> str:
    pause = shared.pause if shared else None
    match pause:
        case Pause(who=who, why=why, until_wall=until, since_wall=since):
            begun = f" since {at(since, now)}" if since is not None else ""
            end = f" until {at(until, now)}" if until is not None else ""
            over = f", {span(now - until)} OVER AND STILL IN FORCE" if is_over(pause, now) and until else ""
            return f"paused by {clean(who, 60)}{begun}{end}{over}: {clean(why, 200)}"
        case Unknown():
            return f"{in_words(pause)}: nobody bids"
        case _:
            return ""


def _epoch(shared: Shared | None, freshest: HostRecord | None) -> int | None:
    if shared and isinstance(shared.ledger, Ledger):
        return shared.ledger.highest
    return freshest.epoch if freshest else None
