"""TORQUE cells on the hosts of a lab: one shared ``server_priv``, a home of its own on each host.

A host's home is ``/run/torque``, with its ``server_name`` and the shared directory mounted at
``server_priv``, as it is over NFS. The servers are the stand-ins of ``lab.pbs_server``; who served is read
from the journal that they write into the shared directory, so that "not one line of the old one" can be
said of every line.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from tests.lab import pbs_server
from tests.lab.host import Host
from tests.lab.hosts import Lab
from tests.lab.ours import Ours
from tests.lab.processes import wait_for

HOME = Path("/run/torque")
PRIVATE = HOME / "server_priv"
QUICK: dict[str, float | str] = {
    "retry_interval": 0.2,
    "beat_interval": 0.3,
    "stale_after": 3,
    "probe_timeout": 0.5,
    "io_timeout": 1,
    "launch_timeout": 10,
    "guard_interval": 0.2,
    "retry_after": 0.5,
    "retry_limit": 1,
}
"""As quick as a busy machine allows."""
RELEASES: dict[str, dict[str, float | str]] = {
    "fcntl": {"release": "2.3"},
    "lease": {"release": "6.1", "lock_file_check_time": 3, "lock_file_update_time": 1},
}
"""By the method of its lock: the release whose ``--ha`` is of that sort, as quick as it can be set."""
SUBMIT = """
import socket, sys
for _ in range(int(sys.argv[2])):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5) as server:
        server.sendall(b"submit")
        print(server.recv(100).decode())
"""
LONG = 60.0
"""Seconds for what takes a few; only a broken test waits for so long."""


class Reign(NamedTuple):
    """Lines of one server that no other one's interrupt."""

    host: str
    pid: int


@dataclass
class Daemon(Ours):
    """One of our daemons on a TORQUE cell; ``launch`` is further lines of ``[cell.launch]``."""

    cell: "TorqueCell"

    def configure(self) -> Path:
        """Write the configuration and return its path."""
        self.home.mkdir(exist_ok=True)
        keys = "\n".join(f"{key} = {json.dumps(value)}" for key, value in (self.timers | self.keys).items())
        path = self.home / "shadowd.toml"
        path.write_text(
            f'runtime_dir = "/run/shadowd-{self.cell.name}"\n'
            f'state_dir = "/run/shadowd-{self.cell.name}/lib"\n'
            f'[log]\nformat = "json"\nfile = "{self.log}"\n'
            f'[[cell]]\nname = "{self.cell.name}"\nkind = "torque"\ndirectory = "{PRIVATE}"\n{keys}\n'
            f"[cell.launch]\ncommand = {json.dumps(self.cell.command())}\n"
            f"scheduler = {json.dumps([str(self.cell.scheduler)] if self.cell.paired else [])}\n"
            f"{self.launch}\n"
        )
        return path

    def ready(self) -> bool:
        """Tell whether it has looked at the cell."""
        return self.record().get("state") is not None


@dataclass
class TorqueCell:
    """One shared ``server_priv`` and the hosts that have it."""

    lab: Lab
    names: tuple[str, ...]
    """The hosts that may serve, in the order of ``server_name``."""
    clients: tuple[str, ...] = ()
    """Hosts that have a ``server_name`` and nothing else."""
    name: str = "torque"
    paired: bool = True
    """Each server has its ``pbs_sched``."""
    daemons: dict[str, Daemon] = field(default_factory=dict)

    @property
    def spool(self) -> Path:
        """The shared directory, as everybody but the hosts sees it."""
        return self.lab.dir / f"{self.name}.server_priv"

    @property
    def hosts(self) -> list[Host]:
        """The hosts that may serve."""
        return [self.lab[name] for name in self.names]

    @property
    def env(self) -> dict[str, str]:
        """What a client's or a daemon's environment needs."""
        return {}

    @property
    def scheduler(self) -> Path:
        """The stand-in of ``pbs_sched``."""
        return self.lab.dir / "pbs_sched"

    @property
    def journal(self) -> Path:
        """What the servers write."""
        return self.spool / "journal"

    def build(self, **attributes: float | str) -> "TorqueCell":
        """Make the directory with its database, mount it on each host, and write the programs."""
        interpreter = f"#!{os.path.realpath(sys.executable)} -IS\n"
        source = Path(pbs_server.__file__).read_text()
        self._program(Path(self.command()[0]), interpreter + source)
        self._program(self.scheduler, f"{interpreter}import signal\n\nsignal.pause()\n")
        self.spool.mkdir()
        self.spool.chmod(0o750)
        self.attributes(**attributes)
        (self.spool / "sequence").write_text("1\n")
        for name in (*self.names, *self.clients):
            self.move_in(self.lab[name])
        return self

    def attributes(self, **values: float | str) -> None:
        """Write the database, as ``pbs_server -t create`` and ``qmgr`` would."""
        (self.spool / "serverdb").write_text("".join(f"{name} {value}\n" for name, value in values.items()))

    def move_in(self, host: Host) -> None:
        """Give a host its home; only those that may serve mount the shared directory."""
        host.run(["mkdir", "-p", PRIVATE], check=True)
        host.path(HOME / "server_name").write_text(",".join(each.short for each in self.hosts) + "\n")
        if host.name in self.names:
            host.run(["mount", "--bind", self.spool, PRIVATE], check=True)

    def command(self, *options: str) -> list[str]:
        """Return the server's command line."""
        return [str(self.lab.dir / "pbs_server"), "-D", *options, "-d", str(HOME)]

    def start_rival(
        self, host: str, *options: str, env: dict[str, str] | None = None
    ) -> "subprocess.Popen[str]":
        """Start a server by hand, as an init script would (with ``--ha``: a standby of TORQUE's own)."""
        output = self.lab.dir / f"{self.name}-{host}.rival"
        return self.lab[host].popen(self.command(*options), env=env, output=output)

    def daemon(
        self, host: str, *, launch: str = "", env: Mapping[str, str] | None = None, **keys: float | str
    ) -> Daemon:
        """Return a host's daemon, not started; the environment is its server's too."""
        more = "".join(f"{name} = {json.dumps(value)}\n" for name, value in (env or {}).items())
        words = f"{launch}\n[cell.launch.environment]\n{more}"
        made = Daemon(self, self.lab[host], dict(keys), words, timers=QUICK, env=env or {})
        self.daemons[host] = made
        return made

    def serve(self, *hosts: str, **keys: float | str) -> list[Daemon]:
        """Start our daemon on these hosts (all that may serve)."""
        return [self.daemon(name, **keys).start() for name in hosts or self.names]

    def lines(self) -> list[tuple[int, Reign]]:
        """Return the journal: number and server of each line."""
        if not self.journal.exists():
            return []
        words = (line.split() for line in self.journal.read_text().splitlines())
        return [(int(number), Reign(self._plain(host), int(pid))) for pid, host, number in words]

    def last(self) -> Reign | None:
        """Return the server that wrote the last line; cheap however long the journal is."""
        try:
            with self.journal.open("rb") as journal:
                journal.seek(max(0, journal.seek(0, os.SEEK_END) - 200))
                pid, host, number = journal.read().splitlines()[-1].split()
        except (OSError, IndexError, ValueError):
            return None
        return Reign(self._plain(host.decode()), int(pid)) if number.isdigit() else None

    def reigns(self) -> list[Reign]:
        """Return each server in the order in which they wrote; one twice has written after another."""
        return [reign for reign, _ in groupby(reign for _, reign in self.lines())]

    def never_two(self) -> None:
        """Fail if a server wrote after a later one had begun, or a job's number was given twice."""
        reigns = self.reigns()
        assert len(set(reigns)) == len(reigns), f"two servers at once: {reigns}\n{self.story()}"

    def wait(
        self, question: Callable[[], object], what: str, seconds: float = LONG, every: float = 0.02
    ) -> None:
        """Wait; a failure ends with what the daemons said until then."""
        try:
            wait_for(question, seconds, f"{self.name}: {what}", every=every)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.story()}") from None

    def wait_server(self, hosts: str | Sequence[str] = (), after: Reign | None = None) -> Reign:
        """Wait until a server (another than ``after``) on one of these hosts writes; return it."""

        def found() -> bool:
            last = self.last()
            return last not in {None, after} and last.host in (hosts or self.names)  # type: ignore[union-attr]

        self.wait(found, f"a server on one of {hosts or self.names} after {after}", every=0.005)
        last = self.last()
        assert last is not None
        return last

    def settled(self) -> Reign:
        """Wait until the server of the moment is confirmed by its daemon; return it."""
        reign = self.wait_server()
        self.wait(lambda: self.daemons[reign.host].record().get("state") == "active", "an active guard")
        return reign

    def pids(self, host: str) -> list[int]:
        """Return the servers of a host, waiting ones too."""
        return self.lab[host].pids("pbs_server")

    def verb(
        self, host: str, *words: str | Path, env: Mapping[str, str] | None = None, timeout: float = LONG
    ) -> "subprocess.CompletedProcess[str]":
        """Run a verb of a client on a host."""
        return self.lab[host].run([sys.executable, "-m", "shadowd", *words], env=env, timeout=timeout)

    def short(self, host: str) -> str:
        """Return the name by which the cell knows a host."""
        return self.lab[host].short

    def outcome(self, epoch: int) -> str:
        """Return how an epoch ended, as far as it did."""
        notices = self.spool.glob(f"shadowd/notices/{epoch:010}.*.json")
        ends = {path.name.split(".")[1] for path in notices} - {"launching", "started"}
        return ",".join(sorted(ends))

    def claims(self) -> int:
        """Return how many claims there were."""
        return len(list(self.spool.glob("shadowd/claims/*.json")))

    def steady(self, seconds: float) -> None:
        """Fail unless the server of this moment is the one that writes, all this time."""
        reigns = self.reigns()
        time.sleep(seconds)
        assert self.reigns() == reigns, self.story()
        before = len(self.lines())
        self.wait(lambda: len(self.lines()) > before, "it goes on")

    def submit(self, host: str, jobs: int = 1) -> list[str]:
        """Submit jobs to the server of a host, from there; return their names, none where nobody serves."""
        done = self.lab[host].run([sys.executable, "-ISc", SUBMIT, str(pbs_server.PORT), str(jobs)])
        return done.stdout.split()

    def story(self) -> str:
        """Return what a person would read when a test fails."""
        told = [daemon.story() for daemon in self.daemons.values()]
        logs = sorted(self.lab.dir.glob(f"{self.name}-*.rival"))
        for host in self.hosts:
            logs += sorted(host.path(f"/run/shadowd-{self.name}").glob("*.master.log"))
        said = [f"[{path}]\n{path.read_text(errors='replace')[-800:]}" for path in logs]
        return "\n".join([*told, *said, self.report()])

    def report(self) -> str:
        """Return the state of the shared directory."""
        files = sorted(str(path.relative_to(self.spool)) for path in self.spool.rglob("*") if path.is_file())
        lock = self.spool / "server.lock"
        holds = lock.read_text() if lock.exists() else "-"
        servers = {host.name: host.pids("pbs_server") for host in self.hosts}
        return f"servers {servers} reigns {self.reigns()[-8:]} server.lock {holds!r}\n{files}"

    def _plain(self, short: str) -> str:
        return short.removesuffix(self.lab.tag)

    def _program(self, path: Path, text: str) -> None:
        if not path.exists():
            new = path.with_suffix(".new")
            new.write_text(text)
            new.chmod(0o755)
            new.rename(path)


@contextmanager
def torque_cell(*names: str, client: str = "", **attributes: float | str) -> Iterator[TorqueCell]:
    """Give a cell of these hosts (h1, h2 and h3), and a host that is a client only, on a lab of its own."""
    serving = names or ("h1", "h2", "h3")
    clients = (client,) if client else ()
    with Lab([*serving, *clients]) as lab:
        yield TorqueCell(lab, serving, clients).build(**attributes)
        lab.stop()


def skewed(lab: Lab, seconds: int) -> dict[str, str]:
    """Return the environment of programs whose wall clock is wrong by so much."""
    library = lab.dir / "skew.so"
    if not library.exists():
        source = Path(__file__).with_name("skew.c")
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, source, "-ldl"],
            check=True,
            timeout=60,
        )
    return {"LD_PRELOAD": str(library), "SKEW": str(seconds)}
