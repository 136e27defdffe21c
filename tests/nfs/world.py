"""Inside the guest: one NFS server and some client hosts, as namespaces joined by a bridge.

Each host has its own network, name, mounts, machine id and boot id, and mounts the server's export at
``/shared`` with an NFS client of its own. All share one kernel and one clock. What ``/guest`` holds is local
to the guest and seen by all of them: a test's own notes. A process that waits for a server that is gone may
not end, as in life, so nothing here waits without a bound.
"""

import os
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TypeVar

T = TypeVar("T")
GUEST = Path("/guest")
SHARED = Path("/shared")
EXPORT = "/srv/export"
SERVER = "10.9.0.100"
VERSION = os.environ.get("NFS_VERSION", "4.2")
LEASE = int(os.environ.get("NFS_LEASE", "90"))
NAMES = tuple(f"h{number}" for number in range(1, 1 + int(os.environ.get("NFS_HOSTS", "3"))))
LEAST_GRACE = 10
"""Seconds; the server takes no less."""
NOWHERE = "02:00:00:00:00:fe"
"""A hardware address that nobody has."""
HOLDER = """
set -e
hostname "$1"
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib/nfs
mkdir -p /run/rpcbind /run/lock /run/rpc_pipefs /var/lib/nfs/sm /var/lib/nfs/sm.bak /var/lib/nfs/v4recovery
mkdir -p /var/lib/nfs/nfsdcld
touch /var/lib/nfs/etab /var/lib/nfs/rmtab /var/lib/nfs/state
chown -R statd /var/lib/nfs/sm /var/lib/nfs/sm.bak /var/lib/nfs/state
mount -t sysfs sysfs /sys
ip link set lo up
mount --bind "$2/hosts" /etc/hosts
mount --bind "$2/nsswitch.conf" /etc/nsswitch.conf
test ! -e "$2/$1.boot_id" || mount --bind "$2/$1.boot_id" /proc/sys/kernel/random/boot_id
test ! -e "$2/$1.machine_id" || mount --bind "$2/$1.machine_id" /etc/machine-id
echo ready
exec sleep infinity
"""
START_SERVER = f"""
set -e
cd /proc/fs/nfsd
if ! mountpoint -q /proc/fs/nfsd; then
    mount -t nfsd nfsd /proc/fs/nfsd
    cd /proc/fs/nfsd
    mkdir -p {EXPORT}
    mount -o loop /guest/disk {EXPORT}
    chmod 1777 {EXPORT}
    mount -t rpc_pipefs rpc_pipefs /run/rpc_pipefs
    rpcbind -w
    rpc.statd --no-notify
    nfsdcld
fi
echo {LEASE} >nfsv4leasetime
echo "$1" >nfsv4gracetime
echo "$1" >/proc/sys/fs/nfs/nlm_grace_period 2>/dev/null || true
exportfs -o rw,no_root_squash,no_subtree_check,fsid=0,insecure "*:{EXPORT}"
pgrep -x rpc.mountd >/dev/null || rpc.mountd
rpc.nfsd 8
"""


class Host:
    """One host: a process that holds its namespaces open."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self.group = Path("/sys/fs/cgroup") / name
        self.group.mkdir(exist_ok=True)
        self._holder = subprocess.Popen(
            [
                "unshare",
                "--net",
                "--uts",
                "--mount",
                "--propagation",
                "slave",
                "sh",
                "-c",
                HOLDER,
                "sh",
                name,
                GUEST,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._holder.stdout is None or self._holder.stdout.readline().strip() != "ready":
            raise RuntimeError(f"host {name} does not start")
        do(
            "ip",
            "link",
            "add",
            f"v{name}",
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            str(self._holder.pid),
        )
        do("ip", "link", "set", f"v{name}", "master", "br0", "up")
        self.do("ip", "addr", "add", f"{address}/24", "dev", "eth0")
        self.do("ip", "link", "set", "eth0", "up")

    def argv(self, argv: Sequence[str | Path]) -> list[str]:
        """Return the command that becomes ``argv`` on this host."""
        enter = ["nsenter", f"--target={self._holder.pid}", "--net", "--uts", "--mount", "--"]
        join = ["sh", "-c", 'echo $$ >"$0"/cgroup.procs && exec "$@"', str(self.group)]
        return [*join, *enter, *map(str, argv)]

    def popen(
        self, *argv: str | Path, output: IO[bytes] | int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        """Start a program there."""
        return subprocess.Popen(
            self.argv(argv), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )

    def run(self, *argv: str | Path, limit: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a program there to its end; raises ``TimeoutExpired``."""
        return subprocess.run(
            self.argv(argv),
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=limit,
        )

    def do(self, *argv: str | Path) -> str:
        """Run a program there that must succeed, and return its output."""
        return _checked(self.run(*argv), argv)

    def pids(self) -> list[int]:
        """Return its processes."""
        return [int(pid) for pid in (self.group / "cgroup.procs").read_text().split()]

    # What happens to a host.

    def cut(self) -> None:
        """Pull its cable."""
        do("ip", "link", "set", f"v{self.name}", "down")

    def heal(self) -> None:
        """Plug it in again."""
        do("ip", "link", "set", f"v{self.name}", "up")

    def freeze(self) -> None:
        """Stop all its processes; its kernel goes on, and renews its NFS lease."""
        (self.group / "cgroup.freeze").write_text("1")

    def thaw(self) -> None:
        """Let them go on."""
        (self.group / "cgroup.freeze").write_text("0")

    def crash(self) -> None:
        """Pull the cable, then the plug."""
        self.cut()
        (self.group / "cgroup.kill").write_text("1")

    def reboot(self) -> None:
        """Come back from a crash: another boot id, nothing in the local directories."""
        new_boot(self.name)
        do("rm", "-rf", str(GUEST / self.name))
        self.heal()


class World:
    """The server ``srv`` and the client hosts, mounted."""

    def __init__(self, options: str = "") -> None:
        """``options``: further mount options."""
        _prepare()
        self.hosts = {name: Host(name, f"10.9.0.{number}") for number, name in enumerate(NAMES, start=1)}
        self.server = Host("srv", SERVER)
        # Nobody has state to reclaim yet, so the first grace period is as short as it may be.
        self.server.do("sh", "-c", START_SERVER, "sh", str(LEAST_GRACE))
        for name in NAMES:
            self.mount(name, options)

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def mount(self, name: str, options: str = "") -> None:
        """Mount the export on a host."""
        host, source = self[name], SERVER + (":/" if VERSION.startswith("4") else f":{EXPORT}")
        if VERSION.startswith("3"):
            host.do("rpcbind", "-w")
            host.do("rpc.statd", "--no-notify")
        host.do("mkdir", "-p", SHARED)
        host.do(
            "mount", "-t", "nfs", "-o", f"vers={VERSION}" + (f",{options}" if options else ""), source, SHARED
        )

    def stop_server(self) -> None:
        """Let the server be silent to everybody."""
        self.server.do("rpc.nfsd", "0")

    def start_server(self) -> None:
        """Let it answer again, after its grace period."""
        self.server.do("sh", "-c", START_SERVER, "sh", str(LEASE))

    def cut_from_server(self, name: str) -> None:
        """Let nothing pass between a host and the server; all others reach both."""
        # A wrong address that nobody may correct: what is sent there is lost, and nobody is told.
        wrong = ("lladdr", NOWHERE, "dev", "eth0", "nud", "permanent")
        self[name].do("ip", "neigh", "replace", SERVER, *wrong)
        self.server.do("ip", "neigh", "replace", self[name].address, *wrong)

    def heal_to_server(self, name: str) -> None:
        """Undo ``cut_from_server``."""
        self[name].do("ip", "neigh", "del", SERVER, "dev", "eth0")
        self.server.do("ip", "neigh", "del", self[name].address, "dev", "eth0")

    def delegations(self) -> list[str]:
        """Return the names of the files that the server has delegated to a client."""
        said = self.server.do("sh", "-c", "cat /proc/fs/nfsd/clients/*/states 2>/dev/null || true")
        return [
            line.split('filename: "')[1].split('"')[0] for line in said.splitlines() if "type: deleg" in line
        ]


def _prepare() -> None:
    do("mount", "--make-rprivate", "/")
    do("mount", "-t", "cgroup2", "cgroup", "/sys/fs/cgroup")
    do("modprobe", "-a", "sunrpc", "veth", "bridge", "nfsd", "nfs", "nfsv3", "nfsv4", "lockd", "loop")
    do("ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0")
    do("ip", "link", "set", "br0", "up")
    do("truncate", "-s", "128M", str(GUEST / "disk"))
    do("mke2fs", "-q", "-F", "-t", "ext4", "-E", "lazy_itable_init=1,nodiscard", str(GUEST / "disk"))
    rows = [f"10.9.0.{number} {name}" for number, name in enumerate(NAMES, start=1)]
    (GUEST / "hosts").write_text("\n".join(["127.0.0.1 localhost", f"{SERVER} srv", *rows, ""]))
    (GUEST / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\nservices: files\n")
    for name in NAMES:
        new_boot(name)
        (GUEST / f"{name}.machine_id").write_text(f"{uuid.uuid4().hex}\n")


def new_boot(name: str) -> None:
    """Give a host another boot id."""
    (GUEST / f"{name}.boot_id").write_text(f"{uuid.uuid4()}\n")


def do(*argv: str) -> str:
    """Run a command of the guest that must succeed."""
    done = subprocess.run(
        argv, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60
    )
    return _checked(done, argv)


def _checked(done: subprocess.CompletedProcess[str], argv: Sequence[object]) -> str:
    if done.returncode:
        raise RuntimeError(f"{argv}: exit status {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def wait(question: Callable[[], T], seconds: float, what: str, every: float = 0.1) -> T:
    """Ask until the answer is true and return it; raises ``TimeoutError`` that says ``what``."""
    ends = time.monotonic() + seconds
    while True:
        with suppress(OSError, ValueError):
            if answer := question():
                return answer
        if time.monotonic() > ends:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(every)
