"""Lanes: in each one thing at a time and in order, and a stuck one holds up nobody else."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from shadowd.core.timing import Timing
from shadowd.core.values import NEVER, Instant, Seconds
from shadowd.runtime.executor import Lane
from shadowd.runtime.lanes import Lanes
from shadowd.runtime.workers import Job


@dataclass
class Stage:
    """Lanes whose workers do a job when the test says so."""

    time: float = 0.0
    submitted: list[Job] = field(default_factory=list)
    noted: list[Job] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    refuses: bool = False
    """No worker can be asked for."""

    def __post_init__(self) -> None:
        self.lanes = Lanes(
            self,
            submit=self._submit,
            post=self._post,
            note=self.noted.append,
            timing=Timing(io_timeout=Seconds(10), probe_timeout=Seconds(7)),
        )

    def now(self) -> Instant:
        """Be the clock."""
        return Instant(self.time)

    def wall(self) -> float:
        """Be the clock."""
        return self.time

    def send(self, lane: Lane, name: str, *, droppable: bool = False) -> None:
        """Send a job that notes its name when its answer is heard."""

        def job() -> Job:
            return lambda: self.done.append(name)

        self.lanes.send(lane, job, droppable=droppable)

    def work(self) -> None:
        """Let the worker that was asked first do its job."""
        self.submitted.pop(0)()

    def _submit(self, job: Job) -> None:
        """Be the workers."""
        if self.refuses:
            raise MemoryError
        self.submitted.append(job)

    def _post(self, word: Callable[[], None]) -> None:
        """Be a decision thread that hears at once, and what was noted first."""
        while self.noted:
            self.noted.pop(0)()
        word()


def test_one_lane_does_one_job_at_a_time_in_order() -> None:
    """The second is handed to a worker when the first was answered."""
    stage = Stage()
    for name in ("first", "second", "third"):
        stage.send(Lane.SHARED, name)
    for expected in (["first"], ["first", "second"], ["first", "second", "third"]):
        assert len(stage.submitted) == 1
        stage.work()
        assert stage.done == expected
    assert not stage.submitted


def test_lanes_do_not_wait_for_each_other() -> None:
    """Each lane has its own worker."""
    stage = Stage()
    for lane in Lane:
        stage.send(lane, lane.value)
    assert len(stage.submitted) == len(Lane)


def test_an_answer_may_send_the_next_job_of_its_lane() -> None:
    """The lane is free by the time that the answer is heard."""
    stage = Stage()
    stage.lanes.send(Lane.SHARED, lambda: lambda: stage.send(Lane.SHARED, "next"))
    stage.work()
    stage.work()
    assert stage.done == ["next"]


def test_a_lane_without_an_answer_counts_as_stuck_and_comes_back() -> None:
    """It is stuck from the timeout on, dated from the begin of the job, until the answer comes."""
    stage = Stage()
    assert stage.lanes.deadline(()) == NEVER
    stage.time = 100.0
    stage.send(Lane.SHARED, "hung")
    stage.send(Lane.SHARED, "waiting")
    stage.send(Lane.NETWORK, "quick")
    assert stage.lanes.deadline(()) == Instant(110)
    assert stage.lanes.stuck(Instant(109.9)) == {}
    stage.submitted.pop(1)()
    assert stage.lanes.stuck(Instant(110)) == {Lane.SHARED: 100.0}
    stage.time = 500.0
    stage.work()
    assert stage.done == ["quick", "hung"]
    assert stage.lanes.stuck(Instant(500)) == {}
    assert stage.lanes.deadline(()) == Instant(510)
    stage.work()
    assert stage.lanes.deadline(()) == NEVER


def test_a_probe_that_takes_its_whole_time_limit_is_not_stuck() -> None:
    """The network lane counts as stuck only when the probe's own limit did not end it."""
    stage = Stage()
    stage.send(Lane.NETWORK, "silent host")
    assert stage.lanes.deadline(()) == Instant(17)
    assert stage.lanes.stuck(Instant(16.9)) == {}
    assert stage.lanes.stuck(Instant(17)) == {Lane.NETWORK: 0.0}


def test_a_stuck_lane_is_due_until_somebody_knows_it() -> None:
    """A date that has passed still has to be noticed; one that was noticed wakes nobody again."""
    stage = Stage()
    stage.send(Lane.SHARED, "hung")
    stage.time = 11.0
    assert stage.lanes.deadline(()) == Instant(10)
    assert stage.lanes.deadline({Lane.SHARED}) == NEVER
    stage.send(Lane.LOCAL, "another")
    assert stage.lanes.deadline({Lane.SHARED}) == Instant(21)


def test_a_full_lane_forgets_what_nobody_waits_for() -> None:
    """While a lane is stuck its droppable jobs are bounded, and the others are kept."""
    stage = Stage()
    stage.send(Lane.SHARED, "hung")
    for number in range(50):
        stage.send(Lane.SHARED, f"record {number}", droppable=True)
    stage.send(Lane.SHARED, "needed")
    while stage.submitted:
        stage.work()
    assert stage.done == ["hung", *(f"record {number}" for number in range(16)), "needed"]


def test_the_end_of_what_nobody_waits_for_wakes_nobody() -> None:
    """It is noted, and the lane is free again when something else woke the decision thread."""
    stage = Stage()
    stage.send(Lane.RECORDS, "record", droppable=True)
    stage.work()
    assert stage.done == []
    assert stage.lanes.busy(Lane.RECORDS)
    stage.send(Lane.SHARED, "read")
    stage.work()
    assert stage.done == ["record", "read"]
    assert not stage.lanes.busy(Lane.RECORDS)


def test_a_record_that_waits_for_another_is_not_left_waiting() -> None:
    """Whichever comes first, the end of the one or the wish for the other, the second begins at once."""
    stage = Stage()
    stage.send(Lane.RECORDS, "first", droppable=True)
    stage.send(Lane.RECORDS, "second", droppable=True)
    stage.work()
    assert stage.done == ["first"]
    stage.work()
    stage.send(Lane.RECORDS, "third", droppable=True)
    assert stage.done == ["first", "second"]
    assert len(stage.submitted) == 1


def test_a_record_that_hung_says_so_when_it_is_done() -> None:
    """People hear at once that a lane works again."""
    stage = Stage()

    def job() -> Job:
        stage.time = 11.0
        return lambda: stage.done.append("hung")

    stage.lanes.send(Lane.RECORDS, job, droppable=True)
    stage.work()
    assert stage.done == ["hung"]


def test_a_job_that_cannot_be_begun_waits_and_its_lane_is_free() -> None:
    """No memory for it: the answer before it is heard all the same, and the next one sent begins it."""
    stage = Stage()
    stage.send(Lane.SHARED, "first")
    stage.send(Lane.SHARED, "second")
    stage.refuses = True
    with pytest.raises(MemoryError):
        stage.work()
    assert stage.done == ["first"]
    assert not stage.lanes.busy(Lane.SHARED)
    stage.refuses = False
    stage.send(Lane.SHARED, "third")
    stage.work()
    stage.work()
    assert stage.done == ["first", "second", "third"]
