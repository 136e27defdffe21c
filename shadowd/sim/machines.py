"""Who a simulated daemon is, and who makes its machines: the real ones, or some that a test has spoilt."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from shadowd.core.actions import Action, KeepLease
from shadowd.core.cell import Cell
from shadowd.core.events import Event, Observed
from shadowd.core.guard import Duty
from shadowd.core.ledger import Ledger
from shadowd.core.policy import Policy
from shadowd.core.timing import Timing
from shadowd.core.values import NEVER, FencePolicy, Host, Instant, KeptLease


@dataclass(slots=True, kw_only=True)
class Name:
    """Who a daemon is, in one of its lives."""

    cell: str
    host: Host
    machine_id: str
    boot_id: str
    pid: int
    start_token: str
    nonce: Callable[[], str]


Maker = Callable[[str, Timing, Policy, Instant, KeptLease | None], Cell]
"""Makes the machines of a cell on a host, with the lease that an earlier daemon left there."""


def real_machines(_cell: str, timing: Timing, policy: Policy, now: Instant, kept: KeptLease | None) -> Cell:
    """Make the real machines."""
    return Cell(timing, policy, now=now, kept=kept)


def fencing_machines(fence: FencePolicy) -> Maker:
    """Return the maker of the real machines of cells that have a fence."""

    def make(cell: str, timing: Timing, policy: Policy, now: Instant, kept: KeptLease | None) -> Cell:
        return real_machines(cell, timing, replace(policy, fence=fence), now, kept)

    return make


class Unguarded(Cell):
    """What a cell without guards has: timers and a probe. Nobody stops a master or reports its end early."""

    def __init__(
        self, _cell: str, timing: Timing, policy: Policy, now: Instant, kept: KeptLease | None
    ) -> None:
        bare = replace(policy, death_skips_timers=False, restart_limit=0)
        super().__init__(timing, bare, now=now, kept=kept)

    def step(self, event: Event, now: Instant) -> tuple[Action, ...]:
        """Hide every later claim, and every other name, from the guard."""
        guard = self._guard
        if isinstance(event, Observed) and guard is not None and guard.duty is Duty.GUARD:
            event = replace(event, active=self._policy.host)
            if isinstance(event.ledger, Ledger):
                records = tuple(each for each in event.ledger.records if each.epoch <= guard.lease.epoch)
                event = replace(event, ledger=replace(event.ledger, records=records))
        return super().step(event, now)

    def _follow(self, actions: tuple[Action, ...], now: Instant) -> tuple[Action, ...]:
        actions = super()._follow(actions, now)
        if self._guard is not None:
            self._guard.lease.ends = NEVER
        return tuple(
            replace(action, kept=None) if isinstance(action, KeepLease) else action for action in actions
        )
