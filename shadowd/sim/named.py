"""What a machine is called, and what tells it from others: names that come and go, ids that a clone copies.

This module refuses to know what runs on a machine.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from shadowd.core.events import Namesake
from shadowd.core.values import Host, Seconds
from shadowd.sim.bench import Bench
from shadowd.sim.clock import Moment, Timeline

if TYPE_CHECKING:
    from shadowd.sim.network import Network


_EARLY = 0.9
"""The part of a check interval after which a record is due again."""


class Named(Bench):
    """A machine with a name; it is the ``NameService`` of its daemon."""

    def __init__(
        self,
        name: Host,
        timeline: Timeline,
        stir: Callable[[], None],
        network: "Network",
        clone_of: "Named | None",
    ) -> None:
        super().__init__(name, timeline, stir)
        self.machine: Host = name if clone_of is None else clone_of.next_copy()
        """Which machine it is, whatever it is called."""
        self._copies = 0
        self.earlier: frozenset[Host] = frozenset()
        """Names that it had before, and that still lead to it."""
        self.machine_id: str = f"machine-{name}" if clone_of is None else clone_of.machine_id
        self.boots = 1
        self._network = network
        self.wrote: Moment | None = None
        """When its daemon wrote its host record last; None: not yet in this life."""

    def next_copy(self) -> Host:
        """Return what the next clone of this machine is called: no two of all times are one machine."""
        self._copies += 1
        return Host(f"{self.machine}-clone{self._copies if self._copies > 1 else ''}")

    @property
    def boot_id(self) -> str:
        """Which boot of which machine this is."""
        return f"{self.machine}-boot-{self.boots}"

    def is_copied_by(self, other: "Named") -> bool:
        """Tell whether these are two machines of one machine id."""
        return other is not self and other.machine_id == self.machine_id

    def is_here(self, host: Host) -> bool | None:
        """Tell whether a name is this machine's; None: nobody has it."""
        found = self._network.find(self, host)
        return None if found is None else found is self

    def begin_life(self) -> None:
        """Begin a new life of the daemon, which has not written its host record yet."""
        super().begin_life()
        self.wrote = None

    def publish(self, interval: Seconds) -> Namesake | None:
        """Write the host record if it is time, and tell of another machine of this name that did since."""
        before, now = self.wrote, self.timeline.now
        if before is not None and now < before + _EARLY * interval:
            return None
        self.wrote = now
        other = self._network.namesake(self)
        since = None if other is None else other.wrote
        if other is None or before is None or since is None or since <= before:
            return None
        return Namesake(other.boot_id)
