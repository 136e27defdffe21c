"""The lease of a master whose cell cannot be read: enforced with this host's own means (PROTOCOL rule 9).

Why apart from the cell's machines: those begin when the cell's files were read. A daemon that starts while
these hang must all the same stop an earlier daemon's master before another host may start one. What that
takes lies on this host: the lease as it was kept, and the processes of its epoch. Machines that begin later
read the same record and come to the same end, so nothing is decided twice in two ways.

Refuses to renew a lease, and to write an outcome: both need the shared directory.
"""

import glob
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from shadowd.adapters.clock import SystemClock
from shadowd.adapters.execution import Program
from shadowd.adapters.identity import read_boot_id
from shadowd.adapters.kept import Keeper, leave_lease, read_lease, read_place
from shadowd.adapters.launch import PairLauncher
from shadowd.adapters.marks import users_of
from shadowd.adapters.processrecord import PROCESSES
from shadowd.adapters.reading import read_small
from shadowd.core.values import Instant, KeptLease, Seconds
from shadowd.log.setup import announce

_LEASE, _LOCK = ".lease.json", ".lock"
_SILENT = "and the cell's files do not answer"
_PID = 64
_LOOK_EVERY = 0.5
"""Seconds: whoever serves the cell by now must be seen, and a suspended host's clock."""
_AGAIN = 1.0


def cells_with_leases(runtime_dir: Path) -> frozenset[str]:
    """Return the cells of which anything was kept: one listing for all of them."""
    return frozenset(path.name.partition("@")[0] for path in runtime_dir.glob(f"*@*{_LEASE}"))


@dataclass(frozen=True, slots=True)
class KeptLeases:
    """The leases of one cell that an earlier daemon of this host and boot left behind."""

    cell: str
    runtime_dir: Path
    clock: SystemClock
    account: str | None = None
    """The user that the master is started as, where one is configured."""
    told: set[str] = field(default_factory=set, compare=False)
    """Nonces of which the end of the lease was said: what does not die is killed again and again."""

    @property
    def any(self) -> bool:
        """True if a master of this host may be running under a lease."""
        return bool(self.kept())

    def enforce(self, served: Callable[[], bool], trial: Seconds) -> None:
        """Stop each master whose lease is over before its cell is served; blocks until then.

        ``trial``: how long one is given whose lease ran out after its daemon had been told to end.
        """
        done: set[str] = set()
        earliest = Instant(self.clock.now() + trial)
        while not served():
            found = {path: tried(lease, earliest) for path, lease in self.kept().items()}
            kept = {path: lease for path, lease in found.items() if lease.nonce not in done}
            if not kept:
                return
            now = self.clock.now()
            over = {path: lease for path, lease in kept.items() if now >= lease.ends}
            # Asked again: machines that began meanwhile may have renewed it.
            if over and not served():
                done |= {lease.nonce for path, lease in over.items() if self.stop(path, lease, _SILENT)}
            time.sleep(_patience([lease for path, lease in kept.items() if path not in over], now))

    def served_by_another(self, daemon: int) -> bool:
        """Tell whether a later daemon than this serves the cell, by the pid in its instance lock."""
        pattern = f"{glob.escape(self.cell)}@*{_LOCK}"
        found = [read_small(path, _PID) for path in self.runtime_dir.glob(pattern)]
        return any(isinstance(data, bytes) and data.strip() not in {b"", b"%d" % daemon} for data in found)

    def leave(self) -> None:
        """Note that nobody will renew these, on purpose."""
        for path in self.kept():
            leave_lease(Keeper(path, read_boot_id()))

    def kept(self) -> dict[Path, KeptLease]:
        """Return the records that count, by their files."""
        # The name of this host in file names comes from the cell's own files; so all that are there count.
        paths = sorted(self.runtime_dir.glob(f"{glob.escape(self.cell)}@*{_LEASE}"))
        boot_id = read_boot_id() if paths else ""
        found = ((path, read_lease(Keeper(path, boot_id))) for path in paths)
        return {path: lease for path, lease in found if lease is not None}

    def stop(self, path: Path, lease: KeptLease, why: str) -> bool:
        """Stop every process of the epoch, those first that were kept; False while one is left."""
        keeper = Keeper(path, read_boot_id())
        place = read_place(keeper)
        admin = {place.user.uid} if place and place.user else set()
        # Nothing is ever started here, so the program's name only fills a place.
        launcher = PairLauncher(
            self.cell,
            (Program((self.cell,)),),
            {},
            None,
            _nothing,
            kept=replace(keeper, path=path.with_name(path.name.removesuffix(_LEASE) + PROCESSES)),
            resident=_nobody,
            users=users_of(self.account) | admin,
            secret_of=_no_secret,
        )
        try:
            known = launcher.stop_known(lease.epoch, lease.nonce)
            if not known and not launcher.inspect(lease.epoch, lease.nonce).alive:
                return True
            if lease.nonce not in self.told:
                self.told.add(lease.nonce)
                detail = f"the lease that was kept on this host is over, {why}"
                announce("master.lease_over", cell=self.cell, epoch=lease.epoch, detail=detail)
            return not launcher.stop(lease.epoch, lease.nonce).alive
        except OSError:  # out of descriptors or memory for the moment
            return False
        finally:
            launcher.close()


def tried(kept: KeptLease, earliest: Instant) -> KeptLease:
    """Return the lease, not over before this if its daemon had been told to end."""
    return replace(kept, ends=max(kept.ends, earliest)) if kept.left else kept


def _patience(waiting: list[KeptLease], now: Instant) -> float:
    """Return how long nothing is due; an end is met exactly."""
    return max(0.0, min([_LOOK_EVERY, *(lease.ends - now for lease in waiting)])) if waiting else _AGAIN


def _nothing() -> None:
    """Heed no end: whoever stops looks for himself."""


def _nobody() -> None:
    """Find no master that no claim started."""


def _no_secret(_nonce: str) -> None:
    """Know no secret."""
