"""Answers: each is compared with the latest request that it could answer."""

from typing import get_args

import pytest

from shadowd.core.actions import (
    Action,
    Adopt,
    AskHealth,
    ClearLock,
    ClearMark,
    Fence,
    Inspect,
    KeepLease,
    Launch,
    LaunchScheduler,
    ListEpochs,
    MakeClaim,
    NameMaster,
    Observe,
    PlaceLock,
    Probe,
    RestoreClaim,
    Say,
    StopPair,
    StopStray,
    TermPair,
    WriteBeat,
    WriteNotice,
)
from shadowd.core.answers import ANSWERS, Requests
from shadowd.core.events import (
    BeatWritten,
    ClaimAnswered,
    Event,
    Fenced,
    HealthAnswered,
    Inspected,
    Launched,
    LeaseKept,
    Listed,
    LockAnswered,
    LockCleared,
    MasterNamed,
    Namesake,
    NoticeAnswered,
    Probed,
    StrayStopped,
    TakeoverAsked,
    Woken,
)
from shadowd.core.ledger import Ledger
from shadowd.core.reasons import Reason
from shadowd.core.values import (
    ClaimReason,
    Epoch,
    FenceOutcome,
    Instant,
    KeptLease,
    NoticeKind,
    ProbeOutcome,
    Protection,
    Seconds,
)
from tests.core.rounds import ABSENT, ELSEWHERE, GONE, THERE, claim, observed

TERMS = (Seconds(1), Seconds(1), Seconds(1), Protection.GUARDED)
MAKE = MakeClaim(Epoch(5), ClaimReason.SILENCE, Epoch(4), *TERMS)
REFUSES = ProbeOutcome.REFUSES
KEPT = KeptLease(Epoch(5), "n", Seconds(1), Instant(1001), launching=True)


def fits(action: Action, event: Event) -> bool:
    """Tell whether the event answers the action, asked for at 1000."""
    requests = Requests()
    requests.asked((action,), Instant(1000))
    return requests.answered_by(event)


def test_every_request_has_an_answer() -> None:
    """All actions but one can be answered, and all events but what people say are answers."""
    assert set(ANSWERS) == set(get_args(Action)) - {Say}
    assert set(ANSWERS.values()) == set(get_args(Event)) - {TakeoverAsked, Namesake, Woken}


@pytest.mark.parametrize(
    ("action", "right", "wrong"),
    [
        (Observe(), observed(1000), observed(999.9)),
        (ListEpochs(), Listed(Instant(1000), Ledger()), Listed(Instant(999), Ledger())),
        (Probe(THERE), Probed(THERE, REFUSES), Probed(ELSEWHERE, REFUSES)),
        (MAKE, ClaimAnswered(Epoch(5), "n", claim(5)), ClaimAnswered(Epoch(4), "n", claim(4))),
        (
            WriteNotice(Epoch(5), NoticeKind.FAILED, "n"),
            NoticeAnswered(Epoch(5), NoticeKind.FAILED),
            NoticeAnswered(Epoch(5), NoticeKind.STARTED),
        ),
        (
            WriteNotice(Epoch(5), NoticeKind.FAILED, "n"),
            NoticeAnswered(Epoch(5), NoticeKind.FAILED),
            NoticeAnswered(Epoch(4), NoticeKind.FAILED),
        ),
        (Launch(Epoch(5), "n"), Launched(Epoch(5)), Launched(Epoch(4))),
        (KeepLease(KEPT, answered=True), LeaseKept(KEPT), LeaseKept(None)),
        (LaunchScheduler(Epoch(5), "n"), Launched(Epoch(5)), Launched(Epoch(4))),
        (Inspect(Epoch(5), "n"), Inspected(Epoch(5), GONE), Inspected(Epoch(4), GONE)),
        (StopPair(Epoch(5), "n"), Inspected(Epoch(5), GONE), Inspected(Epoch(4), GONE)),
        (TermPair(Epoch(5), "n"), Inspected(Epoch(5), GONE), Inspected(Epoch(4), GONE)),
        (Adopt(Epoch(5), "n", 7), Inspected(Epoch(5), GONE), Inspected(Epoch(4), GONE)),
        (StopStray(7), StrayStopped(7, alive=False), StrayStopped(8, alive=False)),
        (
            RestoreClaim(claim(5)),
            ClaimAnswered(Epoch(5), "n", claim(5)),
            ClaimAnswered(Epoch(4), "n", claim(4)),
        ),
        (
            Fence(Epoch(5), THERE),
            Fenced(Epoch(5), THERE, FenceOutcome.DEAD),
            Fenced(Epoch(5), ELSEWHERE, FenceOutcome.DEAD),
        ),
        (WriteBeat(Epoch(5)), BeatWritten(Epoch(5)), BeatWritten(Epoch(4))),
        (AskHealth(Epoch(5)), HealthAnswered(Epoch(5)), HealthAnswered(Epoch(4))),
        (NameMaster(THERE), MasterNamed(), LockCleared()),
        (ClearMark(), LockCleared(), LockAnswered(ABSENT)),
        (PlaceLock(Epoch(5), "n"), LockAnswered(ABSENT), LockCleared()),
        (ClearLock(), LockCleared(), LockAnswered(ABSENT)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_right_answer_and_a_late_one(action: Action, right: Event, wrong: Event) -> None:
    """An answer of the same subject fits; one of another epoch, notice, host or time does not."""
    assert fits(action, right)
    assert not fits(action, wrong)


def test_nothing_was_asked() -> None:
    """An answer to nothing is dropped, and a line for people is no question."""
    assert not Requests().answered_by(observed(1000))
    assert not fits(Say("event", Reason.STARTED), observed(1000))


def test_only_the_latest_request_counts() -> None:
    """A round that was read before the latest was asked for shows a world of before."""
    requests = Requests()
    requests.asked((Observe(),), Instant(1000))
    requests.asked((Observe(), ListEpochs()), Instant(2000))
    assert not requests.answered_by(observed(1500))
    assert requests.answered_by(observed(2000))


def test_a_lease_that_nobody_waits_for_has_no_answer() -> None:
    """Most are kept in passing."""
    assert not fits(KeepLease(KEPT), LeaseKept(KEPT))
