"""One cell at work in virtual time: its machines may break, its lanes hang, and what it publishes."""

import json
from collections import Counter
from typing import ClassVar

import pytest

from shadowd.core.actions import Action, KeepLease
from shadowd.core.cell import Cell
from shadowd.core.events import Event, LeaseKept, Observed, Woken
from shadowd.core.policy import Policy
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State
from shadowd.core.timing import Timing
from shadowd.core.values import Epoch, Host, Instant, KeptLease, Seconds, Unknown
from shadowd.sim.disk import HANGS, SHARED, Op
from shadowd.sim.host import SimHost
from shadowd.sim.world import World


class Workshop:
    """Makes machines for the cell ``cell`` that break when the test wants; those of others are sound."""

    def __init__(self) -> None:
        self.breaks = False
        self.unmade = 0
        """How often the next machines cannot be made."""
        self.made: list[Spoilt] = []

    def make(self, cell: str, timing: Timing, policy: Policy, now: Instant, kept: KeptLease | None) -> Cell:
        """Make the machines of one cell."""
        if cell != "cell":
            return Cell(timing, policy, now=now, kept=kept)
        if self.made and self.unmade:
            self.unmade -= 1
            raise MemoryError("none left")
        self.made.append(Spoilt(self, timing, policy, now=now))
        return self.made[-1]


class Spoilt(Cell):
    """Machines with a bug that shows when the workshop says so."""

    def __init__(self, workshop: Workshop, timing: Timing, policy: Policy, *, now: Instant) -> None:
        super().__init__(timing, policy, now=now)
        self.workshop = workshop
        self.heard: list[Event] = []

    def step(self, event: Event, now: Instant) -> tuple[Action, ...]:
        """Note the event."""
        self.heard.append(event)
        return super().step(event, now)

    def deadline(self) -> Instant:
        """Be due at once if it is time to break."""
        return Instant(0) if self.workshop.breaks else super().deadline()

    def tick(self, now: Instant) -> tuple[Action, ...]:
        """Break, if wanted."""
        if self.workshop.breaks:
            self.workshop.breaks = False
            raise ZeroDivisionError("a bug")
        return super().tick(now)


def publications(host: SimHost, world: World) -> list[float]:
    """Return a list that gets the moment of each shared publication of this host."""
    moments: list[float] = []

    def note(_cell: str, op: Op) -> None:
        if op is Op.PUBLISH:
            moments.append(world.now)

    host.on_operation = note
    return moments


def poke(world: World) -> None:
    """Say a word that may change any date: a machine's own dates change by words alone."""
    loop = world["a"].loop
    assert loop is not None
    loop.post(lambda: None)


def test_a_machine_that_breaks_takes_no_other_cell_along() -> None:
    """The broken cell is reported and begins anew ten seconds later; the other one goes on."""
    workshop = Workshop()
    world = World(["a"], cells=["cell", "other"], make=workshop.make)
    world.start_daemons()
    world.run(100)
    workshop.breaks = True
    poke(world)
    world.run(5)
    (line,) = world.said("cell.disabled")
    assert (line.cell, line.say.reason, line.say.detail) == (
        "cell",
        Reason.BROKEN,
        "ZeroDivisionError: a bug",
    )
    assert world["a"].snapshot("cell") is None
    before = world["a"].snapshot("other")
    world["a"].ask_takeover("cell")
    world.run(10)
    assert world["a"].snapshot("cell") is not None
    assert len(workshop.made) == 2
    world.run(60)
    after = world["a"].snapshot("other")
    assert before is not None
    assert after is not None
    assert before.observed != after.observed
    assert not world.said("takeover.asked")


def test_a_reborn_machine_recognises_its_own_master() -> None:
    """Beginning anew is like a restart of the daemon: the master lives and is guarded again."""
    workshop = Workshop()
    world = World(["a"], make=workshop.make)
    world.start_daemons()
    assert world.run_until(lambda: world["a"].state("cell") is State.ACTIVE, 1000)
    (master,) = world.masters()
    workshop.breaks = True
    poke(world)
    world.run(60)
    assert len(workshop.made) == 2
    assert world["a"].state("cell") is State.ACTIVE
    assert world.masters() == (master,)


def test_machines_that_broke_answer_for_their_master_as_they_did_last() -> None:
    """The master and its lease are there whatever became of the machine: hardware need not reset the host."""
    workshop = Workshop()
    world = World(["a"], make=workshop.make)
    world.start_daemons()
    loop = world["a"].loop
    assert loop is not None
    runner = loop.runners["cell"]
    assert runner.answers_until is None
    assert world.run_until(lambda: world["a"].state("cell") is State.ACTIVE, 1000)
    ends = runner.answers_until
    assert ends is not None
    workshop.breaks = True
    poke(world)
    world.run(1)
    assert world["a"].snapshot("cell") is None
    assert runner.answers_until is not None
    assert runner.answers_until >= ends
    world.run(60)
    assert runner.answers_until > ends


def test_an_answer_to_a_machine_that_broke_is_dropped() -> None:
    """A read that hung over the rebirth is not taken for an answer to the new machine's request."""
    workshop = Workshop()
    world = World(["a"], make=workshop.make)
    world.start_daemons()
    world.run(59)
    view = world["a"].seats["cell"].view
    view.set(HANGS)
    world.run(2)
    workshop.breaks = True
    poke(world)
    world.run(60)
    assert len(workshop.made) == 2
    heard = len(workshop.made[0].heard)
    view.heal()
    world.run(1)
    assert len(workshop.made[0].heard) == heard
    (answer,) = [event for event in workshop.made[1].heard if isinstance(event, Observed)]
    assert answer.listed > world.now - 2


def test_a_stuck_lane_is_reported_once_and_its_return_too() -> None:
    """People hear which lanes hang after io_timeout, and that they resumed; the record says since when."""
    world = World(["a"])
    world.start_daemons()
    world.run(59)
    seat = world["a"].seats["cell"]
    seat.view.set(HANGS)
    world.run(600)
    stuck = world.said("io.stuck")
    assert Counter(line.say.detail for line in stuck) == {"shared directory": 1, "records for people": 1}
    first = next(line for line in stuck if line.say.detail == "shared directory")
    assert 69 < first.when < 72
    assert json.loads(seat.local)["io_stuck"] == pytest.approx(1.6e9 + 60, abs=1)
    seat.view.heal()
    world.run(1)
    assert len(world.said("io.resumed")) == 2
    world.run(60)
    assert json.loads(seat.local)["io_stuck"] is None


def test_a_quiet_cell_publishes_once_each_check() -> None:
    """The record is a sign of life, so it is written although nothing changed."""
    world = World(["a", "b"])
    world["a"].seats["cell"].start_master()
    world.start_daemons("b")
    world.run(200)
    moments = publications(world["b"], world)
    world.run(600)
    assert len(moments) == pytest.approx(10, abs=1)


def test_a_change_is_published_at_once() -> None:
    """Nobody waits for the next check to see a new state."""
    world = World(["a", "b"])
    world.start_daemons("b")
    assert world.run_until(lambda: world["b"].state("cell") is State.STALE, 300)
    moments = publications(world["b"], world)
    world.run(0.1)
    assert len(moments) == 1
    assert json.loads(world["b"].seats["cell"].local)["state"] == "stale"
    assert json.loads(world.disk.published[world["b"].name])["state"] == "stale"


def test_a_record_that_another_machine_wrote_is_told() -> None:
    """What lay there before our first one may be of an earlier boot; after it, it is somebody else's."""
    world = World(["a", "b"])
    published = world.disk.published
    published[world["b"].name] = b'{"boot_id":"before"}'
    world.start_daemons("b")
    world.run(130)
    world["b"].start_daemon()  # in the same boot: the same record, by another pid
    world.run(130)
    assert world.said("host.duplicate") == ()
    published[world["b"].name] = b'{"boot_id":"its-boot"}'
    world.run(61)
    (line,) = world.said("host.duplicate")
    assert "its-boot" in line.say.detail
    refusals = json.loads(published[world["b"].name])["refusals"]
    assert "duplicate_host" in [refusal["reason"] for refusal in refusals]
    world["b"].crash()
    world["b"].boot()
    world.run(400)
    assert len(world.said("host.duplicate")) == 1


def test_nothing_is_written_into_a_directory_that_hangs() -> None:
    """The local record goes on; the shared one would only hold one more thread."""
    world = World(["a"])
    world.start_daemons()
    world.run(30)
    view = world["a"].seats["cell"].view
    view.set(HANGS, [op for op in SHARED if op is not Op.PUBLISH])
    world.run(60)
    moments = publications(world["a"], world)
    world.run(300)
    assert not moments
    assert json.loads(world["a"].seats["cell"].local)["wall"] > world["a"].wall() - 61


def test_a_background_job_that_raises_is_reported_once_and_its_lane_goes_on() -> None:
    """A bug in what writes for people holds up neither the lane nor the cell, and floods no log."""
    world = World(["a"])
    world.start_daemons()
    world.run(1)
    loop = world["a"].loop
    assert loop is not None
    runner = loop.runners["cell"]
    assert runner.name == "cell"
    done: list[str] = []

    def fail() -> None:
        raise ZeroDivisionError("a bug")

    for job in (fail, fail, lambda: done.append("done")):
        runner.in_background(job)
    world.run(1)
    assert done == ["done"]
    (line,) = world.said("log.unwritable")
    assert (line.say.reason, line.say.detail) == (Reason.BROKEN, "ZeroDivisionError: a bug")


def test_a_broken_cell_answers_nothing_and_publishes_nothing() -> None:
    """Between the bug and the rebirth there is nothing to say, and the loop does not spin."""
    workshop = Workshop()
    world = World(["a"], make=workshop.make)
    world.start_daemons()
    world.run(30)
    workshop.breaks = True
    poke(world)
    world.run(5)
    assert world["a"].snapshot("cell") is None
    moments = publications(world["a"], world)
    world.run(4)
    assert not moments
    world.run(10)
    assert moments
    assert not isinstance(workshop.made[1].snapshot().beat, Unknown)


def test_a_retired_cell_lets_its_call_end_and_decides_nothing_more() -> None:
    """A cell that left the configuration drops the answer of what was under way."""
    workshop = Workshop()
    world = World(["a"], make=workshop.make)
    world.start_daemons()
    world.run(59)
    view = world["a"].seats["cell"].view
    view.set(HANGS)
    world.run(2)
    loop = world["a"].loop
    assert loop is not None
    heard = len(workshop.made[0].heard)
    loop.runners["cell"].retire()
    view.heal()
    world.run(600)
    assert loop.runners["cell"].snapshot() is None
    assert len(workshop.made) == 1
    assert len(workshop.made[0].heard) == heard


def test_a_runner_knows_while_processes_may_be_started_or_stopped() -> None:
    """A launch that hangs is under way; looking at processes or files is not."""
    world = World(["a"])
    world.start_daemons()
    view = world["a"].seats["cell"].view
    loop = world["a"].loop
    assert loop is not None
    runner = loop.runners["cell"]
    view.set(HANGS, (Op.LAUNCH,))
    assert world.run_until(lambda: world["a"].state("cell") is State.LAUNCHING, 1000)
    world.run(1)
    assert runner.launching
    view.heal()
    assert world.run_until(lambda: world["a"].state("cell") is State.ACTIVE, 10)
    assert not runner.launching


def test_a_lease_is_kept_on_this_host_and_taken_away() -> None:
    """What the machines want kept lies in the local runtime directory, the latest last (rule 9)."""
    world = World(["a"])
    world.start_daemons()
    world.run(1)
    runner = world["a"].loop.runners["cell"]  # type: ignore[union-attr]
    kept = KeptLease(Epoch(1), "n", Seconds(741), Instant(800))

    class Keeping(Cell):
        """Machines that want something kept, and then nothing."""

        wishes: ClassVar = [KeepLease(kept), KeepLease(None)]

        def step(self, event: Event, now: Instant) -> tuple[Action, ...]:
            """Wish for the next."""
            return (self.wishes.pop(0),) if isinstance(event, Woken) else super().step(event, now)

    runner._cell = Keeping(
        world.timing, Policy(host=Host("a"), machine_id="m", boot_id="b"), now=world["a"].now()
    )
    for expected in (kept, None):
        runner.feed(Woken())
        world.run(1)
        assert world["a"].seats["cell"].kept == expected


@pytest.mark.parametrize("fails", [False, True])
def test_whoever_asks_hears_when_a_lease_is_kept(*, fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """After it was written; and also if it could not be, which is said: the machines go on."""
    world = World(["a"])
    world.start_daemons()
    world.run(1)
    seat = world["a"].seats["cell"]
    kept = KeptLease(Epoch(1), "n", Seconds(741), Instant(800), launching=True)
    heard: list[tuple[Event, KeptLease | None]] = []

    class Waiting(Cell):
        """Machines that wait until something is kept."""

        def step(self, event: Event, now: Instant) -> tuple[Action, ...]:
            """Ask, and hear."""
            if isinstance(event, LeaseKept):
                heard.append((event, seat.kept))
            return (KeepLease(kept, answered=True),) if isinstance(event, Woken) else super().step(event, now)

    def keep(_kept: KeptLease | None) -> None:
        raise OSError("no space")

    if fails:
        monkeypatch.setattr(seat, "keep_lease", keep)
    runner = world["a"].loop.runners["cell"]  # type: ignore[union-attr]
    runner._cell = Waiting(
        world.timing, Policy(host=Host("a"), machine_id="m", boot_id="b"), now=world["a"].now()
    )
    runner.feed(Woken())
    world.run(1)
    assert heard == [(LeaseKept(kept), None if fails else kept)]
    assert [line.say.detail for line in world.said("log.unwritable")] == (
        ["OSError: no space"] if fails else []
    )
