"""What /proc says about processes, and handles on them that cannot be mistaken for another's.

Why handles: a pid is a number that the kernel gives away again. A *start token* (field 22 of
/proc/PID/stat) together with the pid names one process for good, and a pidfd opened under it stays with
that process. No signal is sent here in any other way.

Whose a process is says ``stat`` of its directory: the effective user, also where the kernel shows its files
as root's (a process that changed its user, proc(5)). That costs a microsecond and cannot hang, while reading
what lies in the memory of a process (environment, arguments) may: the memory is the process's own, and may be
mapped from a file system that its user serves. So nothing is read of a process before its user is known.

A zombie is not alive: it has a pid and a parent, but no environment, no lock and no socket. All reads are
bounded. Whatever /proc says is a value; an ``OSError`` is raised only where this process has run out of
descriptors or memory, because "not found" would then be a lie about somebody who may well be alive.

Sources: proc(5), pidfd_open(2), prctl(2). Refuses to decide whose process it is.
"""

import ctypes
import errno
import os
import select
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
DEAD = frozenset("ZXx")
_STAT_LIMIT = 4096
_CMDLINE_LIMIT = 64 * 1024
_STATUS_LIMIT = 4096
_MOST_CANDIDATES = 32_768
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_COMM_LENGTH = 15
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


@dataclass(frozen=True, slots=True)
class Process:
    """One line of /proc/PID/stat, as far as anybody here asks."""

    pid: int
    comm: str
    """The kernel's name of the program, cut to 15 bytes."""
    state: str
    ppid: int
    session: int
    start_token: str
    """Clock ticks since boot."""
    leaving: bool = False
    """True in the last moments before a process is a zombie: it has no memory, and so no environment."""

    @property
    def alive(self) -> bool:
        """False for a zombie."""
        return self.state not in DEAD


def comm_of(program: str) -> str:
    """Return the name under which the kernel keeps a program started from this path."""
    name = os.fsencode(os.path.basename(program))[:_COMM_LENGTH]  # noqa: PTH119 (a path may be bytes of any kind)
    return os.fsdecode(name)


def process(pid: int, proc: Path = PROC) -> Process | None:
    """Return what the kernel says of a pid, a zombie's too; None when there is no such process."""
    data = read_some(proc / str(pid) / "stat", _STAT_LIMIT)
    if data is None:
        return None
    # The name may hold blanks and brackets itself: the last bracket closes it.
    head, closed, tail = data.rpartition(b")")
    fields = tail.split()
    if not closed or len(fields) < 21:
        return None
    comm = os.fsdecode(head.partition(b"(")[2])
    try:
        state, ppid, session = fields[0].decode("ascii", "replace"), int(fields[1]), int(fields[3])
    except ValueError:
        return None
    leaving = state not in DEAD and fields[20] == b"0"
    return Process(pid, comm, state, ppid, session, fields[19].decode("ascii", "replace"), leaving)


def is_stopped(pid: int | None) -> bool:
    """Tell whether a process is stopped by a signal; one that a debugger holds for a moment is not."""
    found = None if pid is None else process(pid)
    return found is not None and found.state == "T"


def arguments(pid: int, proc: Path = PROC) -> tuple[str, ...]:
    """Return the argument vector (its first 64 KiB); empty for a zombie or a process that is gone."""
    data = read_some(proc / str(pid) / "cmdline", _CMDLINE_LIMIT)
    return tuple(os.fsdecode(word) for word in data.rstrip(b"\0").split(b"\0")) if data else ()


def environment(pid: int, limit: int, proc: Path = PROC) -> dict[bytes, bytes] | None:
    """Return the environment as the process was started with it; None where it cannot be read.

    Empty for a zombie, for a kernel thread, and for a moment within execve(2). ``limit``: bytes to read.
    """
    data = read_some(proc / str(pid) / "environ", limit)
    if data is None:
        return None
    pairs = (entry.partition(b"=") for entry in data.split(b"\0") if entry)
    return {name: value for name, _, value in pairs}


def owner(pid: int, proc: Path = PROC) -> int | None:
    """Return the effective user id of a process, a zombie's too; None when there is no such process."""
    try:
        return os.stat(f"{proc}/{pid}").st_uid  # noqa: PTH116 - thousands of times a walk
    except OSError as error:
        _raise_if_exhausted(error)
        return None


def user_ids(pid: int, proc: Path = PROC) -> frozenset[int]:
    """Return its real, effective, saved and file-system user ids; none where there is no such process."""
    for line in (read_some(proc / str(pid) / "status", _STATUS_LIMIT) or b"").split(b"\n"):
        if line.startswith(b"Uid:"):
            return frozenset(int(word) for word in line.split()[1:] if word.isdigit())
    return frozenset()


def is_child(pid: int) -> bool:
    """Tell whether a process, alive or a zombie, is a child of ours: one system call, no file."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except OSError:
        return False
    return True


def pids(proc: Path = PROC) -> Iterator[int] | None:
    """Return all pids in the order of the kernel; None where the table cannot be listed."""
    try:
        with os.scandir(proc) as entries:
            names = [entry.name for entry in entries]
    except OSError as error:
        _raise_if_exhausted(error)
        return None
    return (int(name) for name in names if name.isdigit())


def candidates(users: frozenset[int], proc: Path = PROC) -> tuple[int, ...] | None:
    """Return the pids of processes of these users, and of our children; None where nobody could look.

    Nothing is read of anybody else's. More than 32,768 are no answer either: to look would take seconds.
    """
    found = pids(proc)
    if found is None:
        return None
    known = tuple(pid for pid in found if owner(pid, proc) in users or is_child(pid))
    return known if len(known) <= _MOST_CANDIDATES else None


def table(users: frozenset[int], proc: Path = PROC) -> tuple[Process, ...]:
    """Return the processes of these users and our children, zombies too, that were there all the time."""
    known = (process(pid, proc) for pid in candidates(users, proc) or ())
    return tuple(found for found in known if found)


def zombie_children(proc: Path = PROC) -> tuple[Process, ...]:
    """Return our children that ended and were not collected yet."""
    try:
        # One system call tells whether the walk through the table is worth while.
        if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return ()
    except ChildProcessError:
        return ()
    known = (process(pid, proc) for pid in pids(proc) or () if is_child(pid))
    return tuple(found for found in known if found and not found.alive)


def read_some(path: Path, limit: int) -> bytes | None:
    """Return at most ``limit`` bytes of a file of this host's kernel; None where it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        _raise_if_exhausted(error)
        return None
    parts: list[bytes] = []
    try:
        while limit > 0 and (part := os.read(descriptor, min(limit, 65536))):
            parts.append(part)
            limit -= len(part)
    except OSError as error:
        _raise_if_exhausted(error)
        return None
    finally:
        os.close(descriptor)
    return b"".join(parts)


def _raise_if_exhausted(error: OSError) -> None:
    if error.errno in _EXHAUSTED:
        raise error


def open_pidfd(pid: int, start_token: str) -> int | None:
    """Return a pidfd of exactly this process; None when it is gone or the pid is another's by now."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError as error:
        _raise_if_exhausted(error)
        return None
    right = False
    try:
        now = process(pid)
        right = now is not None and now.start_token == start_token
    finally:
        if not right:
            os.close(descriptor)
    return descriptor if right else None


def wait_pidfds(descriptors: list[int], timeout: float) -> list[int]:
    """Wait until one of the processes ends; return those that did, after at most ``timeout`` seconds."""
    poller = select.poll()
    for descriptor in descriptors:
        poller.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poller.poll(timeout * 1000)]


def send_signal(pidfd: int, number: signal.Signals) -> bool:
    """Send a signal to the process behind the pidfd; False when it has ended or may not be signalled.

    One that its parent has not buried yet has ended.
    """
    if wait_pidfds([pidfd], 0):
        return False
    try:
        signal.pidfd_send_signal(pidfd, number)
    except OSError:
        return False
    return True


def become_subreaper(*, on: bool = True) -> bool:
    """Make orphans among our descendants our children (prctl(2)); False where the kernel refuses."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, int(on))


def set_name(name: str) -> bool:
    """Name the calling thread, and by the main thread the process, as ``ps`` and startup scripts see it."""
    return _prctl(_PR_SET_NAME, ctypes.c_char_p(os.fsencode(name)[:_COMM_LENGTH]))


def _prctl(option: int, argument: int | ctypes.c_char_p) -> bool:
    value = ctypes.c_ulong(argument) if isinstance(argument, int) else argument
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.prctl(option, value, ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))) == 0
