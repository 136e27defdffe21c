"""Starts the pair on this host, and finds and stops what an epoch started (port ``Launcher``).

Why an epoch and a nonce in the environment: they are handed down to every process of the epoch, survive
this daemon's restart, and belong to nobody else (PROTOCOL rules 8, 12, 14). ``family`` knows how the
processes of one epoch belong together; this module executes, keeps the families, and kills.

``launch`` answers whether the program was *executed*. Whether it is a master is for others to see in the
cell's files: its exit status means nothing (GRIDENGINE.md, "What sge_qmaster does").

Stopping is SIGKILL only (PROTOCOL rule 11): a clean exit of a superseded master would leave the mark of a
regular shutdown. The program's output goes to a local log; one that cannot be opened is no reason to be
without a master. Refuses a shell, and to start anything with a thread's borrowed file rights.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shadowd.adapters import procfs, user
from shadowd.adapters.deathwatch import DeathWatch
from shadowd.adapters.family import CELL, EPOCH, MASTER, NONCE, ROLE, SCHEDULER, Family
from shadowd.adapters.kept import Adopted, Keeper, read_adopted, write_adopted
from shadowd.adapters.pairlog import open_log
from shadowd.adapters.reaping import Leftovers
from shadowd.core.values import Epoch, ExitKind, PairView, Problem, Unknown
from shadowd.errors import CellError

_STOP_LIMIT = 2.0
_SETTLE = 0.02
"""Between two looks that must agree that nothing is left: a process may be inside fork or execve."""
_ROLES = (MASTER, SCHEDULER)


@dataclass(frozen=True, slots=True)
class Program:
    """One of the pair, and what it is started with."""

    argv: tuple[str, ...]
    cwd: str | None = None
    """None: the root directory."""
    user: str | None = None
    """None: as the daemon. Ignored where the daemon is not root."""
    umask: int = 0o022
    name: str = ""
    """The program that the first one becomes, where that is not the one that stays."""


class PairLauncher:
    """The pair of one cell on this host; safe to call from several threads."""

    def __init__(
        self,
        cell: str,
        programs: Sequence[Program],
        environment: Mapping[str, str],
        log_path: Path | None,
        on_end: Callable[[], None],
        *,
        adopted: Keeper,
        resident: Callable[[], int | None],
    ) -> None:
        if not 1 <= len(programs) <= len(_ROLES) or not all(program.argv for program in programs):
            raise ValueError("a pair is a master and at most one scheduler, each with its program")
        self._cell = cell
        self._programs = dict(zip(_ROLES, programs, strict=False))
        self._environment = dict(environment)
        self._log_path = log_path
        self._families: dict[tuple[int, str], Family] = {}
        self._adopted = adopted
        self._resident = resident
        """Finds a master that no claim started: asked once more before such a one is touched."""
        self._leftovers = Leftovers()
        self._watch = DeathWatch(on_end, f"ends:{cell}")
        self._watched: set[tuple[int, str]] = set()
        self._lock = threading.Lock()

    def launch(self, epoch: Epoch, nonce: str) -> Unknown | None:
        """Execute the master; None when it was executed. It goes on when this daemon ends."""
        return self._start(MASTER, epoch, nonce)

    def launch_scheduler(self, epoch: Epoch, nonce: str) -> Unknown | None:
        """Execute the second of the pair; None also where the cell has none."""
        return self._start(SCHEDULER, epoch, nonce) if SCHEDULER in self._programs else None

    def inspect(self, epoch: Epoch, nonce: str) -> PairView:
        """Look for the epoch's processes: one system call while all known ones live, else all of /proc.

        RUNNING: a live process is the master. CLEAN, FAILED: it ended, and we collected its status. UNSEEN
        with ``alive`` 0: this host runs nothing of the epoch, and nobody saw an end. Where /proc cannot be
        read, what is not known to have ended counts as running, and never is nothing left: a guard must
        neither stop its master nor write its death for want of a descriptor.
        """
        with self._lock:
            family = self._families.get((epoch, nonce))
            if family is not None and family.unchanged:
                return family.view()
            family = family or self._new(epoch, nonce)
            with user.own_identity():
                return self._look(epoch, nonce, family)

    def stop(self, epoch: Epoch, nonce: str) -> PairView:
        """Kill every process of the epoch, strays and stopped ones too; at most 2 s."""
        with self._lock, user.own_identity():
            family = self._families.get((epoch, nonce)) or self._new(epoch, nonce)
            ends = time.monotonic() + _STOP_LIMIT
            _kill(family)  # before the look: reading another process's environment may hang with it
            view = self._look(epoch, nonce, family)
            while view.alive and time.monotonic() < ends:
                _kill(family)
                procfs.wait_pidfds([member.pidfd for member in family.members], _SETTLE)
                view = self._look(epoch, nonce, family)
            return view

    def terminate(self, epoch: Epoch, nonce: str) -> PairView:
        """Send SIGTERM to every process of the epoch, and look; whoever asks waits for the end."""
        with self._lock, user.own_identity():
            family = self._families.get((epoch, nonce)) or self._new(epoch, nonce)
            view = self._look(epoch, nonce, family)
            for member in family.members:
                procfs.send_signal(member.pidfd, signal.SIGTERM)
            return view

    def adopt(self, epoch: Epoch, nonce: str, pid: int) -> PairView:
        """Count the resident master as the master of this epoch, also for the daemon after this one."""
        with self._lock, user.own_identity():
            found = procfs.process(pid)
            if found is not None and self._resident() == pid:
                write_adopted(self._adopted, Adopted(epoch, nonce, pid, found.start_token))
            family = self._families.get((epoch, nonce)) or self._new(epoch, nonce)
            return self._look(epoch, nonce, family)

    def stop_stray(self, pid: int) -> bool:
        """Kill the resident master if it is still this one; True while it lives after at most 2 s."""
        with self._lock, user.own_identity():
            found = procfs.process(pid)
            pidfd = procfs.open_pidfd(pid, found.start_token) if found is not None else None
            if pidfd is None:
                return False
            try:
                if self._resident() == pid:
                    procfs.send_signal(pidfd, signal.SIGKILL)
                return not procfs.wait_pidfds([pidfd], _STOP_LIMIT)
            finally:
                os.close(pidfd)

    def close(self) -> None:
        """Forget all processes without touching them: they are the next daemon's to find."""
        with self._lock:
            self._watch.close()
            for family in self._families.values():
                family.close()
            self._families.clear()

    def _new(self, epoch: Epoch, nonce: str) -> Family:
        names = {role: frozenset({procfs.comm_of(p.name or p.argv[0])}) for role, p in self._programs.items()}
        family = Family(epoch, nonce, names)
        adopted = read_adopted(self._adopted)
        if adopted is not None and (adopted.epoch, adopted.nonce) == (epoch, nonce):
            family.adopt(adopted.pid, adopted.start_token)
        return family

    def _look(self, epoch: Epoch, nonce: str, family: Family) -> PairView:
        """Look until the answer is certain, and remember who lives."""
        if not family.look():
            return family.doubt()
        view = family.view()
        if view.master is not ExitKind.RUNNING:
            time.sleep(_SETTLE)
            view = family.view() if family.look() else family.doubt()
        self._leftovers.remember(family.leftovers)
        family.leftovers.clear()
        if family.members:
            self._families[epoch, nonce] = family
        for member in family.members:
            self._guard(member.process, member.pidfd)
            if member.process.pid == view.master_pid:
                self._keep_unmarked(epoch, nonce, member.process)
        return view

    def _keep_unmarked(self, epoch: Epoch, nonce: str, master: procfs.Process) -> None:
        """Keep which process it is for the next daemon, if it wrote over its environment (with its title)."""
        marks = procfs.environment(master.pid)
        if marks is not None and marks.get(NONCE.encode()) != nonce.encode():
            write_adopted(self._adopted, Adopted(epoch, nonce, master.pid, master.start_token))

    def _guard(self, process: procfs.Process, pidfd: int) -> None:
        key = (process.pid, process.start_token)
        if key in self._watched:
            return
        # Without a watch the end is noticed at the next look: later, not never.
        with contextlib.suppress(OSError, RuntimeError):
            self._watch.watch(pidfd)
            self._watched.add(key)

    def _start(self, role: str, epoch: Epoch, nonce: str) -> Unknown | None:
        with self._lock, user.own_identity():
            self._tidy()
            # Before the start: a middle process must not find another parent than us.
            procfs.become_subreaper()
            child = self._execute(self._programs[role], self._marks(role, epoch, nonce))
            if isinstance(child, Unknown):
                return child
            family = self._families.setdefault((epoch, nonce), self._new(epoch, nonce))
            try:
                member = family.add_child(child, role)
            except OSError as error:
                # Not collected yet, so the number is still its own.
                child.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(_STOP_LIMIT)
                return _not_executed(self._programs[role], error)
            self._guard(member.process, member.pidfd)
        return None

    def _tidy(self) -> None:
        """Drop families of which nothing lives any more, and zombies that nobody asked for."""
        with contextlib.suppress(OSError):
            self._leftovers.sweep()
        for key in [key for key, family in self._families.items() if not family.members]:
            del self._families[key]
        living = {
            (member.process.pid, member.process.start_token)
            for family in self._families.values()
            for member in family.members
        }
        self._watched &= living

    def _marks(self, role: str, epoch: Epoch, nonce: str) -> dict[str, str]:
        marks = {CELL: self._cell, EPOCH: str(epoch), NONCE: nonce, ROLE: role}
        return self._environment | marks

    def _execute(self, program: Program, environment: dict[str, str]) -> subprocess.Popen[bytes] | Unknown:
        log = open_log(self._log_path)
        # A blocked signal is handed down through execve, and worker threads may block what a master needs.
        blocked = signal.pthread_sigmask(signal.SIG_SETMASK, ())
        try:
            ids = _ids(program)
            return subprocess.Popen(
                program.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=program.cwd or "/",
                env=environment,
                start_new_session=True,
                umask=program.umask,
                user=ids.uid if ids else None,
                group=ids.gid if ids else None,
                extra_groups=ids.groups if ids else None,
            )
        except CellError as error:
            return Unknown(Problem.MISSING, error.subject, error.reason)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return _not_executed(program, error)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            if log >= 0:
                os.close(log)


def _ids(program: Program) -> user.FileUser | None:
    if program.user is None or os.geteuid() != 0:
        return None
    return user.lookup(program.user)


def _not_executed(program: Program, error: Exception) -> Unknown:
    """Say which path and why; ``subprocess`` names the directory where that is the trouble."""
    path = str(getattr(error, "filename", None) or program.argv[0])
    reason = getattr(error, "strerror", None) or str(error)
    missing = isinstance(error, FileNotFoundError | NotADirectoryError)
    return Unknown(
        Problem.MISSING if missing else Problem.UNREADABLE,
        path,
        f"{path} was not started: {reason}",
    )


def _kill(family: Family) -> None:
    for member in family.members:
        procfs.send_signal(member.pidfd, signal.SIGKILL)
