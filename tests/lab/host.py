"""One host of a lab: how a test runs, finds and ends processes there, and what it does to the machine.

The programs are ordinary child processes of the test that enter the host's namespaces and then become the
command, so that a ``Popen`` has the program's own pid. Nothing here waits without a bound, and nothing
is ended that does not live in the host's own network namespace.
"""

import os
import pwd
import shutil
import signal
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab import processes
from tests.lab.processes import wait_for

keepers: set[int] = set()
"""Pids of the processes that hold the hosts of this run's labs open: children that are no leftovers."""
BASE_ENV = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C",
}


class LabError(Exception):
    """The machine did not let us build a lab; the text names the command that failed and its complaint."""


def command(*argv: str) -> str:
    """Run a system command within 30 s and return its output, or raise ``LabError``."""
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=30)
    if done.returncode:
        raise LabError(f"{' '.join(argv)}: exit status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


@dataclass
class Host:
    """One host of a lab; commands run on it as ordinary child processes of the test."""

    name: str
    """The short word of the test: ``a``, ``b``, ``c``."""
    short: str
    """The host name without its domain, unique on this machine."""
    address: str
    netns: str
    switch: str
    """The network namespace of the bridge that the cable ``v<name>`` goes to."""
    inode: int
    """The number of the network namespace, which tells this host's processes from all others."""
    boot_id: Path
    holder: subprocess.Popen[str] = field(repr=False)
    children: list[subprocess.Popen[str]] = field(default_factory=list, repr=False)

    @property
    def etc(self) -> Path:
        """Return the directory of this host's own hosts file."""
        return Path("/etc/netns") / self.netns

    @property
    def fqdn(self) -> str:
        """Return the full name, which is what ``hostname`` says here."""
        return f"{self.short}.lab"

    def path(self, inside: str | Path) -> Path:
        """Return where a file of this host (``/run/x`` above all) is seen from outside."""
        return Path(f"/proc/{self.holder.pid}/root") / str(inside).lstrip("/")

    def argv(self, argv: Sequence[str | Path], user: str | None = None, cwd: str | Path = "/") -> list[str]:
        """Return the command that runs ``argv`` here; every part execs the next, so the pid stays."""
        # --root: where the tests themselves run in a chroot, the namespace's own root is not ours.
        enter = ["nsenter", f"--target={self.holder.pid}", "--net", "--uts", "--mount", "--root", "--"]
        move = ["env", f"--chdir={cwd}"]
        become = []
        if user is not None:
            gid = pwd.getpwnam(user).pw_gid
            become = ["setpriv", f"--reuid={user}", f"--regid={gid}", "--init-groups"]
        return [*enter, *move, *become, *map(str, argv)]

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        cwd: str | Path = "/",
        check: bool = False,
        timeout: float = 30,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end with a bare environment plus ``env``, standard input closed."""
        return subprocess.run(
            self.argv(argv, user, cwd),
            check=check,
            env=BASE_ENV | dict(env or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
        )

    def popen(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        cwd: str | Path = "/",
        output: Path | None = None,
    ) -> subprocess.Popen[str]:
        """Start a command and return it; its pid is the program's own. Output goes to a file or nowhere."""
        target = output or Path(os.devnull)
        with target.open("a") as sink:
            child = subprocess.Popen(
                self.argv(argv, user, cwd),
                env=BASE_ENV | dict(env or {}),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        self.children.append(child)
        return child

    def pids(self, comm: str | None = None) -> list[int]:
        """Return the processes that run here (zombies left out), of one kernel name if given."""
        here = [pid for pid in processes.in_network(self.inode) if pid != self.holder.pid]
        return here if comm is None else [pid for pid in here if processes.name(pid) == comm[:15]]

    def signal(self, comm: str, number: int = signal.SIGKILL) -> list[int]:
        """Send a signal to every process of that name here; return their pids."""
        pids = self.pids(comm)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return pids

    def stop(self) -> None:
        """Kill everything that runs here, wait for its end, and collect what was ours."""

        def gone() -> bool:
            # Asked again each time: a process may have been forking, or one of ours not be in here yet.
            left = self.pids() + [child.pid for child in self.children if child.poll() is None]
            processes.kill(left)
            return not left

        wait_for(gone, 10, f"all processes of host {self.short} gone")
        for child in self.children:
            child.wait(10)
        self.children.clear()

    def cable(self, *, plugged: bool) -> None:
        """Plug the network cable in or pull it out at the switch: nothing refuses, all is silence."""
        state = "up" if plugged else "down"
        command("ip", "-n", self.switch, "link", "set", f"v{self.name}", state)

    def reboot(self) -> None:
        """Power off and on again: no process left, ``/run`` empty, a new boot id, the same machine id."""
        self.stop()
        for entry in self.path("/run").iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        self.path("/run/lock").mkdir()
        self.boot_id.write_text(f"{uuid.uuid4()}\n")
