"""``pbs_server --ha`` of TORQUE 2.4 to 6.1: a lease in the date of a file (reference/torque-lab.md).

Every host runs a server. One is active and renews the date of ``server.lock``; of the others one holds the
``.mutex``, looks at that date every ``check`` seconds, and takes over when it is so old *by its own clock*.
The active one looks, before it renews the date, whether it is still the date that it set, and otherwise
executes itself anew as a standby.

What it does well: no service but the file system, takeover in 6 to 18 s, and a deposed server that wakes up
is gone within 30 ms. What it does not do: ask the old server, agree on a clock, let go of the mutex while it
sleeps, tell a clean stop from a crash, or live through one error on its lock file.

Kinder than life: its cron job keeps a server process on every host, and its state is read in 0.3 s.
"""

from typing import TYPE_CHECKING, Final, cast

from shadowd.core.values import ProbeOutcome, Seconds, Unknown
from shadowd.sim.disk import Op
from shadowd.sim.master import Program
from shadowd.sim.rivals.lockfile import V4_LEASE, DatedFile, FcntlLock
from shadowd.sim.rivals.script import Do, Player, Script, Sleep, Until

if TYPE_CHECKING:
    from shadowd.core.values import Host
    from shadowd.sim.master import Master
    from shadowd.sim.rivals.host import RivalHost, RivalWorld
    from shadowd.sim.seat import Seat

_AGAIN: Final = Seconds(1)
_TO_READ_STATE: Final = Seconds(0.3)
_TO_STEP_DOWN: Final = Seconds(0.02)
_TO_EXIT: Final = Seconds(0.1)
_CRON: Final = Seconds(60)


class Server(Player):
    """A pbs_server process; to the world it is a master while it is the active one."""

    def __init__(self, host: "RivalHost", seat: "Seat") -> None:
        super().__init__(host, seat)
        self.writing = False
        """It is the active server: it has read the state and writes it."""
        self.serving = False
        self.ending = False
        """A person has ordered its end."""
        self.began = host.timeline.now

    @property
    def where(self) -> "Host":
        """The host it runs on."""
        return self.host.name

    @property
    def able(self) -> bool:
        """True while it can write into the cell's files, now."""
        return self.alive and self.writing and not self.frozen and not self.seat.view.hangs

    def answers(self) -> ProbeOutcome:
        """Return what a client of this process hears."""
        if not (self.alive and self.writing):
            return ProbeOutcome.REFUSES
        blocked = self.frozen or self.seat.view.hangs or not self.serving
        return ProbeOutcome.SILENT if blocked else ProbeOutcome.ANSWERS

    def terminate(self) -> None:
        """End by ``qterm``: an orderly end, which leaves nothing behind that would say so."""
        self.ending = True
        self.play(self._leave())

    def serve(self) -> Script:
        """Become the active server: read the state from disk, then answer."""
        self.writing = True
        self.seat.stir()
        self.host.tell(f"pbs_server {self.pid} is the active one")
        yield Sleep(_TO_READ_STATE)
        self.serving = True
        self.seat.stir()

    def step_down(self, why: str) -> Script:
        """Execute itself anew, as a standby."""
        yield Sleep(_TO_STEP_DOWN)
        self.host.tell(f"pbs_server {self.pid} is a standby again: {why}")
        self.writing = self.serving = False
        self.pid = self.host.next_pid()
        self.seat.stir()

    def _leave(self) -> Script:
        yield Sleep(_TO_EXIT)
        self.host.tell(f"pbs_server {self.pid} ends in an orderly way")


class Servers:
    """What both generations share: a server on every host, kept there by cron."""

    def begin(self, world: "RivalWorld") -> None:
        """Start the servers, the first host's first, and the cron jobs."""
        self.open(world)
        for host in world.rivals.values():
            host.start_daemon()
            self._cron(host)
            world.run(2)

    def open(self, world: "RivalWorld") -> None:
        """Make the lock files."""
        raise NotImplementedError

    def start(self, host: "RivalHost", seat: "Seat") -> Server:
        """Start one server process."""
        raise NotImplementedError

    def daemon(self, host: "RivalHost", seat: "Seat") -> Player | None:
        """Start the server, where its program can be started."""
        return self.start(host, seat) if seat.program is Program.GOOD else None

    def booted(self, host: "RivalHost", seat: "Seat") -> None:
        """Do nothing: the daemon is the server."""

    def by_hand(self, host: "RivalHost", seat: "Seat") -> None:
        """Do nothing: there is a server already, and it waits."""

    def masters(self, seat: "Seat") -> "tuple[Master, ...] | None":
        """Return the active server of a host."""
        active = [each for each in seat.processes if isinstance(each, Server) and each.alive and each.writing]
        return tuple(cast("list[Master]", active))

    def _cron(self, host: "RivalHost") -> None:
        def run() -> None:
            if host.up:
                host.start_daemon()
            host.timeline.after(_CRON, run)

        host.timeline.after(_CRON, run)


class Torque(Servers):
    """The rival, with the two times of its configuration: nothing relates them to each other."""

    def __init__(
        self,
        *,
        check: Seconds = Seconds(9),
        update: Seconds = Seconds(3),
        lock_lease: Seconds | None = V4_LEASE,
    ) -> None:
        self.check = check
        """lock_file_check_time: between two looks of a standby, and the age at which it takes over."""
        self.update = update
        """lock_file_update_time: between two renewals."""
        self._lock_lease = lock_lease
        self.file = DatedFile()
        self.mutex: FcntlLock

    def open(self, world: "RivalWorld") -> None:
        """Make the mutex; there is no lock file before the first server."""
        self.mutex = FcntlLock(world.timeline, self._lock_lease)
        world.locks.append(self.mutex)

    def start(self, host: "RivalHost", seat: "Seat") -> Server:
        """Start one server process as a standby."""
        server = _Dated(self, host, seat)
        server.play(server.main())
        return server


class _Dated(Server):
    """A server of the later releases."""

    def __init__(self, rival: Torque, host: "RivalHost", seat: "Seat") -> None:
        super().__init__(host, seat)
        self._rival = rival
        self._mine: int | None = None
        """The date that it set last; None until it set one for the second time."""

    def main(self) -> Script:
        while True:
            yield from self._stand_by()
            yield Do(Op.LINK_CLAIM, self._touch)
            self._rival.mutex.drop(self)
            yield from self.serve()
            yield from self._be_active()

    def _stand_by(self) -> Script:
        """Wait until the date is old; the mutex is held all the time, asleep too."""
        rival, host = self._rival, self.host
        while (yield Do(Op.LINK_LOCK, lambda: rival.mutex.take(self))) is not True:
            yield Until(rival.mutex, _AGAIN)  # and sends an alert to syslog, each second
        look = Do(Op.READ_BEAT, lambda: rival.file.date, often=True)
        sleep = Sleep(rival.check)
        while True:
            date = yield look
            if date is None or (isinstance(date, int) and host.wall() - date >= rival.check):
                return
            yield sleep

    def _be_active(self) -> Script:
        self._mine = None
        renew = Do(Op.READ_BEAT, self._renew, often=True)
        sleep = Sleep(self._rival.update)
        while True:
            yield sleep
            renewed = yield renew
            if renewed is not True:
                unread = isinstance(renewed, Unknown)
                yield from self.step_down(
                    f"the date of its lock file {'is unreadable' if unread else 'changed'}"
                )
                return

    def _renew(self) -> bool:
        """Renew the date if it is still ours; the first time after a start nobody looks whose it is."""
        if self._mine is not None and self._mine != self._rival.file.date:
            return False
        self._touch()
        self._mine = self._rival.file.date
        return True

    def _touch(self) -> None:
        self._rival.file.date = int(self.host.wall())
