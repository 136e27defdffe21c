"""How often a master that died is started again on its own host before it is handed over.

The first restart comes at once, later ones after a pause that doubles; more than ``limit`` within ``window``
and the host gives up its claim to go first: the death notice then lets any eligible host take over. Each
restart is a new claim (PROTOCOL rule 8).
"""

from collections.abc import Collection
from dataclasses import dataclass

from shadowd.core.events import Observed
from shadowd.core.ledger import Ledger
from shadowd.core.values import ClaimKey, Host, Instant, LockKind, Seconds, Unknown

_PAUSE = Seconds(2)
_AGAIN = Seconds(1)


@dataclass(frozen=True, slots=True)
class Revival:
    """A master of this host that died, and when it is started again; until then its epoch is open."""

    claim: ClaimKey
    at: Instant

    def later(self, now: Instant) -> "Revival":
        """Look again in a moment."""
        return Revival(self.claim, Instant(now + _AGAIN))

    def may(self, seen: Observed, ledger: Ledger, names: Collection[Host]) -> bool:
        """Tell whether nothing in this round speaks against a start here."""
        record = ledger.get(self.claim.epoch)
        ours = (
            record is not None
            and record.open
            and record.belongs_to(self.claim)
            and ledger.superseder(self.claim.epoch) is None
        )
        free = isinstance(seen.lock, Unknown) or seen.lock.kind is not LockKind.FOREIGN
        named = isinstance(seen.active, Unknown) or seen.active in names
        fit = not (seen.fitness.lacks or ledger.doubts)
        return ours and free and named and fit and seen.pause is None and seen.resident is None


class Persistence:
    """The restarts of this host's masters."""

    def __init__(self, limit: int, window: Seconds) -> None:
        self._limit = limit
        self._window = window
        self._starts: list[Instant] = []

    def next(self, now: Instant) -> Instant | None:
        """Return when to start the master again, and count it; None: not here."""
        self._starts = [start for start in self._starts if start > now - self._window]
        before = len(self._starts)
        if before >= self._limit:
            return None
        self._starts.append(now)
        return Instant(now + (_PAUSE * 2.0 ** (before - 1) if before else 0.0))
