"""Which user's rights the calling *thread* has on files.

Why: the cell's files belong to its admin user, and on a shared mount root is often nobody (root_squash).
The ancestor switches its effective ids; that changes the whole process, and one daemon here serves cells
of different admin users, each by its own worker thread. Linux keeps ids per thread; only glibc's wrappers
spread them over all threads. So the raw system calls are made: ``setfsuid``, ``setfsgid``, which by
definition concern the caller alone, and ``setgroups`` by number (credentials(7), nptl(7)).

File-system ids do not survive execve(2), supplementary groups do: so programs are started, and other
processes looked at, within ``own_identity``. Without root there is nothing to switch and files are used
as who we are. Refuses to believe the kernel's silence (setfsuid reports no error): what was set is read back.
"""

import ctypes
import os
import platform
import pwd
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from shadowd.errors import CellError

# setgroups: the generic number of newer architectures, and those of the older ones.
_CALLS = {
    "x86_64": 116,
    "ppc64le": 81,
    **dict.fromkeys(("s390x", "i386", "i486", "i586", "i686", "armv6l", "armv7l"), 206),
}
_SETGROUPS = _CALLS.get(platform.machine(), 159)
_ASK = -1  # An id that no user has: setfsuid then only tells the present one.
_ID_BITS = 0xFFFFFFFF
_UNKNOWN = object()

# PyDLL: calls that take a microsecond are not worth letting go of the interpreter lock, which costs fifty.
_libc = ctypes.PyDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.syscall.argtypes = (ctypes.c_long, ctypes.c_ulong, ctypes.c_void_p)
# Taken at import, before any thread can have changed its own.
_OWN_GROUPS = tuple(os.getgroups())
_thread = threading.local()


@dataclass(frozen=True, slots=True)
class FileUser:
    """A user as the file system knows it."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def lookup(name: str) -> FileUser:
    """Return the user of this name with its groups; raises ``CellError`` when this host has none.

    May ask a directory service and block as long as that does.
    """
    try:
        entry = pwd.getpwnam(name)
        groups = os.getgrouplist(name, entry.pw_gid)
    except (KeyError, ValueError, OSError) as error:
        raise CellError(
            f"user {name!r}",
            "this host does not know the user whose files the cell's are",
            "create the user here, or correct admin_user",
        ) from error
    return FileUser(entry.pw_uid, entry.pw_gid, tuple(sorted(set(groups))))


def files_user(name: str | None, *directories: Path) -> FileUser | None:
    """Return whose rights the files in these directories are used with; None: the daemon's own.

    That is the account of this name. Without one it is the owner of the directories: who may write a
    directory can put a link there, so root opens no file in one that is another user's. Raises ``CellError``
    where they have several owners and root is one of them, or where this host does not know the name.
    """
    if os.geteuid() != 0:
        return None
    if name:
        return lookup(name)
    owners = {str(path): status.st_uid for path in directories if (status := _status(path)) is not None}
    others = {path: uid for path, uid in owners.items() if uid != 0}
    if not others:
        return None
    path, uid = next(iter(others.items()))
    if len({*owners.values()}) > 1:
        own = next(path for path, other in owners.items() if other != uid)
        raise CellError(
            path,
            f"belongs to uid {uid} and {own} to another: root opens no file of another user's directory",
            f"give both to one user (chown -R), or name the owner: launch.user, or admin_user of bootstrap; "
            f"ls -ld {path} {own}",
        )
    return _by_number(uid, Path(path))


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:  # whoever needs it finds out why
        return None


def _by_number(uid: int, directory: Path) -> FileUser:
    try:
        return lookup(pwd.getpwuid(uid).pw_name)
    except (KeyError, CellError):
        gid = directory.stat().st_gid
        return FileUser(uid, gid, (gid,))


def become(user: FileUser | None) -> None:
    """Let this thread use files as ``user`` from now on; None: as the process itself.

    Costs a comparison when nothing changes. Raises ``PermissionError`` when the kernel did not obey; the
    thread then has no business with files until a later call succeeds.
    """
    known = getattr(_thread, "user", _UNKNOWN)
    if known is user or known == user or os.geteuid() != 0:
        return
    _thread.user = _UNKNOWN
    wanted = user or FileUser(os.geteuid(), os.getegid(), _OWN_GROUPS)
    _set_groups(wanted.groups)
    _libc.setfsgid(wanted.gid)
    _libc.setfsuid(wanted.uid)
    found = (_libc.setfsuid(_ASK) & _ID_BITS, _libc.setfsgid(_ASK) & _ID_BITS)
    if found != (wanted.uid, wanted.gid):
        raise PermissionError(f"the kernel did not let this thread use files as {wanted}: it is {found}")
    _thread.user = user


def file_uid() -> int:
    """Return whose files this thread makes."""
    known = getattr(_thread, "user", None)
    return known.uid if isinstance(known, FileUser) else os.geteuid()


@contextmanager
def own_identity() -> Iterator[None]:
    """Run a block as the process itself, and go on as before."""
    before = getattr(_thread, "user", None)
    become(None)
    try:
        yield
    finally:
        become(before if isinstance(before, FileUser) else None)


def _set_groups(groups: tuple[int, ...]) -> None:
    # Unlike setfsuid it says when it fails, so nothing is read back: this is done several times a check.
    if _libc.syscall(_SETGROUPS, len(groups), _array(groups)) != 0:
        number = ctypes.get_errno()
        raise PermissionError(number, f"setgroups: {os.strerror(number)}")


@lru_cache(maxsize=64)
def _array(groups: tuple[int, ...]) -> "ctypes.Array[ctypes.c_uint32]":
    return (ctypes.c_uint32 * max(1, len(groups)))(*groups)
