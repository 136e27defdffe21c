"""What wakes the decision thread: an eventfd for words and signals, and ``watchdog`` for local files.

A file event only makes the next poll sooner. It carries no information, is filtered to changes (our own
reads would wake us otherwise) and matched on both paths (a replaced file shows as *moved*). Over a network
file system it sees nothing and nothing depends on it: no inotify, too many cells, a directory that is
missing, are one warning and no failure. The module is not named after the package on purpose.
"""

import os
import select
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import BaseObserver

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


class Watches:
    """File watches of all cells, one observer for them."""

    def __init__(self, *, unavailable: Callable[[str], None]) -> None:
        self._unavailable = unavailable
        self._observer: BaseObserver | None = None
        self._count = 0

    def watch(self, directory: Path, names: Iterable[str], changed: Callable[[], None]) -> None:
        """Call ``changed`` (on a thread of the observer) when one of these files changes."""
        if self._count >= _MOST:
            return
        self._count += 1
        try:
            self._schedule(directory, frozenset(names), changed)
        except (OSError, ImportError, RuntimeError) as error:
            self._unavailable(f"{directory}: {error}")

    def _schedule(self, directory: Path, names: frozenset[str], changed: Callable[[], None]) -> None:
        from watchdog.events import (  # noqa: PLC0415 - a daemon without watches does without the package
            FileCreatedEvent,
            FileDeletedEvent,
            FileModifiedEvent,
            FileMovedEvent,
            FileSystemEventHandler,
        )
        from watchdog.observers import Observer  # noqa: PLC0415

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event: "FileSystemEvent") -> None:
                paths = (os.fsdecode(event.src_path), os.fsdecode(event.dest_path))
                if any(os.path.basename(path) in names for path in paths):  # noqa: PTH119 - no Path an event
                    changed()

        if self._observer is None:
            self._observer = Observer()
            self._observer.daemon = True
            self._observer.start()
        kinds = [FileCreatedEvent, FileDeletedEvent, FileModifiedEvent, FileMovedEvent]
        self._observer.schedule(Handler(), str(directory), event_filter=kinds)
