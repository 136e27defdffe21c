"""Claimants as processes of their own: many at once, or one that dies at a chosen system call.

Run as a program, because a fork wants a process without threads and a crash wants one to lose:

    claimers.py race DIRECTORY PROCESSES EPOCHS   each process claims every epoch; see ``race``
    claimers.py crash DIRECTORY DEED              the deed once per system call, ending before it

What this refuses to do: judge. The tests look at what was left on disk.
"""

import json
import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from shadowd.adapters import lockfile
from shadowd.adapters.claimlog import DirectoryClaimLog
from shadowd.adapters.lockfile import clear_lock, place_lock
from shadowd.adapters.publish import replace_file
from shadowd.core.values import (
    Claim,
    ClaimKey,
    ClaimReason,
    Epoch,
    Host,
    NoticeKind,
    Protection,
    Seconds,
    Unknown,
)

CELL = "prod"
CRASHED = 77
MEETING_S = 60.0
MOST_CALLS = 100
CALLS = (
    *("chmod", "close", "fchmod", "fstat", "fsync", "link", "mkdir"),
    *("open", "read", "rename", "scandir", "stat", "unlink", "write"),
)


def claim_of(epoch: int, host: str, nonce: str) -> Claim:
    """Return a plain claim."""
    return Claim(
        cell=CELL,
        epoch=Epoch(epoch),
        host=Host(host),
        machine_id=f"machine-of-{host}",
        boot_id="boot",
        pid=os.getpid(),
        start_token="1",  # noqa: S106 - a start time, no password
        nonce=nonce,
        reason=ClaimReason.SILENCE,
        supersedes=Epoch(epoch - 1),
        lease=Seconds(741.0),
        licence=Seconds(63.0),
        window=Seconds(187.0),
        protection=Protection.GUARDED,
        wall=1.0,
    )


def log_of(spool: Path, host: str, link: Callable[[str, str], None] = os.link) -> DirectoryClaimLog:
    """Return the claim log of one host."""
    return DirectoryClaimLog(spool / "shadowd", CELL, Host(host), lambda: 1.0, link=link)


def race(spool: Path, processes: int, epochs: int) -> None:
    """Fork the claimants and wait; each leaves ``<host>.json``: the nonces of the winners it was told.

    All of them meet just before each link: without that, one runs ahead for a whole time slice and the
    others race for nothing.
    """
    gate = multiprocessing.get_context("fork").Barrier(processes)
    children = []
    for index in range(processes):
        child = os.fork()
        if child == 0:
            _claim_all(spool, f"h{index}", epochs, gate)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def _claim_all(spool: Path, host: str, epochs: int, gate: Barrier) -> None:
    def link(source: str, target: str) -> None:
        gate.wait(MEETING_S)
        os.link(source, target)

    log = log_of(spool, host, link)
    seen: list[str] = []
    for epoch in range(1, epochs + 1):
        answer = log.claim(claim_of(epoch, host, f"{host}-{epoch}"))
        seen.append(answer.detail if isinstance(answer, Unknown) else answer.nonce)
    (spool / f"{host}.json").write_text(json.dumps(seen))


def deeds(spool: Path) -> dict[str, Callable[[], object]]:
    """Return what a daemon of host "a" does to the shared directory, by name."""
    log = log_of(spool, "a", os.link)
    lock = spool / "lock"
    return {
        "claim": lambda: log.claim(claim_of(1, "a", "mine")),
        "close": lambda: log.notice(ClaimKey(Epoch(1), "mine"), NoticeKind.DIED, "gone"),
        "place": lambda: place_lock(lock, CELL, Host("a"), Epoch(2), "mine", link=os.link),
        "clear": lambda: clear_lock(lock),
        "put_back": lambda: lockfile._take_away(lock, b"what was looked at"),
        "publish": lambda: replace_file(spool / "shadowd" / "hosts" / "a.json", b"{}"),
    }


def prepare(spool: Path, deed: str) -> None:
    """Bring about what the deed finds."""
    if deed in {"place", "clear"}:
        place_lock(spool / "lock", CELL, Host("z"), Epoch(1), "old")
    if deed == "put_back":
        (spool / "lock").touch()
    if deed == "close":
        log_of(spool, "a").claim(claim_of(1, "a", "mine"))


def crash(directory: Path, deed: str) -> None:
    """Do the deed in ``directory``/<n>, ending before the n-th system call, for all n until it ends well."""
    for count in range(1, MOST_CALLS):
        spool = directory / str(count)
        spool.mkdir()
        prepare(spool, deed)
        child = os.fork()
        if child == 0:
            _end_before(count)
            deeds(spool)[deed]()
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            return
    raise SystemExit(f"{deed} makes more than {MOST_CALLS} system calls")


def _end_before(count: int) -> None:
    left = [count]

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os._exit(CRASHED)
            return call(*args, **kwargs)

        return wrapper

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))


if __name__ == "__main__":
    if sys.argv[1] == "race":
        race(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    else:
        crash(Path(sys.argv[2]), sys.argv[3])
