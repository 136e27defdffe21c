"""A thread that sleeps until a watched process ends, and then calls back.

Why: a guard looks at its master once a second or two; with this it looks the moment the master ends.
The thread polls duplicates of pidfds, so that nobody closes a descriptor under it, and exists only while
there is something to watch. The callback must not block: it wakes a loop and carries nothing.

Refuses to judge an end or to collect a status; see ``shadowd.adapters.reaping``.
"""

import os
import select
import threading
from collections.abc import Callable


class DeathWatch:
    """Calls ``on_end`` once for each watched process that ends."""

    def __init__(self, on_end: Callable[[], None], name: str = "deathwatch") -> None:
        self._on_end = on_end
        self._name = name
        self._lock = threading.Lock()
        self._watched: set[int] = set()
        self._bell: int | None = None

    def watch(self, pidfd: int) -> None:
        """Watch the process behind a pidfd; the caller keeps and closes its own descriptor.

        Raises ``OSError`` or ``RuntimeError`` when there is no descriptor or thread left for it.
        """
        with self._lock:
            if self._bell is None:
                bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
                try:
                    self._watched.add(os.dup(pidfd))
                    self._start(bell)
                except (OSError, RuntimeError):
                    os.close(bell)
                    raise
                self._bell = bell
                return
            self._watched.add(os.dup(pidfd))
            os.eventfd_write(self._bell, 1)

    def _start(self, bell: int) -> None:
        threading.Thread(target=self._run, args=(bell,), name=self._name, daemon=True).start()

    def close(self) -> None:
        """Forget everything; the thread ends at once and calls no more."""
        with self._lock:
            for descriptor in self._watched:
                os.close(descriptor)
            self._watched.clear()
            if self._bell is not None:
                os.eventfd_write(self._bell, 1)

    def _run(self, bell: int) -> None:
        while True:
            poller = select.poll()
            poller.register(bell, select.POLLIN)
            with self._lock:
                if not self._watched:
                    self._bell = None
                    os.close(bell)
                    return
                # Under the lock, or a descriptor closed meanwhile would be watched under a stranger's number.
                for descriptor in self._watched:
                    poller.register(descriptor, select.POLLIN)
            # No limit: there is nothing to do until one ends, and the bell rings for everything else.
            ready = [descriptor for descriptor, _ in poller.poll()]
            for _ in range(self._take(bell, ready)):
                self._on_end()

    def _take(self, bell: int, ready: list[int]) -> int:
        """Return how many watched processes ended, and forget them."""
        with self._lock:
            if bell in ready:
                # The set changed while we slept: a number may be another's by now, so ask again.
                os.eventfd_read(bell)
                return 0
            ended = self._watched.intersection(ready)
            self._watched -= ended
            for descriptor in ended:
                os.close(descriptor)
        return len(ended)
