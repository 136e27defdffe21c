"""Would failover work now? Each item that decides it, judged, with what to do.

``check`` prints all items, ``status`` the bad ones; monitoring gets the worst. An item that cannot be
looked at because the shared directory does not answer is left out: one item says that it does not. This
module refuses to read anything: it judges what was gathered and projected.
"""

from collections.abc import Iterator

from shadowd.console.clock import ago, span
from shadowd.console.fencing import fence_items
from shadowd.console.gather import Gathered, Shared, Unreached
from shadowd.console.health import Health, Item
from shadowd.console.hostchecks import failover_is_off, host_items
from shadowd.console.mountchecks import mount_items
from shadowd.console.names import name_items
from shadowd.console.project import CellView, is_over, moved_text
from shadowd.console.records import HostRecord, clean, in_words
from shadowd.console.remedies import HAND_OVER, RESTART, START, START_GUARD, remedy
from shadowd.console.rows import is_fresh
from shadowd.console.serverlock import server_lock_item
from shadowd.console.sharing import sharing_items
from shadowd.console.timers import timer_items
from shadowd.core.reasons import Reason
from shadowd.core.values import Problem, Protection, Unknown

_OK, _WARNING, _CRITICAL, _UNKNOWN = Health.OK, Health.WARNING, Health.CRITICAL, Health.UNKNOWN


def check(gathered: Gathered, view: CellView) -> list[Item]:
    """Judge one cell."""
    return list(_items(gathered, view))


def _items(gathered: Gathered, view: CellView) -> Iterator[Item]:
    shared = gathered.shared
    if isinstance(shared, Unreached):
        grave = _CRITICAL if shared.hung else _UNKNOWN
        yield Item("files", grave, f"{shared.subject}: {shared.reason}", shared.remedy)
        yield from _daemon(gathered, expected=True)
        yield from host_items(view)
        return
    yield _master(view, shared)
    yield _heartbeat(view)
    yield _lock(view)
    if view.server_lock:
        yield server_lock_item(view.server_lock, view.spool)
    if shared.holder:
        text = f"{shared.port} of this host is held by {shared.holder}: no master can start here"
        yield Item("port", _CRITICAL, text, "See which program that is (ss -ltnp, as root), and end it.")
    if view.pause:
        paused = Reason.PAUSE_UNKNOWN if isinstance(shared.pause, Unknown) else Reason.PAUSED
        grave = _CRITICAL if is_over(shared.pause, gathered.now) else _WARNING
        yield Item("pause", grave, view.pause, remedy(paused, view.spool))
    yield from _claims(view, shared)
    yield from _rights(shared)
    yield _active(view, shared)
    yield _shadows(gathered, view, shared)
    for clash in shared.clashes:
        yield Item("names", _CRITICAL if clash.merged else _WARNING, clean(clash.text), clean(clash.remedy))
    yield from name_items(shared.names, shared.active if isinstance(shared.active, str) else "")
    yield from _daemon(gathered, expected=_expected(gathered, view))
    if shared.unknown_owner:
        text = (
            f"this host knows no user {shared.unknown_owner}, whose files the cell's are: it cannot serve it"
        )
        yield Item("admin_user", _CRITICAL, text, remedy(Reason.CANNOT_RUN, view.spool))
    yield from host_items(view)
    yield from sharing_items(gathered, view)
    yield from mount_items(shared.mounts, gathered.local, gathered.kind, shared.method)
    yield _protection(view)
    yield from fence_items(shared.fence, view.fences, view.now)
    yield from timer_items(gathered.local)


def _expected(gathered: Gathered, view: CellView) -> bool:
    """Tell whether this host should run a daemon: a shadow, or the master's host."""
    return view.master.host == gathered.host or any(row.here and row.rank for row in view.rows)


def _master(view: CellView, shared: Shared) -> Item:
    master = view.master
    if not master.host:
        advice = _advice_no_master(shared, view)
        return Item(
            "master", _WARNING if master.stopped or master.foreign else _CRITICAL, master.text, advice
        )
    since = f", since {ago(master.since, view.now)}" if master.since is not None else ""
    epoch = f", epoch {master.epoch}" if master.epoch is not None else ""
    return Item("master", _OK, f"{master.host}{since}{epoch} ({master.text})")


def _advice_no_master(shared: Shared, view: CellView) -> str:
    if view.master.stopped:
        return remedy(Reason.SHUT_DOWN, view.spool)
    if view.master.foreign:
        return remedy(Reason.FOREIGN_SERVER, view.spool)
    if isinstance(shared.active, Unknown):
        return remedy(Reason.ACTIVE_UNKNOWN, view.spool)
    return _sentence(view.takeover) or "See below what each host does next."


def _heartbeat(view: CellView) -> Item:
    beat = view.beat
    if beat.value is None:
        return Item("heartbeat", _CRITICAL, beat.problem, remedy(Reason.BEAT_UNKNOWN, view.spool))
    if beat.moved is None or beat.age is None:
        return Item("heartbeat", _UNKNOWN, f"{beat.shown}, nobody watched it move", START)
    text = f"{beat.shown}, {moved_text(view)}"
    if beat.age < view.stale_after / 2 or beat.at_least:
        return Item("heartbeat", _OK, text)
    if beat.age < view.stale_after:
        return Item("heartbeat", _WARNING, text, remedy(Reason.SILENT, view.spool))
    if view.master.stopped:
        return Item("heartbeat", _OK, f"stands still, as it should: {text}")
    if failover_is_off(view):
        return Item("heartbeat", _WARNING, f"stands still: {text}", "See lock and pause.")
    advice = f"{_sentence(view.takeover)} {remedy(Reason.SILENT, view.spool)}".lstrip()
    return Item("heartbeat", _CRITICAL, f"stands still: {text}", advice)


def _sentence(text: str) -> str:
    return f"{text}." if text else ""


def _lock(view: CellView) -> Item:
    lock = view.lock
    if lock is None:
        return Item("lock", _OK, "none")
    since = f"since {ago(lock.since, view.now)}, " if lock.since is not None else ""
    owner = f"owner {clean(lock.owner)}, " if lock.owner else ""
    grave = _CRITICAL if lock.beside_master or lock.kind == "unknown" else _WARNING
    return Item("lock", grave, f"{since}{owner}{lock.text}", lock.remedy)


def _claims(view: CellView, shared: Shared) -> Iterator[Item]:
    ledger = shared.ledger
    if isinstance(ledger, Unknown):
        yield Item("claims", _CRITICAL, in_words(ledger), remedy(Reason.CELL_UNREADABLE, view.spool))
        return
    if not ledger.doubts:
        yield Item("claims", _OK, f"epoch {ledger.highest}, no doubt")
    for doubt in ledger.doubts[:10]:
        text = f"{in_words(doubt)}: nobody bids"
        yield Item("claims", _CRITICAL, text, remedy(Reason.LEDGER_DOUBT, view.spool))


def _rights(shared: Shared) -> Iterator[Item]:
    """Name the directories of records in which strangers may put or remove files."""
    advice = "Take that away (chmod go-w, chown): any file there may stop every takeover."
    for directory in shared.loose:
        yield Item("rights", _WARNING, f"others than the cell's user may write {clean(directory)}", advice)


def _active(view: CellView, shared: Shared) -> Item:
    active = shared.active
    if isinstance(active, Unknown):
        return Item("act_qmaster", _CRITICAL, in_words(active), remedy(Reason.ACTIVE_UNKNOWN, view.spool))
    if view.master.host and view.master.host != active:
        text = f"names {clean(active)}, but the newest confirmed master is {view.master.host}"
        return Item("act_qmaster", _WARNING, text, "Its guard repairs it; if it stays, two masters may run.")
    return Item("act_qmaster", _OK, f"names {clean(active)}")


def _shadows(gathered: Gathered, view: CellView, shared: Shared) -> Item:
    shadows = shared.shadows
    if isinstance(shadows, Unknown):
        return Item(
            "shadow_masters", _CRITICAL, in_words(shadows), remedy(Reason.SHADOWS_UNKNOWN, view.spool)
        )
    if gathered.host not in shadows:
        text = f"this host ({clean(gathered.host)}) is not listed: it only watches"
        grave = _OK if gathered.host == view.master.host else _WARNING
        return Item("shadow_masters", grave, text, remedy(Reason.NOT_A_SHADOW, view.spool))
    rank = shadows.index(next(host for host in shadows if host == gathered.host)) + 1
    return Item("shadow_masters", _OK, f"lists this host as number {rank} of {len(shadows)}")


def _daemon(gathered: Gathered, *, expected: bool) -> Iterator[Item]:
    local, grave = gathered.local, _CRITICAL if expected else _WARNING
    if isinstance(local, Unknown):
        missing = local.problem is Problem.MISSING
        text = f"no daemon has run here: {local.subject}" if missing else in_words(local)
        yield Item("daemon", grave, text, START)
        return
    if gathered.daemon is None:
        text = f"does not run; its last word was at {ago(local.wall, gathered.now)}"
        yield Item("daemon", grave, text, START)
        return
    yield _record(gathered, local, gathered.daemon)
    for note in local.notes:
        yield Item("daemon", _WARNING, note, "Correct SGE_ARCH for the daemon, or unset it; then restart it.")


def _record(gathered: Gathered, local: HostRecord, pid: int) -> Item:
    text = f"runs here, pid {pid}, release {local.version}, last word {ago(local.wall, gathered.now)}"
    if is_fresh(local, gathered.now):
        return Item("daemon", _OK, text)
    age = span(gathered.now - local.wall)
    advice = f"It is stuck or frozen. {RESTART} A running master is left alone."
    return Item("daemon", _CRITICAL, f"runs here, pid {pid}, but has said nothing for {age}", advice)


def _protection(view: CellView) -> Item:
    protection = view.protection
    text = f"{protection.level}: {protection.text}"
    if protection.level != Protection.NONE.value or not view.master.host:
        return Item("protection", _OK, text)
    advice = HAND_OVER if protection.bystander else START_GUARD
    return Item("protection", _WARNING, text, advice)
