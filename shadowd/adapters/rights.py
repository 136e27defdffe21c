"""Who may write where the records of a cell lie: a word for people, no condition of anything.

Whoever may write there can put files among the claims and notices, or take them away. Empty and foreign files
are doubts and take down no master (PROTOCOL rule 15), but they stop every takeover; so ``check`` names a
directory that others than root and the cell's own user may write.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from shadowd.adapters.user import lookup
from shadowd.errors import ShadowdError


def loose_directories(state: Path, owner: str | None) -> tuple[str, ...]:
    """Return which of state, claims and notices others may write, with who; ``owner`` is the cell's user.

    A directory that is missing or cannot be looked at is none of these.
    """
    users, groups = {0, os.geteuid()}, {0, os.getegid()}
    if owner:
        try:
            found = lookup(owner)
        except ShadowdError:
            found = None
        users |= {found.uid} if found else set()
        groups |= {found.gid} if found else set()
    places = (state, state / "claims", state / "notices")
    return tuple(f"{place} ({who})" for place in places for who in _others(place, users, groups))


def _others(place: Path, users: set[int], groups: set[int]) -> Iterator[str]:
    try:
        status = place.stat()
    except OSError:
        return
    if status.st_mode & stat.S_IWOTH:
        yield "everybody"
    if status.st_mode & stat.S_IWGRP and status.st_gid not in groups:
        yield f"group {status.st_gid}"
    if status.st_uid not in users:
        yield f"user {status.st_uid}"
