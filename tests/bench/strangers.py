"""What other users' processes cost: the start and the stop of a master beside thousands of them, and alone.

They are idle, of a user without rights, and each has a large environment, with the marks that a claim tells.
Figures are ratios: with them, against without. The master is a script that sleeps, so all that is measured
is ours. "Dead" is when the master has ended; "done" is when it is known that nothing of its epoch is left.
"""

import os
import select
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shadowd.core.values import ExitKind
from tests.bench.table import Row, median
from tests.lab.outsiders import crowd
from tests.lab.processes import wait_for
from tests.lab.stand import ONE, Stand

_FILLING = {"FILLING": "x" * 100_000}
_MOST = 5.0
"""Times as long. Who reads two thousand environments needs a hundred times as long, and kills nobody."""


@dataclass(frozen=True)
class Times:
    """Seconds, the middle of some rounds."""

    start: float
    dead: float
    done: float


def measure(count: int, rounds: int, say: Callable[[str], None]) -> list[Row]:
    """Return the rows, for so many processes of others."""
    with tempfile.TemporaryDirectory() as top:
        stand = Stand(Path(top))
        say("start and stop of a master, alone")
        alone = _measure(stand, rounds)
        marks = {"SHADOWD_EPOCH": "1", "SHADOWD_NONCE": stand.nonce, "SHADOWD_ROLE": "master"}
        with crowd(count, _FILLING | marks):
            say(f"start and stop of a master, beside {count:,} processes of others")
            beside = _measure(stand, rounds)
        stand.clean_up()
    what = f"beside {count:,} processes of others, against alone:"
    return [
        Row(f"{what} start until seen", beside.start / alone.start, None, "x", _MOST),
        Row("… stop until dead", beside.dead / alone.dead, None, "x", _MOST),
        Row("… until known to be", beside.done / alone.done, None, "x", _MOST),
        Row("… the same in time", (beside.done - alone.done) * 1000, None, "ms more"),
    ]


def _measure(stand: Stand, rounds: int) -> Times:
    each = [_round(stand) for _ in range(rounds)]
    return Times(
        median(one.start for one in each), median(one.dead for one in each), median(one.done for one in each)
    )


def _round(stand: Stand) -> Times:
    """Start a master, let the next launcher stop it as an enforcer would."""
    launcher = stand.launcher(stand.script("exec sleep 600"))
    begun = time.monotonic()
    assert launcher.launch(ONE, stand.nonce) is None
    wait_for(
        lambda: launcher.inspect(ONE, stand.nonce).master is ExitKind.RUNNING, 30, "it runs", every=0.001
    )
    start = time.monotonic() - begun
    pid = launcher.inspect(ONE, stand.nonce).master_pid
    assert pid is not None
    pidfd = os.pidfd_open(pid)
    after = stand.launcher(stand.script("exec sleep 600"))
    try:
        begun = time.monotonic()
        assert after.stop_known(ONE, stand.nonce)
        assert select.select([pidfd], [], [], 30)[0]
        dead = time.monotonic() - begun
        assert after.stop(ONE, stand.nonce).alive == 0
        return Times(start, dead, time.monotonic() - begun)
    finally:
        os.close(pidfd)
        launcher.stop(ONE, stand.nonce)
