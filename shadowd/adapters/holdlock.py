"""Takes TORQUE's ``server.lock`` and becomes the server: run as a program by the launcher, with no package.

``python -I -S holdlock.py fcntl|lease LOCK STATE HOST COMMAND...``, with epoch and secret in the environment.

Why the server's own process holds the lock: it is gone with that process, whatever ends it, and a
``pbs_server --ha`` that waits for it is then free to start, as ours is. An fcntl lock survives execve(2) and
not fork(2), so the command must stay in the foreground; when it takes the same lock itself, as pbs_server
does, it has it already. One that closes all it inherited lets go for the moment until then: if another server
is quicker, ours ends, and its guard writes so.

What is written (TORQUE.md, "Later releases"): ``server.lock`` holds the session id. ``STATE/server.session``
says which epoch that session is, so that every host knows a server of ours from another. Everybody may read
that record, so it holds the nonce, as the claim does, and not the secret behind it (``marks``).

The file is locked with either method, for a ``pbs_server`` without ``--ha`` locks it too. Is it held by a
server that the record names and whose epoch nobody closed, then that one is deposed and stands still: claims
and leases have settled that. It cannot be made to let go, so a new file takes the name. Any other holder is
respected: the command is not run.

``lease``: whether another server refreshed the file is settled before this is run. The mutex is
tried and never waited for: a frozen standby that holds it must not leave the cluster without a server. But
one that is alive may be about to take the file from the same dead server; so where another's name is in it
and the mutex is held, the file must stay as it is for one interval in which any server refreshes it.

Refuses to wait for anybody's end. Known limit of ``fcntl``: a ``pbs_server --ha`` that waited for the lock
of the frozen server waits for the old file, and would start when that one is gone; start it anew after such
an event.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import sys
import time

_HELD = 75  # EX_TEMPFAIL
_FAILED = 74  # EX_IOERR
_AGAIN = 5
_OUTCOMES = ("failed", "stopped", "died", "stepped_down")
_LIMIT = 4096
_MAX_NOTICE = 16384
_REFRESHED = 3.5
"""Seconds; a server refreshes the lock every 3 s (TORQUE.md, "Later releases")."""

# Few imports, for what runs here delays the start of a server.
# ruff: noqa: PTH104, PTH108, PTH116


class HeldError(Exception):
    """Another server holds the lock."""


def main(method: str, lock: str, state: str, host: str, *command: str) -> None:
    """Take the lock by this method, write whose it is, and run the command in place of this program."""
    epoch = int(os.environ["SHADOWD_EPOCH"])
    nonce = hashlib.sha256(os.environ["SHADOWD_NONCE"].encode()).hexdigest()
    record = {"format": 1, "epoch": epoch, "nonce": nonce, "host": host, "session": os.getsid(0)}
    if method == "lease":
        await_turn(lock, state)
    by_kernel(lock, state, record)
    os.execv(command[0], command)  # noqa: S606 - an argument vector, never a shell


def by_kernel(lock: str, state: str, record: "dict[str, object]") -> None:
    """Lock the file, or put a new one in its place where a deposed server of ours is stuck with it."""
    for _ in range(_AGAIN):
        held = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # Never closed again, not even one that came to nothing: closing drops every lock on that file.
        try:
            fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            if not is_ours(held, state):
                raise HeldError from None
            replaced = take_name(lock, held, state, record)
            if replaced < 0:
                continue
            held = replaced
        if is_named(lock, held):
            break
    else:
        raise HeldError
    # The old content too: until the new one is written, the file must not look like another server's.
    write_record(state, record, held, content(held))
    write(held, record)
    write_record(state, record, held)
    os.set_inheritable(held, True)  # noqa: FBT003 - takes no keywords


def await_turn(lock: str, state: str) -> None:
    """Take the mutex, or see that whoever has it does not take the file of another server just now."""
    if is_alone(lock):
        return
    held = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    before = os.fstat(held).st_mtime_ns, content(held)
    if before[1] and not is_ours(held, state, ended=True):
        time.sleep(_REFRESHED)
        if not is_named(lock, held) or (os.fstat(held).st_mtime_ns, content(held)) != before:
            raise HeldError


def is_alone(lock: str) -> bool:
    """Take the mutex, to the end of this program; False where another server has it."""
    try:
        mutex = os.open(f"{lock}.mutex", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.lockf(mutex, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def take_name(lock: str, old: int, state: str, record: "dict[str, object]") -> int:
    """Put a new file under the name, locked and written before anybody sees it; -1: it changed meanwhile."""
    private = f"{lock}.{record['host']}.{os.getpid()}"
    new = os.open(private, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(new, fcntl.LOCK_EX | fcntl.LOCK_NB)
        write(new, record)
        if not is_named(lock, old):
            return -1
        write_record(state, record, new, content(old), old)
        os.rename(private, lock)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(private)
    return new


def is_ours(held: int, state: str, *, ended: bool = False) -> bool:
    """Tell whether the file is that of a server of ours; of an epoch that nobody closed, unless ``ended``."""
    try:
        with open(f"{state}/server.session", encoding="ascii", opener=_without_waiting) as file:
            record = json.loads(file.read(_LIMIT))
        epoch, nonce = int(record["epoch"]), str(record["nonce"])
        inodes, contents = set(record["inodes"]), set(record["contents"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return False
    closed = not ended and any(
        is_outcome(f"{state}/notices/{epoch:010}.{kind}.json", nonce) for kind in _OUTCOMES
    )
    return os.fstat(held).st_ino in inodes and content(held) in contents and not closed


def is_outcome(notice: str, nonce: str) -> bool:
    """Tell whether the notice is a record of this claim: a file that is none closes nothing."""
    try:
        with open(notice, encoding="ascii", opener=_without_waiting) as file:
            record = json.loads(file.read(_MAX_NOTICE))
        return bool(record.get("nonce", nonce) == nonce)
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


def _without_waiting(path: str, flags: int) -> int:
    """Open a file that may be a FIFO by now."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def is_named(lock: str, held: int) -> bool:
    """Tell whether the name leads to the open file."""
    try:
        return os.path.samestat(os.stat(lock), os.fstat(held))
    except FileNotFoundError:
        return False


def content(held: int) -> str:
    """Return what the lock file says, by the open one: to open and close it once more would unlock it."""
    return os.pread(held, _LIMIT, 0).decode("ascii", "replace").strip()


def write(held: int, record: "dict[str, object]") -> None:
    """Write the session id, as TORQUE does."""
    data = f"{record['session']}\n".encode()
    os.pwrite(held, data, 0)
    os.ftruncate(held, len(data))
    os.fsync(held)


def write_record(
    state: str, record: "dict[str, object]", held: int, before: str = "", replaced: int = -1
) -> None:
    """Replace ``server.session``; what the file still holds, and which it replaces, for as long as it may."""
    files = [held] if replaced < 0 else [held, replaced]
    contents = [f"{record['session']}", before] if before else [f"{record['session']}"]
    record = {**record, "inodes": [os.fstat(file).st_ino for file in files], "contents": contents}
    private = f"{state}/.server.session.{record['host']}.{os.getpid()}"
    new = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        os.write(new, json.dumps(record).encode() + b"\n")
        os.fsync(new)
    finally:
        os.close(new)
    os.rename(private, f"{state}/server.session")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except HeldError:
        sys.stderr.write(f"shadowd: {sys.argv[2]} is held by another server: this one is not started\n")
        sys.exit(_HELD)
    except OSError as error:
        sys.stderr.write(f"shadowd: the server was not started: {error}\n")
        sys.exit(_FAILED)
