"""Switches hosts off in the name of a claim (port ``Fencer``; DESIGN.md, "Fencing").

The decision to fence is old by the time it is carried out: this daemon may have been frozen in between, and
another shadow's master may run on the very host. So this module looks for itself (PROTOCOL rule 6): it lists
the claims afresh and refuses where a later epoch than ours exists, whoever holds it, where ours is closed or
gone, and where the host is this one. The host comes from a record that others write, and the fence runs as
root: so it must have the form of a host name, and be a host of this cell by its list, by its own record, or
by this host's configuration. What is left open is a freeze between that listing and the switch.

``switch`` knows how the power is cut. This module refuses to fence on doubt: a listing that cannot be read
proves neither this nor that.
"""

import time
from collections.abc import Callable
from typing import Final

from shadowd.adapters import user
from shadowd.adapters.hostnames import is_host_name
from shadowd.adapters.switch import Order, Switch
from shadowd.core.values import Epoch, FenceOutcome, Host, Seconds, Unknown
from shadowd.ports import ClaimLog

_SHOWN: Final = 40


class NoFencer:
    """The port ``Fencer`` of a cell without fencing: nothing is proved."""

    def fence(self, epoch: Epoch, host: Host) -> tuple[FenceOutcome, str]:
        """Answer that nothing was done."""
        del epoch, host
        return FenceOutcome.FAILED, "no fencing is configured"


class ClaimedFencer:
    """Fences for one cell on this host."""

    def __init__(
        self,
        cell: str,
        own: Host,
        claims: ClaimLog,
        switch: Switch,
        timeout: Seconds,
        *,
        hosts: Callable[[], frozenset[Host] | Unknown],
    ) -> None:
        """``hosts`` reads which hosts are of this cell; it may hang."""
        self._hosts = hosts
        self._cell = cell
        self._own = own
        self._claims = claims
        self._switch = switch
        self._timeout = timeout

    def fence(self, epoch: Epoch, host: Host) -> tuple[FenceOutcome, str]:
        """List, then switch off, within the limit; the listing is not counted in."""
        against = self._against(epoch, host)
        if against is not None:
            return against
        with user.own_identity():
            order = Order(self._cell, host, self._own, epoch)
            dead, detail = self._switch.off(order, time.monotonic() + self._timeout)
        return (FenceOutcome.DEAD if dead else FenceOutcome.FAILED), detail

    def _against(self, epoch: Epoch, host: Host) -> tuple[FenceOutcome, str] | None:
        if host == self._own:
            return FenceOutcome.REFUSED, "it is this host"
        if not is_host_name(host.encode("utf-8", "replace")):
            return FenceOutcome.REFUSED, f"{host[:_SHOWN]!a} is no host name"
        hosts = self._hosts()
        if isinstance(hosts, Unknown):
            return (
                FenceOutcome.FAILED,
                f"the hosts of the cell are not known: {hosts.subject}: {hosts.detail}",
            )
        if host not in hosts:
            return FenceOutcome.REFUSED, f"{host} is no host of this cell: list it in shadow_masters"
        ledger = self._claims.list()
        if isinstance(ledger, Unknown):
            why = f" ({ledger.detail})" if ledger.detail else ""
            detail = f"the claims cannot be listed: {ledger.subject} is {ledger.problem.value}{why}"
            return FenceOutcome.FAILED, detail
        if ledger.highest > epoch:
            later = ledger.records[-1].claim
            holder = "" if isinstance(later, Unknown) else f" by {later.host}"
            return FenceOutcome.REFUSED, f"epoch {ledger.highest} was claimed{holder} after ours, {epoch}"
        ours = ledger.get(epoch)
        if ours is None or isinstance(ours.claim, Unknown) or ours.claim.host != self._own:
            return FenceOutcome.REFUSED, f"epoch {epoch} is not claimed by this host"
        if not ours.open:
            return FenceOutcome.REFUSED, f"our epoch {epoch} is closed"
        return None
