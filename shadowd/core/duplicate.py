"""Whether another machine serves the cell under this host's name: a clone of it, or two hosts of one alias.

Two signs tell of one. Somebody else writes this host's record (``Namesake``). And a heartbeat moves although
the newest confirmed epoch is of this name and machine, of another boot, and nothing of it runs here
(``core.own``). A machine id tells nothing: a clone has a copy of it.

Neither sign says which machine is the right one. So it is doubt: an alarm, and no bid, no adoption and no
outcome of an epoch of another boot from here. A master that is guarded here is not touched.
"""

from shadowd.core.actions import Level, Say
from shadowd.core.events import Namesake, Woken
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import Refusal
from shadowd.core.values import NEVER, Instant, Seconds

_ROUNDS = 3
"""A living daemon writes its record at each check: without a sign for so many checks there is none."""


class Duplicates:
    """The signs of another machine of this name."""

    def __init__(self, check_interval: Seconds) -> None:
        self._lasts = Seconds(_ROUNDS * check_interval)
        self._until = Instant(-NEVER)
        self._detail = ""

    def heard(self, event: Namesake | Woken, now: Instant) -> tuple[Say, ...]:
        """Take in that another machine wrote this host's record; what only wakes up is no sign."""
        if isinstance(event, Woken):
            return ()
        return self.met(f"its boot {event.boot_id} wrote this host's record", now)

    def met(self, detail: str, now: Instant) -> tuple[Say, ...]:
        """Take in a sign; say so when it is the first for some time."""
        known = self.refusal(now) is not None
        self._until = Instant(now + self._lasts)
        self._detail = detail
        return () if known else (Say("host.duplicate", Reason.DUPLICATE_HOST, Level.ALARM, None, detail),)

    def refusal(self, now: Instant) -> Refusal | None:
        """Return what this says against a bid; None without a recent sign."""
        return Refusal(Reason.DUPLICATE_HOST, self._detail, self._until) if now < self._until else None
