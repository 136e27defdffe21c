"""The network between the hosts of a world: probes, hints and fence agents go over it.

A cut host hears and says nothing; one that stands still answers nothing. A fence agent reaches the power
switch of every host over another network, so that a cut does not keep it from its work.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from shadowd.core.events import Woken
from shadowd.core.values import Epoch, FenceOutcome, Host, ProbeOutcome
from shadowd.sim.disk import Disk

if TYPE_CHECKING:
    from shadowd.sim.host import SimHost
    from shadowd.sim.named import Named


_OTHERWISE = "-otherwise"


def other_name(host: Host) -> Host:
    """Return another name of a host: an alias, a virtual address."""
    return Host(f"{host}{_OTHERWISE}")


def real_name(host: Host) -> Host:
    """Return the name by which a host claims."""
    return Host(host.removesuffix(_OTHERWISE))


class Network:
    """What hosts know of each other."""

    def __init__(self, disks: Mapping[str, Disk]) -> None:
        self.hosts: dict[Host, SimHost] = {}
        self.hints_arrive: Callable[[], bool] = lambda: True
        """Asked for each hint: datagrams may be lost."""
        self._disks = disks

    def find(self, asking: "Named", name: Host) -> "Named | None":
        """Return the machine that a name leads to on this one: each clone is that name to itself."""
        real = real_name(name)
        own = real == asking.name or real in asking.earlier
        return asking if own else self._named(real)

    def _named(self, name: Host) -> "SimHost | None":
        return next((host for host in self.hosts.values() if name in {host.name, *host.earlier}), None)

    def namesake(self, asking: "Named") -> "SimHost | None":
        """Return another machine of this name whose daemon works."""
        return next(
            (
                host
                for host in self.hosts.values()
                if host is not asking and host.name == asking.name and host.works
            ),
            None,
        )

    def probe(self, asking: "SimHost", cell: str, host: Host) -> ProbeOutcome:
        """Ask a host whether its master answers; what answers by an address of the asking host is here."""
        asked = self._found(asking, host)
        if asked is None:
            return ProbeOutcome.UNRESOLVABLE
        deaf = asked.cut or asking.cut or not asked.up or asked.stopped is not None
        if asked is not asking and deaf:
            return ProbeOutcome.SILENT
        outcomes = [master.answers() for master in asked.masters(cell)]
        if ProbeOutcome.ANSWERS in outcomes:
            return ProbeOutcome.HERE if asked is asking else ProbeOutcome.ANSWERS
        if ProbeOutcome.SILENT in outcomes:
            return ProbeOutcome.SILENT
        return asked.stranger or ProbeOutcome.REFUSES

    def _found(self, asking: "SimHost", host: Host) -> "SimHost | None":
        """Return whom a name leads to: an address of the asking host is no evidence about another one."""
        if asking.is_here(host):
            return asking
        return None if asking.misled else self._named(real_name(host))

    def hint(self, sender: "SimHost", cell: str) -> None:
        """Send every other host a datagram that says nothing but "look"."""
        for host in self.hosts.values():
            reached = host.up and not host.cut and not sender.cut and host is not sender
            if reached and self.hints_arrive():
                host.feed(cell, Woken())

    def fence(self, asking: "SimHost", cell: str, epoch: Epoch, host: Host) -> FenceOutcome:
        """Power a host off, as a fence agent that reaches every power switch does."""
        target = asking if asking.is_here(host) else self._named(real_name(host))
        later = any(
            claim.host == real_name(host)
            for number, claim in self._disks[cell].claims.items()
            if number > epoch
        )
        if target is None or target is asking or later:
            return FenceOutcome.REFUSED
        target.crash()
        return FenceOutcome.DEAD
