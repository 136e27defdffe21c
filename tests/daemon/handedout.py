"""A generic cell by one of the examples in ``config/``, on the hosts of a lab, with its real program.

The file is taken as we hand it out. Only what a test cannot have is changed: the shared directory is the
lab's, the timers are short, and words are put in the place of others where the caller says so. Host ``c`` of
the lab has no daemon: it is where clients are.
"""

import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shadowd.config.toml import scalar
from tests.daemon.generics import FAST
from tests.daemon.toys import LONG, Daemon, launch, patiently
from tests.lab import processes
from tests.lab.host import Host
from tests.lab.hosts import Lab

EXAMPLES = Path(__file__).parents[2] / "config"
QUESTIONS: dict[str, float | str] = {"interval": 0.5, "timeout": 2}
"""Of a health command."""


@dataclass
class HandedOut:
    """The cell of one example, its daemons and the place of its files."""

    lab: Lab
    example: str
    words: Mapping[str, str] = field(default_factory=dict)
    """What is written in the place of what, in the text of the example."""
    names: Sequence[str] = ("a", "b")
    daemons: dict[str, Daemon] = field(default_factory=dict)

    @property
    def shared(self) -> Path:
        """The shared directory."""
        return self.lab.dir / "shared"

    @property
    def cell(self) -> dict[str, Any]:
        """The cell as the example has it, but for what is said above."""
        text = (EXAMPLES / self.example).read_text()
        for old, new in {**self.words, tomllib.loads(text)["cell"][0]["directory"]: str(self.shared)}.items():
            assert old in text
            text = text.replace(old, new)
        (cell,) = tomllib.loads(text)["cell"]
        found: dict[str, Any] = {**cell, **FAST}
        if "health" in found:
            found["health"] = {**found["health"], **QUESTIONS}
        return found

    def create(self) -> "HandedOut":
        """Make the shared directory, which belongs to the account of the cell, with its list of hosts."""
        self.shared.mkdir()
        hosts = [self.lab[name].short for name in self.names]
        (self.shared / "shadow_masters").write_text("".join(f"{host}\n" for host in hosts))
        account = self.cell["launch"].get("user", "root")
        subprocess.run(["chown", "-R", account, self.shared], check=True)
        return self

    def home(self, host: Host) -> Path:
        """Return where a host's own files lie."""
        return self.lab.dir / f"home-{host.name}"

    def begin(self, name: str = "a") -> None:
        """Start the daemons, and then the master on this host, as a person does."""
        lines = "".join(f"{key} = {scalar(value)}\n" for key, value in self.cell.items())
        for host in map(self.lab.__getitem__, self.names):
            home = self.home(host)
            home.mkdir()
            (home / "shadowd.toml").write_text(
                f'host = "{host.short}"\nruntime_dir = "{home}/run"\nstate_dir = "{home}/lib"\n'
                f'[log]\nformat = "json"\nfile = "{home}/shadowd.log"\n[[cell]]\n{lines}'
            )
            daemon = launch(home, host.short, before=host.argv([]))
            daemon.cell = self.cell["name"]
            self.daemons[host.name] = daemon
        for daemon in self.daemons.values():
            daemon.wait_state("standby")
        done = self.daemons[name].verb("start", self.cell["name"])
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{self.story()}"
        self.wait_master(name)

    def wait_master(self, name: str) -> None:
        """Wait until this host has the confirmed master."""

        def serving() -> bool:
            path = self.shared / "master"
            named = path.read_text().strip() if path.exists() else ""
            return self.daemons[name].record().get("state") == "active" and named == self.lab[name].short

        patiently(serving, LONG, f"a master on {name}", self.story)

    def ours(self, name: str) -> list[int]:
        """Return daemon and enforcer of a host: whatever runs there of this project's."""
        return [pid for pid in self.lab[name].pids() if "-m shadowd" in processes.arguments(pid)]

    def story(self) -> str:
        """Return what a person would read when a test fails."""
        told = [daemon.story() for daemon in self.daemons.values()]
        logs = self.lab.dir.glob("home-*/*.master.log")
        return "\n".join([*told, *(path.read_text(errors="replace")[-3000:] for path in logs)])
