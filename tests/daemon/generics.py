"""Whole daemons on a generic cell: two hosts, one directory, one program that is nobody's but the cell's."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from tests.daemon.toys import LONG, Daemon, end_all, launch, living, patiently

SINGLETON = Path(__file__).with_name("singleton.py")
FAST: dict[str, float | str] = {
    "check_interval": 0.2,
    "stale_after": 1,
    "delay": 2,
    "beat_interval": 0.2,
    "probe_timeout": 0.5,
    "io_timeout": 0.5,
    "launch_timeout": 5,
    "guard_interval": 0.2,
    "notice_interval": 0.2,
    "retry_after": 0.5,
    "retry_limit": 1,
    "window": 7.7,
}


@dataclass
class Generic:
    """One generic cell below ``root``, its daemons and its masters."""

    root: Path
    command: Callable[[str], Sequence[str]] | None = None
    """What a host's master is started by; None: the singleton."""
    more: str = ""
    """Further lines of each host's configuration, with {host} for its name."""
    keys: dict[str, float | str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ("alpha", "beta")
    shared_paths: tuple[str, ...] = ()
    """Further directories that the master needs."""
    daemons: dict[str, Daemon] = field(default_factory=dict)

    @property
    def shared(self) -> Path:
        """The shared directory."""
        return self.root / "shared"

    @property
    def journal(self) -> Path:
        """What the singletons write."""
        return self.root / "journal"

    def create(self) -> "Generic":
        """Make the directory with its list of hosts."""
        self.shared.mkdir(parents=True)
        (self.shared / "shadow_masters").write_text("".join(f"{host}\n" for host in self.hosts))
        return self

    def configure(self, host: str) -> Path:
        """Write a host's configuration."""
        home = self.root / host
        home.mkdir(exist_ok=True)
        command = (
            self.command(host)
            if self.command
            else (sys.executable, SINGLETON, self.journal, host, f"{home}/")
        )
        words = ", ".join(f'"{word}"' for word in command)
        keys = "\n".join(
            f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value:g}"
            for key, value in (FAST | self.keys).items()
        )
        path = home / "shadowd.toml"
        path.write_text(
            f'host = "{host}"\nruntime_dir = "{home}/run"\nstate_dir = "{home}/lib"\n'
            f'[log]\nformat = "json"\nfile = "{home}/shadowd.log"\n'
            f'[[cell]]\nname = "single"\nkind = "generic"\ndirectory = "{self.shared}"\n{keys}\n'
            f"shared = {list(self.shared_paths)}\n"
            f"[cell.launch]\ncommand = [{words}]\n{self.more.replace('{host}', host)}\n"
        )
        return path

    def serve(self, *hosts: str) -> None:
        """Start the daemons of these hosts."""
        for host in hosts or self.hosts:
            self.configure(host)
            self.daemons[host] = launch(self.root / host, host)
            self.daemons[host].cell = "single"
        for host in hosts or self.hosts:
            self.daemons[host].wait_state("standby")

    def serve_again(self, host: str) -> None:
        """Start the daemon of a host whose last one has ended."""
        self.daemons[host] = launch(self.root / host, host)
        self.daemons[host].cell = "single"

    def begin(self, host: str = "alpha") -> None:
        """Serve all hosts and start the first master on this one."""
        self.serve()
        self.start(host)

    def start(self, host: str) -> None:
        """Start the master on a host, by the verb."""
        done = self.daemons[host].verb("start", "single")
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{self.story()}"
        self.wait_master(host)

    def masters(self, host: str = "") -> list[int]:
        """Return the masters of a host (of all), by the home of the host on their command line."""
        homes = [f"{self.root / name}/" for name in self.hosts if host in {"", name}]
        return [
            pid
            for pid, words in living(self.root)
            if not (words[1] == "-m" and words[2].startswith("shadowd"))
            and any(home in word for home in homes for word in words)
        ]

    def named(self) -> str:
        """Return the host in the file ``master``."""
        path = self.shared / "master"
        return path.read_text().strip() if path.exists() else ""

    def wait_master(self, host: str, seconds: float = LONG) -> None:
        """Wait until this host has the one master, confirmed and named."""

        def serving() -> bool:
            state = self.daemons[host].record().get("state")
            return state == "active" and self.named() == host

        patiently(serving, seconds, f"a master on {host}", self.story)

    def reigns(self) -> list[tuple[str, str]]:
        """Return (epoch, host) of each time that lines came from another master than before."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [reign for reign, _ in groupby((epoch, host) for epoch, host, _ in map(str.split, lines))]

    def never_two(self) -> None:
        """Fail if a master wrote after another one had begun."""
        reigns = self.reigns()
        assert len(set(reigns)) == len(reigns), f"two masters at once: {reigns}\n{self.story()}"

    def all_of(self, host: str) -> list[int]:
        """Return every process of a host: its daemon, its masters and the enforcer."""
        return [self.daemons[host].pid, *self.masters(host), *self.enforcers(host)]

    def freeze(self, host: str) -> list[int]:
        """Stop every process of a host, as a hypervisor does; return its daemon and its masters."""
        frozen = [self.daemons[host].pid, *self.masters(host)]
        for pid in (*frozen, *self.enforcers(host)):
            os.kill(pid, signal.SIGSTOP)
        return frozen

    def enforcers(self, host: str) -> list[int]:
        """Return the processes that will enforce the leases of this host's daemons."""
        home = f"{self.root / host}/"
        return [
            pid
            for pid, words in living(self.root)
            if words[1:3] == ["-m", "shadowd.app.enforcer"] and any(home in word for word in words)
        ]

    def story(self) -> str:
        """Return what a person would read when a test fails."""
        files = sorted(str(path.relative_to(self.shared)) for path in self.shared.rglob("*"))
        told = [daemon.story() for daemon in self.daemons.values()]
        logs = [path.read_text()[-2000:] for path in self.root.glob("*/*.master.log")]
        return "\n".join([*told, *logs, f"reigns: {self.reigns()}", f"files: {files}"])

    def close(self) -> None:
        """End every process of the cell."""
        end_all(self.root)
