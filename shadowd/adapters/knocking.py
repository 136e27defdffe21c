"""Asks TCP ports of a Grid Engine master for a sign of life.

What is sent (``shadowd.adapters.calling`` says why anything is) was chosen by measuring sge_qmaster 8.1.9:
its protocol frames messages as ``<gmsh><dl>LENGTH</dl></gmsh>``. To a frame whose content is no message
it answers in 0.3 ms by closing the connection, and logs nothing; to noise without a frame it gives no
answer before 4 KiB of it, and a well-formed greeting from an unknown client puts errors into its log.
Stopped by SIGSTOP it is silent to all of them, and after five connections new ones hang unaccepted.

Refuses to read what the peer says: any sign will do, and who it is that answers is not asked.
"""

import select
import time
from dataclasses import dataclass

from shadowd.adapters.calling import Call, Heard, Sign, begin
from shadowd.core.values import ProbeOutcome

KNOCK = b"<gmsh><dl>6</dl></gmsh><cm/>\n"
_OUTCOMES = {
    Sign.ANSWERS: ProbeOutcome.ANSWERS,
    Sign.BROKE_OFF: ProbeOutcome.ANSWERS,
    Sign.REFUSES: ProbeOutcome.REFUSES,
    Sign.SILENT: ProbeOutcome.SILENT,
    Sign.UNABLE: None,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What one address said."""

    outcome: ProbeOutcome | None
    """None: it could not be asked, for a reason that lies on our side."""
    detail: str


def knock(addresses: list[str], port: int, timeout: float) -> list[Answer]:
    """Ask all addresses at once; return when one answers, or when all have, or after ``timeout`` seconds."""
    ends = time.monotonic() + timeout
    answers: list[Answer] = []
    waiting: dict[int, Call] = {}
    try:
        for address in addresses:
            call = begin(address, port, KNOCK)
            if isinstance(call, Heard):
                answers.append(_answer(call))
            else:
                waiting[call.fileno()] = call
        while waiting and not any(answer.outcome is ProbeOutcome.ANSWERS for answer in answers):
            left = ends - time.monotonic()
            if left <= 0:
                break
            _turn(waiting, answers, left)
    finally:
        answers += [_answer(call.give_up()) for call in waiting.values()]
    return answers


def _turn(waiting: dict[int, Call], answers: list[Answer], timeout: float) -> None:
    poller = select.poll()
    for descriptor, call in waiting.items():
        poller.register(descriptor, call.events)
    for descriptor, _ in poller.poll(timeout * 1000):
        heard = waiting[descriptor].turn()
        if heard is not None:
            answers.append(_answer(heard))
            del waiting[descriptor]


def _answer(heard: Heard) -> Answer:
    return Answer(_OUTCOMES[heard.sign], heard.text)
