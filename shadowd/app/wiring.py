"""One cell, from its settings and its files to a runner.

``prepare`` may hang (it reads the cell's directory and asks DNS) and runs on a worker; ``assemble`` only
puts together what was found and runs on the decision thread.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shadowd import __version__
from shadowd.adapters.addresses import RecentAddresses
from shadowd.adapters.cellidentity import CellIdentity, IdentifiedClaims, memory_of
from shadowd.adapters.claimlog import DirectoryClaimLog
from shadowd.adapters.clock import SystemClock
from shadowd.adapters.hints import Hints
from shadowd.adapters.hostcheck import PeriodicCheck
from shadowd.adapters.identity import SystemIdentity
from shadowd.adapters.kept import BeatPlace, Keeper, inherit, read_lease, write_lease
from shadowd.adapters.launch import PairLauncher
from shadowd.adapters.mountpoints import unmounted
from shadowd.adapters.pairlog import log_path
from shadowd.adapters.processrecord import PROCESSES
from shadowd.adapters.publish import MAX_FILE, MAX_NAMES, replace_file
from shadowd.adapters.reading import list_dir, read_small
from shadowd.adapters.resolving import OwnNames, resolving
from shadowd.adapters.user import FileUser, become
from shadowd.app import generic, gridengine, torque
from shadowd.app.asuser import ClaimsAs, FilesAs
from shadowd.app.fencing import fencer
from shadowd.app.hinting import hinted
from shadowd.app.peers import answering
from shadowd.app.prepared import Prepared
from shadowd.config.models import CellSettings, Settings
from shadowd.core.cell import Cell
from shadowd.core.policy import Policy
from shadowd.core.values import KeptLease, Seconds, Unknown
from shadowd.errors import CellError, ShadowdError
from shadowd.log.journal import CellJournal, SpoolLog
from shadowd.log.setup import announce
from shadowd.runtime.executor import Executor, Ports
from shadowd.runtime.lanes import Lanes
from shadowd.runtime.record import Publisher, boot_of
from shadowd.runtime.runner import Runner
from shadowd.runtime.workers import Job


@dataclass(frozen=True, slots=True)
class Assembled:
    """A cell at work."""

    prepared: Prepared
    runner: Runner
    close: Callable[[], None]
    """Gives back what the cell holds, and leaves its processes alone; may hang."""
    log: Path | None
    """Where the pair prints to."""


def prepare(settings: Settings, cell: CellSettings, environ: Mapping[str, str]) -> Prepared:
    """Look at the cell's files and at what its master needs here; raises CellError with what is missing."""
    empty = unmounted(cell.place)
    if empty:
        raise CellError(str(cell.place), empty, "mount it; nothing is to be written there before")
    kinds = {"generic": generic.prepare, "torque": torque.prepare}
    prepared = kinds.get(cell.kind, gridengine.prepare)(settings, cell, environ)
    prepared.examiner.look()
    return prepared


def attempt(settings: Settings, cell: CellSettings, environ: Mapping[str, str]) -> Prepared | ShadowdError:
    """Look at the cell's files; return what they gave, or why the cell cannot be served now."""
    try:
        return prepare(settings, cell, environ)
    except ShadowdError as error:
        return error
    except OSError as error:
        return CellError(str(cell.place), f"cannot be read: {error}", "is it mounted?")
    except Exception as error:  # noqa: BLE001 - no thread, no memory, a bug: it is tried again
        return unserved(cell, error)


def unserved(cell: CellSettings, error: Exception) -> CellError:
    """Return what to say of a cell for which the daemon lacks what it needs."""
    reason = f"cannot be served now: {type(error).__name__}: {error}"
    return CellError(str(cell.place), reason, "are threads, memory or descriptors used up?")


def assemble(
    prepared: Prepared,
    *,
    clock: SystemClock,
    submit: Callable[[Job], None],
    post: Callable[[Job], None],
    note: Callable[[Job], None],
    ended: Callable[[str], None],
    leased: Callable[[], None],
    spool_log: bool,
    log_dir: Path | None,
    hints: Hints | None,
) -> Assembled:
    """Put one cell together; raises CellError where this host cannot say who it is."""
    settings, files, host = prepared.settings, prepared.files, prepared.host
    timing = settings.timing()
    identity = SystemIdentity(settings.name, host)
    earlier = () if prepared.named else inherit(prepared.stem, identity.boot_id)
    seal = CellIdentity(
        files.paths.state,
        memory_of(prepared.state_dir, settings.name, host, files.paths.state),
        cell=settings.name,
        host=host,
        boot_id=identity.boot_id,
        answering=lambda: answering(files, prepared.probe, host),
        forgetful=lambda problem: announce(
            "cell.unremembered", cell=settings.name, detail=f"{problem.subject}: {problem.detail}"
        ),
    )
    claim_log, fence_log = (
        DirectoryClaimLog(files.paths.state, settings.name, host, clock.wall)
        for _ in range(2)  # the fence lists on a thread of its own
    )
    processes = Keeper(prepared.stem.with_name(f"{prepared.stem.name}{PROCESSES}"), identity.boot_id)
    log = settings.launch.log_file or log_path(log_dir, prepared.runtime_dir, prepared.stem.name)
    claims = ClaimsAs(prepared.user, IdentifiedClaims(claim_log, seal))
    listing = ClaimsAs(prepared.user, fence_log)
    launcher = PairLauncher(
        settings.name,
        prepared.pair,
        prepared.environment,
        log,
        lambda: ended(settings.name),
        kept=processes,
        resident=files.resident,
        users=prepared.users,
        secret_of=identity.secrets.of,
        port=prepared.port,
    )
    ports = Ports(
        clock=clock,
        claims=hinted(
            claims,
            hints,
            cell=settings.name,
            host=host,
            user=prepared.user,
            state=files.paths.state,
            submit=submit,
        ),
        files=FilesAs(prepared.user, files),
        probe=prepared.probe,
        launcher=launcher,
        identity=identity,
        fencer=fencer(
            settings,
            host,
            files.names,
            claims=listing,
            files=FilesAs(prepared.user, files),
            records=files.paths.state / "hosts",
        ),
        beater=prepared.beater,
        host=PeriodicCheck(
            prepared.examiner,
            now=clock.now,
            submit=submit,
            every=timing.check_interval,
            patience=timing.io_timeout,
            changed=lambda: ended(settings.name),
        ),
        names=OwnNames(resolving(), timing.probe_timeout, spelled=files.address),
    )
    lanes = Lanes(clock, submit=submit, post=post, note=note, timing=timing)
    lease = Keeper(prepared.stem.with_name(f"{prepared.stem.name}.lease.json"), identity.boot_id)
    outlet = CellOutlet(prepared, lease, leased, seal, boot_id=identity.boot_id, earlier=earlier)
    submit(lambda: outlet.reserve(lease, processes))
    spool = SpoolLog(
        files.paths.lock.parent / f"messages_shadowd.{prepared.full_name.split('.')[0]}",
        lambda flush: runner.in_background(lambda: _as(prepared.user, flush)),
        host=host,
        wall=clock.wall,
    )
    journal = CellJournal(settings.name, host, spool if spool_log else _forget, clock.wall)
    policy = _policy(prepared, identity)
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
            pid=identity.pid,
            start=identity.start_token,
            boot_id=identity.boot_id,
            machine_id=identity.machine_id,
            addresses=RecentAddresses(),
            timing=timing,
            hints=hints.place if hints else None,
            paths=lambda: [view.published() for view in prepared.examiner.view.paths],
            notes=prepared.notes,
        ),
    )

    for remark in prepared.notes:
        announce("config.warning", cell=settings.name, detail=remark)

    def close() -> None:
        launcher.close()
        lease.close()
        processes.close()

    return Assembled(prepared, runner, close, log)


class CellOutlet:
    """Where a cell's records go. One that cannot be written is an alarm, said once until it can."""

    def __init__(
        self,
        prepared: Prepared,
        lease: Keeper,
        leased: Callable[[], None],
        seal: CellIdentity,
        *,
        boot_id: str,
        earlier: tuple[str, ...] = (),
    ) -> None:
        """``leased``: hears of each lease that is kept; ``earlier``: names that this host had before."""
        stem, beats_itself = prepared.stem, prepared.settings.kind == "gridengine"
        self._cell = prepared.settings.name
        self._lease = lease
        self._leased = leased
        self._beat = prepared.files.paths.beat if beats_itself else None
        self._seal = seal
        self._user = prepared.user
        self._local = stem.with_name(f"{stem.name}.state.json")
        self._shared = prepared.files.paths.state / "hosts" / f"{prepared.host}.json"
        self._boot_id = boot_id
        self._earlier = tuple(self._shared.with_name(f"{name}.json") for name in earlier)
        self._published = False
        self._told: set[Path] = set()

    def reserve(self, *keepers: Keeper) -> None:
        """Take the space of the records that a master's life hangs on."""
        for keeper in keepers:
            self._tell(keeper.path, keeper.reserve())

    def write_local(self, record: bytes) -> None:
        """Replace the local state file."""
        self._tell(self._local, replace_file(self._local, record))

    def write_shared(self, record: bytes) -> str | None:
        """Replace ``hosts/<host>.json`` as the cell's user, in no other directory than the cell's.

        Tell of another machine that wrote it since. What lay there before the first time may be of an
        earlier boot.
        """
        if self._seal.foreign:
            return None
        become(self._user)
        found = self._writer() if self._published else self._boot_id
        for path in self._earlier:
            with suppress(OSError):
                path.unlink()
        self._earlier = ()
        self._published = replace_file(self._shared, record) is None
        return None if found in {self._boot_id, None} else found

    def _writer(self) -> str | None:
        """Return in which boot the record was written that lies there."""
        names = list_dir(self._shared.parent, MAX_NAMES)  # else NFS may show an older one (NFS.md)
        listed = not isinstance(names, Unknown) and self._shared.name in names
        found = read_small(self._shared, MAX_FILE, listed=listed)
        return None if isinstance(found, Unknown) else boot_of(found)

    def keep_lease(self, kept: KeptLease | None) -> None:
        """Replace the lease record of this host.

        A record that cannot be renewed is taken away: the enforcer must not end a healthy master for it. The
        next daemon puts a master without a record on trial (PROTOCOL rule 9).
        """
        beats = BeatPlace(self._beat, self._user, self._seal.word) if self._beat else None
        problem = write_lease(self._lease, kept, beats)
        self._tell(self._lease.path, problem)
        if problem is not None:
            write_lease(self._lease, None)
        elif kept is not None:
            self._leased()

    def _tell(self, path: Path, problem: Unknown | None) -> None:
        if problem is None:
            self._told.discard(path)
        elif path not in self._told:
            self._told.add(path)
            announce("runtime.unwritable", cell=self._cell, detail=f"{path}: {problem.detail}")


def _policy(prepared: Prepared, identity: SystemIdentity) -> Policy:
    settings = prepared.settings
    return Policy(
        host=prepared.host,
        machine_id=identity.machine_id,
        boot_id=identity.boot_id,
        named=prepared.named,
        observer=settings.observer,
        unknown_beat_counts=settings.unknown_heartbeat == "silence",
        death_skips_timers=settings.death_notice == "skip_timers",
        has_scheduler=len(prepared.pair) > 1,
        adopts=settings.adopt and settings.kind == "gridengine",
        restart_limit=settings.restart_limit,
        restart_window=Seconds(settings.restart_window),
        fence=settings.fence.policy,
        beats=settings.kind != "gridengine",
        clean_exit_stops=settings.clean_exit != "hand_over",
        health_threshold=settings.health.threshold if settings.health.command else 0,
    )


def _as(user: FileUser | None, job: Job) -> None:
    become(user)
    job()


def _forget(_line: bytes) -> None:
    """Drop a line for a spool log that is switched off."""
