"""Between a daemon and its world: where faults strike, and where what was answered is put on record.

Every answer passes through ``_do``. A job that has to wait can therefore be run again (``sim.job``), and a
daemon may be crashed between any two operations.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from shadowd.core.values import ProbeOutcome, Problem, Unknown
from shadowd.sim.disk import HANGS, Disk, Fault, Op, View
from shadowd.sim.job import Suspended

if TYPE_CHECKING:
    from shadowd.sim.host import SimHost

T = TypeVar("T")

_SOUND = Fault(done=True, known=True)


class Gate:
    """The way of one host to one cell."""

    def __init__(self, home: "SimHost", disk: Disk) -> None:
        self.view = View(home.stir)
        self.disk = disk
        self.cell = disk.cell
        self._home = home

    def _do(self, op: Op, effect: Callable[[], T]) -> T | Unknown:
        """Answer from the record, or do it now with whatever fault strikes."""
        job = self._home.job
        if job.plain:
            return effect()
        if job.recalls:
            return cast("T | Unknown", job.recall())
        fault = self.view.fate(op) or _SOUND
        if fault is HANGS:
            self.view.wait(self._home.resumption(job))
            raise Suspended
        failure = Unknown(Problem.UNREADABLE, op.value, "simulated fault")
        effect = self.view.stale.get(op, effect)
        value = effect() if fault.done else failure
        answer = job.record(value if fault.known else failure)
        self._home.operated(self.cell, op)
        takes = self._home.timing.probe_timeout if answer is ProbeOutcome.SILENT else fault.late
        if math.isinf(takes):
            self.view.wait(self._home.resumption(job))
            raise Suspended
        if takes:
            self._home.soon(takes, self._home.resumption(job))
            raise Suspended
        return answer
