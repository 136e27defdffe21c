"""The record of an epoch's processes on this host: for the enforcer, and for the daemon after this one.

Why: who must be stopped is then known by number and start, and is stopped at once, whatever else runs on the
host. It also tells an adopted master, which carries no epoch in its environment (PROTOCOL rule 13), and the
secret of the epoch, so that a scheduler that is started later carries the same. Like the lease (``kept``) it
lies in the runtime directory, counts for one boot, and proves nothing: without it the process table is
looked through. Refuses to tell whether a process still lives.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from shadowd.adapters.kept import Keeper
from shadowd.adapters.records import MAX_EPOCH
from shadowd.core.values import Unknown

PROCESSES: Final = ".processes.json"
"""How the name of the record ends."""
_MOST_PROCESSES: Final = 100
_MAX_PID: Final = 2**31 - 1
_MAX_ID: Final = 2**32 - 2


@dataclass(frozen=True, slots=True)
class KeptProcess:
    """One process of an epoch."""

    pid: int
    start_token: str
    role: str
    known: bool = False
    """True for a master that its environment does not tell: adopted, or it wrote over its environment."""


@dataclass(frozen=True, slots=True)
class KeptProcesses:
    """The processes of one epoch that were last seen alive on this host."""

    epoch: int
    nonce: str
    secret: str
    """Empty where nobody knows it."""
    users: tuple[int, ...]
    """User ids that a master of this cell may run as, in order."""
    processes: tuple[KeptProcess, ...]


def write_processes(keeper: Keeper, kept: KeptProcesses) -> Unknown | None:
    """Keep these; the hundred that were found first."""
    each = [[one.pid, one.start_token, one.role, one.known] for one in kept.processes[:_MOST_PROCESSES]]
    whose = {"epoch": kept.epoch, "nonce": kept.nonce, "secret": kept.secret, "users": kept.users}
    return keeper.write({**whose, "processes": each})


def read_processes(keeper: Keeper) -> KeptProcesses | None:
    """Return the processes that were kept in this boot, if any."""
    match keeper.read() or _of_earlier_release(keeper):
        case {
            "epoch": int(epoch),
            "nonce": str(nonce),
            "secret": str(secret),
            "users": [*users],
            "processes": [*processes],
        } if type(epoch) is int and 1 <= epoch <= MAX_EPOCH:
            ids = tuple(one for one in users if type(one) is int and 0 <= one <= _MAX_ID)
            found = tuple(one for fields in processes if (one := _process(fields)) is not None)
            return KeptProcesses(epoch, nonce, secret, ids, found)
        case _:
            return None


def _process(fields: object) -> KeptProcess | None:
    match fields:
        case [int(pid), str(token), str(role), bool(known)] if 0 < pid <= _MAX_PID:
            return KeptProcess(pid, token, role, known)
        case _:
            return None


def _of_earlier_release(keeper: Keeper) -> Mapping[str, Any]:
    """Return an adopted master as the release before kept it, in a file of its own."""
    name = keeper.path.name.replace(PROCESSES, ".adopted.json")
    fields = replace(keeper, path=keeper.path.with_name(name)).read()
    match fields:
        case {"pid": pid, "start_token": token}:
            return {**fields, "secret": "", "users": [], "processes": [[pid, token, "master", True]]}
        case _:
            return {}
