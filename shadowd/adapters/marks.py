"""By which mark a process of an epoch is known, and whose process may carry it.

Every process of an epoch has the epoch and a *secret* in its environment, and hands both down. The claim
publishes the SHA-256 of the secret only. So whoever can read the claims of a cell cannot make a process that
counts as its master: the environment of a process is readable by its own user and by root (proc(5)).

The user counts too. A process is of an epoch only if all its user ids are ones that a master of the cell may
run as, or if it is our own child. All of them, because anybody can run a program that changes its user (su,
passwd) with whatever environment he likes. A master may run as root, as the daemon's user, as the cell's
admin user, as ``launch.user``, and as the user that a known master of the epoch changed to by itself.

Claims of releases before this scheme publish what the environment holds. They are told by their length and
compared as they are, so a master that outlives an upgrade is known; for these the user is the only proof.

Only processes of those users are looked into, and of each only the first few KiB: what others run costs one
``stat`` a process. Refuses to look at the epoch's number: see ``family``.
"""

import hashlib
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress

from shadowd.adapters import procfs, user
from shadowd.errors import CellError

CELL, EPOCH, NONCE, ROLE = "SHADOWD_CELL", "SHADOWD_EPOCH", "SHADOWD_NONCE", "SHADOWD_ROLE"
_SECRET_BYTES = 16
_NONCE_LENGTH = 64
_ENVIRONMENT_LIMIT = 16 * 1024
_OWN_LIMIT = 1024 * 1024
"""Of our own children: a start script may have filled its environment before it started the master."""
_MOST_SECRETS = 64


class Secrets:
    """The secrets behind the nonces that this daemon drew."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def draw(self) -> str:
        """Draw a secret and return its nonce: a word of 64 hexadecimal digits."""
        secret = secrets.token_hex(_SECRET_BYTES)
        nonce = nonce_of(secret)
        self._known[nonce] = secret
        for old in [*self._known][:-_MOST_SECRETS]:
            del self._known[old]
        return nonce

    def of(self, nonce: str) -> str | None:
        """Return the secret of a nonce; None for one that was drawn by somebody else."""
        return self._known.get(nonce)


def nonce_of(secret: str) -> str:
    """Return what a claim says of this secret."""
    return hashlib.sha256(os.fsencode(secret)).hexdigest()


def plain(nonce: str) -> bool:
    """Tell whether this is a nonce of an earlier release, which is its own secret."""
    return len(nonce) != _NONCE_LENGTH


def carries(marks: Mapping[bytes, bytes] | None, nonce: str) -> bool:
    """Tell whether an environment holds the secret of this nonce."""
    secret = (marks or {}).get(NONCE.encode())
    if secret is None:
        return False
    return secret == os.fsencode(nonce) if plain(nonce) else nonce_of(os.fsdecode(secret)) == nonce


def of_process(pid: int, nonce: str, users: frozenset[int]) -> dict[bytes, bytes] | None:
    """Return the environment of a process that carries the mark and may; None for any other."""
    child = procfs.is_child(pid)
    marks = procfs.environment(pid, _OWN_LIMIT if child else _ENVIRONMENT_LIMIT)
    if not carries(marks, nonce) or not (child or runs_as(pid, users)):
        return None
    return marks


def is_lost(pid: int, nonce: str) -> bool:
    """Tell whether a process of the epoch wrote over its environment (with its title)."""
    found = procfs.environment(pid, _OWN_LIMIT)
    return found is not None and not carries(found, nonce)


def processes_of(nonce: str, users: frozenset[int]) -> tuple[int, ...] | None:
    """Return the pids of all processes with the mark; None where nobody could look.

    The calling process is left out: a daemon started by its own master inherits the mark and must not stop
    itself.
    """
    found = procfs.candidates(users)
    if found is None:
        return None
    us = os.getpid()
    return tuple(pid for pid in found if pid != us and of_process(pid, nonce, users) is not None)


def runs_as(pid: int, users: frozenset[int]) -> bool:
    """Tell whether all user ids of a process are among these; False for one that is gone."""
    ids = procfs.user_ids(pid)
    return bool(ids) and ids <= users


def users_of(*names: str | None) -> frozenset[int]:
    """Return the user ids of root, of this process, and of those of these names that the host knows.

    May ask a directory service and block as long as that does.
    """
    ids = {0, os.geteuid()}
    for name in names:
        with suppress(CellError):
            ids |= {user.lookup(name).uid} if name else set()
    return frozenset(ids)
