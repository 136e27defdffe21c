"""The daemon: its signals, its one loop, the words from outside, and a quick way out.

It leaves in under a second whatever hangs, and never stops a master by leaving: the next daemon recognises
it. What becomes of each cell is the business of ``cells``. Nothing here decides about a takeover.
"""

import contextlib
import os
import resource
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from shadowd import __version__
from shadowd.adapters.clock import SystemClock
from shadowd.adapters.control import ControlServer
from shadowd.adapters.hardware import HardwareWatchdog
from shadowd.adapters.hints import Hints
from shadowd.adapters.instance import ensure_directory
from shadowd.adapters.procfs import become_subreaper
from shadowd.adapters.service import ServiceManager
from shadowd.adapters.user import become
from shadowd.adapters.wakeup import EventWaker, Watches
from shadowd.app.cells import Cells
from shadowd.app.enforcing import Enforcement
from shadowd.config.load import Loaded
from shadowd.config.models import Settings
from shadowd.config.tables import LogSettings
from shadowd.core.actions import Level
from shadowd.core.events import TakeoverAsked
from shadowd.errors import ConfigError
from shadowd.log.setup import Logs, Style, announce, set_up
from shadowd.runtime.loop import Loop
from shadowd.runtime.workers import Job, Workers

_FIRST_LOOK = 20.0
"""Seconds that the start waits for the cells' files; a cell that is slower is served when it answers."""
_HARDWARE_LIMIT = 10
"""Seconds: the decision loop may sleep for half of that."""
_KEPT_WORKERS = 8
"""Threads for requests that are there from the beginning: enough for a cell with a master."""
_TOLD_FOR = 60.0
"""Seconds until the same trouble is told again."""
_MOST_TROUBLES = 100
_STYLES = {"console": Style.CONSOLE, "json": Style.JSON, "journald": Style.JOURNAL}
_LEVELS = {
    "debug": Level.INFO,
    "info": Level.INFO,
    "warning": Level.WARNING,
    "error": Level.ALARM,
    "critical": Level.ALARM,
}
_AT_START = ("host", "runtime_dir", "state_dir", "watch", "hints", "hint_port", "hardware_watchdog")
"""Keys that name what a running daemon holds on to: a reload leaves them as they are, and says so."""


class Daemon:
    """Serves the cells of one configuration, which ``load`` reads, until told to stop.

    ``silent`` keeps the log off standard error. Raises what ``load`` raises.
    """

    def __init__(self, load: Callable[[], Loaded], environ: Mapping[str, str], *, silent: bool) -> None:
        def trusted() -> Loaded:
            return load().trusted(os.geteuid())

        self._load_settings = trusted
        self._environ = environ
        self._silent = silent
        self._loaded = loaded = self._load_settings()
        self._logs: Logs = logs_for(loaded.settings.log, environ, silent=silent)
        self._waker = EventWaker()
        self._service = ServiceManager(environ)
        self._clock = clock = SystemClock()
        self._troubles: dict[str, float] = {}
        self._loop = Loop(
            clock,
            self._waker,
            alive=self._alive,
            longest=self._service.ping_every,
            failed=lambda error: self._trouble(f"{type(error).__name__}: {error}"),
        )
        self._workers = Workers(kept=_KEPT_WORKERS, failed=self._trouble)
        self._enforcement = Enforcement(clock, self._loop.post, silent=silent)
        self._cells = Cells(
            loop=self._loop,
            clock=clock,
            submit=self._in_worker,
            environ=environ,
            settings=loaded.settings,
            watches=Watches(unavailable=lambda why: announce("watch.unavailable", detail=why)),
            leased=self._enforcement.needed,
        )
        self._control: ControlServer | None = None
        self._hardware = hardware_of(loaded.settings)
        self._told_to_stop = False
        self._loading = False
        self._load_again = False

    def serve(self, ready: Callable[[], None]) -> NoReturn:
        """Run until a signal says stop; raises ShadowdError if no cell can be served."""
        settings = self._loaded.settings
        ensure_directory(settings.runtime_dir)
        _allow_many_files()
        become_subreaper()
        self._listen_to_signals()
        for warning in self._loaded.warnings():
            announce("config.warning", detail=warning)
        self._cells.hints = self._hear_hints()
        self._cells.adopt(settings)
        self._enforcement.appoint(settings)
        self._take_first_look()
        self._control = ControlServer(settings.runtime_dir, self._answer)
        announce("daemon.started", version=__version__, cells=len(settings.cells), pid=os.getpid())
        self._cells.speak()
        self._service.ready(f"{self._cells.served} of {len(settings.cells)} cells")
        ready()
        self._loop.run()
        self._leave()

    def _trouble(self, detail: str) -> None:
        """Say what failed, and not each second; any thread may call this."""
        now = time.monotonic()
        if now >= self._troubles.get(detail, 0.0):
            if len(self._troubles) >= _MOST_TROUBLES:
                self._troubles.clear()
            self._troubles[detail] = now + _TOLD_FOR
            announce("daemon.trouble", detail=detail[:500])

    def _alive(self) -> None:
        """Tell whoever watches the decision loop that it took a turn."""
        self._workers.catch_up()
        self._service.alive()
        if self._hardware is not None:
            ends = [runner.answers_until for runner in self._loop.runners.values()]
            self._hardware.attend([end for end in ends if end is not None], self._clock.now())

    def _hear_hints(self) -> Hints | None:
        """Open the socket for hints, where they are wanted; without it everything is only a little later."""
        settings = self._loaded.settings
        if not settings.hints:
            return None
        try:
            hints = Hints(settings.hint_port, serves=self._cells.serves, woken=self._cells.wake)
        except OSError as error:
            port = f"UDP port {settings.hint_port or 'of the kernel'}"
            announce("hints.unavailable", detail=f"{port}: {error.strerror or error}")
            return None
        hints.start()
        return hints

    def _take_first_look(self) -> None:
        """Let the cells begin, and wait a bounded time for those that are slow.

        Without a cell to serve there is nothing to do, unless a master of ours may be running all the same.
        """
        ends = time.monotonic() + _FIRST_LOOK
        while self._cells.undecided and time.monotonic() < ends:
            self._waker.wait(min(self._loop.patience(), ends - time.monotonic()))
            self._loop.turn()
            if self._told_to_stop:
                self._leave()
        if not (self._cells.served or self._cells.keeping or self._cells.waiting):
            raise self._cells.problem

    def _in_worker(self, job: Job) -> None:
        """Run a job that may hang, beginning as ourselves whatever the worker did before."""

        def run() -> None:
            become(None)
            job()

        self._workers.submit(run)

    # --- words from outside --------------------------------------------------------------------------

    def _listen_to_signals(self) -> None:
        signal.set_wakeup_fd(self._waker.signal_fd, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, lambda *_: self._loop.post(self._reload))

    def _stop(self, *_: object) -> None:
        self._told_to_stop = True
        self._loop.stop()

    def _answer(self, request: dict[str, Any], who: str) -> dict[str, Any]:
        """Answer a verb; called on the control server's thread."""
        do, name, by = (_word(request.get(key, "")) for key in ("do", "cell", "by"))
        if do not in {"takeover", "migrate"}:
            return {"error": "this daemon does not know what is asked; is it of another version?"}
        if not self._cells.serves(name):
            return {"error": f"this daemon does not serve a cell {name!r}"}
        asked = TakeoverAsked(f"{by} ({who})", migrate=do == "migrate")
        self._loop.post(lambda: self._cells.feed(name, asked))
        return {"done": "asked"}

    def _reload(self) -> None:
        """Read the configuration on a worker; one reading at a time, so that the last one counts."""
        self._logs.reopen()
        if self._loading:
            self._load_again = True
            return
        self._loading = True
        self._service.reloading()
        self._in_worker(self._load)

    def _load(self) -> None:
        try:
            loaded = self._load_settings()
        except ConfigError as error:
            problem = str(error)
            self._loop.post(lambda: self._keep(problem))
            return
        self._loop.post(lambda: self._adopt(loaded))

    def _keep(self, problem: str) -> None:
        announce("daemon.reload_failed", detail=problem)
        self._loaded_as("the old configuration is in force")

    def _adopt(self, loaded: Loaded) -> None:
        """Put a new configuration in force."""
        before, settings = self._loaded.settings, loaded.settings
        for warning in loaded.warnings():
            announce("config.warning", detail=warning)
        for key in _AT_START:
            if getattr(before, key) != getattr(settings, key):
                announce("config.warning", detail=f"{key}: a new value counts from the next start on")
        settings = settings.model_copy(update={key: getattr(before, key) for key in _AT_START})
        self._loaded = Loaded(settings, loaded.source, loaded.origins, loaded.lines)
        if settings.log != before.log:
            self._logs.close()
            self._logs = logs_for(settings.log, self._environ, silent=self._silent)
        changed = self._cells.adopt(settings)
        self._enforcement.appoint(settings)
        announce("daemon.reloaded", changed=changed, cells=len(settings.cells))
        self._loaded_as(f"{len(settings.cells)} cells")

    def _loaded_as(self, status: str) -> None:
        self._loading = False
        self._service.ready(status)
        if self._load_again:
            self._load_again = False
            self._reload()

    def _leave(self) -> NoReturn:
        """End at once: a worker that hangs in the kernel would hold an orderly exit for ever."""
        announce("daemon.stopping", pid=os.getpid())
        self._service.stopping()
        self._enforcement.dismiss()
        if self._control is not None:
            self._control.close()
        if self._hardware is not None:
            self._hardware.close()
        self._logs.close()
        os._exit(0)


def _word(value: object) -> str:
    """Return a word of a request, fit for a log and a terminal; empty for what is no text."""
    text = value if isinstance(value, str) else ""
    return "".join(char if char.isprintable() else "?" for char in text[:100])


def hardware_of(settings: Settings) -> HardwareWatchdog | None:
    """Return the hardware watchdog where one is configured.

    Its time limit is how long stopping a master may take: the others wait that long after a lease.
    """
    path = settings.hardware_watchdog
    if path is None:
        return None
    limit = min(cell.timing().step_down_timeout for cell in settings.cells)
    return HardwareWatchdog(
        path, max(_HARDWARE_LIMIT, int(limit)), lambda event, detail: announce(event, detail=detail)
    )


def logs_for(settings: LogSettings, environ: Mapping[str, str], *, silent: bool) -> Logs:
    """Set logging up as configured, and make the log file's directory where only that is missing."""
    style = None if settings.format == "auto" else _STYLES[settings.format]
    if settings.file is not None:
        # The sink says why the file cannot be written, if it cannot.
        with contextlib.suppress(OSError):
            settings.file.parent.mkdir(mode=0o750)
    return set_up(
        environ=environ, file=settings.file, style=style, minimum=_LEVELS[settings.level], silent=silent
    )


def _allow_many_files() -> None:
    """Each cell keeps a descriptor for its instance lock; take what the hard limit gives."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 65536) if hard != resource.RLIM_INFINITY else 65536
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
