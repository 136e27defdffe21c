"""What happens next to a cell whose master is silent or gone: who acts, at what time, or why nobody does.

One sentence near the top of ``status``, because it is the first question of whoever was woken up. This
module refuses to predict for hosts that do not report.
"""

from collections.abc import Sequence
from typing import Final

from shadowd.console.clock import ahead
from shadowd.console.rows import BIDDING, OF_THE_MOMENT, HostRow
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State, Timer

_CERTAIN: Final = frozenset({Reason.DEATH_NOTICE.value, Reason.VACANT.value})
"""Why a host takes over without waiting for silence."""


def outlook(rows: Sequence[HostRow], hold: Reason | None, now: float, *, beating: bool) -> str:
    """Say it in one sentence; empty while the master beats or nobody has noticed its silence yet."""
    fresh = [row for row in rows if row.fresh and row.io_stuck is None]
    bidder = next((row for row in fresh if row.state in BIDDING), None)
    if bidder:
        return f"under way, wait for it: {bidder.host} {bidder.does}"
    stale = [row for row in fresh if row.state == State.STALE.value]
    if beating and not stale:
        return ""
    if hold:
        return f"nobody takes over: {hold.text}"
    ready = [row for row in stale if row.eligible]
    dead = next((row for row in ready if row.reason in _CERTAIN), None)
    if dead:
        return f"{dead.host} {dead.does} by itself"
    due = [(row.due, row.host) for row in ready if row.timer == Timer.TAKEOVER.value and row.due is not None]
    if due:
        when, host = min(due)
        return f"{host} takes over at {ahead(when, now)} by itself, unless the heartbeat moves"
    if any(row.eligible for row in fresh):
        return ""
    why = next((_obstacle(row) for row in [*stale, *fresh] if row.rank is not None and row.refusals), "")
    return f"nobody takes over, as things stand; {why or 'no host that could take over has reported'}"


def _obstacle(row: HostRow) -> str:
    """Return the first refusal that does not pass by itself."""
    hard = [refusal for refusal in row.refusals if refusal.reason not in OF_THE_MOMENT]
    return f"{row.host}: {(hard or row.refusals)[0].text}"
