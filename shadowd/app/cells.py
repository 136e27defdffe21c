"""The cells of one daemon: looked at on workers, begun, ended and begun anew on the decision thread.

A cell that cannot be served (its files are missing, its mount hangs, another daemon has it) is reported once,
tried again each minute, and delays no other. At most one look at a cell is under way, so that a mount that
hangs holds one worker and not one more each minute.

A cell that a reload changes ends and begins like one of a daemon that was restarted: what runs here is
recognised by epoch and nonce. Its old machines decide nothing from then on, and the new ones begin when no
start of a process is under way any more. Nothing here decides about a takeover.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shadowd.adapters.clock import SystemClock
from shadowd.adapters.hints import Hints
from shadowd.adapters.instance import lock_instance
from shadowd.adapters.pairlog import shorten
from shadowd.adapters.wakeup import Watches
from shadowd.app.gridengine import write_pid_file
from shadowd.app.leases import KeptLeases, cells_with_leases
from shadowd.app.prepared import Prepared
from shadowd.app.wiring import Assembled, assemble, attempt, unserved
from shadowd.config.models import CellSettings, Settings
from shadowd.core.events import Event, Woken
from shadowd.errors import AlreadyRunningError, CellError, ShadowdError
from shadowd.log.setup import announce
from shadowd.runtime.loop import Loop
from shadowd.runtime.runner import Runner
from shadowd.runtime.workers import Job

_TRY_AGAIN = 60.0
_SOON = 0.1
_SPREAD = 60.0
"""Checks of many cells are spread over this time, or over their own interval if that is shorter."""


@dataclass(slots=True, eq=False)
class _Slot:
    """One cell of the configuration, served or not."""

    settings: CellSettings
    assembled: Assembled | None = None
    lock: int | None = None
    looking: bool = False
    keeping: bool = False
    """An earlier daemon's master may be running, and its lease is enforced without the cell's files."""
    problem: ShadowdError | None = None
    told: str = ""
    """What was reported last."""


@dataclass(slots=True)
class Cells:
    """All cells. Used on the decision thread only; ``leased`` hears on any thread that a lease was kept."""

    loop: Loop
    clock: SystemClock
    submit: Callable[[Job], None]
    """Runs a job that may hang."""
    environ: Mapping[str, str]
    settings: Settings
    watches: Watches
    leased: Callable[[], None]
    hints: Hints | None = None
    _slots: dict[str, _Slot] = field(default_factory=dict)
    _leaving: list[Runner] = field(default_factory=list)
    _quiet: bool = True

    @property
    def undecided(self) -> bool:
        """True while the first look at some cell is under way."""
        return any(slot.looking for slot in self._slots.values())

    @property
    def served(self) -> int:
        """How many cells are served."""
        return len(self.loop.runners)

    @property
    def keeping(self) -> bool:
        """Tell whether there is a lease to enforce although nothing can be read of its cell."""
        silent = (slot for slot in self._slots.values() if not isinstance(slot.problem, AlreadyRunningError))
        return any(slot.keeping for slot in silent)

    @property
    def waiting(self) -> bool:
        """Tell whether some cell is another daemon's, and this one's when that ends."""
        return any(self._waits(slot) for slot in self._slots.values())

    @property
    def problem(self) -> ShadowdError:
        """What keeps the first cell that is not served from being served."""
        return next(_problem(slot) for slot in self._slots.values() if slot.assembled is None)

    def adopt(self, settings: Settings) -> int:
        """Serve the cells of this configuration; return how many changed. The others go on undisturbed."""
        self.settings = settings
        wanted = {cell.name: cell for cell in settings.cells}
        changed = [name for name, slot in self._slots.items() if wanted.get(name) != slot.settings]
        for name in changed:
            self._end(name)
        for name, cell in wanted.items():
            self._slots.setdefault(name, _Slot(cell))
        self._look_at_all()
        if len(wanted) > 1:
            self.submit(lambda: self._spread(tuple(wanted.values())))
        return len(changed)

    def speak(self) -> None:
        """Report what cannot be served, from now on at once, and try it again and again."""
        self._quiet = False
        for slot in self._slots.values():
            if slot.assembled is None:
                self._disable(slot, _problem(slot))
        self.submit(self._remind)

    def feed(self, name: str, event: Event) -> None:
        """Give an event to a cell, if it is served."""
        runner = self.loop.runners.get(name)
        if runner is not None:
            runner.feed(event)

    def serves(self, name: str) -> bool:
        """Tell whether a cell is served; any thread may ask."""
        return name in self.loop.runners

    def wake(self, name: str) -> None:
        """Let a cell look early; any thread may call this."""
        self.loop.post(lambda: self.feed(name, Woken()), name)

    def _remind(self) -> None:
        """Sleep on a worker of its own, and have a look taken each time."""
        while True:
            time.sleep(_TRY_AGAIN)
            self.loop.post(self._look_at_all)
            shorten([each.assembled.log for each in tuple(self._slots.values()) if each.assembled])

    def _spread(self, cells: tuple[CellSettings, ...]) -> None:
        """Let the cells, which all begin at once, look early one after the other, on a worker of its own.

        A cell checks an interval after its last check; so a thousand that began together would read their
        files in the same moment for ever, and delay each other's deadlines.
        """
        share = {cell.name: rank / len(cells) for rank, cell in enumerate(cells)}
        moments = sorted((share[cell.name] * min(_SPREAD, cell.check_interval), cell.name) for cell in cells)
        begun = time.monotonic()
        for moment, name in moments:
            time.sleep(max(0.0, begun + moment - time.monotonic()))
            self.wake(name)

    def _look_at_all(self) -> None:
        kept = cells_with_leases(self.settings.runtime_dir)
        for name, slot in self._slots.items():
            self._look(slot)
            if name in kept and slot.assembled is None:
                self._keep(slot)

    def _look(self, slot: _Slot) -> None:
        """Look at the files of a cell that is not served yet."""
        if slot.looking or slot.assembled is not None:
            return
        slot.looking = True
        settings = self.settings

        def look() -> None:
            answer = attempt(settings, slot.settings, self.environ)
            self.loop.post(lambda: self._take(slot, answer), slot.settings.name)

        self.submit(look)

    def _keep(self, slot: _Slot) -> None:
        """Enforce what an earlier daemon left to enforce, until the cell's machines do (PROTOCOL rule 9)."""
        name = slot.settings.name
        leases = KeptLeases(name, self.settings.runtime_dir, self.clock, slot.settings.launch.user)
        if slot.keeping or not leases.any:
            return
        slot.keeping = True

        def rest() -> None:
            slot.keeping = False

        def keep() -> None:
            trial = slot.settings.timing().step_down_timeout
            leases.enforce(lambda: slot.assembled is not None or self._slots.get(name) is not slot, trial)
            self.loop.post(rest, name)

        self.submit(keep)

    def _take(self, slot: _Slot, answer: Prepared | ShadowdError) -> None:
        """Begin a cell whose files are well, unless a reload was quicker."""
        name = slot.settings.name
        if self._slots.get(name) is not slot:
            return
        self._leaving = [runner for runner in self._leaving if runner.launching]
        if any(runner.name == name for runner in self._leaving):
            self._later(lambda: self._take(slot, answer))
            return
        slot.looking = False
        try:
            prepared = _prepared(answer)
            slot.lock = lock_instance(prepared.stem.with_name(f"{prepared.stem.name}.lock"))
            slot.assembled = self._assemble(prepared)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other cells go on
            problem = error if isinstance(error, ShadowdError) else unserved(slot.settings, error)
            _unlock(slot)
            self._disable(slot, problem)
            if self._waits(slot):
                self._later(lambda: self._look_again(slot), slot.settings.retry_interval or _SOON)
            return
        self._begin(slot, slot.assembled)

    def _disable(self, slot: _Slot, problem: ShadowdError) -> None:
        """Say once why a cell is not served."""
        slot.problem = problem
        if not self._quiet and slot.told != str(problem):
            slot.told = str(problem)
            event = "cell.waiting" if self._waits(slot) else "cell.disabled"
            announce(event, cell=slot.settings.name, detail=str(problem))

    @staticmethod
    def _waits(slot: _Slot) -> bool:
        """Tell whether another daemon of this machine has a cell of which several may be started.

        TORQUE's extra servers on one machine wait, and do not fail (TORQUE.md, "same host").
        """
        return slot.settings.kind == "torque" and isinstance(slot.problem, AlreadyRunningError)

    def _look_again(self, slot: _Slot) -> None:
        if self._slots.get(slot.settings.name) is slot:
            self._look(slot)

    def _assemble(self, prepared: Prepared) -> Assembled:
        return assemble(
            prepared,
            clock=self.clock,
            submit=self.submit,
            post=lambda word: self.loop.post(word, prepared.settings.name),
            note=lambda word: self.loop.note(word, prepared.settings.name),
            ended=self.wake,
            leased=self.leased,
            spool_log=self.settings.log.spool,
            log_dir=self.settings.log.file and self.settings.log.file.parent,
            hints=self.hints,
        )

    def _begin(self, slot: _Slot, assembled: Assembled) -> None:
        name, prepared = slot.settings.name, assembled.prepared
        paths = prepared.files.paths
        self.loop.runners[name] = assembled.runner
        if slot.settings.kind == "gridengine":
            assembled.runner.in_background(lambda: write_pid_file(prepared))
        if self.settings.watch:
            places: Iterable[tuple[Path, tuple[str, ...]]] = (
                (paths.lock.parent, (paths.beat.name, paths.lock.name)),
                (paths.active.parent, (paths.active.name, paths.shadows.name)),
            )
            for directory, names in places:
                self.watches.watch(name, directory, names, lambda: self.wake(name))

    def _end(self, name: str) -> None:
        slot = self._slots.pop(name)
        if slot.assembled is None:
            return
        self.loop.runners.pop(name, None)
        slot.assembled.runner.retire()
        self._leaving.append(slot.assembled.runner)
        self.watches.forget(name)
        self.submit(slot.assembled.close)
        _unlock(slot)

    def _later(self, job: Job, seconds: float = _SOON) -> None:
        def wait() -> None:
            time.sleep(seconds)
            self.loop.post(job)

        self.submit(wait)


def _problem(slot: _Slot) -> ShadowdError:
    """Return why a cell is not served."""
    silent = CellError(
        str(slot.settings.place), "its files do not answer", "is its file system mounted and alive?"
    )
    return slot.problem or silent


def _prepared(answer: Prepared | ShadowdError) -> Prepared:
    if isinstance(answer, ShadowdError):
        raise answer
    return answer


def _unlock(slot: _Slot) -> None:
    if slot.lock is not None:
        os.close(slot.lock)
        slot.lock = None
