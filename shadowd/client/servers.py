"""A list of servers as people write it, and what follows from it: job names and the hosts' list for qmgr.

Format (TORQUE.md, "How clients find the server"): names divided by commas, blanks or lines, each ``host``,
``host:port``, an IPv6 address, or ``[IPv6]:port``; from '#' to the end of the line is comment. Any number,
each counted once. Refuses what is no list, with the line: a client that passes over half of a file looks
for its server in the wrong place and says that none is there.
"""

import _socket as socket  # see adapters.calling
from collections.abc import Iterable
from typing import NamedTuple

from shadowd.errors import ConfigError

LARGEST = 1 << 20
"""Bytes. Ten thousand names need a quarter of it."""
_LONGEST = 255  # RFC 1035
_SHOWN = 60


class Server(NamedTuple):
    """One server of a list."""

    host: str
    """A name or an address, as it was written."""
    port: int | None = None
    """None: the usual one of its kind."""

    def __str__(self) -> str:
        if self.port is None:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_servers(text: bytes | str, subject: str) -> tuple[Server, ...]:
    """Return the servers of a list in their order; raises ``ConfigError`` that names ``subject``."""
    if len(text) > LARGEST:
        raise ConfigError(subject, f"is larger than {LARGEST} bytes", "is it a list of servers?")
    if isinstance(text, bytes):
        text = text.decode("latin-1")  # never fails; what is not ASCII is refused with its line
    found: dict[tuple[str, int | None], Server] = {}
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        where = f"{subject}:{number}" if len(lines) > 1 else subject
        content = line.partition("#")[0].strip()
        # Only white space of ASCII divides: a file that is something else must not come out as a list.
        if not (content.isascii() and content.replace("\t", " ").isprintable()):
            raise ConfigError(where, f"is no text: {line[:_SHOWN]!a}", "write host names, in ASCII")
        for word in content.replace(",", " ").split():
            server = _server(word, where)
            found.setdefault((server.host.lower().rstrip("."), server.port), server)
    if not found:
        raise ConfigError(subject, "names no server", "write the servers' host names, divided by commas")
    return tuple(found.values())


def job_name(sequence: str, first: str) -> str:
    """Return the name of a job: its number and the *first* server of the list, whichever serves.

    So names outlive a takeover (TORQUE.md, "job names"). ``sequence`` is a number, of an array also
    ``12[]`` or ``12[3]``; raises ``ConfigError``.
    """
    number, bracket, rest = sequence.partition("[")
    index = rest.removesuffix("]")
    array = not bracket or (rest.endswith("]") and (not index or _digits(index)))
    if len(sequence) > _SHOWN or not _digits(number) or not array:
        raise ConfigError(
            "job number", f"{sequence[:_SHOWN]!a} is none", "give the number alone: 12, or 12[3]"
        )
    return f"{sequence}.{first}"


def acl_hosts(servers: Iterable[Server]) -> tuple[str, ...]:
    """Return the commands for ``qmgr`` that add every host of the list to the server's ``acl_hosts``."""
    hosts = dict.fromkeys(server.host.lower().rstrip(".") for server in servers)
    return tuple(f"set server acl_hosts += {host}" for host in hosts)


def _server(word: str, where: str) -> Server:
    if word.startswith("["):
        host, bracket, rest = word[1:].partition("]")
        colon, port = rest[:1], rest[1:]
        good = bool(bracket) and _is_ipv6(host) and colon in {"", ":"}
    elif word.count(":") > 1:
        host, colon, port = word, "", ""
        good = _is_ipv6(host)
    else:
        host, colon, port = word.partition(":")
        good = _is_name(host)
    if not good:
        remedy = "write host, host:port, or [IPv6 address]:port"
        raise ConfigError(where, f"{word[:_SHOWN]!a} names no server", remedy)
    if not colon:
        return Server(host)
    if not _digits(port) or len(port) > 5 or not 1 <= int(port) <= 65535:
        raise ConfigError(where, f"{word[:_SHOWN]!a}: no port", "use a number from 1 to 65535")
    return Server(host, int(port))


def _is_name(word: str) -> bool:
    labels = word.removesuffix(".").split(".")
    return len(word) <= _LONGEST and all(
        label[:1] != "-" and label.replace("-", "").replace("_", "").isalnum() for label in labels
    )


def _is_ipv6(word: str) -> bool:
    address, percent, zone = word.partition("%")
    if percent and not (zone and len(zone) < 16 and zone.isalnum()):
        return False
    try:
        socket.inet_pton(socket.AF_INET6, address)
    except (OSError, ValueError):
        return False
    return True


def _digits(word: str) -> bool:
    return word.isascii() and word.isdigit()
