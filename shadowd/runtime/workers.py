"""Threads that may hang, so that the decision thread never does.

A worker blocked in the kernel cannot be ended from outside, only left behind: workers are daemon threads,
made on demand, and a lane that is stuck holds one and no more. Idle workers leave after a while, so
that a daemon of a thousand cells keeps as many threads as it has reads under way, not as it has cells.

Some are started at the beginning and never leave: where the host has no task or no memory left for another
thread, the daemon goes on with these. A job for which there is no worker then waits for the next that is
free, and it is said. Refuses to raise for want of a thread.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable

Job = Callable[[], None]


def _unheard(_detail: str) -> None:
    """Tell nobody."""


class Workers:
    """A pool that never makes a job wait behind one that hangs, as long as the host has a thread for it."""

    def __init__(
        self, *, idle_for: float = 30.0, kept: int = 0, failed: Callable[[str], None] = _unheard
    ) -> None:
        """``kept``: how many are started now and never leave. ``failed`` hears, on any thread, what fails."""
        self._idle_for = idle_for
        self._kept = kept
        self._failed = failed
        self._idle: list[queue.SimpleQueue[Job]] = []
        self._waiting: deque[Job] = deque()
        self._number = 0
        self._lock = threading.Lock()
        for _ in range(kept):
            self._start()

    def submit(self, job: Job) -> None:
        """Run the job on an idle worker or on a new one, else on the next that is free."""
        with self._lock:
            inbox = self._idle.pop() if self._idle else None
            if inbox is None:
                self._waiting.append(job)
        if inbox is not None:
            inbox.put(job)
        else:
            self.catch_up()

    def catch_up(self) -> None:
        """Start workers for jobs that wait; called now and then, for want of threads passes."""
        while self._waiting and self._start():
            pass

    def _start(self) -> bool:
        """Start a worker, which takes a waiting job first; False where there is no thread for it."""
        inbox: queue.SimpleQueue[Job] = queue.SimpleQueue()
        with self._lock:
            job = self._waiting.popleft() if self._waiting else None
        if job is not None:
            inbox.put(job)
        try:
            threading.Thread(target=self._work, args=(inbox,), name="shadowd-io", daemon=True).start()
        except (RuntimeError, MemoryError) as error:
            if job is not None:
                with self._lock:
                    self._waiting.appendleft(job)
            self._failed(f"no thread for another request: {error or type(error).__name__}")
            return False
        with self._lock:
            self._number += 1
            if job is None:
                self._idle.append(inbox)
        return True

    def _work(self, inbox: "queue.SimpleQueue[Job]") -> None:
        while True:
            try:
                job = inbox.get(timeout=self._idle_for)
            except queue.Empty:
                with self._lock:
                    if inbox in self._idle and self._number > self._kept:
                        self._idle.remove(inbox)
                        self._number -= 1
                        return
                continue  # one that is kept, or a job was on its way
            try:
                job()
            except Exception as error:  # noqa: BLE001 - a worker that dies is one less for everybody
                self._failed(f"a request failed: {type(error).__name__}: {error}")
            del job  # an idle worker keeps nothing alive
            with self._lock:
                if self._waiting:
                    inbox.put(self._waiting.popleft())
                else:
                    self._idle.append(inbox)
