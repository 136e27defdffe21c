"""One host: its clock, its processes, and at most one daemon with the real runtime in it.

The loop, the runners, the lanes and the executor are the real ones; only what they stand on is simulated:
a turn of the decision thread, a worker's job and a watchdog word are callbacks of the timeline. A daemon
has a *life* number, and whatever was under way in an earlier life never happens.

This module refuses to let hosts see each other: all they share are ``Disk`` and the world's network.
"""

from collections.abc import Callable
from typing import TypeVar

from shadowd.core.actions import Say
from shadowd.core.events import TakeoverAsked
from shadowd.core.policy import Policy
from shadowd.core.snapshot import Snapshot, State
from shadowd.core.timing import Timing
from shadowd.core.values import Epoch, FenceOutcome, Host, Instant, ProbeOutcome, Seconds
from shadowd.runtime.executor import Executor, Ports
from shadowd.runtime.lanes import Lanes
from shadowd.runtime.loop import Loop
from shadowd.runtime.record import Publisher
from shadowd.runtime.runner import Runner
from shadowd.sim.clock import Moment, Timeline
from shadowd.sim.disk import HANGS, Disk, Op
from shadowd.sim.job import Job, Suspended
from shadowd.sim.machines import Maker, Name
from shadowd.sim.master import Master
from shadowd.sim.seat import Seat

T = TypeVar("T")

_TICK = Seconds(1e-6)
"""The shortest sleep: rounding must not let a date come that is not there yet, for ever."""
LATENCY = Seconds(0.001)
"""From an action to its first operation."""


class SimHost:
    """A host of the simulated world; it is the ``Clock`` and the ``Waker`` of its daemon."""

    def __init__(
        self,
        name: Host,
        timeline: Timeline,
        timing: Timing,
        *,
        disks: tuple[Disk, ...],
        network: "Callable[[SimHost, str, Host], ProbeOutcome]",
        fence: "Callable[[SimHost, str, Epoch, Host], FenceOutcome]",
        trace: Callable[[Host, str, Say], None],
        make: Maker,
    ) -> None:
        self.name = name
        self.timeline = timeline
        self.timing = timing
        self.rate = 1.0
        """Seconds that its clock counts in a second."""
        self.wall_offset = 0.0
        self.latency: Callable[[], Seconds] = lambda: LATENCY
        self.on_operation: Callable[[str, Op], None] = lambda _cell, _op: None
        """Called after the effect of each operation, before anybody hears the answer."""
        self.up = True
        self.cut = False
        self.frozen = False
        """The daemon is stopped (SIGSTOP)."""
        self.boots = 1
        self.life = 0
        self.loop: Loop | None = None
        self.fed = Moment(0.0)
        """When the service manager's watchdog was fed last."""
        self.seats = {disk.cell: Seat(self, disk) for disk in disks}
        self._network = network
        self._fence = fence
        self._trace = trace
        self._make = make
        self._booted = Moment(0.0)
        self._job: Job | None = None
        self._turn_at = Moment(-1.0)
        self._parked: list[Callable[[], None]] = []
        self._pids = 0
        self._nonces = 0

    # --- Clock and Waker ---------------------------------------------------------------------------

    def now(self) -> Instant:
        """CLOCK_BOOTTIME of this host."""
        return self.remember(lambda: Instant((self.timeline.now - self._booted) * self.rate))

    def wall(self) -> float:
        """Unix time as this host believes it."""
        return self.remember(lambda: 1.6e9 + self.timeline.now + self.wall_offset)

    def wait(self, seconds: float) -> None:
        """Take the next turn after this long, or earlier when woken."""
        self._turn_at = Moment(self.timeline.now + max(seconds / self.rate, _TICK))
        self._plan_turn(self._turn_at)

    def wake(self) -> None:
        """Take a turn now, once."""
        if self._turn_at != self.timeline.now:
            self._turn_at = self.timeline.now
            self._plan_turn(self._turn_at)

    def _plan_turn(self, when: Moment) -> None:
        def turn() -> None:
            if self._turn_at == when and self.loop is not None:
                self._turn_at = Moment(-1.0)
                self.loop.turn()
                if self._turn_at != self.timeline.now:  # else a word was posted meanwhile
                    self.wait(self.loop.patience())

        self.soon(Seconds(when - self.timeline.now), turn)

    # --- the daemon --------------------------------------------------------------------------------

    def start_daemon(self) -> None:
        """Start shadowd, in a new life."""
        self.kill_daemon()
        self.loop = Loop(self, self, alive=self._feed)
        for seat in self.seats.values():
            self.loop.runners[seat.cell] = self._make_runner(seat, self.loop)
        self.wake()

    def kill_daemon(self) -> None:
        """SIGKILL shadowd: what was under way is gone, its masters live on."""
        self.life += 1
        self.loop = None
        self.frozen = False
        self._parked = []
        self._turn_at = Moment(-1.0)

    def freeze_daemon(self) -> None:
        """SIGSTOP shadowd."""
        self.frozen = True

    def thaw_daemon(self) -> None:
        """SIGCONT shadowd: whatever was due meanwhile happens now."""
        self.frozen = False
        parked, self._parked = self._parked, []
        for callback in parked:
            callback()

    def snapshot(self, cell: str) -> Snapshot | None:
        """Return what the daemon thinks of a cell; None without one."""
        return None if self.loop is None else self.loop.runners[cell].snapshot()

    def state(self, cell: str) -> State | None:
        """Return where the daemon stands in a cell; None without one."""
        seen = self.snapshot(cell)
        return None if seen is None else seen.state

    def ask_takeover(self, cell: str) -> None:
        """Ask the daemon for a takeover, as ``shadowd takeover`` does."""
        loop = self.loop
        if loop is not None:
            loop.post(lambda: loop.runners[cell].feed(TakeoverAsked("a person")))

    def _make_runner(self, seat: Seat, loop: Loop) -> Runner:
        name = Name(
            cell=seat.cell,
            host=self.name,
            machine_id=f"machine-{self.name}",
            boot_id=f"{self.name}-boot-{self.boots}",
            pid=self.life,
            start_token=str(self.life),
            nonce=lambda: self.remember(self._make_nonce),
        )
        policy = Policy(host=self.name, machine_id=name.machine_id)
        ports = Ports(
            clock=self, claims=seat, files=seat, probe=seat, launcher=seat, identity=name, fencer=seat
        )
        publisher = Publisher(
            cell=seat.cell,
            kind="gridengine",
            host=self.name,
            version="simulated",
            pid=name.pid,
            boot_id=name.boot_id,
            timing=self.timing,
        )
        return Runner(
            make=lambda now: self._make(seat.cell, self.timing, policy, now, seat.kept),
            executor=Executor(ports),
            lanes=Lanes(self, submit=self.submit, post=loop.post, note=loop.note, timing=self.timing),
            clock=self,
            journal=seat,
            outlet=seat,
            publisher=publisher,
        )

    def _feed(self) -> None:
        self.fed = self.timeline.now

    # --- jobs --------------------------------------------------------------------------------------

    def submit(self, work: Callable[[], None]) -> None:
        """Run a lane's job, as a worker thread would."""
        self.soon(self.latency(), self.resumption(Job(work)))

    def resumption(self, job: Job) -> Callable[[], None]:
        """Return what runs this job, or goes on with it, unless its daemon is gone by then."""
        life = self.life

        def run() -> None:
            if life == self.life and self.frozen:
                self._parked.append(run)
            elif life == self.life:
                self._job = job
                job.run()
                self._job = None

        return run

    @property
    def job(self) -> Job:
        """The job that runs now."""
        assert self._job is not None, "a port was called outside a job"  # noqa: S101 - an invariant
        return self._job

    def remember(self, make: Callable[[], T]) -> T:
        """Answer at once; within a job the same again each time it is run."""
        return make() if self._job is None else self._job.once(make)

    def operated(self, cell: str, op: Op) -> None:
        """Let the world look, and perhaps crash us, after the effect of an operation."""
        life = self.life
        self.on_operation(cell, op)
        if life != self.life:
            raise Suspended

    def soon(self, seconds: Seconds, callback: Callable[[], None]) -> None:
        """Call this later in the same life of the daemon; not while it is frozen."""
        life = self.life

        def fire() -> None:
            if life != self.life:
                return
            if self.frozen:
                self._parked.append(fire)
            else:
                callback()

        self.timeline.after(seconds, fire)

    # --- the host ----------------------------------------------------------------------------------

    def crash(self) -> None:
        """Power off: no process is left."""
        self.kill_daemon()
        self.up = False
        for seat in self.seats.values():
            for process in seat.processes:
                process.kill()
            seat.processes = ()
            seat.kept = None

    def unplug(self) -> None:
        """Cut the network: nobody answers, and every mount hangs."""
        self.cut = True
        for seat in self.seats.values():
            seat.view.set(HANGS)

    def plug(self) -> None:
        """Heal the network and every mount."""
        self.cut = False
        for seat in self.seats.values():
            seat.view.heal()

    def boot(self) -> None:
        """Power on, with a clock that begins anew; nothing starts by itself but shadowd."""
        self.up = True
        self.boots += 1
        self._booted = self.timeline.now
        self.start_daemon()

    def masters(self, cell: str) -> tuple[Master, ...]:
        """Return the live masters of a cell, frozen ones too."""
        return self.seats[cell].masters()

    def probe(self, cell: str, host: Host) -> ProbeOutcome:
        """Ask a host over the network whether its master answers."""
        return self._network(self, cell, host)

    def fence(self, cell: str, epoch: Epoch, host: Host) -> FenceOutcome:
        """Switch a host off, unless it holds a later epoch or is this one."""
        return self._fence(self, cell, epoch, host)

    def next_pid(self) -> int:
        """Return a pid never used on this host."""
        self._pids += 1
        return 1000 + self._pids

    def _make_nonce(self) -> str:
        self._nonces += 1
        return f"{self.name}-{self._nonces}"

    def trace(self, cell: str, line: Say) -> None:
        """Hand a line to the world."""
        self._trace(self.name, cell, line)
