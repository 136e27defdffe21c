"""The daemon's side of its enforcer: there is one as long as a lease is kept on this host.

See ``app.enforcer`` for what one does and why. An enforcer that dies is replaced; without one the cells are
served all the same, and it is said. Refuses to wait for it.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import shadowd
from shadowd.adapters.clock import SystemClock
from shadowd.adapters.deathwatch import DeathWatch
from shadowd.app import enforcer
from shadowd.app.enforcer import Orders
from shadowd.app.leases import KeptLeases, cells_with_leases
from shadowd.config.models import Settings
from shadowd.core.values import Instant, Seconds
from shadowd.log.setup import announce

_RARELY = Seconds(20)
_LIVED = Seconds(10)
"""An enforcer that ended sooner than this is not replaced at once: the next would end as well."""


class Enforcement:
    """The daemon's side: there is one enforcer as long as there is a master to look after."""

    def __init__(
        self, clock: SystemClock, post: Callable[[Callable[[], None]], None], *, silent: bool
    ) -> None:
        """``silent``: it prints nothing, and holds nothing open that the daemon will let go of."""
        self._clock = clock
        self._post = post
        self._output = subprocess.DEVNULL if silent else None
        self._orders: Orders | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._since = Instant(0)

    def appoint(self, settings: Settings) -> None:
        """Let there be no enforcer but one that knows these settings."""
        orders = _orders(settings)
        if orders == self._orders:
            return
        self._orders = orders
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None
        self._start_if_needed()

    def needed(self) -> None:
        """Hear that a lease was kept; any thread may say so, and often."""
        if self._child is None:
            self._post(self._start)

    def dismiss(self) -> None:
        """Let masters that beat by themselves go on alone: the daemon leaves in an orderly way."""
        orders = self._orders
        if orders is not None:
            runtime_dir = Path(orders.runtime_dir)
            for cell in cells_with_leases(runtime_dir) & orders.accounts.keys():
                KeptLeases(cell, runtime_dir, self._clock).leave()
        if self._child is not None:
            self._child.send_signal(signal.SIGTERM)

    def _start_if_needed(self) -> None:
        orders = self._orders
        if orders is not None and not cells_with_leases(Path(orders.runtime_dir)).isdisjoint(orders.accounts):
            self._start()

    def _start(self) -> None:
        if self._orders is None or self._child is not None:
            return
        argv = [sys.executable, "-m", enforcer.__name__, *self._orders.words()]
        package = str(Path(shadowd.__file__).parents[1])
        try:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                cwd="/",
                env={**os.environ, "PYTHONPATH": package},
                start_new_session=True,
            )
            pidfd = os.pidfd_open(child.pid)
        except OSError as error:
            announce("enforcer.missing", detail=error.strerror or str(error))
            return
        self._child, self._since = child, self._clock.now()
        # Without a watch nobody replaces one that dies.
        with contextlib.suppress(OSError, RuntimeError):
            DeathWatch(lambda: self._post(lambda: self._ended(child)), "enforcer").watch(pidfd)
        os.close(pidfd)

    def _ended(self, child: subprocess.Popen[bytes]) -> None:
        """Start another; not again and again one that cannot run at all."""
        if child is not self._child:
            return
        status, self._child = child.wait(), None
        if status == 0:  # it saw no lease; but one may just have come
            self._start_if_needed()
            return
        if self._clock.now() - self._since < _LIVED:
            announce("enforcer.missing", detail=f"it ended with status {status} at once")
            return
        self._start()


def _orders(settings: Settings) -> Orders:
    """Return what the enforcer of this process is told."""
    timings = [cell.timing() for cell in settings.cells]
    return Orders(
        os.getpid(),
        min(_RARELY, *(Seconds(timing.lease / 8) for timing in timings)),
        min(Seconds(timing.step_down_timeout / 4) for timing in timings),
        str(settings.log.file or ""),
        str(settings.runtime_dir),
        tuple(f"{cell.name}@{cell.launch.user or ''}" for cell in settings.cells),
    )
