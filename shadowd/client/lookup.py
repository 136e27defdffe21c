"""Names to addresses, side by side, for a loop that polls: nobody waits for anybody's resolver.

getaddrinfo(3) has no limit and cannot be interrupted, so every name is asked for in a thread of its own,
which is left behind when it does not come back. A name that hangs is not asked for a second time: whoever
asks later waits for the same answer. Addresses need no thread. Refuses to remember: every question that
ended is asked anew.
"""

import _socket as socket  # see adapters.calling
import os
import threading
from collections.abc import Callable, Iterable
from typing import Self

Resolver = Callable[[str], Iterable[str]]
_MOST_ADDRESSES = 8


def system_resolver(host: str) -> Iterable[str]:
    """Ask the system; raises ``OSError`` when the name has no address."""
    # As bytes: of a string the codec for international names would be loaded first, for 5 ms.
    found = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Lookups:
    """All names of one search. Use as a context manager: it owns a descriptor."""

    def __init__(self, resolver: Resolver = system_resolver) -> None:
        self._resolver = resolver
        self._lock = threading.Lock()
        self._under_way: set[str] = set()
        self._answers: list[tuple[str, list[str] | str]] = []
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # A thread that comes late must not ring at whatever has this number by then.
        with self._lock:
            os.close(self._bell)
            self._bell = -1

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is an answer."""
        return self._bell

    def ask(self, host: str) -> list[str] | None:
        """Return what is an address already; else ask for the name, if that is not under way."""
        if _is_address(host):
            return [host]
        with self._lock:
            if host in self._under_way:
                return None
            self._under_way.add(host)
        name = f"resolve:{host[:32]}"
        try:
            threading.Thread(target=self._resolve, args=(host,), name=name, daemon=True).start()
        except RuntimeError as error:  # no more threads
            self._put(host, str(error))
        return None

    def take(self) -> list[tuple[str, list[str] | str]]:
        """Return names with their addresses, or with the reason why there are none, since the last call."""
        with self._lock:
            if self._answers:
                os.eventfd_read(self._bell)
            answers, self._answers = self._answers, []
        return answers

    def _resolve(self, host: str) -> None:
        try:
            found = list(dict.fromkeys(self._resolver(host)))[:_MOST_ADDRESSES]
            self._put(host, found or "the resolver names no address")
        except (OSError, ValueError) as error:  # ValueError: the name itself is none
            self._put(host, getattr(error, "strerror", None) or str(error))

    def _put(self, host: str, answer: list[str] | str) -> None:
        with self._lock:
            self._under_way.discard(host)
            if self._bell >= 0:
                self._answers.append((host, answer))
                os.eventfd_write(self._bell, 1)


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except (OSError, ValueError):
            continue
        return True
    return False
