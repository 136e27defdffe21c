"""A process that enforces the leases of a daemon that died or stands still, where the guard is the heartbeat.

A Grid Engine master beats by itself, so a daemon that is gone makes nobody start another. In a cell whose
guard beats, the end of the beats is all that the others see, and they start a second master when the lease of
the first is over. So it must be over then, whatever became of the daemon: killed for want of memory, stopped
by a signal, switched off and forgotten (PROTOCOL rule 9). The enforcer shares nothing with the daemon but the
lease records of this host, sleeps most of the time, and lets the daemon go first.

It ends when the daemon is gone and no lease is left, or when new daemons serve the cells, which bring
their own (``enforcing``). It waits in memory all the time, so it imports little. Refuses to renew a lease, to
start anything, and to touch the shared directory.
"""

import os
import select
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shadowd.adapters.clock import SystemClock
from shadowd.app.leases import KeptLeases
from shadowd.core.values import Seconds
from shadowd.log.setup import set_up


@dataclass(frozen=True, slots=True)
class Orders:
    """What an enforcer is told, as the words of its command line."""

    daemon: int
    every: Seconds
    """How long a lease that it does not know of may be there."""
    grace: Seconds
    """How long the daemon goes first."""
    log: str
    runtime_dir: str
    cells: tuple[str, ...]

    @classmethod
    def read(cls, words: Sequence[str]) -> "Orders":
        """Return what the words say."""
        daemon, every, grace, log, runtime_dir, *cells = words
        return cls(int(daemon), Seconds(float(every)), Seconds(float(grace)), log, runtime_dir, tuple(cells))

    def words(self) -> tuple[str, ...]:
        """Return it as words."""
        return (str(self.daemon), str(self.every), str(self.grace), self.log, self.runtime_dir, *self.cells)


def stand_by(orders: Orders, clock: SystemClock) -> None:
    """Enforce leases until there is nothing left to do."""
    leases = [KeptLeases(cell, Path(orders.runtime_dir), clock) for cell in orders.cells]
    poll = select.poll()
    gone = False
    try:
        poll.register(os.pidfd_open(orders.daemon), select.POLLIN)
    except OSError:
        gone = True
    while True:
        if gone:
            leases = [each for each in leases if not each.served_by_another(orders.daemon)]
        ends = [end for each in leases if (end := each.expire(orders.grace)) is not None]
        if gone and not ends:
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
    stand_by(orders, SystemClock())


if __name__ == "__main__":
    main(sys.argv[1:])
