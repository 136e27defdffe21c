"""The hardware watchdog of this host (``/dev/watchdog``): it resets the host unless it is fed.

Why: KILL does not end a process that hangs in the kernel, and a decision loop that hangs ends nothing. Both
leave a master that others are about to replace. Hardware that is fed only while every guard of this host
answers for its master takes the host away with it, no later than ``timeout`` after the last feed.

The device is opened when there is a master to guard and closed with the magic character ``V`` when there is
none any more, or when the daemon ends in an orderly way (Documentation/watchdog/watchdog-api of Linux). A
daemon that crashes while it guards leaves the hardware running, on purpose: its successor must feed it.

Some devices answer slowly (IPMI), so a thread of its own speaks to it; but it feeds only what the decision
loop asked for, each time, and a loop that is silent feeds nothing. A device that cannot be opened is reported
once for each kind of trouble and tried again each minute: the guards do their work without it.

Refuses to open anything but a character device, and to create anything: a slip in the path must not make a
regular file grow by a byte a second.
"""

import errno
import fcntl
import os
import platform
import stat
import struct
import threading
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from shadowd.core.values import Instant

_EVERY = 1.0
"""At most one feed in this many seconds."""
_PATIENCE = 2.0
"""Seconds that a master may take to die before anybody is told that the hardware is not fed."""
_TRY_AGAIN = 60.0
_MOST_TROUBLES = 8
_LONG_WORDS = platform.machine().startswith(("ppc", "mips", "sparc", "alpha"))
# _IOWR('W', 6, int) and _IOR('W', 7, int); these architectures number directions and sizes differently.
SET_TIMEOUT = 0xC0045706
GET_TIMEOUT = 0x40045707 if _LONG_WORDS else 0x80045707


class Feeding(Enum):
    """What the decision loop wants of the device."""

    OFF = "off"
    """Nothing is guarded here."""
    FEED = "feed"
    WITHHOLD = "withhold"
    """A guard does not answer for its master: let the time run out."""


class HardwareWatchdog:
    """Feeds one device. All methods are for the decision thread and do not block; ``close`` waits a second.

    ``timeout``, in seconds, is asked for when the device is opened. ``say`` gets an event name and a
    detail, on any thread.
    """

    def __init__(
        self,
        path: Path,
        timeout: int,
        say: Callable[[str, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._timeout = timeout
        self._say = say
        self._clock = clock
        self._wish = Feeding.OFF
        self._next = 0.0
        self._withheld: float | None = None
        self._told = False
        self._news = threading.Event()
        self._settled = threading.Event()
        self._thread: threading.Thread | None = None
        self._device: int | None = None
        self._retry = 0.0
        self._troubles: set[str] = set()

    def attend(self, ends: list[Instant], now: Instant) -> None:
        """Feed, or not: ``ends`` holds until when each guard of this host answers for its master."""
        wish = Feeding.OFF
        if ends:
            wish = Feeding.FEED if now < min(ends) else Feeding.WITHHOLD
        moment = self._clock()
        self._note_withheld(moment, withheld=wish is Feeding.WITHHOLD)
        if wish is self._wish and (wish is not Feeding.FEED or moment < self._next):
            return
        self._wish = wish
        self._next = moment + _EVERY
        self._wake()

    def close(self) -> None:
        """Stop the hardware, unless it has to end a master that does not die.

        A device that hangs is left as it is after a second.
        """
        if self._thread is not None and not self._told:
            self._wish = Feeding.OFF
            self._settled.clear()
            self._wake()
            self._settled.wait(_EVERY)

    def _note_withheld(self, moment: float, *, withheld: bool) -> None:
        if not withheld:
            self._withheld, self._told = None, False
        elif self._withheld is None:
            self._withheld = moment
        elif moment >= self._withheld + _PATIENCE and not self._told:
            self._told = True
            self._say("hardware.withheld", f"{self._path}: this host is reset unless the old master dies")

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="shadowd-hardware", daemon=True)
            self._thread.start()
        self._news.set()

    # --- on the device's own thread --------------------------------------------------------------------

    def _serve(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            try:
                self._obey(self._wish)
            except OSError as error:
                self._complain(error.strerror or str(error))
                self._drop()
            self._settled.set()

    def _obey(self, wish: Feeding) -> None:
        if wish is Feeding.FEED:
            if self._device is None:
                self._open()
            if self._device is not None:
                os.write(self._device, b"\0")
        elif wish is Feeding.OFF and self._device is not None:
            os.write(self._device, b"V")
            self._drop()
            self._say("hardware.disarmed", str(self._path))

    def _open(self) -> None:
        if self._clock() < self._retry:
            return
        self._retry = self._clock() + _TRY_AGAIN
        device = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
        if not stat.S_ISCHR(os.fstat(device).st_mode):
            os.close(device)
            raise OSError(errno.ENODEV, "is no character device")
        self._retry = 0.0
        self._device = device
        self._troubles.clear()
        wanted = self._timeout
        granted = _set_timeout(device, wanted)
        detail = f"{self._path}: resets this host {granted or '?'} s after the last feed"
        if granted is None or granted > wanted:
            detail += f"; {wanted} s were asked for, and later than that another master may be running"
        self._say("hardware.armed", detail)

    def _complain(self, trouble: str) -> None:
        if trouble not in self._troubles and len(self._troubles) < _MOST_TROUBLES:
            self._troubles.add(trouble)
            self._say("hardware.unavailable", f"{self._path}: {trouble}")

    def _drop(self) -> None:
        if self._device is not None:
            os.close(self._device)
            self._device = None


def _set_timeout(device: int, seconds: int) -> int | None:
    """Ask for a time limit; return the one in force, None where the device does not say."""
    for request, word in ((SET_TIMEOUT, struct.pack("i", seconds)), (GET_TIMEOUT, struct.pack("i", 0))):
        try:
            (granted,) = struct.unpack("i", fcntl.ioctl(device, request, word))
        except OSError:
            continue
        return int(granted)
    return None
