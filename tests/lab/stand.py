"""A place to launch programs from: the toy pair, shell scripts with bad manners, and what they leave."""

import socket
import sys
import threading
from pathlib import Path

from shadowd.adapters.execution import Program
from shadowd.adapters.kept import Keeper
from shadowd.adapters.launch import PairLauncher
from shadowd.adapters.marks import Secrets, processes_of, users_of
from shadowd.adapters.reaping import Leftovers
from shadowd.core.values import Epoch, ExitKind, PairView
from tests.lab.processes import wait_for

PACKAGE = str(Path(__file__).parents[2])
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "PYTHONPATH": PACKAGE}
ONE = Epoch(1)


class Stand:
    """A launcher with its programs, and everything that must be cleaned up."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ends = threading.Semaphore(0)
        self.secrets = Secrets()
        self.nonce = self.secrets.draw()
        self.made: list[PairLauncher] = []
        self.log = path / "pair.log"
        self.resident: int | None = None
        """The master that no claim started, as a search would find it."""

    @property
    def keeper(self) -> Keeper:
        """Return where the processes are kept for the next daemon."""
        return Keeper(self.path / "lab@alpha.processes.json", "boot")

    def marked(self) -> tuple[int, ...]:
        """Return the processes that carry the mark."""
        return processes_of(self.nonce, users_of()) or ()

    def script(self, text: str, name: str = "fake_master") -> Program:
        """Write a shell script and return it as a program."""
        path = self.path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return Program((str(path),))

    def toy(self, *options: str, role: str = "master", beat: str = "0.1") -> Program:
        """Return the toy as a program."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        place = ("--common", str(self.path), "--spool", str(self.path), "--host", "alpha")
        words = (*place, "--port", port, "--beat", beat, *options)
        return Program((sys.executable, "-S", "-m", "shadowd.sim.toy", role, *words))

    def launcher(self, *programs: Program) -> PairLauncher:
        """Make a launcher."""
        made = PairLauncher(
            "lab",
            programs,
            ENVIRONMENT,
            self.log,
            self.ends.release,
            kept=self.keeper,
            resident=lambda: self.resident,
            users=users_of(),
            secret_of=self.secrets.of,
        )
        made._leftovers = Leftovers(patience=0)
        self.made.append(made)
        return made

    def view(self, launcher: PairLauncher, kind: ExitKind, alive: int | None = None) -> PairView:
        """Inspect until the master is in this state, and so many processes live."""

        def look() -> PairView | None:
            seen = launcher.inspect(ONE, self.nonce)
            return seen if seen.master is kind and alive in {None, seen.alive} else None

        found = wait_for(look, 15, f"the master is {kind.value} with {alive} alive")
        assert found is not None
        return found

    def running(self, launcher: PairLauncher) -> int:
        """Wait until the daemonized master serves; return its pid."""
        pid_file = self.path / "qmaster.pid"
        pid = int(wait_for(lambda: pid_file.exists() and pid_file.read_text().strip(), 15, "it serves"))

        def settled() -> bool:
            return launcher.inspect(ONE, self.nonce).master_pid == pid

        wait_for(settled, 15, "the launcher sees the process that serves")
        return pid

    def ended(self, launcher: PairLauncher) -> PairView | None:
        """Return the view once nothing lives any more."""
        seen = launcher.inspect(ONE, self.nonce)
        return None if seen.alive else seen

    def clean_up(self) -> None:
        """Leave neither processes nor zombies behind."""
        for launcher in self.made:
            launcher.stop(ONE, self.nonce)
            launcher._leftovers.sweep()
            launcher.close()
