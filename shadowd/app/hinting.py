"""Claims whose writing is hinted to the other hosts of the cell.

Between the claim log and whoever writes to it, because that is where every claim and notice of every
machine passes, and only after it is on disk. The hint itself is sent by another worker: a takeover waits for
nothing that serves the others. Nothing here decides about a takeover.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shadowd.adapters.hints import Hints, Place, Telling, places
from shadowd.adapters.user import FileUser, become
from shadowd.core.ledger import Ledger
from shadowd.core.values import Claim, ClaimKey, Host, NoticeKind, Unknown
from shadowd.ports import ClaimLog
from shadowd.runtime.workers import Job


@dataclass(frozen=True, slots=True)
class HintedClaims:
    """``ClaimLog`` that calls ``tell`` after each record of ours that is on disk."""

    claims: ClaimLog
    tell: Callable[[], None]

    def list(self) -> Ledger | Unknown:
        """List; reading is no news."""
        return self.claims.list()

    def claim(self, claim: Claim) -> Claim | Unknown:
        """Claim; a claim that was lost is the winner's news."""
        found = self.claims.claim(claim)
        if not isinstance(found, Unknown) and found.nonce == claim.nonce:
            self.tell()
        return found

    def notice(self, claim: ClaimKey, kind: NoticeKind, detail: str) -> Unknown | None:
        """Write the notice."""
        problem = self.claims.notice(claim, kind, detail)
        if problem is None:
            self.tell()
        return problem


def hinted(
    claims: ClaimLog,
    hints: Hints | None,
    *,
    cell: str,
    host: Host,
    user: FileUser | None,
    state: Path,
    submit: Callable[[Job], None],
) -> ClaimLog:
    """Return the claim log with hints to the hosts that have a record in ``state``, where hints are on."""
    if hints is None:
        return claims

    def read() -> Iterator[Place]:
        become(user)
        return places(state / "hosts", host)

    return HintedClaims(claims, Telling(cell, submit=submit, places=read, send=hints.send).tell)
