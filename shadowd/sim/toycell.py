"""A cell on one machine for the demonstration and for tests: real files, real processes, toy programs.

Each "host" is a loopback address of its own (all of 127.0.0.0/8 is local on Linux), so masters of different
hosts may use one port, as in life. What they share is the process table: a master that was started by hand
carries the mark of an epoch, else the shadow of every "host" would find it resident on its own.

Nothing but this machine is ever contacted, and nothing here ends a process: whoever made the cell does.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HOSTS = ("alpha", "beta", "gamma")

TIMERS: Mapping[str, float | str] = {
    "check_interval": 0.5,
    "stale_after": 2,
    "delay": 3,
    "beat_interval": 0.5,
    "probe_timeout": 1,
    "io_timeout": 1,
    "launch_timeout": 10,
    "guard_interval": 0.25,
    "notice_interval": 0.5,
    "retry_after": 1,
    "retry_limit": 4,
}
"""Everything of the real thing, a hundred times faster."""

_TOY = str(Path(__file__).with_name("toy.py"))
_PATIENCE = 1.0
"""Seconds that a new toy master waits for the old one's answer; sge_qmaster takes 60."""


@dataclass(slots=True)
class ToyCell:
    """One cell below ``root``; make it with ``create``."""

    root: Path
    hosts: tuple[str, ...] = HOSTS
    shadows: tuple[str, ...] = ()
    """What shadow_masters lists; empty: all hosts."""
    name: str = "demo"
    beat: float = 0.5
    timers: dict[str, float | str] = field(default_factory=lambda: dict(TIMERS))
    port: int = 0
    journal: Path | None = None
    """Where the masters write who beat when; None: nowhere."""

    @property
    def common(self) -> Path:
        """The cell's common directory."""
        return self.root / "sge" / "default" / "common"

    @property
    def spool(self) -> Path:
        """The master's spool directory."""
        return self.root / "sge" / "default" / "spool"

    def create(self) -> None:
        """Write the files that describe the cell."""
        self.common.mkdir(parents=True)
        self.spool.mkdir(parents=True)
        (self.common / "bootstrap").write_text(
            f"admin_user none\ndefault_domain none\nignore_fqdn true\n"
            f"binary_path {self.root}/sge/bin\nqmaster_spool_dir {self.spool}\n"
        )
        (self.common / "act_qmaster").write_text(f"{self.hosts[0]}\n")
        listed = self.shadows or self.hosts
        (self.common / "shadow_masters").write_text("".join(f"{host}\n" for host in listed))
        self.port = self.port or self._free_port()

    def address(self, host: str) -> str:
        """Return the loopback address that plays this host."""
        return f"127.0.0.{self.hosts.index(host) + 11}"

    def master(self, host: str) -> tuple[str, ...]:
        """Return the command that starts the toy master of a host."""
        peers = (word for name in self.hosts for word in ("--peer", f"{name}={self.address(name)}"))
        journal = ("--journal", str(self.journal)) if self.journal else ()
        return (
            *self._toy("master", host),
            *("--bind", self.address(host), "--port", str(self.port), "--patience", f"{_PATIENCE:g}"),
            *(*peers, *journal),
        )

    def scheduler(self, host: str) -> tuple[str, ...]:
        """Return the command that starts the toy scheduler of a host."""
        return self._toy("scheduler", host)

    def home(self, host: str) -> Path:
        """Return the directory for what is a host's own, made on demand."""
        home = self.root / host
        home.mkdir(exist_ok=True)
        return home

    def table(self, host: str, **keys: float | str) -> str:
        """Return the ``[[cell]]`` of this cell in the configuration of a host."""
        addresses = ", ".join(f'{name} = "{self.address(name)}"' for name in self.hosts)
        timers = "\n".join(f"{key} = {_toml(value)}" for key, value in (self.timers | keys).items())
        return (
            f'[[cell]]\nname = "{self.name}"\nsge_root = "{self.root}/sge"\n{timers}\n'
            f"[cell.launch]\ncommand = {list(self.master(host))}\nscheduler = {list(self.scheduler(host))}\n"
            f'[cell.probe]\nport = {self.port}\nqping = "off"\naddresses = {{ {addresses} }}\n'
        )

    def configure(self, host: str, **keys: float | str) -> Path:
        """Write the configuration of a host's shadowd and return its path."""
        home = self.home(host)
        path = home / "shadowd.toml"
        path.write_text(
            f'host = "{host}"\nruntime_dir = "{home}/run"\nstate_dir = "{home}/lib"\n'
            f'[log]\nformat = "json"\nfile = "{home}/shadowd.log"\n' + self.table(host, **keys)
        )
        return path

    def start_master(self, host: str) -> None:
        """Start the toy pair by hand, as an init script would."""
        marked = {**environment(), "SHADOWD_NONCE": "started-by-hand"}
        with (self.home(host) / "pair.log").open("ab") as log:
            for command in (self.master(host), self.scheduler(host)):
                subprocess.run(
                    command,
                    check=True,
                    cwd="/",
                    env=marked,
                    timeout=30,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )

    def start_shadowd(self, host: str, **keys: float | str) -> "subprocess.Popen[bytes]":
        """Start a host's shadowd in the foreground; its lines go to ``<host>/shadowd.log``."""
        config = self.configure(host, **keys)
        with (self.home(host) / "stderr").open("ab") as stderr:
            return subprocess.Popen(
                (sys.executable, "-m", "shadowd", "run", "--config", str(config)),
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                env=environment(),
                start_new_session=True,
            )

    def _toy(self, role: str, host: str) -> tuple[str, ...]:
        # By its path and without site-packages: a start in 30 ms, and no need of PYTHONPATH.
        return (
            *(sys.executable, "-IS", _TOY, role),
            *("--common", str(self.common), "--spool", str(self.spool), "--host", host),
            *("--beat", f"{self.beat:g}"),
        )

    def _free_port(self) -> int:
        with socket.socket() as probe:
            probe.bind((self.address(self.hosts[0]), 0))
            return int(probe.getsockname()[1])


def environment() -> dict[str, str]:
    """Return what programs of a toy cell are started with: nothing that could point at a real cell."""
    package = str(Path(__file__).parents[2])
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TZ") if key in os.environ}
    return {**kept, "PYTHONPATH": package}


def _toml(value: float | str) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"
