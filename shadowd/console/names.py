"""The names of the cell's other hosts, as this host finds them: where a probe would go.

A name that leads to this host itself, or nowhere, is found when the master is dead and nobody can be asked
any more; ``check`` tells it before. Only where a master is asked over TCP. Refuses to wait: a resolver that
does not answer within the limit says nothing, and ``check`` has other things to tell.
"""

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from shadowd.console.health import Health, Item
from shadowd.core.values import Host

if TYPE_CHECKING:
    from shadowd.adapters.cellfiles import GridEngineFiles

_LIMIT = 1.0
_MOST = 16


class WrongName(NamedTuple):
    """A host whose name does not lead to it on this host."""

    host: str
    wrong: str
    reached: bool
    """Its host record tells an address all the same."""


def wrong_names(
    files: "GridEngineFiles", hosts: Iterable[Host], configured: Mapping[str, str]
) -> tuple[WrongName, ...]:
    """Look where these hosts are found from here, all at once; takes a second at most.

    An address that the configuration gives in digits is where it is, and nobody is asked.
    """
    from shadowd.adapters.addresses import numeric  # noqa: PLC0415 - `status` never does
    from shadowd.adapters.hostaddresses import Reached, addresses_of  # noqa: PLC0415
    from shadowd.adapters.resolving import Inquiry  # noqa: PLC0415

    where = addresses_of(files, configured, None)
    inquiry = Inquiry(lambda host: where.find(Host(host), _LIMIT), "the resolver")
    given = {name.lower() for name, address in configured.items() if numeric(address) is not None}
    others = [host for host in dict.fromkeys(hosts) if host != files.host and host.lower() not in given]
    asked = {host: inquiry.begin(host) for host in others[:_MOST]}
    ends = time.monotonic() + _LIMIT
    found = {host: pending.get(ends - time.monotonic()) for host, pending in asked.items()}
    return tuple(
        WrongName(host, reached.wrong, bool(reached.addresses))
        for host, reached in found.items()
        if isinstance(reached, Reached) and reached.wrong
    )


def name_items(names: Iterable[WrongName], master: str) -> Iterable[Item]:
    """Judge each; the master's host that nobody can ask is critical."""
    for one in names:
        grave = Health.CRITICAL if one.host == master and not one.reached else Health.WARNING
        rest = "its host record tells an address" if one.reached else "nobody here can ask it"
        advice = (
            f"Give {one.host} its own address on this host: /etc/hosts, DNS, or addresses below [cell.probe]."
        )
        yield Item(f"name {one.host}", grave, f"{one.wrong}; {rest}", advice)
