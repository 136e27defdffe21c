"""Where a cell lies, whatever its kind: for the verbs that only look, or change one file.

The daemon knows more of a cell than this. Reads what Grid Engine's own files say, so it may hang.
"""

from dataclasses import dataclass
from pathlib import Path

from shadowd.adapters import genericfiles, gridengine, torquefiles
from shadowd.adapters.cellfiles import CellPaths, GridEngineFiles
from shadowd.adapters.hostnames import HostNames
from shadowd.adapters.resident import ResidentSearch
from shadowd.adapters.serverlock import ServerLockFile
from shadowd.adapters.torquefiles import TorqueFiles
from shadowd.core.values import Host


@dataclass(frozen=True, slots=True)
class Ground:
    """The files of one cell."""

    paths: CellPaths
    names: HostNames
    owner: str | None
    """Whose files they are; None for root's."""
    server_lock: ServerLockFile | None = None
    """TORQUE's."""

    def files(self, cell: str, host: Host) -> GridEngineFiles:
        """Return the reader of the files, as a host of this name."""
        search = ResidentSearch(pid_file=self.paths.pid_file, spool=self.paths.spool)
        if self.server_lock is None:
            return GridEngineFiles(cell, host, self.paths, self.names, search)
        return TorqueFiles(cell, host, self.paths, self.names, search, self.server_lock, everybody=True)


def survey(
    sge_root: Path | None,
    sge_cell: str,
    directory: Path,
    user: str | None = None,
    server_lock: tuple[str, Path] | None = None,
) -> Ground:
    """Return the files of a Grid Engine cell, or, without an sge_root, of another kind; raises CellError.

    ``server_lock``: method and path of that of a TORQUE cell.
    """
    if server_lock is not None:
        method, path = server_lock
        torquefiles.require_mounted(directory)
        paths = torquefiles.paths_of(directory)
        return Ground(paths, HostNames(), user, ServerLockFile(path, method, paths.state))
    if sge_root is None:
        return Ground(genericfiles.paths_of(directory), HostNames(), user)
    found = gridengine.discover(sge_root, sge_cell)
    return Ground(found.paths, gridengine.host_names(found), found.admin_user)
