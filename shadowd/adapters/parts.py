"""One of the pair: which of its processes it is, and how it ended.

*Named* is a process that we started ourselves, or one that bears the program's name.

Which process is the master: the oldest living named one of its role. Where none is named, the oldest of
its role; but only as long as the ones before it ended like a program that puts itself in the background,
with status 0 and within five seconds. After any other end, what still lives is a stray: it counts as
alive, and not as a master. So a helper that outlives its crashed master is no master, and a start script
that leaves a program of another name behind is understood.

Refuses to look for processes: ``family`` does.
"""

import subprocess
import time
from dataclasses import dataclass, field

from shadowd.adapters import procfs
from shadowd.adapters.procfs import Process
from shadowd.core.values import ExitKind

MASTER, SCHEDULER = "master", "scheduler"


@dataclass(slots=True, eq=False)
class Member:
    """A process of the epoch, alive or ended, whose pidfd we hold until its end was dealt with."""

    process: Process
    role: str
    pidfd: int
    child: subprocess.Popen[bytes] | None = None
    """Set for the process that we started ourselves."""
    told: bool = False
    """Counts as named: it was adopted, or is known to be the master although its environment is gone."""
    since: float = field(default_factory=time.monotonic)

    @property
    def age(self) -> tuple[int, int]:
        """Sorts the oldest first."""
        return age_of(self.process)

    def is_named(self, names: frozenset[str]) -> bool:
        """Tell whether it bears one of the names now: the kernel's, or that of a script it runs.

        Asked anew at each look: a helper bears its master's name until its execve.
        """
        if self.child is not None or self.told:
            return True
        found = procfs.process(self.process.pid)
        words = (found.comm, *procfs.arguments(found.pid)[:2]) if found else ()
        return any(procfs.comm_of(word) in names for word in words)


@dataclass(slots=True)
class Part:
    """The state of one of the pair."""

    names: frozenset[str]
    current: Member | None = None
    settled: bool = False
    """True once an end was not that of a program putting itself in the background."""
    ended: ExitKind | None = None

    @property
    def kind(self) -> ExitKind | None:
        """Return whether it runs, or how it ended; None where it never was."""
        return ExitKind.RUNNING if self.current else self.ended

    def choose(self, living: list[Member]) -> None:
        """Take the right one of the living processes of this role as the current one."""
        living = sorted(living, key=lambda member: member.age)
        named = [member for member in living if member.is_named(self.names)]
        if self.current in named:
            return
        candidates = named or ([] if self.settled else living)
        self.current = candidates[0] if candidates else None


def age_of(process: Process) -> tuple[int, int]:
    """Return what sorts the oldest process first."""
    return int(process.start_token), process.pid


def exit_kind(statuses: list[int | None]) -> ExitKind:
    """Return how it ended, by the exit statuses of whoever speaks for it; None: not seen."""
    if any(statuses):
        return ExitKind.FAILED
    return ExitKind.UNSEEN if None in statuses else ExitKind.CLEAN
