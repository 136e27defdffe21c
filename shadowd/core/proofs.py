"""Who was fenced with which outcome, and of whom nothing but time says that no master runs there.

Two kinds of proof: an outcome on disk, and a host that was switched off. The second lasts: what the host
ran of lower epochs never comes back, whoever boots it again, so a later bid need not fence it twice. Only
for a master that no claim started it ends with the next beat: somebody may have started another by hand.

A claim without ``launching`` needs no proof: its holder announces before the last look, so it starts
nothing while a higher claim lies there, however long it was frozen and whatever its clock says (rule 8).
Refuses to decide what follows from a missing proof; ``shadowd.core.fencing`` does.
"""

from collections.abc import Collection

from shadowd.core.ledger import Ledger
from shadowd.core.values import Claim, Epoch, FenceAttempt, FenceOutcome, Host, Unknown


class Proofs:
    """The last attempt on each host, over all bids of this daemon."""

    def __init__(self) -> None:
        self._last: dict[Host, FenceAttempt] = {}
        self._silent_since: set[Host] = set()
        """Switched off after the last beat: nothing at all runs there."""

    @property
    def attempts(self) -> tuple[FenceAttempt, ...]:
        """All of them, in the order of their first on each host."""
        return tuple(self._last.values())

    @property
    def recent(self) -> tuple[FenceAttempt, ...]:
        """Those since the last beat."""
        return tuple(one for one in self.attempts if one.host in self._silent_since or self.failed(one.host))

    @property
    def silent(self) -> frozenset[Host]:
        """The hosts that were switched off after the last beat."""
        return frozenset(self._silent_since)

    def note(self, attempt: FenceAttempt) -> None:
        """Remember how an attempt ended."""
        self._last[attempt.host] = attempt
        if attempt.outcome is FenceOutcome.DEAD:
            self._silent_since.add(attempt.host)

    def beat_moved(self) -> None:
        """Take in that some master lives: what failed until now is over, what was proved stays proved."""
        self._silent_since.clear()
        self._last = {host: last for host, last in self._last.items() if last.outcome is FenceOutcome.DEAD}

    def failed(self, host: Host) -> bool:
        """Tell whether the last attempt on this host, since the last beat, gave no proof."""
        return host in self._last and self._last[host].outcome is not FenceOutcome.DEAD

    def suspected(
        self, ledger: Ledger, active: Host | Unknown, *, own: Collection[Host], overtaken: bool
    ) -> tuple[Host, ...]:
        """Return the hosts that may run a master for all that is proved, the last confirmed one first.

        ``active`` is the host in act_qmaster, where a person may have started one without a claim.
        ``overtaken``: a beat moved after the last outcome, which therefore proves nothing about it.
        """
        claims = [(record, record.claim) for record in ledger.suspects if isinstance(record.claim, Claim)]
        hosts = [
            claim.host
            for record, claim in claims
            if record.open and record.launching and not self._proved(claim.host, record.epoch)
        ]
        newest = {claim.host: record for record, claim in claims}
        if isinstance(active, str) and active not in self._silent_since:
            closed = active in newest and not newest[active].open
            if overtaken or not closed:
                hosts.append(active)
        return tuple(host for host in dict.fromkeys(hosts) if host not in own)

    def _proved(self, host: Host, epoch: Epoch) -> bool:
        last = self._last.get(host)
        return last is not None and last.outcome is FenceOutcome.DEAD and epoch < last.epoch
