"""Whole daemons on toy cells: start them, read what they say, end all of it.

Every process of a cell carries the cell's directory on its command line; that is how it is found and ended,
whoever started it. Who was master when is read from the journal that the toy masters write, line by line as
they beat, so that "never two" is said of every beat and not of some moments.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from shadowd.sim.toycell import ToyCell, environment
from tests.lab import processes
from tests.lab.processes import wait_for

T = TypeVar("T")
PUPPET = Path(__file__).with_name("puppet.py")
FAST: dict[str, float | str] = {
    "check_interval": 0.2,
    "stale_after": 1,
    "delay": 2,
    "beat_interval": 0.2,
    "probe_timeout": 0.5,
    "io_timeout": 0.5,
    "launch_timeout": 2,
    "guard_interval": 0.2,
    "notice_interval": 0.2,
    "retry_after": 0.5,
    "retry_limit": 1,
    "window": 4.6,
}
"""As fast as a busy machine allows: a lease of 2.4 s must outlast the moments when nobody gets a turn."""
SLOW: dict[str, float | str] = FAST | {"stale_after": 600, "delay": 600, "lease": 500, "window": 60}
"""Timers that are never over while a test runs."""
_LOOKS = 5
LONG = 40.0
"""Seconds for what takes a few; only a broken test waits for so long."""


def patiently(question: Callable[[], T], seconds: float, what: str, story: Callable[[], str]) -> T:
    """Wait as ``wait_for`` does; a failure ends with the story as it is by then."""
    try:
        return wait_for(question, seconds, what)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{story()}") from None


_launched: "list[Daemon]" = []
"""Our children, to be collected when they have ended."""


@dataclass
class Daemon:
    """One shadowd, with the directory that is its own."""

    home: Path
    host: str
    process: "subprocess.Popen[bytes]"
    cell: str = "demo"

    @property
    def pid(self) -> int:
        """The pid that was started; with ``--daemonize`` not the daemon's."""
        return self.process.pid

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield what it logged."""
        try:
            text = (self.home / "shadowd.log").read_text()
        except FileNotFoundError:
            return
        for line in text.splitlines():
            yield json.loads(line)

    def told(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """Return the lines with this event and these fields."""
        return [
            line
            for line in self.events()
            if line.get("event") == event and all(line.get(key) == value for key, value in fields.items())
        ]

    def wait_told(self, event: str, seconds: float = LONG, **fields: Any) -> list[dict[str, Any]]:
        """Wait until it logged this event."""
        return patiently(lambda: self.told(event, **fields), seconds, f"{event} {fields}", self.story)

    def record(self, cell: str = "") -> dict[str, Any]:
        """Return what it thought last of a cell, by its local file."""
        path = self.home / "run" / f"{cell or self.cell}@{self.host}.state.json"
        try:
            record: dict[str, Any] = json.loads(path.read_bytes())
        except (OSError, ValueError):
            return {}
        return record

    def refused(self, reason: str, cell: str = "") -> dict[str, Any] | None:
        """Return what it says about this refusal, if it stands."""
        found = self.record(cell).get("refusals", [])
        return next((item for item in found if item["reason"] == reason), None)

    def wait_refused(self, reason: str, cell: str = "", seconds: float = LONG) -> dict[str, Any]:
        """Wait until this speaks against a takeover."""
        question = lambda: self.refused(reason, cell)  # noqa: E731 - a name for a long line
        return patiently(question, seconds, f"refusal {reason}", self.story) or {}

    def wait_state(self, state: str, cell: str = "", seconds: float = LONG) -> None:
        """Wait until it is in this state."""
        patiently(lambda: self.record(cell).get("state") == state, seconds, state, self.story)

    def wait_eligible(self, cell: str = "", seconds: float = LONG) -> None:
        """Wait until it has read the heartbeat and nothing that lasts speaks against a takeover."""

        def eligible() -> bool:
            record = self.record(cell)
            return record.get("beat") is not None and not record["refusals"]

        patiently(eligible, seconds, "eligible", self.story)

    def story(self) -> str:
        """Return what a person would read when a test fails."""
        lines = (
            f"{line.get('timestamp', '')[11:23]} {self.host} {line.get('cell') or ''} {line.get('event')} "
            f"{line.get('reason')} epoch={line.get('epoch')} {line.get('detail') or ''}"
            for line in self.events()
        )
        stderr = (self.home / "stderr").read_text().splitlines() if (self.home / "stderr").exists() else []
        errors = [line for line in stderr if not line.startswith("{")]
        return "\n".join([*lines, json.dumps(self.record()), *errors[-30:]])

    def verb(self, *argv: str, timeout: float = LONG) -> "subprocess.CompletedProcess[str]":
        """Run a verb with this daemon's configuration."""
        return verb(argv[0], "--config", self.home / "shadowd.toml", *argv[1:], timeout=timeout)

    def kill(self) -> None:
        """End it as a crash would; what it started lives on."""
        self.process.kill()
        self.process.wait(LONG)


@dataclass
class Toys:
    """One toy cell, its daemons and its masters."""

    cell: ToyCell
    daemons: dict[str, Daemon] = field(default_factory=dict)

    @classmethod
    def make(cls, root: Path, name: str = "demo", journal: Path | None = None, **keys: float | str) -> "Toys":
        """Create a cell with fast timers below this directory."""
        root.mkdir(parents=True, exist_ok=True)
        # Beside it and not inside: a test may let everything inside hang.
        journal = root.with_name(f"{root.name}.journal") if journal is None else journal
        cell = ToyCell(root, name=name, beat=0.2, timers=FAST | keys, journal=journal)
        cell.create()
        return cls(cell)

    @property
    def root(self) -> Path:
        """The directory that everything lies in."""
        return self.cell.root

    @property
    def claims(self) -> Path:
        """The directory of claims."""
        return self.cell.spool / "shadowd" / "claims"

    def start_master(self, host: str = "alpha") -> None:
        """Start the pair by hand and wait until it beats."""
        self.cell.start_master(host)
        wait_for(self.reigns, LONG, "the first master beats")

    def start(
        self,
        host: str,
        *,
        wish: dict[str, Any] | None = None,
        env: dict[str, str] | None = None,
        before: Sequence[str] = (),
        **keys: float | str,
    ) -> Daemon:
        """Start a host's daemon and wait until it has looked at the cell; with a wish, as a puppet."""
        self.cell.configure(host, **keys)
        daemon = launch(self.cell.home(host), host, wish=wish, env=env, before=before)
        self.daemons[host] = daemon
        daemon.cell = self.cell.name
        return daemon

    def serve(self, host: str, **keys: Any) -> Daemon:
        """Start a host's daemon and wait until it is fit to take over."""
        daemon = self.start(host, **keys)
        daemon.wait_eligible()
        return daemon

    def pids(self, host: str = "", role: str = "") -> list[int]:
        """Return the toys of a host (of all), masters or schedulers or both."""
        return [
            pid
            for pid, words in living(self.root)
            if words[1:2] == ["-IS"] and words[3] in {role, *(("master", "scheduler") if not role else ())}
            if not host or words[words.index("--host") + 1] == host
        ]

    def enforcers(self, host: str = "") -> list[int]:
        """Return the processes beside the daemons of a host (of all)."""
        home = str(self.cell.home(host) if host else self.root)
        return [
            pid
            for pid, words in living(self.root)
            if words[1:3] == ["-m", "shadowd.app.enforcer"] and any(word.startswith(home) for word in words)
        ]

    def kill_pair(self, host: str) -> None:
        """Let a host's master and scheduler die."""
        extinguish(lambda: self.pids(host), f"the pair of {host}")

    def reigns(self) -> list[tuple[str, str]]:
        """Return (epoch, host) of each time that beats came from another master than before."""
        words = (line.split() for line in self._lines())
        return [reign for reign, _ in groupby((epoch, host) for epoch, host, _ in words)]

    def beats(self) -> int:
        """Return how many beats there were so far."""
        return len(self._lines())

    def _lines(self) -> list[str]:
        journal = self.cell.journal
        return journal.read_text().splitlines() if journal and journal.exists() else []

    def never_two(self) -> None:
        """Fail if a master wrote after another one had begun."""
        reigns = self.reigns()
        assert len(set(reigns)) == len(reigns), f"two masters at once: {reigns}\n{self.story()}"

    def wait_master(self, hosts: Sequence[str], seconds: float = LONG) -> str:
        """Wait for one master, named and beating, on one of these hosts; return the host."""

        def serving() -> str:
            masters = [host for host in self.cell.hosts for _ in self.pids(host, "master")]
            reigns = self.reigns()
            if len(masters) != 1 or masters[0] not in hosts or not reigns or reigns[-1][1] != masters[0]:
                return ""
            active = (self.cell.common / "act_qmaster").read_text().strip()
            return masters[0] if active == masters[0] else ""

        return patiently(serving, seconds, f"a master on one of {hosts}", self.story)

    def story(self) -> str:
        """Return what a person would read when a test fails."""
        files = sorted(str(path.relative_to(self.cell.spool)) for path in self.cell.spool.rglob("*"))
        told = [daemon.story() for daemon in self.daemons.values()]
        return "\n".join([*told, f"reigns: {self.reigns()}", f"spool: {files}"])

    def close(self) -> None:
        """End every process of the cell."""
        end_all(self.root)


def configure(home: Path, host: str, *toys: Toys, top: str = "", **keys: float | str) -> Path:
    """Write the configuration of a daemon that serves several cells."""
    home.mkdir(parents=True, exist_ok=True)
    tables = "".join(toy.cell.table(host, **keys) for toy in toys)
    path = home / "shadowd.toml"
    path.write_text(
        f'host = "{host}"\nruntime_dir = "{home}/run"\nstate_dir = "{home}/lib"\n{top}\n'
        f'[log]\nformat = "json"\nfile = "{home}/shadowd.log"\n{tables}'
    )
    return path


def launch(
    home: Path,
    host: str,
    *more: str,
    wish: dict[str, Any] | None = None,
    env: dict[str, str] | None = None,
    before: Sequence[str] = (),
    config: Sequence[str] | None = None,
    stderr: int | None = None,
) -> Daemon:
    """Start the daemon of a configured home."""
    named = ["--config", str(home / "shadowd.toml")] if config is None else config
    words = ["run", *named, *more]
    module = ["-m", "shadowd"]
    if wish is not None:
        module = [str(PUPPET), json.dumps({"witness": str(home / "witness"), **wish})]
    with (home / "stderr").open("ab") as output:
        process = subprocess.Popen(
            [*before, sys.executable, *module, *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output if stderr is None else stderr,
            env=surroundings() | (env or {}),
            start_new_session=True,
        )
    daemon = Daemon(home, host, process)
    _launched.append(daemon)
    return daemon


def verb(name: str, *argv: object, timeout: float = LONG) -> "subprocess.CompletedProcess[str]":
    """Run a verb."""
    return subprocess.run(
        [sys.executable, "-m", "shadowd", name, *map(str, argv)],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=surroundings(),
        timeout=timeout,
    )


def surroundings() -> dict[str, str]:
    """Return the environment of what a test starts; the mark is how leftovers are found."""
    mark = {key: value for key, value in os.environ.items() if key.startswith("PYTEST_OWNER")}
    return environment() | mark


def living(root: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the processes that carry this directory on their command line, with their words."""
    for pid in processes.everybody():
        if pid == os.getpid() or not processes.alive(pid):
            continue
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if any(f"{root}/" in word for word in words):
            yield pid, words


def extinguish(look: Callable[[], list[int]], what: str) -> None:
    """Kill what is found until nothing is, several times in a row: who forks can be missed by one look."""
    empty = 0

    def gone() -> bool:
        nonlocal empty
        left = look()
        processes.kill(left)
        empty = 0 if left else empty + 1
        return empty == _LOOKS

    wait_for(gone, LONG, f"{what}: ended")


def end_all(root: Path) -> None:
    """Kill every process that carries this directory, until none is left."""
    extinguish(lambda: [pid for pid, _ in living(root)], f"all processes of {root}")
    for daemon in [one for one in _launched if one.home.is_relative_to(root)]:
        daemon.process.wait(LONG)
        _launched.remove(daemon)
