"""What wakes the decision thread: an eventfd for words and signals, and ``watchdog`` for local files.

A file event only makes the next poll sooner. It carries no information, is filtered to changes (our own
reads would wake us otherwise) and matched on both paths (a replaced file shows as *moved*). Over a network
file system it sees nothing and nothing depends on it: no inotify, too many cells, a directory that is
missing, are one warning and no failure. The module is not named after the package on purpose.
"""

import os
import queue
import select
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers.api import BaseObserver, ObservedWatch

_MOST = 32
"""Each watched directory costs threads and an inotify instance, of which a user has 128."""


class EventWaker:
    """An eventfd that the loop sleeps on; also the target of ``signal.set_wakeup_fd``."""

    def __init__(self) -> None:
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._signals, self.signal_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._event, select.POLLIN)
        self._poll.register(self._signals, select.POLLIN)

    def wait(self, seconds: float) -> None:
        """Sleep until woken, a signal, or the time is over."""
        for fd, _ in self._poll.poll(max(0.0, seconds) * 1000):
            os.read(fd, 4096)

    def wake(self) -> None:
        """End the present or the next wait."""
        os.eventfd_write(self._event, 1)

    def close(self) -> None:
        """Give the descriptors back."""
        for descriptor in (self._event, self._signals, self.signal_fd):
            os.close(descriptor)


class Watches:
    """File watches of all cells: one observer, and one thread that sets them up, for that may hang.

    No method blocks or raises. ``unavailable`` is told once of each kind of trouble.
    """

    def __init__(self, *, unavailable: Callable[[str], None]) -> None:
        self._unavailable = unavailable
        self._observer: BaseObserver | None = None
        self._watches: dict[str, list[tuple[ObservedWatch, FileSystemEventHandler]]] = {}
        self._troubles: set[str] = set()
        self._jobs: queue.SimpleQueue[tuple[str, Callable[[], None]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def watch(self, owner: str, directory: Path, names: Iterable[str], changed: Callable[[], None]) -> None:
        """Call ``changed`` (on a thread of the observer) when one of these files changes."""
        wanted = frozenset(names)
        self._do(str(directory), lambda: self._schedule(owner, directory, wanted, changed))

    def forget(self, owner: str) -> None:
        """Watch nothing for this owner any more."""
        if self._thread is not None:
            self._do(owner, lambda: self._unschedule(owner))

    def _do(self, subject: str, job: Callable[[], None]) -> None:
        self._jobs.put((subject, job))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="shadowd-watch", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            subject, job = self._jobs.get()
            try:
                job()
            except Exception as error:  # noqa: BLE001 - whatever the package or the kernel says: we poll anyway
                self._complain(subject, _words(error))

    def _complain(self, subject: str, trouble: str) -> None:
        if trouble not in self._troubles and len(self._troubles) < _MOST:
            self._troubles.add(trouble)
            self._unavailable(f"{subject}: {trouble}")

    def _schedule(
        self, owner: str, directory: Path, names: frozenset[str], changed: Callable[[], None]
    ) -> None:
        from watchdog.events import (  # noqa: PLC0415 - a daemon without watches does without the package
            FileCreatedEvent,
            FileDeletedEvent,
            FileModifiedEvent,
            FileMovedEvent,
            FileSystemEventHandler,
        )

        if sum(map(len, self._watches.values())) >= _MOST:
            raise RuntimeError(f"more than {_MOST} directories: the others are only polled")

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event: "FileSystemEvent") -> None:
                paths = (os.fsdecode(event.src_path), os.fsdecode(event.dest_path))
                if any(os.path.basename(path) in names for path in paths):  # noqa: PTH119 - no Path an event
                    changed()

        kinds = [FileCreatedEvent, FileDeletedEvent, FileModifiedEvent, FileMovedEvent]
        handler = Handler()
        watch = self._running().schedule(handler, str(directory), event_filter=kinds)
        self._watches.setdefault(owner, []).append((watch, handler))

    def _unschedule(self, owner: str) -> None:
        """Forget all of an owner; a watch ends with its last handler, of whichever owner."""
        gone = self._watches.pop(owner, [])
        kept = {watch for others in self._watches.values() for watch, _ in others}
        if self._observer is not None:
            for watch, handler in gone:
                self._observer.remove_handler_for_watch(handler, watch)
            for watch in {watch for watch, _ in gone} - kept:
                self._observer.unschedule(watch)

    def _running(self) -> "BaseObserver":
        if self._observer is None:
            from watchdog.observers import Observer  # noqa: PLC0415 - see above

            observer = Observer()
            observer.daemon = True
            observer.start()
            self._observer = observer
        return self._observer


def _words(error: Exception) -> str:
    """Return what a person may read of an error; that of a package's own objects is none."""
    said = getattr(error, "strerror", None) or (
        str(error) if isinstance(error, OSError | RuntimeError) else ""
    )
    return said or f"an internal error ({type(error).__name__})"
