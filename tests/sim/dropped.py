"""Every rule of the protocol dropped in turn, by patching the real machines or ports: no switch is in them.

Each entry says what is left out. ``tests/sim/test_rules.py`` shows which promise breaks without it.
"""

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any

import pytest

from shadowd.core import accounts, eligibility, memory, silence, watch
from shadowd.core.actions import Observe, Probe
from shadowd.core.adoption import Adoption
from shadowd.core.bid import Bid
from shadowd.core.ending import Ending
from shadowd.core.events import Observed, Probed
from shadowd.core.launching import Launching
from shadowd.core.lease import Lease
from shadowd.core.ledger import Ledger
from shadowd.core.otherboot import OtherBoot
from shadowd.core.own import OwnEpochs
from shadowd.core.reasons import Reason
from shadowd.core.upkeep import Upkeep
from shadowd.core.values import (
    ClaimKey,
    Epoch,
    Host,
    Instant,
    Lock,
    LockKind,
    NoticeKind,
    ProbeOutcome,
    Unknown,
)
from shadowd.core.verified import Verified
from shadowd.sim.disk import Disk, Op
from shadowd.sim.enforcer import Enforcer
from shadowd.sim.master import Master
from shadowd.sim.network import Network, real_name
from shadowd.sim.seat import Seat

Patch = pytest.MonkeyPatch
owe = OwnEpochs.owe
RULES: dict[str, Callable[[Patch], None]] = {}


def rule(drop: Callable[[Patch], None]) -> Callable[[Patch], None]:
    """Enter a way to drop a rule under the name of its function."""
    RULES[drop.__name__] = drop
    return drop


def _always(value: object) -> property:
    """Return an attribute that has this value whatever it is given."""
    return property(lambda _self: value, lambda _self, _value: None)


def _bounded_by(ends: Callable[[Any, Instant], Instant]) -> Callable[[Any, Instant], Any]:
    """Return what bounds a launch in another way than ``Bid._kept`` does."""
    kept = Bid._kept
    return lambda self, given: kept(self, ends(self, given))


@rule
def r1_long_intervals_count(patch: Patch) -> None:
    """Count what passed while nothing could be read as silence of the master."""
    init = silence.Silence.__init__

    def begin(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self.longest = inf

    patch.setattr(silence.Silence, "__init__", begin)


@rule
def r1_late_replies_count(patch: Patch) -> None:
    """Use a reply that was asked for before one already used."""
    read = silence.Silence.read

    def take(self: Any, reading: Any) -> Any:
        self._issued = None
        return read(self, reading)

    patch.setattr(silence.Silence, "read", take)


@rule
def r2_guards_date_late(patch: Patch) -> None:
    """Date an advance when the read that showed it was complete."""
    renew = Lease.renew

    def take(self: Any, seen: Observed) -> bool:
        self._unmoved = seen.completed
        return renew(self, seen)

    patch.setattr(Lease, "renew", take)


@rule
def r3_no_drift(patch: Patch) -> None:
    """Expect all clocks to run alike."""
    patch.setattr(accounts, "handover", lambda lease, _step_down: lease)
    patch.setattr(accounts, "DRIFT", 0.0)


@rule
def r4_claim_before_verifying(patch: Patch) -> None:
    """Claim as soon as the timers are over: no probe, no second look."""
    judge = watch.Watch._judge

    def hasty(self: Any, seen: Observed, now: Instant) -> Any:
        actions = judge(self, seen, now)
        if any(isinstance(action, Probe) for action in actions):
            self.cleared = watch._CLAIM_REASONS[self._cause]
        return tuple(action for action in actions if not isinstance(action, Probe))

    patch.setattr(watch.Watch, "_judge", hasty)


@rule
def r4_whoever_listens_is_a_master(patch: Patch) -> None:
    """Take anybody on the old master's port for it."""
    patch.setattr(memory.Memory, "accounted", lambda _self, _host: False)


@rule
def r4_asked_after_a_death(patch: Patch) -> None:
    """Ask the port of a master whose guard saw it end."""
    judge = watch.Watch._judge

    def asks(self: Any, seen: Observed, now: Instant) -> Any:
        actions = judge(self, seen, now)
        return tuple(Probe(seen.active) if isinstance(action, Observe) else action for action in actions)

    patch.setattr(watch.Watch, "_judge", asks)


@rule
def r4_nothing_accounts_for_a_host_without_an_address(patch: Patch) -> None:
    """Wait for an answer of a host that nobody can ask, for ever."""
    patch.setattr(memory.Memory, "accounted", lambda _self, _host: False)


@rule
def r4_whoever_it_leads_to(patch: Patch) -> None:
    """Take whatever a name leads to for the host that is meant."""

    def found(self: Network, asking: Any, host: Host) -> Any:
        return asking if asking.misled or asking.is_here(host) else self._named(real_name(host))

    patch.setattr(Network, "_found", found)


@rule
def r5_bid_at_once(patch: Patch) -> None:
    """Bid when this host's own timers are over, and wait for leases and windows inside the licence."""
    patch.setattr(watch.Watch, "_accounts", lambda _self, _now: ())


@rule
def r6_no_last_look(patch: Patch) -> None:
    """Go on whatever the listing shows and the licence says."""
    against = Verified.against

    def blind(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = against(self, *args, **kwargs)
        return None if found in {Reason.SUPERSEDED, Reason.LICENCE_OVER} else found

    patch.setattr(Verified, "against", blind)
    patch.setattr(Bid, "licence_ends", _always(inf), raising=False)


@rule
def r7_no_accounts(patch: Patch) -> None:
    """Start without accounting for anybody."""
    patch.setattr(memory, "unsettled", lambda *_args, **_kwargs: ())


@rule
def r8_failed_claims_supersede(patch: Patch) -> None:
    """Take a claim that came to nothing for a successor."""

    def superseder(self: Ledger, epoch: Epoch) -> Any:
        return next((record for record in self.records if record.epoch > epoch), None)

    patch.setattr(Ledger, "superseder", superseder)


@rule
def r8_launch_within_its_lease(patch: Patch) -> None:
    """Bound a launch by the lease, from the claim on."""
    patch.setattr(Bid, "_kept", _bounded_by(lambda bid, _ends: Instant(bid.lease_from + bid.lease)))


@rule
def r8_launch_renewed_by_beats(patch: Patch) -> None:
    """Let beats renew the bound of a launch that nobody confirmed."""
    keep = Seat.keep_lease

    def confirmed(self: Seat, kept: Any) -> None:
        keep(self, None if kept is None else replace(kept, launching=False))

    patch.setattr(Seat, "keep_lease", confirmed)


@rule
def r8_lease_bound_late(patch: Patch) -> None:
    """Write ``started`` while only the launch's own bound is kept."""
    keep = Seat.keep_lease

    def first(self: Seat, kept: Any) -> None:
        known = self.kept
        same = kept is not None and kept.launching and known is not None and known.nonce == kept.nonce
        keep(self, known if same else kept)

    patch.setattr(Seat, "keep_lease", first)


@rule
def r8_any_beat_confirms(patch: Patch) -> None:
    """Take the beat of whatever master serves on this host for that of ours."""
    patch.setattr(Launching, "_displaced", property(lambda _self: False))


@rule
def r7_launch_window_unheeded(patch: Patch) -> None:
    """Wait for the lease of a claim that announced a launch, and not for its window."""
    account = accounts._account

    def shorter(record: Any, seen: Instant, last_beat: Instant, step_down: Any) -> Any:
        confirmed = record.notices | ({NoticeKind.STARTED} if record.launching else set())
        return account(replace(record, notices=confirmed), seen, last_beat, step_down)

    patch.setattr(accounts, "_account", shorter)


@rule
def r8_launch_unannounced(patch: Patch) -> None:
    """Start without ``launching``."""
    link = Disk.link_notice

    def skip(self: Disk, claim: ClaimKey, kind: NoticeKind) -> Any:
        return None if kind is NoticeKind.LAUNCHING else link(self, claim, kind)

    patch.setattr(Disk, "link_notice", skip)


@rule
def r9_no_lease(patch: Patch) -> None:
    """Let a master live for ever."""
    patch.setattr(Lease, "over", lambda _self, _now: False)
    patch.setattr(Lease, "ends", _always(inf), raising=False)


@rule
def r9_lease_dies_with_its_daemon(patch: Patch) -> None:
    """Forget the lease when the daemon is restarted, and give a new one to whatever runs."""
    patch.setattr(Seat, "keep_lease", lambda _self, _kept: None)
    patch.setattr(Lease, "try_from", lambda _self, _now, _timing: None)


@rule
def r9_nobody_stands_in(patch: Patch) -> None:
    """Leave the leases of a daemon that is dead or stands still to nobody."""
    patch.setattr(Enforcer, "stand_in", lambda _self: None)


@rule
def r10_supersession_unheard(patch: Patch) -> None:
    """Let a guard overlook higher claims."""
    patch.setattr(Ledger, "superseder", lambda _self, _epoch: None)


@rule
def r10_name_unheeded(patch: Patch) -> None:
    """Let a guard overlook act_qmaster."""
    patch.setattr(Upkeep, "_name", lambda _self, _seen: ())


@rule
def r10_here_is_elsewhere(patch: Patch) -> None:
    """Give way to whatever answers, without asking where that is."""
    probed = Upkeep._probed

    def hear(self: Any, event: Probed) -> Any:
        if event.outcome is ProbeOutcome.HERE:
            event = replace(event, outcome=ProbeOutcome.ANSWERS)
        return probed(self, event)

    patch.setattr(Upkeep, "_probed", hear)


@rule
def r11_stop_politely(patch: Patch) -> None:
    """Stop with TERM."""
    patch.setattr(Master, "kill", Master.terminate)


@rule
def r12_outcome_before_the_end(patch: Patch) -> None:
    """Write the outcome when the first process is gone."""
    inspected = Ending._inspected

    def hasty(self: Any, pair: Any, now: Instant) -> Any:
        return inspected(self, replace(pair, alive=0), now)

    patch.setattr(Ending, "_inspected", hasty)
    patch.setattr(Ending, "by_itself", lambda self, _pair: self._look())


@rule
def r12_stopped_does_not_bind(patch: Patch) -> None:
    """Forget a shutdown when its lock is gone."""
    patch.setattr(memory.Memory, "shut_down", property(lambda _self: False))


@rule
def r12_failed_skips_timers(patch: Patch) -> None:
    """Take a claim that failed for a death."""
    patch.setattr(memory, "_DEATHS", frozenset({*memory._DEATHS, NoticeKind.FAILED}))
    patch.setattr(
        Ledger,
        "last_confirmed",
        property(lambda self: next((r for r in reversed(self.records) if r.launching), None)),
    )


@rule
def r13_adopt_whatever_runs(patch: Patch) -> None:
    """Adopt a master without asking the host of the last confirmed epoch."""
    probed = Adoption._probed

    def deaf(self: Any, event: Any, now: Instant) -> Any:
        return probed(self, replace(event, outcome=ProbeOutcome.REFUSES), now)

    patch.setattr(Adoption, "_probed", deaf)


@rule
def r14_own_master_unknown(patch: Patch) -> None:
    """Take whatever an earlier daemon left for gone."""
    patch.setattr(Seat, "keep_lease", lambda _self, _kept: None)
    inspected = OwnEpochs.inspected

    def blind(self: Any, event: Any) -> Any:
        return inspected(self, replace(event, pair=replace(event.pair, alive=0)))

    patch.setattr(OwnEpochs, "inspected", blind)
    patch.setattr(OwnEpochs, "_silent", _always(Reason.SILENT), raising=False)


@rule
def r14_another_boot_is_over(patch: Patch) -> None:
    """Close what is left of another boot as soon as nothing of it runs here."""
    patch.setattr(OtherBoot, "until", lambda _self, _record, _seen, now: now)


@rule
def r14_a_clone_adopts(patch: Patch) -> None:
    """Adopt a master after a reboot although another machine of this name may show itself."""
    patch.setattr(OtherBoot, "adopts", lambda _self, _record, _now: True)


@rule
def r14_old_names_are_others(patch: Patch) -> None:
    """Take what a host left under its old name for another host's."""
    patch.setattr(OwnEpochs, "look_up", lambda *_args, **_kwargs: None)


@rule
def r15_loss_unnoticed(patch: Patch) -> None:
    """Trust a directory that lost records, and restore nothing."""
    patch.setattr(
        memory.Memory,
        "peak",
        property(lambda self: self.ledger.highest, lambda _self, _value: None),
        raising=False,
    )
    patch.setattr(Upkeep, "_records", lambda _self, _record: ())


@rule
def r15_prune_whatever_is_old(patch: Patch) -> None:
    """Remove the oldest records, whatever they account for."""

    def prune(self: Disk) -> None:
        for epoch in sorted(self.claims)[:-200]:
            del self.claims[epoch]
            self.notices.pop(epoch, None)
        self._ledger = None

    patch.setattr(Disk, "_prune", prune)


@rule
def r8_any_beat_ends_the_back_off(patch: Patch) -> None:
    """Take the beats of a launch that came to nothing for a master."""
    patch.setattr(memory.Memory, "reigns", lambda _self: True)


@rule
def r15_notices_of_any_claim(patch: Patch) -> None:
    """Take an epoch for ours by its number, whichever claim holds that."""
    link = Disk.link_notice

    def by_number(self: Disk, claim: ClaimKey, kind: NoticeKind) -> Any:
        holder = self.claims.get(claim.epoch)
        return link(self, claim if holder is None else holder.key, kind)

    patch.setattr(Disk, "link_notice", by_number)
    patch.setattr(OwnEpochs, "owe", lambda self, claim, kind, now, _ledger=None: owe(self, claim, kind, now))


@rule
def r15_identity_unread(patch: Patch) -> None:
    """Believe whatever directory lies there."""
    patch.setattr(Seat, "_foreign", lambda _self: None)


@rule
def r15_epochs_not_remembered(patch: Patch) -> None:
    """Know an old copy by its identity alone."""
    patch.setattr(Seat, "remembered_epoch", _always(0), raising=False)


@rule
def r15_found_beside_a_master(patch: Patch) -> None:
    """Found a cell without asking anybody."""
    patch.setattr(Seat, "_unfounded", lambda _self: None)


@rule
def r16_foreign_lock_is_ours(patch: Patch) -> None:
    """Take every lock for an old claim's."""
    patch.setattr(
        Disk, "mark_shutdown", lambda self: setattr(self, "lock", Lock(LockKind.CLAIM, Epoch(0), ""))
    )


@rule
def r17_lock_in_two_steps(patch: Patch) -> None:
    """Create the lock empty and write into it afterwards."""
    place = Seat.place_lock

    def create(self: Seat, epoch: Epoch, nonce: str) -> Lock | Unknown:
        def make() -> bool:
            free = self.disk.lock.kind is LockKind.ABSENT
            if free:
                self.disk.lock = Lock(LockKind.FOREIGN)
            return free

        made = self._do(Op.LINK_LOCK, make)
        if made is not True:
            return place(self, epoch, nonce)

        def fill() -> Lock:
            self.disk.lock = Lock(LockKind.CLAIM, epoch, nonce)
            return self.disk.lock

        return self._do(Op.LINK_LOCK, fill)

    patch.setattr(Seat, "place_lock", create)


@rule
def r18_claim_locks_stay(patch: Patch) -> None:
    """Let a guard leave a lock that names a claim."""
    patch.setattr(Upkeep, "_lock", lambda _self, _seen: ())


@rule
def r18_unlink_whatever_lies_there(patch: Patch) -> None:
    """Remove the lock without looking whose it is."""
    patch.setattr(Disk, "clear_lock", Disk.remove_lock)


def _unfit_without(patch: Patch, **left: object) -> None:
    unfit = eligibility._unfit

    def blind(seen: Observed, known: Any) -> Any:
        return unfit(replace(seen, fitness=replace(seen.fitness, **left)), known)

    patch.setattr(eligibility, "_unfit", blind)


@rule
def r19_whatever_is_missing(patch: Patch) -> None:
    """Bid without looking whether the master could be started here."""
    _unfit_without(patch, lacks=())


@rule
def r19_whatever_lies_there(patch: Patch) -> None:
    """Bid without looking whether the directories here are those of the last master."""
    _unfit_without(patch, paths=())
