"""Who a simulated daemon is, and who makes its machines: the real ones, or some that a test has spoilt."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from shadowd.core.cell import Cell
from shadowd.core.policy import Policy
from shadowd.core.timing import Timing
from shadowd.core.values import FencePolicy, Host, Instant, KeptLease


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
