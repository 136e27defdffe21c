"""Collects the exit statuses of our own programs, and of nobody else's.

Why care: sge_qmaster forks twice, so a daemon that is a subreaper inherits children that it never
started, and each stays a zombie until it is collected. But a zombie may as well belong to another part
of the daemon that started it and is about to ask for its status; whoever takes that status away makes
``subprocess`` report 0, and a fence command that reports 0 says "certainly dead". So a zombie is taken only

- when we hold its pidfd and know it for a process of an epoch (its environment said so);
- when it leads or shares the session of such a process (a session's number cannot be another's while
  one of its processes is uncollected): the middle process of the double fork is found like this;
- when it bears our program's name, began after our start of it, and still lay there uncollected at a
  second look half a minute later, when no caller of ``subprocess`` can be waiting for it any more.

Refuses waitpid(-1) in all its forms. Statuses of those not yet taken are read without taking them.
"""

import os
import time

from shadowd.adapters import procfs
from shadowd.adapters.procfs import Process

_PATIENCE = 30.0


def collect(pidfd: int) -> int | None:
    """Take the exit status of a child that ended; None for one that lives, or is no child of ours."""
    return _status(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)


def peek(pid: int) -> int | None:
    """Read the exit status of a zombie child and leave it where it is."""
    return _status(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)


def take(zombie: Process) -> int | None:
    """Take the exit status of a zombie child that was found by its session."""
    return _status(os.P_PID, zombie.pid, os.WEXITED | os.WNOHANG)


def _status(kind: int, number: int, options: int) -> int | None:
    try:
        result = os.waitid(kind, number, options)
    except OSError:
        return None
    if result is None:
        return None
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


class Leftovers:
    """Zombies that are probably ours: remembered at one look, collected at a much later one."""

    def __init__(self, patience: float = _PATIENCE) -> None:
        self._patience = patience
        self._seen: dict[tuple[int, str], float] = {}

    def remember(self, zombies: list[Process]) -> None:
        """Note zombies that bear our program's name and that nobody can place."""
        for zombie in zombies:
            self._seen.setdefault((zombie.pid, zombie.start_token), time.monotonic())

    def sweep(self) -> int:
        """Collect those that nobody else has asked for by now; return how many."""
        if not self._seen:
            return 0
        lying = {(zombie.pid, zombie.start_token): zombie for zombie in procfs.zombie_children()}
        self._seen = {key: seen for key, seen in self._seen.items() if key in lying}
        ripe = [key for key, seen in self._seen.items() if time.monotonic() - seen >= self._patience]
        for key in ripe:
            take(lying[key])
            del self._seen[key]
        return len(ripe)
