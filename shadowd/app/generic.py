"""A generic cell: any command as master, on any shared directory.

Nothing here is found out: the configuration says what to start, and the files in the directory have fixed
names (``adapters.genericfiles``). They are used with the rights of the account that the pair runs as.
This module refuses to make anything in the directory: `shadowd start` does, once, for a person who asks.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from shadowd.adapters.cellfiles import GridEngineFiles
from shadowd.adapters.genericfiles import BeatFile, paths_of
from shadowd.adapters.hostnames import HostNames
from shadowd.adapters.probe import TcpProbe
from shadowd.adapters.resident import ResidentSearch
from shadowd.adapters.resolving import system_resolver
from shadowd.adapters.sitecommand import CommandProbe, Health, LeaseOnly, SiteCommand
from shadowd.app.asuser import BeatsAs
from shadowd.app.prepared import Prepared, as_user, own_names, programs_of
from shadowd.config.models import CellSettings, Settings
from shadowd.core.values import Host
from shadowd.errors import CellError
from shadowd.ports import MasterProbe

_KEPT = ("PATH", "HOME", "LANG", "TZ", "LD_LIBRARY_PATH")


def prepare(settings: Settings, cell: CellSettings, environ: Mapping[str, str]) -> Prepared:
    """Look at the directory; raises CellError where it is not there."""
    if not cell.place.is_dir():
        raise CellError(str(cell.place), "there is no such directory", "is the file system mounted?")
    own = own_names(settings)
    names = HostNames().knowing(own)
    host = names.canonical(own[0])
    paths = paths_of(cell.place)
    command = cell.launch.command or ()
    search = ResidentSearch(paths.pid_file, paths.spool, program=Path(command[0]).name)
    files = GridEngineFiles(cell.name, host, paths, names, search)
    ours = {key: value for key, value in environ.items() if key in _KEPT}
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **ours, **cell.launch.environment}
    user = as_user(cell.launch.user)

    def asks(argv: tuple[str, ...], timeout: float) -> SiteCommand:
        known = {**environment, "SHADOWD_CELL": cell.name, "SHADOWD_HOST": host}
        return SiteCommand(argv, known, timeout, user)

    health = cell.health
    beats = BeatFile(paths)
    return Prepared(
        settings=cell,
        host=host,
        full_name=own[0],
        files=files,
        user=user,
        pair=programs_of(cell.launch, command, cell.launch.scheduler or ()),
        environment=environment,
        probe=_probe(cell, files, asks),
        runtime_dir=settings.runtime_dir,
        beater=BeatsAs(user, beats, Health(asks(health.command, health.timeout) if health.command else None)),
        close=beats.close,
    )


def _probe(
    cell: CellSettings, files: GridEngineFiles, asks: Callable[[tuple[str, ...], float], SiteCommand]
) -> MasterProbe:
    timeout = cell.timing().probe_timeout
    if cell.probe.command is not None:
        return CommandProbe(asks(cell.probe.command, timeout))
    if cell.probe.port is None:
        return LeaseOnly()
    return TcpProbe(
        cell.probe.port,
        timeout,
        cell.probe.addresses,
        None,
        {},
        resolver=lambda name: system_resolver(files.address(Host(name))),
    )
