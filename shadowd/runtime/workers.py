"""Threads that may hang, so that the decision thread never does.

A worker blocked in the kernel cannot be ended from outside, only left behind: workers are daemon threads,
made on demand, and a lane that is stuck holds one and no more. Idle workers leave after a while, so
that a daemon of a thousand cells keeps as many threads as it has reads under way, not as it has cells.
"""

import queue
import threading
from collections.abc import Callable

Job = Callable[[], None]


class Workers:
    """A pool that never makes a job wait behind one that hangs."""

    def __init__(self, *, idle_for: float = 30.0) -> None:
        self._idle_for = idle_for
        self._idle: list[queue.SimpleQueue[Job]] = []
        self._lock = threading.Lock()

    def submit(self, job: Job) -> None:
        """Run the job on an idle worker, or on a new one."""
        with self._lock:
            inbox = self._idle.pop() if self._idle else None
        if inbox is not None:
            inbox.put(job)
            return
        inbox = queue.SimpleQueue()
        inbox.put(job)
        threading.Thread(target=self._work, args=(inbox,), name="shadowd-io", daemon=True).start()

    def _work(self, inbox: queue.SimpleQueue[Job]) -> None:
        while True:
            try:
                job = inbox.get(timeout=self._idle_for)
            except queue.Empty:
                with self._lock:
                    if inbox in self._idle:
                        self._idle.remove(inbox)
                        return
                continue  # a job was on its way
            job()
            del job  # an idle worker keeps nothing alive
            with self._lock:
                self._idle.append(inbox)
