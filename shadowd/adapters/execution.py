"""Executes one program of the pair, as its user, in its directory, with nothing inherited by accident.

Its output goes to a local log; one that cannot be opened is no reason to be without a master. Refuses a
shell.
"""

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from shadowd.adapters import user
from shadowd.adapters.pairlog import open_log
from shadowd.core.values import Problem, Unknown
from shadowd.errors import CellError


@dataclass(frozen=True, slots=True)
class Program:
    """One of the pair, and what it is started with."""

    argv: tuple[str, ...]
    cwd: str | None = None
    """None: the root directory."""
    user: str | None = None
    """None: as the daemon. Ignored where the daemon is not root."""
    umask: int = 0o022
    name: str = ""
    """The program that the first one becomes, where that is not the one that stays."""


def execute(
    program: Program, environment: dict[str, str], log_path: Path | None
) -> subprocess.Popen[bytes] | Unknown:
    """Start a program in a session of its own; it goes on when this daemon ends."""
    log = open_log(log_path)
    # A blocked signal is handed down through execve, and worker threads may block what a master needs.
    blocked = signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        ids = _ids(program)
        return subprocess.Popen(
            program.argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=program.cwd or "/",
            env=environment,
            start_new_session=True,
            umask=program.umask,
            user=ids.uid if ids else None,
            group=ids.gid if ids else None,
            extra_groups=ids.groups if ids else None,
        )
    except CellError as error:
        return Unknown(Problem.MISSING, error.subject, error.reason)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return not_executed(program, error)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if log >= 0:
            os.close(log)


def _ids(program: Program) -> user.FileUser | None:
    if program.user is None or os.geteuid() != 0:
        return None
    return user.lookup(program.user)


def not_executed(program: Program, error: Exception) -> Unknown:
    """Say which path and why; ``subprocess`` names the directory where that is the trouble."""
    path = str(getattr(error, "filename", None) or program.argv[0])
    reason = getattr(error, "strerror", None) or str(error)
    missing = isinstance(error, FileNotFoundError | NotADirectoryError)
    return Unknown(
        Problem.MISSING if missing else Problem.UNREADABLE,
        path,
        f"{path} was not started: {reason}",
    )
