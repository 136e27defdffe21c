"""Whole daemons on a TORQUE cell: hosts on one machine, one ``server_priv``, a program for a server.

A server that is none of ours is the stand-in of the lab (``lab.pbs_server``), as quick as it can be set.
"""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.daemon.generics import SINGLETON, Generic
from tests.daemon.toys import launch
from tests.lab import pbs_server

RIVALS: dict[str, dict[str, float | str]] = {
    "fcntl": {"release": "2.3", "again": 0.2},
    "lease": {"release": "6.1", "lock_file_check_time": 3, "lock_file_update_time": 1, "again": 0.2},
}
"""By the method of its lock: a server of TORQUE's own high availability."""
FAST: dict[str, float | str] = {
    "retry_interval": 0.2,
    "beat_interval": 0.2,
    "guard_interval": 0.2,
    "stale_after": 3,
    "probe_timeout": 0.5,
    "io_timeout": 0.5,
    "launch_timeout": 5,
    "retry_after": 2,
    "retry_limit": 2,
}


@dataclass
class Torque(Generic):
    """One TORQUE cell below ``root``, its daemons, its servers and its rivals."""

    method: str = "fcntl"
    program: tuple[str | Path, ...] = (SINGLETON,)
    options: tuple[str | Path, ...] = ()
    """What the server is told besides."""
    rivals: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def lock(self) -> Path:
        """TORQUE's lock."""
        return self.shared / "server.lock"

    def create(self) -> "Torque":
        """Make a ``server_priv`` with its database."""
        self.shared.mkdir(parents=True)
        attributes = {"journal": self.journal, "port": 0, "writes": 0.1, **RIVALS[self.method]}
        (self.shared / "serverdb").write_text(
            "".join(f"{key} {value}\n" for key, value in attributes.items())
        )
        (self.shared / "sequence").write_text("1\n")
        return self

    def configure(self, host: str) -> Path:
        """Write a host's configuration."""
        home = self.root / host
        home.mkdir(exist_ok=True)
        words = ", ".join(
            f'"{word}"'
            for word in (sys.executable, *self.program, self.journal, host, f"{home}/", *self.options)
        )
        keys = "\n".join(
            f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value:g}"
            for key, value in (FAST | self.keys).items()
        )
        path = home / "shadowd.toml"
        path.write_text(
            f'host = "{host}"\nruntime_dir = "{home}/run"\nstate_dir = "{home}/lib"\n'
            f'[log]\nformat = "json"\nfile = "{home}/shadowd.log"\n'
            f'[[cell]]\nname = "single"\nkind = "torque"\ndirectory = "{self.shared}"\n'
            f'lock = "{self.method}"\n{keys}\n'
            f"[cell.launch]\ncommand = [{words}]\nscheduler = []\n{self.more.replace('{host}', host)}\n"
        )
        return path

    def serve(self, *hosts: str) -> None:
        """Start the daemons of these hosts."""
        for host in hosts or self.hosts:
            self.configure(host)
            self.daemons[host] = launch(self.root / host, host)
            self.daemons[host].cell = "single"

    def begin(self, host: str = "alpha") -> None:
        """Let this host serve, then start the other daemons."""
        self.serve(host)
        self.wait_master(host)
        self.serve(*(other for other in self.hosts if other != host))
        for other in self.hosts:
            if other != host:
                self.daemons[other].wait_state("standby")

    def named(self) -> str:
        """Return the host in the file ``master``."""
        path = self.shared / "shadowd" / "master"
        return path.read_text().strip() if path.exists() else ""

    def rival(self, name: str = "rival") -> "subprocess.Popen[bytes]":
        """Start a server that is none of ours."""
        home = self.root / f"home-{name}"
        program = home / "pbs_server"
        if not home.exists():
            home.mkdir()
            (home / "server_priv").symlink_to(self.shared)
            source = Path(pbs_server.__file__).read_text()
            program.write_text(f"#!{os.path.realpath(sys.executable)} -IS\n{source}")
            program.chmod(0o755)
        started = subprocess.Popen([program, "-D", "--ha", "-d", home], env={"HOST": name})
        self.rivals.append(started)
        return started

    def close(self) -> None:
        """End every process of the cell."""
        super().close()
        for rival in self.rivals:
            rival.kill()
            rival.wait()
