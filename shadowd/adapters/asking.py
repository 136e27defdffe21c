"""Runs a small program for its answer: bounded in time and in what it may say.

Why: a probe or a question to an installed tool must not outlive its limit, whatever the tool does. It
runs in a process group of its own, so that its children go with it, and at the limit the group is killed.
A program in an uninterruptible read is left behind rather than waited for.

Refuses a shell, standard input, and more than 16 KiB of answer (the rest is not read).
"""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shadowd.adapters.user import FileUser

_MOST = 16 * 1024
_BURY_LIMIT = 1.0


@dataclass(frozen=True, slots=True)
class Said:
    """How a program answered; ``status`` None when it would have gone on at one of the limits."""

    status: int | None
    text: str


def ask(
    argv: Sequence[str],
    environment: Mapping[str, str],
    timeout: float,
    *,
    account: FileUser | None = None,
) -> Said | None:
    """Run a program and return what it said on both outputs; None when it could not be started.

    ``account``: as whom, where this process is root; None: as ourselves.
    """
    ends = time.monotonic() + timeout
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd="/",
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=account.groups if account else None,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    try:
        text = _listen(child, ends)
        # One that does not stop talking now waits for us to read on, and would do so until the limit.
        status = None if len(text) >= _MOST else _status(child, ends)
        return Said(status, text.decode("utf-8", "replace").strip())
    finally:
        _end(child)


def _listen(child: subprocess.Popen[bytes], ends: float) -> bytes:
    pipe = child.stdout
    heard = b""
    if pipe is None:
        return heard
    poller = select.poll()
    poller.register(pipe, select.POLLIN)
    while len(heard) < _MOST:
        left = ends - time.monotonic()
        if left <= 0 or not poller.poll(left * 1000):
            break
        part = os.read(pipe.fileno(), _MOST - len(heard))
        if not part:
            break
        heard += part
    return heard


def _status(child: subprocess.Popen[bytes], ends: float) -> int | None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        return child.wait(max(0.0, ends - time.monotonic()))
    return None


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.stdout is not None:
        child.stdout.close()
    if child.returncode is not None:
        return
    # Not collected yet, so the group's number cannot be another's.
    with contextlib.suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_BURY_LIMIT)
