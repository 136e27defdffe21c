"""What may come between a host and its takeover, each as a change of the world at some moment."""

from collections.abc import Callable

from shadowd.core.events import Namesake, TakeoverAsked
from shadowd.core.fitness import Fitness, SharedPath
from shadowd.core.reasons import Reason
from shadowd.core.values import Instant, NoticeKind, ProbeOutcome, Problem, ServerLock, Unknown
from tests.core.rounds import ELSEWHERE, FOREIGN, HERE, PAUSE, THERE, UNREADABLE, record
from tests.core.seat import Seat

Scenario = Callable[[Seat], None]


def change(**parts: object) -> Scenario:
    """Return a scenario that changes parts of the world."""

    def scenario(seat: Seat) -> None:
        for name, value in parts.items():
            setattr(seat.world, name, value)

    return scenario


def appears(number: int, *notices: NoticeKind, host: str = ELSEWHERE) -> Scenario:
    """Return a scenario in which an epoch appears."""
    return lambda seat: seat.world.add(record(number, *notices, host=type(ELSEWHERE)(host)))


def forgotten(seat: Seat) -> None:
    """Let the ledger lose all its records."""
    seat.world.records.clear()


def shut_down(seat: Seat) -> None:
    """Let the old master be shut down in an orderly way, without a lock."""
    seat.world.note(1, NoticeKind.STOPPED)


def beats(seat: Seat) -> None:
    """Let the heartbeat move."""
    seat.world.advance_beat()


def asked(seat: Seat) -> None:
    """Let an operator ask."""
    seat.step(TakeoverAsked("eve"))


OBSTACLES: dict[Reason, Scenario] = {
    Reason.CELL_UNREADABLE: change(unlisted=UNREADABLE),
    Reason.CELL_FOREIGN: change(unlisted=Unknown(Problem.FOREIGN, "shadowd/cell.json", "of another cell")),
    Reason.LEDGER_DOUBT: change(doubts=(UNREADABLE,)),
    Reason.LEDGER_SHRANK: forgotten,
    Reason.LOCK_UNKNOWN: change(lock=UNREADABLE),
    Reason.LOCKED: change(lock=FOREIGN),
    Reason.BEAT_UNKNOWN: change(beat=UNREADABLE),
    Reason.SHUT_DOWN: shut_down,
    Reason.PAUSE_UNKNOWN: change(pause=UNREADABLE),
    Reason.PAUSED: change(pause=PAUSE),
    Reason.SHADOWS_UNKNOWN: change(shadows=UNREADABLE),
    Reason.NOT_A_SHADOW: change(shadows=(THERE,)),
    Reason.CANNOT_RUN: change(fitness=Fitness(("no such program /x",))),
    Reason.NOT_SHARED: change(fitness=Fitness(paths=(SharedPath("/db", local=True, other=(THERE,)),))),
    Reason.DUPLICATE_HOST: lambda seat: seat.step(Namesake("another boot")),
    Reason.ACTIVE_UNKNOWN: change(active=UNREADABLE),
    Reason.LISTENS: change(probe=ProbeOutcome.LISTENS),  # and no guard
    Reason.RESIDENT: change(resident=4711),
    Reason.WINDOW_OPEN: appears(3),
    Reason.LEASE_RUNS: appears(3, NoticeKind.STARTED),
    # The outcome of an own epoch vanished from the disk: settled by time, but owed again.
    Reason.OWES_OUTCOME: appears(2, host=HERE),
    Reason.BEATING: beats,
    Reason.SERVER_LOCK_UNKNOWN: change(server_lock=UNREADABLE),
    Reason.FOREIGN_SERVER: change(server_lock=ServerLock.HELD),
    Reason.SERVER_UNLOCKED: change(server_lock=ServerLock.UNLOCKED),
    Reason.SUPERSEDED: appears(9),
    Reason.LICENCE_OVER: lambda seat: setattr(seat, "now", Instant(seat.now + 60)),
    Reason.BEAT_MOVED: beats,
    Reason.ACTIVE_CHANGED: change(active=ELSEWHERE),
}
