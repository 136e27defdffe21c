"""What a look at a cell's files gave: all that differs between the kinds of cells, as ready parts.

``gridengine`` and ``generic`` each make one; ``wiring`` puts every kind together alike. This module looks at
nothing but names.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shadowd.adapters.cellfiles import CellPaths, GridEngineFiles
from shadowd.adapters.execution import Program
from shadowd.adapters.hostcheck import Examiner, Needs
from shadowd.adapters.hostnames import machine_names
from shadowd.adapters.sharedpaths import SharedPaths
from shadowd.adapters.user import FileUser, files_user, lookup
from shadowd.config.models import CellSettings, Settings
from shadowd.config.tables import LaunchSettings
from shadowd.core.values import Host, Seconds
from shadowd.ports import Beater, MasterProbe
from shadowd.runtime.executor import BeatsByItself

_DNS = Seconds(5)
_RECORDS = ("claims", "notices", "hosts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """One cell on this host, before it is put to work."""

    settings: CellSettings
    host: Host
    full_name: str
    """This host's name as the ancestor writes it in file names."""
    files: GridEngineFiles
    named: bool
    """The configuration names this host, so that one machine may play several."""
    user: FileUser | None
    """Whose rights the cell's files are used with; None: the daemon's own."""
    users: frozenset[int]
    """Ids that a master of this cell may run as."""
    pair: tuple[Program, ...]
    environment: Mapping[str, str]
    """What the pair is started with."""
    probe: MasterProbe
    port: int | None
    """That the master listens on, where that is known."""
    runtime_dir: Path
    state_dir: Path
    examiner: Examiner
    """Looks at whether this host could run the master; it has looked once when the cell is put to work."""
    notes: tuple[str, ...] = ()
    """What a person should know of how the cell is understood."""
    beater: Beater = field(default_factory=BeatsByItself)

    @property
    def stem(self) -> Path:
        """Local runtime files of this cell on this host begin with this."""
        return self.runtime_dir / f"{self.settings.name}@{self.host}"


def own_names(settings: Settings) -> tuple[str, ...]:
    """Return the names of this machine: the configured one, or what the system says; may hang for a while."""
    return (settings.host,) if settings.host else machine_names(_DNS)


def as_user(name: str | None) -> FileUser | None:
    """Return whose rights a command of the site is run with, where this process may choose."""
    return lookup(name) if os.geteuid() == 0 and name else None


def files_user_of(paths: CellPaths, name: str | None) -> FileUser | None:
    """Return whose rights a cell's files are used with; raises CellError (``adapters.user``)."""
    directories = (paths.spool, paths.active.parent, paths.lock.parent, paths.state)
    return files_user(name, *directories, *(paths.state / name for name in _RECORDS))


def programs_of(
    launch: LaunchSettings, master: tuple[str, ...], scheduler: tuple[str, ...]
) -> tuple[Program, ...]:
    """Return the pair, or the one program where there is no second."""
    cwd = str(launch.cwd) if launch.cwd else None
    return tuple(Program(argv, cwd, launch.user) for argv in (master, scheduler) if argv)


def needed(
    pair: tuple[Program, ...],
    cell: CellSettings,
    directories: tuple[Path, ...],
    notes: tuple[str, ...] = (),
) -> Needs:
    """Return what the master of a cell needs on this host, its health command included."""
    health = (Program(cell.health.command, user=cell.launch.user),) if cell.health.command else ()
    return Needs(pair, health, directories, notes)


def examiner(needs: Needs, files: GridEngineFiles, user: FileUser | None) -> Examiner:
    """Return what looks at these needs, with the rights of the cell's user."""
    return Examiner(needs, SharedPaths(files.host, files.paths.state / "hosts", user))
