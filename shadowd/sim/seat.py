"""One cell as the daemon of one host meets it: every port that the runtime needs, over the simulated world.

Each answer passes through ``_do``, where faults strike, where what was answered is put on record, so that
a job that has to wait can be run again (``sim.job``), and where a daemon may be crashed between any two
operations.
"""

from typing import TYPE_CHECKING, cast

from shadowd.core.actions import Say
from shadowd.core.fitness import NOTHING_LACKS, Fitness, SharedPath
from shadowd.core.ledger import Ledger
from shadowd.core.values import (
    Claim,
    ClaimKey,
    Epoch,
    FenceOutcome,
    Host,
    KeptLease,
    Lock,
    NoticeKind,
    PauseReading,
    ProbeOutcome,
    Problem,
    ServerLock,
    Unknown,
)
from shadowd.runtime.record import boot_of
from shadowd.sim.disk import Disk, Op
from shadowd.sim.master import Program
from shadowd.sim.processes import Processes

if TYPE_CHECKING:
    from shadowd.sim.host import SimHost


class Seat(Processes):
    """ClaimLog, CellFiles, HostCheck, MasterProbe, Launcher, Journal and Outlet of one cell on one host."""

    def __init__(self, home: "SimHost", disk: Disk) -> None:
        super().__init__(home, disk)
        self.local = b""
        """The state file in the local runtime directory."""
        self.kept: KeptLease | None = None
        """The lease record there; gone with a boot."""
        self.published = False
        """This life of the daemon wrote its record: what another boot wrote since is another machine's."""
        self.lie: ProbeOutcome | None = None
        """What a probe says whatever is true."""
        self.remembered = ""
        """The identity of the cell on this host's own disk, and the highest epoch seen there."""
        self.remembered_epoch = Epoch(0)

    # --- ClaimLog ----------------------------------------------------------------------------------

    def list(self) -> Ledger | Unknown:
        """List claims and notices."""
        return self._do(Op.LIST, lambda: self._foreign() or self.disk.ledger())

    def claim(self, claim: Claim) -> Claim | Unknown:
        """Link the claim; after any error read the number back."""
        found = self._do(
            Op.LINK_CLAIM, lambda: self._foreign() or self._unfounded() or self.disk.link_claim(claim)
        )
        if not isinstance(found, Unknown):
            return found
        back = self._do(Op.READ_CLAIM, lambda: self.disk.claims.get(claim.epoch))
        return found if back is None else back

    def notice(self, claim: ClaimKey, kind: NoticeKind, detail: str) -> Unknown | None:
        """Link the notice; after any error list again."""
        del detail
        problem = self._do(Op.LINK_NOTICE, lambda: self._foreign() or self.disk.link_notice(claim, kind))
        if problem is None:
            return None
        there = self._do(Op.LIST, lambda: kind in self.disk.notices.get(claim.epoch, ()))
        return None if there is True else problem

    def _foreign(self) -> Unknown | None:
        """Tell whether this is not the directory that this host remembers (rule 15)."""
        disk, known = self.disk, self.remembered
        highest = max(disk.claims, default=Epoch(0))
        if known and (disk.identity != known or highest < self.remembered_epoch):
            return Unknown(Problem.FOREIGN, "cell.json", "another directory than this host remembers")
        if disk.identity:
            self.remembered, self.remembered_epoch = disk.identity, highest
        return None

    def _unfounded(self) -> Unknown | None:
        """Found the cell where there is none, unless another host answers as master."""
        if self.disk.identity:
            return None
        others = self.disk.shadows if isinstance(self.disk.shadows, tuple) else ()
        if any(self.probe(host) is ProbeOutcome.ANSWERS for host in others if host != self.host):
            return Unknown(Problem.FOREIGN, "cell.json", "there is none, and another host answers as master")
        self.disk.identity = self.remembered = f"{self.host}-{self.timeline.now}"
        return None

    # --- CellFiles ---------------------------------------------------------------------------------

    def read_lock(self) -> Lock | Unknown:
        """Read the spool's lock."""
        return self._do(Op.READ_LOCK, lambda: self.disk.lock)

    def read_server_lock(self) -> ServerLock | Unknown:
        """Answer that this kind of cell has none."""
        return ServerLock.NONE

    def read_beat(self) -> int | Unknown:
        """Read the heartbeat."""
        return self._do(Op.READ_BEAT, lambda: cast("int | Unknown", self.disk.read("beat")))

    def glimpse(self) -> int | Unknown:
        """Read the heartbeat as a process beside the daemon does."""
        if self.view.hangs or self.view.broken:
            return Unknown(Problem.UNREADABLE, Op.READ_BEAT.value, "simulated fault")
        read = self.view.stale.get(Op.READ_BEAT, lambda: self.disk.read("beat"))
        return cast("int | Unknown", read())

    def read_active(self) -> Host | Unknown:
        """Read act_qmaster."""
        return self._do(Op.READ_ACTIVE, lambda: cast("Host | Unknown", self.disk.read("active")))

    def read_shadows(self) -> tuple[Host, ...] | Unknown:
        """Read shadow_masters."""
        return self._do(
            Op.READ_SHADOWS, lambda: cast("tuple[Host, ...] | Unknown", self.disk.read("shadows"))
        )

    def read_pause(self) -> PauseReading:
        """Read the pause record, and how many there were."""
        found = self._do(Op.READ_PAUSE, self.disk.read_pause)
        return PauseReading(found, None) if isinstance(found, Unknown) else found

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

    # --- HostCheck ---------------------------------------------------------------------------------

    def fitness(self) -> Fitness:
        """Tell whether the program is there, and which hosts have the directory that this one has."""
        return self._home.remember(self._fitness)

    def _fitness(self) -> Fitness:
        others = {host.name: host.seats[self.cell] for host in self._home.others()}
        other = tuple(name for name, seat in others.items() if self.unshared or seat.unshared)
        if self.program is not Program.MISSING and not other:
            return NOTHING_LACKS
        same = tuple(name for name in others if name not in other)
        lacks = ("simulated: no such program",) if self.program is Program.MISSING else ()
        return Fitness(lacks, (SharedPath("data", local=True, same=same, other=other),))

    # --- MasterProbe -------------------------------------------------------------------------------

    def ask(self, host: Host) -> tuple[ProbeOutcome, str]:
        """Ask a host whether its master answers; silence takes the whole time limit to hear."""
        outcome = self._do(Op.PROBE, lambda: self.lie or self.probe(host))
        return (ProbeOutcome.SILENT, "simulated") if isinstance(outcome, Unknown) else (outcome, "")

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

    def write_shared(self, record: bytes) -> str | None:
        """Keep the record in the shared directory; tell of another machine that wrote it since."""

        def publish() -> str | None:
            before = self.disk.published.get(self.host, b"")
            self.disk.published[self.host] = record
            return boot_of(before)

        found = self._do(Op.PUBLISH, publish)
        known, self.published = self.published, self.published or not isinstance(found, Unknown)
        return found if known and isinstance(found, str) and found != self._home.boot_id else None

    def keep_lease(self, kept: KeptLease | None) -> None:
        """Keep the lease on this host."""
        self.kept = kept
        if kept is not None and kept.launching:
            self._home.enforcer.bound(self, kept)
