"""What a file may leave out and the environment or this host completes, before anything is validated.

Shared by the models and by the light reader, so that ``status`` looks for the files of exactly the cells
that ``run`` serves. Each completed value is remembered with its origin. What is malformed is passed on
untouched: the models say what is wrong with it, with its line.
"""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from shadowd.config import words
from shadowd.config.environment import default_log_file, default_runtime_dir, take
from shadowd.config.source import SYSTEM_FILE, Source
from shadowd.config.syntax import KeyPath
from shadowd.errors import ConfigError

GENERIC = {"check_interval": 5.0, "beat_interval": 5.0, "stale_after": 30.0, "delay": 60.0}
"""The timers of a generic cell that says nothing: the guard beats every few seconds."""
SERVER_PRIV = "/var/spool/torque/server_priv"
TORQUE = {
    "directory": SERVER_PRIV,
    "lock": "lease",
    "clean_exit": "hand_over",
    "retry_interval": 1.0,
    "beat_interval": 1.0,
    "stale_after": 9.0,
    "delay": 0.0,
    "probe_timeout": 3.0,
    "io_timeout": 5.0,
    "launch_timeout": 30.0,
    "retry_after": 5.0,
    "retry_limit": 60.0,
    "restart_limit": 0,
}
"""What a TORQUE cell has that says nothing: a lock that is looked at each second, and 9 s to be stale."""
STEP_DOWN = 2.0
"""A tenth of nine seconds would be too short for a guard that looks each second to answer a move."""
PBS_SERVER = ("/usr/local/sbin/pbs_server", "-D")
DEFAULT = "default"
DERIVED = "derived"


class Filled(NamedTuple):
    """A document with nothing missing that has an answer."""

    document: dict[str, Any]
    origins: dict[KeyPath, str]
    """Where each completed value comes from: a variable's name, ``DEFAULT`` or ``DERIVED``."""
    problems: list[ConfigError]


def fill(source: Source, environ: Mapping[str, str], uid: int | None = None) -> Filled:
    """Complete a document; problems are those of the environment variables that it used."""
    uid = os.geteuid() if uid is None else uid
    filled = Filled(dict(source.document), {}, [])
    _runtime_dir(filled, environ, uid)
    _log_file(filled, environ, uid)
    _cells(filled, source, environ)
    return filled


def _runtime_dir(filled: Filled, environ: Mapping[str, str], uid: int) -> None:
    chosen = take(environ, "SHADOWD_RUNTIME_DIR", words.path, filled.problems)
    if chosen is not None:
        filled.document["runtime_dir"] = str(chosen)
        filled.origins["runtime_dir",] = "SHADOWD_RUNTIME_DIR"
    elif "runtime_dir" not in filled.document:
        filled.document["runtime_dir"] = str(default_runtime_dir(environ, uid))
        filled.origins["runtime_dir",] = DEFAULT


def _log_file(filled: Filled, environ: Mapping[str, str], uid: int) -> None:
    log = filled.document.get("log", {})
    if not isinstance(log, dict) or "file" in log:
        return
    try:
        runtime_dir = words.path(filled.document["runtime_dir"])
    except ValueError:
        runtime_dir = default_runtime_dir(environ, uid)
    filled.document["log"] = {**log, "file": str(default_log_file(runtime_dir, uid))}
    filled.origins["log", "file"] = DEFAULT


def _cells(filled: Filled, source: Source, environ: Mapping[str, str]) -> None:
    cells = filled.document.get("cell", [])
    if cells == []:
        if not environ.get("SGE_ROOT"):
            filled.problems.append(_no_cell(source))
            return
        cells = [{}]
    if isinstance(cells, list):
        filled.document["cell"] = [
            _cell(index, cell, filled, environ) if isinstance(cell, dict) else cell
            for index, cell in enumerate(cells)
        ]


def _cell(index: int, written: dict[str, Any], filled: Filled, environ: Mapping[str, str]) -> dict[str, Any]:
    """Complete one cell; the variables that say which cell count only where the file names no root."""
    cell = dict(written)
    where: KeyPath = ("cell", index)
    if cell.get("kind") == "generic":
        return _generic(where, cell, filled)
    if cell.get("kind") == "torque":
        return _torque(where, cell, filled)
    if "sge_root" not in cell:
        root = take(environ, "SGE_ROOT", words.path, filled.problems)
        name = take(environ, "SGE_CELL", words.sge_cell, filled.problems)
        port = take(environ, "SGE_QMASTER_PORT", words.port, filled.problems)
        probe = cell.get("probe", {})
        if environ.get("SGE_ROOT"):
            # A bad variable is a problem already; a missing key must not become a second one.
            cell["sge_root"] = str(root or "/")
            filled.origins[*where, "sge_root"] = "SGE_ROOT"
        if name is not None and "sge_cell" not in cell:
            cell["sge_cell"] = name
            filled.origins[*where, "sge_cell"] = "SGE_CELL"
        if port is not None and isinstance(probe, dict) and "port" not in probe:
            cell["probe"] = {**probe, "port": port}
            filled.origins[*where, "probe", "port"] = "SGE_QMASTER_PORT"
    if "sge_cell" not in cell:
        cell["sge_cell"] = "default"
        filled.origins[*where, "sge_cell"] = DEFAULT
    if "name" not in cell:
        cell["name"] = cell["sge_cell"]
        variable = filled.origins.get((*where, "sge_cell"))
        filled.origins[*where, "name"] = "SGE_CELL" if variable == "SGE_CELL" else DERIVED
    return cell


def _generic(where: KeyPath, cell: dict[str, Any], filled: Filled) -> dict[str, Any]:
    """Complete a generic cell, of which the ancestor's variables say nothing."""
    for key, seconds in GENERIC.items():
        if key not in cell:
            cell[key] = seconds
            filled.origins[*where, key] = DEFAULT
    if "name" not in cell and isinstance(cell.get("directory"), str):
        cell["name"] = cell["directory"].rstrip("/").rpartition("/")[2]
        filled.origins[*where, "name"] = DERIVED
    return cell


def _torque(where: KeyPath, cell: dict[str, Any], filled: Filled) -> dict[str, Any]:
    """Complete a TORQUE cell: one lock and one interval to look at it, and the usual server."""
    for key, value in TORQUE.items():
        if key not in cell:
            cell[key] = value
            filled.origins[*where, key] = DEFAULT
    if "step_down_timeout" not in cell and filled.origins.get((*where, "stale_after")) == DEFAULT:
        cell["step_down_timeout"] = STEP_DOWN
        filled.origins[*where, "step_down_timeout"] = DEFAULT
    directory, launch = cell["directory"], cell.get("launch", {})
    derived = dict.fromkeys(("check_interval", "notice_interval"), cell["retry_interval"])
    if isinstance(directory, str):
        above, _, last = directory.rstrip("/").rpartition("/")
        # The name of server_priv says nothing; that of TORQUE's home does.
        derived["name"] = last if last != "server_priv" else above.rpartition("/")[2] or last
        derived["lock_file"] = f"{directory.rstrip('/')}/server.lock"
    for key, value in derived.items():
        if key not in cell:
            cell[key] = value
            filled.origins[*where, key] = DERIVED
    if isinstance(launch, dict) and "command" not in launch:
        cell["launch"] = {**launch, "command": list(PBS_SERVER)}
        filled.origins[*where, "launch", "command"] = DEFAULT
    return cell


def _no_cell(source: Source) -> ConfigError:
    if source.path is None:
        remedy = f"set SGE_ROOT (and SGE_CELL), or write {SYSTEM_FILE}"
        return ConfigError("SGE_ROOT", f"is not set, and there is no {SYSTEM_FILE}", remedy)
    remedy = 'write [[cell]] and below it sge_root = "/path/of/SGE_ROOT", or set SGE_ROOT'
    return ConfigError(str(source.path), "has no [[cell]], and SGE_ROOT is not set", remedy)
