"""Becoming a daemon the old way: fork twice, and let the first process say truly how the start went.

The parent waits for one word from the daemon: ``ready`` or the error, so that an init script's exit status
means something. Under a service manager stay in the foreground instead.

Refuses to let a parent that lost its patience, or its life, harm the daemon.
"""

import contextlib
import os
import select
import sys
from collections.abc import Callable
from typing import NoReturn

_PATIENCE = 60
"""Seconds the parent waits for the daemon's word; the daemon itself takes 20 at most for its cells."""
_UNKNOWN = 70
_LONGEST = 4096


def open_streams() -> None:
    """Open what is closed of the standard streams, to nowhere.

    Else the next files opened would get their numbers: the log would go into a lock, or into a claim.
    """
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= 2:
        descriptor = os.dup(descriptor)
    os.close(descriptor)


def daemonize() -> Callable[[int, str], None]:
    """Go to the background. Returns, in the daemon, the word to say once: exit status and message.

    The calling process exits with that status and prints that message on standard error.
    """
    open_streams()
    reader, writer = os.pipe2(os.O_CLOEXEC)
    if os.fork():
        os.close(writer)
        _relay(reader)
    os.close(reader)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")

    said = False

    def say(status: int, message: str = "") -> None:
        nonlocal said
        if said:
            return  # it is the daemon's log that tells of what comes after its start
        said = True
        _leave_terminal()
        with contextlib.suppress(OSError):  # nobody waits for it any more
            os.write(writer, bytes([status]) + message.encode("utf-8", "replace")[:_LONGEST])
        os.close(writer)

    return say


def _relay(reader: int) -> NoReturn:
    """Wait for the word, pass it on, and exit; the first child is left to init."""
    try:
        ready, _, _ = select.select([reader], [], [], _PATIENCE)
        word = os.read(reader, 2 * _LONGEST) if ready else b""
    except KeyboardInterrupt:
        _exit(130, b"the daemon goes on starting in the background")
    if word:
        _exit(word[0], word[1:])
    if ready:
        _exit(_UNKNOWN, b"shadowd: the daemon ended before it was ready; see above, and its log")
    _exit(_UNKNOWN, f"shadowd: the daemon is not ready after {_PATIENCE} s and goes on; see its log".encode())


def _exit(status: int, message: bytes) -> NoReturn:
    if message:
        with contextlib.suppress(OSError):
            os.write(2, message + b"\n")
    os._exit(status)


def _leave_terminal() -> None:
    """Detach the standard streams, and not earlier: what goes wrong at the start must be seen."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # None where it was closed
            stream.flush()
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    if null > 2:
        os.close(null)
