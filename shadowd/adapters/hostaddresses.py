"""Where a host of the cell is reached, and whether "there" is this host: the one place that judges both.

A name alone proves nothing. The hosts file of one machine may give the name of another one to 127.0.1.1, a
virtual address or an alias may be one more name of this host, and the name of a dead host may be gone. So a
name is judged by its addresses, and by what the host itself wrote into ``hosts/<host>.json`` (machine id,
boot id, addresses) while it lived:

* an address of this host is no evidence about another host: it is dropped where a host record of another
  machine has the name, or shadow_masters lists it beside us;
* where no other address is left, or the name has none, those of the host record serve;
* a name that leads to this host alone, and that no other machine has, is one more name of ours. Loopback
  alone is not enough for that: it is anybody's, so only an answer counts there.

Addresses from the configuration are believed. This host's own name means the addresses that the kernel tells,
whoever else has that name. Refuses to wait beyond its limit, and to remember an answer.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shadowd.adapters.addresses import MOST_ADDRESSES, is_loopback, is_own, numeric, own_addresses
from shadowd.adapters.cellfiles import GridEngineFiles
from shadowd.adapters.identity import read_boot_id, read_machine_id
from shadowd.adapters.reading import read_small
from shadowd.adapters.resolving import Inquiry, Resolver, resolving, system_resolver
from shadowd.adapters.user import FileUser, become
from shadowd.core.values import Host, Unknown

HOSTS = Path("/etc/hosts")
_RECORD = 64 * 1024
_HOSTS_FILE = 4 * 1024 * 1024
_SHARE = 0.5
"""Of the limit, for a resolver, where the host record tells addresses too: the rest is for asking them."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What tells one machine from another: the machine id of its installation, and the id of its boot."""

    machine_id: str
    boot_id: str


@dataclass(frozen=True, slots=True)
class HostRecord:
    """What a host of the cell says of itself in ``hosts/<host>.json``; empty where it does not."""

    machine: Machine = Machine("", "")
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a name leads."""

    addresses: tuple[str, ...] = ()
    """Whom to ask: all of this host, or all of another one."""
    here: bool = False
    """They are this host's."""
    doubt: str = ""
    """Why there are no addresses, for people; with addresses of this host: why only an answer counts."""
    at: str = ""
    """The name, or the configured address, that leads to just these; empty where nothing does."""
    believed: bool = False
    """The configuration says so, and nothing else is asked."""
    wrong: str = ""
    """What is wrong with the name on this host, for people, whether or not it is reached all the same."""


class HostAddresses:
    """Finds the hosts of one cell.

    ``configured``: addresses that need no resolver, by name. ``record`` reads a host record and ``listed``
    tells whether shadow_masters has a name; both may hang. ``own`` tells whether an address is this host's,
    and ``ours`` which ones it is reached by.
    """

    def __init__(
        self,
        host: Host,
        machine: Machine,
        *,
        configured: Mapping[str, str],
        resolver: Resolver,
        record: Callable[[Host], HostRecord | None],
        listed: Callable[[Host], bool],
        own: Callable[[str], bool] = is_own,
        ours: Callable[[], tuple[str, ...]] = own_addresses,
    ) -> None:
        self._host = host
        self._machine = machine
        self._configured = {name.lower(): address for name, address in configured.items()}
        self._own = own
        self._ours = ours
        self._resolving = resolving(resolver)
        self._known = Inquiry(lambda name: (record(Host(name)), listed(Host(name))), "the shared directory")

    def find(self, host: Host, timeout: float) -> Reached:
        """Return where a host is reached, within ``timeout`` seconds."""
        ends = time.monotonic() + timeout
        configured = self._configured.get(host.lower())
        if configured is not None and numeric(configured) is not None:
            return Reached((configured,), at=configured, believed=True)
        # An "address" of the configuration may be a name too: whoever writes it decides.
        asked = self._resolving.begin(configured or host)
        if configured is not None:
            found = asked.get(timeout)
            if isinstance(found, str):
                wrong = f"{configured}, which the configuration gives for {host}, has no address ({found})"
                return Reached(doubt=wrong, wrong=wrong)
            return Reached(tuple(found), at=configured, believed=True)
        if host == self._host:
            return self._myself(asked.get(timeout))
        known = self._known.begin(host).get(timeout * _SHARE)
        record, listed = (None, False) if isinstance(known, str) else known
        told = self._others(() if record is None else record.addresses)
        # Where the record tells addresses too, some of the time is left for asking them.
        found = asked.get((ends - time.monotonic()) * (_SHARE if told else 1.0))
        return self._judge(host, found, record, listed=listed)

    def _myself(self, found: list[str] | str) -> Reached:
        named = () if isinstance(found, str) else tuple(address for address in found if self._own(address))
        addresses = named or self._ours()
        return Reached(addresses, here=True, doubt="" if addresses else "this host has no address")

    def _judge(
        self, host: Host, found: list[str] | str, record: HostRecord | None, *, listed: bool
    ) -> Reached:
        others = () if isinstance(found, str) else self._others(found)
        if others:
            return Reached(others, at=host if len(others) == len(found) else "")
        if isinstance(found, str):
            wrong = f"{host} has no address on this host ({found})"
        else:
            wrong = f"{host} leads to {found[0]}, an address of this host{line_of(host, found[0])}"
        told = () if record is None else self._others(record.addresses)
        if told:
            return Reached(told, wrong=wrong)
        ours = None if record is None else self._is_ours(record)
        if isinstance(found, str) or ours is False or (ours is None and listed):
            return Reached(doubt=f"{wrong}, and {_no_address(host, record)}", wrong=wrong)
        sure = ours or not all(map(is_loopback, found))
        return Reached(tuple(found), here=True, doubt="" if sure else wrong)

    def _is_ours(self, record: HostRecord) -> bool | None:
        """Tell whether this machine wrote a record that tells no other's address; None: it may be.

        Templates copy machine ids, and containers of one machine share its boot id.
        """
        if record.machine.boot_id == self._machine.boot_id:
            return True
        if record.machine.machine_id != self._machine.machine_id:
            return False
        return True if record.addresses else None

    def _others(self, addresses: Iterable[str]) -> tuple[str, ...]:
        return tuple(address for address in addresses if not self._own(address))


def addresses_of(
    files: GridEngineFiles, configured: Mapping[str, str], user: FileUser | None
) -> HostAddresses:
    """Return where the hosts of a cell are found: by its configuration, the resolver and their records."""

    def resolve(name: str) -> list[str]:
        become(user)
        return system_resolver(files.address(Host(name)))

    def record(host: Host) -> HostRecord | None:
        become(user)
        return read_record(files.paths.state / "hosts", host)

    def listed(host: Host) -> bool:
        become(user)
        shadows = files.read_shadows()
        return not isinstance(shadows, Unknown) and host in shadows

    return HostAddresses(
        files.host,
        Machine(read_machine_id(), read_boot_id()),
        configured=configured,
        resolver=resolve,
        record=record,
        listed=listed,
    )


def read_record(directory: Path, host: str) -> HostRecord | None:
    """Read what a host says of itself in ``hosts``; None where there is no such record, or none of use."""
    data = read_small(directory / f"{host}.json", _RECORD)
    if isinstance(data, Unknown):
        return None
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return parse_record(fields) if isinstance(fields, dict) else None


def parse_record(fields: Mapping[str, Any]) -> HostRecord:
    """Return what a record says; a release that writes no addresses tells where it hears hints."""
    hints = fields.get("hints")
    listed = fields.get("addresses", hints.get("addresses") if isinstance(hints, dict) else None)
    words = listed[:MOST_ADDRESSES] if isinstance(listed, list) else []
    machine = Machine(_word(fields.get("machine_id")), _word(fields.get("boot_id")))
    return HostRecord(machine, tuple(filter(None, map(numeric, words))))


def line_of(host: str, address: str, path: Path = HOSTS) -> str:
    """Return for people which line of the hosts file gives this address to the host; empty for none."""
    data = read_small(path, _HOSTS_FILE)
    if isinstance(data, Unknown):
        return ""
    short = host.lower().partition(".")[0]
    for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), start=1):
        first, *names = line.partition("#")[0].split() or [""]
        if first == address and short in {name.lower().partition(".")[0] for name in names}:
            return f" ({path}, line {number})"
    return ""


def _no_address(host: str, record: HostRecord | None) -> str:
    return f"there is no hosts/{host}.json" if record is None else f"hosts/{host}.json tells no other address"


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""
