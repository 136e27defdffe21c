"""A generic cell: any command as master, on any shared directory.

Nothing here is found out: the configuration says what to start, and the files in the directory have fixed
names (``adapters.genericfiles``). They are used with the rights of the account that the pair runs as.
This module refuses to make anything in the directory: `shadowd start` does, once, for a person who asks.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from shadowd.adapters.cellfiles import GridEngineFiles
from shadowd.adapters.genericfiles import BeatFile, paths_of
from shadowd.adapters.hostaddresses import addresses_of
from shadowd.adapters.hostcheck import Needs
from shadowd.adapters.hostnames import HostNames
from shadowd.adapters.marks import users_of
from shadowd.adapters.probe import TcpProbe
from shadowd.adapters.questions import TORQUE, site
from shadowd.adapters.resident import ResidentSearch
from shadowd.adapters.sitecommand import CommandProbe, Health, LeaseOnly, SiteCommand
from shadowd.adapters.user import FileUser
from shadowd.app.asuser import BeatsAs
from shadowd.app.prepared import (
    Prepared,
    as_user,
    examiner,
    files_user_of,
    needed,
    own_names,
    programs_of,
)
from shadowd.config.models import CellSettings, Settings
from shadowd.core.values import Host
from shadowd.errors import CellError
from shadowd.ports import MasterProbe

Asking = Callable[[tuple[str, ...], float], SiteCommand]
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
    users = users_of(cell.launch.user)
    search = ResidentSearch(paths.pid_file, paths.spool, program=Path(command[0]).name, users=users)
    files = GridEngineFiles(cell.name, host, paths, names, search)
    environment = environment_of(cell, environ)
    user = as_user(cell.launch.user)
    ask = asking(cell, host, environment, user)
    health = cell.health
    owner = files_user_of(paths, cell.launch.user)
    beats = BeatFile(paths)
    wants = needs(cell)
    return Prepared(
        settings=cell,
        host=host,
        full_name=own[0],
        named=bool(settings.host),
        files=files,
        user=owner,
        users=users,
        pair=wants.pair,
        examiner=examiner(wants, files, user),
        environment=environment,
        probe=probe_of(cell, files, owner, ask),
        port=cell.probe.port,
        runtime_dir=settings.runtime_dir,
        state_dir=settings.state_dir,
        beater=BeatsAs(owner, beats, Health(ask(health.command, health.timeout) if health.command else None)),
    )


def needs(cell: CellSettings) -> Needs:
    """Return what the cell's master needs on this host."""
    pair = programs_of(cell.launch, cell.launch.command or (), cell.launch.scheduler or ())
    return needed(pair, cell, tuple(map(Path, cell.shared)))


def environment_of(cell: CellSettings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the pair and the site's commands are started with."""
    ours = {key: value for key, value in environ.items() if key in _KEPT}
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **ours, **cell.launch.environment}


def asking(cell: CellSettings, host: Host, environment: Mapping[str, str], user: FileUser | None) -> Asking:
    """Return what makes a command of the site out of its arguments and its time limit."""
    known = {**environment, "SHADOWD_CELL": cell.name, "SHADOWD_HOST": host}
    return lambda argv, timeout: SiteCommand(argv, known, timeout, user)


def probe_of(cell: CellSettings, files: GridEngineFiles, user: FileUser | None, ask: Asking) -> MasterProbe:
    """Return how an old master is asked: by a command, by its port, or not at all."""
    timeout = cell.timing().probe_timeout
    if cell.probe.command is not None:
        return CommandProbe(ask(cell.probe.command, timeout))
    if cell.probe.port is None:
        return LeaseOnly()
    question = TORQUE if cell.kind == "torque" else site(cell.probe.send, cell.probe.expect)
    return TcpProbe(
        cell.probe.port,
        timeout,
        addresses_of(files, cell.probe.addresses, user),
        None,
        {},
        question=lambda _: question,
    )
