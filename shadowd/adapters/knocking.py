"""Asks TCP ports for a sign of life.

A connection proves nothing: the kernel accepts for a process that is stopped. So something is sent, and
only a byte or a close from the other side counts. What is sent was chosen by measuring sge_qmaster 8.1.9:
its protocol frames messages as ``<gmsh><dl>LENGTH</dl></gmsh>``. To a frame whose content is no message
it answers in 0.3 ms by closing the connection, and logs nothing; to noise without a frame it gives no
answer before 4 KiB of it, and a well-formed greeting from an unknown client puts errors into its log.
Stopped by SIGSTOP it is silent to all of them, and after five connections new ones hang unaccepted.

Refuses to read what the peer says: any sign will do, and who it is that answers is not asked.
"""

import errno
import os
import select
import socket
import time
from dataclasses import dataclass

from shadowd.core.values import ProbeOutcome

KNOCK = b"<gmsh><dl>6</dl></gmsh><cm/>\n"
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
# The peer accepted or was about to, and broke off: somebody, or its kernel, is there and acts.
_BROKE_OFF = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED})


@dataclass(frozen=True, slots=True)
class Answer:
    """What one address said."""

    outcome: ProbeOutcome | None
    """None: it could not be asked, for a reason that lies on our side."""
    detail: str


@dataclass(slots=True)
class _Knock:
    address: str
    socket: socket.socket
    connected: bool = False


def knock(addresses: list[str], port: int, timeout: float) -> list[Answer]:
    """Ask all addresses at once; return when one answers, or when all have, or after ``timeout`` seconds."""
    ends = time.monotonic() + timeout
    answers: list[Answer] = []
    waiting: dict[int, _Knock] = {}
    try:
        for address in addresses:
            _begin(address, port, waiting, answers)
        while waiting and not any(answer.outcome is ProbeOutcome.ANSWERS for answer in answers):
            left = ends - time.monotonic()
            if left <= 0:
                break
            _turn(waiting, answers, left)
        answers += [_silent(one) for one in waiting.values()]
    finally:
        for one in waiting.values():
            one.socket.close()
    return answers


def _begin(address: str, port: int, waiting: dict[int, _Knock], answers: list[Answer]) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        # Anything but digits would be asked of the resolver here, without a limit.
        socket.inet_pton(family, address.partition("%")[0])
        client = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else "is no address"
        answers.append(Answer(None, f"{address}: {reason}"))
        return
    try:
        number = client.connect_ex((address, port))
    except (OSError, OverflowError) as error:
        client.close()
        answers.append(Answer(None, f"{address}: {error}"))
        return
    if number not in {0, errno.EINPROGRESS}:
        client.close()
        answers.append(_failed(address, number))
        return
    waiting[client.fileno()] = _Knock(address, client)


def _turn(waiting: dict[int, _Knock], answers: list[Answer], timeout: float) -> None:
    poller = select.poll()
    for descriptor, one in waiting.items():
        poller.register(descriptor, select.POLLIN if one.connected else select.POLLOUT)
    for descriptor, _ in poller.poll(timeout * 1000):
        one = waiting[descriptor]
        answer = _hear(one) if one.connected else _send(one)
        if answer is not None:
            answers.append(answer)
            one.socket.close()
            del waiting[descriptor]


def _send(one: _Knock) -> Answer | None:
    number = one.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number:
        return _failed(one.address, number)
    one.connected = True
    try:
        if one.socket.getsockname() == one.socket.getpeername():
            # The kernel may pick the very port that is asked as ours, and we would talk to ourselves.
            return _failed(one.address, errno.ECONNREFUSED)
        one.socket.send(KNOCK)
    except OSError as error:
        return _failed(one.address, error.errno)
    return None


def _hear(one: _Knock) -> Answer | None:
    try:
        heard = one.socket.recv(1)
    except BlockingIOError:
        return None
    except OSError as error:
        return _failed(one.address, error.errno)
    return Answer(ProbeOutcome.ANSWERS, f"{one.address} {'answers' if heard else 'closed on us'}")


def _failed(address: str, number: int | None) -> Answer:
    text = f"{address}: {os.strerror(number or 0).lower()}"
    if number in _NOBODY:
        return Answer(ProbeOutcome.REFUSES, text)
    if number in _BROKE_OFF:
        return Answer(ProbeOutcome.ANSWERS, text)
    if number == errno.ETIMEDOUT:
        return Answer(ProbeOutcome.SILENT, text)
    return Answer(None, text)


def _silent(one: _Knock) -> Answer:
    what = "accepts, but gives no sign of life" if one.connected else "does not accept"
    return Answer(ProbeOutcome.SILENT, f"{one.address} {what}")
