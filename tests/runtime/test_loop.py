"""The decision thread: what comes first in a turn, how long it sleeps, and how it ends."""

import threading
from dataclasses import dataclass, field
from typing import cast

import pytest

from shadowd.core.values import NEVER, Instant, Seconds
from shadowd.runtime.loop import Loop
from shadowd.runtime.runner import Runner


@dataclass
class Due:
    """A cell that is due at one date."""

    at: float
    heard: list[str]
    name: str = "due"

    def deadline(self) -> Instant:
        """Return the date."""
        return Instant(self.at)

    def turn(self) -> None:
        """Note the turn."""
        self.heard.append(self.name)
        self.at = NEVER


@dataclass
class Stage:
    """A loop whose clock moves only by sleeping."""

    time: float = 0.0
    heard: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    wakes: int = 0
    fed: int = 0

    def __post_init__(self) -> None:
        self.loop = Loop(self, self, alive=self._feed)

    def add(self, name: str, at: float) -> None:
        """Add a cell that is due then."""
        self.loop.runners[name] = cast("Runner", Due(at, self.heard, name))

    def now(self) -> Instant:
        """Be the clock."""
        return Instant(self.time)

    def wall(self) -> float:
        """Be the clock."""
        return self.time

    def wait(self, seconds: float) -> None:
        """Be the waker: sleep by moving the clock; stop after a hundred turns."""
        self.slept.append(seconds)
        self.time += seconds
        if len(self.slept) == 100:
            self.loop.stop()

    def wake(self) -> None:
        """Be the waker."""
        self.wakes += 1

    def _feed(self) -> None:
        self.fed += 1


def test_words_come_before_what_is_due() -> None:
    """An answer that is there already is heard before any cell acts on its date."""
    stage = Stage()
    stage.add("due", 0)
    stage.loop.post(lambda: stage.heard.append("word"))
    assert stage.wakes == 1
    stage.loop.turn()
    assert stage.heard == ["word", "due"]


def test_only_cells_that_are_due_take_their_turn() -> None:
    """Each cell has its own dates."""
    stage = Stage()
    stage.add("now", 0)
    stage.add("later", 7)
    stage.loop.turn()
    assert stage.heard == ["now"]
    stage.time = 7
    stage.loop.turn()
    assert stage.heard == ["now", "later"]


def test_a_word_may_add_and_remove_cells() -> None:
    """Reloading a configuration changes the cells between two turns."""
    stage = Stage()
    stage.add("old", 0)

    def reload() -> None:
        del stage.loop.runners["old"]
        stage.add("new", 0)

    stage.loop.post(reload)
    stage.loop.turn()
    assert stage.heard == ["new"]


def test_a_flood_of_words_keeps_no_cell_from_its_turn() -> None:
    """A turn takes a bounded number of words, and those that come meanwhile wait for the next."""
    stage = Stage()
    stage.add("due", 0)
    for _ in range(10_005):
        stage.loop.post(lambda: stage.heard.append("word"))
    stage.loop.turn()
    assert stage.heard == ["word"] * 10_000 + ["due"]
    assert stage.loop.patience() == Seconds(0)
    stage.loop.turn()
    assert len(stage.heard) == 10_006


def test_a_word_that_posts_itself_again_does_not_hold_the_turn() -> None:
    """Only words that were there at the beginning of a turn are taken."""
    stage = Stage()

    def again() -> None:
        stage.heard.append("again")
        stage.loop.post(again)

    stage.loop.post(again)
    stage.loop.turn()
    assert stage.heard == ["again"]


def test_the_loop_sleeps_until_the_next_date_and_never_long() -> None:
    """It wakes at the exact date, and at least every five seconds for the service manager."""
    stage = Stage()
    assert stage.loop.patience() == Seconds(5)
    stage.add("soon", 0.25)
    assert stage.loop.patience() == Seconds(0.25)
    stage.add("past", -3)
    assert stage.loop.patience() == Seconds(0)
    stage.loop.runners.clear()
    stage.add("far", 840)
    stage.loop.run()
    assert stage.fed == len(stage.slept) == 100
    assert max(stage.slept) == 5


def test_a_service_manager_with_less_patience_is_fed_more_often() -> None:
    """The longest sleep can be made shorter than five seconds, and never longer."""
    stage = Stage()
    assert Loop(stage, stage, alive=stage.wake, longest=0.5).patience() == Seconds(0.5)
    assert Loop(stage, stage, alive=stage.wake, longest=60).patience() == Seconds(5)


def test_the_loop_leaves_within_the_turn_in_which_it_is_stopped() -> None:
    """After stop nothing sleeps and no further turn is taken."""
    stage = Stage()
    stage.loop.post(stage.loop.stop)
    stage.loop.post(lambda: stage.heard.append("the same turn"))
    stage.loop.run()
    assert stage.heard == ["the same turn"]
    assert stage.slept == [0]
    assert stage.fed == 1
    stage.loop.run()
    assert stage.fed == 1


def test_what_is_noted_is_heard_first_in_the_next_turn_and_wakes_nobody() -> None:
    """A note costs no turn of its own."""
    stage = Stage()
    stage.loop.note(lambda: stage.heard.append("note"))
    assert stage.wakes == 0
    stage.loop.post(lambda: stage.heard.append("word"))
    stage.loop.turn()
    assert stage.heard == ["note", "word"]


def test_any_thread_may_post_and_stop() -> None:
    """Words of other threads arrive, and none is lost."""
    stage = Stage()
    threads = [
        threading.Thread(target=lambda: stage.loop.post(lambda: stage.heard.append("word"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    stage.loop.turn()
    assert stage.heard == ["word"] * 8


class Failing(Due):
    """A cell whose turn fails as often as the test wants."""

    fails = 1

    def turn(self) -> None:
        """Fail, or take the turn."""
        if self.fails:
            self.fails -= 1
            raise MemoryError("none left")
        super().turn()


def test_what_is_raised_in_a_turn_ends_nothing() -> None:
    """Words and cells behind it have their turn; the cell that failed is due again a moment later."""
    told: list[Exception] = []
    stage = Stage()
    stage.loop = Loop(stage, stage, alive=stage._feed, failed=told.append)
    stage.loop.runners["failing"] = cast("Runner", Failing(0, stage.heard, "failing"))
    stage.add("due", 0)

    def fail() -> None:
        raise RuntimeError("can't start new thread")

    stage.loop.post(fail)
    stage.loop.post(lambda: stage.heard.append("word"))
    stage.loop.turn()
    assert stage.heard == ["word", "due"]
    assert [str(error) for error in told] == ["can't start new thread", "none left"]
    assert stage.loop.patience() == Seconds(1)
    stage.time = 1.0
    stage.loop.turn()
    assert stage.heard == ["word", "due", "failing"]


def test_a_loop_that_cannot_even_tell_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watchdog's word, the date of the next turn, the sleep and the report may all fail."""
    stage = Stage()

    def fail(*_: object) -> None:
        stage.fed += 1
        raise MemoryError

    stage.loop = Loop(stage, stage, alive=fail, failed=fail)
    stage.add("due", 0)
    monkeypatch.setattr(stage.loop, "patience", fail)
    stage.loop.run()
    assert stage.heard == ["due"]
    assert set(stage.slept) == {1.0}
    Loop(stage, stage, alive=fail).turn()
