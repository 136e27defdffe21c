"""Where a cell lies, whatever its kind: for the verbs that only look, or change one file.

The daemon knows more of a cell than this. Reads what Grid Engine's own files say, so it may hang.
"""

from dataclasses import dataclass
from pathlib import Path

from shadowd.adapters import genericfiles, gridengine
from shadowd.adapters.cellfiles import CellPaths, GridEngineFiles
from shadowd.adapters.hostnames import HostNames
from shadowd.adapters.resident import ResidentSearch
from shadowd.core.values import Host


@dataclass(frozen=True, slots=True)
class Ground:
    """The files of one cell."""

    paths: CellPaths
    names: HostNames
    owner: str | None
    """Whose files they are; None for root's."""

    def files(self, cell: str, host: Host) -> GridEngineFiles:
        """Return the reader of the files, as a host of this name."""
        search = ResidentSearch(pid_file=self.paths.pid_file, spool=self.paths.spool)
        return GridEngineFiles(cell, host, self.paths, self.names, search)


def survey(sge_root: Path | None, sge_cell: str, directory: Path, user: str | None = None) -> Ground:
    """Return the files of a Grid Engine cell, or, without an sge_root, of a generic one; raises CellError."""
    if sge_root is None:
        return Ground(genericfiles.paths_of(directory), HostNames(), user)
    found = gridengine.discover(sge_root, sge_cell)
    return Ground(found.paths, gridengine.host_names(found), found.admin_user)
