"""Sets up structlog: for a person on a terminal, for the journal, or as JSON; and a local JSON file.

structlog is told once, here, and used through ``announce`` alone. A line is rendered when it is said and
handed to sinks that never wait, so that logging cannot hold up a decision. An unwritable log file is
reported on the other sinks and stops nothing. This module refuses to log to a shared file system.
"""

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from enum import Enum
from pathlib import Path
from typing import Any, Final

import structlog

from shadowd.core.actions import Level
from shadowd.log import ancestor
from shadowd.log.events import usual_level
from shadowd.log.sinks import MAX_LINE, FileSink, Sink, StreamSink

Fields = MutableMapping[str, Any]
Render = Callable[[Fields], str]

_METHODS: Final = {Level.INFO: "info", Level.WARNING: "warning", Level.ALARM: "critical"}
_STAMP: Final = "%Y-%m-%dT%H:%M:%S.%f%z"
"""Local time with its offset: people compare it with the master's own log, programs need no guess."""
_PRIORITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


class Style(Enum):
    """How lines look on standard error."""

    CONSOLE = "console"
    JSON = "json"
    JOURNAL = "journal"
    """``<N>`` priorities, which systemd's journal takes off; no time, which it has."""


def pick_style(descriptor: int, environ: Mapping[str, str]) -> Style:
    """Choose by what the descriptor is: the journal's own socket, a terminal, or anything else."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return Style.JSON
    # A child of a service inherits the variable although its output goes elsewhere (systemd.exec(5)).
    if environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}":
        return Style.JOURNAL
    return Style.CONSOLE if os.isatty(descriptor) else Style.JSON


class Logs:
    """The sinks in use, and the logger that structlog writes to."""

    def __init__(
        self, descriptor: int, style: Style, file: Path | None, environ: Mapping[str, str], *, silent: bool
    ) -> None:
        self.style = style
        self._lock = threading.Lock()
        self._stream = StreamSink(descriptor)
        self._render = _renderer(style, descriptor, environ)
        self._outputs: list[tuple[Sink, Render]] = [] if silent else [(self._stream, self._render)]
        self._file = FileSink(file, self._unwritable) if file else None
        if self._file:
            self._outputs.append((self._file, _as_json))

    def reopen(self) -> None:
        """Open the log file afresh (SIGHUP)."""
        with self._lock:
            if self._file:
                self._file.close()

    close = reopen

    def msg(self, **fields: Any) -> None:
        """Take one finished event from structlog and give it to every sink."""
        # I/O workers complain too; the lock is held for writes that do not wait.
        with self._lock:
            for sink, render in self._outputs:
                sink.write(render(dict(fields)))

    debug = info = warning = error = critical = msg

    def _unwritable(self, problem: str) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        fields = {"event": "log.unwritable", "level": "warning", "detail": problem, "timestamp": stamp}
        self._stream.write(self._render(fields))


def set_up(
    *,
    descriptor: int = 2,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
    style: Style | None = None,
    minimum: Level = Level.INFO,
    silent: bool = False,
) -> Logs:
    """Configure structlog for this process; returns the sinks for SIGHUP and the end.

    ``silent``: the descriptor hears only that the file cannot be written; for a start from a terminal that
    belongs to somebody else afterwards.
    """
    environ = os.environ if environ is None else environ
    logs = Logs(descriptor, style or pick_style(descriptor, environ), file, environ, silent=silent)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt=_STAMP, utc=False),
            structlog.processors.format_exc_info,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_METHODS[minimum]),
        logger_factory=lambda *_: logs,
        cache_logger_on_first_use=False,
    )
    _adopt_libraries()
    return logs


def announce(name: str, *, level: Level | None = None, **fields: Any) -> None:
    """Say one event of the list; ``None`` fields are left out."""
    said = {key: value for key, value in fields.items() if value is not None}
    method = getattr(structlog.get_logger(), _METHODS[level or usual_level(name)])
    method(name, **said)


class _Adopted(logging.Handler):
    """Takes what libraries say through the standard library's logging."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            detail = record.getMessage()
        except (TypeError, ValueError):
            detail = str(record.msg)
        announce("library.message", library=record.name, detail=detail[:500])


def _adopt_libraries() -> None:
    root = logging.getLogger()
    if not any(isinstance(handler, _Adopted) for handler in root.handlers):
        root.addHandler(_Adopted(logging.WARNING))


def _renderer(style: Style, descriptor: int, environ: Mapping[str, str]) -> Render:
    if style is Style.JSON:
        return _as_json
    if style is Style.JOURNAL:
        return _for_journal
    plain = bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb" or not os.isatty(descriptor)
    console = structlog.dev.ConsoleRenderer(
        colors=not plain, pad_event_to=20, exception_formatter=structlog.dev.plain_traceback
    )
    return lambda fields: str(console(None, "", _for_terminal(fields)))


def _as_json(fields: Fields) -> str:
    text = json.dumps(fields, default=repr, ensure_ascii=True)
    if len(text) < MAX_LINE:
        return text
    # A line cut by the sink would be no JSON; long fields are cut instead.
    return json.dumps({key[:40]: _brief(str(value)) for key, value in list(fields.items())[:12]})


def _brief(value: str) -> str:
    return ancestor.one_line(value[:120]).encode("ascii", "replace").decode()


def _for_terminal(fields: Fields) -> Fields:
    """Strip what would move a terminal's cursor; the time of day is enough on a screen."""
    clean = {key: ancestor.one_line(v) if isinstance(v, str) else v for key, v in fields.items()}
    if "exception" in fields:
        clean["exception"] = fields["exception"]
    if "timestamp" in clean:
        clean["timestamp"] = str(clean["timestamp"])[11:19]
    return clean


def _for_journal(fields: Fields) -> str:
    level = str(fields.pop("level", "info"))
    fields.pop("timestamp", None)
    event, cell, text = (str(fields.pop(key, "")) for key in ("event", "cell", "text"))
    words = [f"{cell}:"] if cell else []
    words += [f"{event}:", text] if text else [event]
    words += [f"{key}={value}" for key, value in fields.items() if key != "host"]
    return ancestor.one_line(f"<{_PRIORITIES.get(level, 6)}>{' '.join(words)}")
