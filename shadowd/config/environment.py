"""The ancestor's environment variables, and the few of our own.

The three intervals are honoured over the file, for every cell, because a site that set them meant them.
SGE_ROOT, SGE_CELL and SGE_QMASTER_PORT say *which* cell, so they only complete a cell that names no
sge_root of its own: laid over a file with many cells they would make all of them one. The ancestor
ignored ``60abc``, looped on 0 and slept for ever on -1 (GRIDENGINE.md); here each is an error that names
the variable.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from shadowd.config import words
from shadowd.errors import ConfigError

T = TypeVar("T")

INTERVALS = {
    "SGE_CHECK_INTERVAL": "check_interval",
    "SGE_GET_ACTIVE_INTERVAL": "stale_after",
    "SGE_DELAY_TIME": "delay",
}
"""Variable and the key that it stands for."""

_REMEDIES = {
    "SGE_DELAY_TIME": "set seconds, 1 or more, or unset it; for no delay at all write delay = 0 in the file",
    "SGE_ROOT": "set it to the absolute path of the Grid Engine installation",
    "SGE_CELL": 'unset it for "default"',
    "SGE_QMASTER_PORT": "set it to the master's TCP port, or unset it",
    "SHADOWD_RUNTIME_DIR": "set it to an absolute path, or unset it",
}


class Override(NamedTuple):
    """A value that an environment variable puts over the file's."""

    variable: str
    seconds: float


def intervals(environ: Mapping[str, str]) -> tuple[dict[str, Override], list[ConfigError]]:
    """Return the overrides by key, and what is wrong with the variables that are none."""
    found: dict[str, Override] = {}
    problems: list[ConfigError] = []
    for variable, key in INTERVALS.items():
        value = take(environ, variable, words.ancestor_seconds, problems, empty_is_unset=False)
        if value is not None:
            found[key] = Override(variable, value)
    return found, problems


def take(
    environ: Mapping[str, str],
    variable: str,
    meaning: Callable[[str], T],
    problems: list[ConfigError],
    *,
    empty_is_unset: bool = True,
) -> T | None:
    """Return what a variable means, None where it is not set; a bad value is added to the problems."""
    value = environ.get(variable)
    if value is None or (empty_is_unset and not value):
        return None
    try:
        return meaning(value)
    except ValueError as error:
        remedy = _REMEDIES.get(variable, "set whole seconds, 1 or more, or unset it")
        problems.append(ConfigError(variable, str(error), remedy))
        return None


SYSTEM_RUNTIME_DIR = Path("/run/shadowd")
"""Root's, of which everybody may read the state."""


def default_runtime_dir(environ: Mapping[str, str], uid: int | None = None) -> Path:
    """Return where locks, sockets and state of this host live when nobody says otherwise."""
    uid = os.geteuid() if uid is None else uid
    if uid == 0:
        return SYSTEM_RUNTIME_DIR
    session = environ.get("XDG_RUNTIME_DIR", "")
    if session.startswith("/") and "\0" not in session:  # the XDG specification: ignore relative ones
        return Path(session) / "shadowd"
    return Path(f"/tmp/shadowd-{uid}")  # noqa: S108 - the daemon that makes it checks its owner and mode


def default_state_dir(environ: Mapping[str, str], uid: int | None = None) -> Path:
    """Return where this host keeps what must outlive a boot, when nobody says otherwise."""
    uid = os.geteuid() if uid is None else uid
    if uid == 0:
        return Path("/var/lib/shadowd")
    for variable, below in (("XDG_STATE_HOME", ""), ("HOME", ".local/state")):
        home = environ.get(variable, "")
        if home.startswith("/") and "\0" not in home:
            return Path(home) / below / "shadowd"
    return default_runtime_dir(environ, uid) / "lib"


def default_log_file(runtime_dir: Path, uid: int | None = None) -> Path:
    """Return the local log, which must work when the cell's spool does not."""
    uid = os.geteuid() if uid is None else uid
    return Path("/var/log/shadowd/shadowd.log") if uid == 0 else runtime_dir / "shadowd.log"
