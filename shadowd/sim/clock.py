"""Virtual time: one heap of what is to happen, and the hand that moves to the next of it.

A day of a cluster must take a second of a test, and the same seed must give the same day. So nothing in
the simulated world sleeps, starts a thread or reads a real clock: whatever takes time is a callback at a
moment, and two at one moment happen in the order in which they were asked for.

This module refuses to run for ever: too many callbacks without time going on is an error, for that is
what a busy loop of the tested code looks like from here.
"""

import heapq
from collections.abc import Callable
from typing import NewType

from shadowd.core.values import Seconds

Moment = NewType("Moment", float)
"""A point in virtual time, in seconds. No host can see it: each has a clock of its own."""

_AT_ONCE = 10_000
"""Callbacks at one moment; more is a busy loop."""


class BusyLoopError(Exception):
    """Something asks for one more callback at the same moment, again and again."""


class Timeline:
    """The virtual time of one world."""

    def __init__(self) -> None:
        self.now = Moment(0.0)
        self._heap: list[tuple[Moment, int, Callable[[], None]]] = []
        self._sequence = 0
        self._at_once = 0

    def after(self, seconds: Seconds, callback: Callable[[], None]) -> None:
        """Call this so many seconds from now; a negative number counts as none."""
        self._sequence += 1
        when = Moment(self.now + max(0.0, seconds))
        heapq.heappush(self._heap, (when, self._sequence, callback))

    def step(self, until: Moment) -> bool:
        """Move to the next callback and make it; False if there is none up to this moment."""
        if not self._heap or self._heap[0][0] > until:
            self.now = max(self.now, until)
            return False
        when, _, callback = heapq.heappop(self._heap)
        self._at_once = self._at_once + 1 if when == self.now else 0
        if self._at_once > _AT_ONCE:
            raise BusyLoopError(f"{_AT_ONCE} callbacks at {self.now:.3f} s and no end: {callback}")
        self.now = when
        callback()
        return True
