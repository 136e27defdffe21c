"""Words to the service manager (sd_notify): ready, alive, reloading, stopping.

The protocol is one datagram to ``$NOTIFY_SOCKET`` (sd_notify(3)); without that variable every call is a
no-op. The watchdog word must come from the decision loop, or it lies.
"""

import os
import socket
import time
from collections.abc import Mapping


class ServiceManager:
    """Tells systemd how we are."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
            if self._address
            else None
        )
        self.ping_every = _ping_interval(environ)
        """Seconds between two words to the manager's watchdog; infinite where nobody watches."""
        self._due = 0.0 if self.ping_every < float("inf") else self.ping_every

    def ready(self, status: str) -> None:
        """Say that the daemon serves its cells."""
        self._send(f"READY=1\nSTATUS={status}\nMAINPID={os.getpid()}")

    def alive(self) -> None:
        """Say that the decision loop took a turn; sent at half the manager's interval."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + self.ping_every
            self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """Say that the configuration is being read again."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Say that the daemon leaves."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Say nothing any more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, words: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(words.encode(), self._address)
        except OSError:
            return  # a manager that does not listen must not stop the daemon


def _ping_interval(environ: Mapping[str, str]) -> float:
    try:
        microseconds = int(environ.get("WATCHDOG_USEC", ""))
        wanted = int(environ.get("WATCHDOG_PID", str(os.getpid()))) == os.getpid()
    except ValueError:
        return float("inf")
    return microseconds / 2_000_000 if wanted and microseconds > 0 else float("inf")
