"""One cell as the daemon of one host meets it: every port that the runtime needs, over the simulated world.

Each answer passes through ``_do``, where faults strike, where what was answered is put on record, so that
a job that has to wait can be run again (``sim.job``), and where a daemon may be crashed between any two
operations.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from shadowd.core.actions import Say
from shadowd.core.ledger import Ledger
from shadowd.core.values import (
    Claim,
    Epoch,
    ExitKind,
    FenceOutcome,
    Host,
    KeptLease,
    Lock,
    NoticeKind,
    PairView,
    Pause,
    ProbeOutcome,
    Problem,
    Unknown,
)
from shadowd.sim.disk import HANGS, Disk, Fault, Op, View
from shadowd.sim.job import Suspended
from shadowd.sim.master import Master, Process, Program

if TYPE_CHECKING:
    from shadowd.sim.host import SimHost

T = TypeVar("T")

_SOUND = Fault(done=True, known=True)


class Seat:
    """ClaimLog, CellFiles, MasterProbe, Launcher, Journal and Outlet of one cell on one host."""

    def __init__(self, home: "SimHost", disk: Disk) -> None:
        self.view = View()
        self.disk = disk
        self.cell = disk.cell
        self.host = home.name
        self.timeline = home.timeline
        self.beat_every = home.timing.beat_interval
        self.processes: tuple[Process, ...] = ()
        self._masters: tuple[Master, ...] = ()
        self.program = Program.GOOD
        self.local = b""
        """The state file in the local runtime directory."""
        self.kept: KeptLease | None = None
        """The lease record there; gone with a boot."""
        self._home = home

    # --- ClaimLog ----------------------------------------------------------------------------------

    def list(self) -> Ledger | Unknown:
        """List claims and notices."""
        return self._do(Op.LIST, self.disk.ledger)

    def claim(self, claim: Claim) -> Claim | Unknown:
        """Link the claim; after any error read the number back."""
        found = self._do(Op.LINK_CLAIM, lambda: self.disk.link_claim(claim))
        if not isinstance(found, Unknown):
            return found
        back = self._do(Op.READ_CLAIM, lambda: self.disk.claims.get(claim.epoch))
        return found if back is None else back

    def notice(self, epoch: Epoch, kind: NoticeKind, detail: str) -> Unknown | None:
        """Link the notice; after any error list again."""
        del detail
        problem = self._do(Op.LINK_NOTICE, lambda: self.disk.link_notice(epoch, kind))
        if problem is None:
            return None
        there = self._do(Op.LIST, lambda: kind in self.disk.notices.get(epoch, ()))
        return None if there is True else problem

    # --- CellFiles ---------------------------------------------------------------------------------

    def read_lock(self) -> Lock | Unknown:
        """Read the spool's lock."""
        return self._do(Op.READ_LOCK, lambda: self.disk.lock)

    def read_beat(self) -> int | Unknown:
        """Read the heartbeat."""
        return self._do(Op.READ_BEAT, lambda: cast("int | Unknown", self.disk.read("beat")))

    def read_active(self) -> Host | Unknown:
        """Read act_qmaster."""
        return self._do(Op.READ_ACTIVE, lambda: cast("Host | Unknown", self.disk.read("active")))

    def read_shadows(self) -> tuple[Host, ...] | Unknown:
        """Read shadow_masters."""
        return self._do(
            Op.READ_SHADOWS, lambda: cast("tuple[Host, ...] | Unknown", self.disk.read("shadows"))
        )

    def read_pause(self) -> Pause | Unknown | None:
        """Read the pause record."""
        return self._do(Op.READ_PAUSE, lambda: cast("Pause | Unknown | None", self.disk.read("pause")))

    def resident(self) -> int | None:
        """Return the pid of a master here that no claim started."""
        return self._home.remember(
            lambda: next((master.pid for master in self.masters() if master.epoch is None), None)
        )

    def place_lock(self, epoch: Epoch, nonce: str) -> Lock | Unknown:
        """Link the lock; after any error read it back."""
        placed = self._do(Op.LINK_LOCK, lambda: self.disk.link_lock(epoch, nonce))
        return self.read_lock() if isinstance(placed, Unknown) else placed

    def clear_lock(self) -> Unknown | None:
        """Take a claim's lock away."""
        return self._do(Op.CLEAR_LOCK, self.disk.clear_lock)

    def clear_mark(self) -> Unknown | None:
        """Take the empty lock away."""
        return self._do(Op.CLEAR_LOCK, self.disk.clear_mark)

    def name_master(self, host: Host) -> Unknown | None:
        """Write a host into act_qmaster."""
        return self._do(Op.WRITE_ACTIVE, lambda: setattr(self.disk, "active", host))

    # --- MasterProbe -------------------------------------------------------------------------------

    def ask(self, host: Host) -> tuple[ProbeOutcome, str]:
        """Ask a host whether its master answers; silence takes the whole time limit to hear."""
        outcome = self._do(Op.PROBE, lambda: self.probe(host))
        return (ProbeOutcome.SILENT, "simulated") if isinstance(outcome, Unknown) else (outcome, "")

    # --- Launcher ----------------------------------------------------------------------------------

    def launch(self, epoch: Epoch, nonce: str) -> Unknown | None:
        """Execute the master program: None says nothing about what becomes of it."""
        return self._do(Op.LAUNCH, lambda: self._execute(epoch, nonce))

    def launch_scheduler(self, epoch: Epoch, nonce: str) -> Unknown | None:
        """Execute the scheduler."""

        def execute() -> None:
            pid, parent = self._home.next_pid(), self._home.life
            self.processes += (Process(pid=pid, epoch=epoch, nonce=nonce, parent=parent),)

        return self._do(Op.SCHEDULE, execute)

    def inspect(self, epoch: Epoch, nonce: str) -> PairView:
        """Look for processes of the epoch."""
        return self._view(Op.INSPECT, lambda: self._pair(epoch, nonce))

    def stop(self, epoch: Epoch, nonce: str) -> PairView:
        """Kill the processes of the epoch."""

        def kill() -> PairView:
            for process in self.processes:
                if (process.epoch, process.nonce) == (epoch, nonce):
                    process.kill()
            return self._pair(epoch, nonce)

        return self._view(Op.STOP, kill)

    def terminate(self, epoch: Epoch, nonce: str) -> PairView:
        """Send SIGTERM to the processes of the epoch."""

        def term() -> PairView:
            for process in self.processes:
                if (process.epoch, process.nonce) == (epoch, nonce):
                    process.terminate()
            return self._pair(epoch, nonce)

        return self._view(Op.STOP, term)

    def adopt(self, epoch: Epoch, nonce: str, pid: int) -> PairView:
        """Give a master that no claim started to an epoch; a restarted daemon still knows it."""

        def give() -> PairView:
            for master in self.masters():
                if master.pid == pid and master.epoch is None:
                    master.epoch, master.nonce = epoch, nonce
            return self._pair(epoch, nonce)

        return self._view(Op.ADOPT, give)

    def stop_stray(self, pid: int) -> bool:
        """Kill a master that no claim started."""

        def kill() -> bool:
            for master in self.masters():
                if master.pid == pid and master.epoch is None:
                    master.kill()
            return any(master.pid == pid for master in self.masters())

        return self._do(Op.STOP, kill) is not False

    # --- Fencer ------------------------------------------------------------------------------------

    def fence(self, epoch: Epoch, host: Host) -> tuple[FenceOutcome, str]:
        """Switch a host off."""
        outcome = self._do(Op.FENCE, lambda: self._home.fence(self.cell, epoch, host))
        return (FenceOutcome.FAILED, "simulated") if isinstance(outcome, Unknown) else (outcome, "")

    # --- Journal and Outlet ------------------------------------------------------------------------

    def say(self, line: Say) -> None:
        """Keep the line in the world's trace."""
        self._home.trace(self.cell, line)

    def write_local(self, record: bytes) -> None:
        """Keep the record on this host."""
        self.local = record

    def write_shared(self, record: bytes) -> None:
        """Keep the record in the shared directory."""
        self._do(Op.PUBLISH, lambda: self.disk.published.update({self.host: record}))

    def keep_lease(self, kept: KeptLease | None) -> None:
        """Keep the lease on this host."""
        self.kept = kept

    # -----------------------------------------------------------------------------------------------

    def start_master(self) -> Master:
        """Start a master as the startup script does: without a claim."""
        return self._run_master(None, "")

    def masters(self) -> tuple[Master, ...]:
        """Return the live masters, frozen ones too."""
        for master in self._masters:
            if not master.alive:
                self._masters = tuple(other for other in self._masters if other.alive)
                break
        return self._masters

    def port_taken(self) -> bool:
        """Tell whether a master holds the cell's port on this host."""
        return any(master.bound for master in self.masters())

    def probe(self, host: Host) -> ProbeOutcome:
        """Ask a host over the network whether its master answers."""
        return self._home.probe(self.cell, host)

    def _execute(self, epoch: Epoch, nonce: str) -> Unknown | None:
        if self.program is Program.MISSING:
            return Unknown(Problem.MISSING, "sge_qmaster", "no such file")
        self._run_master(epoch, nonce)
        return None

    def _run_master(self, epoch: Epoch | None, nonce: str) -> Master:
        pid, parent = self._home.next_pid(), self._home.life
        master = Master(self, pid=pid, epoch=epoch, nonce=nonce, parent=parent)
        self.processes += (master,)
        self._masters += (master,)
        return master

    def _view(self, op: Op, look: Callable[[], PairView]) -> PairView:
        """Look at processes; where that fails, assume that they run."""
        seen = self._do(op, look)
        return PairView(ExitKind.RUNNING, None, None, alive=1) if isinstance(seen, Unknown) else seen

    def _pair(self, epoch: Epoch, nonce: str) -> PairView:
        own = [process for process in self.processes if (process.epoch, process.nonce) == (epoch, nonce)]
        masters = [process for process in own if isinstance(process, Master)]
        others = [process for process in own if not isinstance(process, Master)]
        life = self._home.life
        return PairView(
            master=masters[-1].seen_by(life) if masters else ExitKind.UNSEEN,
            master_pid=masters[-1].pid if masters else None,
            scheduler=others[-1].seen_by(life) if others else None,
            alive=sum(process.alive for process in own),
        )

    def _do(self, op: Op, effect: Callable[[], T]) -> T | Unknown:
        """Answer from the record, or do it now with whatever fault strikes."""
        job = self._home.job
        if job.recalls:
            return cast("T | Unknown", job.recall())
        fault = self.view.fate(op) or _SOUND
        if fault is HANGS:
            self.view.wait(self._home.resumption(job))
            raise Suspended
        failure = Unknown(Problem.UNREADABLE, op.value, "simulated fault")
        value = effect() if fault.done else failure
        answer = job.record(value if fault.known else failure)
        self._home.operated(self.cell, op)
        takes = self._home.timing.probe_timeout if answer is ProbeOutcome.SILENT else fault.late
        if math.isinf(takes):
            self.view.wait(self._home.resumption(job))
            raise Suspended
        if takes:
            self._home.soon(takes, self._home.resumption(job))
            raise Suspended
        return answer
