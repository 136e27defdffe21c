"""One host's ``Cell`` at a table: its virtual time, its unanswered requests, all that it did and said.

A test moves time with ``run`` and ``until``, changes the world between two answers, and looks at what was
done. Answers come at once unless the test says otherwise.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from shadowd.core.actions import (
    Action,
    KeepLease,
    Say,
    WriteNotice,
)
from shadowd.core.cell import Cell
from shadowd.core.events import (
    Event,
)
from shadowd.core.policy import Policy
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State
from shadowd.core.timing import Timing
from shadowd.core.values import (
    Instant,
    KeptLease,
    NoticeKind,
)
from tests.core.rounds import BEGINNING, policy, timing
from tests.core.world import World

BEAT = 30.0
Kind = TypeVar("Kind", bound=Action)
USUAL = timing()
OURS = policy()


class Seat:
    """One host's cell: its virtual time, its unanswered requests, and all that it did and said."""

    def __init__(
        self,
        world: World | None = None,
        *,
        timing: Timing = USUAL,
        policy: Policy = OURS,
        now: Instant = BEGINNING,
        kept: KeptLease | None = None,
    ) -> None:
        self.world = World() if world is None else world
        self.host = policy.host
        self.now = now
        self.cell = Cell(timing, policy, now=now, kept=kept)
        self.kept = kept
        """The lease on this host's own disk."""
        self.pending: list[Action] = []
        self.done: list[tuple[Instant, Action]] = []
        """Every request, with the time at which it was made."""
        self.said: list[Say] = []
        self.rows: list[tuple[State, Reason, State]] = []
        """Every transition."""
        self._meddle: Callable[[], None] | None = None
        self._record_transitions()

    @property
    def state(self) -> State:
        """Where the cell stands."""
        return self.cell.snapshot().state

    @property
    def reasons(self) -> list[Reason]:
        """Return why a bid now would be refused."""
        return [refusal.reason for refusal in self.cell.snapshot().refusals]

    def times(self, kind: type[Action]) -> list[Instant]:
        """Return when requests of this kind were made."""
        return [when for when, action in self.done if isinstance(action, kind)]

    def requests(self, kind: type[Kind]) -> list[Kind]:
        """Return the requests of this kind."""
        return [action for _, action in self.done if isinstance(action, kind)]

    def heard(self, event: str) -> list[Say]:
        """Return the lines of this name."""
        return [line for line in self.said if line.event == event]

    def step(self, event: Event) -> None:
        """Give the cell one event now."""
        self._take(self.cell.step(event, self.now))

    def tick(self) -> None:
        """Let the cell do what is due now; the next date is later, or this would be a busy loop."""
        self._take(self.cell.tick(self.now))
        assert self.cell.deadline() > self.now

    def answer(self, action: Action | None = None) -> None:
        """Carry out the oldest request, or this one."""
        chosen = self.pending[0] if action is None else action
        self.pending.remove(chosen)
        event = self.world.perform(self.host, chosen, self.now)
        if self._meddle is not None:
            self._meddle()
        self.step(event)

    def settle(self) -> None:
        """Answer until nothing is asked for any more at this moment."""
        for _ in range(1000):
            if self.pending:
                self.answer()
            elif self.cell.deadline() <= self.now:
                self.tick()
            else:
                return
        raise AssertionError("the cell is busy for ever")

    def run(
        self, seconds: float, *, masters_beat: bool = False, after: Callable[[], None] | None = None
    ) -> None:
        """Let time pass, answering everything at once; ``after`` meddles after each answer."""
        self._meddle = after
        self._pass(Instant(self.now + seconds), None, masters_beat=masters_beat)
        self._meddle = None

    def until(self, kind: type[Kind] | NoticeKind, seconds: float = 3000.0) -> Kind:
        """Let time pass until a request of this kind waits for its answer; return it unanswered."""
        found = self._pass(Instant(self.now + seconds), kind)
        assert found is not None, f"no {kind} within {seconds} s; {self.state}, {self.reasons}"
        return found  # type: ignore[return-value]

    def _pass(
        self, end: Instant, kind: type[Action] | NoticeKind | None, *, masters_beat: bool = False
    ) -> Action | None:
        beat_at = self.now + BEAT
        for _ in range(200_000):
            while self.pending:
                if kind is not None and _is(self.pending[0], kind):
                    return self.pending[0]
                self.answer()
            due = max(self.now, min(self.cell.deadline(), beat_at if masters_beat else end))
            if due > end or (due == end and due < self.cell.deadline()):
                self.now = end
                return None
            self.now = Instant(due)
            if masters_beat and due >= beat_at:
                beat_at += BEAT
                self.world.advance_beat()
            self.tick()
        raise AssertionError("the cell is busy for ever")

    def _take(self, actions: tuple[Action, ...]) -> None:
        self.said += [action for action in actions if isinstance(action, Say)]
        for action in actions:
            self.kept = action.kept if isinstance(action, KeepLease) else self.kept
        asked = [action for action in actions if not isinstance(action, Say) and not _unanswered(action)]
        self.done += [(self.now, action) for action in asked]
        self.pending += asked

    def _record_transitions(self) -> None:
        course = self.cell._shadow.course
        go = course.go

        def recorded(reason: Reason, now: Instant, **words: Any) -> tuple[Action, ...]:
            before = course.state
            said = go(reason, now, **words)
            self.rows.append((before, reason, course.state))
            return said

        course.go = recorded  # type: ignore[method-assign]


def _unanswered(action: Action) -> bool:
    return isinstance(action, KeepLease) and not action.answered


def _is(action: Action, kind: type[Action] | NoticeKind) -> bool:
    if isinstance(kind, NoticeKind):
        return isinstance(action, WriteNotice) and action.kind is kind
    return isinstance(action, kind)
