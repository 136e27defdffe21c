"""One cell at work: its machines, its lanes, and what it publishes.

The runner lives on the decision thread and never blocks. It sends each action into its lane, feeds each
answer to the machines and publishes what they think. If a machine breaks (an assertion, a bug, no memory) or
an action cannot be sent, only this cell is affected: it begins anew like a daemon that was restarted, which
recognises its own master. What cannot be published is said, and nothing else.
"""

import contextlib
import threading
from collections.abc import Callable

from shadowd.core.actions import Action, KeepLease, Level, Say
from shadowd.core.cell import Cell
from shadowd.core.events import Event, LeaseKept, Namesake, Observed
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import Snapshot
from shadowd.core.values import NEVER, Instant, Seconds
from shadowd.ports import Clock, Journal, Outlet
from shadowd.runtime.executor import Executor, Lane, lane_of
from shadowd.runtime.lanes import Lanes
from shadowd.runtime.record import Publisher, encode
from shadowd.runtime.requests import Request
from shadowd.runtime.workers import Job

_REBIRTH = Seconds(10)
"""A machine that broke begins anew after this long, so that a bug is no busy loop."""
_LATE = Seconds(1)
"""A sign of life that is due with a check waits this long for what the check says: one record, not two."""
_EARLY = 0.1
"""The part of a check interval by which a check may be early and still carry the sign of life."""


def _nothing() -> None:
    """Leave the local record to another job."""


class _LocalRecord:
    """The local record, written by whichever lane is free, and never an older one over a newer.

    Why not always by its own lane: one worker that writes both records is one thread less to wake, and two
    that write at once wait for each other's interpreter lock at every system call.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._made = 0
        self._written = 0

    def writing(self, record: bytes) -> Job:
        """Return the job that writes this record unless a newer one is written."""
        self._made += 1
        number = self._made

        def write() -> None:
            with self._lock:
                if number > self._written:
                    self._written = number
                    self._write(record)

        return write


class Runner:
    """Runs one cell."""

    def __init__(
        self,
        *,
        make: Callable[[Instant], Cell],
        executor: Executor,
        lanes: Lanes,
        clock: Clock,
        journal: Journal,
        outlet: Outlet,
        publisher: Publisher,
    ) -> None:
        self._make = make
        self._executor = executor
        self._lanes = lanes
        self._clock = clock
        self._journal = journal
        self._outlet = outlet
        self._local = _LocalRecord(outlet.write_local)
        self._publisher = publisher
        self._cell: Cell | None = make(clock.now())
        self._reborn_at = NEVER
        self._stuck: dict[Lane, Instant] = {}
        self._complained = False
        self._published: object = None
        self._publish_at = clock.now()
        self._answers_until: Instant | None = None

    @property
    def answers_until(self) -> Instant | None:
        """Until when the guard answers for the master here; None: no guard.

        Of machines that broke it is what they said last: the master and its lease are still there.
        """
        if self._cell is not None:
            self._answers_until = self._cell.answers_until()
        return self._answers_until

    @property
    def name(self) -> str:
        """The cell's name."""
        return self._publisher.cell

    def deadline(self) -> Instant:
        """Return when ``turn`` has something to do."""
        machine = self._reborn_at if self._cell is None else self._cell.deadline()
        return min(machine, self._lanes.deadline(self._stuck), Instant(self._publish_at + _LATE))

    def turn(self) -> None:
        """Do what is due now."""
        now = self._clock.now()
        if self._cell is None and now >= self._reborn_at:
            self._begin_anew(now)
        if self._cell is not None and now >= self._cell.deadline():
            self._run(lambda cell: cell.tick(now))
        self._tell(now, life=now >= self._publish_at + _LATE)

    def feed(self, event: Event) -> None:
        """Give one event to the machines; one for machines that broke is dropped."""
        now = self._clock.now()
        self._run(lambda cell: cell.step(event, now))
        soon = now + _EARLY * self._publisher.timing.check_interval
        self._tell(now, life=isinstance(event, Observed) and soon >= self._publish_at)

    def snapshot(self) -> Snapshot | None:
        """Return what the machines think; None while they are about to begin anew."""
        return None if self._cell is None else self._cell.snapshot()

    def retire(self) -> None:
        """Decide nothing any more: what is under way ends, and its answer is dropped."""
        self._cell = None
        self._reborn_at = NEVER

    @property
    def launching(self) -> bool:
        """True while a call that may start or stop processes is under way."""
        return self._lanes.busy(Lane.LOCAL)

    def in_background(self, job: Job) -> None:
        """Run a job that writes for people only; dropped while its lane is full."""
        self._post(Lane.RECORDS, job)

    def _run(self, move: Callable[[Cell], tuple[Action, ...]]) -> None:
        cell = self._cell
        if cell is None:
            return
        try:
            for action in move(cell):
                if isinstance(action, Say):
                    self._say(action)
                elif isinstance(action, KeepLease):
                    self._keep(action, cell)
                else:
                    self._send(action, cell)
        except Exception as error:  # noqa: BLE001 - a bug in one cell must not take the others along
            self._break(error)

    def _begin_anew(self, now: Instant) -> None:
        try:
            self._cell = self._make(now)
        except Exception as error:  # noqa: BLE001 - no memory, say: it is tried again
            self._break(error)

    def _break(self, error: Exception) -> None:
        """Drop the machines: those that follow know from the disk all that counts."""
        self._cell = None
        self._reborn_at = Instant(self._clock.now() + _REBIRTH)
        detail = f"{type(error).__name__}: {error}"
        self._say(Say("cell.disabled", Reason.BROKEN, Level.ALARM, None, detail))

    def _say(self, line: Say) -> None:
        # A line that cannot be written must not take the action behind it along.
        with contextlib.suppress(Exception):
            self._journal.say(line)

    def _tell(self, now: Instant, *, life: bool) -> None:
        """Say and publish how things are; that it fails is no matter of the machines."""
        try:
            self._notice_stuck(now)
            self._publish(now, life=life)
        except Exception as error:  # noqa: BLE001 - see above
            self._publish_at = max(self._publish_at, Instant(now + _LATE))
            self._complain(f"{type(error).__name__}: {error}")

    def _send(self, action: Request, cell: Cell) -> None:
        def perform() -> Job:
            try:
                event = self._executor.perform(action)
            except Exception as failure:  # noqa: BLE001 - else the machines would wait for ever
                error = failure
                return lambda: self._fail(error, cell)
            return lambda: self._answer(event, cell)

        self._lanes.send(lane_of(action), perform)

    def _fail(self, error: Exception, cell: Cell) -> None:
        if cell is self._cell:
            self._break(error)

    def _keep(self, action: KeepLease, cell: Cell) -> None:
        """Keep the lease on this host; an older record than the truth only makes its end come sooner.

        The answer of one that could not be kept is the same: that is no reason to be without a master.
        """
        kept = action.kept
        if not action.answered:
            self._post(Lane.STATE, lambda: self._outlet.keep_lease(kept))
            return

        def perform() -> Job:
            try:
                self._outlet.keep_lease(kept)
            except Exception as error:  # noqa: BLE001 - whatever an outlet does, the machines get an answer
                detail = f"{type(error).__name__}: {error}"
                self._say(Say("log.unwritable", Reason.BROKEN, Level.WARNING, None, detail))
            return lambda: self._answer(LeaseKept(kept), cell)

        self._lanes.send(Lane.STATE, perform)

    def _answer(self, event: Event, cell: Cell) -> None:
        if cell is self._cell:  # else it answers a machine that broke
            self.feed(event)

    def _notice_stuck(self, now: Instant) -> None:
        before, self._stuck = self._stuck, self._lanes.stuck(now)
        for lane in self._stuck.keys() - before.keys():
            self._say(Say("io.stuck", Reason.IO_STUCK, Level.ALARM, None, lane.value))
        for lane in before.keys() - self._stuck.keys():
            self._say(Say("io.resumed", Reason.IO_RESUMED, Level.INFO, None, lane.value))

    def _publish(self, now: Instant, *, life: bool) -> None:
        """Publish what changed at once, and a sign of life each check."""
        snapshot = self.snapshot()
        if snapshot is None:
            self._publish_at = NEVER
            return
        essence = (
            snapshot.state,
            snapshot.reason,
            tuple((item.reason, item.detail) for item in (*snapshot.refusals, *snapshot.complaints)),
            snapshot.epoch,
            snapshot.master,
            snapshot.active,
            tuple(self._stuck),
        )
        if essence == self._published and not life:
            return
        self._published = essence
        self._publish_at = Instant(now + self._publisher.timing.check_interval)
        shared = self._stuck.get(Lane.SHARED)
        record = encode(snapshot, self._publisher, now=now, wall=self._clock.wall(), io_stuck=shared)
        write_local = self._local.writing(record)
        if shared is not None or self._lanes.busy(Lane.RECORDS):
            self._post(Lane.STATE, write_local)
            write_local = _nothing

        def write_both() -> Job | None:
            write_local()
            boot = self._outlet.write_shared(record)
            return None if boot is None else lambda: self.feed(Namesake(boot))

        if shared is None:
            self._post(Lane.RECORDS, write_both)

    def _post(self, lane: Lane, job: Callable[[], Job | None]) -> None:
        """Send a job that nobody waits for; what it returns is done on the decision thread."""

        def run() -> Job:
            try:
                after = job()
            except Exception as error:  # noqa: BLE001 - else the lane would wait for its end for ever
                detail = f"{type(error).__name__}: {error}"
                return lambda: self._complain(detail)
            return after or self._look_at_lanes

        self._lanes.send(lane, run, droppable=True)

    def _look_at_lanes(self) -> None:
        self._notice_stuck(self._clock.now())

    def _complain(self, detail: str) -> None:
        """Say once what is wrong with a background job: saying it may be such a job itself."""
        if not self._complained:
            self._complained = True
            self._say(Say("log.unwritable", Reason.BROKEN, Level.WARNING, None, detail))
