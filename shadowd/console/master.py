"""Who the master is: by the claims, by act_qmaster, and by what the daemons saw live since.

An outcome on disk (``stopped``, ``died``) binds a daemon only until it sees a beat move: somebody started
a master by hand then (``shadowd.core.memory``). That sight is on no disk but in the daemons' own records,
so the newest of them overrule the ledger here as they do there; otherwise ``status`` would say "shut down"
for ever beside a master that beats. This module refuses to read anything.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from shadowd.console.clock import at
from shadowd.console.gather import Shared
from shadowd.console.records import HostRecord, clean
from shadowd.console.rows import BIDDING, is_fresh
from shadowd.core.ledger import EpochRecord, Ledger
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State
from shadowd.core.values import ClaimReason, Lock, LockKind, NoticeKind, Unknown

_BEGINNINGS: Final = {
    ClaimReason.SILENCE: "took over after silence",
    ClaimReason.DEATH_NOTICE: "took over after a death notice",
    ClaimReason.TAKEOVER: "took over for an operator",
    ClaimReason.MIGRATE: "moved there by an operator",
    ClaimReason.RESTART: "restarted there by its guard",
    ClaimReason.ADOPTED: "found running and adopted",
    ClaimReason.VACANT: "started there, as no server held server.lock",
}
_ENDS: Final = {
    NoticeKind.STOPPED: "was shut down on purpose; only a person starts it again",
    NoticeKind.DIED: "died; a shadow takes over",
    NoticeKind.STEPPED_DOWN: "stepped down for another",
}
_A_MOMENT: Final = 1.0


class MasterView(NamedTuple):
    """Who the master is, as far as anybody can say."""

    host: str
    """Empty where nobody is known to be master."""
    since: float | None
    epoch: int | None
    text: str
    stopped: bool = False
    """Shut down on purpose: nobody but a person starts it."""
    foreign: bool = False
    """It serves, and neither is it ours nor does it say where it runs."""


def master_view(shared: Shared | None, records: Iterable[HostRecord], now: float) -> MasterView:
    """Say who is master."""
    known = sorted(records, key=lambda record: record.wall)
    if shared is None:
        return _from_record(known[-1], now) if known else MasterView("", None, None, "unknown")
    active = "" if isinstance(shared.active, Unknown) else clean(str(shared.active))
    last = shared.ledger.last_confirmed if isinstance(shared.ledger, Ledger) else None
    if last is None or isinstance(last.claim, Unknown):
        return _by_act_qmaster(active, shared.ledger)
    claim = last.claim
    if last.outcome is None:
        differs = f"; act_qmaster names {active}" if active and active != claim.host else ""
        return MasterView(clean(claim.host), claim.wall, last.epoch, f"{_BEGINNINGS[claim.reason]}{differs}")
    told = [record for record in known if is_fresh(record, now) and _knows(record, last)]
    bidder = next((record for record in told if record.state in BIDDING), None)
    if bidder is None and active and any(_saw_life(record, last, shared.lock) for record in told):
        return _by_act_qmaster(active, shared.ledger)
    how = f"ended; {clean(bidder.host)} is taking over" if bidder else _ENDS.get(last.outcome, "failed")
    text = f"none: the master of epoch {last.epoch} on {clean(claim.host)} {how}"
    stopped = last.outcome is NoticeKind.STOPPED and bidder is None
    return MasterView("", None, last.epoch, text, stopped)


def stranger() -> MasterView:
    """Return the view of a server that took TORQUE's lock past shadowd: the lock names no host."""
    return MasterView(
        "", None, None, "a server that shadowd did not start serves; its host is not known", foreign=True
    )


def _from_record(record: HostRecord, now: float) -> MasterView:
    text = f"as {clean(record.host)} saw it at {at(record.wall, now)}"
    return MasterView(record.master or record.active, None, record.epoch, text)


def _by_act_qmaster(active: str, ledger: Ledger | Unknown) -> MasterView:
    if not active:
        return MasterView("", None, None, "none: act_qmaster names no host")
    claims = ledger.records if isinstance(ledger, Ledger) else ()
    launch = next((record for record in claims if record.open and _holder(record) == active), None)
    if launch is None or launch.confirmed:
        return MasterView(active, None, None, "by act_qmaster; shadowd did not start it")
    return MasterView(active, None, launch.epoch, "by act_qmaster; shadowd is starting it")


def _holder(record: EpochRecord) -> str:
    return "" if isinstance(record.claim, Unknown) else clean(record.claim.host)


def _knows(record: HostRecord, last: EpochRecord) -> bool:
    """Tell whether that daemon has read this outcome: no confirmed epoch is open to it any more."""
    return record.observed is not None and not record.master and record.epoch >= last.epoch


def _saw_life(record: HostRecord, last: EpochRecord, lock: Lock | Unknown) -> bool:
    """Tell whether that daemon holds the outcome for overtaken."""
    against = {refusal.reason for refusal in record.refusals}
    since, observed = record.since or 0.0, record.observed or 0.0
    if last.outcome is not NoticeKind.STOPPED:
        # A death hurries the daemons at once; one that rests, and saw a beat since, has seen another master.
        moved = observed - record.silence
        durations = record.durations
        recent = 2 * durations.get("beat_interval", 30.0) + durations.get("check_interval", 60.0)
        return record.state == State.STANDBY.value and moved > since + _A_MOMENT and record.silence < recent
    if record.state not in {State.STANDBY.value, State.STALE.value} or Reason.SHUT_DOWN.value in against:
        return False
    if isinstance(lock, Lock) and lock.kind is LockKind.FOREIGN and Reason.LOCKED.value not in against:
        return False  # it has not looked since the shutdown left its lock
    # An operator's request that was just refused leaves the refusal out for one round.
    return record.reason == Reason.BEAT_MOVED.value or since < observed
