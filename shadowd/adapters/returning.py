"""Tells whether a connection to an address of another host comes back to this one.

A route (``ip route add local``), a translation of addresses or a balancer may lead an address that no
interface has to our own process. The kernel knows: the other end of such a connection is a socket of this
host (proc_net_tcp, the kernel's Documentation/networking). Ports are compared and no addresses, for a
translation changes those. The client's port is chosen first, and is of no use if a connection from a port of
that number is there already, so that nobody can prepare one.

Refuses to say anything where no connection comes about.
"""

import socket
from contextlib import suppress
from pathlib import Path

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_MOST = 16 * 1024 * 1024
_ESTABLISHED = b"01"


def returns_here(address: str, port: int, timeout: float) -> bool | None:
    """Connect, and look for the other end among the sockets of this host; None: there is no connection."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with suppress(OSError, OverflowError), socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(max(0.05, timeout))
        client.bind(("", 0))
        own = int(client.getsockname()[1])
        if _is_connected(port, own):
            return False
        client.connect((address, port))
        return _is_connected(port, own)
    return None


def _is_connected(port: int, remote: int) -> bool:
    """Tell whether a socket of this host with this port is connected to that port, wherever that is."""
    ends = (b":%04X" % port, b":%04X" % remote)
    return any(_row_of(table, *ends) for table in _TABLES)


def _row_of(table: Path, local: bytes, other: bytes) -> bool:
    with suppress(OSError), table.open("rb") as rows:
        for row in rows.readlines(_MOST):
            words = row.split(maxsplit=4)[1:4]
            if len(words) == 3 and words[0].endswith(local) and words[1].endswith(other):
                return words[2] == _ESTABLISHED
    return False
