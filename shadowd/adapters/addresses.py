"""The addresses of this host, as the kernel tells them (rtnetlink(7)), and whether a given one is among them.

Why not the resolver: a host's own name is 127.0.1.1 on half of all machines, and others need numbers that
work when the resolver does not. Why not an interface's name or a route: nobody should have to configure what
the kernel knows. The question is answered by the kernel alone and in well under a millisecond.

Refuses to raise and to wait: without an answer there is no address, and whoever wanted one does without.
"""

import socket
import struct
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

_RTM_GETADDR, _RTM_NEWADDR, _NLMSG_DONE, _NLMSG_ERROR = 22, 20, 3, 2
_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_HOST, _NOWHERE = 254, 255
_LINK = 253
_UNFIT = 0x01 | 0x08 | 0x20 | 0x40
"""IFA_F_TEMPORARY (in IPv4: SECONDARY), DADFAILED, DEPRECATED, TENTATIVE."""
_NOT_OURS = 0x08
"""IFA_F_DADFAILED: another machine has the address."""
_PATIENCE = 0.2
_KNOWN_FOR = 60.0
"""Seconds after which the kernel is asked again, if anybody wants to know."""
MOST_ADDRESSES = 8
"""Of one host, in a record and in a question."""
_MOST_REPLIES = 256


def own_addresses() -> tuple[str, ...]:
    """Return the addresses that others reach this host by, IPv4 first; loopback's if there is no other."""
    found = [(address, scope) for address, scope, flags in _listed() if not flags & _UNFIT]
    reachable = [address for address, scope in found if scope < _LINK]
    local = [address for address, scope in found if scope == _HOST]
    return tuple(sorted(dict.fromkeys(reachable or local), key=lambda address: ":" in address))


class RecentAddresses:
    """The addresses that others reach this host by, asked of the kernel at most once a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._found: tuple[str, ...] = ()
        self._until = float("-inf")

    def __call__(self) -> tuple[str, ...]:
        """Return some of them, as a host record tells them."""
        now = self._clock()
        if now >= self._until:
            self._until = now + _KNOWN_FOR
            self._found = own_addresses()[:MOST_ADDRESSES]
        return self._found


def is_own(address: str) -> bool:
    """Tell whether a numeric address is one of this host: loopback, or of any interface, virtual ones too.

    An address that the kernel does not list is another host's, and so is every one when it does not answer.
    """
    try:
        asked = _plain(address)
    except ValueError:
        return False
    if asked.is_loopback or asked.is_unspecified:
        return True
    return any(asked == _plain(one) for one, _scope, flags in _listed() if not flags & _NOT_OURS)


def is_loopback(address: str) -> bool:
    """Tell whether a numeric address leads every host to itself."""
    return _plain(address).is_loopback


def numeric(word: object) -> str | None:
    """Return one host's numeric address; None for what is none, or is a group's."""
    if not isinstance(word, str) or "%" in word:
        return None
    try:
        address = ip_address(word)
    except ValueError:
        return None
    group = address.is_multicast or address.is_unspecified or word == "255.255.255.255"
    return None if group else str(address)


def _plain(address: str) -> IPv4Address | IPv6Address:
    """Return an address without its zone, and an IPv4 one in IPv6's clothes as itself. Raises ValueError."""
    found = ip_address(address.partition("%")[0])
    return getattr(found, "ipv4_mapped", None) or found


def _listed() -> list[tuple[str, int, int]]:
    """Return each address with its scope and flags; none if the kernel does not tell."""
    try:
        return list(_asked())
    except (OSError, struct.error):
        return []


def _asked() -> Iterator[tuple[str, int, int]]:
    """Yield each address with its scope and flags. Raises OSError."""
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    with socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE) as asking:
        asking.settimeout(_PATIENCE)
        asking.sendto(struct.pack("=IHHIIBBBBI", 24, _RTM_GETADDR, _DUMP, 1, 0, 0, 0, 0, 0, 0), (0, 0))
        for _ in range(_MOST_REPLIES):
            reply = asking.recv(1 << 16)
            while len(reply) >= 16:
                length, message = struct.unpack_from("=IH", reply)
                if message in {_NLMSG_DONE, _NLMSG_ERROR} or length < 16:
                    return
                if message == _RTM_NEWADDR:
                    yield from _address(reply[16:length])
                reply = reply[_aligned(length) :]


def _address(body: bytes) -> Iterator[tuple[str, int, int]]:
    family, _prefix, flags, scope, _index = struct.unpack_from("=BBBBI", body)
    if family not in {socket.AF_INET, socket.AF_INET6} or scope == _NOWHERE:
        return
    found: dict[int, bytes] = {}
    rest = body[8:]
    while len(rest) >= 4:
        length, kind = struct.unpack_from("=HH", rest)
        if length < 4:
            break
        found[kind] = rest[4:length]
        rest = rest[_aligned(length) :]
    # On a point-to-point link IFA_ADDRESS is the other end's.
    raw = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS)
    if raw is not None and len(raw) == (4 if family == socket.AF_INET else 16):
        yield socket.inet_ntop(family, raw), scope, flags


def _aligned(length: int) -> int:
    return (length + 3) & ~3
