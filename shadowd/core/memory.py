"""What a shadow remembers between two rounds: the ledger, its dates, the silence, and what overtook what.

Dates are this host's: when *it* first listed an epoch, when *it* saw the beat change (PROTOCOL rules 1-3).
An outcome binds (``stopped``) or hastens (``died``) only while nothing has lived since: a beat that moves
after the outcome was listed, or a master that answers, overtakes it, for somebody started one by hand.
"""

from shadowd.core.accounts import Account, unsettled
from shadowd.core.events import Observed
from shadowd.core.ledger import EpochRecord, Ledger
from shadowd.core.proofs import Proofs
from shadowd.core.silence import Change, Silence
from shadowd.core.values import (
    Epoch,
    Host,
    Instant,
    NoticeKind,
    Protection,
    Seconds,
    ServerLock,
    Unknown,
)

_DEATHS = frozenset({NoticeKind.DIED, NoticeKind.STEPPED_DOWN})


class Memory:
    """The past of one cell, as far as this host saw it."""

    def __init__(self, silence: Silence, host: Host, *, now: Instant) -> None:
        self.silence = silence
        self.proofs = Proofs()
        self.ledger = Ledger()
        self.names = {host}
        """This host's own, with those that it had before and that are proved to be its."""
        self.round: Observed | None = None
        """The last full round."""
        self.peak = Epoch(0)
        self._began = now
        self._seen: dict[tuple[Epoch, bool], Instant] = {}
        """When each epoch was first listed, and whether it was confirmed then: that begins its lease anew."""
        self._listed = False
        self._closed = Epoch(0)
        self._inherited = False
        """The outcome was there at our first listing: old news, which hastens nothing."""
        self._beat_at_end: int | None = None
        self._overtaken = False
        self._beaten_under = Epoch(0)
        """The highest epoch at the last beat that moved while no launch was under way."""
        self._paused = False
        self._pauses: int | None = None
        """How many pauses the cell had had by the last round that told."""

    @property
    def last_beat(self) -> Instant:
        """When the beat was seen to change last; our own beginning before the first read (rule 2)."""
        return self.silence.changed if self.silence.changed is not None else self._began

    def absorb(self, seen: Observed) -> Change:
        """Take in one full round."""
        self.round = seen
        self.absorb_listing(seen.ledger, seen.completed)
        change = self.silence.read(seen.beat)
        if change is Change.MOVED:
            self.proofs.beat_moved()
        self._follow_pause(seen)
        if isinstance(seen.beat.value, int) and change is not Change.LATE:
            self._compare_with_end(seen.beat.value)
        return change

    def absorb_listing(self, ledger: Ledger | Unknown, when: Instant) -> None:
        """Take in one listing; ``when`` it was complete."""
        if isinstance(ledger, Unknown) or (self._listed and ledger is self.ledger):
            return
        self.ledger = ledger
        # A doubtful record is doubt for as long as it lies there, and no loss once a person took it away.
        sure = (record.epoch for record in ledger.records if record.claim not in ledger.doubts)
        self.peak = max(self.peak, *sure, Epoch(0))
        listed = ((record.epoch, record.confirmed) for record in ledger.records)
        self._seen = {key: self._seen.get(key, when) for key in listed}
        last = ledger.last_confirmed
        if last is not None and not last.open and last.epoch != self._closed:
            self._closed = last.epoch
            self._inherited = not self._listed
            self._beat_at_end = None
            self._overtaken = False
        self._listed = True

    def answered(self, now: Instant) -> None:
        """Count an answering master as a sign of life."""
        self.silence.restart(now)
        self._overtaken = True

    def reigns(self) -> bool:
        """Tell whether a beat that moved just now shows a master, and not a launch that may come to nothing.

        Where a guard beats, each failed launch leaves beats behind. A confirmed master's count at once, those
        of one that somebody started by hand from the second on under one epoch.
        """
        newest = self.ledger.records[-1] if self.ledger.records else None
        if newest is not None and newest.open:
            self._beaten_under = Epoch(0)
            return newest.confirmed
        before, self._beaten_under = self._beaten_under, Epoch(self.ledger.highest + 1)
        return before == self._beaten_under

    @property
    def shut_down(self) -> bool:
        """True if the newest confirmed epoch is ``stopped`` and nothing lived since (rule 12)."""
        return self._ended_as(frozenset({NoticeKind.STOPPED}))

    @property
    def death(self) -> bool:
        """True if a fresh death notice allows the timers to be skipped (rule 12)."""
        return self.death_listed and self._same_host()

    @property
    def vacant(self) -> bool:
        """True if nobody can be running a master: every epoch is closed, and no other server holds the lock.

        Only where servers that no claim started hold a lock too. A shutdown binds here as elsewhere, and an
        open epoch is waited for although the lock is free: a file server may have dropped it.
        """
        seen = self.round
        if seen is None or seen.server_lock is not ServerLock.CLEAR or isinstance(seen.ledger, Unknown):
            return False
        return not self.shut_down and all(not record.open for record in seen.ledger.suspects)

    @property
    def death_listed(self) -> bool:
        """True if there is one, as far as the listing alone can tell."""
        later_closed = all(not record.open for record in self.ledger.suspects)
        return later_closed and not self._inherited and self._ended_as(_DEATHS)

    def accounted(self, host: Host) -> bool:
        """Tell whether more than silence speaks against a master on this host, for one who may bid by now.

        It was switched off since the last beat; or the last confirmed master ran there and had a guard: then
        an outcome, or the end of its lease, says that it is gone, unless something has lived since.
        """
        last = self.ledger.last_confirmed
        if host in self.proofs.silent or last is None or isinstance(last.claim, Unknown):
            return host in self.proofs.silent
        guarded = last.claim.host == host and last.claim.protection is not Protection.NONE
        return guarded and (last.open or not self._overtaken)

    def suspected(self, active: Host | Unknown) -> tuple[Host, ...]:
        """Return the hosts of which only time says that they run no master, and no proof does (rule 7)."""
        return self.proofs.suspected(self.ledger, active, own=self.names, overtaken=self._overtaken)

    def unsettled(self, *, own: Epoch | None, step_down: Seconds, now: Instant) -> tuple[Account, ...]:
        """Return who might still run a master (rules 5 and 7)."""
        seen = {epoch: when for (epoch, _), when in self._seen.items()}
        return unsettled(
            self.ledger, own=own, seen=seen, last_beat=self.last_beat, step_down=step_down, now=now
        )

    def _ended_as(self, kinds: frozenset[NoticeKind]) -> bool:
        last: EpochRecord | None = self.ledger.last_confirmed
        return last is not None and last.outcome in kinds and not self._overtaken

    def _same_host(self) -> bool:
        """Tell whether act_qmaster names the host of the last confirmed epoch.

        If not, somebody moved the master by hand, and the end of an epoch is not that of the master: a
        rebooted host closes what it left open, however long ago that was (rule 14).
        """
        last = self.ledger.last_confirmed
        named = None if self.round is None else self.round.active
        return last is not None and not isinstance(last.claim, Unknown) and last.claim.host == named

    def _follow_pause(self, seen: Observed) -> None:
        """Count the end of a pause as a beat: it renewed the guard's lease like one (rule 9).

        One that came and went between two looks of this host, while it slept or the mount hung, shows in the
        number of pauses.
        """
        missed = self._pauses is not None and seen.pauses not in (self._pauses, None)
        if missed or (seen.pause is None and self._paused):
            self.silence.restart(seen.completed)
        if seen.pauses is not None:
            self._pauses = seen.pauses
        if not isinstance(seen.pause, Unknown):
            self._paused = seen.pause is not None

    def _compare_with_end(self, beat: int) -> None:
        if not self._closed:
            return
        if self._beat_at_end is None:
            self._beat_at_end = beat
        elif beat != self._beat_at_end:
            self._overtaken = True
