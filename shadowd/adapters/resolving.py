"""Turns a host name into addresses within a deadline, although the resolver has none.

Why: getaddrinfo(3) asks DNS servers one after another and can take a minute when they are cut off, which
is just when a takeover is due. It cannot be interrupted; so it runs in a daemon thread that is abandoned
at the deadline. No more than one such thread per host name is left hanging: a name that is being asked
for already is not asked again.

Refuses to cache: an address that was right before the failure may be wrong after it.
"""

import queue
import socket
import threading
from collections.abc import Callable

Resolver = Callable[[str], list[str]]
_MOST_ADDRESSES = 8


def system_resolver(host: str) -> list[str]:
    """Ask the system; raises ``OSError`` when the name has no address."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Resolving:
    """Asks a resolver in abandoned threads."""

    def __init__(self, resolver: Resolver = system_resolver) -> None:
        self._resolver = resolver
        self._lock = threading.Lock()
        self._hanging: set[str] = set()

    def addresses(self, host: str, timeout: float) -> list[str] | str:
        """Return the addresses, IPv4 and IPv6, without repetition; or the reason why there are none."""
        with self._lock:
            if host in self._hanging:
                return "an earlier question to the resolver is still without an answer"
            self._hanging.add(host)
        answer: queue.SimpleQueue[list[str] | str] = queue.SimpleQueue()
        name = f"resolve:{host[:32]}"
        threading.Thread(target=self._ask, args=(host, answer), name=name, daemon=True).start()
        try:
            return answer.get(timeout=max(0.0, timeout))
        except queue.Empty:
            return "the resolver did not answer in time"

    def _ask(self, host: str, answer: "queue.SimpleQueue[list[str] | str]") -> None:
        try:
            # UnicodeError and ValueError: the name itself is no name.
            found = list(dict.fromkeys(self._resolver(host)))[:_MOST_ADDRESSES]
            answer.put(found or "the resolver names no address")
        except (OSError, ValueError) as error:
            answer.put(getattr(error, "strerror", None) or str(error))
        finally:
            with self._lock:
                self._hanging.discard(host)
