"""The keys of ``shadowd.toml`` as strict, frozen models; ``config/shadowd.toml`` explains each to people.

Strict, because a timer that was quietly coerced is a takeover at the wrong minute; extra keys forbidden,
because a misspelt key is a default that nobody chose. Defaults of durations are those of
``core.timing``, so that they exist once. The models refuse to look anything up: user names, programs and
host names are checked where they are used, on the host and at the time that they are used.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from shadowd.config import words
from shadowd.config.environment import default_runtime_dir, default_state_dir
from shadowd.config.fields import (
    AsTuple,
    CellName,
    Directories,
    FilePath,
    HintPort,
    HostName,
    Interval,
    Kind,
    OptionalFile,
    Restarts,
    SgeCell,
    Wait,
    filled_in,
)
from shadowd.config.tables import (
    FenceSettings,
    HealthSettings,
    LaunchSettings,
    LogSettings,
    ProbeSettings,
    Strict,
    described,
)
from shadowd.core.policy import Policy
from shadowd.core.timing import Broken, DelayApplies, Timing
from shadowd.core.values import Host

_CORE = Timing()
_POLICY = Policy(host=Host(""), machine_id="", boot_id="")
DERIVED_DURATIONS = ("step_down_timeout", "lease", "licence", "window")
DURATIONS = (
    "check_interval",
    "stale_after",
    "delay",
    "stagger",
    "beat_interval",
    "probe_timeout",
    "io_timeout",
    "launch_timeout",
    "guard_interval",
    "notice_interval",
    "retry_after",
    "retry_limit",
    *DERIVED_DURATIONS,
)
"""Keys of a cell that are durations of ``core.Timing`` by the same name."""
_KINDS = {
    "sge_root": ("gridengine",),
    "directory": ("generic", "torque"),
    **dict.fromkeys(("lock", "lock_file", "retry_interval", "clean_exit"), ("torque",)),
}
"""Keys that only some kinds of cells have: there they have a value, and elsewhere none."""
_UPDATE = 3.0
"""Seconds between two signs of life of a ``pbs_server --ha``, by default (TORQUE.md, "Later releases")."""


_T = TypeVar("_T")


class CellSettings(Strict):
    """One ``[[cell]]``."""

    model_config = ConfigDict(json_schema_extra=filled_in("name", "sge_root"))

    name: CellName = Field(description="Name in logs, files and commands.", examples=["default"])
    kind: Kind = described("gridengine", "What sort of master the cell has.")
    sge_root: FilePath | None = Field(
        None, description="SGE_ROOT of the cell.", examples=["/opt/sge"], validate_default=True
    )
    sge_cell: SgeCell = described("default", "SGE_CELL: the directory below sge_root.")
    directory: FilePath | None = Field(
        None,
        description="The directory of a generic cell; server_priv of a torque one.",
        examples=["/shared/redis"],
        validate_default=True,
    )
    shared: Directories = described(
        (), "Further directories that the master of a generic cell needs.", ["/shared/data"]
    )
    lock: Literal["fcntl", "lease"] | None = described(None, "How server.lock is held.", "lease")
    lock_file: FilePath | None = described(
        None, "TORQUE's lock.", "/var/spool/torque/server_priv/server.lock"
    )
    retry_interval: Interval | None = described(None, "How often server.lock is looked at.", 1)
    clean_exit: Literal["hand_over", "shutdown"] | None = described(
        None, "What a server that ends by itself with status 0 means.", "hand_over"
    )

    check_interval: Interval = described(_CORE.check_interval, "Time between two looks at the heartbeat.")
    stale_after: Interval = described(_CORE.stale_after, "Silence after which the heartbeat is stale.")
    delay: Wait = described(_CORE.delay, "Further silence before a takeover.")
    delay_applies: Literal["before_takeover", "after_failed_bid"] = described(
        _CORE.delay_applies.value, "When the delay is waited."
    )
    stagger: Wait = described(_CORE.stagger, "Extra wait per rank in shadow_masters.")
    beat_interval: Interval = described(_CORE.beat_interval, "How often the master beats.")
    probe_timeout: Interval = described(_CORE.probe_timeout, "Limit of one probe, resolver included.")
    io_timeout: Interval = described(_CORE.io_timeout, "After this, file access counts as stuck.")
    launch_timeout: Interval = described(_CORE.launch_timeout, "Limit from launch to confirmation.")
    guard_interval: Interval = described(_CORE.guard_interval, "How often the guard looks.")
    notice_interval: Interval = described(_CORE.notice_interval, "How often notices are listed.")
    retry_after: Interval = described(_CORE.retry_after, "First back-off after a failed attempt.")
    retry_limit: Interval = described(_CORE.retry_limit, "Longest back-off.")
    step_down_timeout: Interval | None = described(None, "How long stopping a master may take.", 15)
    lease: Interval | None = described(None, "How long a guarded master may go unseen.", 741)
    licence: Interval | None = described(None, "How long after its claim a host may launch.", 58)
    window: Interval | None = described(None, "How long the others wait for a claimant.", 182)

    unknown_heartbeat: Literal["wait", "silence"] = described(
        "wait", "What an unreadable heartbeat counts as."
    )
    adopt: bool = described(True, "Guard a running master that shadowd did not start.")  # noqa: FBT003
    restart_limit: Restarts = described(_POLICY.restart_limit, "Restarts of a dead master on its own host.")
    restart_window: Interval = described(_POLICY.restart_window, "The time in which restart_limit counts.")
    death_notice: Literal["skip_timers", "ignore"] = described("skip_timers", "What a death notice does.")
    observer: bool = described(False, "Watch and report, never bid.")  # noqa: FBT003 - a default, not a call
    launch: LaunchSettings = Field(
        default_factory=LaunchSettings, description="How the pair is started.", validate_default=True
    )
    probe: ProbeSettings = Field(default_factory=ProbeSettings, description="How a master is probed.")
    health: HealthSettings = Field(default_factory=HealthSettings, description="Whether it is well.")
    fence: FenceSettings = Field(default_factory=FenceSettings, description="How a host is switched off.")

    @field_validator(*_KINDS)
    @classmethod
    def _by_kind(cls, value: _T | None, info: ValidationInfo) -> _T | None:
        kind = info.data.get("kind")
        ours = kind in _KINDS[str(info.field_name)]
        if kind is not None and value is None and ours:
            raise PydanticCustomError("missing", "is missing")
        if kind is not None and value is not None and not ours:
            raise words.UnfitError(f'is no key of a cell of kind "{kind}"')
        return value

    @field_validator("shared", "launch", "probe", "health")
    @classmethod
    def _fits_kind(cls, value: _T, info: ValidationInfo) -> _T:
        kind = info.data.get("kind")
        if kind != "generic" and isinstance(value, tuple) and value:
            raise words.UnfitError(f'is no key of a cell of kind "{kind}"')
        if kind == "generic" and isinstance(value, LaunchSettings) and value.command is None:
            raise words.UnfitError("has no command: a generic cell must say what to start")
        if kind == "gridengine" and isinstance(value, ProbeSettings | HealthSettings) and value.command:
            raise words.UnfitError("has a command, which only a generic or torque cell can have")
        if isinstance(value, ProbeSettings) and value.command and value.port:
            raise words.UnfitError("has both command and port: one of them must ask")
        if isinstance(value, ProbeSettings) and (value.send or value.expect):
            if kind in {"gridengine", "torque"}:
                raise words.UnfitError(f"has send or expect: what a {kind} master is asked is known")
            if value.port is None or value.expect is None:
                raise words.UnfitError("has send or expect: both need the port, and send needs expect")
        return value

    @property
    def place(self) -> Path:
        """The cell's shared directory; ``$SGE_ROOT/$SGE_CELL`` for Grid Engine."""
        return self.directory or (self.sge_root or Path("/")) / self.sge_cell

    def timing(self) -> Timing:
        """Return the cell's durations with the unset ones derived; ``load`` refused fatal relations."""
        durations: dict[str, Any] = {key: getattr(self, key) or 0.0 for key in DURATIONS}
        if self.health.command is not None:
            durations |= {"health_interval": self.health.interval, "health_timeout": self.health.timeout}
        durations["fence_timeout"] = self.fence.timeout if self.fence.configured else 0.0
        return Timing(**durations, delay_applies=DelayApplies(self.delay_applies)).derived()

    def broken(self) -> tuple[Broken, ...]:
        """Return the relations between timers that do not hold."""
        return self.timing().broken(guard_beats=self.kind != "gridengine")

    def warnings(self) -> tuple[str, ...]:
        """Return those that are not refused."""
        told = tuple(broken.rule for broken in self.broken() if not broken.fatal)
        if self.lock != "lease" or self.stale_after >= 2 * _UPDATE:
            return told
        rule = (
            f"stale_after ({self.stale_after:g} s) is shorter than two updates of a pbs_server --ha "
            f"({2 * _UPDATE:g} s): one that is alive and well looks dead"
        )
        return (*told, rule)


class Settings(Strict):
    """The whole file, completed by the environment."""

    model_config = ConfigDict(json_schema_extra=filled_in("cell"), title="shadowd.toml")

    host: HostName | None = described(None, "This machine's name, where the system's is wrong.", "shadow1")
    runtime_dir: FilePath = Field(
        default_factory=lambda: default_runtime_dir(os.environ),
        description="Local directory for locks, sockets and state.",
        examples=["/run/shadowd"],
    )
    state_dir: FilePath = Field(
        default_factory=lambda: default_state_dir(os.environ),
        description="Local directory for what this host remembers of each cell; outlives a boot.",
        examples=["/var/lib/shadowd"],
    )
    watch: bool = described(True, "Let inotify wake the daemon early; nothing depends on it.")  # noqa: FBT003
    hardware_watchdog: OptionalFile = described(
        None, 'Device that resets this host; "" for none.', "/dev/watchdog"
    )
    hints: bool = described(True, "Let other hosts hint that a claim or notice was written.")  # noqa: FBT003
    hint_port: HintPort = described(0, "UDP port for hints; 0 for any.", 6446)
    log: LogSettings = Field(default_factory=LogSettings, description="Logging.")
    cells: Annotated[tuple[CellSettings, ...], AsTuple] = Field(
        alias="cell", description="The cells that this host serves.", examples=[[{"sge_root": "/opt/sge"}]]
    )
