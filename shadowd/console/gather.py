"""Collects everything there is to know about the cells: local files at once, shared ones by a deadline.

The local state file is read first and without a thread, because it is there when the shared directory
is not: it is how ``status`` says since when a mount hangs. This module refuses to interpret what it
collected; ``shadowd.console.project`` does.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from shadowd.console import records
from shadowd.console.deadline import run_all
from shadowd.console.fencing import FenceProgram
from shadowd.console.names import WrongName
from shadowd.console.records import HostRecord
from shadowd.core.ledger import Ledger
from shadowd.core.values import Host, Lock, Pause, Problem, ServerLock, Unknown
from shadowd.errors import ShadowdError

_STAT_LIMIT = _CMDLINE_LIMIT = 4096
_DEAD = (b"Z", b"X", b"x")
if TYPE_CHECKING:
    from shadowd.adapters.mounts import Mount
    from shadowd.adapters.nameclash import Clash


class Shared(NamedTuple):
    """One look at the cell's shared directories."""

    host: str
    """This host by the cell's own rules for names."""
    spool: str
    hosts: dict[str, HostRecord | Unknown] | Unknown
    ledger: Ledger | Unknown
    lock: Lock | Unknown
    lock_owner: str
    beat: int | Unknown
    beat_wall: float | None
    """Modification time of the heartbeat, for people, where nobody watched it."""
    active: Host | Unknown
    shadows: tuple[Host, ...] | Unknown
    pause: Pause | Unknown | None
    fence: FenceProgram | None = None
    """The program of this host's configuration; None where no fence is configured."""
    unknown_owner: str = ""
    """The user whose files they are, where this host does not know it: no daemon can serve the cell here."""
    server_lock: "SeenLock | Unknown | None" = None
    """TORQUE's; None in a cell of another kind."""
    port: int | None = None
    """The master's; None where it has none."""
    holder: str = ""
    """The user who listens on that port of this host, and whose programs are no masters; empty: none."""
    clashes: "tuple[Clash, ...]" = ()
    """Host names that count as one or as two, wrongly."""
    loose: tuple[str, ...] = ()
    """Directories of records that others than root and the cell's user may write, with who."""
    names: tuple[WrongName, ...] = ()
    """Hosts that are not found by their names here, where that was looked for."""
    mounts: "tuple[Mount, ...]" = ()
    """How the directories are mounted on this host, where that was looked for."""
    method: str = ""
    """How TORQUE's ``server.lock`` is held: ``fcntl`` or ``lease``."""


class SeenLock(NamedTuple):
    """One look at ``server.lock``."""

    lock: ServerLock
    content: str
    owner: str
    """Epoch and host of the server of ours that it names; empty where it names none."""
    unlocked: bool = False
    """It names a server, the method is ``fcntl``, and the kernel has no lock on it."""


class Unreached(NamedTuple):
    """No look at the shared directories was possible."""

    subject: str
    reason: str
    remedy: str
    hung: bool = False


class Place(NamedTuple):
    """Where to look for one cell."""

    name: str
    kind: str
    host: str
    """This host as configured; empty where the cell's own rules decide."""
    runtime_dir: Path | None
    spool: str
    """What to call the shared directory when it does not answer."""
    read: Callable[[], Shared]
    readable: tuple[Path, ...] = ()
    """Further directories where a daemon of another user may have left its state."""


class Gathered(NamedTuple):
    """All that is known about one cell at one moment, uninterpreted."""

    cell: str
    kind: str
    host: str
    now: float
    """Unix time of this host, for ages on the screen."""
    local: HostRecord | Unknown
    daemon: int | None
    """Pid of the daemon of this host, if the local record's process lives."""
    shared: Shared | Unreached


def gather(places: Sequence[Place], timeout: float, wall: Callable[[], float]) -> list[Gathered]:
    """Look at all cells, at most ``timeout`` seconds; a programming error in a reader is raised."""
    locals_ = [local_record(place) for place in places]
    answers = run_all([place.read for place in places], timeout)
    now = wall()
    return [
        _put_together(place, local, answer, timeout, now)
        for place, local, answer in zip(places, locals_, answers, strict=True)
    ]


def _put_together(
    place: Place, local: HostRecord | Unknown, answer: Shared | Exception | None, timeout: float, now: float
) -> Gathered:
    shared: Shared | Unreached
    if answer is None:
        shared = Unreached(
            place.spool,
            f"no answer within {timeout:g} s: the file system hangs",
            "See that its file server is up and reachable; nothing can be decided or started until then.",
            hung=True,
        )
    elif isinstance(answer, ShadowdError):
        shared = Unreached(answer.subject, answer.reason, answer.remedy)
    elif isinstance(answer, Exception):
        raise answer
    else:
        shared = answer
    host = shared.host if isinstance(shared, Shared) else ""
    known = local.host if isinstance(local, HostRecord) else ""
    return Gathered(
        cell=place.name,
        kind=place.kind,
        host=host or known or place.host or os.uname().nodename.lower(),
        now=now,
        local=local,
        daemon=living(local),
        shared=shared,
    )


def local_record(place: Place) -> HostRecord | Unknown:
    """Read this host's own copy; its name holds the host by the cell's rules, so it is looked for.

    Monitoring is seldom the user whose daemon it looks at: of several records that of a living daemon counts,
    else the newest.
    """
    found = [
        _record_in(folder, place) for folder in (place.runtime_dir, *place.readable) if folder is not None
    ]
    whole = [record for record in found if isinstance(record, HostRecord)]
    if whole:
        return max(whole, key=lambda record: (living(record) is not None, record.wall))
    there = (one for one in found if isinstance(one, Unknown) and one.problem is not Problem.MISSING)
    return next(there, found[-1] if found else Unknown(Problem.MISSING, "runtime_dir"))


def _record_in(folder: Path, place: Place) -> HostRecord | Unknown:
    wanted = folder / f"{place.name}@{place.host or '*'}.state.json"
    try:
        found = sorted(folder.glob(f"{place.name}@*.state.json"))[: records.MAX_HOSTS]
    except OSError as error:
        return Unknown(Problem.UNREADABLE, str(folder), error.strerror or "")
    mine = [path for path in found if _is_ours(path, place)]
    return records.read(mine[0]) if mine else Unknown(Problem.MISSING, str(wanted))


def _is_ours(path: Path, place: Place) -> bool:
    host = path.name.removeprefix(f"{place.name}@").removesuffix(".state.json")
    if place.host:
        return host == place.host
    # Aliases may have given this host any name; where only one daemon ever ran, it is ours.
    return True if _single(path, place) else _short(host) == _short(os.uname().nodename)


def _single(path: Path, place: Place) -> bool:
    return _count(path.parent.glob(f"{place.name}@*.state.json")) == 1


def _count(paths: Iterable[Path]) -> int:
    return sum(1 for _ in paths)


def _short(host: str) -> str:
    return host.partition(".")[0].lower()


def living(local: HostRecord | Unknown) -> int | None:
    """Return the pid of the local record if that very process lives: same boot, and same start.

    A record of an earlier release does not tell the start; then the process must be called shadowd.
    """
    if isinstance(local, Unknown):
        return None
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return local.pid if boot == local.boot_id and _is_daemon(local.pid, local.start_token) else None


def _is_daemon(pid: int, start_token: str) -> bool:
    if not 0 < pid < 1 << 31:
        return False
    try:
        return _started(pid) == start_token if start_token else _is_called_shadowd(pid)
    except OSError:
        pass
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True  # /proc hides other users' processes here (hidepid); it lives, more is not to be seen
    except OSError:
        return False
    return False


def _started(pid: int) -> str:
    """Return the start of a process, empty for a zombie; raises OSError."""
    with Path(f"/proc/{pid}/stat").open("rb") as file:
        fields = file.read(_STAT_LIMIT).rpartition(b")")[2].split()
    return fields[19].decode("ascii", "replace") if len(fields) > 19 and fields[0] not in _DEAD else ""


def _is_called_shadowd(pid: int) -> bool:
    """Tell whether it is the program, or Python that runs it as a program or a module; raises OSError."""
    with Path(f"/proc/{pid}/cmdline").open("rb") as file:
        words = [os.fsdecode(word) for word in file.read(_CMDLINE_LIMIT).split(b"\0")[:4]]
    names = [Path(word).name in {"shadowd", "sge_shadowd"} for word in words[:2]]
    return any(names) or words[1:3] == ["-m", "shadowd"]
