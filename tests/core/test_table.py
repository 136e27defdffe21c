"""The table: a person's diagram, unknown pairs, and a scenario that walks each row."""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import pytest

import shadowd.core
from shadowd.core.actions import Adopt, Launch, Probe
from shadowd.core.course import Course
from shadowd.core.events import TakeoverAsked
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State
from shadowd.core.table import ABANDONED, REFUSALS, TABLE, Row, transition
from shadowd.core.timing import Timing
from shadowd.core.values import (
    ClaimReason,
    Epoch,
    ExitKind,
    Instant,
    KeptLease,
    NoticeKind,
    ProbeOutcome,
    Seconds,
    ServerLock,
)
from tests.core import phases
from tests.core.obstacles import OBSTACLES, Scenario, appears, asked, beats, change
from tests.core.phases import Phase
from tests.core.rounds import (
    BEGINNING,
    ELSEWHERE,
    FOREIGN,
    HERE,
    THERE,
    UNREADABLE,
    confirmed,
    policy,
    record,
    timing,
)
from tests.core.seat import USUAL, Seat
from tests.core.world import Pair, World

GROUPS = {
    "every refusal of an operator's request": set(REFUSALS)
    - {Reason.SHUT_DOWN, Reason.BACKING_OFF, Reason.LISTENS, Reason.ACTIVE_UNASKED},
    "every refusal": set(REFUSALS) - {Reason.BACKING_OFF, Reason.BEATING},
    "every reason to abandon": set(ABANDONED),
}


# --- the diagram -------------------------------------------------------------------------------------


def diagram() -> Iterator[tuple[State, Reason, State]]:
    """Read the transitions out of the manual."""
    manual = shadowd.core.__doc__ or ""
    lines = re.findall(r"^    ([A-Z]+) +-> ([A-Z]+) +(.+(?:\n {20,}\S.*)*)$", manual, re.MULTILINE)
    for state, following, reasons in lines:
        for item in re.sub(r"\s+", " ", reasons).split(", "):
            word = item.removeprefix("and ")
            for reason in GROUPS.get(word) or {Reason(word)}:
                yield State[state], reason, State[following]


def test_the_table_is_the_diagram() -> None:
    """The manual draws every row of the table, and no other."""
    drawn = list(diagram())
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == {(row.state, row.reason, row.next) for row in TABLE}


def test_the_first_line_is_the_way_to_a_master() -> None:
    """The states that the manual shows in one line are all there are, each leading to the next."""
    line = next(text for text in (shadowd.core.__doc__ or "").splitlines() if "──▶" in text)
    states = [State[word] for word in line.split() if word.isalpha()]
    assert states == list(State)
    steps = {(row.state, row.next) for row in TABLE}
    assert set(pairwise(states)) <= steps


def test_no_pair_twice() -> None:
    """State and reason together decide."""
    assert len({(row.state, row.reason) for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("reason", Reason)
def test_what_is_not_in_the_table_does_not_exist(state: State, reason: Reason) -> None:
    """An unknown pair is a programming error and raises; a known one is the row itself."""
    rows = [row for row in TABLE if (row.state, row.reason) == (state, reason)]
    if rows:
        assert [transition(state, reason)] == rows
    else:
        with pytest.raises(KeyError):
            transition(state, reason)


def test_a_course_that_cannot_be_stays_where_it_is() -> None:
    """The state is not half-changed by a transition that does not exist."""
    course = Course(Instant(0))
    with pytest.raises(KeyError):
        course.go(Reason.CONFIRMED, Instant(5))
    assert (course.state, course.reason, course.since) == (State.STANDBY, Reason.STARTED, 0)


# --- every row is walked -----------------------------------------------------------------------------


SELDOM = timing(notice_interval=30)  # listings between checks are other tests' matter, and most of the work


def old_cell() -> World:
    """Return a cell with a confirmed epoch of THERE and a failed one of ours."""
    world = World()
    world.add(confirmed(1), record(2, NoticeKind.FAILED, host=HERE))
    return world


def then(phase: Phase, *scenarios: Scenario, timing: Timing = SELDOM) -> Callable[[], Seat]:
    """Return a walk: reach a phase, change the world there, and see what follows at once."""

    def walk() -> Seat:
        seat = Seat(old_cell(), timing=timing)
        phase(seat)
        for scenario in scenarios:
            scenario(seat)
        seat.settle()
        return seat

    return walk


def launched(program: Callable[[World, object, object], None], seconds: float = 130) -> Callable[[], Seat]:
    """Return a walk in which the launched program does this."""

    def walk() -> Seat:
        world = old_cell()
        world.launch = program  # type: ignore[assignment]
        seat = Seat(world, timing=SELDOM)
        seat.until(Launch)
        seat.run(seconds)
        return seat

    return walk


def hangs(world: World, host: object, epoch: object) -> None:
    """Be a program that runs and never becomes a master."""
    world.pairs[host, epoch] = Pair(beating=False)  # type: ignore[index]


def own_epoch(*notices: NoticeKind, after: float) -> Callable[[], Seat]:
    """Return a walk in which a live epoch of our own turns up after a while."""

    def walk() -> Seat:
        seat = Seat()
        seat.run(after)
        seat.world.add(record(1, *notices, host=HERE))
        seat.world.pairs[HERE, record(1).epoch] = Pair()
        seat.run(60)
        return seat

    return walk


def master(change_pair: Callable[[Pair], None]) -> Scenario:
    """Return a scenario in which something happens to our master, and a second passes."""

    def scenario(seat: Seat) -> None:
        change_pair(seat.world.pairs[HERE, seat.cell.snapshot().epoch])
        seat.run(2)

    return scenario


def a_second(seat: Seat) -> None:
    """Let a second pass."""
    seat.run(1)


def vacant() -> Seat:
    """Return a seat at a cell that never had a master, whose server lock nobody holds."""
    seat = Seat(World(server_lock=ServerLock.CLEAR))
    seat.run(2)
    return seat


S = State
WALKS: dict[tuple[State, Reason], Callable[[], Seat]] = {
    (S.STANDBY, Reason.SILENT): then(phases.stale),
    (S.STANDBY, Reason.DEATH_NOTICE): then(
        phases.standby, lambda seat: seat.world.note(1, NoticeKind.DIED), a_second, a_second, timing=USUAL
    ),
    (S.STANDBY, Reason.VACANT): vacant,
    (S.STALE, Reason.VACANT): vacant,
    (S.STANDBY, Reason.ASKED): then(phases.standby, asked),
    (S.STANDBY, Reason.ATTACHED): own_epoch(NoticeKind.STARTED, after=70),
    (S.STANDBY, Reason.RESUMED): own_epoch(NoticeKind.LAUNCHING, after=70),
    (S.STALE, Reason.ATTACHED): own_epoch(NoticeKind.STARTED, after=300),
    (S.STALE, Reason.RESUMED): own_epoch(NoticeKind.LAUNCHING, after=300),
    (S.STALE, Reason.BEAT_MOVED): then(phases.stale, beats, lambda seat: seat.run(60)),
    (S.STALE, Reason.DELAY_OVER): then(phases.verifying),
    (S.STALE, Reason.DEATH_NOTICE): then(
        phases.stale, lambda seat: seat.world.note(1, NoticeKind.DIED), a_second, a_second, timing=USUAL
    ),
    (S.STALE, Reason.ASKED): then(lambda seat: seat.run(790), asked),
    (S.VERIFYING, Reason.BEAT_MOVED): then(phases.verifying, beats),
    (S.VERIFYING, Reason.MASTER_ANSWERS): then(phases.verifying, change(probe=ProbeOutcome.ANSWERS)),
    (S.VERIFYING, Reason.ALL_CLEAR): then(phases.verifying),
    (S.CLAIMING, Reason.WON): then(phases.claiming),
    (S.CLAIMING, Reason.LOST): then(phases.claiming, appears(3)),
    (S.CLAIMING, Reason.CLAIM_UNKNOWN): then(
        phases.claiming, lambda seat: seat.world.refuses.update({type(seat.pending[0]): UNREADABLE})
    ),
    (S.ACCOUNTING, Reason.ACCOUNTED): then(phases.accounting),
    (S.LAUNCHING, Reason.LOCK_UNKNOWN): then(phases.locking, change(lock=UNREADABLE)),
    (S.LAUNCHING, Reason.NOTICE_FAILED): then(
        phases.announcing, lambda seat: seat.world.refuses.update({NoticeKind.LAUNCHING: UNREADABLE})
    ),
    (S.LAUNCHING, Reason.LAUNCH_FAILED): launched(lambda *_: None),
    (S.LAUNCHING, Reason.LAUNCH_TIMEOUT): launched(hangs),
    (S.LAUNCHING, Reason.CONFIRMED): then(phases.recording),
    (S.ACTIVE, Reason.MASTER_ENDED): then(
        phases.active,
        master(lambda pair: setattr(pair, "master", ExitKind.FAILED)),
        master(lambda pair: setattr(pair, "strays", 0)),
    ),
    (S.ACTIVE, Reason.SHUT_DOWN_HERE): then(
        phases.active, change(lock=FOREIGN), master(lambda pair: setattr(pair, "master", ExitKind.UNSEEN))
    ),
    (S.ACTIVE, Reason.SUPERSEDED): then(phases.active, appears(9), lambda seat: seat.run(1)),
    (S.ACTIVE, Reason.FOREIGN_SERVER): then(
        phases.active, change(server_lock=ServerLock.NAMED), a_second, a_second
    ),
    (S.ACTIVE, Reason.LEASE_OVER): then(phases.active, lambda seat: seat.run(742)),
}


def _more() -> Iterable[tuple[tuple[State, Reason], Callable[[], Seat]]]:
    for reason in GROUPS["every refusal of an operator's request"] - {Reason.NOT_GUARDED}:
        yield (S.STALE, reason), then(lambda seat: seat.run(790), OBSTACLES[reason], asked)
    for reason in GROUPS["every refusal"] - {Reason.NOT_GUARDED, Reason.ACTIVE_UNASKED}:
        yield (S.VERIFYING, reason), then(phases.verifying, OBSTACLES[reason])
    for reason in ABANDONED:
        yield (S.ACCOUNTING, reason), then(phases.accounting, OBSTACLES[reason])
        yield (S.LAUNCHING, reason), then(phases.looking, OBSTACLES[reason])


def asked_move(seat: Seat) -> None:
    """Let an operator ask for the master to be moved here."""
    seat.step(TakeoverAsked("eve", migrate=True))


def guarded() -> Seat:
    """Return a seat that watches a guarded master of THERE."""
    seat = Seat(old_cell())
    seat.run(790)
    return seat


def moving(*scenarios: Scenario) -> Callable[[], Seat]:
    """Return a walk: ask for a move, change the world at the probe, and see what follows."""

    def walk() -> Seat:
        seat = guarded()
        asked_move(seat)
        seat.until(Probe)
        for scenario in scenarios:
            scenario(seat)
        seat.settle()
        return seat

    return walk


def resident(*scenarios: Scenario, answers: bool = False, after: float = 70) -> Callable[[], Seat]:
    """Return a walk in which a master that no claim started turns up here."""

    def walk() -> Seat:
        seat = Seat(old_cell()) if answers else Seat()
        seat.run(after)
        seat.world.resident, seat.world.active = 4711, HERE
        seat.world.probe = ProbeOutcome.ANSWERS if answers else ProbeOutcome.REFUSES
        for scenario in scenarios:
            scenario(seat)
        seat.run(62)
        return seat

    return walk


def restarted() -> Seat:
    """Return a seat whose master died and may be started again here."""
    seat = Seat(policy=policy(restart_limit=1))
    phases.active(seat)
    seat.world.pairs[HERE, Epoch(1)].end()
    seat.run(3)
    return seat


def kept_launch() -> Seat:
    """Return a seat whose daemon comes back to a launch of its own, with a lease."""
    world = World(active=HERE)
    world.add(record(1, NoticeKind.LAUNCHING, host=HERE))
    world.pairs[HERE, Epoch(1)] = Pair()
    seat = Seat(world, kept=KeptLease(Epoch(1), "alpha-1", Seconds(741), Instant(BEGINNING + 99)))
    seat.run(3)
    return seat


def kept_by_nobody() -> Seat:
    """Return a seat whose daemon comes back to a lease of which nothing runs any more."""
    seat = Seat(kept=KeptLease(Epoch(1), "alpha-1", Seconds(741), Instant(BEGINNING + 99)))
    seat.run(3)
    return seat


def not_closed() -> Seat:
    """Return a seat that cannot write the outcome of the master that it starts again."""
    seat = Seat(policy=policy(restart_limit=1))
    phases.active(seat)
    seat.world.refuses[NoticeKind.DIED] = UNREADABLE
    seat.world.pairs[HERE, Epoch(1)].end()
    seat.run(3)
    return seat


def usurped(seat: Seat) -> None:
    """Let a master on another host write its name."""
    seat.world.active, seat.world.probe = ELSEWHERE, ProbeOutcome.ANSWERS
    seat.run(3)


def beating_while_asked() -> Seat:
    """Let an operator ask while an unclaimed master beats."""
    seat = Seat()
    seat.run(300)
    beats(seat)
    asked(seat)
    seat.settle()
    return seat


def nobody_to_ask() -> Seat:
    """Return a seat whose old master has a host without an address, and no claim."""
    seat = Seat(World(probe=ProbeOutcome.UNRESOLVABLE))
    seat.run(845)
    return seat


def no_guard(seat: Seat) -> None:
    """Let the master have no guard: no claim started it."""
    seat.world.records.clear()
    seat.cell._shadow.memory.peak = Epoch(0)


def moved_without_an_answer(seat: Seat) -> None:
    """Let the beat move while the old guard says nothing, for longer than it has."""
    beats(seat)
    seat.run(20)


def listened() -> Seat:
    """Let somebody listen where a master without a guard was."""
    seat = Seat(World(probe=ProbeOutcome.LISTENS))
    seat.run(850)
    return seat


def handed_over() -> Seat:
    """Let a master end with status 0 where that is no shutdown."""
    seat = Seat(old_cell(), timing=SELDOM, policy=policy(clean_exit_stops=False))
    phases.active(seat)
    master(lambda pair: setattr(pair, "master", ExitKind.CLEAN))(seat)
    seat.settle()
    return seat


def moved_away(seat: Seat) -> None:
    """Let another host ask for the master, and its guard end it in order."""
    seat.world.add(record(9, host=ELSEWHERE, reason=ClaimReason.MIGRATE))
    seat.run(5)


WALKS.update(_more())
WALKS[S.ACTIVE, Reason.HANDED_OVER] = handed_over
WALKS[S.ACTIVE, Reason.MOVED] = then(phases.active, moved_away)
WALKS[S.VERIFYING, Reason.LISTENS] = listened
WALKS[S.ACCOUNTING, Reason.FENCE_FAILED] = phases.without_proof
WALKS[S.VERIFYING, Reason.ACTIVE_UNASKED] = nobody_to_ask
WALKS[S.STALE, Reason.BEATING] = beating_while_asked
WALKS[S.STANDBY, Reason.ASKED_MOVE] = then(phases.standby, asked_move)
WALKS[S.STALE, Reason.ASKED_MOVE] = moving()
WALKS[S.STALE, Reason.NOT_GUARDED] = then(lambda seat: seat.run(790), no_guard, asked_move)
WALKS[S.VERIFYING, Reason.NOT_GUARDED] = moving(lambda seat: seat.world.note(1, NoticeKind.DIED))
WALKS[S.ACCOUNTING, Reason.GUARD_SILENT] = moving(lambda seat: seat.run(30))
WALKS[S.ACCOUNTING, Reason.NOTICE_FAILED] = not_closed
WALKS[S.STANDBY, Reason.RESTARTING] = restarted
WALKS[S.STANDBY, Reason.ADOPTING] = resident()
WALKS[S.STALE, Reason.ADOPTING] = resident(after=300)
WALKS[S.CLAIMING, Reason.ADOPTED] = resident()
WALKS[S.CLAIMING, Reason.ADOPTION_FAILED] = resident(
    lambda seat: seat.world.refuses.update({Adopt: UNREADABLE})
)
WALKS[S.CLAIMING, Reason.INTRUDER] = resident(answers=True)
WALKS[S.ACTIVE, Reason.ACTIVE_CHANGED] = then(phases.active, usurped)
WALKS[S.ACTIVE, Reason.EPOCH_CLOSED] = then(
    phases.active, lambda seat: seat.world.note(seat.cell.snapshot().epoch, NoticeKind.DIED), a_second
)
WALKS[S.ACTIVE, Reason.RESUMED] = kept_launch
WALKS[S.ACTIVE, Reason.GONE_BEFORE] = kept_by_nobody
WALKS[S.ACCOUNTING, Reason.BEAT_MOVED] = then(phases.accounting, moved_without_an_answer)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.state.value}-{row.reason.value}")
def test_every_row_is_walked(row: Row) -> None:
    """Each row has a scenario that leads through it."""
    seat = WALKS[row.state, row.reason]()
    assert (row.state, row.reason, row.next) in seat.rows
    assert any(
        (line.event, line.reason, line.level) == (row.event, row.reason, row.level) for line in seat.said
    )


def test_no_scenario_without_a_row() -> None:
    """Whoever drops a row drops its scenario."""
    assert set(WALKS) == {(row.state, row.reason) for row in TABLE}


def test_the_probe_asks_the_host_in_act_qmaster() -> None:
    """Before a claim the host that should be the master is asked."""
    seat = Seat()
    assert seat.until(Probe).host == THERE
