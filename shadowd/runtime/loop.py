"""The decision thread: wait for the next date or a word from outside, then let each cell take its turn.

The order in a turn is fixed: posted words first (answers of workers, requests, signals), then what is due.
The loop holds the only queue between threads. The service manager's watchdog is fed from here and from
nowhere else, because only this thread's health means anything.
"""

import queue
from collections.abc import Callable

from shadowd.core.values import NEVER, Instant, Seconds
from shadowd.ports import Clock, Waker
from shadowd.runtime.runner import Runner
from shadowd.runtime.workers import Job

_LONGEST = Seconds(5)
"""The loop wakes at least this often, to feed the service manager's watchdog."""
_WORDS = 10_000
"""Words taken in one turn, so that a flood cannot keep the cells from their turn."""


class Loop:
    """Runs many cells until it is told to stop."""

    def __init__(self, clock: Clock, waker: Waker, *, alive: Callable[[], None]) -> None:
        self._clock = clock
        self._waker = waker
        self._alive = alive
        self._words: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._stopping = False
        self.runners: dict[str, Runner] = {}

    def post(self, word: Job) -> None:
        """Run this on the decision thread soon. Any thread may call it."""
        self._words.put(word)
        self._waker.wake()

    def stop(self) -> None:
        """Leave after this turn. Safe in a signal handler."""
        self._stopping = True
        self._waker.wake()

    def run(self) -> None:
        """Take turns until stopped."""
        while not self._stopping:
            self.turn()
            self._waker.wait(self.patience())

    def turn(self) -> None:
        """Take one turn."""
        self._alive()
        for _ in range(min(self._words.qsize(), _WORDS)):
            self._words.get_nowait()()
        now = self._clock.now()
        for runner in tuple(self.runners.values()):
            if runner.deadline() <= now:
                runner.turn()

    def patience(self) -> Seconds:
        """Return how long the loop may sleep before its next turn."""
        if not self._words.empty() or self._stopping:
            return Seconds(0)
        due = min((runner.deadline() for runner in self.runners.values()), default=NEVER)
        return Seconds(max(0.0, min(_LONGEST, Instant(due) - self._clock.now())))
