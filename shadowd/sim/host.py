"""One host: its processes, its mounts, and at most one daemon.

This module refuses to let hosts see each other: all they share are ``Disk`` and the ``Network``.
"""

from collections.abc import Callable
from dataclasses import replace

from shadowd.core.actions import Say
from shadowd.core.cell import Cell
from shadowd.core.events import Event, TakeoverAsked
from shadowd.core.policy import Policy
from shadowd.core.snapshot import Snapshot, State
from shadowd.core.timing import Timing
from shadowd.core.values import Epoch, FenceOutcome, Host, Instant, ProbeOutcome, Seconds
from shadowd.runtime.executor import Ports
from shadowd.runtime.loop import Loop
from shadowd.sim.clock import Moment, Timeline
from shadowd.sim.daemon import Daemon
from shadowd.sim.disk import HANGS, Disk
from shadowd.sim.enforcer import Enforcer
from shadowd.sim.machines import Maker, Name
from shadowd.sim.master import Master
from shadowd.sim.named import Named
from shadowd.sim.network import Network
from shadowd.sim.seat import Seat

_TICK = Seconds(1e-6)
"""The shortest sleep: rounding must not let a date come that is not there yet, for ever."""


class SimHost(Named):
    """A host of the simulated world; it is the ``Clock`` and the ``Waker`` of its daemon."""

    def __init__(
        self,
        name: Host,
        timeline: Timeline,
        timing: Timing,
        *,
        disks: tuple[Disk, ...],
        network: Network,
        trace: Callable[[Host, str, Say], None],
        make: Maker,
        runtime: "Callable[[SimHost], Daemon]",
        stir: Callable[[], None],
        clone_of: Named | None = None,
    ) -> None:
        super().__init__(name, timeline, stir, network, clone_of)
        self.timing = timing
        self.up = True
        self.removed = False
        """Switched off for good: whatever is repaired of it later, it does not come back."""
        self.cut = False
        self.stranger: ProbeOutcome | None = None
        """What a user without rights makes whoever asks hear, who listens on the ports that no master has."""
        self.misled = False
        """Its hosts file gives it no address of any other host, and their records tell none."""
        self.daemon: Daemon | None = None
        self.fed = Moment(0.0)
        """When the service manager's watchdog was fed last."""
        self.enforcer = Enforcer(self)
        self.seats = {disk.cell: Seat(self, disk) for disk in disks}
        self._trace = trace
        self._make = make
        self._runtime = runtime
        self._turn_at = Moment(-1.0)
        self._starts_then = False
        self._pids = 0
        self._nonces = 0

    @property
    def works(self) -> bool:
        """True while its daemon works and sees the cell."""
        sees = all(seat.view.sound for seat in self.seats.values())
        return self.up and not self.cut and not self.still and self.daemon is not None and sees

    def rename(self, name: Host) -> None:
        """Give it another name, and restart its daemon if it runs; the old one still leads here."""
        self.earlier |= {self.name}
        self.name = name
        if self.daemon is not None:
            self.start_daemon()

    # --- Waker -------------------------------------------------------------------------------------

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
            if self._turn_at == when and self.daemon is not None:
                self._turn_at = Moment(-1.0)
                self.daemon.turn()
                if self._turn_at != self.timeline.now:  # else a word was posted meanwhile
                    self.wait(self.daemon.patience())

        self.soon(when - self.timeline.now, turn)

    # --- the daemon --------------------------------------------------------------------------------

    def start_daemon(self) -> None:
        """Start shadowd, in a new life; on a host that stands still, when it goes on."""
        self.kill_daemon()
        if self.removed:
            return
        if self.stopped is not None:
            self._starts_then = True
            return
        self.daemon = self._runtime(self)
        self.enforcer.dismissed = False
        self.stir()

    def kill_daemon(self) -> None:
        """SIGKILL shadowd: what was under way is gone, its masters live on."""
        self.begin_life()
        self.daemon = None
        self._turn_at = Moment(-1.0)
        self.enforcer.stand_in()
        self.stir()

    def stop_daemon(self) -> None:
        """Stop shadowd in an orderly way: confirmed masters beat by themselves, and are left alone."""
        self.enforcer.dismissed = True
        self.kill_daemon()
        for seat in self.seats.values():
            if seat.kept is not None and not seat.kept.launching:
                seat.kept = replace(seat.kept, left=True)

    def freeze_daemon(self) -> None:
        """SIGSTOP shadowd."""
        self.frozen = True
        self.enforcer.stand_in()
        self.stir()

    def thaw_daemon(self) -> None:
        """SIGCONT shadowd: whatever was due meanwhile happens now."""
        self.frozen = False
        self.stir()
        self.go_on()

    @property
    def loop(self) -> Loop | None:
        """The real loop, where the daemon is a whole one."""
        return None if self.daemon is None else self.daemon.loop

    def snapshot(self, cell: str) -> Snapshot | None:
        """Return what the daemon thinks of a cell; None without one."""
        return None if self.daemon is None else self.daemon.snapshot(cell)

    def state(self, cell: str) -> State | None:
        """Return where the daemon stands in a cell; None without one."""
        seen = self.snapshot(cell)
        return None if seen is None else seen.state

    def ask_takeover(self, cell: str) -> None:
        """Ask the daemon for a takeover, as ``shadowd takeover`` does."""
        self.feed(cell, TakeoverAsked("a person"))

    def feed(self, cell: str, event: Event) -> None:
        """Give one event to the machines of a cell, if there is a daemon; later if it is frozen."""

        def give() -> None:
            if self.daemon is not None:
                self.daemon.feed(cell, event)

        self.soon(0, give)

    def ports(self, seat: Seat) -> Ports:
        """Return what the daemon of this life needs of the world, for one cell."""
        name = Name(
            cell=seat.cell,
            host=self.name,
            machine_id=self.machine_id,
            boot_id=self.boot_id,
            pid=self.life,
            start_token=str(self.life),
            nonce=lambda: self.remember(self._make_nonce),
        )
        return Ports(
            clock=self,
            claims=seat,
            files=seat,
            probe=seat,
            launcher=seat,
            identity=name,
            fencer=seat,
            host=seat,
            names=self,
        )

    def others(self) -> "tuple[SimHost, ...]":
        """Return the other hosts of the world."""
        return tuple(host for host in self._network.hosts.values() if host is not self)

    def maker(self, seat: Seat) -> Callable[[Instant], Cell]:
        """Return what makes the machines of one cell."""
        policy = Policy(host=self.name, machine_id=self.machine_id, boot_id=self.boot_id)
        return lambda now: self._make(seat.cell, self.timing, policy, now, seat.kept)

    def feed_watchdog(self) -> None:
        """Note that the decision thread is well."""
        self.fed = self.timeline.now

    def hint(self, cell: str) -> None:
        """Send every other host a datagram that says nothing but "look"."""
        self._network.hint(self, cell)

    # --- the host ----------------------------------------------------------------------------------

    def crash(self) -> None:
        """Power off: no process is left."""
        self.kill_daemon()
        self.up = False
        self.stopped = None
        self._starts_then = False
        for seat in self.seats.values():
            for process in seat.processes:
                process.kill()
            seat.processes = ()
            seat.kept = None
            seat.published = False

    def freeze(self) -> None:
        """Stop the host whole: daemon, masters, everything."""
        if self.stopped is None:
            self.stopped = self.timeline.now
            self.stir()

    def thaw(self, *, clock_stood: bool = False, masters_first: bool = False) -> None:
        """Let it go on; its clock counted the time, or stood still too."""
        if self.stopped is None:
            return
        if clock_stood:
            self.booted = Moment(self.booted + self.timeline.now - self.stopped - _TICK)
        self.stopped = None
        self.stir()
        for seat in self.seats.values():
            for process in seat.processes:
                process.go_on()
        self.enforcer.go_on()
        if self._starts_then:
            self._starts_then = False
            self.start_daemon()
        elif masters_first:
            self.timeline.after(0, self.go_on, self)
        else:
            self.go_on()

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
        if self.removed:
            return
        self.up = True
        self.boots += 1
        self.booted = self.timeline.now
        self.start_daemon()

    def sound(self) -> bool:
        """Tell whether nothing is wrong with what jobs of this host do."""
        return all(seat.view.sound for seat in self.seats.values())

    def masters(self, cell: str) -> tuple[Master, ...]:
        """Return the live masters of a cell, frozen ones too."""
        return self.seats[cell].masters()

    def probe(self, cell: str, host: Host) -> ProbeOutcome:
        """Ask a host over the network whether its master answers."""
        return self._network.probe(self, cell, host)

    def fence(self, cell: str, epoch: Epoch, host: Host) -> FenceOutcome:
        """Switch a host off, unless it holds a later epoch or is this one."""
        return self._network.fence(self, cell, epoch, host)

    def next_pid(self) -> int:
        """Return a pid never used on this host."""
        self._pids += 1
        return 1000 + self._pids

    def _make_nonce(self) -> str:
        self._nonces += 1
        return f"{self.machine}-{self._nonces}"

    def trace(self, cell: str, line: Say) -> None:
        """Hand a line to the world."""
        self._trace(self.name, cell, line)
