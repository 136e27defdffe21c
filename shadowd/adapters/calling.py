"""One TCP address, asked for a sign of life: connect, send a few bytes, wait for one back.

A connection proves nothing: the kernel accepts for a process that is stopped. So something is sent, and
only a byte or a close from the other side counts. Many calls are made side by side by whoever polls them;
nothing here waits. Apart from ``knocking``, because clients look for their server without loading a
single module of the daemon.

Refuses the resolver: an address is digits. Refuses to judge what a broken connection means; the protocols
differ in that.
"""

import _socket as socket  # what socket itself is made of; that takes 5 ms to load, a tenth of a `locate`
import errno
import os
import select
from enum import Enum
from typing import NamedTuple

_NOBODY = frozenset(
    {
        errno.ECONNREFUSED,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.EHOSTDOWN,
        errno.ENETDOWN,
        errno.ENONET,
    }
)
_BROKE_OFF = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED})


class Sign(Enum):
    """What one address gave to hear."""

    ANSWERS = "answers"
    """A byte, or an orderly close."""
    BROKE_OFF = "broke off"
    """It accepted, or was about to, and reset the connection: somebody, or its kernel, is there and acts."""
    REFUSES = "refuses"
    SILENT = "silent"
    UNABLE = "unable"
    """It could not be asked, for a reason that lies on our side."""


class Heard(NamedTuple):
    """The end of a call."""

    sign: Sign
    text: str
    """For people, with the address."""


class Call:
    """One address being asked; ``begin`` makes it."""

    __slots__ = ("_connected", "_frame", "_socket", "address")

    def __init__(self, address: str, client: socket.socket, frame: bytes) -> None:
        self.address = address
        self._socket = client
        self._frame = frame
        self._connected = False

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._socket.fileno()

    @property
    def events(self) -> int:
        """Return what to poll it for."""
        return select.POLLIN if self._connected else select.POLLOUT

    def turn(self) -> Heard | None:
        """Go on after the poll; None while there is more to wait for. What was heard ends the call."""
        heard = self._listen() if self._connected else self._send()
        if heard is not None:
            self._socket.close()
        return heard

    def give_up(self) -> Heard:
        """End the call, whose time is over."""
        self._socket.close()
        what = "accepts, but gives no sign of life" if self._connected else "does not accept"
        return Heard(Sign.SILENT, f"{self.address} {what}")

    def _send(self) -> Heard | None:
        number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            return failed(self.address, number)
        self._connected = True
        try:
            if self._socket.getsockname() == self._socket.getpeername():
                # The kernel may pick the very port that is asked as ours, and we would talk to ourselves.
                return failed(self.address, errno.ECONNREFUSED)
            self._socket.send(self._frame)
        except OSError as error:
            # A socket that was reset between the connection and the first word says that it has no peer.
            return failed(self.address, errno.ECONNRESET if error.errno == errno.ENOTCONN else error.errno)
        return None

    def _listen(self) -> Heard | None:
        try:
            heard = self._socket.recv(1)
        except BlockingIOError:
            return None
        except OSError as error:
            return failed(self.address, error.errno)
        return Heard(Sign.ANSWERS, f"{self.address} {'answers' if heard else 'closed on us'}")


def begin(address: str, port: int, frame: bytes) -> Call | Heard:
    """Begin to connect, without waiting; what is heard at once is returned instead of the call."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        # Anything but digits would be asked of the resolver here, without a limit.
        socket.inet_pton(family, address.partition("%")[0])
        client = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else "is no address"
        return Heard(Sign.UNABLE, f"{address}: {reason}")
    try:
        number = client.connect_ex((address, port))
    except (OSError, OverflowError) as error:
        client.close()
        return Heard(Sign.UNABLE, f"{address}: {error}")
    if number not in {0, errno.EINPROGRESS}:
        client.close()
        return failed(address, number)
    return Call(address, client, frame)


def failed(address: str, number: int | None) -> Heard:
    """Return what an error of the connection says about the other side."""
    text = f"{address}: {os.strerror(number or 0).lower()}"
    if number in _NOBODY:
        return Heard(Sign.REFUSES, text)
    if number in _BROKE_OFF:
        return Heard(Sign.BROKE_OFF, text)
    return Heard(Sign.SILENT if number == errno.ETIMEDOUT else Sign.UNABLE, text)
