"""A Grid Engine cell: what its own files and this host's installation say.

``prepare`` may hang (it reads the cell's directory and asks DNS) and runs on a worker. This module refuses to
put anything to work.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from shadowd.adapters import gridengine, programs
from shadowd.adapters.cellfiles import GridEngineFiles
from shadowd.adapters.execution import Program
from shadowd.adapters.hostaddresses import addresses_of
from shadowd.adapters.hostcheck import Needs
from shadowd.adapters.marks import users_of
from shadowd.adapters.probe import TcpProbe
from shadowd.adapters.publish import replace_file
from shadowd.adapters.questions import ANYTHING, greeting
from shadowd.adapters.resident import ResidentSearch
from shadowd.adapters.user import become
from shadowd.app.prepared import (
    Prepared,
    examiner,
    files_user_of,
    needed,
    own_names,
    programs_of,
)
from shadowd.config.models import CellSettings, Settings
from shadowd.errors import CellError

_QPING = ("/usr/lib/gridengine/qping", "/usr/bin/qping")


def prepare(settings: Settings, cell_settings: CellSettings, environ: Mapping[str, str]) -> Prepared:
    """Look at the cell's files; raises CellError with what is missing."""
    cell = gridengine.discover(cell_settings.sge_root or Path("/"), cell_settings.sge_cell)
    if not cell.spool.is_dir():
        raise CellError(str(cell.spool), "there is no such directory", "is the file system mounted?")
    own = own_names(settings)
    names = gridengine.host_names(cell).knowing(own)
    host = names.canonical(own[0])
    wants = needs(cell_settings, cell, environ)
    pair = wants.pair
    users = users_of(cell.admin_user, cell_settings.launch.user)
    search = ResidentSearch(
        cell.paths.pid_file,
        cell.spool,
        program=Path(pair[0].argv[0]).name,
        environment=cell.environment,
        users=users,
    )
    user = files_user_of(cell.paths, cell.admin_user)
    files = GridEngineFiles(cell_settings.name, host, cell.paths, names, search)
    environment = _environment(cell_settings, cell, environ)
    port = cell_settings.probe.port or gridengine.qmaster_port(
        {**environ, **cell_settings.launch.environment}
    )
    user = files_user_of(cell.paths, cell.admin_user)
    return Prepared(
        settings=cell_settings,
        host=host,
        full_name=own[0],
        named=bool(settings.host),
        files=files,
        user=user,
        users=users,
        examiner=examiner(replace(wants, port=port, users=users), files, user),
        notes=wants.notes,
        pair=pair,
        environment=environment,
        probe=TcpProbe(
            port,
            cell_settings.timing().probe_timeout,
            addresses_of(files, cell_settings.probe.addresses, user),
            _qping(cell_settings, Path(pair[0].argv[0]).parent),
            environment,
            question=lambda name: ANYTHING if cell.encrypted else greeting(name, own[0]),
        ),
        port=port,
        runtime_dir=settings.runtime_dir,
        state_dir=settings.state_dir,
    )


def needs(settings: CellSettings, cell: gridengine.GridEngineCell, environ: Mapping[str, str]) -> Needs:
    """Return what the cell's master needs on this host."""
    found, note = programs.choose(cell, environ.get("SGE_ARCH"))
    notes = (note,) if note and settings.launch.command is None else ()
    return needed(_pair(settings, found), settings, cell.shared, notes)


def write_pid_file(prepared: Prepared) -> None:
    """Write the ancestor's pid file, by which the stock startup script finds us."""
    become(prepared.user)
    replace_file(
        prepared.files.paths.spool / f"shadowd_{prepared.full_name}.pid", f"{os.getpid()}\n".encode()
    )


def _pair(settings: CellSettings, found: tuple[Path, ...]) -> tuple[Program, ...]:
    """Return the programs to start: configured, or those that the installation has."""
    launch = settings.launch
    master = launch.command or (str(found[0]),)
    scheduler = launch.scheduler
    if scheduler is None:
        scheduler = (str(found[1]),) if launch.command is None and len(found) > 1 else ()
    return programs_of(launch, master, scheduler)


def _qping(settings: CellSettings, folder: Path) -> Path | None:
    wanted = settings.probe.qping
    if wanted == "off":
        return None
    if wanted != "auto":
        return Path(wanted)
    return next((path for path in (folder / "qping", *map(Path, _QPING)) if programs.is_program(path)), None)


def _environment(
    settings: CellSettings, cell: gridengine.GridEngineCell, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return the pair's environment: what Grid Engine reads of ours, and what the file adds."""
    kept = ("PATH", "HOME", "LANG", "TZ", "LD_LIBRARY_PATH")
    ours = {key: value for key, value in environ.items() if key in kept or key.startswith("SGE_")}
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        **ours,
        **dict(cell.environment),
        **settings.launch.environment,
    }
