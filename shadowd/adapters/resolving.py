"""Asks what has no time limit of its own, within one: the resolver, and small files of a shared directory.

Why: getaddrinfo(3) asks DNS servers one after another and can take a minute when they are cut off, which
is just when a takeover is due; a read of a dead mount never returns. Neither can be interrupted; so it runs
in a daemon thread that is abandoned at the deadline. No more than one such thread per name is left hanging:
a name that is being asked for already is not asked again.

``OwnNames`` asks whose a name is: the host's own if every address of it is. Loopback is everybody's, and a
hosts file copied with an image gives another host's name such an address; so it tells nothing.

Refuses to cache: an address that was right before the failure may be wrong after it.
"""

import queue
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from shadowd.adapters.addresses import MOST_ADDRESSES, own_addresses
from shadowd.core.values import Host

T = TypeVar("T")
Resolver = Callable[[str], list[str]]


def system_resolver(host: str) -> list[str]:
    """Ask the system; raises ``OSError`` when the name has no address."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Pending(Generic[T]):
    """A question that was asked."""

    def __init__(self, what: str) -> None:
        self._what = what
        self.reply: queue.SimpleQueue[T | str] = queue.SimpleQueue()

    def get(self, timeout: float) -> T | str:
        """Return the answer, or why there is none within ``timeout`` seconds; to be called once."""
        try:
            return self.reply.get(timeout=max(0.0, timeout))
        except queue.Empty:
            return f"{self._what} did not answer in time"


class Inquiry(Generic[T]):
    """Calls something with a name in abandoned threads.

    ``what`` says whom it asks, for people. What it raises is a reason why there is no answer; an answer must
    be no string, for a string is such a reason.
    """

    def __init__(self, call: Callable[[str], T], what: str) -> None:
        self._call = call
        self._what = what
        self._lock = threading.Lock()
        self._hanging: set[str] = set()

    def begin(self, name: str) -> Pending[T]:
        """Ask, and return at once."""
        pending: Pending[T] = Pending(self._what)
        with self._lock:
            if name in self._hanging:
                pending.reply.put(f"an earlier question to {self._what} is still without an answer")
                return pending
            self._hanging.add(name)
        title = f"ask:{name[:32]}"
        threading.Thread(target=self._ask, args=(name, pending), name=title, daemon=True).start()
        return pending

    def _ask(self, name: str, pending: Pending[T]) -> None:
        try:
            # UnicodeError and ValueError: the name itself is no name.
            pending.reply.put(self._call(name))
        except (OSError, ValueError) as error:
            pending.reply.put(getattr(error, "strerror", None) or str(error))
        finally:
            with self._lock:
                self._hanging.discard(name)


def resolving(resolver: Resolver = system_resolver) -> Inquiry[list[str]]:
    """Return what asks a resolver for the addresses of a name: IPv4 and IPv6, each once."""

    def ask(name: str) -> list[str]:
        found = list(dict.fromkeys(resolver(name)))[:MOST_ADDRESSES]
        if not found:
            raise OSError("the resolver names no address")
        return found

    return Inquiry(ask, "the resolver")


@dataclass(frozen=True, slots=True)
class OwnNames:
    """The port ``NameService``, over a resolver."""

    resolving: Inquiry[list[str]]
    timeout: float
    """Seconds, for one name."""
    own: Callable[[], tuple[str, ...]] = own_addresses
    spelled: Callable[[Host], str] = str
    """Returns the name that a resolver may need in the place of a canonical one."""

    def is_here(self, host: Host) -> bool | None:
        """Tell whether every address of this name is this host's; None: not known."""
        found = self.resolving.begin(self.spelled(host)).get(self.timeout)
        if isinstance(found, str):
            return None
        told = [address for address in found if not _is_loopback(address)]
        ours = self.own()
        return all(address in ours for address in told) if told and ours else None


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"
