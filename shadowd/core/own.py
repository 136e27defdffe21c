"""This host's own epochs: what runs of them, and which outcomes are still owed to the ledger.

A daemon that comes back (restart, upgrade, reboot) recognises its master by epoch and nonce and otherwise
closes what is left open (PROTOCOL rule 14). An outcome that could not be written is owed and tried again
each second; until it is on disk this host bids for nothing.

An end that nobody watched is not believed at once: as long as this host's own port answers, or a master that
no claim started runs here, the epoch stays open. Else a host that was rebooted, and whose init script was
quicker than this daemon, would give out a healthy master for dead. Nor is one of another boot closed before
it is certain that no other machine of this name runs it (``otherboot``).

A host that was renamed has open epochs under its old name. The boot id proves them its own, unless that name
is another host's by now (a container shares the boot of its host); of an earlier boot, the machine id does
together with the name, if that leads to this host. A machine id alone proves nothing, for images are copied.

A planned end that was announced and not brought to its own end (a reboot) has left the mark of a clean exit,
perhaps: that is taken away before the outcome is written.
"""

from shadowd.core.actions import Action, ClearMark, Identify, Inspect, Observe, Probe, Say, WriteNotice
from shadowd.core.duplicate import Duplicates
from shadowd.core.events import Identified, Inspected, LockCleared, NoticeAnswered, Observed, Probed
from shadowd.core.ledger import EpochRecord, Ledger
from shadowd.core.memory import Memory
from shadowd.core.otherboot import OtherBoot
from shadowd.core.policy import Policy
from shadowd.core.timing import Timing
from shadowd.core.values import (
    NEVER,
    Claim,
    ClaimKey,
    Epoch,
    Host,
    Instant,
    Lock,
    LockKind,
    NoticeKind,
    ProbeOutcome,
    Seconds,
    Unknown,
)

_AGAIN = Seconds(1)
_LIVELY = frozenset({NoticeKind.DIED, NoticeKind.STEPPED_DOWN})
"""Outcomes that let another host start a master at once."""
_SOONEST = Seconds(0.05)
_ASK_AGAIN = Seconds(60)
"""Until the port is asked again after it answered."""


class OwnEpochs:
    """The open epochs of this host and the outcomes it owes."""

    def __init__(
        self, policy: Policy, timing: Timing, memory: Memory, duplicates: Duplicates, now: Instant
    ) -> None:
        self._policy = policy
        self._others: set[Host] = set()
        """Names that are not ours."""
        self._other_boot = OtherBoot(policy, timing, memory, duplicates, now, others=self._others)
        self.duplicates = duplicates
        self._names = memory.names
        self._unnamed: dict[Host, bool] = {}
        """Names that nobody has looked up yet; true: a claim of this boot proves that it is ours."""
        self._owed: dict[ClaimKey, NoticeKind] = {}
        self._owed_at = NEVER
        self._unseen: list[Claim] = []
        self._gone: set[ClaimKey] = set()
        """Without a process; the lock of a *later* round tells how they ended."""
        self._asking = False
        self._silent = False
        """Nobody answered at our own port since something was found gone."""
        self._ask_at = Instant(0)
        self._look_at = NEVER
        """When to look at the heartbeat again, for an epoch of another boot."""
        self._moved: Epoch | None = None
        """An epoch of another boot although which the heartbeat moved: is it a master here that beats?"""
        self._mark_at = NEVER
        """When to take away the mark of a planned end, which its guard did not live to do."""
        self._paid: dict[ClaimKey, NoticeKind] = {}
        """Written, as far as we were told: never another outcome for the same claim."""

    @property
    def owes(self) -> bool:
        """True while the outcome of an own epoch is not on disk."""
        return bool(self.busy or self._gone)

    @property
    def busy(self) -> bool:
        """True while there is something to look for or to write."""
        return bool(self._owed or self._unseen or self._unnamed)

    def owe(self, claim: ClaimKey, outcome: NoticeKind, now: Instant, ledger: Ledger | None = None) -> None:
        """Remember to write this outcome.

        Not for a claim that this ledger, if one is given, does not list: the next listing tells of it.
        """
        listed = None if ledger is None else ledger.get(claim.epoch)
        if ledger is not None and (listed is None or not listed.belongs_to(claim)):
            return
        self._owed[claim] = outcome
        self._owed_at = now

    def find(self, seen: Observed, ledger: Ledger, now: Instant, *, moved: bool) -> None:
        """Close what has no process any more, and look for own open epochs that nobody has looked at.

        An owed epoch that is closed by now is no debt, whichever outcome it was given, and neither is one
        whose number another claim holds: our claim was made in another directory. A master that no claim
        started and that runs here is adopted before anything is closed (rule 13). ``moved``: so did the beat.
        """
        lock, resident = seen.lock, seen.resident is not None
        self._look_at = NEVER
        self._owed = {claim: kind for claim, kind in self._owed.items() if _is_open(ledger, claim)}
        self._owed_at = self._owed_at if self._owed else NEVER
        mark_at, self._mark_at = self._mark_at, NEVER
        left: dict[ClaimKey, Claim] = {}
        for record in ledger.unclosed:
            if isinstance(record.claim, Unknown):
                continue
            key = record.claim.key
            left[key] = record.claim
            if key in self._paid.keys() - self._owed.keys():  # written, and lost again
                self.owe(key, self._paid[key], Instant(now + _AGAIN))
            elif key in self._gone and not resident:
                planned = NoticeKind.STEPPING_DOWN in record.notices and record is ledger.last_confirmed
                until = self._other_boot.until(record, seen, now)
                if until <= now:
                    self._close(key, record, lock, now, planned=planned)
                else:
                    self._hold(record, until, now, moved=moved)
        self._mark_at = mark_at if self._mark_at < mark_at < NEVER else self._mark_at
        self._gone &= left.keys() - self._owed.keys()
        unseen = left.keys() - self._owed.keys() - self._gone
        self._unseen = [claim for key, claim in left.items() if key in unseen and self._is_ours(claim)]
        claims = [record.claim for record in ledger.records if not isinstance(record.claim, Unknown)]
        self._unnamed = {}
        for claim in claims:
            if claim.machine_id == self._policy.machine_id and not self._policy.named:
                self.look_up(claim.host, proved=claim.boot_id == self._policy.boot_id)
        if self._look_at < NEVER and not isinstance(seen.active, Unknown):
            self.look_up(seen.active)

    def adopts(self, ledger: Ledger, now: Instant) -> bool:
        """Tell whether a master that no claim started may be adopted now, as far as our own epochs go."""
        if self.busy:
            return False
        may = self._other_boot.adopts(ledger.last_confirmed, now)
        self._look_at = self._look_at if may else min(self._look_at, self._other_boot.alone_at)
        return may

    def deadline(self) -> Instant:
        """Return when ``due`` has something to do."""
        busy = self._unnamed or self._unseen or self._asking
        return Instant(0) if busy else min(self._mark_at, self._owed_at, self._look_at)

    def due(self, now: Instant) -> Action | None:
        """Return the next request to make, if any."""
        if self._unnamed:
            return Identify(next(iter(self._unnamed)))
        if self._unseen:
            return Inspect(self._unseen[0].epoch, self._unseen[0].nonce)
        if self._asking:
            return Probe(self._policy.host)
        if now >= self._mark_at:
            return ClearMark()
        if now >= self._look_at:
            return Observe()
        if now < self._owed_at:
            return None
        claim, outcome = next(iter(self._owed.items()))
        return WriteNotice(claim.epoch, outcome, claim.nonce)

    def inspected(self, event: Inspected) -> Claim | None:
        """Return the claim whose processes are alive; one that has none is closed in the next round."""
        claim = self._unseen.pop(0)
        if event.pair.alive:
            self._unseen = []
            return claim
        self._gone.add(claim.key)
        self._silent = False
        self._ask_at = Instant(0)
        return None

    @property
    def asking(self) -> bool:
        """True while our own port is asked."""
        return self._asking

    def probed(self, event: Probed, now: Instant) -> tuple[Say, ...]:
        """Hear whether anybody answers at our own port; if nobody does, a beat that moved is a sign."""
        self._asking = False
        self._silent = event.outcome not in {ProbeOutcome.ANSWERS, ProbeOutcome.HERE}
        self._ask_at = Instant(now + _ASK_AGAIN)
        epoch, self._moved = self._moved, None
        if epoch is None or not self._silent:
            return ()
        return self.duplicates.met(f"the heartbeat of epoch {epoch} moves, and nothing of it runs here", now)

    def heard(self, event: Identified | NoticeAnswered | LockCleared, now: Instant) -> None:
        """Strike out an outcome that is on disk, or try later; so with a mark. Learn whose a name is."""
        if isinstance(event, Identified):
            self._identified(event)
            return
        if isinstance(event, LockCleared):
            self._mark_at = NEVER if event.problem is None else Instant(now + _AGAIN)
            return
        if event.problem is None:
            for claim in [claim for claim in self._owed if claim.epoch == event.epoch]:
                self._paid[claim] = self._owed.pop(claim)
        self._owed_at = Instant(now + _AGAIN) if self._owed else NEVER

    def _identified(self, event: Identified) -> None:
        """Learn whether a name is one more of ours; the next round looks for what is under it."""
        proved = self._unnamed.get(event.host, False)
        self._unnamed = {}
        ours = event.here or (event.here is None and proved)
        (self._names if ours else self._others).add(event.host)

    def _hold(self, record: EpochRecord, until: Instant, now: Instant, *, moved: bool) -> None:
        """Wait for an epoch of another boot; a beat that moved is our own master's if our port answers."""
        self._look_at = min(self._look_at, max(until, Instant(now + _SOONEST)))
        if moved and record.confirmed:
            self._moved = record.epoch
            self._asking = True

    def _is_ours(self, claim: Claim) -> bool:
        """Tell whether this machine made the claim; whether in this boot, ``otherboot`` minds."""
        machine = claim.machine_id == self._policy.machine_id
        boot = claim.boot_id == self._policy.boot_id and not self._policy.named
        return claim.host in self._names and (machine or boot)

    def look_up(self, name: Host, *, proved: bool = False) -> None:
        """Ask whether the name is one of this host's, an old one or an alias, where that is not known yet."""
        if name not in self._names | self._others:
            self._unnamed[name] = proved or self._unnamed.get(name, False)

    def _close(
        self, claim: ClaimKey, record: EpochRecord, lock: Lock | Unknown, now: Instant, *, planned: bool
    ) -> None:
        outcome = _outcome(record, lock, planned=planned)
        if outcome in _LIVELY and not self._silent:
            self._asking = now >= self._ask_at
        elif outcome is NoticeKind.STEPPED_DOWN and _is_mark(lock):
            self._mark_at = now
        elif outcome is not None:
            self.owe(claim, outcome, now)


def _is_open(ledger: Ledger, claim: ClaimKey) -> bool:
    """Tell whether this claim still wants an outcome, as far as the listing tells.

    One not listed does, unless a later epoch was confirmed: then the listing leaves out what is closed, and
    whoever closed it, nobody asks for another outcome.
    """
    record, last = ledger.get(claim.epoch), ledger.last_confirmed
    if record is None:
        return last is None or last.epoch < claim.epoch
    return record.open and record.belongs_to(claim)


def _outcome(record: EpochRecord, lock: Lock | Unknown, *, planned: bool) -> NoticeKind | None:
    """How an epoch ended that nobody watched: an empty lock is the mark of a clean exit (rule 12).

    None while the lock cannot be read: nobody could tell a crash from a shutdown.
    """
    if not record.confirmed:
        return NoticeKind.FAILED
    if isinstance(lock, Unknown):
        return None
    if planned:
        return NoticeKind.STEPPED_DOWN
    return NoticeKind.STOPPED if _is_mark(lock) else NoticeKind.DIED


def _is_mark(lock: Lock | Unknown) -> bool:
    return not isinstance(lock, Unknown) and lock.kind is LockKind.FOREIGN
