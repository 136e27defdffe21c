"""What can cut a host's power: a command of the site, or an agent of the fence-agents collection.

A command is believed by its exit status alone: 0 says "certainly dead". An agent makes two statements, and
both are needed: its ``off`` must succeed, and its ``status`` must then say off (exit status 2). The first
alone is too little (fence_ipmilan "might report success before the node is powered off"), and so is the
second: exit status 2 is also what many a program says to arguments that it does not know.

Agents are run by their own first line, never by our interpreter, and read their options from standard
input, so that no password stands on a command line. Whatever they say is cleaned of the secret values before
anybody sees it. Refuses to search the PATH: it is another one under every init system.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final, Protocol

from shadowd.adapters import errand
from shadowd.adapters.programs import is_program
from shadowd.core.values import Epoch, Host, Problem, Unknown

FOLDERS: Final = ("/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin")
"""Where agents are looked for that the configuration names without a path."""
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
_OFF = 2
_AGAIN = 1.0
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Order:
    """Which host is meant, for which cell, by whom and in the name of which epoch."""

    cell: str
    host: Host
    by: Host
    epoch: Epoch | None = None
    """None: only a question."""

    def environment(self) -> dict[str, str]:
        """Return what the program finds in its environment."""
        epoch = {} if self.epoch is None else {"SHADOWD_EPOCH": str(self.epoch)}
        who = {"SHADOWD_CELL": self.cell, "SHADOWD_HOST": self.host, "SHADOWD_BY": self.by}
        return _ENVIRONMENT | who | epoch


class Power(Enum):
    """What an agent says about a host."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


class Switch(Protocol):
    """Cuts the power of a host."""

    def off(self, order: Order, ends: float) -> tuple[bool, str]:
        """Switch the host off; True only if it is certainly dead. ``ends`` on ``time.monotonic()``."""
        ...


@dataclass(frozen=True, slots=True)
class CommandSwitch:
    """A command of the site, which knows by itself when the host is dead."""

    argv: Sequence[str]

    def off(self, order: Order, ends: float) -> tuple[bool, str]:
        """Run the command; exit status 0 is the proof."""
        begun = time.monotonic()
        ended = errand.run(self.argv, order.environment(), b"", ends)
        if isinstance(ended, Unknown):
            return False, ended.detail
        if ended.status == 0:
            return True, _joined("the command says so", _last_words(ended.said))
        return False, _joined(_how(ended, begun), _last_words(ended.said))


@dataclass(frozen=True, slots=True)
class AgentSwitch:
    """An agent with its options: the same for all hosts, with ``{host}`` for the name, or one by host."""

    program: Path
    options: Mapping[str, str | Mapping[Host, str]] = field(repr=False)
    secrets: Collection[str] = ()
    """Names of options whose values nobody may see."""

    def off(self, order: Order, ends: float) -> tuple[bool, str]:
        """Say off, then ask until the agent says that it is."""
        begun = time.monotonic()
        ended = self._run(order, "off", ends)
        if isinstance(ended, Unknown):
            return False, ended.detail
        if ended.status != 0:
            return False, _joined(f"off: {_how(ended, begun)}", self._cleaned(ended.said))
        while True:
            power, detail = self.status(order, ends)
            if power is Power.OFF:
                return True, f"off, says {self.program.name}"
            if time.monotonic() + _AGAIN >= ends:
                return False, _joined(f"still {power.value} after {time.monotonic() - begun:.0f} s", detail)
            time.sleep(_AGAIN)

    def status(self, order: Order, ends: float) -> tuple[Power, str]:
        """Ask, and switch nothing; the detail is the agent's own words."""
        begun = time.monotonic()
        ended = self._run(order, "status", ends)
        if isinstance(ended, Unknown):
            return Power.UNKNOWN, ended.detail
        said = self._cleaned(ended.said)
        if ended.status in {0, _OFF}:
            return (Power.OFF if ended.status else Power.ON), said
        return Power.UNKNOWN, _joined(f"status: {_how(ended, begun)}", said)

    def _run(self, order: Order, action: str, ends: float) -> errand.Ended | Unknown:
        lines = []
        for name, value in self.options.items():
            chosen = value.replace("{host}", order.host) if isinstance(value, str) else value.get(order.host)
            if chosen is None:
                return Unknown(
                    Problem.MISSING, order.host, f"{order.host} has no {name} in [cell.fence.options]"
                )
            lines.append(f"{name}={chosen}\n")
        reads = "".join([*lines, f"action={action}\n"]).encode("utf-8", "surrogateescape")
        return errand.run((str(self.program),), order.environment(), reads, ends)

    def _cleaned(self, said: str) -> str:
        for name in self.secrets:
            value = self.options.get(name, "")
            for secret in (value,) if isinstance(value, str) else value.values():
                said = said.replace(secret, "(hidden)") if secret else said
        return _last_words(said)


def find_agent(name: str) -> Path:
    """Return the agent of this name or path; where it is missing, where it should be."""
    if name.startswith("/"):
        return Path(name)
    paths = [Path(folder, name) for folder in FOLDERS]
    return next((path for path in paths if is_program(path)), paths[0])


def _how(ended: errand.Ended, begun: float) -> str:
    if ended.status is None:
        return f"no end within {time.monotonic() - begun:.0f} s, killed"
    return f"exit status {ended.status}" if ended.status >= 0 else f"ended by signal {-ended.status}"


def _joined(ours: str, theirs: str) -> str:
    return f"{ours}: {theirs}" if theirs else ours


def _last_words(said: str) -> str:
    """Return the end of an output on one line, fit for a terminal."""
    lines = [" ".join(line.split()) for line in said.splitlines()]
    text = " / ".join(line for line in lines if line)[-_LONGEST:].lstrip(" /")
    return "".join(char if char.isprintable() else "?" for char in text)
