"""The processes of one epoch on this host: which is the master, which the scheduler, how they ended.

Why it is not simply a child: sge_qmaster forks twice and its first process returns 0 whatever happens
(GRIDENGINE.md), so its parent's end says nothing (PROTOCOL rule 12). Every process of an epoch is known by
the marks in its environment, which it hands down (``marks``); SHADOWD_ROLE tells the two of the pair apart.
Who is known is held by a pidfd and can be signalled at once, without any look (``parts``: which one is it).

How it ended: CLEAN only if the master itself was seen to exit with 0. If the last process that we knew
was a middle one (ours, or leader of its session) then its descendants speak too, from their zombies, and
any failure among them counts. UNSEEN: it was no child of ours (an earlier daemon started it), or there
never was one.

Limit: a program that forks into the background *and* writes over its own environment is not recognised;
run such a one in the foreground. Refuses to decide who is to end.
"""

import os
import signal
import subprocess
import threading
import time

from shadowd.adapters import marks, procfs, reaping
from shadowd.adapters.marks import EPOCH, NONCE, ROLE
from shadowd.adapters.parts import MASTER, SCHEDULER, Member, Part, age_of, exit_kind
from shadowd.adapters.procfs import Process
from shadowd.core.values import ExitKind, PairView

_FORKING = 5.0
_UNREST = 1.0
"""After each start and end every look walks: who was met inside fork or execve is another a moment later."""
_MOST_MEMBERS = 100


class Family:
    """What is known of one epoch's processes; the caller serialises all calls but ``signal``."""

    def __init__(
        self, epoch: int, nonce: str, names: dict[str, frozenset[str]], users: frozenset[int]
    ) -> None:
        self._epoch = os.fsencode(str(epoch))
        self._nonce = nonce
        self.users = users
        """Whose processes may be of the epoch; grows when a master changes its user by itself."""
        self.secret = ""
        """What the processes carry; empty as long as nobody knows it."""
        self._handles = threading.Lock()
        """Held while a descriptor is used or given back, never while /proc is read."""
        self._parts = {role: Part(of) for role, of in names.items()}
        self._members: dict[tuple[int, str], Member] = {}
        self._began: int | None = None
        self._untracked = 0
        self._restless_until = time.monotonic() + _UNREST
        self.leftovers: list[Process] = []
        """Zombies of our name that nobody can place; whoever takes care of them empties the list."""

    @property
    def members(self) -> tuple[Member, ...]:
        """The processes that were alive at the last look."""
        return tuple(self._members.values())

    def signal(self, number: signal.Signals, but: frozenset[int] = frozenset()) -> frozenset[int]:
        """Signal every known process except these; return all that were. Any thread may, during a look too.

        Nothing is read: neither a look that hangs nor anything that others run delays it.
        """
        with self._handles:
            done = {
                member.process.pid
                for member in self._members.values()
                if member.process.pid not in but and procfs.send_signal(member.pidfd, number)
            }
        return but | done

    def add_child(self, child: subprocess.Popen[bytes], role: str) -> Member:
        """Take in the program that was just started; it cannot be gone, for nobody else collects it."""
        found = procfs.process(child.pid)
        # Its name is still ours if it has not reached its own yet.
        started = found or Process(child.pid, "", "R", os.getpid(), child.pid, "0")
        member = self._add(Member(started, role, os.pidfd_open(child.pid), child))
        part = self._parts.setdefault(role, Part(frozenset()))
        part.current, part.settled, part.ended = member, False, None
        self._restless_until = time.monotonic() + _UNREST
        self._began = min(int(started.start_token), self._began or int(started.start_token))
        return member

    def recall(self, pid: int, start_token: str, role: str = MASTER, *, told: bool = True) -> bool:
        """Take in a process by its number and start; False when it is gone.

        ``told``: it is the master, whatever its environment says. Its own children are not found by the mark
        then: what an adopted master starts in other processes is not ours to stop.
        """
        found = procfs.process(pid)
        pidfd = procfs.open_pidfd(pid, start_token)
        if found is None or pidfd is None:
            return False
        if (pid, start_token) in self._members:
            os.close(pidfd)
            return True
        member = self._add(Member(found, role, pidfd, told=told))
        part = self._parts.setdefault(role, Part(frozenset()))
        if told:
            part.current, part.settled, part.ended = member, True, None
        return True

    @property
    def unchanged(self) -> bool:
        """True while every process known from the last look lives: one system call, no walk."""
        if not self._members or time.monotonic() < self._restless_until:
            return False
        return not procfs.wait_pidfds([member.pidfd for member in self._members.values()], 0)

    def look(self) -> bool:
        """Walk through /proc and take stock; False when the table could not be read."""
        try:
            return self._look()
        except OSError:
            return False

    def _look(self) -> bool:
        # Who has ended is asked before the walk: all that they left behind is then met, alive or a zombie.
        dead = self._dead()
        pids = marks.processes_of(self._nonce, self.users)
        if pids is None:
            return False
        self._untracked = sum(not self._meet(pid) for pid in pids)
        if dead:
            self._bury(dead, pids)
        for role, part in self._parts.items():
            part.choose([member for member in self._members.values() if member.role == role])
            if part.current is not None:
                uid = procfs.owner(part.current.process.pid)
                self.users |= {uid} if uid is not None else set()
        return True

    def doubt(self) -> PairView:
        """Return the view where nobody could look: what is not known to have ended counts as running."""
        current = self._parts[MASTER].current
        ended = current in self._dead() if current else self._parts[MASTER].ended is not None
        kind, seen = ExitKind.UNSEEN if ended else ExitKind.RUNNING, self.view()
        return PairView(kind, None if ended else seen.master_pid, seen.scheduler, max(1, seen.alive))

    def view(self) -> PairView:
        """Return what the last look showed."""
        master = self._parts[MASTER]
        scheduler = self._parts.get(SCHEDULER)
        pid = master.current.process.pid if master.current else None
        return PairView(
            master=master.kind or ExitKind.UNSEEN,
            master_pid=pid,
            scheduler=scheduler.kind if scheduler else None,
            alive=len(self._members) + self._untracked,
            frozen=procfs.is_stopped(pid),
        )

    def close(self) -> None:
        """Give back all descriptors."""
        for member in self.members:
            self._drop(member)

    def _add(self, member: Member) -> Member:
        with self._handles:
            self._members[member.process.pid, member.process.start_token] = member
        return member

    def _drop(self, member: Member) -> None:
        with self._handles:
            del self._members[member.process.pid, member.process.start_token]
            os.close(member.pidfd)

    def _meet(self, pid: int) -> bool:
        """Take in a process of our nonce; False for one that is counted only."""
        found = procfs.process(pid)
        if found is None or not found.alive or (pid, found.start_token) in self._members:
            return True
        carried = marks.of_process(pid, self._nonce, self.users) or {}
        if carried.get(EPOCH.encode()) != self._epoch:
            return True
        if len(self._members) >= _MOST_MEMBERS:
            return False
        pidfd = procfs.open_pidfd(pid, found.start_token)
        if pidfd is None:
            return True
        self.secret = os.fsdecode(carried[NONCE.encode()])
        role = os.fsdecode(carried.get(ROLE.encode(), b""))
        if role == SCHEDULER:
            self._parts.setdefault(SCHEDULER, Part(frozenset()))
        self._add(Member(found, role, pidfd))
        return True

    def _dead(self) -> list[Member]:
        by_fd = {member.pidfd: member for member in self._members.values()}
        return [by_fd[number] for number in procfs.wait_pidfds(list(by_fd), 0)]

    def _bury(self, dead: list[Member], listed: tuple[int, ...]) -> None:
        """Deal with the members that ended, and with zombies that are their relatives."""
        self._restless_until = time.monotonic() + _UNREST
        us, sessions, names = os.getpid(), self._sessions(), self._names(dead)
        strangers = [
            process
            for process in procfs.table(self.users)
            if (process.ppid == us or process.session in sessions)
            and (process.pid, process.start_token) not in self._members
        ]
        related = [process for process in strangers if process.session in sessions]
        alike = [
            process for process in strangers if process not in related and self._resembles(process, names)
        ]
        if any(process.leaving or self._missed(process, listed) for process in related + alike):
            # Neither found by its environment (any more) nor by its status yet: the next look has it.
            return
        related, alike = ([process for process in group if not process.alive] for group in (related, alike))
        self.leftovers += alike
        heirs = [(zombie, reaping.peek(zombie.pid)) for zombie in related + alike]
        for zombie in related:
            reaping.take(zombie)
        for member in sorted(dead, key=lambda member: member.age):
            self._record(member, heirs)
            self._drop(member)

    def _missed(self, process: Process, listed: tuple[int, ...]) -> bool:
        """Tell whether a process was forked after the listing, and is one of ours or dead by now."""
        if not process.alive or process.pid in listed:
            return False
        if marks.of_process(process.pid, self._nonce, self.users):
            return True
        now = procfs.process(process.pid)
        return now is None or now.leaving or not now.alive

    def _record(self, member: Member, heirs: list[tuple[Process, int | None]]) -> None:
        last = procfs.process(member.process.pid)
        status = reaping.collect(member.pidfd)
        if member.child is not None:
            # Else subprocess would look for a child that is not there any more.
            member.child.returncode = 0 if status is None else status
        part = self._parts.get(member.role)
        # Who ended as somebody else's child was a helper of the one before it, and not its successor.
        follows = part is not None and part.current is None and not part.settled and status is not None
        if part is None or not (part.current is member or follows):
            return
        brief = time.monotonic() - member.since < _FORKING
        leads = last is not None and last.session == member.process.pid
        statuses = [status]
        if status == 0 and brief and (leads or member.child is not None):
            statuses += [end for heir, end in heirs if end is not None and age_of(heir) >= member.age]
        part.current = None
        part.ended = exit_kind(statuses)
        part.settled = not (brief and status == 0)

    def _sessions(self) -> frozenset[int]:
        """Return the sessions of members, read now: a middle process makes its own after we met it."""
        found = (procfs.process(pid) for pid, _ in self._members)
        valid = {p.session for p in found if p and (p.pid, p.start_token) in self._members}
        return frozenset(valid - {os.getsid(0), 0})

    def _names(self, dead: list[Member]) -> frozenset[str]:
        # Read now: right after its start a program may still bear the name of who started it.
        ended = (procfs.process(member.process.pid) for member in dead)
        own = (part.names for part in self._parts.values())
        return frozenset(process.comm for process in ended if process).union(*own)

    def _resembles(self, process: Process, names: frozenset[str]) -> bool:
        began = self._began
        return began is not None and int(process.start_token) >= began and process.comm in names
