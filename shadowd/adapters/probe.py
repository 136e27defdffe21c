"""Asks a host whether its master answers, within one limit for everything (port ``MasterProbe``).

Why several outcomes: a master that *answers* while its heartbeat stands still must not be replaced; one
that *refuses* is certainly not there; one that is *silent* may be frozen, and the guard's lease decides;
and a name without an address is doubt, never a reason to act. What answers by an address of this host
alone is *here*, and tells nothing about another host; where a name has addresses of both, only the others
are asked. The ancestor hangs 60 s here, DNS not counted.

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
from shadowd.adapters.addresses import is_own
from shadowd.adapters.calling import Question
from shadowd.adapters.knocking import Answer, knock
from shadowd.adapters.questions import ANYTHING
from shadowd.adapters.resolving import Resolver, Resolving, system_resolver
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
        addresses: Mapping[str, str],
        qping: Path | None,
        environment: Mapping[str, str],
        *,
        resolver: Resolver = system_resolver,
        own: Callable[[str], bool] = is_own,
        question: Callable[[str], Question] = _anything,
    ) -> None:
        """Take the port, the limit in seconds, addresses that need no resolver, and how to run qping.

        ``own`` tells whether an address is this host's. Addresses that the configuration gives are believed.
        ``question`` tells what the master on the host of this name is asked.
        """
        self._port = port
        self._timeout = timeout
        self._addresses = {name.lower(): address for name, address in addresses.items()}
        self._qping = qping
        self._environment = dict(environment)
        self._resolving = Resolving(resolver)
        self._own = own
        self._question = question

    def ask(self, host: Host) -> tuple[ProbeOutcome, str]:
        """Return the outcome and a detail for people, within the limit, DNS included."""
        ends = time.monotonic() + self._timeout
        found = self._find(host, self._timeout)
        if isinstance(found, str):
            return ProbeOutcome.UNRESOLVABLE, f"{host}: {found}"
        others = [address for address in found if not self._is_own(host, address)]
        # qping would look the name up by itself, and speak with us.
        qping = self._qping if others == found else None
        outcome, detail = self._ask(host, others or found, ends, qping)
        if outcome is ProbeOutcome.ANSWERS and not others:
            return ProbeOutcome.HERE, f"{detail}, and that is this host"
        return outcome, detail

    def _is_own(self, host: str, address: str) -> bool:
        return host.lower() not in self._addresses and self._own(address)

    def _ask(self, host: Host, found: list[str], ends: float, qping: Path | None) -> tuple[ProbeOutcome, str]:
        question = self._question(host)
        if qping is not None:
            left = ends - time.monotonic()
            answers = knock(found, self._port, question, left * (1 - _SHARE))
            settled = all(answer.outcome is ProbeOutcome.REFUSES for answer in answers)
            if settled or any(answer.outcome is ProbeOutcome.ANSWERS for answer in answers):
                return _sum_up(host, answers)
            answer = self._ask_qping(qping, host, left * _SHARE)
            if answer.outcome is not None:
                return answer.outcome, answer.detail
        return _sum_up(host, knock(found, self._port, question, max(0.05, ends - time.monotonic())))

    def _find(self, host: str, timeout: float) -> list[str] | str:
        # A known "address" may be a name too: whoever writes the configuration decides.
        return self._resolving.addresses(self._addresses.get(host.lower(), host), timeout)

    def _ask_qping(self, qping: Path, host: str, timeout: float) -> Answer:
        # qping compares names with the master's, so it is given an address only where we know better.
        target = self._addresses.get(host.lower(), host)
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
