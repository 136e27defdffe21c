"""``server.lock`` and its ``.mutex``: a date that a holder renews, and fcntl locks as NFS keeps them.

The date is what the holder's own clock says, in whole seconds, because TORQUE sets it so. A lock ends with
its process at once; a frozen process keeps it for ever; a host that is cut off or crashed keeps it until the
file server's lease is over (90 s on NFSv4) or for ever (v3), as NFS.md measured. This module refuses to tell
a holder that its lock was lost: on NFSv4 nothing does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shadowd.core.values import Seconds
from shadowd.sim.clock import Moment, Timeline
from shadowd.sim.rivals.script import Player

V4_LEASE: Final = Seconds(90)


class FcntlLock:
    """A write lock on one file of the shared directory, as the file server sees it."""

    def __init__(self, timeline: Timeline, lease: Seconds | None = V4_LEASE) -> None:
        self.holder: Player | None = None
        self._timeline = timeline
        self._lease = lease
        self._unheard: Moment | None = None
        self._waiting: list[Callable[[], None]] = []

    def take(self, player: Player) -> bool:
        """Take the lock if it is free, or has lapsed by now, or is this process's already."""
        if self._free():
            self.holder, self._unheard = player, None
        return self.holder is player

    def drop(self, player: Player) -> None:
        """Let the lock go; nothing happens to somebody else's."""
        if self.holder is player:
            self.holder = None
            self.review()

    def when_free(self, wake: Callable[[], None]) -> None:
        """Call this once the lock may be free."""
        self._waiting.append(wake)
        self.review()

    def review(self) -> None:
        """Look whether it is free now, after something changed somewhere."""
        if self._waiting and self._free():
            waiting, self._waiting = self._waiting, []
            for wake in waiting:
                wake()

    def _free(self) -> bool:
        """Tell whether the server may give the lock away."""
        holder = self.holder
        if holder is None:
            return True
        if holder.host.up and not holder.seat.view.hangs:
            self._unheard = None
            return not holder.alive
        if self._lease is None:
            return False
        if self._unheard is None:
            self._unheard = self._timeline.now
            self._timeline.after(self._lease, self.review)
        return self._timeline.now - self._unheard >= self._lease


@dataclass(slots=True)
class DatedFile:
    """The lock file: nobody locks it, its date is all that it says."""

    date: int | None = None
    """Unix time in whole seconds by the clock of whoever touched it last; None: there is no file."""
