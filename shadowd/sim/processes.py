"""The processes of one cell on one host, and the Launcher that starts, finds and stops them."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from shadowd.core.events import Woken
from shadowd.core.values import (
    Epoch,
    ExitKind,
    Host,
    LockKind,
    PairView,
    ProbeOutcome,
    Problem,
    Seconds,
    Unknown,
)
from shadowd.sim.disk import Disk, Op
from shadowd.sim.gate import Gate
from shadowd.sim.master import Master, Process, Program

if TYPE_CHECKING:
    from shadowd.sim.host import SimHost

_WOKEN = Woken()


class Processes(Gate):
    """What runs of one cell on one host."""

    def __init__(self, home: "SimHost", disk: Disk) -> None:
        super().__init__(home, disk)
        self.timeline = home.timeline
        self.beat_every = home.timing.beat_interval
        self.processes: tuple[Process, ...] = ()
        self._masters: tuple[Master, ...] = ()
        self.program = Program.GOOD
        self.slow = Seconds(0)
        self.restarts_after: Seconds | None = None
        """Somebody else starts a master so soon whenever there is none."""
        self.unshared = False
        """A directory of this host's own lies where the master's data should be."""
        self.on_stop: Callable[[Master], None] | None = None
        """Called before a live master is killed on the daemon's order."""

    @property
    def host(self) -> Host:
        """The name that the host has now."""
        return self._home.name

    @property
    def machine(self) -> Host:
        """The machine, whatever it is called."""
        return self._home.machine

    def is_here(self, host: Host) -> bool:
        """Tell whether a name is one of this host."""
        return self._home.is_here(host) is True

    @property
    def stopped(self) -> bool:
        """True while the host stands still whole."""
        return self._home.stopped is not None

    def stir(self) -> None:
        """Tell whoever keeps watch, and the guard, that a process changed."""
        self._home.stir()
        self._home.feed(self.cell, _WOKEN)
        if self.restarts_after is not None:
            self.timeline.after(self.restarts_after, self._restart, self._home)

    def _restart(self) -> None:
        """Start a master as a unit with ``Restart=on-failure`` does, by a script that starts none elsewhere.

        The stock script looks whom act_qmaster names.
        """
        due = self.restarts_after is not None and self._home.up and not self.stopped
        active, shut_down = self.disk.active, self.disk.lock.kind is LockKind.FOREIGN
        ours = isinstance(active, str) and self.is_here(active)
        if due and ours and not shut_down and not self.masters():
            self.start_master()

    # --- Launcher ----------------------------------------------------------------------------------

    def launch(self, epoch: Epoch, nonce: str) -> Unknown | None:
        """Execute the master program: None says nothing about what becomes of it."""
        return self._do(Op.LAUNCH, lambda: self._execute(epoch, nonce))

    def launch_scheduler(self, epoch: Epoch, nonce: str) -> Unknown | None:
        """Execute the scheduler."""

        def execute() -> None:
            pid, parent = self._home.next_pid(), self._home.life
            self.processes += (Process(self, pid=pid, epoch=epoch, nonce=nonce, parent=parent),)

        return self._do(Op.SCHEDULE, execute)

    def inspect(self, epoch: Epoch, nonce: str, *, serving: bool = False) -> PairView:
        """Look for processes of the epoch, and for who holds the port."""

        def look() -> PairView:
            pair = self._pair(epoch, nonce)
            bound = [master for master in self.masters() if master.bound]
            if not (serving and bound):
                return pair
            return replace(pair, serving=any((one.epoch, one.nonce) == (epoch, nonce) for one in bound))

        return self._view(Op.INSPECT, look)

    def stop(self, epoch: Epoch, nonce: str) -> PairView:
        """Kill the processes of the epoch."""

        def kill() -> PairView:
            self.kill(epoch, nonce)
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

    def kill(self, epoch: Epoch, nonce: str) -> bool:
        """Kill what is left of an epoch, at once; True if anything was."""
        living = [
            each for each in self.processes if each.alive and (each.epoch, each.nonce) == (epoch, nonce)
        ]
        for process in living:
            if self.on_stop is not None and isinstance(process, Master):
                self.on_stop(process)
            process.kill()
        return bool(living)

    # --- processes ---------------------------------------------------------------------------------

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
        """Tell whether a master, or a stranger, holds the cell's port on this host."""
        return self._home.stranger is not None or any(master.bound for master in self.masters())

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
