"""A TORQUE cell: ``pbs_server`` as a singleton on a shared ``server_priv``, beside real ``pbs_server --ha``.

A generic cell with one thing more: its server holds ``server.lock`` (``adapters.holdlock`` starts it), and a
server that no claim started is respected as long as it does. What a new cell needs is made here at once, for
whoever finds TORQUE's own database has found the right directory. Refuses to start without it.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from shadowd.adapters import holdlock
from shadowd.adapters.execution import Program
from shadowd.adapters.genericfiles import BeatFile, found
from shadowd.adapters.hostnames import HostNames
from shadowd.adapters.marks import users_of
from shadowd.adapters.programs import is_program
from shadowd.adapters.resident import ResidentSearch
from shadowd.adapters.serverbeats import ServerBeats
from shadowd.adapters.serverlock import LEASE, ServerLockFile
from shadowd.adapters.sitecommand import Health
from shadowd.adapters.torquefiles import TorqueFiles, paths_of, require_mounted
from shadowd.adapters.user import become
from shadowd.app.asuser import BeatsAs
from shadowd.app.generic import asking, environment_of, probe_of
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
from shadowd.errors import CellError

SCHEDULER = Path("/usr/local/sbin/pbs_sched")
PORT = 15001


def prepare(settings: Settings, cell: CellSettings, environ: Mapping[str, str]) -> Prepared:
    """Look at ``server_priv`` and make our own directory in it; raises CellError with what is missing."""
    user = as_user(cell.launch.user)
    own = own_names(settings)
    names = HostNames().knowing(own)
    host = names.canonical(own[0])
    paths = paths_of(cell.place)
    owner = files_user_of(paths, cell.launch.user)
    become(owner)
    require_mounted(cell.place)
    missing = found(paths, host)
    if missing is not None:
        who = cell.launch.user or "root"
        raise CellError(missing.subject, missing.detail, f"let {who} write there: rights, space, mount")
    command = cell.launch.command or ()
    users = users_of(cell.launch.user)
    place = cell.lock_file or paths.spool / "server.lock"
    lock = ServerLockFile(place, cell.lock or LEASE, paths.state, users)
    search = ResidentSearch(paths.pid_file, paths.spool, program=Path(command[0]).name, users=users)
    files = TorqueFiles(cell.name, host, paths, names, search, lock)
    environment = environment_of(cell, environ)
    ask = asking(cell, host, environment, user)
    beats = ServerBeats(BeatFile(paths), lock)
    health = cell.health
    pair = _pair(cell, command, lock, host)
    wants = replace(needed(pair, cell, ()), port=cell.probe.port or PORT, users=users)
    return Prepared(
        settings=cell,
        host=host,
        full_name=own[0],
        named=bool(settings.host),
        files=files,
        user=owner,
        users=users,
        pair=pair,
        examiner=examiner(wants, files, user),
        environment=environment,
        probe=probe_of(cell, files, owner, ask),
        port=cell.probe.port,
        runtime_dir=settings.runtime_dir,
        state_dir=settings.state_dir,
        beater=BeatsAs(owner, beats, Health(ask(health.command, health.timeout) if health.command else None)),
    )


def _pair(
    cell: CellSettings, command: tuple[str, ...], lock: ServerLockFile, host: str
) -> tuple[Program, ...]:
    """Return server and scheduler; the usual scheduler only where it is installed."""
    scheduler = cell.launch.scheduler
    if scheduler is None:
        scheduler = (str(SCHEDULER),) if is_program(SCHEDULER) else ()
    wrapper = (
        sys.executable,
        "-I",
        "-S",
        holdlock.__file__,
        lock.method,
        str(lock.path),
        str(lock.state),
        host,
    )
    server, *others = programs_of(cell.launch, command, scheduler)
    return Program((*wrapper, *command), server.cwd, server.user, name=command[0]), *others
