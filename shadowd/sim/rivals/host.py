"""A host with a rival's daemon in the place of ours, and the world of such hosts.

To whoever breaks things it looks like any other host: the same calls crash, boot, freeze, cut and heal it,
so the weather of a seed strikes every protocol alike. A rival is told to the host as a ``Rival``: how its
daemon starts, and what an init script would do when the host boots.

This module refuses to know any rival: those import it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, cast

from shadowd.core.events import Event
from shadowd.core.timing import Timing
from shadowd.core.values import NEVER, Host, ProbeOutcome
from shadowd.sim.clock import Moment
from shadowd.sim.host import SimHost
from shadowd.sim.rivals.lockfile import FcntlLock
from shadowd.sim.rivals.script import Player
from shadowd.sim.world import World

if TYPE_CHECKING:
    from shadowd.sim.master import Master
    from shadowd.sim.seat import Seat


class Rival(Protocol):
    """What a host must know of the protocol that runs on it."""

    def daemon(self, host: "RivalHost", seat: "Seat") -> Player | None:
        """Start what watches the master on this host; None where nothing has to be started."""
        ...

    def begin(self, world: "RivalWorld") -> None:
        """Bring up the cell on its first host, as its administrator does."""
        ...

    def booted(self, host: "RivalHost", seat: "Seat") -> None:
        """Do what the init scripts of a host do beside starting the daemon."""
        ...

    def by_hand(self, host: "RivalHost", seat: "Seat") -> None:
        """Do what a person does on this host who sees no master and wants one."""
        ...

    def masters(self, seat: "Seat") -> "tuple[Master, ...] | None":
        """Return the live masters of a cell on a host; None: those that the host knows itself."""
        ...


@dataclass(frozen=True, slots=True)
class Tale:
    """One line of the trace: what a program did, when and where."""

    when: Moment
    host: Host
    text: str

    def __str__(self) -> str:
        return f"{self.when:12.3f} {self.host:<6} {self.text}"


class RivalHost(SimHost):
    """A host of the simulated world on which a rival's daemon runs."""

    rival: Rival
    peers: tuple[Host, ...] = ()
    """All hosts of the world."""
    tell: Callable[[str], None]
    """Keeps a line of what a program did, for whoever replays a seed."""

    def start_daemon(self) -> None:
        """Start the daemon of every cell where it does not run, if the host is up."""
        for seat in self.seats.values() if self.up else ():
            if not any(isinstance(process, Player) and process.alive for process in seat.processes):
                player = self.rival.daemon(self, seat)
                if player is not None:
                    seat.processes += (player,)
        self.daemon = _PLAYS
        self.stir()

    def kill_daemon(self) -> None:
        """SIGKILL the daemon; its masters live on."""
        super().kill_daemon()
        for player in self.players():
            player.kill()

    def freeze_daemon(self) -> None:
        """SIGSTOP the daemon."""
        super().freeze_daemon()
        for player in self.players():
            player.frozen = True

    def thaw_daemon(self) -> None:
        """SIGCONT the daemon."""
        super().thaw_daemon()
        for player in self.players():
            player.thaw()

    def boot(self) -> None:
        """Power on: the init scripts start the daemon, and a master where they think that it belongs."""
        super().boot()
        for seat in self.seats.values():
            self.rival.booted(self, seat)

    def ask_takeover(self, cell: str) -> None:
        """Let a person look whether a master answers, and otherwise do what there is to do by hand."""
        asked = (self.probe(cell, host) for host in self.peers)
        if self.up and ProbeOutcome.ANSWERS not in asked:
            self.rival.by_hand(self, self.seats[cell])

    def players(self) -> tuple[Player, ...]:
        """Return the live processes that are the daemon and not the master."""
        found = [process for seat in self.seats.values() for process in seat.processes]
        return tuple(
            process
            for process in found
            if isinstance(process, Player) and process.alive and not getattr(process, "writing", False)
        )

    def masters(self, cell: str) -> "tuple[Master, ...]":
        """Return the live masters of a cell, frozen ones too."""
        own = self.rival.masters(self.seats[cell])
        return super().masters(cell) if own is None else own


class _Plays:
    """Stands for a daemon that nobody asks anything."""

    loop = None

    def feed(self, _cell: str, _event: Event) -> None:
        """Do nothing: a rival sees the end of no process."""

    def snapshot(self, _cell: str) -> None:
        """Return nothing."""

    def turn(self) -> None:
        """Do nothing: a rival has its own loop."""

    def patience(self) -> float:
        """Return for ever."""
        return NEVER


_PLAYS: Final = _Plays()


class RivalWorld(World):
    """The simulated world with a rival in the place of shadowd."""

    def __init__(self, hosts: Sequence[str], rival: Rival, *, timing: Timing | None = None) -> None:
        self.story: list[Tale] = []
        self.locks: list[FcntlLock] = []
        """Looked at whenever something changes: whoever waits for one does not ask each second."""
        super().__init__(hosts, timing=timing, kind=RivalHost)
        self.rival = rival
        for name, host in self.rivals.items():
            host.rival, host.peers = rival, tuple(self.hosts)
            host.tell = partial(self._tell, name)

    @property
    def rivals(self) -> dict[Host, RivalHost]:
        """The hosts, as what they are."""
        return cast("dict[Host, RivalHost]", self.hosts)

    def begin(self) -> None:
        """Bring up the cell, and then the daemons."""
        self.rival.begin(self)

    def stir(self) -> None:
        """Hear that something changed: a lock may be free now."""
        super().stir()
        for lock in self.locks:
            lock.review()

    def _tell(self, name: Host, text: str) -> None:
        self.story.append(Tale(self.now, name, text))
