"""Whether this host could run the master: programs, users, directories, and whether those hold its data.

Why: a host without the program wins a claim and fails, again and again; a host whose copy of a directory is
its own starts a master without jobs (PROTOCOL rule 19). ``Examiner`` finds out what is missing of ``Needs``,
and ``sharedpaths`` compares the directories.

The looks are made on a thread of their own, at most one at a time: a mount that hangs must not keep a guard
from reading the heartbeat. While one does not return, that is said as something that is missing.

Refuses to judge which directory is the right one (``core.eligibility`` does), and to start any program.
"""

import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shadowd.adapters.execution import Program
from shadowd.adapters.portholder import port_holder
from shadowd.adapters.procfs import read_some
from shadowd.adapters.sharedpaths import PathView, SharedPaths
from shadowd.adapters.user import FileUser, become, lookup
from shadowd.core.fitness import Fitness
from shadowd.core.values import Instant, Seconds
from shadowd.errors import CellError

_LEAST = Seconds(5)
"""Two looks are never closer than this, however short the check interval is."""
_FIRST_LINE = 256


@dataclass(frozen=True, slots=True)
class Needs:
    """What the master of a cell needs on this host."""

    pair: tuple[Program, ...]
    others: tuple[Program, ...] = ()
    """Programs without which it would not be left running."""
    directories: tuple[Path, ...] = ()
    """Those that are local to nobody."""
    notes: tuple[str, ...] = ()
    """What a person should know of how they were found."""
    port: int | None = None
    """Which the master listens on; None: not known."""
    users: frozenset[int] = frozenset()
    """Whose socket may have that port, by uid."""

    def lacking(self) -> Iterator[str]:
        """Yield which programs could not be started here, and why; may hang."""
        for program in (*self.pair, *self.others):
            yield from lacking(program)
        stranger = "" if self.port is None else port_holder(self.port, self.users)
        if stranger:
            yield f"port {self.port} is held by {stranger}"

    def absent(self) -> Iterator[str]:
        """Yield which directories are not here, for whoever only asks; may hang."""
        for path in self.directories:
            if not path.is_dir():
                yield f"no such directory {path}{missing(path)}"


@dataclass(frozen=True, slots=True)
class HostView:
    """What one look found."""

    fitness: Fitness
    paths: tuple[PathView, ...] = ()


class Examiner:
    """Looks at one cell's needs; ``look`` may hang, and is called by one thread at a time."""

    def __init__(self, needs: Needs, paths: SharedPaths) -> None:
        self.needs = needs
        self.view = HostView(Fitness())
        """What the last look found."""
        self._paths = paths

    def look(self) -> None:
        """Look at everything, and leave this host's names in the directories."""
        views = tuple(self._paths.look(directory) for directory in self.needs.directories)
        lacks = list(self.needs.lacking())
        lacks += [view.problem for view in views if view.problem]
        shared = tuple(view.shared for view in views if not view.problem)
        self.view = HostView(Fitness(tuple(dict.fromkeys(lacks)), shared), views)


class PeriodicCheck:
    """The port ``HostCheck``: repeats the looks of one cell. Used by one lane; looks run elsewhere."""

    def __init__(
        self,
        examiner: Examiner,
        *,
        now: Callable[[], Instant],
        submit: Callable[[Callable[[], None]], None],
        every: Seconds,
        patience: Seconds,
        changed: Callable[[], None],
    ) -> None:
        """Begin with what ``examiner`` has found already.

        ``submit`` runs a job that may hang, ``changed`` is called on its thread after another result. A
        look that takes longer than ``patience`` seconds counts as hanging.
        """
        self._examiner = examiner
        self._now = now
        self._submit = submit
        self._every = max(_LEAST, every)
        self._patience = patience
        self._changed = changed
        self._begun = now()
        self._busy = threading.Lock()

    def fitness(self) -> Fitness:
        """Return what the last look found, and begin the next where it is time."""
        now = self._now()
        if now >= self._begun + self._every and self._busy.acquire(blocking=False):
            self._begun = now
            try:
                self._submit(self._look)
            except RuntimeError:  # no thread to be had: later, then
                self._busy.release()
        fitness = self._examiner.view.fitness
        if not self._busy.locked() or now < self._begun + self._patience:
            return fitness
        names = ", ".join(map(str, self._examiner.needs.directories)) or "its programs"
        return Fitness((f"a look at {names} does not return: a file system hangs", *fitness.lacks))

    def _look(self) -> None:
        try:
            before = self._examiner.view.fitness
            self._examiner.look()
            changed = before != self._examiner.view.fitness
        finally:
            self._busy.release()
        if changed:
            self._changed()


def lacking(program: Program) -> Iterator[str]:
    """Yield what prevents a start of this program on this host, for people; nothing where it could start."""
    user: FileUser | None = None
    if program.user is not None and os.geteuid() == 0:
        try:
            user = lookup(program.user)
        except CellError:
            yield f"this host knows no user {program.user}"
            return
    become(user)
    try:
        problem = not_runnable(Path(program.name or program.argv[0]), program.user or "")
        if problem:
            yield problem
        if program.cwd is not None and not Path(program.cwd).is_dir():
            yield f"no such directory {program.cwd}, in which {program.argv[0]} is to be started"
    finally:
        become(None)


def not_runnable(path: Path, user: str) -> str:
    """Return why a program cannot be executed with the rights of this thread; empty where it can.

    The kernel has the last word at the start: this cannot tell a program of another architecture.
    """
    try:
        mode = path.stat().st_mode
    except PermissionError:
        return f"{path} cannot be reached{_by(user)}: permission denied"
    except (OSError, ValueError) as error:
        return f"no such program {path}{missing(path) or _because(error)}"
    if not stat.S_ISREG(mode):
        return f"{path} is no program"
    if not os.access(path, os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        return f"{path} may not be executed{_by(user)} (mode {stat.S_IMODE(mode):04o})"
    interpreter = _interpreter(path)
    if interpreter is not None and not interpreter.exists():
        return f"{path} is a script for {interpreter}, which is not there"
    return ""


def missing(path: Path) -> str:
    """Return which part of a path is not there, in brackets; empty where it is the last one."""
    for part in (*reversed(path.parents), path):
        if part.is_symlink() and not part.exists():
            return f" ({part} is a link to {part.readlink()}, which is not there)"
        if part != path and not part.exists():
            return f" (there is no {part})"
    return ""


def _interpreter(path: Path) -> Path | None:
    words = (read_some(path, _FIRST_LINE) or b"").partition(b"\n")[0].split()
    if not words or not words[0].startswith(b"#!"):
        return None
    name = words[0][2:] or (words[1] if len(words) > 1 else b"")
    return Path(os.fsdecode(name)) if name.startswith(b"/") else None


def _by(user: str) -> str:
    return f" by {user}" if user else ""


def _because(error: Exception) -> str:
    """Return what else the system said than that the name is not there."""
    known = isinstance(error, FileNotFoundError | NotADirectoryError)
    return "" if known else f" ({getattr(error, 'strerror', None) or error})"
