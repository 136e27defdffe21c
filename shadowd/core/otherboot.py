"""How long an epoch of another boot of this host may still be alive, although nothing of it runs here.

After a reboot nothing is left of it. But a clone of this host has the same name and the same machine id, and
a boot of its own: to each of the two the other's epoch looks like one of an earlier boot, and an outcome
would make the guard over there stop a healthy master. So the newest confirmed epoch is closed only after the
heartbeat was watched for two intervals of a living master without a move: that is what an honest reboot costs
its death notice. An epoch that was never confirmed is closed when others stop counting on it too, for a
master that is being started does not beat. Once a sign of another machine of this name was seen, time alone
settles an epoch, as for every other host.

A master that no claim started and that runs here after a reboot is adopted when another machine of this name
would have written its record once more: else the master of a clone, started by its own script, would
supersede the right one.

What a later confirmed epoch, or another host's name in act_qmaster, explains is no sign: the beat is that
master's. A name of which it is not known whose it is may be one more of this host's, and explains nothing.
"""

from collections.abc import Collection

from shadowd.core.duplicate import Duplicates
from shadowd.core.events import Observed
from shadowd.core.ledger import EpochRecord
from shadowd.core.memory import Memory
from shadowd.core.policy import Policy
from shadowd.core.timing import Timing
from shadowd.core.values import NEVER, Claim, Epoch, Host, Instant, Seconds, Unknown

_BEATS = 2
_RECORDS = 1.05
"""Checks in which a daemon writes its record once, on another clock."""
_WRITING = Seconds(2)


class OtherBoot:
    """What this host knows of epochs of its name and of another boot."""

    def __init__(
        self,
        policy: Policy,
        timing: Timing,
        memory: Memory,
        duplicates: Duplicates,
        now: Instant,
        *,
        others: Collection[Host],
    ) -> None:
        """``others``: names that are known to be other hosts'; the caller adds to them."""
        self._others = others
        self._policy = policy
        self._step_down = timing.step_down_timeout
        self._quiet = Seconds(_BEATS * timing.beat_interval)
        self._memory = memory
        self._duplicates = duplicates
        self.alone_at = Instant(now + _RECORDS * timing.check_interval + _WRITING)
        """By then another daemon of this name had written its record."""
        self._doubted: set[Epoch] = set()
        """There was a sign that they live on another machine."""

    def until(self, record: EpochRecord, seen: Observed, now: Instant) -> Instant:
        """Return when this epoch may be closed, as far as can be told now; not later than now: at once."""
        claim, last = record.claim, self._memory.ledger.last_confirmed
        if isinstance(claim, Unknown) or claim.boot_id == self._policy.boot_id:
            return now
        if last is not None and last.epoch > record.epoch:
            return now
        if not record.confirmed:
            return self._settled(record, now)
        if not isinstance(seen.active, Unknown) and seen.active in self._others:
            return now
        if self._duplicates.refusal(now) is not None:
            self._doubted.add(record.epoch)
        if record.epoch in self._doubted:
            return self._settled(record, now)
        return self._memory.silence.reaches(self._quiet) or NEVER

    def adopts(self, record: EpochRecord | None, now: Instant) -> bool:
        """Tell whether a master here may follow the last confirmed epoch, as far as that is ours."""
        claim = None if record is None or not record.open else record.claim
        if not isinstance(claim, Claim) or claim.host not in self._memory.names:
            return True
        return claim.boot_id == self._policy.boot_id or now >= self.alone_at

    def _settled(self, record: EpochRecord, now: Instant) -> Instant:
        accounts = self._memory.unsettled(own=None, step_down=self._step_down, now=now)
        return next((account.until for account in accounts if account.epoch == record.epoch), now)
