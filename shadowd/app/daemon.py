"""The daemon: its signals, its cells, its one loop, and a quick way out.

It serves what it can: a cell whose files cannot be found is reported, tried again each minute, and delays no
other. It leaves in under a second whatever hangs, and never stops a master by leaving: the next daemon
recognises it. Nothing here decides about a takeover.
"""

import os
import resource
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from shadowd import __version__
from shadowd.adapters.clock import SystemClock
from shadowd.adapters.control import ControlServer
from shadowd.adapters.instance import ensure_directory, lock_instance
from shadowd.adapters.procfs import become_subreaper
from shadowd.adapters.publish import replace_file
from shadowd.adapters.service import ServiceManager
from shadowd.adapters.user import become
from shadowd.adapters.wakeup import EventWaker, Watches
from shadowd.app.wiring import Prepared, assemble, prepare
from shadowd.config.load import Loaded, examine
from shadowd.config.models import CellSettings, LogSettings, Settings
from shadowd.core.actions import Level
from shadowd.core.events import TakeoverAsked, Woken
from shadowd.errors import CellError, ConfigError, ShadowdError
from shadowd.log.setup import Logs, Style, announce, set_up
from shadowd.runtime.loop import Loop
from shadowd.runtime.workers import Job, Workers

_TRY_AGAIN = 60.0
_FIRST_LOOK = 20.0
"""Seconds that the start waits for the cells' files; a cell that is slower is served when it answers."""
_STYLES = {"console": Style.CONSOLE, "json": Style.JSON, "journald": Style.JOURNAL}
_LEVELS = {
    "debug": Level.INFO,
    "info": Level.INFO,
    "warning": Level.WARNING,
    "error": Level.ALARM,
    "critical": Level.ALARM,
}
_WATCHED = ("heartbeat", "lock")


class Daemon:
    """Serves the cells of one configuration until told to stop."""

    def __init__(self, path: Path | None, environ: Mapping[str, str], loaded: Loaded, logs: Logs) -> None:
        self._path = path
        self._environ = environ
        self._logs = logs
        self._loaded = loaded
        self._clock = SystemClock()
        self._waker = EventWaker()
        self._service = ServiceManager(environ)
        self._loop = Loop(self._clock, self._waker, alive=self._service.alive)
        self._workers = Workers()
        self._watches = Watches(unavailable=lambda why: announce("watch.unavailable", detail=why))
        self._locks: dict[str, int] = {}
        self._prepared: dict[str, Prepared] = {}
        self._wanted: dict[str, CellSettings] = {}
        self._failed: dict[str, CellSettings] = {}

    @property
    def _settings(self) -> Settings:
        return self._loaded.settings

    def start(self) -> None:
        """Find the cells; raises ShadowdError if none can be served."""
        ensure_directory(self._settings.runtime_dir)
        _allow_many_files()
        become_subreaper()
        for warning in self._loaded.warnings():
            announce("config.warning", detail=warning)
        self._wanted = {cell.name: cell for cell in self._settings.cells}
        problems = self._prepare_first()
        if problems and not self._prepared:
            raise next(iter(problems.values()))
        for name, problem in problems.items():
            self._disabled(name, problem)

    def serve(self, ready: Callable[[], None]) -> NoReturn:
        """Run until a signal says stop; never returns."""
        for name in tuple(self._prepared):
            self._begin(name)
        self._in_worker(self._try_again)
        ControlServer(self._settings.runtime_dir / f"control-{os.getpid()}.sock", self._answer)
        signal.set_wakeup_fd(self._waker.signal_fd, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._loop.stop())
        signal.signal(signal.SIGHUP, lambda *_: self._loop.post(self._reload))
        announce("daemon.started", version=__version__, cells=len(self._wanted), pid=os.getpid())
        self._service.ready(f"{len(self._loop.runners)} of {len(self._wanted)} cells")
        ready()
        self._loop.run()
        self._leave()

    # --- cells -------------------------------------------------------------------------------------

    def _prepare_first(self) -> dict[str, ShadowdError]:
        """Prepare all cells at once, and wait for them a bounded time."""
        problems: dict[str, ShadowdError] = {}
        missing = set(self._wanted)
        answers: list[tuple[str, Prepared | ShadowdError]] = []
        for cell in self._settings.cells:
            self._in_worker(lambda cell=cell: answers.append((cell.name, self._try(cell))))  # type: ignore[misc]
        ends = time.monotonic() + _FIRST_LOOK
        while missing and time.monotonic() < ends:
            while answers:
                name, answer = answers.pop()
                missing.discard(name)
                self._take(name, answer, problems)
            time.sleep(0.002)
        for name in missing:
            problems[name] = CellError(
                name, "its files do not answer", "is its file system mounted and alive?"
            )
        return problems

    def _take(self, name: str, answer: Prepared | ShadowdError, problems: dict[str, ShadowdError]) -> None:
        if isinstance(answer, ShadowdError):
            problems[name] = answer
            return
        try:
            self._locks[name] = lock_instance(answer.stem.with_name(f"{answer.stem.name}.lock"))
        except ShadowdError as error:
            problems[name] = error
            return
        self._prepared[name] = answer

    def _try(self, cell: CellSettings) -> Prepared | ShadowdError:
        try:
            return prepare(self._settings, cell, self._environ)
        except ShadowdError as error:
            return error
        except OSError as error:
            return CellError(str(cell.directory), f"cannot be read: {error}", "is it mounted?")

    def _begin(self, name: str) -> None:
        prepared = self._prepared[name]
        runner = assemble(
            prepared,
            clock=self._clock,
            submit=self._in_worker,
            post=self._loop.post,
            ended=lambda cell: self._loop.post(lambda: self._wake(cell)),
            environ=self._environ,
            spool_log=self._settings.log.spool,
        )
        self._loop.runners[name] = runner
        runner.in_background(lambda: _write_pid_file(prepared))
        if self._settings.watch:
            wake: Job = lambda: self._loop.post(lambda: self._wake(name))  # noqa: E731
            for directory, names in (
                (prepared.cell.spool, _WATCHED),
                (prepared.cell.common, ("act_qmaster", "shadow_masters")),
            ):
                self._in_worker(lambda d=directory, n=names: self._watches.watch(d, n, wake))  # type: ignore[misc]

    def _wake(self, name: str) -> None:
        runner = self._loop.runners.get(name)
        if runner is not None:
            runner.feed(Woken())

    def _disabled(self, name: str, problem: ShadowdError) -> None:
        """Say once why a cell is not served, and remember to try it again."""
        if name not in self._failed:
            announce("cell.disabled", cell=name, detail=str(problem))
        self._failed[name] = self._wanted[name]

    def _try_again(self) -> None:
        """Try the cells that cannot be served again and again, on a worker of its own."""
        while True:
            time.sleep(_TRY_AGAIN)
            for cell in tuple(self._failed.values()):
                self._in_worker(lambda cell=cell: self._offer(cell))  # type: ignore[misc]

    def _offer(self, cell: CellSettings) -> None:
        """Look at a cell's files on a worker, and begin it on the decision thread if they are well."""
        answer = self._try(cell)

        def take() -> None:
            if self._wanted.get(cell.name) is not cell or cell.name in self._loop.runners:
                return
            problems: dict[str, ShadowdError] = {}
            self._take(cell.name, answer, problems)
            if problems:
                self._disabled(cell.name, problems[cell.name])
            else:
                self._failed.pop(cell.name, None)
                self._begin(cell.name)

        self._loop.post(take)

    def _in_worker(self, job: Job) -> None:
        """Run a job that may hang, beginning as ourselves whatever the worker did before."""

        def run() -> None:
            become(None)
            job()

        self._workers.submit(run)

    # --- words from outside --------------------------------------------------------------------------

    def _answer(self, request: dict[str, Any], who: str) -> dict[str, Any]:
        """Answer a verb; called on the control server's thread."""
        name = str(request.get("cell", ""))
        if request.get("do") != "takeover":
            return {"error": "this daemon does not know what is asked; is it of another version?"}
        if name not in self._loop.runners:
            return {"error": f"this daemon does not serve a cell {name!r}"}
        by = str(request.get("by", ""))[:100]
        self._loop.post(lambda: self._loop.runners[name].feed(TakeoverAsked(f"{by} ({who})")))
        return {"done": "asked"}

    def _reload(self) -> None:
        self._service.reloading()
        self._logs.reopen()
        self._in_worker(self._load_again)

    def _load_again(self) -> None:
        try:
            loaded = examine(self._path, self._environ)
        except ConfigError as error:
            problem = str(error)
            self._loop.post(lambda: self._keep(problem))
            return
        self._loop.post(lambda: self._adopt(loaded))

    def _keep(self, problem: str) -> None:
        announce("daemon.reload_failed", detail=problem)
        self._service.ready("the old configuration is in force")

    def _adopt(self, loaded: Loaded) -> None:
        """Put a new configuration in force: cells that it leaves as they are go on undisturbed."""
        before, self._loaded = self._wanted, loaded
        self._failed.clear()
        self._wanted = {cell.name: cell for cell in loaded.settings.cells}
        changed = [name for name, cell in before.items() if self._wanted.get(name) != cell]
        for name in changed:
            self._end(name)
        for name, cell in self._wanted.items():
            if name in changed or name not in before:
                self._in_worker(lambda cell=cell: self._offer(cell))  # type: ignore[misc]
            else:
                self._wanted[name] = before[name]
        announce("daemon.reloaded", changed=len(changed), cells=len(self._wanted))
        self._service.ready(f"{len(self._wanted)} cells")

    def _end(self, name: str) -> None:
        self._loop.runners.pop(name, None)
        self._prepared.pop(name, None)
        descriptor = self._locks.pop(name, None)
        if descriptor is not None:
            os.close(descriptor)

    def _leave(self) -> NoReturn:
        """End at once: a worker that hangs in the kernel would hold an orderly exit for ever."""
        announce("daemon.stopping", pid=os.getpid())
        self._service.stopping()
        self._logs.close()
        os._exit(0)


def logs_for(settings: LogSettings, environ: Mapping[str, str]) -> Logs:
    """Set logging up as configured."""
    style = None if settings.format == "auto" else _STYLES[settings.format]
    return set_up(environ=environ, file=settings.file, style=style, minimum=_LEVELS[settings.level])


def _write_pid_file(prepared: Prepared) -> None:
    """Write the ancestor's pid file, by which the stock startup script finds us."""
    become(prepared.user)
    replace_file(prepared.cell.spool / f"shadowd_{prepared.full_name}.pid", f"{os.getpid()}\n".encode())


def _allow_many_files() -> None:
    """Each cell keeps a descriptor for its instance lock; take what the hard limit gives."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 65536) if hard != resource.RLIM_INFINITY else 65536
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
