"""Runs a program to its end: what it is to read goes in, the end of what it says comes back.

Why not ``asking``: a program that switches a host off must be believed by its exit status however much it
said before, so its output is drained and only the end of it kept. What it reads may be a password, so it is
handed over in memory and never on a command line or a disk. It runs in a process group of its own; at the
limit, and at its own end too, what is left of the group is killed and collected.

Refuses a shell. A program in an uninterruptible wait is left behind rather than waited for.
"""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shadowd.core.values import Problem, Unknown

_KEPT = 4096
_PART = 65536
_BURY_LIMIT = 1.0
_LOOK_AGAIN = 0.01


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended; ``status`` None when it was killed at the limit, negative for a signal."""

    status: int | None
    said: str
    """The end of both its outputs, as it was written."""


def run(argv: Sequence[str], environment: Mapping[str, str], reads: bytes, ends: float) -> Ended | Unknown:
    """Run a program until ``time.monotonic()`` is ``ends``; Unknown where it was not started."""
    try:
        child = _start(argv, environment, reads)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return Unknown(Problem.MISSING, argv[0], f"{argv[0]} was not started: {reason}")
    said = b""
    try:
        said = _listen(child, ends)
    finally:
        status = _end(child)
    return Ended(status, said.decode("utf-8", "replace"))


def _start(argv: Sequence[str], environment: Mapping[str, str], reads: bytes) -> subprocess.Popen[bytes]:
    memory = os.memfd_create("stdin")
    # A blocked signal is handed down through execve, and a shell's own time limits need theirs.
    blocked = signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        os.write(memory, reads)
        os.lseek(memory, 0, os.SEEK_SET)
        return subprocess.Popen(
            argv,
            stdin=memory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd="/",
            start_new_session=True,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.close(memory)


def _listen(child: subprocess.Popen[bytes], ends: float) -> bytes:
    """Drain the output until the program ends, not until everybody has closed it: children may hold it."""
    heard = b""
    if child.stdout is None:
        return heard
    pidfd = os.pidfd_open(child.pid)
    try:
        pipe = child.stdout.fileno()
        os.set_blocking(pipe, False)
        poller = select.poll()
        poller.register(pipe, select.POLLIN)
        poller.register(pidfd, select.POLLIN)
        while (left := ends - time.monotonic()) > 0:
            ready = {descriptor for descriptor, _ in poller.poll(left * 1000)}
            part = _read(pipe)
            heard = (heard + part)[-_KEPT:]
            if pidfd in ready:
                break
            if pipe in ready and not part:
                poller.unregister(pipe)
    finally:
        os.close(pidfd)
    return heard


def _read(pipe: int) -> bytes:
    with contextlib.suppress(BlockingIOError):
        return os.read(pipe, _PART)
    return b""


def _end(child: subprocess.Popen[bytes]) -> int | None:
    # Asked before the pipe is closed: that alone would end one that still talks.
    ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    if child.stdout is not None:
        child.stdout.close()
    # Not collected yet, so the group's number cannot be another's.
    with contextlib.suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_BURY_LIMIT)
    _bury(child.pid)
    return child.returncode if ended else None


def _bury(group: int) -> None:
    """Collect the killed children that this process has inherited, should it be a subreaper."""
    ends = time.monotonic() + _BURY_LIMIT
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < ends:
            if os.waitid(os.P_PGID, group, os.WEXITED | os.WNOHANG) is None:
                time.sleep(_LOOK_AGAIN)
