"""A cell on one machine for the demonstration and for tests: real files, real processes, toy programs.

Each "host" is a loopback address of its own (all of 127.0.0.0/8 is local on Linux), so masters of different
hosts may use one port, as in life. Nothing but this machine is ever contacted.
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


@dataclass(slots=True)
class ToyCell:
    """One cell below ``root``; make it with ``create``."""

    root: Path
    hosts: tuple[str, ...] = HOSTS
    name: str = "demo"
    beat: float = 0.5
    timers: dict[str, float | str] = field(default_factory=lambda: dict(TIMERS))
    port: int = 0

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
        (self.common / "shadow_masters").write_text("".join(f"{host}\n" for host in self.hosts))
        self.port = self.port or self._free_port()

    def address(self, host: str) -> str:
        """Return the loopback address that plays this host."""
        return f"127.0.0.{self.hosts.index(host) + 11}"

    def master(self, host: str) -> tuple[str, ...]:
        """Return the command that starts the toy master of a host."""
        return self._toy("master", host, "--bind", self.address(host), "--port", str(self.port))

    def scheduler(self, host: str) -> tuple[str, ...]:
        """Return the command that starts the toy scheduler of a host."""
        return self._toy("scheduler", host)

    def configure(self, host: str, **keys: float | str) -> Path:
        """Write the configuration of a host's shadowd and return its path."""
        home = self.root / host
        home.mkdir(exist_ok=True)
        addresses = ", ".join(f'{name} = "{self.address(name)}"' for name in self.hosts)
        timers = "\n".join(f"{key} = {_toml(value)}" for key, value in (self.timers | keys).items())
        path = home / "shadowd.toml"
        path.write_text(
            f'host = "{host}"\nruntime_dir = "{home}/run"\n'
            f'[log]\nformat = "json"\nfile = "{home}/shadowd.log"\n'
            f'[[cell]]\nname = "{self.name}"\nsge_root = "{self.root}/sge"\n{timers}\n'
            f"[cell.launch]\ncommand = {list(self.master(host))}\nscheduler = {list(self.scheduler(host))}\n"
            f'[cell.probe]\nport = {self.port}\nqping = "off"\naddresses = {{ {addresses} }}\n'
        )
        return path

    def start_master(self, host: str) -> None:
        """Start the toy master by hand, as an init script would."""
        subprocess.run(self.master(host), check=True, cwd="/", env=self._environment(), timeout=30)

    def start_shadowd(self, host: str, **keys: float | str) -> "subprocess.Popen[bytes]":
        """Start a host's shadowd in the foreground; its lines go to ``<host>/shadowd.log``."""
        config = self.configure(host, **keys)
        with (self.root / host / "stderr").open("ab") as stderr:
            return subprocess.Popen(
                (sys.executable, "-m", "shadowd", "run", "--config", str(config)),
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                env=self._environment(),
                start_new_session=True,
            )

    def _toy(self, role: str, host: str, *more: str) -> tuple[str, ...]:
        return (
            *(sys.executable, "-m", "shadowd.sim.toy", role),
            *("--common", str(self.common), "--spool", str(self.spool), "--host", host),
            *("--beat", str(self.beat), *more),
        )

    def _environment(self) -> dict[str, str]:
        package = str(Path(__file__).parents[2])
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TZ") if key in os.environ}
        return {**kept, "PYTHONPATH": package}

    def _free_port(self) -> int:
        with socket.socket() as probe:
            probe.bind((self.address(self.hosts[0]), 0))
            return int(probe.getsockname()[1])


def _toml(value: float | str) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"
