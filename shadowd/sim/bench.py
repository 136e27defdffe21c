"""Where a simulated daemon lives: its clock, the jobs of its lanes, and what happens while it stands still.

A turn of the decision thread and a worker's job are callbacks of the timeline. A daemon has a *life* number,
and whatever was under way in an earlier life never happens; what comes due while it stands still (SIGSTOP,
or its whole host) happens when it goes on.
"""

from collections.abc import Callable
from typing import TypeVar

from shadowd.core.values import Host, Instant, Seconds
from shadowd.sim.clock import Moment, Timeline
from shadowd.sim.disk import Op
from shadowd.sim.job import Job, Suspended

T = TypeVar("T")

LATENCY = Seconds(0.001)
"""From an action to its first operation."""


class Bench:
    """The clock and the jobs of one host."""

    def __init__(self, name: Host, timeline: Timeline, stir: Callable[[], None]) -> None:
        self.name = name
        self.timeline = timeline
        self.stir = stir
        """Call this when a process, a mount or a daemon changes: it moves whoever keeps watch."""
        self.rate = 1.0
        """Seconds that its clock counts in a second."""
        self.booted = Moment(0.0)
        self.wall_offset = 0.0
        self.latency: Callable[[], Seconds] = lambda: LATENCY
        self.delivery: Callable[[], Seconds] | None = None
        """How long an answer is on its way to the decision thread; None: no time."""
        self.on_operation: Callable[[str, Op], None] | None = None
        """Called after the effect of each operation, before anybody hears the answer."""
        self.life = 0
        self.frozen = False
        """The daemon is stopped (SIGSTOP)."""
        self.stopped: Moment | None = None
        """Since when the host stands still whole, as a hypervisor pauses it."""
        self._job: Job | None = None
        self._parked: list[Callable[[], None]] = []

    # --- Clock -------------------------------------------------------------------------------------

    def now(self) -> Instant:
        """CLOCK_BOOTTIME of this host."""
        job = self._job
        if job is None or job.plain:
            return Instant((self.timeline.now - self.booted) * self.rate)
        return job.once(lambda: Instant((self.timeline.now - self.booted) * self.rate))

    def wall(self) -> float:
        """Unix time as this host believes it."""
        return self.remember(lambda: 1.6e9 + self.timeline.now + self.wall_offset)

    # --- jobs --------------------------------------------------------------------------------------

    def sound(self) -> bool:
        """Tell whether nothing is wrong with what jobs of this host do."""
        raise NotImplementedError

    def submit(self, work: Callable[[], None], *, waits: bool = True) -> None:
        """Run a lane's job, as a worker thread would; one that never waits is cheaper."""
        self.soon(self.latency(), self.resumption(Job(work, waits=waits)))

    def resumption(self, job: Job) -> Callable[[], None]:
        """Return what runs this job, or goes on with it, unless its daemon is gone by then."""
        life = self.life

        def run() -> None:
            if life == self.life and self.still:
                self._parked.append(run)
            elif life == self.life:
                job.plain = not (job.waits or job.begun or self.on_operation) and self.sound()
                self._job = job
                job.run()
                self._job = None

        return run

    @property
    def job(self) -> Job:
        """The job that runs now."""
        assert self._job is not None, "a port was called outside a job"  # noqa: S101 - an invariant
        return self._job

    def job_done(self) -> None:
        """End the present job early: what follows is the decision thread's."""
        self._job = None

    def remember(self, make: Callable[[], T]) -> T:
        """Answer at once; within a job the same again each time it is run."""
        job = self._job
        return make() if job is None or job.plain else job.once(make)

    def operated(self, cell: str, op: Op) -> None:
        """Let the world look, and perhaps crash us, after the effect of an operation."""
        life = self.life
        if self.on_operation is not None:
            self.on_operation(cell, op)
        if life != self.life:
            raise Suspended

    # --- standing still ----------------------------------------------------------------------------

    @property
    def still(self) -> bool:
        """True while the daemon makes no step."""
        return self.frozen or self.stopped is not None

    def soon(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call this later in the same life of the daemon; not while it stands still."""
        life = self.life

        def fire() -> None:
            if life != self.life:
                return
            if self.still:
                self._parked.append(fire)
            else:
                callback()

        self.timeline.after(seconds, fire, self)

    def go_on(self) -> None:
        """Let happen what was due while the daemon stood still."""
        if not self.still:
            parked, self._parked = self._parked, []
            for callback in parked:
                callback()

    def begin_life(self) -> None:
        """Let nothing happen any more that an earlier daemon had under way."""
        self.life += 1
        self.frozen = False
        self._parked = []
