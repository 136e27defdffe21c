"""A cell whose directory each host mounts by itself, so that one host may have missed to.

Each daemon lives in a mount namespace of its own. ``export`` is what the file server has; ``shared`` is the
mount point, beneath which lies an old copy.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.daemon.generics import Generic
from tests.daemon.torques import Torque
from tests.daemon.toys import LONG, Daemon, launch, patiently, surroundings

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
_IN = 'if [ "$1" ]; then mount --bind "$1" "$2"; fi; shift 2; exec "$@"'


@dataclass
class Mounted(Generic):
    """A generic cell on hosts with mounts of their own; ``shared`` is what the file server has."""

    @property
    def place(self) -> Path:
        """The mount point."""
        return self.root / "mnt"

    def create(self) -> "Mounted":
        """Make what the file server has, and the copy of it that lies beneath every mount point."""
        super().create()
        shutil.copytree(self.shared, self.place)
        return self

    def configure(self, host: str) -> Path:
        """Write a host's configuration, which names the mount point."""
        path = super().configure(host)
        path.write_text(path.read_text().replace(f'"{self.shared}"', f'"{self.place}"'))
        return path

    def serve(self, *hosts: str) -> None:
        """Start the daemons of these hosts, with the directory mounted."""
        for host in hosts or self.hosts:
            self.serve_on(host, mounted=True)
        for host in hosts or self.hosts:
            patiently(self.daemons[host].record, LONG, f"a daemon on {host}", self.story)

    def serve_on(self, host: str, *, mounted: bool) -> Daemon:
        """Start the daemon of a host, in a mount namespace of its own."""
        self.configure(host)
        space = ("unshare", "-m", "--propagation", "private", "sh", "-c", _IN, "sh")
        before = (*space, self.shared if mounted else "", self.place)
        self.daemons[host] = launch(self.root / host, host, before=[str(word) for word in before])
        self.daemons[host].cell = "single"
        return self.daemons[host]

    def mount(self, host: str) -> None:
        """Mount the directory on a host, late."""
        subprocess.run(self.on(host, ["mount", "--bind", str(self.shared), str(self.place)]), check=True)

    def on(self, host: str, words: Sequence[str]) -> list[str]:
        """Return the words of a command in a host's mount namespace."""
        return ["nsenter", "-m", "-t", str(self.daemons[host].process.pid), *words]

    def verb(self, host: str, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a verb on a host."""
        config = str(self.root / host / "shadowd.toml")
        program = [sys.executable, "-m", "shadowd", words[0], "--config", config, *words[1:]]
        return subprocess.run(
            self.on(host, program),
            check=False,
            capture_output=True,
            text=True,
            env=surroundings(),
            timeout=LONG,
        )

    def start(self, host: str) -> None:
        """Start the master on a host, by the verb."""
        done = self.verb(host, "start", "single")
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{self.story()}"
        self.daemons[host].wait_state("active")


@dataclass
class MountedTorque(Mounted, Torque):
    """A TORQUE cell likewise; a server starts by itself where none runs."""

    def create(self) -> "MountedTorque":
        """Make what the file server has, and the copy of it that lies beneath every mount point."""
        Torque.create(self)
        shutil.copytree(self.shared, self.place)
        return self

    def configure(self, host: str) -> Path:
        """Write a host's configuration, which names the mount point."""
        path = Torque.configure(self, host)
        path.write_text(path.read_text().replace(f'"{self.shared}"', f'"{self.place}"'))
        return path

    def start(self, host: str) -> None:
        """Wait for the server."""
        self.daemons[host].wait_state("active")
