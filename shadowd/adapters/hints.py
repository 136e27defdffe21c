"""Hints: datagrams that let the other hosts of a cell look sooner after a claim or notice was written.

A hint carries nothing and proves nothing. It names a cell, so that a daemon of a thousand cells looks at
one and not at all of them, and whoever is named looks at the shared directory as it would have done a
little later anyway. So nothing here is authenticated, counted or answered: forged, lost, repeated, huge or
binary datagrams cost a bounded piece of work, and without any the listing every ``notice_interval`` goes on.

Bounds: a cell is woken at most once a second and all cells together 100 times, what comes in between is
remembered; 64 datagrams are read at once, with a rest after each such turn, and the kernel drops what a
flood brings beyond that. One socket takes IPv4 and IPv6, where the host has both.

Where to send is in ``hosts/<host>.json``, as numbers: no resolver is asked, because it may be down together
with the master. A record without that (an older release, ``hints = false``) is passed over.

This module refuses to send on a thread that has anything else to do, and to send unless there is news.
"""

import json
import re
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from shadowd.adapters.addresses import MOST_ADDRESSES, RecentAddresses, numeric
from shadowd.adapters.reading import list_dir, read_small
from shadowd.core.values import Unknown

Place = tuple[int, tuple[str, ...]]
"""Where a daemon listens: its port, and the numeric addresses of its host."""

_FORM = re.compile(rb"shadowd hint 1 ([A-Za-z0-9_][A-Za-z0-9._-]{0,63})", re.ASCII)
_LONGEST = 128
_AT_ONCE = 64
_REST = 0.02
"""Seconds between two turns of reading."""
_WOKEN_AT_ONCE = 2
_EARLY = 1.0
"""A cell is woken at most once in this many seconds."""
_MOST_HOSTS = 1000
_RECORD = 64 * 1024
_BUFFER = 64 * 1024


class Hints:
    """The daemon's one socket: hears hints for its cells, and sends those of its cells.

    ``woken`` is called on this object's thread with a name that ``serves`` said yes to. Raises OSError where
    the port cannot be had.
    """

    def __init__(
        self,
        port: int,
        *,
        serves: Callable[[str], bool],
        woken: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._socket = _bound(port)
        self._port = int(self._socket.getsockname()[1])
        self._serves = serves
        self._woken = woken
        self._clock = clock
        self._pending: dict[str, float] = {}
        """Cells to wake, each with the moment from which that is allowed."""
        self._last: dict[str, float] = {}
        self._addresses = RecentAddresses(clock)

    def start(self) -> None:
        """Listen from now on, on a thread of its own."""
        threading.Thread(target=self._listen, name="shadowd-hints", daemon=True).start()

    def place(self) -> Place:
        """Return where others reach this daemon; asks nobody but the kernel, at most once a minute."""
        return self._port, self._addresses()

    def send(self, cell: str, place: Place) -> None:
        """Send one datagram to each address; what the network says about it is not asked."""
        port, addresses = place
        for address in addresses:
            with suppress(OSError):
                self._socket.sendto(encode(cell), (self._spelt(address), port))

    def turn(self) -> bool:
        """Read what is there, wake who may be woken; True if there is a reason to take a rest first."""
        heard = False
        now = self._clock()
        for _ in range(_AT_ONCE):
            try:
                data = self._socket.recv(_LONGEST + 1)
            except BlockingIOError:
                break
            except OSError:
                data = b""  # an error that the network reported for something that we sent
            heard = True
            name = decode(data)
            if name is not None and name not in self._pending and self._serves(name):
                self._pending[name] = max(now, self._last.get(name, now - _EARLY) + _EARLY)
        self._last = {name: then for name, then in self._last.items() if now < then + _EARLY}
        allowed = [name for name, moment in self._pending.items() if moment <= now]
        for name in allowed[:_WOKEN_AT_ONCE]:
            del self._pending[name]
            self._last[name] = now
            self._woken(name)
        return heard or len(allowed) > _WOKEN_AT_ONCE

    def patience(self) -> float | None:
        """Return how long ``turn`` has nothing to do unless a datagram comes; None: for ever."""
        if not self._pending:
            return None
        return max(0.0, min(self._pending.values()) - self._clock())

    def close(self) -> None:
        """Give the socket back; not while it is listened to."""
        self._socket.close()

    def _listen(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        while True:
            patience = self.patience()
            poll.poll(None if patience is None else patience * 1000 + 1)
            if self.turn():
                time.sleep(_REST)

    def _spelt(self, address: str) -> str:
        """Return an address as the socket's family wants it."""
        mapped = self._socket.family is socket.AF_INET6 and ":" not in address
        return f"::ffff:{address}" if mapped else address


class Telling:
    """Tells the other hosts of one cell, from workers, one at a time: while one is at it, more are one.

    ``submit`` runs a job that may hang; ``places`` reads where to send, and may.
    """

    def __init__(
        self,
        cell: str,
        *,
        submit: Callable[[Callable[[], None]], None],
        places: Callable[[], Iterator[Place]],
        send: Callable[[str, Place], None],
    ) -> None:
        self._cell = cell
        self._submit = submit
        self._places = places
        self._send = send
        self._lock = threading.Lock()
        self._wanted = 0
        """0: nothing to do; 1: somebody is at it; 2: and there is more news."""

    def tell(self) -> None:
        """Let the others look soon; any thread may call this, and returns at once."""
        with self._lock:
            idle, self._wanted = self._wanted == 0, min(2, self._wanted + 1)
        if idle:
            self._submit(self._work)

    def _work(self) -> None:
        try:
            for place in self._places():
                self._send(self._cell, place)
        except OSError:
            pass  # a hint that is not sent is one that was lost
        finally:
            with self._lock:
                self._wanted -= 1
                more = self._wanted > 0
        if more:
            self._submit(self._work)


def encode(cell: str) -> bytes:
    """Return the datagram."""
    return b"shadowd hint 1 " + cell.encode()


def decode(data: bytes) -> str | None:
    """Return the cell that a datagram names; None for anything that is no hint."""
    found = _FORM.fullmatch(data)
    return None if found is None else found[1].decode()


def places(directory: Path, host: str) -> Iterator[Place]:
    """Yield where the daemons of the other hosts listen, as each record of ``hosts`` is read; may hang."""
    names = list_dir(directory, 2 * _MOST_HOSTS)
    if isinstance(names, Unknown):
        return
    found = sorted(name for name in names if name.endswith(".json") and not name.startswith("."))
    for name in found[:_MOST_HOSTS]:
        if name != f"{host}.json":
            data = read_small(directory / name, _RECORD, listed=True)
            place = None if isinstance(data, Unknown) else parse(data)
            if place is not None:
                yield place


def parse(record: bytes) -> Place | None:
    """Return where the daemon of a record listens; None where it does not say so, or nothing of use."""
    try:
        hints: Any = json.loads(record)["hints"]
        port, listed = hints["port"], hints["addresses"]
    except (ValueError, RecursionError, KeyError, TypeError, IndexError):
        return None
    if type(port) is not int or not 0 < port < 1 << 16 or not isinstance(listed, list):
        return None
    addresses = tuple(filter(None, map(numeric, listed[:MOST_ADDRESSES])))
    return (port, addresses) if addresses else None


def _bound(port: int) -> socket.socket:
    """Return a socket for both families, or for IPv4 where the kernel has no other."""
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    try:
        made = socket.socket(socket.AF_INET6, kind)
    except OSError:
        made = socket.socket(socket.AF_INET, kind)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        if made.family is socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        try:
            made.bind(("", port))
        except OSError:
            if made.family is not socket.AF_INET6:
                raise
            made.close()  # IPv6 may be compiled in and switched off
            made = socket.socket(socket.AF_INET, kind)
            made.bind(("", port))
    except OSError:
        made.close()
        raise
    return made
