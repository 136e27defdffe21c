"""What the runtime needs of the world, as Protocols that ``adapters`` and ``sim`` implement.

No port raises for what a hostile disk or network may do: such answers are ``Unknown`` values, because
the machines decide on them. A port raises only for a programming error. Every call may block for as
long as the world likes (a hung mount); the runtime never calls one on the decision thread.
"""

from typing import Protocol

from shadowd.core.actions import Say
from shadowd.core.fitness import Fitness
from shadowd.core.ledger import Ledger
from shadowd.core.values import (
    Claim,
    ClaimKey,
    Epoch,
    FenceOutcome,
    Host,
    Instant,
    KeptLease,
    Lock,
    NoticeKind,
    PairView,
    PauseReading,
    ProbeOutcome,
    ServerLock,
    Unknown,
)


class Clock(Protocol):
    """The two clocks of this host; nothing else in the package reads one."""

    def now(self) -> Instant:
        """Return CLOCK_BOOTTIME in seconds: never goes back, counts suspended time."""
        ...

    def wall(self) -> float:
        """Return Unix time in seconds, for people only."""
        ...


class ClaimLog(Protocol):
    """Write-once records of one cell: claims and notices (PROTOCOL, "Records")."""

    def list(self) -> Ledger | Unknown:
        """Return a fresh listing; Unknown where the directory itself cannot be read."""
        ...

    def claim(self, claim: Claim) -> Claim | Unknown:
        """Create the claim if its number is free; return the claim that holds the number now.

        Ours came back: we hold it, even if the server's reply was lost. Unknown: nobody can say.
        """
        ...

    def notice(self, claim: ClaimKey, kind: NoticeKind, detail: str) -> Unknown | None:
        """Create the notice if absent; None once one of this claim and kind is on disk.

        Unknown, and nothing is written, where another claim holds the number (PROTOCOL rule 15).
        """
        ...


class CellFiles(Protocol):
    """The cell's own files, the ancestor's among them (GRIDENGINE.md, "Files")."""

    def read_lock(self) -> Lock | Unknown:
        """Read the spool's lock."""
        ...

    def read_server_lock(self) -> ServerLock | Unknown:
        """Read who holds TORQUE's ``server.lock``; NONE in a cell of another kind."""
        ...

    def read_beat(self) -> int | Unknown:
        """Read the heartbeat counter."""
        ...

    def read_active(self) -> Host | Unknown:
        """Read act_qmaster as a canonical host name."""
        ...

    def read_shadows(self) -> tuple[Host, ...] | Unknown:
        """Read shadow_masters as canonical host names, in order."""
        ...

    def read_pause(self) -> PauseReading:
        """Read the pause record, and how many pauses there were."""
        ...

    def resident(self) -> int | None:
        """Return the pid of a live master of this cell here that no epoch of ours started."""
        ...

    def place_lock(self, epoch: Epoch, nonce: str) -> Lock | Unknown:
        """Create the lock naming this claim, replacing one of a lower epoch; return what lies there.

        A link of a complete private file, read back on any error (PROTOCOL rule 17). A foreign lock is
        returned, never touched.
        """
        ...

    def clear_lock(self) -> Unknown | None:
        """Remove a lock that names any claim, by rename aside, read, link back (PROTOCOL rule 18)."""
        ...

    def clear_mark(self) -> Unknown | None:
        """Remove an *empty* lock, in the same way; None when none lies there (PROTOCOL rule 11)."""
        ...

    def name_master(self, host: Host) -> Unknown | None:
        """Write a host into act_qmaster, in place; None when done (PROTOCOL rule 10)."""
        ...


class HostCheck(Protocol):
    """Looks at whether this host could run the master of a cell (PROTOCOL rule 19)."""

    def fitness(self) -> Fitness:
        """Return what the last look found, at once; the next one may begin, on a thread of its own."""
        ...


class MasterProbe(Protocol):
    """Asks a host whether its master answers."""

    def ask(self, host: Host) -> tuple[ProbeOutcome, str]:
        """Return the outcome and a detail for people, within ``probe_timeout``, DNS included."""
        ...


class NameService(Protocol):
    """Tells whose a host name is."""

    def is_here(self, host: Host) -> bool | None:
        """Tell whether every address of this name is this host's, within ``probe_timeout``; None: not known.

        Loopback is everybody's, so it tells nothing.
        """
        ...


class Fencer(Protocol):
    """Has hosts switched off; only where the cell is configured for it."""

    def fence(self, epoch: Epoch, host: Host) -> tuple[FenceOutcome, str]:
        """Switch the host off and prove it, within ``fence_timeout``; the detail is for people.

        ``epoch`` is the claim in whose name it is done: a host that holds a later one is refused.
        """
        ...


class Beater(Protocol):
    """What a guard does for a master that writes no heartbeat: in ``generic`` and ``torque`` cells."""

    def write_beat(self, epoch: Epoch) -> Unknown | None:
        """Count the heartbeat up once; None when it is on the server's disk.

        One fixed-size record, on a descriptor that is kept open for one epoch (NFS.md, "What follows" 1).
        """
        ...

    def ask_health(self) -> Unknown | None:
        """Run the health command within its time limit; None when it passes."""
        ...


class Launcher(Protocol):
    """Starts, finds and stops the pair on this host; recognises processes by epoch and nonce.

    A process carries the secret behind the nonce. A stop signals the known processes before it looks for
    more.
    """

    def launch(self, epoch: Epoch, nonce: str) -> Unknown | None:
        """Start the master program; None when it was executed (not when it is ready)."""
        ...

    def launch_scheduler(self, epoch: Epoch, nonce: str) -> Unknown | None:
        """Start the second of the pair; None also where the cell has none."""
        ...

    def inspect(self, epoch: Epoch, nonce: str, *, serving: bool = False) -> PairView:
        """Look for live processes of the epoch; ``serving``: and for who listens on the cell's port."""
        ...

    def stop(self, epoch: Epoch, nonce: str) -> PairView:
        """SIGKILL all processes of the epoch, wait a bounded moment, return what is left."""
        ...

    def terminate(self, epoch: Epoch, nonce: str) -> PairView:
        """SIGTERM all processes of the epoch, do not wait, return what lives."""
        ...

    def adopt(self, epoch: Epoch, nonce: str, pid: int) -> PairView:
        """Count this live process as the master of the epoch from now on, over restarts of the daemon."""
        ...

    def stop_stray(self, pid: int) -> bool:
        """SIGKILL a master of the cell that no claim started, wait a bounded moment; True while it lives."""
        ...


class Identity(Protocol):
    """Who this daemon is, for the records that it writes."""

    cell: str
    host: Host
    machine_id: str
    boot_id: str
    pid: int
    start_token: str

    def nonce(self) -> str:
        """Return a fresh random word, for one claim."""
        ...


class Journal(Protocol):
    """Where a cell's lines go; never blocks."""

    def say(self, line: Say) -> None:
        """Write one line to every log of the cell."""
        ...


class Outlet(Protocol):
    """Where a cell's records go, for ``status`` and for people."""

    def write_local(self, record: bytes) -> None:
        """Replace the state file in the local runtime directory."""
        ...

    def write_shared(self, record: bytes) -> str | None:
        """Replace ``hosts/<host>.json`` in the shared directory.

        Return the boot id of another machine that wrote it since the last time; None where nobody did.
        """
        ...

    def keep_lease(self, kept: KeptLease | None) -> None:
        """Replace the lease record in the local runtime directory; None removes it (PROTOCOL rule 9)."""
        ...


class Waker(Protocol):
    """What the decision thread sleeps on."""

    def wait(self, seconds: float) -> None:
        """Return after this long, or earlier when woken."""
        ...

    def wake(self) -> None:
        """End the present or the next wait; safe from any thread and in a signal handler."""
        ...
