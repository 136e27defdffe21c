"""One TCP address, asked whether a master answers there: connect, send a request, read the reply.

A connection proves nothing: the kernel accepts for a process that is stopped, and any user may listen on a
port that nobody holds. So a request is sent, and only what the master's own protocol replies to it counts as
an answer (``Question``). Who accepts and says something else, or closes, or resets the connection, *listens*:
somebody is there, and nobody can say that it is a master.

Many calls are made side by side by whoever polls them; nothing here waits. Apart from ``knocking``, because
clients look for their server without loading a single module of the daemon.

Refuses the resolver: an address is digits. Refuses to read more than a reply's first 4 KiB.
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
_MOST = 4096


class Question(NamedTuple):
    """What is sent, and what the reply of a master is known by."""

    request: bytes
    answer: bytes | None
    """The reply contains this; None: no reply is known by its bytes."""
    close_answers: bool = False
    """A master replies by an orderly close, without a byte. A reset is none: the kernel sends one for a
    process that dies with the connection unaccepted."""
    hears_out: bool = False
    """After its reply a master has more to say, then closes; it complains in its log of who leaves before."""


class Sign(Enum):
    """What one address gave to hear."""

    ANSWERS = "answers"
    """The reply of a master."""
    LISTENS = "listens"
    """It accepted, and what came is no master's reply: other bytes, a close, a reset."""
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

    __slots__ = ("_answered", "_connected", "_heard", "_question", "_socket", "address")

    def __init__(self, address: str, client: socket.socket, question: Question) -> None:
        self.address = address
        self._socket = client
        self._question = question
        self._connected = False
        self._answered = False
        self._heard = b""

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
        if self._answered:
            return self._answers()
        if self._heard:
            return self._strange()
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
            self._socket.send(self._question.request)
        except OSError as error:
            # A socket that was reset between the connection and the first word says that it has no peer.
            return failed(self.address, errno.ECONNRESET if error.errno == errno.ENOTCONN else error.errno)
        return None

    def _listen(self) -> Heard | None:
        try:
            part = self._socket.recv(_MOST)
        except BlockingIOError:
            return None
        except OSError as error:
            if self._answered:
                return self._answers()
            return self._strange() if self._heard else failed(self.address, error.errno)
        if self._answered:
            return None if part else self._answers()
        self._heard += part
        answer, closes = self._question.answer, self._question.close_answers
        if answer is not None and answer in self._heard:
            self._answered = True
            return None if self._question.hears_out else self._answers()
        if part and len(self._heard) < _MOST:
            return None
        if closes and not self._heard:
            return Heard(Sign.ANSWERS, f"{self.address} answers by closing the connection")
        return self._strange()

    def _answers(self) -> Heard:
        return Heard(Sign.ANSWERS, f"{self.address} answers")

    def _strange(self) -> Heard:
        """Say that what came is not what a master replies; the bytes are a stranger's, and not shown."""
        what = "says something else than a master" if self._heard else "closes the connection without a reply"
        return Heard(Sign.LISTENS, f"{self.address} listens, and {what}")


def begin(address: str, port: int, question: Question) -> Call | Heard:
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
    return Call(address, client, question)


def failed(address: str, number: int | None) -> Heard:
    """Return what an error of the connection says about the other side."""
    text = f"{address}: {os.strerror(number or 0).lower()}"
    if number in _NOBODY:
        return Heard(Sign.REFUSES, text)
    if number in _BROKE_OFF:
        return Heard(Sign.LISTENS, text)
    return Heard(Sign.SILENT if number == errno.ETIMEDOUT else Sign.UNABLE, text)
