"""The configuration file as text and as a document, read once, with a bound on everything.

The file is local and read before anything else runs, yet it may be a FIFO, a directory, a device or the
wrong two gigabytes; each is an error with the file's name and never a hang. This module refuses to know
what any key means.
"""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from shadowd.config.syntax import hazard
from shadowd.errors import ConfigError

SYSTEM_FILE = Path("/etc/shadowd/shadowd.toml")
LARGEST = 1 << 20
"""Bytes. A thousand cells need a fifth of it."""

_POSITION = re.compile(r" ?\(at line (\d+), column (\d+)\)")


class Source(NamedTuple):
    """One file, or none (``path`` is None): then the environment alone describes the cell.

    A NamedTuple and no dataclass: the light reader imports this, and dataclasses cost it 4 ms.
    """

    path: Path | None
    text: str
    document: dict[str, Any]
    others_write: str = ""
    """Who else may change the file, which names programs that run as the daemon, and the remedy; or empty."""
    read_by_all: bool = False
    """Everybody on this host may read it, and it may hold the password of a fence."""

    def at(self, line: int | None) -> str:
        """Return the file and, where known, the line, as compilers write it."""
        name = str(self.path) if self.path else "environment"
        return f"{name}:{line}" if self.path and line else name


NO_FILE = Source(None, "", {})


def find(path: Path | None, environ: Mapping[str, str], system: Path = SYSTEM_FILE) -> Path | None:
    """Return the file to read: the argument, SHADOWD_CONFIG, the system's file if present, or None.

    A file that was asked for by name must exist; the system's may be absent.
    """
    if path is not None:
        return path
    if environ.get("SHADOWD_CONFIG"):
        return Path(environ["SHADOWD_CONFIG"])
    try:
        system.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return system  # present but not ours to see: the read says why
    return system


def read(path: Path | None) -> Source:
    """Read and parse a file; None gives the empty document."""
    if path is None:
        return NO_FILE
    raw, status = _bytes(path)
    text = _decode(path, raw)
    found = hazard(text)
    if found is not None:
        raise ConfigError(f"{path}:{found[0]}", found[1], "write the table as a [header] of its own")
    return Source(
        path,
        text,
        _parse(path, text),
        others_write=_others(path, status),
        read_by_all=bool(status.st_mode & stat.S_IROTH),
    )


def _others(path: Path, status: os.stat_result) -> str:
    """Say who else may change this file or put another in its place, by owner and mode."""
    found = [(path, status)]
    for directory in dict.fromkeys((path.parent, path.resolve().parent)):
        try:
            found.append((directory, directory.stat()))
        except OSError:  # gone, or not ours to see: then whoever asks next is told so
            continue
    for place, seen in found:
        if seen.st_uid not in {0, os.geteuid()}:
            return f"{place}: belongs to uid {seen.st_uid}, who may change it; chown root"
        sticky = stat.S_ISDIR(seen.st_mode) and seen.st_mode & stat.S_ISVTX
        if seen.st_mode & stat.S_IWOTH and not sticky:
            return f"{place}: everybody may write this {_kind(seen)}; chmod o-w"
        if seen.st_mode & stat.S_IWGRP and seen.st_gid not in {0, os.getegid()} and not sticky:
            return f"{place}: group {seen.st_gid} may write this {_kind(seen)}; chmod g-w"
    return ""


def _kind(status: os.stat_result) -> str:
    return "directory" if stat.S_ISDIR(status.st_mode) else "file"


def _bytes(path: Path) -> tuple[bytes, os.stat_result]:
    """Return content and status of a regular file of bounded size; never waits for a writer."""
    remedy = "name the file with --config FILE or SHADOWD_CONFIG"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except FileNotFoundError as error:
        raise ConfigError(str(path), "there is no such file", remedy) from error
    except PermissionError as error:
        raise ConfigError(str(path), "permission denied", "run as its owner, or chmod it") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(ascii(str(path)), f"cannot be opened: {reason}", remedy) from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(str(path), "is not a regular file", remedy)
        with os.fdopen(fd, "rb", closefd=False) as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}", remedy) from error
    finally:
        os.close(fd)
    if len(content) > LARGEST:
        raise ConfigError(str(path), f"is larger than {LARGEST} bytes", "is it the right file?")
    return content, status


def _decode(path: Path, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}", "is not UTF-8 text", "save the file as UTF-8") from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - without a file nobody pays for the parser

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        position = _POSITION.search(str(error))
        where = f"{path}:{position[1]}" if position else str(path)
        reason = f"is not TOML: {_POSITION.sub('', str(error))}"
        remedy = f"look at column {position[2]}" if position else "see https://toml.io"
        raise ConfigError(where, reason, remedy) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            str(path), f"is not TOML that can be read: {error}", "see https://toml.io"
        ) from error
