"""Starts the pair on this host, and finds and stops what an epoch started (port ``Launcher``).

Why marks in the environment: they are handed down to every process of the epoch, survive this daemon's
restart, and nobody else can make them (PROTOCOL rules 8, 12, 14; ``marks``). ``family`` knows how the
processes of one epoch belong together; this module executes, keeps the families, and kills.

``launch`` answers whether the program was *executed*. Whether it is a master is for others to see in the
cell's files: its exit status means nothing (GRIDENGINE.md, "What sge_qmaster does").

Stopping is SIGKILL only (PROTOCOL rule 11): a clean exit of a superseded master would leave the mark of a
regular shutdown. The known processes are signalled first, by their pidfds: this daemon's own, or those that
an earlier one kept on this host (``processrecord``). Only then the process table is looked through for
strays. So a stop takes no longer because of what else runs here. Refuses to start anything with a thread's
borrowed file rights.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from shadowd.adapters import marks, procfs, user
from shadowd.adapters.deathwatch import DeathWatch
from shadowd.adapters.execution import Program, execute, not_executed
from shadowd.adapters.family import Family
from shadowd.adapters.kept import Keeper
from shadowd.adapters.listening import held_by
from shadowd.adapters.marks import CELL, EPOCH, NONCE, ROLE
from shadowd.adapters.parts import MASTER, SCHEDULER, Member
from shadowd.adapters.processrecord import KeptProcess, KeptProcesses, read_processes, write_processes
from shadowd.adapters.reaping import Leftovers
from shadowd.core.values import Epoch, ExitKind, PairView, Problem, Unknown

_STOP_LIMIT = 2.0
_SETTLE = 0.02
"""Between two looks that must agree that nothing is left: a process may be inside fork or execve."""
_ROLES = (MASTER, SCHEDULER)


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
        kept: Keeper,
        resident: Callable[[], int | None],
        users: frozenset[int],
        secret_of: Callable[[str], str | None],
        port: int | None = None,
    ) -> None:
        """``users``: ids that a master may run as. ``secret_of``: what a process of this nonce carries.

        ``port``: that the master listens on, where that is known.
        """
        if not 1 <= len(programs) <= len(_ROLES) or not all(program.argv for program in programs):
            raise ValueError("a pair is a master and at most one scheduler, each with its program")
        self._cell = cell
        self._programs = dict(zip(_ROLES, programs, strict=False))
        self._environment = dict(environment)
        self._log_path = log_path
        self._families: dict[tuple[int, str], Family] = {}
        self._kept = kept
        self._last_kept: KeptProcesses | None = None
        self._users = users
        self._secret_of = secret_of
        self._port = port
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

    def inspect(self, epoch: Epoch, nonce: str, *, serving: bool = False) -> PairView:
        """Look for the epoch's processes: one system call while all known ones live, else through /proc.

        RUNNING: a live process is the master. CLEAN, FAILED: it ended, and we collected its status. UNSEEN
        with ``alive`` 0: this host runs nothing of the epoch, and nobody saw an end. Where /proc cannot be
        read, what is not known to have ended counts as running, and never is nothing left: a guard must
        neither stop its master nor write its death for want of a descriptor.
        """
        with self._lock, user.own_identity():
            family = self._family(epoch, nonce)
            view = family.view() if family.unchanged else self._look(epoch, nonce, family)
            if not serving or self._port is None:
                return view
            pids = [member.process.pid for member in family.members]
            return replace(view, serving=held_by(self._port, pids))

    def stop(self, epoch: Epoch, nonce: str) -> PairView:
        """Kill every process of the epoch, strays and stopped ones too; at most 2 s."""
        known = self._families.get((epoch, nonce))
        if known is not None:
            known.signal(signal.SIGKILL)  # before the lock, which a look that hangs may hold
        with self._lock, user.own_identity():
            family = self._family(epoch, nonce)
            ends = time.monotonic() + _STOP_LIMIT
            family.signal(signal.SIGKILL)
            view = self._look(epoch, nonce, family)
            while view.alive and time.monotonic() < ends:
                family.signal(signal.SIGKILL)
                procfs.wait_pidfds([member.pidfd for member in family.members], _SETTLE)
                view = self._look(epoch, nonce, family)
            return view

    def stop_known(self, epoch: Epoch, nonce: str) -> bool:
        """Kill the processes that are known without a look; False where there are none. Reads one record."""
        with self._lock, user.own_identity():
            return bool(self._family(epoch, nonce).signal(signal.SIGKILL))

    def terminate(self, epoch: Epoch, nonce: str) -> PairView:
        """Send SIGTERM to every process of the epoch, once, and look; whoever asks waits for the end."""
        with self._lock, user.own_identity():
            family = self._family(epoch, nonce)
            told = family.signal(signal.SIGTERM)
            view = self._look(epoch, nonce, family)
            family.signal(signal.SIGTERM, but=told)
            return view

    def adopt(self, epoch: Epoch, nonce: str, pid: int) -> PairView:
        """Count the resident master as the master of this epoch, also for the daemon after this one."""
        with self._lock, user.own_identity():
            found = procfs.process(pid)
            family = self._family(epoch, nonce)
            if found is not None and self._resident() == pid:
                family.recall(pid, found.start_token)
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

    def _family(self, epoch: Epoch, nonce: str) -> Family:
        """Return what is known of an epoch: by this daemon, or by the one before it."""
        known = self._families.get((epoch, nonce))
        if known is not None:
            return known
        names = {role: frozenset({procfs.comm_of(p.name or p.argv[0])}) for role, p in self._programs.items()}
        kept = read_processes(self._kept)
        if kept is None or (kept.epoch, kept.nonce) != (epoch, nonce):
            return Family(epoch, nonce, names, self._users)
        family = Family(epoch, nonce, names, self._users | {*kept.users})
        family.secret = kept.secret
        for one in kept.processes:
            family.recall(one.pid, one.start_token, one.role, told=one.known)
        if family.members:
            self._families[epoch, nonce] = family
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
        self._keep(epoch, nonce, family, view.master_pid)
        return view

    def _keep(self, epoch: Epoch, nonce: str, family: Family, master: int | None) -> None:
        """Keep who lives, for the enforcer and for the next daemon; written when it changed."""
        if not family.members:
            return
        now = KeptProcesses(
            epoch,
            nonce,
            family.secret,
            tuple(sorted(family.users)),
            tuple(_kept(member, nonce, is_master=member.process.pid == master) for member in family.members),
        )
        # A record that could not be written costs the next stop a look through /proc.
        if now != self._last_kept and write_processes(self._kept, now) is None:
            self._last_kept = now

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
            family = self._family(epoch, nonce)
            secret = self._secret(family, nonce)
            if not secret:
                detail = f"an earlier daemon started epoch {epoch}, and its mark is not known any more"
                return Unknown(Problem.MISSING, str(self._kept.path), detail)
            child = execute(self._programs[role], self._marks(role, epoch, secret), self._log_path)
            if isinstance(child, Unknown):
                return child
            self._families[epoch, nonce] = family
            try:
                member = family.add_child(child, role)
            except OSError as error:
                # Not collected yet, so the number is still its own.
                child.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(_STOP_LIMIT)
                return not_executed(self._programs[role], error)
            self._guard(member.process, member.pidfd)
            self._keep(epoch, nonce, family, None)
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

    def _secret(self, family: Family, nonce: str) -> str:
        """Return what a process of this epoch carries; empty where an earlier daemon drew it and is gone."""
        if not family.secret:
            family.secret = nonce if marks.plain(nonce) else self._secret_of(nonce) or ""
        return family.secret

    def _marks(self, role: str, epoch: Epoch, secret: str) -> dict[str, str]:
        # In front, for only so much of an environment is read.
        marked = {CELL: self._cell, EPOCH: str(epoch), NONCE: secret, ROLE: role}
        return marked | {key: value for key, value in self._environment.items() if key not in marked}


def _kept(member: Member, nonce: str, *, is_master: bool) -> KeptProcess:
    process = member.process
    told = member.told or (is_master and marks.is_lost(process.pid, nonce))
    return KeptProcess(process.pid, process.start_token, member.role, told)
