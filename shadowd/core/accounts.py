"""Who might still be running a master, and until when (PROTOCOL rules 5 and 7).

Each open epoch from the last confirmed one on is an account. It is settled by an outcome, or by time alone:
a confirmed one after its lease, any other after its window. A claim that announced a launch has a step-down
more: its holder ends what was not confirmed within the window, whatever beats (rule 8), and that takes its
time. The times are those stated *in the claim*, counted on this host's clock from what this host saw, and
widened by the drift of two clocks. The probe is no account: it can only speak against a takeover.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from shadowd.core.ledger import EpochRecord, Ledger
from shadowd.core.reasons import Reason
from shadowd.core.timing import handover
from shadowd.core.values import DRIFT, NEVER, Epoch, Host, Instant, Seconds, Unknown


@dataclass(frozen=True, slots=True)
class Account:
    """One epoch that is not settled yet."""

    epoch: Epoch
    host: Host
    until: Instant
    """When it is settled by time alone."""
    reason: Reason


def unsettled(
    ledger: Ledger,
    *,
    own: Epoch | None,
    seen: Mapping[Epoch, Instant],
    last_beat: Instant,
    step_down: Seconds,
    now: Instant,
) -> tuple[Account, ...]:
    """Return the accounts that neither an outcome nor time has settled.

    ``own``: our own epoch, which needs no account (None before the claim). ``seen``: when this host first
    listed each epoch as it stands, confirmed or not; one that it has no date for counts from now.
    ``last_beat``: when this host saw the heartbeat change last.
    """
    accounts = (
        _account(record, seen.get(record.epoch, now), last_beat, step_down)
        for record in ledger.suspects
        if record.open and record.epoch != own
    )
    return tuple(account for account in accounts if account.until > now)


def _account(record: EpochRecord, seen: Instant, last_beat: Instant, step_down: Seconds) -> Account:
    claim = record.claim
    if isinstance(claim, Unknown):
        return Account(record.epoch, Host(claim.subject), NEVER, Reason.LEDGER_DOUBT)
    window_ends = Instant(seen + claim.window * (1 + DRIFT))
    if not record.launching:
        return Account(record.epoch, claim.host, window_ends, Reason.WINDOW_OPEN)
    gone = Instant(max(seen, last_beat) + handover(claim.lease, step_down))
    if record.confirmed:
        return Account(record.epoch, claim.host, gone, Reason.LEASE_RUNS)
    ended = Instant(window_ends + step_down)
    # The first release bounded a launch by its lease, and let beats renew that.
    until = ended if claim.bound else max(gone, ended)
    return Account(record.epoch, claim.host, until, Reason.WINDOW_OPEN)
