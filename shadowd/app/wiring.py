"""One cell, from its settings and its files to a runner.

``prepare`` may hang (it reads the cell's directory and asks DNS) and runs on a worker; ``assemble`` only
puts together what was found and runs on the decision thread.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from shadowd import __version__
from shadowd.adapters import gridengine, programs
from shadowd.adapters.cellfiles import GridEngineFiles
from shadowd.adapters.claimlog import DirectoryClaimLog
from shadowd.adapters.clock import SystemClock
from shadowd.adapters.hints import Hints
from shadowd.adapters.hostnames import HostNames, machine_names
from shadowd.adapters.identity import SystemIdentity
from shadowd.adapters.kept import Keeper, read_lease, write_lease
from shadowd.adapters.launch import PairLauncher, Program
from shadowd.adapters.probe import TcpProbe
from shadowd.adapters.publish import replace_file
from shadowd.adapters.resident import ResidentSearch
from shadowd.adapters.resolving import system_resolver
from shadowd.adapters.user import FileUser, become, lookup
from shadowd.app.asuser import ClaimsAs, FilesAs
from shadowd.app.fencing import fencer
from shadowd.app.hinting import hinted
from shadowd.config.models import CellSettings, Settings
from shadowd.core.cell import Cell
from shadowd.core.policy import Policy
from shadowd.core.values import Host, KeptLease, Seconds
from shadowd.errors import CellError
from shadowd.log.journal import CellJournal, SpoolLog
from shadowd.runtime.executor import Executor, Ports
from shadowd.runtime.lanes import Lanes
from shadowd.runtime.record import Publisher
from shadowd.runtime.runner import Runner
from shadowd.runtime.workers import Job

_DNS = Seconds(5)
_QPING = ("/usr/lib/gridengine/qping", "/usr/bin/qping")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What the cell's own files said."""

    settings: CellSettings
    host: Host
    full_name: str
    """This host's name as the ancestor writes it in file names."""
    cell: gridengine.GridEngineCell
    names: HostNames
    user: FileUser | None
    pair: tuple[Program, ...]
    port: int
    qping: Path | None
    runtime_dir: Path

    @property
    def stem(self) -> Path:
        """Local runtime files of this cell on this host begin with this."""
        return self.runtime_dir / f"{self.settings.name}@{self.host}"


@dataclass(frozen=True, slots=True)
class Assembled:
    """A cell at work."""

    prepared: Prepared
    runner: Runner
    close: Callable[[], None]
    """Gives back what the cell holds, and leaves its processes alone; may hang."""


def prepare(settings: Settings, cell_settings: CellSettings, environ: Mapping[str, str]) -> Prepared:
    """Look at the cell's files; raises CellError with what is missing."""
    cell = gridengine.discover(cell_settings.sge_root, cell_settings.sge_cell)
    if not cell.spool.is_dir():
        raise CellError(str(cell.spool), "there is no such directory", "is the file system mounted?")
    own = (settings.host,) if settings.host else machine_names(_DNS)
    names = gridengine.host_names(cell).knowing(own)
    root = os.geteuid() == 0
    return Prepared(
        settings=cell_settings,
        host=names.canonical(own[0]),
        full_name=own[0],
        cell=cell,
        names=names,
        user=lookup(cell.admin_user) if root and cell.admin_user else None,
        pair=_pair(cell_settings, cell, environ),
        port=cell_settings.probe.port
        or gridengine.qmaster_port({**environ, **cell_settings.launch.environment}),
        qping=_qping(cell_settings, cell, environ),
        runtime_dir=settings.runtime_dir,
    )


def assemble(
    prepared: Prepared,
    *,
    clock: SystemClock,
    submit: Callable[[Job], None],
    post: Callable[[Job], None],
    note: Callable[[Job], None],
    ended: Callable[[str], None],
    environ: Mapping[str, str],
    spool_log: bool,
    hints: Hints | None,
) -> Assembled:
    """Put one cell together; raises CellError where this host cannot say who it is."""
    settings, cell, host = prepared.settings, prepared.cell, prepared.host
    timing = settings.timing()
    identity = SystemIdentity(settings.name, host)
    claims, listing = (
        ClaimsAs(prepared.user, DirectoryClaimLog(cell.paths.state, settings.name, host, clock.wall))
        for _ in range(2)  # the fence lists on a thread of its own
    )
    search = ResidentSearch(
        cell.paths.pid_file,
        cell.spool,
        program=Path(prepared.pair[0].argv[0]).name,
        environment=cell.environment,
    )
    files = GridEngineFiles(settings.name, host, cell.paths, prepared.names, search)
    launcher = PairLauncher(
        settings.name,
        prepared.pair,
        _environment(settings, cell, environ),
        settings.launch.log_file or prepared.stem.with_name(f"{prepared.stem.name}.master.log"),
        lambda: ended(settings.name),
        adopted=Keeper(prepared.stem.with_name(f"{prepared.stem.name}.adopted.json"), identity.boot_id),
        resident=files.resident,
    )
    probe = TcpProbe(
        prepared.port,
        timing.probe_timeout,
        settings.probe.addresses,
        prepared.qping,
        _environment(settings, cell, environ),
        resolver=lambda name: system_resolver(files.address(Host(name))),
    )
    ports = Ports(
        clock=clock,
        claims=hinted(
            claims,
            hints,
            cell=settings.name,
            host=host,
            user=prepared.user,
            state=cell.paths.state,
            submit=submit,
        ),
        files=FilesAs(prepared.user, files),
        probe=probe,
        launcher=launcher,
        identity=identity,
        fencer=fencer(settings, host, prepared.names, listing),
    )
    lanes = Lanes(clock, submit=submit, post=post, note=note, timing=timing)
    lease = Keeper(prepared.stem.with_name(f"{prepared.stem.name}.lease.json"), identity.boot_id)
    outlet = CellOutlet(prepared, lease)
    spool = SpoolLog(
        cell.spool / f"messages_shadowd.{prepared.full_name.split('.')[0]}",
        lambda flush: runner.in_background(lambda: _as(prepared.user, flush)),
        host=host,
        wall=clock.wall,
    )
    journal = CellJournal(settings.name, host, spool if spool_log else _forget, clock.wall)
    policy = _policy(prepared, identity.machine_id)
    runner = Runner(
        make=lambda now: Cell(timing, policy, now=now, kept=read_lease(lease)),
        executor=Executor(ports),
        lanes=lanes,
        clock=clock,
        journal=journal,
        outlet=outlet,
        publisher=Publisher(
            cell=settings.name,
            kind=settings.kind,
            host=host,
            version=__version__,
            pid=os.getpid(),
            boot_id=identity.boot_id,
            timing=timing,
            hints=hints.place if hints else None,
        ),
    )
    return Assembled(prepared, runner, launcher.close)


class CellOutlet:
    """Where a cell's records go; a record that cannot be written is missed by people only."""

    def __init__(self, prepared: Prepared, lease: Keeper) -> None:
        stem = prepared.stem
        self._lease = lease
        self._user = prepared.user
        self._local = stem.with_name(f"{stem.name}.state.json")
        self._shared = prepared.cell.paths.state / "hosts" / f"{prepared.host}.json"

    def write_local(self, record: bytes) -> None:
        """Replace the local state file."""
        replace_file(self._local, record)

    def write_shared(self, record: bytes) -> None:
        """Replace ``hosts/<host>.json`` as the cell's user."""
        become(self._user)
        replace_file(self._shared, record)

    def keep_lease(self, kept: KeptLease | None) -> None:
        """Replace the lease record of this host."""
        write_lease(self._lease, kept)


def _policy(prepared: Prepared, machine_id: str) -> Policy:
    settings = prepared.settings
    return Policy(
        host=prepared.host,
        machine_id=machine_id,
        observer=settings.observer,
        unknown_beat_counts=settings.unknown_heartbeat == "silence",
        death_skips_timers=settings.death_notice == "skip_timers",
        has_scheduler=len(prepared.pair) > 1,
        adopts=settings.adopt,
        restart_limit=settings.restart_limit,
        restart_window=Seconds(settings.restart_window),
        fence=settings.fence.policy,
    )


def _pair(
    settings: CellSettings, cell: gridengine.GridEngineCell, environ: Mapping[str, str]
) -> tuple[Program, ...]:
    """Return the programs to start: configured, or those that the installation has.

    A master that is missing now may be there when it is needed: the path it should have is kept, and a
    launch that does not find it fails with that path.
    """
    launch = settings.launch
    found = _installed(cell, environ)
    master = launch.command or (str(found[0]),)
    scheduler = launch.scheduler
    if scheduler is None:
        scheduler = (str(found[1]),) if launch.command is None and len(found) > 1 else ()
    cwd = str(launch.cwd) if launch.cwd else None
    return tuple(Program(argv, cwd, launch.user) for argv in (master, scheduler) if argv)


def _installed(cell: gridengine.GridEngineCell, environ: Mapping[str, str]) -> tuple[Path, ...]:
    guess = f"lx-{'amd64' if os.uname().machine == 'x86_64' else os.uname().machine}"
    try:
        architecture = environ.get("SGE_ARCH") or programs.arch(cell.root)
    except CellError:
        architecture = guess
    try:
        return programs.programs(cell, architecture)
    except CellError:
        return (cell.binary_path / architecture / gridengine.MASTER,)


def _qping(
    settings: CellSettings, cell: gridengine.GridEngineCell, environ: Mapping[str, str]
) -> Path | None:
    wanted = settings.probe.qping
    if wanted == "off":
        return None
    if wanted != "auto":
        return Path(wanted)
    beside = _installed(cell, environ)[0].parent / "qping"
    return next((path for path in (beside, *map(Path, _QPING)) if programs.is_program(path)), None)


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


def _as(user: FileUser | None, job: Job) -> None:
    become(user)
    job()


def _forget(_line: bytes) -> None:
    """Drop a line for a spool log that is switched off."""
