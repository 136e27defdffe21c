"""Eligibility: one row a refusal, and all of them at once."""

from dataclasses import replace
from typing import Any

import pytest

from shadowd.core.accounts import Account
from shadowd.core.eligibility import Circumstances, refusals
from shadowd.core.events import Probed
from shadowd.core.fitness import Fitness, SharedPath
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import Refusal
from shadowd.core.table import REFUSALS
from shadowd.core.values import (
    Epoch,
    Host,
    Instant,
    Lock,
    LockKind,
    ProbeOutcome,
    Problem,
    Seconds,
    ServerLock,
    Unknown,
)
from tests.core.rounds import (
    ELSEWHERE,
    FOREIGN,
    HERE,
    PAUSE,
    THERE,
    UNREADABLE,
    confirmed,
    ledger,
    observed,
)

NOW = Instant(5000)
NO_ADDRESS = Probed(THERE, ProbeOutcome.UNRESOLVABLE)
EASY = Circumstances(
    host=HERE,
    observer=False,
    unknown_beat_counts=False,
    peak=Epoch(0),
    shut_down=False,
    accounts=(),
    unproved=None,
    retry_at=NOW,
    owes_outcome=False,
    duplicate=None,
    asked=False,
    moving=False,
    guarded=False,
    silent_at=None,
    last_beat=Instant(0),
    fresh_beat=Seconds(60),
)
LEASE = Account(Epoch(3), THERE, Instant(5100), Reason.LEASE_RUNS)
WINDOW = Account(Epoch(4), ELSEWHERE, Instant(5200), Reason.WINDOW_OPEN)
DUPLICATE = Refusal(Reason.DUPLICATE_HOST, "a sign", Instant(5180))
SAID = "a file: unreadable (input/output error)"

Row = tuple[dict[str, Any], dict[str, Any], Refusal]
ROWS: tuple[Row, ...] = (
    ({"ledger": UNREADABLE}, {}, Refusal(Reason.CELL_UNREADABLE, SAID)),
    (
        {"ledger": Unknown(Problem.FOREIGN, "shadowd/cell.json", "of another cell")},
        {},
        Refusal(Reason.CELL_FOREIGN, "shadowd/cell.json: of another cell (of another cell)"),
    ),
    ({"ledger": ledger(doubts=(UNREADABLE,))}, {}, Refusal(Reason.LEDGER_DOUBT, SAID)),
    (
        {"ledger": ledger(confirmed(2))},
        {"peak": Epoch(7)},
        Refusal(Reason.LEDGER_SHRANK, "epoch 7 was there, now the highest is 2"),
    ),
    ({"lock": UNREADABLE}, {}, Refusal(Reason.LOCK_UNKNOWN, SAID)),
    ({"lock": FOREIGN}, {}, Refusal(Reason.LOCKED)),
    ({"beat": Unknown(Problem.MISSING, "hb")}, {}, Refusal(Reason.BEAT_UNKNOWN, "hb: missing")),
    ({}, {"shut_down": True}, Refusal(Reason.SHUT_DOWN)),
    ({"server_lock": UNREADABLE}, {}, Refusal(Reason.SERVER_LOCK_UNKNOWN, SAID)),
    ({"server_lock": ServerLock.HELD}, {}, Refusal(Reason.FOREIGN_SERVER)),
    ({"server_lock": ServerLock.UNLOCKED}, {}, Refusal(Reason.SERVER_UNLOCKED)),
    (
        {"server_lock": ServerLock.NAMED},
        {"silent_at": Instant(5009)},
        Refusal(Reason.FOREIGN_SERVER, until=Instant(5009)),
    ),
    ({"pause": UNREADABLE}, {}, Refusal(Reason.PAUSE_UNKNOWN, SAID)),
    ({"pause": PAUSE}, {}, Refusal(Reason.PAUSED, "by eve: new disks")),
    ({"resident": 4711}, {}, Refusal(Reason.RESIDENT, "pid 4711")),
    ({"shadows": UNREADABLE}, {}, Refusal(Reason.SHADOWS_UNKNOWN, SAID)),
    ({"shadows": (THERE,)}, {}, Refusal(Reason.NOT_A_SHADOW)),
    ({}, {"observer": True}, Refusal(Reason.NOT_A_SHADOW, "configured as observer")),
    ({"fitness": Fitness(("no such program /x",))}, {}, Refusal(Reason.CANNOT_RUN, "no such program /x")),
    (
        {"fitness": Fitness(paths=(SharedPath("/db", local=False, other=(THERE, ELSEWHERE)),))},
        {},
        Refusal(Reason.NOT_SHARED, "/db is not that of beta, gamma"),
    ),
    ({}, {"duplicate": DUPLICATE}, DUPLICATE),
    ({"active": UNREADABLE}, {}, Refusal(Reason.ACTIVE_UNKNOWN, SAID)),
    (
        {},
        {"unproved": NO_ADDRESS, "retry_at": Instant(4999)},
        Refusal(Reason.ACTIVE_UNASKED, "beta has no address", Instant(4999)),
    ),
    (
        {},
        {"unproved": Probed(THERE, ProbeOutcome.LISTENS), "retry_at": Instant(4999)},
        Refusal(Reason.LISTENS, "on beta", Instant(4999)),
    ),
    ({}, {"accounts": (LEASE,)}, Refusal(Reason.LEASE_RUNS, "epoch 3 on beta", Instant(5100))),
    ({}, {"accounts": (WINDOW,)}, Refusal(Reason.WINDOW_OPEN, "epoch 4 on gamma", Instant(5200))),
    ({}, {"owes_outcome": True}, Refusal(Reason.OWES_OUTCOME)),
    ({}, {"retry_at": Instant(5001)}, Refusal(Reason.BACKING_OFF, until=Instant(5001))),
    (
        {},
        {"asked": True, "last_beat": Instant(4950)},
        Refusal(Reason.BEATING, until=Instant(5010)),
    ),
    ({}, {"asked": True, "moving": True, "last_beat": Instant(4999)}, Refusal(Reason.NOT_GUARDED)),
)


@pytest.mark.parametrize(
    ("seen", "known", "refusal"),
    ROWS,
    ids=[f"{row[2].reason.value}-{number}" for number, row in enumerate(ROWS)],
)
def test_one_thing_speaks_against_it(seen: dict[str, Any], known: dict[str, Any], refusal: Refusal) -> None:
    """Each row alone is a refusal, with its detail and its end."""
    assert refusals(observed(5000, **seen), replace(EASY, **known), NOW) == (refusal,)


def test_the_rows_are_complete() -> None:
    """Every refusal of the transition table has a row here, and no row is missing there."""
    assert {row[2].reason for row in ROWS} == set(REFUSALS)


def test_a_guarded_master_may_beat_while_it_is_to_be_moved() -> None:
    """Its guard is asked to step down: that it lives is the point."""
    moving = replace(EASY, asked=True, moving=True, guarded=True, last_beat=Instant(4999))
    assert refusals(observed(5000), moving, NOW) == ()


UNLISTED = Host("long-gone")


@pytest.mark.parametrize(
    ("path", "active", "refused"),
    [
        (SharedPath("/db", local=True), THERE, False),
        (SharedPath("/db", local=True, same=(THERE,), other=(ELSEWHERE,)), THERE, False),
        (SharedPath("/db", local=False, same=(ELSEWHERE,), other=(THERE,)), THERE, True),
        (SharedPath("/db", local=False, other=(ELSEWHERE,)), THERE, False),
        (SharedPath("/db", local=True, other=(ELSEWHERE,)), THERE, True),
        (SharedPath("/db", local=True, same=(UNLISTED,), other=(ELSEWHERE,)), THERE, False),
        (SharedPath("/db", local=True, other=(UNLISTED,)), THERE, False),
        (SharedPath("/db", local=True, other=(UNLISTED,)), UNLISTED, True),
        (SharedPath("/db", local=True, other=(THERE, ELSEWHERE)), HERE, False),
    ],
    ids=[
        "nobody-says-anything",
        "the-master's-host-sees-it-too",
        "only-another-shadow-sees-it-too",
        "another-shadow-is-the-odd-one",
        "local-and-nobody's-else",
        "local-and-shared-with-somebody",
        "not-that-of-a-host-that-left-the-cell",
        "not-that-of-the-last-master",
        "this-host-had-the-last-master",
    ],
)
def test_whose_directory_counts(path: SharedPath, active: Host, *, refused: bool) -> None:
    """That of the last master's host; else a local one that no other host of the cell sees is doubted."""
    found = refusals(observed(5000, fitness=Fitness(paths=(path,)), active=active), EASY, NOW)
    assert [item.reason for item in found] == [Reason.NOT_SHARED] * refused


def test_a_path_counts_by_the_last_master_alone_where_no_list_can_be_read() -> None:
    """Without shadow_masters nobody else's directory counts."""
    path = SharedPath("/db", local=True, other=(THERE, ELSEWHERE))
    found = refusals(observed(5000, fitness=Fitness(paths=(path,)), shadows=UNREADABLE), EASY, NOW)
    assert found[1:] == (Refusal(Reason.NOT_SHARED, "/db is not that of beta"),)


def test_nothing_speaks_against_it() -> None:
    """An ordinary silent cell is eligible."""
    assert refusals(observed(5000), EASY, NOW) == ()


@pytest.mark.parametrize(
    ("seen", "known"),
    [
        ({"lock": Lock(LockKind.CLAIM, Epoch(3), "n")}, {}),
        ({"beat": UNREADABLE}, {"unknown_beat_counts": True}),
        ({}, {"shut_down": True, "asked": True}),
        ({}, {"retry_at": Instant(9999), "asked": True}),
        ({}, {"last_beat": Instant(4990)}),
        ({}, {"last_beat": Instant(4940), "asked": True}),
        ({"ledger": ledger(confirmed(7))}, {"peak": Epoch(7)}),
        ({"active": ELSEWHERE}, {"unproved": NO_ADDRESS}),
        ({}, {"unproved": Probed(THERE, ProbeOutcome.REFUSES)}),
        ({}, {"unproved": NO_ADDRESS, "asked": True, "retry_at": Instant(9999)}),
        ({"active": HERE}, {}),
    ],
    ids=[
        "a lock that names a claim",
        "an unreadable beat, where configured",
        "a shutdown, for an operator",
        "back-off, for an operator",
        "a fresh beat, for the timers decide",
        "a beat of two beats ago, for an operator",
        "the highest epoch, seen before",
        "another host without an address",
        "a host that refuses",
        "a host without an address, for an operator: it is asked anew",
        "this host in act_qmaster",
    ],
)
def test_what_does_not_speak_against_it(seen: dict[str, Any], known: dict[str, Any]) -> None:
    """These are no reason to refuse."""
    assert refusals(observed(5000, **seen), replace(EASY, **known), NOW) == ()


def test_all_obstacles_are_named() -> None:
    """Whoever removes one at 3 a.m. is told of the next before, in the order of their weight."""
    seen = observed(
        5000,
        ledger=ledger(doubts=(UNREADABLE,)),
        lock=FOREIGN,
        beat=UNREADABLE,
        pause=PAUSE,
        resident=1,
        shadows=(),
        active=UNREADABLE,
    )
    known = replace(
        EASY,
        peak=Epoch(1),
        shut_down=True,
        accounts=(LEASE, WINDOW),
        owes_outcome=True,
        retry_at=Instant(6000),
    )
    assert [refusal.reason for refusal in refusals(seen, known, NOW)] == [
        Reason.LEDGER_DOUBT,
        Reason.LEDGER_SHRANK,
        Reason.LOCKED,
        Reason.BEAT_UNKNOWN,
        Reason.SHUT_DOWN,
        Reason.PAUSED,
        Reason.RESIDENT,
        Reason.NOT_A_SHADOW,
        Reason.ACTIVE_UNKNOWN,
        Reason.LEASE_RUNS,
        Reason.WINDOW_OPEN,
        Reason.OWES_OUTCOME,
        Reason.BACKING_OFF,
    ]


def test_a_directory_full_of_garbage_is_no_flood() -> None:
    """Of many doubtful records three are named."""
    doubts = tuple(Unknown(Problem.GARBAGE, Host(f"claims/{number}")) for number in range(1000))
    assert len(refusals(observed(5000, ledger=ledger(doubts=doubts)), EASY, NOW)) == 3
