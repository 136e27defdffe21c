"""Virtual time: one heap of what is to happen, and the hand that moves to the next of it.

A day of a cluster must take a second of a test, and the same seed must give the same day. So nothing in
the simulated world sleeps, starts a thread or reads a real clock: whatever takes time is a callback at a
moment, and two at one moment happen in the order in which they were asked for.

A callback may have an *owner*, whose clockwork it is part of; ``shift`` moves whole clockworks on, which is
how steady time is skipped (``sim.steady``). One without an owner stays where it is.

This module refuses to run for ever: too many callbacks without time going on is an error, for that is
what a busy loop of the tested code looks like from here.
"""

import heapq
from collections.abc import Callable, Mapping
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
        self._heap: list[tuple[Moment, int, Callable[[], None], object]] = []
        self._sequence = 0
        self._at_once = 0

    def after(self, seconds: float, callback: Callable[[], None], owner: object = None) -> None:
        """Call this so many seconds from now; a negative number counts as none."""
        self._sequence += 1
        now = self.now
        when = Moment(now + seconds) if seconds > 0 else now
        heapq.heappush(self._heap, (when, self._sequence, callback, owner))

    def step(self, until: Moment) -> bool:
        """Move to the next callback and make it; False if there is none up to this moment."""
        heap = self._heap
        if not heap or heap[0][0] > until:
            self.now = max(self.now, until)
            return False
        when, _, callback, _ = heapq.heappop(heap)
        if when > self.now:
            self.now = when
            self._at_once = 0
        else:
            self._at_once += 1
            if self._at_once > _AT_ONCE:
                raise BusyLoopError(f"{_AT_ONCE} callbacks at {self.now:.3f} s and no end: {callback}")
        callback()
        return True

    def fixed(self) -> Moment | None:
        """Return the next moment that belongs to nobody's clockwork."""
        return min((when for when, _, _, owner in self._heap if owner is None), default=None)

    def owners(self) -> frozenset[object]:
        """Return whose clockworks have something to do."""
        return frozenset(owner for *_, owner in self._heap if owner is not None)

    def shift(self, by: Mapping[object, Seconds]) -> None:
        """Move the clockworks of these owners on, each by its own time; now moves by the least of them."""
        self.now = Moment(self.now + min(by.values()))
        self._heap = [
            (when if owner is None else Moment(when + by[owner]), number, callback, owner)
            for when, number, callback, owner in self._heap
        ]
        heapq.heapify(self._heap)
