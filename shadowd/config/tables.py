"""The tables of ``shadowd.toml`` below the cells and beside them, as models; ``models`` puts them together.

What holds for all of them is said there. Refuses to relate one table to another.
"""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shadowd.config import words
from shadowd.config.fields import (
    Addresses,
    Agent,
    Arguments,
    Environment,
    FilePath,
    Interval,
    OptionalFile,
    Options,
    Port,
    Program,
    Qping,
    Text,
    Threshold,
    UserName,
)
from shadowd.core.values import FencePolicy


def described(default: Any, description: str, *examples: Any) -> Any:
    """Declare a key with what editors show and what errors give as an example."""
    return Field(default, description=description, examples=list(examples) or [default])


class Strict(BaseModel):
    """What all tables share."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", protected_namespaces=())


class LogSettings(Strict):
    """``[log]``: where lines go and how they look."""

    format: Literal["auto", "console", "json", "journald"] = described("auto", "Form of the lines on stderr.")
    level: Literal["debug", "info", "warning", "error", "critical"] = described(
        "info", "The least that is logged."
    )
    file: OptionalFile = described(None, 'The local log; "" for none.', "/var/log/shadowd/shadowd.log")
    spool: bool = described(True, "Also write messages_shadowd.<host> into the cell's spool.")  # noqa: FBT003


class LaunchSettings(Strict):
    """``[cell.launch]``: the pair. What is None follows from the cell's bootstrap."""

    command: Program | None = described(
        None, "The master: program and arguments.", ["/opt/sge/bin/sge_qmaster"]
    )
    scheduler: Arguments | None = described(
        None, "The second program of the pair; [] for none.", ["/opt/sge/bin/sge_schedd"]
    )
    user: UserName | None = described(None, "Account that the pair is started as.", "root")
    cwd: FilePath | None = described(None, "Working directory of the pair.", "/")
    environment: Environment = Field(
        default_factory=dict, description="Variables added to the pair's environment.", examples=[{"A": "b"}]
    )
    log_file: FilePath | None = described(None, "Takes what the pair prints.", "/var/log/shadowd/master.log")


class ProbeSettings(Strict):
    """``[cell.probe]``: how the old master is asked whether it answers."""

    port: Port | None = described(None, "The master's TCP port.", 6444)
    command: Program | None = described(
        None, "Asks SHADOWD_HOST; 0: a master answers there.", ["/usr/bin/ask"]
    )
    send: Text | None = described(None, "What is sent to the port of a generic cell.", "PING\r\n")
    expect: Text | None = described(None, "What the reply of a master contains.", "+PONG")
    qping: Qping = described("auto", 'Path of qping; "auto" looks for it, "off" connects only.', "auto")
    addresses: Addresses = Field(
        default_factory=dict,
        description="Address by host name, in place of the resolver.",
        examples=[{"master1": "192.0.2.11"}],
    )


class HealthSettings(Strict):
    """``[cell.health]``: whether the master of a generic cell is well. No command: its process counts."""

    command: Program | None = described(None, "Exit status 0: the master here is well.", ["/usr/bin/ping-it"])
    interval: Interval = described(10.0, "Time between two questions.", 10)
    timeout: Interval = described(5.0, "Limit of one question.", 5)
    threshold: Threshold = described(3, "Failures in a row that end the beats.", 3)


class FenceSettings(Strict):
    """``[cell.fence]``: how the old master's host is switched off. Neither command nor agent: it is not."""

    command: Program | None = described(
        None, "Switches SHADOWD_HOST off; 0: certainly dead.", ["/usr/sbin/off"]
    )
    agent: Agent | None = described(None, "An agent of fence-agents, by name or path.", "fence_ipmilan")
    options: Options = Field(
        default_factory=dict,
        description="Options of the agent; a table gives one by host name.",
        examples=[{"ip": "{host}-bmc", "username": "fence"}],
        repr=False,
    )
    timeout: Interval = described(60.0, "Limit of one attempt, its proof included.", 60)
    required: bool = described(False, "No proof, no launch.")  # noqa: FBT003 - a default, not a call

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
