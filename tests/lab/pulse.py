"""A faster pulse for a real master: the test counts its heartbeat up as long as its process can run.

``sge_qmaster`` beats every 30 s, so a lease that a healthy one survives is longer than a test may take. The
value in the file is the only thing that is ours: it moves while the process that ``qmaster.pid`` names lives
and is not stopped, and stands still with it. ``hold`` stops it for a host that cannot reach the file.
"""

import os
import threading
from types import TracebackType
from typing import Self

from tests.lab import processes
from tests.lab.gridengine import Cell

EVERY = 0.3
"""Seconds between two beats."""


class Pulse:
    """Beats for the masters of one cell, from ``with`` to the end of its block."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._done = threading.Event()
        self._held = threading.Event()
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._beat, name=f"pulse of {cell.name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join(10)

    def hold(self) -> None:
        """Let no beat of ours come any more; none is under way when this returns."""
        with self._turn:
            self._held.set()

    def _beat(self) -> None:
        while not self._done.wait(EVERY):
            with self._turn:
                if not self._held.is_set() and self._runs():
                    self._count_up()

    def _runs(self) -> bool:
        try:
            pid = int((self._cell.spool / "qmaster.pid").read_text())
        except (OSError, ValueError):
            return False
        return processes.name(pid) == "sge_qmaster" and processes.state(pid) in ("R", "S", "D")

    def _count_up(self) -> None:
        try:
            file = os.open(self._cell.heartbeat, os.O_RDWR)
        except OSError:
            return
        try:
            word = os.read(file, 64).strip()
            os.pwrite(file, b"%05d\n" % (int(word) + 1 if word.isdigit() else 1), 0)
        finally:
            os.close(file)
