"""Many runs on all processors, in an order that does not depend on how many there are.

Runs are independent and short, so they go out in batches to processes that are started anew (``spawn``): no
thread or open file of the caller is inherited. An interrupt ends the workers at once. This module refuses
to hide an error in a run: the first one ends everything.
"""

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from typing import Final

from shadowd.sim.rivals.contest import Run, compete
from shadowd.sim.swarm import SeedResult

_BATCH: Final = 4
_WORTH: Final = 16
"""Fewer runs are over before a second process has started."""


def results(runs: Sequence[Run], jobs: int) -> Iterator[tuple[Run, SeedResult]]:
    """Yield every run with what it came to, in the order given."""
    jobs = min(jobs, len(runs) // _BATCH)
    if jobs < 2 or len(runs) < _WORTH:
        for run in runs:
            yield run, compete(run)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs, initializer=_leave_interrupts_to_the_parent) as pool:
        yield from zip(runs, pool.imap(compete, runs, chunksize=_BATCH), strict=True)


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
