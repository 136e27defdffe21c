"""Asks the addresses of one host side by side whether a master answers there, within one limit.

What is asked and what counts as an answer says a ``Question`` (``shadowd.adapters.questions``). Refuses the
resolver, and to say more of a stranger than that it listens.
"""

import select
import time
from dataclasses import dataclass

from shadowd.adapters.calling import Call, Heard, Question, Sign, begin
from shadowd.core.values import ProbeOutcome

_OUTCOMES = {
    Sign.ANSWERS: ProbeOutcome.ANSWERS,
    Sign.LISTENS: ProbeOutcome.LISTENS,
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


def knock(addresses: list[str], port: int, question: Question, timeout: float) -> list[Answer]:
    """Ask all addresses at once; return when one answers, or when all have, or after ``timeout`` seconds."""
    ends = time.monotonic() + timeout
    answers: list[Answer] = []
    waiting: dict[int, Call] = {}
    try:
        for address in addresses:
            call = begin(address, port, question)
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
