"""Whom nothing but time clears: outcomes, fences and the host in act_qmaster."""

import pytest

from shadowd.core.ledger import Ledger
from shadowd.core.proofs import Proofs
from shadowd.core.values import (
    OUTCOMES,
    ClaimReason,
    Epoch,
    FenceAttempt,
    FenceOutcome,
    Host,
    Instant,
    NoticeKind,
    Unknown,
)
from tests.core.rounds import ELSEWHERE, HERE, THERE, UNREADABLE, confirmed, ledger, record

LAUNCHING, FAILED = NoticeKind.LAUNCHING, NoticeKind.FAILED
FOURTH = Host("delta")


def suspected(
    listing: Ledger, active: Host | Unknown = THERE, *, proofs: Proofs | None = None, overtaken: bool = False
) -> tuple[Host, ...]:
    """Return who may run a master, as HERE sees it."""
    return (proofs or Proofs()).suspected(listing, active, own={HERE}, overtaken=overtaken)


def attempt(host: Host = THERE, epoch: int = 9, outcome: FenceOutcome = FenceOutcome.DEAD) -> FenceAttempt:
    """Return one attempt."""
    return FenceAttempt(Epoch(epoch), host, outcome, "", Instant(5))


def noted(*attempts: FenceAttempt) -> Proofs:
    """Return the memory of these attempts."""
    proofs = Proofs()
    for one in attempts:
        proofs.note(one)
    return proofs


def test_a_confirmed_epoch_without_outcome_is_suspected() -> None:
    """Its lease is over by time; that is no proof."""
    assert suspected(ledger(confirmed(1)), THERE) == (THERE,)


@pytest.mark.parametrize("outcome", sorted(OUTCOMES, key=str))
def test_an_outcome_is_proof(outcome: NoticeKind) -> None:
    """Whoever wrote it saw that nothing of the epoch was left."""
    assert suspected(ledger(confirmed(1, outcome))) == ()


def test_a_beat_after_the_outcome_makes_it_worthless() -> None:
    """Somebody started a master by hand since; only the host in act_qmaster can be meant."""
    listing = ledger(confirmed(1, NoticeKind.DIED), record(2, LAUNCHING, FAILED, host=ELSEWHERE))
    assert suspected(listing, overtaken=True) == (THERE,)


def test_an_announced_launch_without_outcome_is_suspected() -> None:
    """The last confirmed one first, then the later ones, each host once."""
    listing = ledger(confirmed(1), record(2, LAUNCHING, host=ELSEWHERE), record(3, LAUNCHING, host=ELSEWHERE))
    assert suspected(listing) == (THERE, ELSEWHERE)


def test_a_claim_without_launching_is_not_suspected() -> None:
    """It lists once more between announcement and launch, and finds our claim: it keeps its power."""
    assert suspected(ledger(confirmed(1, NoticeKind.DIED), record(2, host=ELSEWHERE))) == ()


def test_a_claim_without_launching_clears_nobody_in_act_qmaster() -> None:
    """What runs there was started without it."""
    assert suspected(ledger(record(2, host=ELSEWHERE)), ELSEWHERE) == (ELSEWHERE,)


def test_the_host_in_act_qmaster_needs_no_claim() -> None:
    """A master that the startup script started is in no claim."""
    assert suspected(ledger(), FOURTH) == (FOURTH,)
    assert suspected(ledger(confirmed(1, NoticeKind.DIED)), FOURTH) == (FOURTH,)
    assert suspected(ledger(confirmed(1)), FOURTH) == (THERE, FOURTH)


def test_an_unreadable_act_qmaster_names_nobody() -> None:
    """The bid waits for it elsewhere."""
    assert suspected(ledger(confirmed(1)), UNREADABLE) == (THERE,)


def test_this_host_is_never_suspected() -> None:
    """A host does not switch itself off: it looks into its own process table."""
    assert suspected(ledger(confirmed(1, host=HERE)), HERE) == ()


def test_an_adopted_epoch_does_not_end_the_chain() -> None:
    """That an adopted master ran proves nothing about those before it."""
    adopted = confirmed(2, NoticeKind.DIED, host=ELSEWHERE, reason=ClaimReason.ADOPTED)
    assert suspected(ledger(confirmed(1), adopted), ELSEWHERE) == (THERE,)


def test_a_claim_that_cannot_be_read_names_nobody() -> None:
    """There is no bid while there is doubt."""
    doubtful = confirmed(1)
    doubtful = type(doubtful)(doubtful.epoch, UNREADABLE, doubtful.notices)
    assert suspected(ledger(doubtful), HERE) == ()


def test_a_fenced_host_is_proved_until_it_claims_anew() -> None:
    """What it ran of lower epochs never comes back; a later claim of it is another matter."""
    proofs = noted(attempt(epoch=2))
    assert suspected(ledger(confirmed(1)), proofs=proofs) == ()
    assert suspected(ledger(confirmed(1), record(3, LAUNCHING)), ELSEWHERE, proofs=proofs) == (
        THERE,
        ELSEWHERE,
    )


def test_a_beat_ends_the_proof_of_a_master_without_a_claim() -> None:
    """Somebody may have started another one there; for claimed epochs the proof goes on."""
    proofs = noted(attempt(FOURTH), attempt(THERE))
    listing = ledger(confirmed(1))
    assert suspected(listing, FOURTH, proofs=proofs) == ()
    proofs.beat_moved()
    assert suspected(listing, FOURTH, proofs=proofs) == (FOURTH,)
    assert suspected(listing, THERE, proofs=proofs) == (THERE,)


@pytest.mark.parametrize("outcome", [FenceOutcome.FAILED, FenceOutcome.REFUSED])
def test_a_failure_proves_nothing_and_ends_with_the_next_beat(outcome: FenceOutcome) -> None:
    """A master lives, so the alarm is over."""
    proofs = noted(attempt(outcome=outcome), attempt(ELSEWHERE))
    assert suspected(ledger(confirmed(1)), proofs=proofs) == (THERE,)
    assert proofs.failed(THERE)
    assert not proofs.failed(ELSEWHERE)
    assert not proofs.failed(FOURTH)
    proofs.beat_moved()
    assert proofs.attempts == (attempt(ELSEWHERE),)


def test_what_is_told_of_is_recent() -> None:
    """A notice tells what was tried in this silence, not what was tried for another master."""
    proofs = noted(attempt(), attempt(ELSEWHERE, outcome=FenceOutcome.FAILED))
    assert proofs.recent == proofs.attempts
    proofs.beat_moved()
    assert proofs.recent == ()
    assert proofs.attempts == (attempt(),)


def test_the_last_attempt_counts() -> None:
    """A switch that failed and then worked has worked, and one that worked proves what it proved."""
    proofs = noted(attempt(outcome=FenceOutcome.FAILED), attempt())
    assert not proofs.failed(THERE)
    assert suspected(ledger(confirmed(1)), proofs=proofs) == ()
