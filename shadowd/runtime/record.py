"""A snapshot as the JSON record that ``hosts/<host>.json`` and the local state file hold.

Here this host's instants become wall-clock times, for people only; no decision ever reads them back.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from shadowd.core.snapshot import Refusal, Snapshot
from shadowd.core.timing import Timing
from shadowd.core.values import FenceAttempt, Instant, Lock, Pause, Unknown

FORMAT = 1
_BOOT_ID = re.compile(rb'"boot_id": ?"([0-9A-Za-z-]{1,64})"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Who publishes: the unchanging part of a record."""

    cell: str
    kind: str
    host: str
    version: str
    pid: int
    start: str
    """The start token of its process."""
    boot_id: str
    timing: Timing
    machine_id: str = ""
    addresses: Callable[[], tuple[str, ...]] = tuple
    """The numeric addresses of this host, as they are now."""
    hints: Callable[[], tuple[int, tuple[str, ...]]] | None = None
    """Port and addresses where this daemon hears hints, as they are now; None: it hears none."""
    paths: Callable[[], list[dict[str, Any]]] = list
    """The directories that every master needs, as this host sees them now, ready for JSON."""
    notes: tuple[str, ...] = ()
    """What a person should know of how this host understands the cell."""


def encode(
    snapshot: Snapshot, publisher: Publisher, *, now: Instant, wall: float, io_stuck: Instant | None
) -> bytes:
    """Return the record, one line of JSON."""

    def at(instant: Instant | None) -> float | None:
        if instant is None or abs(instant) == float("inf"):
            return None
        return round(wall + instant - now, 3)

    beat, active = snapshot.beat, snapshot.active
    record = {
        "format": FORMAT,
        "cell": publisher.cell,
        "kind": publisher.kind,
        "host": publisher.host,
        "version": publisher.version,
        "pid": publisher.pid,
        "start_token": publisher.start,
        "boot_id": publisher.boot_id,
        "machine_id": publisher.machine_id,
        "addresses": list(publisher.addresses()),
        "wall": round(wall, 3),
        "state": snapshot.state.value,
        "reason": snapshot.reason.value,
        "text": snapshot.reason.text,
        "since": at(snapshot.since),
        "refusals": [_refusal(item, at(item.until)) for item in snapshot.refusals],
        "complaints": [_refusal(item, at(item.until)) for item in snapshot.complaints],
        "timer": {"name": snapshot.timer.value, "due": at(snapshot.due)},
        "silence": round(snapshot.silence, 3),
        "beat": None if isinstance(beat, Unknown) else beat,
        "beat_problem": _problem(beat),
        "active": None if isinstance(active, Unknown) else active,
        "epoch": snapshot.epoch,
        "master": snapshot.master,
        "protection": snapshot.protection.value,
        "lock": _lock(snapshot.lock),
        "pause": _pause(snapshot.pause),
        "observed": at(snapshot.observed),
        "attempts": snapshot.attempts,
        "io_stuck": at(io_stuck),
        "fence": {
            "policy": snapshot.fence.value,
            "attempts": [_attempt(one, at(one.when)) for one in snapshot.fenced],
        },
        "timing": _timing(publisher.timing),
        "hints": _hints(publisher),
        "paths": publisher.paths(),
        "notes": list(publisher.notes),
    }
    return json.dumps(record, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _problem(value: object) -> str | None:
    """Return what is the matter with a value that could not be read, with its detail."""
    if not isinstance(value, Unknown):
        return None
    detail = f" ({value.detail})" if value.detail else ""
    return f"{value.subject}: {value.problem.value}{detail}"


def boot_of(record: bytes) -> str | None:
    """Return in which boot a record was written; None where it does not tell."""
    found = _BOOT_ID.search(record)
    return None if found is None else found[1].decode("ascii")


def _refusal(item: Refusal, until: float | None) -> dict[str, Any]:
    return {"reason": item.reason.value, "text": item.reason.text, "detail": item.detail, "until": until}


def _attempt(one: FenceAttempt, when: float | None) -> dict[str, Any]:
    return {
        "epoch": one.epoch,
        "host": one.host,
        "outcome": one.outcome.value,
        "detail": one.detail,
        "when": when,
    }


def _lock(lock: Lock | Unknown) -> dict[str, Any] | None:
    if isinstance(lock, Unknown):
        return None
    return {"kind": lock.kind.value, "epoch": lock.epoch, "since": lock.wall}


def _pause(pause: Pause | Unknown | None) -> dict[str, Any] | None:
    if pause is None or isinstance(pause, Unknown):
        return None
    return {"who": pause.who, "why": pause.why, "until": pause.until_wall}


def _hints(publisher: Publisher) -> dict[str, Any] | None:
    if publisher.hints is None:
        return None
    port, addresses = publisher.hints()
    return {"port": port, "addresses": list(addresses)}


def _timing(timing: Timing) -> dict[str, float | str]:
    values = {name: getattr(timing, name) for name in Timing.__slots__}
    return {name: value.value if isinstance(value, Enum) else value for name, value in values.items()}
