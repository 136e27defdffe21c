"""Which cells this host serves and where their local files lie: all that ``status`` and ``check`` need.

They run every minute from monitoring, and pydantic alone costs more than both may take. So this reader
checks only the keys that it returns, by the same functions as the models, and leaves the rest of the
file unread: a wrong timer stops the daemon, not the look at it. It refuses to know any other key.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from shadowd.config import words
from shadowd.config.environment import SYSTEM_RUNTIME_DIR
from shadowd.config.filling import DEFAULT, fill
from shadowd.config.source import Source, find, read
from shadowd.errors import ConfigError

T = TypeVar("T")


class LightFence(NamedTuple):
    """The program that switches hosts off, as far as it can be looked for."""

    program: str
    """A path, or the name of an agent."""
    required: bool


class LightCell(NamedTuple):
    """One cell, as far as its files are to be found."""

    name: str
    kind: str
    sge_root: Path | None
    """None in a cell of another kind."""
    sge_cell: str
    directory: Path
    """``$SGE_ROOT/$SGE_CELL``: ``common`` and, in most cells, ``spool`` lie in it. Else the shared one."""
    host: str | None
    """This machine's name in the cell where the file overrides it."""
    runtime_dir: Path
    fence: LightFence | None = None
    port: int | None = None
    """The master's, where the file or the environment says it."""
    addresses: Mapping[str, str] = {}
    """Address by host name, in place of the resolver."""
    send: str | None = None
    """What a generic cell's port is sent."""
    expect: str | None = None
    """What its master's reply contains."""
    user: str | None = None
    """Account of the pair."""
    server_lock: tuple[str, Path] | None = None
    """How TORQUE's server.lock is held, and where it lies."""
    readable: tuple[Path, ...] = ()
    """Runtime directories of other users' daemons in which this user may read, where nobody chose one."""


class LightSettings(NamedTuple):
    """What ``light_settings`` found."""

    path: Path | None
    """The file; None where the environment alone describes the cell."""
    host: str | None
    runtime_dir: Path
    cells: tuple[LightCell, ...]


def light_settings(path: Path | None, environ: Mapping[str, str]) -> LightSettings:
    """Read the minimum from file and environment; raises ConfigError on the first thing wrong."""
    source = read(find(path, environ))
    filled = fill(source, environ)
    if filled.problems:
        raise filled.problems[0]
    document = filled.document
    host = _take(document, "host", words.host_name, source) if "host" in document else None
    runtime_dir = _take(document, "runtime_dir", words.path, source)
    if not isinstance(document["cell"], list):
        raise ConfigError(str(source.path), "cell: is no list of tables", "write [[cell]], with two brackets")
    cells = tuple(_cell(cell, host, runtime_dir, source) for cell in document["cell"])
    if filled.origins.get(("runtime_dir",)) == DEFAULT and runtime_dir != SYSTEM_RUNTIME_DIR:
        cells = tuple(cell._replace(readable=(SYSTEM_RUNTIME_DIR,)) for cell in cells)
    return LightSettings(source.path, host, runtime_dir, cells)


def _cell(cell: Any, host: str | None, runtime_dir: Path, source: Source) -> LightCell:
    if not isinstance(cell, dict):
        raise ConfigError(str(source.path), "cell: is no table", "write [[cell]], with two brackets")
    kind = _take(cell, "kind", words.kind, source) if "kind" in cell else words.KINDS[0]
    name = _take(cell, "name", words.cell_name, source)
    if kind != "gridengine":
        place = _take(cell, "directory", words.path, source)
        lock = None
        if kind == "torque":
            lock = _take(cell, "lock", words.text, source), _take(cell, "lock_file", words.path, source)
        return LightCell(
            name, kind, None, "", place, host, runtime_dir, _fence(cell), *_probe(cell), _user(cell), lock
        )
    root = _take(cell, "sge_root", words.path, source)
    sge_cell = _take(cell, "sge_cell", words.sge_cell, source)
    return LightCell(
        name, kind, root, sge_cell, root / sge_cell, host, runtime_dir, _fence(cell), *_probe(cell)
    )


def _probe(cell: dict[str, Any]) -> tuple[int | None, Mapping[str, str], str | None, str | None]:
    """Return port, addresses, ``send`` and ``expect``, without what is wrong, which `run` tells."""
    probe, launch = (table if isinstance(table := cell.get(key), dict) else {} for key in ("probe", "launch"))
    variables, known = launch.get("environment"), probe.get("addresses")
    port = probe.get("port") or (variables.get("SGE_QMASTER_PORT") if isinstance(variables, dict) else None)
    addresses = known.items() if isinstance(known, dict) else ()
    found = {str(name).lower(): address for name, address in addresses if isinstance(address, str)}
    send, expect = (text if isinstance(text := probe.get(key), str) else None for key in ("send", "expect"))
    with suppress(ValueError):
        return None if port is None else words.port(port), found, send, expect
    return None, found, send, expect


def _user(cell: dict[str, Any]) -> str | None:
    """Return the account of the pair; None also where the table is wrong, which `run` tells with its line."""
    table = cell.get("launch")
    with suppress(ValueError):
        return words.user_name(table["user"]) if isinstance(table, dict) and "user" in table else None
    return None


def _fence(cell: dict[str, Any]) -> LightFence | None:
    """Return the fence of a cell; None also where the table is wrong, which `run` tells with its line."""
    table = cell.get("fence")
    if not isinstance(table, dict):
        return None
    required = table.get("required") is True
    with suppress(ValueError):
        if "command" in table:
            return LightFence(words.program(table["command"])[0], required)
        if "agent" in table:
            return LightFence(words.agent(table["agent"]), required)
    return None


def _take(table: dict[str, Any], key: str, meaning: Callable[[object], T], source: Source) -> T:
    """Return the value of a key that must be there."""
    subject, remedy = source.at(None), "run `shadowd config check` for lines and remedies"
    if key not in table:
        raise ConfigError(subject, f"{key} is missing", remedy)
    try:
        return meaning(table[key])
    except ValueError as error:
        raise ConfigError(subject, f"{key}: {error}", remedy) from error
