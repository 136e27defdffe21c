"""The keys of ``shadowd.toml`` as strict, frozen models; ``config/shadowd.toml`` explains each to people.

Strict, because a timer that was quietly coerced is a takeover at the wrong minute; extra keys forbidden,
because a misspelt key is a default that nobody chose. Defaults of durations are those of
``core.timing``, so that they exist once. The models refuse to look anything up: user names, programs and
host names are checked where they are used, on the host and at the time that they are used.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from shadowd.config import words
from shadowd.config.environment import default_runtime_dir
from shadowd.config.fields import (
    Addresses,
    Agent,
    Arguments,
    AsTuple,
    CellName,
    Environment,
    FilePath,
    HintPort,
    HostName,
    Interval,
    Kind,
    OptionalFile,
    Options,
    Port,
    Program,
    Qping,
    Restarts,
    SgeCell,
    Threshold,
    UserName,
    Wait,
    filled_in,
)
from shadowd.core.policy import Policy
from shadowd.core.timing import Broken, DelayApplies, Timing
from shadowd.core.values import FencePolicy, Host

_CORE = Timing()
_POLICY = Policy(host=Host(""), machine_id="")
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


_T = TypeVar("_T")


def _key(default: Any, description: str, *examples: Any) -> Any:
    """Declare a key with what editors show and what errors give as an example."""
    return Field(default, description=description, examples=list(examples) or [default])


class Strict(BaseModel):
    """What all tables share."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", protected_namespaces=())


class LogSettings(Strict):
    """``[log]``: where lines go and how they look."""

    format: Literal["auto", "console", "json", "journald"] = _key("auto", "Form of the lines on stderr.")
    level: Literal["debug", "info", "warning", "error", "critical"] = _key(
        "info", "The least that is logged."
    )
    file: OptionalFile = _key(None, 'The local log; "" for none.', "/var/log/shadowd/shadowd.log")
    spool: bool = _key(True, "Also write messages_shadowd.<host> into the cell's spool.")  # noqa: FBT003


class LaunchSettings(Strict):
    """``[cell.launch]``: the pair. What is None follows from the cell's bootstrap."""

    command: Program | None = _key(None, "The master: program and arguments.", ["/opt/sge/bin/sge_qmaster"])
    scheduler: Arguments | None = _key(
        None, "The second program of the pair; [] for none.", ["/opt/sge/bin/sge_schedd"]
    )
    user: UserName | None = _key(None, "Account that the pair is started as.", "root")
    cwd: FilePath | None = _key(None, "Working directory of the pair.", "/")
    environment: Environment = Field(
        default_factory=dict, description="Variables added to the pair's environment.", examples=[{"A": "b"}]
    )
    log_file: FilePath | None = _key(None, "Takes what the pair prints.", "/var/log/shadowd/master.log")


class ProbeSettings(Strict):
    """``[cell.probe]``: how the old master is asked whether it answers."""

    port: Port | None = _key(None, "The master's TCP port.", 6444)
    command: Program | None = _key(None, "Asks SHADOWD_HOST; 0: a master answers there.", ["/usr/bin/ask"])
    qping: Qping = _key("auto", 'Path of qping; "auto" looks for it, "off" connects only.', "auto")
    addresses: Addresses = Field(
        default_factory=dict,
        description="Address by host name, in place of the resolver.",
        examples=[{"master1": "192.0.2.11"}],
    )


class HealthSettings(Strict):
    """``[cell.health]``: whether the master of a generic cell is well. No command: its process counts."""

    command: Program | None = _key(None, "Exit status 0: the master here is well.", ["/usr/bin/ping-it"])
    interval: Interval = _key(10.0, "Time between two questions.", 10)
    timeout: Interval = _key(5.0, "Limit of one question.", 5)
    threshold: Threshold = _key(3, "Failures in a row that end the beats.", 3)


class FenceSettings(Strict):
    """``[cell.fence]``: how the old master's host is switched off. Neither command nor agent: it is not."""

    command: Program | None = _key(None, "Switches SHADOWD_HOST off; 0: certainly dead.", ["/usr/sbin/off"])
    agent: Agent | None = _key(None, "An agent of fence-agents, by name or path.", "fence_ipmilan")
    options: Options = Field(
        default_factory=dict,
        description="Options of the agent; a table gives one by host name.",
        examples=[{"ip": "{host}-bmc", "username": "fence"}],
        repr=False,
    )
    timeout: Interval = _key(60.0, "Limit of one attempt, its proof included.", 60)
    required: bool = _key(False, "No proof, no launch.")  # noqa: FBT003 - a default, not a call

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.command is not None and self.agent is not None:
            raise words.UnfitError("has both command and agent: one of them must switch the host off")
        if self.agent is None and self.options:
            raise words.UnfitError("has options and no agent to give them to")
        if self.required and not self.configured:
            raise words.UnfitError("is required, and neither command nor agent is given")
        return self

    @property
    def configured(self) -> bool:
        """True where there is something that switches a host off."""
        return self.command is not None or self.agent is not None

    @property
    def policy(self) -> FencePolicy:
        """What a launch needs."""
        if not self.configured:
            return FencePolicy.NONE
        return FencePolicy.REQUIRED if self.required else FencePolicy.OPTIONAL

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the options whose values nobody may see."""
        return tuple(name for name in self.options if words.is_secret(name))


class CellSettings(Strict):
    """One ``[[cell]]``."""

    model_config = ConfigDict(json_schema_extra=filled_in("name", "sge_root"))

    name: CellName = Field(description="Name in logs, files and commands.", examples=["default"])
    kind: Kind = _key("gridengine", "What sort of master the cell has.")
    sge_root: FilePath | None = Field(
        None, description="SGE_ROOT of the cell.", examples=["/opt/sge"], validate_default=True
    )
    sge_cell: SgeCell = _key("default", "SGE_CELL: the directory below sge_root.")
    directory: FilePath | None = Field(
        None, description="A generic cell's directory.", examples=["/shared/redis"], validate_default=True
    )

    check_interval: Interval = _key(_CORE.check_interval, "Time between two looks at the heartbeat.")
    stale_after: Interval = _key(_CORE.stale_after, "Silence after which the heartbeat is stale.")
    delay: Wait = _key(_CORE.delay, "Further silence before a takeover.")
    delay_applies: Literal["before_takeover", "after_failed_bid"] = _key(
        _CORE.delay_applies.value, "When the delay is waited."
    )
    stagger: Wait = _key(_CORE.stagger, "Extra wait per rank in shadow_masters.")
    beat_interval: Interval = _key(_CORE.beat_interval, "How often the master beats.")
    probe_timeout: Interval = _key(_CORE.probe_timeout, "Limit of one probe, resolver included.")
    io_timeout: Interval = _key(_CORE.io_timeout, "After this, file access counts as stuck.")
    launch_timeout: Interval = _key(_CORE.launch_timeout, "Limit from launch to confirmation.")
    guard_interval: Interval = _key(_CORE.guard_interval, "How often the guard looks.")
    notice_interval: Interval = _key(_CORE.notice_interval, "How often notices are listed.")
    retry_after: Interval = _key(_CORE.retry_after, "First back-off after a failed attempt.")
    retry_limit: Interval = _key(_CORE.retry_limit, "Longest back-off.")
    step_down_timeout: Interval | None = _key(None, "How long stopping a master may take.", 15)
    lease: Interval | None = _key(None, "How long a guarded master may go unseen.", 741)
    licence: Interval | None = _key(None, "How long after its claim a host may launch.", 58)
    window: Interval | None = _key(None, "How long the others wait for a claimant.", 182)

    unknown_heartbeat: Literal["wait", "silence"] = _key("wait", "What an unreadable heartbeat counts as.")
    adopt: bool = _key(True, "Guard a running master that shadowd did not start.")  # noqa: FBT003
    restart_limit: Restarts = _key(_POLICY.restart_limit, "Restarts of a dead master on its own host.")
    restart_window: Interval = _key(_POLICY.restart_window, "The time in which restart_limit counts.")
    death_notice: Literal["skip_timers", "ignore"] = _key("skip_timers", "What a death notice does.")
    observer: bool = _key(False, "Watch and report, never bid.")  # noqa: FBT003 - a default, not a call
    launch: LaunchSettings = Field(
        default_factory=LaunchSettings, description="How the pair is started.", validate_default=True
    )
    probe: ProbeSettings = Field(default_factory=ProbeSettings, description="How a master is probed.")
    health: HealthSettings = Field(default_factory=HealthSettings, description="Whether it is well.")
    fence: FenceSettings = Field(default_factory=FenceSettings, description="How a host is switched off.")

    @field_validator("sge_root", "directory")
    @classmethod
    def _by_kind(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        kind = info.data.get("kind")
        ours = info.field_name == ("directory" if kind == "generic" else "sge_root")
        if kind is not None and value is None and ours:
            raise PydanticCustomError("missing", "is missing")
        if kind is not None and value is not None and not ours:
            raise words.UnfitError(f'is no key of a cell of kind "{kind}"')
        return value

    @field_validator("launch", "probe", "health")
    @classmethod
    def _fits_kind(cls, value: _T, info: ValidationInfo) -> _T:
        kind = info.data.get("kind")
        if kind == "generic" and isinstance(value, LaunchSettings) and value.command is None:
            raise words.UnfitError("has no command: a generic cell must say what to start")
        if kind == "gridengine" and isinstance(value, ProbeSettings | HealthSettings) and value.command:
            raise words.UnfitError("has a command, which only a generic cell can have")
        if isinstance(value, ProbeSettings) and value.command and value.port:
            raise words.UnfitError("has both command and port: one of them must ask")
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
        return self.timing().broken(guard_beats=self.kind == "generic")

    def warnings(self) -> tuple[str, ...]:
        """Return those that are not refused."""
        return tuple(broken.rule for broken in self.broken() if not broken.fatal)


class Settings(Strict):
    """The whole file, completed by the environment."""

    model_config = ConfigDict(json_schema_extra=filled_in("cell"), title="shadowd.toml")

    host: HostName | None = _key(None, "This machine's name, where the system's is wrong.", "shadow1")
    runtime_dir: FilePath = Field(
        default_factory=lambda: default_runtime_dir(os.environ),
        description="Local directory for locks, sockets and state.",
        examples=["/run/shadowd"],
    )
    watch: bool = _key(True, "Let inotify wake the daemon early; nothing depends on it.")  # noqa: FBT003
    hardware_watchdog: OptionalFile = _key(
        None, 'Device that resets this host; "" for none.', "/dev/watchdog"
    )
    hints: bool = _key(True, "Let other hosts hint that a claim or notice was written.")  # noqa: FBT003
    hint_port: HintPort = _key(0, "UDP port for hints; 0 for any.", 6446)
    log: LogSettings = Field(default_factory=LogSettings, description="Logging.")
    cells: Annotated[tuple[CellSettings, ...], AsTuple] = Field(
        alias="cell", description="The cells that this host serves.", examples=[[{"sge_root": "/opt/sge"}]]
    )
