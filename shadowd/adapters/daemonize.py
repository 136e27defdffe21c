"""Becoming a daemon the old way: fork twice, and let the first process say truly how the start went.

The parent waits for one word from the daemon: ``ready`` or the error, so that an init script's exit status
means something. Under a service manager stay in the foreground instead.
"""

import os
import select
import sys
from collections.abc import Callable
from typing import NoReturn

_PATIENCE = 60
"""Seconds the parent waits for the daemon's word."""


def daemonize() -> Callable[[int, str], None]:
    """Go to the background. Returns, in the daemon, the word to say once: exit status and message.

    The calling process exits with that status and prints that message on standard error.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    if os.fork():
        os.close(writer)
        _relay(reader)
    os.close(reader)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")

    def say(status: int, message: str = "") -> None:
        _leave_terminal()
        os.write(writer, bytes([status]) + message.encode()[:4096])
        os.close(writer)

    return say


def _relay(reader: int) -> NoReturn:
    ready, _, _ = select.select([reader], [], [], _PATIENCE)
    word = os.read(reader, 8192) if ready else b""
    if not word:
        sys.stderr.write("shadowd: the daemon ended before it was ready; see its log\n")
        os._exit(70)
    if word[1:]:
        sys.stderr.write(word[1:].decode("utf-8", "replace") + "\n")
        sys.stderr.flush()
    os._exit(word[0])


def _leave_terminal() -> None:
    """Detach the standard streams, and not earlier: what goes wrong at the start must be seen."""
    sys.stdout.flush()
    sys.stderr.flush()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    if null > 2:
        os.close(null)
