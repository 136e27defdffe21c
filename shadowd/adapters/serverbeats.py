"""What the guard of a TORQUE cell's server writes as a sign of life: the heartbeat, and the date of the lock.

The heartbeat is what hosts of ours go by, so it is what counts; the lock is refreshed after it, for every
real ``pbs_server --ha``, and only with the method that goes by dates (TORQUE.md, "Later releases"). What
fails there is no matter: a healthy server must outlive any error on the lock file.

A ``pbs_server`` that starts empties the file that ours holds. Held and empty it says nothing of whose it is,
and nobody could take over from a host that stands still: it is written again. Not with ``fcntl``, which is
for release 2.3: there a ``--ha`` that emptied it waits for the lock of this very file, and would have it when
the server that stands still is gone at last, whatever file has the name by then. So all wait with it.

A server that puts itself into the background writes another session into the lock than the one that took it;
its processes are known by their mark, so the record follows. Refuses to touch a lock in which another
server is written.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from shadowd.adapters.genericfiles import BeatFile
from shadowd.adapters.publish import rewrite_file
from shadowd.adapters.reading import read_small
from shadowd.adapters.serverlock import LEASE, ServerLockFile, Session, word
from shadowd.core.values import Epoch, Problem, Unknown

_LIMIT: Final = 4096
_PATIENCE: Final = 2.0
_AGAIN: Final = 0.02


class ServerBeats:
    """The beats of one cell's server, none before it has the lock. Called by one thread at a time."""

    def __init__(
        self, beats: BeatFile, lock: ServerLockFile, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._beats = beats
        self._lock = lock
        self._sleep = sleep
        self._holds = Epoch(0)

    def write(self, epoch: Epoch) -> Unknown | None:
        """Count up by one and refresh the lock; None when the beat is on the server's disk.

        The first beat of an epoch waits a moment for its server to have the lock: a beat confirms the start.
        """
        if epoch != self._holds and not self._has_lock(epoch):
            detail = f"the server of epoch {epoch} has not taken {self._lock.path} yet; see its log"
            return Unknown(Problem.MISSING, str(self._lock.state / "server.session"), detail)
        self._holds = epoch
        problem = self._beats.write(epoch)
        if problem is None:
            self._keep_up()
        return problem

    def _has_lock(self, epoch: Epoch) -> bool:
        for _ in range(int(_PATIENCE / _AGAIN)):
            session = self._lock.session()
            if session is not None and session.epoch == epoch:
                return True
            self._sleep(_AGAIN)
        return False

    def _keep_up(self) -> None:
        session = self._lock.session()
        content = read_small(self._lock.path, _LIMIT)
        if session is None:
            return
        if isinstance(content, Unknown):
            # Whoever removed it, ours lives. The kernel's lock is the server's own to take.
            if content.problem is Problem.MISSING and self._lock.method == LEASE:
                rewrite_file(self._lock.path, f"{session.session}\n".encode(), 0o600)
        elif self._lock.method == LEASE and not word(content) and session.epoch == self._holds:
            rewrite_file(self._lock.path, f"{session.session}\n".encode(), 0o600)
        elif word(content) != session.session:
            self._follow(session, word(content))
        elif self._lock.method == LEASE:
            with suppress(OSError):
                os.utime(self._lock.path)

    def _follow(self, session: Session, content: str) -> None:
        """Correct the record where another process of the same server wrote itself into the lock."""
        if session.runs(content, self._lock.users):
            with suppress(OSError):
                self._lock.record(session, content, self._lock.path.stat().st_ino)
