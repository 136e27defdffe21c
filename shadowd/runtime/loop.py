"""The decision thread: wait for the next date or a word from outside, then let each cell take its turn.

The order in a turn is fixed: posted words first (answers of workers, requests, signals), then what is due.
The loop holds the only queue between threads. The service manager's watchdog is fed from here and from
nowhere else, because only this thread's health means anything.

Nothing that is raised in a turn ends this thread: memory or threads that are used up, and bugs, are reported,
and the next word or cell has its turn. A cell whose turn failed is due again a moment later.
"""

import contextlib
import heapq
import queue
from collections.abc import Callable
from functools import partial

from shadowd.core.values import NEVER, Instant, Seconds
from shadowd.ports import Clock, Waker
from shadowd.runtime.runner import Runner
from shadowd.runtime.workers import Job

_LONGEST = Seconds(5)
"""The loop wakes at least this often."""
_AGAIN = Seconds(1)
"""What failed is tried again after this long."""
_WORDS = 10_000
"""Words taken in one turn, so that a flood cannot keep the cells from their turn."""


def _unheard(_error: Exception) -> None:
    """Tell nobody."""


class Loop:
    """Runs many cells until it is told to stop."""

    def __init__(
        self,
        clock: Clock,
        waker: Waker,
        *,
        alive: Callable[[], None],
        longest: float = _LONGEST,
        failed: Callable[[Exception], None] = _unheard,
    ) -> None:
        """``failed`` hears what was raised in a turn; what it raises itself is dropped."""
        self._clock = clock
        self._failed = failed
        self._waker = waker
        self._alive = alive
        self._longest = Seconds(min(longest, _LONGEST))
        """A service manager with less patience is fed more often."""
        self._words: queue.SimpleQueue[tuple[Job, str | None]] = queue.SimpleQueue()
        self._stopping = False
        self.runners: dict[str, Runner] = {}
        self._agenda: list[tuple[Instant, str]] = []
        """A heap of dates; one that is not its runner's present date any more is passed over."""
        self._due: dict[str, Instant] = {}

    def post(self, word: Job, runner: str | None = None) -> None:
        """Run this on the decision thread soon. Any thread may call it.

        ``runner`` names the only one whose dates the word can change, or that it adds or removes; None: any.
        """
        self._words.put((word, runner))
        self._waker.wake()

    def note(self, word: Job, runner: str | None = None) -> None:
        """Run this at the beginning of the next turn, whenever that is. Any thread may call it.

        For what nobody waits for: waking a thread costs more than most words.
        """
        self._words.put((word, runner))

    def stop(self) -> None:
        """Leave after this turn. Safe in a signal handler."""
        self._stopping = True
        self._waker.wake()

    def run(self) -> None:
        """Take turns until stopped."""
        while not self._stopping:
            self._survive(self.turn)
            wait = _AGAIN
            with contextlib.suppress(Exception):
                wait = self.patience()
            self._survive(partial(self._waker.wait, wait))

    def turn(self) -> None:
        """Take one turn."""
        self._survive(self._alive)
        changed: set[str] = set()
        for _ in range(min(self._words.qsize(), _WORDS)):
            word, name = self._words.get_nowait()
            self._survive(word)
            changed.update((*self.runners, *self._due) if name is None else (name,))
        self._enter_all(changed)
        for name in self._overdue(self._clock.now()):
            if self._survive(self.runners[name].turn):
                self._enter(name)
            else:
                self._enter_at(name, Instant(self._clock.now() + _AGAIN))

    def patience(self) -> Seconds:
        """Return how long the loop may sleep before its next turn."""
        if not self._words.empty() or self._stopping:
            return Seconds(0)
        self._enter_all(set())
        while self._agenda and self._due.get(self._agenda[0][1]) != self._agenda[0][0]:
            heapq.heappop(self._agenda)
        due = self._agenda[0][0] if self._agenda else NEVER
        return Seconds(max(0.0, min(self._longest, due - self._clock.now())))

    def _enter_all(self, changed: set[str]) -> None:
        """Enter the runners whose dates may have changed, and those that came or went."""
        for name in changed:
            self._enter(name)
        # Only where the numbers differ: to compare a thousand names costs more than all else in a turn.
        if len(self.runners) != len(self._due):
            for name in self.runners.keys() ^ self._due.keys():
                self._enter(name)

    def _enter(self, name: str) -> None:
        """Put a runner's present date into the agenda: with a thousand cells nobody asks each, each turn."""
        runner = self.runners.get(name)
        if runner is None:
            self._due.pop(name, None)
            return
        self._enter_at(name, runner.deadline())

    def _enter_at(self, name: str, due: Instant) -> None:
        if self._due.get(name) != due:
            self._due[name] = due
            heapq.heappush(self._agenda, (due, name))

    def _survive(self, job: Job) -> bool:
        """Do it; False, and a report, where it raises."""
        try:
            job()
        except Exception as error:  # noqa: BLE001 - this thread must not end: masters are guarded from it
            with contextlib.suppress(Exception):
                self._failed(error)
            return False
        return True

    def _overdue(self, now: Instant) -> tuple[str, ...]:
        """Take the runners out of the agenda that have something to do by now, each once."""
        names: dict[str, None] = {}
        while self._agenda and self._agenda[0][0] <= now:
            due, name = heapq.heappop(self._agenda)
            if self._due.get(name) == due and name in self.runners:
                del self._due[name]
                names[name] = None
        return tuple(names)
