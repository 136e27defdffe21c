"""A Grid Engine cell as its installation describes it: where it spools, who owns it, what it starts.

Why here and not in the configuration: the master reads the same file, and two descriptions of one cell
would disagree one day. Sources: bootstrap(5), sge_conf(5), GRIDENGINE.md ("Files"). ``bootstrap`` counts;
releases 5.x, which have none, keep the keys in ``common/configuration``. Reading is as forgiving as
Grid Engine's own (keys without regard to case, the last line of a key wins, '#' lines are comments), but
a missing or impossible value is an error that names file, reason and remedy.

Refuses to go on with a cell that it understood half (a wrong spool directory or owner would make every
later answer wrong), to create anything, and to look at the spool directory: that may be down for now,
and is reported by the reads. Called at start and reload, off the decision thread: it may hang.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shadowd.adapters.cellfiles import CellPaths
from shadowd.adapters.hostnames import HostNames, parse_aliases
from shadowd.adapters.reading import read_small
from shadowd.core.values import Problem, Unknown
from shadowd.errors import CellError, ConfigError

DEFAULT_CELL = "default"
DEFAULT_PORT = 6444  # IANA's number for sge_qmaster
MASTER = "sge_qmaster"
_LIMIT = 1024 * 1024
_SERVICE = "sge_qmaster"
_PORT_VARIABLE = "SGE_QMASTER_PORT"
_CELL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@-]{0,254}")
_USER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\-]{0,254}\$?")
_YES = frozenset({"true", "t", "1", "yes", "y"})
_NO = frozenset({"false", "f", "0", "no", "n"})


@dataclass(frozen=True, slots=True)
class GridEngineCell:
    """One cell of one installation."""

    root: Path
    name: str
    common: Path
    spool: Path
    """qmaster_spool_dir."""
    admin_user: str | None
    """Whose files they are; None for root."""
    binary_path: Path
    ignore_fqdn: bool
    default_domain: str | None
    encrypted: bool = False
    """security_mode csp: the master's port speaks TLS."""
    spooling: tuple[Path, ...] = ()
    """The directories of spooling_params."""

    @property
    def shared(self) -> tuple[Path, ...]:
        """Return the directories of the master's data besides its spool, where the hosts' records are."""
        found = dict.fromkeys((self.common, *self.spooling))
        return tuple(path for path in found if path != self.spool)

    @property
    def paths(self) -> CellPaths:
        """Return where the cell's files lie."""
        return CellPaths(
            spool=self.spool,
            lock=self.spool / "lock",
            beat=self.spool / "heartbeat",
            active=self.common / "act_qmaster",
            shadows=self.common / "shadow_masters",
            pid_file=self.spool / "qmaster.pid",
        )

    @property
    def environment(self) -> tuple[tuple[str, str], ...]:
        """Return the variables by which Grid Engine's programs find this cell."""
        return (("SGE_ROOT", str(self.root)), ("SGE_CELL", self.name))


def discover(sge_root: Path, sge_cell: str = DEFAULT_CELL) -> GridEngineCell:
    """Read what the installation says about a cell; raises ``CellError``."""
    name = sge_cell or DEFAULT_CELL
    if not sge_root.is_absolute():
        raise CellError("SGE_ROOT", f"{str(sge_root)!r} is no absolute path", "set it to the installation")
    if not _CELL_NAME.fullmatch(name):
        raise CellError("SGE_CELL", f"{name!r} is no cell name", "it is a folder of SGE_ROOT, by name only")
    common = sge_root / name / "common"
    source, values = _settings(common)
    return GridEngineCell(
        root=sge_root,
        name=name,
        common=common,
        spool=_path(source, values, "qmaster_spool_dir", None),
        admin_user=_admin_user(source, values),
        binary_path=_path(source, values, "binary_path", sge_root / "bin"),
        ignore_fqdn=_ignore_fqdn(source, values),
        default_domain=_not_none(values.get("default_domain")),
        encrypted=values.get("security_mode", "").lower() == "csp",
        spooling=_spooling(values.get("spooling_params", "")),
    )


def host_names(cell: GridEngineCell) -> HostNames:
    """Return the cell's rules for host names, host_aliases included; raises ``CellError``."""
    path = cell.common / "host_aliases"
    data = read_small(path, _LIMIT)
    if isinstance(data, Unknown):
        if data.problem is not Problem.MISSING:
            raise _unusable(data)
        data = b""
    return HostNames(cell.ignore_fqdn, cell.default_domain, parse_aliases(data))


def qmaster_port(environment: Mapping[str, str]) -> int:
    """Return the master's TCP port: SGE_QMASTER_PORT, else the service sge_qmaster, else 6444."""
    text = environment.get(_PORT_VARIABLE, "").strip()
    if text:
        if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or not 1 <= int(text) <= 65535:
            raise ConfigError(
                _PORT_VARIABLE, f"{text[:40]!r} is no port number", "use 1 to 65535, or unset it"
            )
        return int(text)
    import socket  # noqa: PLC0415 - `status` runs every minute and never comes here

    try:
        return socket.getservbyname(_SERVICE, "tcp")
    except OSError:
        return DEFAULT_PORT


def _settings(common: Path) -> tuple[Path, dict[str, str]]:
    """Return the file that describes the cell, and its keys."""
    bootstrap = common / "bootstrap"
    data = read_small(bootstrap, _LIMIT)
    if not isinstance(data, Unknown):
        return bootstrap, _pairs(bootstrap, data)
    if data.problem is not Problem.MISSING:
        raise _unusable(data)
    older = common / "configuration"
    data = read_small(older, _LIMIT)
    if isinstance(data, Unknown):
        if data.problem is not Problem.MISSING:
            raise _unusable(data)
        raise CellError(
            str(bootstrap),
            "there is no such file, and no configuration beside it",
            "check SGE_ROOT and SGE_CELL, and that the shared directory is mounted",
        )
    # What releases 5.x take for a missing key (sge_conf(5)); of the spool directory there is no default.
    return older, {"admin_user": "none", "ignore_fqdn": "true", **_pairs(older, data)}


def _pairs(path: Path, data: bytes) -> dict[str, str]:
    if b"\0" in data:
        raise CellError(str(path), "it is binary", "restore it: lines of a key, blanks and a value")
    pairs: dict[str, str] = {}
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        words = line.split(maxsplit=2)
        if len(words) >= 2 and not words[0].startswith("#"):
            pairs[words[0].lower()] = words[1]
    return pairs


def _path(source: Path, values: Mapping[str, str], key: str, default: Path | None) -> Path:
    text = values.get(key)
    if text is None:
        if default is None:
            raise _missing(source, key)
        return default
    if not text.startswith("/"):
        raise CellError(str(source), f"{key} {text!r} is no absolute path", "give it from / on")
    return Path(text)


def _spooling(text: str) -> tuple[Path, ...]:
    """Return the directories in spooling_params (bootstrap(5)).

    ``common;spool`` for classic spooling; for berkeleydb a directory, or ``host:directory`` of a server,
    which serves all hosts alike.
    """
    return tuple(Path(part) for part in text.split(";") if part.startswith("/"))


def _admin_user(source: Path, values: Mapping[str, str]) -> str | None:
    text = values.get("admin_user")
    if text is None:
        raise _missing(source, "admin_user")
    if not _USER_NAME.fullmatch(text):
        raise CellError(str(source), f"admin_user {text!r} is no user name", "name a user, or none for root")
    return _not_none(text)


def _ignore_fqdn(source: Path, values: Mapping[str, str]) -> bool:
    text = values.get("ignore_fqdn")
    if text is None:
        raise _missing(source, "ignore_fqdn")
    word = text.lower()
    if word not in _YES | _NO:
        raise CellError(str(source), f"ignore_fqdn {text!r} is neither true nor false", "use true or false")
    return word in _YES


def _not_none(text: str | None) -> str | None:
    return None if text is None or text.lower() == "none" else text


def _missing(source: Path, key: str) -> CellError:
    return CellError(str(source), f"it has no {key}", f"add a line '{key} value': Grid Engine needs it too")


def _unusable(problem: Unknown) -> CellError:
    reason = f"{problem.problem.value}: {problem.detail}" if problem.detail else problem.problem.value
    return CellError(
        problem.subject, reason, "it must be a readable file; check its permissions and the mount"
    )
