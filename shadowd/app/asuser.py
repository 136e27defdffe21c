"""The cell's file ports, used as the cell's admin user.

Each call takes on that user's file identity on the thread that makes it (``adapters.user``), so one daemon
serves cells of different owners; /proc is read, and children are started, as the daemon itself.
"""

from dataclasses import dataclass

from shadowd.adapters.genericfiles import BeatFile
from shadowd.adapters.serverbeats import ServerBeats
from shadowd.adapters.sitecommand import Health
from shadowd.adapters.user import FileUser, become
from shadowd.core.ledger import Ledger
from shadowd.core.values import (
    Claim,
    ClaimKey,
    Epoch,
    Host,
    Lock,
    NoticeKind,
    PauseReading,
    ServerLock,
    Unknown,
)
from shadowd.ports import CellFiles, ClaimLog


@dataclass(frozen=True, slots=True)
class FilesAs:
    """``CellFiles`` as a user."""

    user: FileUser | None
    files: CellFiles

    def read_lock(self) -> Lock | Unknown:
        """Read as the user."""
        become(self.user)
        return self.files.read_lock()

    def read_server_lock(self) -> ServerLock | Unknown:
        """Read as the user."""
        become(self.user)
        return self.files.read_server_lock()

    def read_beat(self) -> int | Unknown:
        """Read as the user."""
        become(self.user)
        return self.files.read_beat()

    def read_active(self) -> Host | Unknown:
        """Read as the user."""
        become(self.user)
        return self.files.read_active()

    def read_shadows(self) -> tuple[Host, ...] | Unknown:
        """Read as the user."""
        become(self.user)
        return self.files.read_shadows()

    def read_pause(self) -> PauseReading:
        """Read as the user."""
        become(self.user)
        return self.files.read_pause()

    def resident(self) -> int | None:
        """Look as ourselves: the kernel shows a process's environment to root and its owner only."""
        become(None)
        return self.files.resident()

    def place_lock(self, epoch: Epoch, nonce: str) -> Lock | Unknown:
        """Write as the user."""
        become(self.user)
        return self.files.place_lock(epoch, nonce)

    def clear_lock(self) -> Unknown | None:
        """Write as the user."""
        become(self.user)
        return self.files.clear_lock()

    def clear_mark(self) -> Unknown | None:
        """Write as the user."""
        become(self.user)
        return self.files.clear_mark()

    def name_master(self, host: Host) -> Unknown | None:
        """Write as the user."""
        become(self.user)
        return self.files.name_master(host)


@dataclass(frozen=True, slots=True)
class BeatsAs:
    """``Beater`` as a user."""

    user: FileUser | None
    file: BeatFile | ServerBeats
    health: Health

    def write_beat(self, epoch: Epoch) -> Unknown | None:
        """Write as the user."""
        become(self.user)
        return self.file.write(epoch)

    def ask_health(self) -> Unknown | None:
        """Ask; the command has an account of its own."""
        return self.health.ask()


@dataclass(frozen=True, slots=True)
class ClaimsAs:
    """``ClaimLog`` as a user."""

    user: FileUser | None
    claims: ClaimLog

    def list(self) -> Ledger | Unknown:
        """Read as the user."""
        become(self.user)
        return self.claims.list()

    def claim(self, claim: Claim) -> Claim | Unknown:
        """Write as the user."""
        become(self.user)
        return self.claims.claim(claim)

    def notice(self, claim: ClaimKey, kind: NoticeKind, detail: str) -> Unknown | None:
        """Write as the user."""
        become(self.user)
        return self.claims.notice(claim, kind, detail)
