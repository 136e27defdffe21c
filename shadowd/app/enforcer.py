"""A process that enforces the leases of a daemon that died or stands still: the other half of a guard.

Whatever becomes of the daemon (killed for want of memory, stopped by a signal, hung), a master that was not
seen to beat for a lease must be gone, because other hosts start one then (PROTOCOL rule 9). No message could
tell them that a daemon stands still, least of all on a host that is cut off. The enforcer shares nothing with
the daemon but the lease records of this host, sleeps most of the time, and lets the daemon go first.

A master that beats by itself is well without a daemon too, and its lease goes on (``standin``). One whose
guard beats is not. A daemon that is stopped in an orderly way dismisses its enforcer: SIGTERM means that
masters which beat by themselves go on alone.

There is one while there is a lease (``enforcing``). It ends when none is left, or when new daemons, which
bring their own, serve the cells. It imports little. Refuses to start anything, and to write anything shared.
"""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shadowd.adapters.clock import SystemClock
from shadowd.app.leases import KeptLeases, cells_with_leases
from shadowd.app.standin import StandIn
from shadowd.core.values import Seconds
from shadowd.log.setup import set_up

_REST = 1.0
_IDLE = 2
"""Looks without a lease after which there is nothing to do here."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What an enforcer is told, as the words of its command line."""

    daemon: int
    every: Seconds
    """Between two looks, at most."""
    grace: Seconds
    """How long the daemon goes first."""
    log: str
    runtime_dir: str
    cells: tuple[str, ...]
    """Each with the user that its master is started as, where one is configured: ``cell@user``."""

    @property
    def accounts(self) -> dict[str, str | None]:
        """Return the cells by their names, each with that user."""
        parts = (cell.partition("@") for cell in self.cells)
        return {name: account or None for name, _, account in parts}

    @classmethod
    def read(cls, words: Sequence[str]) -> "Orders":
        """Return what the words say."""
        daemon, every, grace, log, runtime_dir, *cells = words
        return cls(int(daemon), Seconds(float(every)), Seconds(float(grace)), log, runtime_dir, tuple(cells))

    def words(self) -> tuple[str, ...]:
        """Return it as words."""
        return (str(self.daemon), str(self.every), str(self.grace), self.log, self.runtime_dir, *self.cells)


def stand_by(orders: Orders, clock: SystemClock, dismissed: threading.Event) -> None:
    """Enforce leases until there is nothing left to do; ``dismissed``: the daemon left in an orderly way."""
    runtime_dir = Path(orders.runtime_dir)
    wards = {
        cell: StandIn(KeptLeases(cell, runtime_dir, clock, account))
        for cell, account in orders.accounts.items()
    }
    idle, gone = 0, False
    poll = select.poll()
    try:
        poll.register(os.pidfd_open(orders.daemon), select.POLLIN)
    except OSError:
        gone = True
    while True:
        present = [wards[cell] for cell in sorted(cells_with_leases(runtime_dir) & wards.keys())]
        if gone:
            present = [each for each in present if not each.leases.served_by_another(orders.daemon)]
        found = [each.attend(orders.grace, dismissed=dismissed.is_set()) for each in present]
        ends = [end for end in found if end is not None]
        idle = 0 if ends else idle + 1
        if not ends and (gone or idle > _IDLE):
            return
        wait = max(0.0, min([orders.every, *(end - clock.now() for end in ends)]))
        if gone:  # its pidfd says so for ever
            time.sleep(wait)
        else:
            gone = bool(poll.poll(wait * 1000))


def main(words: Sequence[str]) -> None:
    """Be the enforcer of the daemon that the words name."""
    orders = Orders.read(words)
    set_up(file=Path(orders.log) if orders.log else None)
    dismissed = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: dismissed.set())
    while True:
        try:
            return stand_by(orders, SystemClock(), dismissed)
        except (OSError, RuntimeError, MemoryError):  # used up; leases are enforced all the same
            time.sleep(_REST)


if __name__ == "__main__":
    main(sys.argv[1:])
