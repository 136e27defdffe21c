"""A real Grid Engine cell for tests: Debian's ``sge_qmaster`` and ``sge_shadowd`` on the hosts of a lab.

The programs are copied, so that a test may swap one for a broken one; the cell is built once (classic
spooling, as small as it gets) and put back from an archive before each test, which takes milliseconds
where building takes two seconds. Found out the hard way and therefore written down here: the daemons
need a path that the admin user can walk, closed standard streams, an empty environment, a name service
without DNS, and a network *and* a host name of their own.

It starts what a test asks for and nothing else, and ends everything on the hosts of its lab.
"""

import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.lab import processes
from tests.lab.host import BASE_ENV, Host
from tests.lab.hosts import Lab
from tests.lab.masters import Masters
from tests.lab.processes import wait_for

LIBRARY = Path("/usr/lib/gridengine")
SHARE = Path("/usr/share/gridengine")
ADMIN = "sgeadmin"
ARCH = {"x86_64": "lx-amd64", "aarch64": "lx-arm64"}.get(platform.machine(), "lx-amd64")
PROGRAMS = [
    "sge_qmaster",
    "sge_shadowd",
    "sge_execd",
    "sge_shepherd",
    "qconf",
    "qstat",
    "qsub",
    "qhost",
    "qping",
    "qdel",
]
BOOTSTRAP = """\
admin_user              {admin}
default_domain          none
ignore_fqdn             true
spooling_method         classic
spooling_lib            libspoolc
spooling_params         {common};{spool}
binary_path             {root}/bin
qmaster_spool_dir       {spool}
security_mode           none
listener_threads        2
worker_threads          2
scheduler_threads       1
"""


def usable() -> str:
    """Return why there can be no real cell on this machine, or an empty string."""
    missing = [name for name in ("sge_qmaster", "sge_shadowd", "spoolinit") if not (LIBRARY / name).exists()]
    return f"no Grid Engine ({LIBRARY}/{missing[0]} is missing)" if missing else ""


class Cell:
    """One cell below ``lab.dir``; its shadow masters are the given hosts (all of the lab), in their order."""

    port = 16444

    def __init__(self, lab: Lab, name: str = "lab", hosts: Sequence[str] = ()) -> None:
        self.lab = lab
        self.name = name
        self.hosts = tuple(lab[host] for host in hosts or lab.names)
        self.root = lab.dir / "root"
        self.dir = self.root / self.name
        self.common = self.dir / "common"
        self.spool = self.dir / "spool" / "qmaster"
        self.bin = self.root / "bin" / ARCH
        self.lock = self.spool / "lock"
        self.heartbeat = self.spool / "heartbeat"
        self.act_qmaster = self.common / "act_qmaster"
        self.shadow_masters = self.common / "shadow_masters"
        self.log = lab.dir / "daemons.log"
        self.env = {
            "PATH": f"{self.bin}:{BASE_ENV['PATH']}",
            "LD_LIBRARY_PATH": str(self.root / "lib" / ARCH),
            "SGE_ROOT": str(self.root),
            "SGE_CELL": self.name,
            "SGE_QMASTER_PORT": str(self.port),
            "SGE_EXECD_PORT": str(self.port + 1),
        }
        self._archive = lab.dir / f"{name}.tar"
        self._swapped: set[str] = set()

    # Building, once.

    def build(self) -> None:
        """Make the root and the cell, let one master complete it, and keep an archive of the result."""
        first = self.hosts[0]
        self._copy_programs()
        self._spool_initial(first)
        self.start_qmaster(first.name)
        names = ",".join(host.fqdn for host in self.hosts)
        self.run(first.name, "qconf", "-ah", names, check=True)
        self.run(first.name, "qconf", "-as", names, check=True)
        self.stop_all()
        for left in (self.heartbeat, self.spool / "qmaster.pid", self.spool / "messages"):
            left.unlink(missing_ok=True)
        self.heartbeat.write_text("00001\n")
        shutil.chown(self.heartbeat, ADMIN, ADMIN)
        subprocess.run(["tar", "-C", self.root, "-cf", self._archive, self.name], check=True, timeout=30)

    def _copy_programs(self) -> None:
        libraries = self.root / "lib" / ARCH
        for directory in (self.bin, libraries, self.root / "utilbin"):
            directory.mkdir(parents=True)
        for program in PROGRAMS:
            shutil.copy2(LIBRARY / program, self.bin / program)
        for library in LIBRARY.glob("lib*.so"):
            shutil.copy2(library, libraries)
        (self.root / "utilbin" / ARCH).symlink_to(LIBRARY)
        (self.root / "util").symlink_to(SHARE / "util")

    def _spool_initial(self, first: Host) -> None:
        for directory in (self.common, self.spool / "job_scripts", self.dir / "spool" / "execd"):
            directory.mkdir(parents=True)
        (self.common / "bootstrap").write_text(
            BOOTSTRAP.format(admin=ADMIN, common=self.common, spool=self.spool, root=self.root)
        )
        self.act_qmaster.write_text(f"{first.fqdn}\n")
        self.shadow_masters.write_text("".join(f"{host.fqdn}\n" for host in self.hosts))
        stock = (SHARE / "default-configuration").read_text().splitlines()
        lines = [line for line in stock if not line.startswith(("execd_spool_dir", "min_uid", "min_gid"))]
        configuration = self.lab.dir / "configuration"
        configuration.write_text("\n".join([*lines, f"execd_spool_dir {self.dir}/spool/execd", ""]))
        self._give_to_admin()
        resources = SHARE / "util" / "resources"
        for program, *rest in (
            ("spoolinit", "classic", "libspoolc", f"{self.common};{self.spool}", "init"),
            ("spooldefaults", "configuration", str(configuration)),
            ("spooldefaults", "complexes", f"{resources}/centry"),
            ("spooldefaults", "usersets", f"{resources}/usersets"),
            ("spooldefaults", "managers", ADMIN, "root"),
        ):
            first.run([LIBRARY / program, *rest], env=self.env, user=ADMIN, check=True)

    def _give_to_admin(self) -> None:
        subprocess.run(["chown", "-R", f"{ADMIN}:{ADMIN}", self.dir], check=True, timeout=30)

    def sibling(self, name: str, hosts: Sequence[str]) -> "Cell":
        """Return another cell below the same root, like this one when it was built, for other hosts."""
        other = Cell(self.lab, name, hosts)
        other.dir.mkdir()
        fresh = ["tar", "-C", other.dir, "--strip-components=1", "-xpf", self._archive]
        subprocess.run(fresh, check=True, timeout=30)
        for path in (other.common / "bootstrap", other.common / "configuration"):
            path.write_text(path.read_text().replace(str(self.dir), str(other.dir)))
        other.act_qmaster.write_text(f"{other.hosts[0].fqdn}\n")
        other.shadow_masters.write_text("".join(f"{host.fqdn}\n" for host in other.hosts))
        return other

    # Between tests.

    def restore(self) -> None:
        """Stop everything and put cell and programs back as they were built."""
        self.stop_all()
        shutil.rmtree(self.dir, ignore_errors=True)
        subprocess.run(["tar", "-C", self.root, "-xpf", self._archive], check=True, timeout=30)
        for program in sorted(self._swapped):
            self.unswap(program)
        for host in self.hosts:
            host.cable(plugged=True)
            # What a daemon keeps on its host for its successor is of the cell that was.
            shutil.rmtree(host.path("/run/shadowd"), ignore_errors=True)
            for memory in host.path("/var/lib/shadowd").iterdir():
                memory.unlink()

    def stop_all(self) -> None:
        """Kill whatever runs on the hosts, with SIGKILL, so that no clean exit leaves a ``lock``."""
        for host in self.hosts:
            host.stop()

    def swap(self, program: str, script: str) -> None:
        """Put a script in the place of a copied program, until ``unswap`` or the next test."""
        fresh = self.bin / f".{program}"
        fresh.write_text(script)
        fresh.chmod(0o755)
        # By rename: the file of a running program cannot be written.
        fresh.rename(self.bin / program)
        self._swapped.add(program)

    def unswap(self, program: str) -> None:
        """Put the real program back."""
        fresh = self.bin / f".{program}"
        shutil.copy2(LIBRARY / program, fresh)
        fresh.rename(self.bin / program)
        self._swapped.discard(program)

    # Running things.

    def run(
        self,
        host: str,
        *argv: str | Path,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        check: bool = False,
        timeout: float = 30,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a host in the environment of the cell."""
        return self.lab[host].run(
            argv, env=self.env | dict(env or {}), user=user, check=check, timeout=timeout
        )

    def _daemon(self, host: str, program: str, env: Mapping[str, str]) -> int:
        """Start a program that puts itself into the background; return its parent's exit status."""
        child = self.lab[host].popen([self.bin / program], env=self.env | dict(env), output=self.log)
        return child.wait(30)

    def start_qmaster(self, host: str, *, answering: bool = True) -> int | None:
        """Start the real master and return its pid; wait until ``qstat`` answers unless told not to."""
        self._daemon(host, "sge_qmaster", {})
        if not answering:
            return None
        wait_for(lambda: self.qstat_ok(host), 60, f"qstat answers on {host}\n{self.report()}", every=0.05)
        pids = self.lab[host].pids("sge_qmaster")
        assert len(pids) == 1, f"masters on {host}: {pids}"
        return pids[0]

    def start_real_shadowd(self, host: str, check: int, active: int, delay: int) -> int:
        """Start the real ``sge_shadowd`` with its three intervals in seconds; return its pid."""
        intervals = {
            "SGE_CHECK_INTERVAL": str(check),
            "SGE_GET_ACTIVE_INTERVAL": str(active),
            "SGE_DELAY_TIME": str(delay),
        }
        self._daemon(host, "sge_shadowd", intervals)
        pid_file = self.spool / f"shadowd_{self.lab[host].fqdn}.pid"
        wait_for(pid_file.exists, 10, f"{pid_file} appears\n{self.report()}")
        return wait_for(lambda: self.lab[host].pids("sge_shadowd"), 5, f"sge_shadowd runs on {host}")[0]

    def start_execd(self, host: str) -> int:
        """Start the real ``sge_execd`` on a host; return its pid."""
        self._daemon(host, "sge_execd", {})
        return wait_for(lambda: self.lab[host].pids("sge_execd"), 10, f"sge_execd runs on {host}")[0]

    def kill_qmaster(self, host: str) -> None:
        """Kill the master with SIGKILL and return when it is gone: it leaves no ``lock``."""
        killed = self.lab[host].signal("sge_qmaster")
        assert killed, f"no master runs on {host}"
        wait_for(lambda: not any(map(processes.alive, killed)), 10, f"the master on {host} is gone")

    def qconf_km(self, host: str) -> None:
        """Ask the master for a regular shutdown and return when it is gone; it leaves a ``lock``."""
        self.run(host, "qconf", "-km", check=True)
        wait_for(lambda: not self.qmasters(), 60, "the master is gone after qconf -km")

    # Looking.

    def qstat_ok(self, host: str) -> bool:
        """Say whether ``qstat`` gets an answer from the master, asked on this host, within 10 s."""
        try:
            return self.run(host, "qstat", timeout=10).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def qmasters(self) -> list[tuple[str, int, str]]:
        """Return host, pid and state of every master that lives in the lab."""
        return [
            (host.name, pid, processes.state(pid)) for host in self.hosts for pid in host.pids("sge_qmaster")
        ]

    def masters(self) -> Masters:
        """Return a recorder of the masters that live on the hosts, to be used as a context manager."""
        return Masters(self.hosts)

    def beat(self) -> int | None:
        """Return the heartbeat counter, or None while it cannot be read."""
        try:
            return int(self.heartbeat.read_text())
        except (OSError, ValueError):
            return None

    def active(self) -> str:
        """Return the host that ``act_qmaster`` names by its short word (``a``), else what it says."""
        try:
            said = self.act_qmaster.read_text(errors="replace").split()
        except OSError:
            return ""
        by_name = {host.fqdn: host.name for host in self.hosts}
        return by_name.get(said[0], said[0]) if said else ""

    def report(self) -> str:
        """Return what a person would look at when a test fails: processes, files and the last log lines."""
        parts = [f"masters {self.qmasters()} beat {self.beat()} active {self.active()}"]
        parts.append(f"lock {'present' if self.lock.exists() else 'absent'}")
        for path in (*sorted(self.spool.glob("messages*")), self.log):
            if path.exists():
                parts += [f"[{path.name}]", *path.read_text(errors="replace").splitlines()[-8:]]
        return "\n".join(parts)
