"""Our daemon on the hosts of a lab, watching the real cell."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab import processes
from tests.lab.gridengine import Cell
from tests.lab.host import Host
from tests.lab.processes import wait_for

SHORT: dict[str, float | str] = {
    "check_interval": 1,
    "stale_after": 2,
    "delay": 3,
    "probe_timeout": 3,
    "io_timeout": 3,
    "guard_interval": 0.5,
    "notice_interval": 0.5,
    "retry_after": 2,
    "retry_limit": 4,
}
"""The intervals 1/2/3 at which the ancestor's rows were measured, and the rest in proportion."""


@dataclass
class Ours:
    """One of our daemons."""

    cell: Cell
    host: Host
    keys: dict[str, float | str] = field(default_factory=dict)
    launch: str = ""
    """Lines of ``[cell.launch]``."""
    program: Sequence[str | Path] = ("-m", "shadowd")
    """What python runs."""
    timers: Mapping[str, float | str] = field(default_factory=lambda: SHORT)
    """What the keys add to; empty for the default configuration."""
    env: Mapping[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[str] | None" = None

    @property
    def home(self) -> Path:
        """Where this host's own files lie."""
        return self.cell.lab.dir / f"ours-{self.host.name}"

    @property
    def log(self) -> Path:
        """The daemon's structured log."""
        return self.home / "shadowd.log"

    def configure(self) -> Path:
        """Write the configuration and return its path."""
        self.home.mkdir(exist_ok=True)
        keys = "\n".join(
            f"{key} = {json.dumps(value)}" for key, value in {**self.timers, **self.keys}.items()
        )
        path = self.home / "shadowd.toml"
        path.write_text(
            f'[log]\nformat = "json"\nfile = "{self.log}"\n'
            f'[[cell]]\nname = "lab"\nsge_root = "{self.cell.root}"\nsge_cell = "{self.cell.name}"\n{keys}\n'
            f"[cell.launch]\n{self.launch}\n"
        )
        return path

    def start(self) -> "Ours":
        """Start the daemon and wait until it has published what it thinks."""
        config = self.configure()
        self.log.unlink(missing_ok=True)  # the lab's directory outlives a test
        self.process = self.host.popen(
            [sys.executable, *self.program, "run", "--config", config],
            env=self.cell.env | dict(self.env),
            output=self.home / "stderr",
        )

        def published() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"shadowd ended: {(self.home / 'stderr').read_text()}"
            return bool(self.record().get("pid") == self.process.pid)

        wait_for(published, 30, f"{self.record_path} is written\n{self.cell.report()}")
        return self

    @property
    def record_path(self) -> Path:
        """Where this daemon publishes what it thinks."""
        hosts = self.cell.spool / "shadowd" / "hosts"
        full = hosts / f"{self.host.fqdn}.json"  # where the cell tells full names apart
        return full if full.exists() else hosts / f"{self.host.short}.json"

    def record(self) -> dict[str, Any]:
        """Return what the daemon thought last."""
        try:
            record: dict[str, Any] = json.loads(self.record_path.read_bytes())
        except (OSError, ValueError):
            return {}
        return record

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield what the daemon logged."""
        if self.log.exists():
            for line in self.log.read_text().splitlines():
                yield json.loads(line)

    def said(self, event: str, **fields: Any) -> bool:
        """Tell whether the daemon logged this event with these fields."""
        return any(
            line.get("event") == event and all(line.get(key) == value for key, value in fields.items())
            for line in self.events()
        )

    def names(self) -> set[str]:
        """Return the names of all that the daemon logged."""
        return {str(line.get("event")) for line in self.events()}

    def wait_said(self, event: str, seconds: float, **fields: Any) -> None:
        """Wait until the daemon logged this event."""
        wait_for(lambda: self.said(event, **fields), seconds, f"{event} {fields}\n{self.story()}")

    def wait_for_beat(self) -> None:
        """Wait until the daemon has read the heartbeat, so that the silence counts."""
        wait_for(lambda: self.record().get("beat") is not None, 20, f"a beat\n{self.story()}")

    def refused(self, reason: str) -> dict[str, Any] | None:
        """Return what the daemon says about this refusal, if it stands."""
        refusals = self.record().get("refusals", [])
        return next((item for item in refusals if item["reason"] == reason), None)

    def wait_refused(self, reason: str, seconds: float = 20) -> dict[str, Any]:
        """Wait until the daemon says that this speaks against a takeover; return the refusal."""
        return wait_for(lambda: self.refused(reason), seconds, f"refusal {reason}\n{self.story()}") or {}

    def story(self) -> str:
        """Return what a person would read when a test fails."""
        lines = (
            f"{line.get('timestamp', '')[11:23]} {self.host.name} {line.get('event')} {line.get('reason')} "
            f"epoch={line.get('epoch')} {line.get('detail') or ''}"
            for line in self.events()
        )
        return "\n".join([*lines, json.dumps(self.record()), self.cell.report()])

    def kill(self) -> None:
        """Kill the daemon with SIGKILL; what it started lives on."""
        assert self.process is not None
        processes.kill([self.process.pid])
        self.process.wait(10)

    def verb(self, *argv: str, timeout: float = 30) -> "subprocess.CompletedProcess[str]":
        """Run a verb on this host."""
        config = str(self.home / "shadowd.toml")
        command = [sys.executable, "-m", "shadowd", argv[0], "--config", config, *argv[1:]]
        return self.host.run(command, env=self.cell.env, timeout=timeout)


@contextmanager
def shadows(cell: Cell, *hosts: str, launch: str = "", **keys: float | str) -> Iterator[list[Ours]]:
    """Run our daemon on these hosts."""
    yield [Ours(cell, cell.lab[name], dict(keys), launch).start() for name in hosts]


def one_master(cell: Cell, hosts: str, seconds: float = 40) -> str:
    """Wait until ``qstat`` is answered by exactly one master on one of these hosts; return its host."""

    def serving() -> str:
        masters = cell.qmasters()
        if len(masters) == 1 and masters[0][0] in hosts and cell.active() == masters[0][0]:
            return masters[0][0] if cell.qstat_ok(masters[0][0]) else ""
        return ""

    try:
        return wait_for(serving, seconds, f"one master on one of {hosts}", every=0.1)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{cell.report()}") from None
