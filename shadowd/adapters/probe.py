"""Asks a host whether its master answers, within one limit for everything (port ``MasterProbe``).

Why several outcomes: a master that *answers* while its heartbeat stands still must not be replaced; one
that *refuses* is certainly not there; one that is *silent* may be frozen, and the guard's lease decides;
and a name without an address is doubt, never a reason to act. Where "there" is, is judged by
``shadowd.adapters.hostaddresses``: what answers at this host alone is *here*, and tells nothing about another
host, and a refusal by an address that may not be meant is doubt. A port of another address behind which our
own process listens (a route or a translation of addresses that leads back) is here too. The ancestor hangs
60 s here, DNS not counted.

What is an answer, the master's protocol says (``shadowd.adapters.questions``). Who accepts and says
anything else *listens*: that is a master that is not well, or any user of that host.

With ``qping`` (Grid Engine's own client) its word is taken where it is unmistakable. Measured with 8.1.9:
status 0 = answers (0.1 s); "Connection refused", "No route to host", "Network is unreachable" = refuses.
Anything else says too little: with a frozen master it is mute for 61 s (so it is killed before the limit),
behind a pulled cable likewise; it aborts without SGE_ROOT, does not find names for addresses that we know,
and says "can't find connection" of any server that is no Grid Engine. TCP then decides in the time that is
left: see ``shadowd.adapters.knocking``. TCP also goes first, for a moment: where a master answers the
greeting, or every address refuses, qping would say the same a tenth of a second later.

What keeps us from asking (no descriptors left, a local firewall) is doubt too, reported as UNRESOLVABLE
with the reason. Refuses to retry.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from shadowd.adapters import asking, user
from shadowd.adapters.calling import Question
from shadowd.adapters.hostaddresses import HostAddresses, Reached
from shadowd.adapters.knocking import Answer, knock
from shadowd.adapters.questions import ANYTHING
from shadowd.adapters.returning import returns_here
from shadowd.core.values import Host, ProbeOutcome

_DENIALS = ("Connection refused", "No route to host", "Network is unreachable", "Host is down")
_SHARE = 0.8
"""Of the limit, for qping: enough is left for TCP to tell silence from refusal if qping is of no use."""
_ORDER = (ProbeOutcome.ANSWERS, ProbeOutcome.LISTENS, ProbeOutcome.SILENT, ProbeOutcome.REFUSES)


def _anything(_: str) -> Question:
    return ANYTHING


class TcpProbe:
    """Probes one cell's port."""

    def __init__(
        self,
        port: int,
        timeout: float,
        addresses: HostAddresses,
        qping: Path | None,
        environment: Mapping[str, str],
        *,
        question: Callable[[str], Question] = _anything,
        returns: Callable[[str, int, float], bool | None] = returns_here,
    ) -> None:
        """Take the port, the limit in seconds, where hosts are, and how to run qping.

        ``question`` tells what the master on the host of this name is asked; ``returns`` whether a connection
        to an address of another host comes back to this one, and None if there is none.
        """
        self._port = port
        self._timeout = timeout
        self._addresses = addresses
        self._qping = qping
        self._environment = dict(environment)
        self._question = question
        self._returns = returns

    def ask(self, host: Host) -> tuple[ProbeOutcome, str]:
        """Return the outcome and a detail for people, within the limit, DNS included."""
        ends = time.monotonic() + self._timeout
        found = self._addresses.find(host, self._timeout)
        if not found.addresses:
            return ProbeOutcome.UNRESOLVABLE, found.doubt
        outcome, detail = self._ask(host, found, ends)
        if outcome is ProbeOutcome.ANSWERS and (found.here or self._returned(found, ends)):
            return ProbeOutcome.HERE, f"{detail}, and that is this host"
        if found.here and found.doubt:
            return ProbeOutcome.UNRESOLVABLE, f"{found.doubt}, where nothing answers"
        return outcome, detail

    def _returned(self, found: Reached, ends: float) -> bool:
        """Tell whether all who accept a connection at another host's addresses are this host after all."""
        if found.believed:
            return False
        left = ends - time.monotonic()
        each = [self._returns(address, self._port, left) for address in found.addresses]
        return True in each and False not in each

    def _ask(self, host: Host, found: Reached, ends: float) -> tuple[ProbeOutcome, str]:
        question, addresses = self._question(host), list(found.addresses)
        if self._qping is not None and found.at:
            left = ends - time.monotonic()
            answers = knock(addresses, self._port, question, left * (1 - _SHARE))
            settled = all(answer.outcome is ProbeOutcome.REFUSES for answer in answers)
            if settled or any(answer.outcome is ProbeOutcome.ANSWERS for answer in answers):
                return _sum_up(host, answers)
            answer = self._ask_qping(self._qping, host, found.at, left * _SHARE)
            if answer.outcome is not None:
                return answer.outcome, answer.detail
        return _sum_up(host, knock(addresses, self._port, question, max(0.05, ends - time.monotonic())))

    def _ask_qping(self, qping: Path, host: str, target: str, timeout: float) -> Answer:
        # qping compares names with the master's, so it is given an address only where we know better.
        argv = (str(qping), "-info", target, str(self._port), "qmaster", "1")
        if target.startswith("-"):
            return Answer(None, f"{host} is no host name")
        with user.own_identity():
            said = asking.ask(argv, self._environment, timeout)
        return _understand(host, said)


def _understand(host: str, said: asking.Said | None) -> Answer:
    if said is None:
        return Answer(None, "qping could not be started")
    if said.status is None:
        return Answer(None, "qping got no answer in time")
    if said.status == 0:
        return Answer(ProbeOutcome.ANSWERS, f"{host} answers qping")
    denial = next((words for words in _DENIALS if words in said.text), None)
    if denial:
        return Answer(ProbeOutcome.REFUSES, f"{host}: {denial.lower()} (qping)")
    return Answer(None, f"qping: {said.text[:100]}")


def _sum_up(host: str, answers: list[Answer]) -> tuple[ProbeOutcome, str]:
    """Let the liveliest of several addresses speak for the host."""
    for outcome in _ORDER:
        for answer in answers:
            if answer.outcome is outcome:
                return outcome, f"{host}: {answer.detail}"
    reasons = "; ".join(answer.detail for answer in answers)
    return ProbeOutcome.UNRESOLVABLE, f"{host} could not be asked: {reasons}"
