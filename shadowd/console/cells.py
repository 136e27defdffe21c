"""From the configuration's cells to places to look at, and the look itself.

Only the light reader of the configuration is used, so that a call by monitoring loads neither pydantic
nor anything else that a daemon needs. Everything that touches a shared directory, the bootstrap file
included, happens inside ``Place.read``, which the caller runs under a deadline. This module refuses to
catch what the adapters raise: a cell that cannot be understood is an error with a remedy.
"""

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from shadowd.config.environment import SYSTEM_RUNTIME_DIR, default_runtime_dir
from shadowd.config.light import LightCell, LightFence, light_settings
from shadowd.config.source import find
from shadowd.console import records
from shadowd.console.fencing import FenceProgram
from shadowd.console.gather import Place, SeenLock, Shared, living, local_record
from shadowd.console.names import wrong_names
from shadowd.core.values import Host, Seconds, Unknown
from shadowd.errors import CellError, ConfigError

if TYPE_CHECKING:
    from shadowd.adapters.mounts import Mount
    from shadowd.adapters.serverlock import ServerLockFile

_MOST = 1000
_PBS_SERVER, _SGE_QMASTER = 15001, 6444
"""The ports where nothing names another one."""


def places(
    config: Path | None, wanted: Iterable[str], environ: Mapping[str, str], *, thorough: bool = False
) -> list[Place]:
    """Return the places of all cells, or of the wanted ones; raises ``ConfigError``.

    ``thorough``: also look where the other hosts are found from here, and how the directories are mounted.
    """
    cells = {cell.name: cell for cell in light_settings(config, environ).cells}
    chosen = list(dict.fromkeys(wanted)) or list(cells)
    for name in chosen:
        if name not in cells:
            known = ", ".join(sorted(cells)[:20]) or "none"
            raise ConfigError("--cell", f"there is no cell {records.clean(name)!r}", f"cells here: {known}")
    return [_place(cells[name], thorough=thorough) for name in chosen]


def all_places(config: Path | None, environ: Mapping[str, str]) -> list[Place]:
    """Return the places of all cells, and of those that only a daemon at work here knows.

    Whoever is woken up may call from a shell that lacks the cell's variables; that must not hide a cell.
    """
    try:
        settings = light_settings(config, environ)
    except ConfigError:
        folders = dict.fromkeys((default_runtime_dir(environ), SYSTEM_RUNTIME_DIR))
        found = [] if find(config, environ) else [one for folder in folders for one in _strangers(folder, ())]
        if not found:
            raise
        return found
    known = [cell.name for cell in settings.cells]
    folders = dict.fromkeys(
        folder for cell in settings.cells for folder in (cell.runtime_dir, *cell.readable)
    )
    strangers = [one for folder in folders for one in _strangers(folder, known)]
    return [*map(_place, settings.cells), *strangers]


def _strangers(runtime_dir: Path, known: Iterable[str]) -> list[Place]:
    names = {path.name.rpartition("@")[0] for path in sorted(runtime_dir.glob("*@*.state.json"))[:_MOST]}
    strangers = [_stranger(name, runtime_dir) for name in sorted(names.difference(known))]
    records_of = [(place, local_record(place)) for place in strangers]
    return [
        place._replace(kind=record.kind)
        for place, record in records_of
        if isinstance(record, records.HostRecord) and living(record) is not None
    ]


def _stranger(name: str, runtime_dir: Path) -> Place:
    def read() -> Shared:
        remedy = "name its file with --config, or source the cell's settings.sh"
        raise CellError(f"cell {name}", "is not configured here; this is its daemon's own record", remedy)

    return Place(name, "unknown", "", runtime_dir, str(runtime_dir), read)


def _place(cell: LightCell, *, thorough: bool = False) -> Place:
    return Place(
        name=cell.name,
        kind=cell.kind,
        host=cell.host or "",
        runtime_dir=cell.runtime_dir,
        spool=str(cell.directory),
        read=lambda: read_shared(cell, thorough=thorough),
        readable=cell.readable,
    )


def read_shared(cell: LightCell, *, thorough: bool = False) -> Shared:
    """Look at everything of a cell once; may hang; raises ``CellError``.

    ``thorough``: also where its other hosts are found from here, if the master is asked over TCP, and how
    its directories are mounted.
    """
    from shadowd.adapters.claimlog import DirectoryClaimLog  # noqa: PLC0415 - in the thread, not at start
    from shadowd.adapters.ground import survey  # noqa: PLC0415
    from shadowd.adapters.hostnames import machine_names  # noqa: PLC0415
    from shadowd.adapters.nameclash import find_clashes  # noqa: PLC0415
    from shadowd.adapters.rights import loose_directories  # noqa: PLC0415

    found = survey(cell.sge_root, cell.sge_cell, cell.directory, cell.user, cell.server_lock)
    own = (cell.host,) if cell.host else machine_names(Seconds(1))
    rules = found.names.knowing(own)
    host = rules.canonical(own[0])
    paths = found.paths
    hosts = records.read_hosts(paths.state / "hosts")
    files = replace(found, names=rules).files(cell.name, host)
    active, shadows = files.read_active(), files.read_shadows()
    return Shared(
        host=host,
        spool=str(paths.spool),
        ledger=DirectoryClaimLog(paths.state, cell.name, Host(host), time.time).list(),
        lock=files.read_lock(),
        lock_owner=_owner(paths.lock),
        beat=files.read_beat(),
        beat_wall=_modified(paths.beat),
        active=active,
        shadows=shadows,
        pause=files.read_pause().pause,
        hosts=hosts,
        fence=_fence(cell.fence) if cell.fence else None,
        unknown_owner=_unknown(found.owner),
        server_lock=_server_lock(found.server_lock) if found.server_lock else None,
        port=(port := _port(cell)),
        holder="" if port is None else _holder(port, paths.spool, found.owner),
        clashes=find_clashes(paths, found.names, () if isinstance(hosts, Unknown) else hosts, own[:1]),
        loose=loose_directories(paths.state, found.owner),
        names=wrong_names(files, _known(active, shadows), cell.addresses) if thorough and port else (),
        mounts=_mounts(paths.spool, paths.state, paths.active.parent) if thorough else (),
        method=found.server_lock.method if found.server_lock else "",
    )


def _mounts(*directories: Path) -> "tuple[Mount, ...]":
    """Return how these are mounted, each mount once."""
    from shadowd.adapters.mounts import mount_of  # noqa: PLC0415 - in the thread, not at start

    found = (mount_of(directory) for directory in directories)
    return tuple({mount.point: mount for mount in found if mount is not None}.values())


def _known(active: Host | Unknown, shadows: tuple[Host, ...] | Unknown) -> list[Host]:
    """Return the hosts that the cell's files name, the master's first."""
    first = [] if isinstance(active, Unknown) else [active]
    return first if isinstance(shadows, Unknown) else [*first, *shadows]


def _port(cell: LightCell) -> int | None:
    import _socket  # noqa: PLC0415 - in the thread; the whole of socket takes a twelfth of a `status`

    if cell.kind == "generic":
        return cell.port if cell.user else None  # else nobody knows as whom its program listens
    if cell.port is not None:
        return cell.port
    if cell.kind == "torque":
        return _PBS_SERVER
    named = os.environ.get("SGE_QMASTER_PORT", "").strip()
    if named.isascii() and named.isdecimal():
        return int(named)
    try:
        return _socket.getservbyname("sge_qmaster", "tcp")
    except OSError:
        return _SGE_QMASTER


def _holder(port: int, spool: Path, owner: str | None) -> str:
    """Return who holds the port, besides root, the cell's owner and whose directory it is."""
    import pwd  # noqa: PLC0415 - in the thread, not at start

    from shadowd.adapters.portholder import port_holder  # noqa: PLC0415 - as above

    users = {0}
    with suppress(OSError):
        users.add(spool.stat().st_uid)
    with suppress(KeyError):
        users.add(pwd.getpwnam(owner or "root").pw_uid)
    return port_holder(port, users)


def _server_lock(file: "ServerLockFile") -> SeenLock | Unknown:
    holder, session = file.look(), file.session()
    if isinstance(holder, Unknown):
        return holder
    ours = session is not None and holder.content in session.contents and not holder.lock.foreign
    owner = f"{session.epoch} on {records.clean(session.host)}" if session and ours else ""
    unlocked = bool(holder.content) and file.method == "fcntl" and not holder.locked
    return SeenLock(holder.lock, holder.content, owner, unlocked)


def _fence(fence: LightFence) -> FenceProgram:
    from shadowd.adapters.programs import is_program  # noqa: PLC0415 - in the thread, not at start
    from shadowd.adapters.switch import find_agent  # noqa: PLC0415

    path = find_agent(fence.program)
    return FenceProgram(str(path), is_program(path), fence.required)


def _owner(path: Path) -> str:
    import pwd  # noqa: PLC0415 - rarely needed

    try:
        uid = os.lstat(path).st_uid
    except OSError:
        return ""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _unknown(user: str | None) -> str:
    import pwd  # noqa: PLC0415 - in the thread, not at start

    try:
        if user is not None:
            pwd.getpwnam(user)
    except KeyError:
        return user or ""
    return ""


def _modified(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
