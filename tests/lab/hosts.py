"""Several hosts on one machine, for tests that need more than one: network, UTS and mount namespaces.

Why namespaces and not containers or virtual machines: a host costs one sleeping process and some ten
milliseconds, the programs run unchanged, and each process is an ordinary one of this machine, so a test
can freeze, kill or count it by its pid. Each host has its own name, address, ``/run``, ``/var/lib/shadowd``,
machine id and boot id, a name service that reads files only, and a cable to a bridge that leads nowhere else.

Names carry the pid and start time of their owner, so that labs side by side never meet and the next lab
clears away what a crashed run left. What this refuses to do: share anything between labs, reach the real
network, or end a process outside its own namespaces.

A mount made on one host (``host.run(["mount", ...])``) is seen on that host only; plain directories below
``Lab.dir`` are seen by all hosts, as a file server would show them.
"""

import itertools
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab import processes
from tests.lab.host import BASE_ENV, Host, LabError, command, keepers
from tests.lab.processes import wait_for

PREFIX = "shadowd-lab"
NETNS = Path("/run/netns")
ETC_NETNS = Path("/etc/netns")
NSSWITCH = "passwd: files\ngroup: files\nshadow: files\nhosts: files\nservices: files\nnetworks: files\n"
# The mounts live as long as this process: pid files, sockets and local locks belong to one host.
HOLDER = """
set -e
hostname "$1"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock
mount --bind "$2" /proc/sys/kernel/random/boot_id
test ! -e /etc/machine-id || mount --bind "$3" /etc/machine-id
mkdir -p /var/lib/shadowd
mount --bind "$4" /var/lib/shadowd
echo ready
exec sleep infinity
"""
_serial = itertools.count()


def clear_stale() -> None:
    """Remove the namespaces and directories of labs whose owner is gone, with the processes in them."""
    places = (NETNS, ETC_NETNS, Path(tempfile.gettempdir()))
    found = {path.name for place in places if place.is_dir() for path in place.glob(f"{PREFIX}-*")}
    for name in found:
        parts = name.removeprefix(f"{PREFIX}-").split("-")
        if len(parts) < 3 or not (parts[0].isdigit() and parts[1].isdigit()):
            continue
        if processes.start_time(int(parts[0])) != int(parts[1]):
            _remove(name)


def _remove(name: str) -> None:
    """Take away everything that carries this name; another run may be doing the same."""
    path = NETNS / name
    if path.exists():
        with suppress(OSError):
            inode = path.stat().st_ino
            processes.kill(processes.in_network(inode))
            with suppress(AssertionError):
                wait_for(lambda: not processes.in_network(inode), 5, "stale processes gone")
        with suppress(LabError):
            command("ip", "netns", "del", name)
    shutil.rmtree(ETC_NETNS / name, ignore_errors=True)
    shutil.rmtree(Path(tempfile.gettempdir()) / name, ignore_errors=True)


class Lab:
    """A bridge and its hosts; a context manager that leaves nothing behind."""

    def __init__(self, names: Sequence[str] = ("a", "b", "c")) -> None:
        owner, number = os.getpid(), next(_serial)
        self.tag = f"{owner}x{number}"
        self.prefix = f"{PREFIX}-{owner}-{processes.start_time(owner)}-{number}"
        self.switch = f"{self.prefix}-switch"
        self.dir = Path(tempfile.gettempdir()) / self.prefix
        # No two labs of one moment share a net; if they did, nothing but the reader would be confused.
        slot = (owner * 16 + number) % 2**15
        self.net = f"10.{128 + slot // 256}.{slot % 256}"
        self.names = tuple(names)
        self.hosts: dict[str, Host] = {}

    def __enter__(self) -> Self:
        clear_stale()
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def __iter__(self) -> Iterator[Host]:
        return iter(self.hosts.values())

    def stop(self) -> None:
        """Kill everything that runs on any host; the hosts stay."""
        for host in self:
            host.stop()

    def close(self) -> None:
        """Take the lab down; errors of one host do not keep the others."""
        holders = [host.holder for host in self]
        with suppress(AssertionError, subprocess.TimeoutExpired):
            self.stop()
        for holder in holders:
            holder.kill()
            holder.wait(10)
            keepers.discard(holder.pid)
        for name in (*(f"{self.prefix}-{host}" for host in self.names), self.switch, self.prefix):
            _remove(name)
        self.hosts.clear()

    def rename(self, name: str, word: str) -> None:
        """Give a host another name; its old one still leads to it, everywhere."""
        host = self.hosts[name]
        old, host.short = host.short, f"{word}{self.tag}"
        for other in self:
            known = other.etc / "hosts"
            entry = f"{host.address} {old}.lab {old}"
            text = known.read_text().replace(
                entry, f"{host.address} {host.fqdn} {host.short} {old}.lab {old}"
            )
            known.write_text(text)
        host.run(["hostname", host.fqdn], check=True)

    def clone(self, name: str, of: str) -> None:
        """Make ``of`` a clone of a host: the same name and machine id, another boot, and it is that name."""
        original, clone = self.hosts[name], self.hosts[of]
        known = clone.etc / "hosts"
        rows = known.read_text().splitlines()
        names = f"{original.fqdn} {original.short}"
        kept = [row for row in rows if not row.startswith((f"{original.address} ", f"{clone.address} "))]
        known.write_text("\n".join([*kept, f"{clone.address} {names}", ""]))
        (self.dir / f"{of}.machine_id").write_text((self.dir / f"{name}.machine_id").read_text())
        clone.short = original.short
        clone.run(["hostname", clone.fqdn], check=True)

    def _build(self) -> None:
        self.dir.mkdir()
        # The cell's admin user reads below it, whatever this process's umask is.
        self.dir.chmod(0o755)
        command("ip", "netns", "add", self.switch)
        command("ip", "-n", self.switch, "link", "add", "br0", "type", "bridge")
        command("ip", "-n", self.switch, "link", "set", "br0", "up")
        addresses = {name: f"{self.net}.{number}" for number, name in enumerate(self.names, start=11)}
        rows = [f"{address} {name}{self.tag}.lab {name}{self.tag}" for name, address in addresses.items()]
        known = "\n".join(["127.0.0.1 localhost", *rows, ""])
        for name, address in addresses.items():
            self._wire(name, address, known)
            self.hosts[name] = self._open(name, address)

    def _wire(self, name: str, address: str, known: str) -> None:
        """Make one network namespace, its configuration files and its cable."""
        netns = f"{self.prefix}-{name}"
        etc = ETC_NETNS / netns
        etc.mkdir(parents=True)
        (etc / "hosts").write_text(known)
        (etc / "nsswitch.conf").write_text(NSSWITCH)
        (etc / "resolv.conf").write_text("")
        (self.dir / f"{name}.machine_id").write_text(f"{uuid.uuid4().hex}\n")
        (self.dir / f"{name}.boot_id").write_text(f"{uuid.uuid4()}\n")
        command("ip", "netns", "add", netns)
        ends = ("type", "veth", "peer", "name", "eth0", "netns", netns)
        command("ip", "link", "add", f"v{name}", "netns", self.switch, *ends)
        command("ip", "-n", self.switch, "link", "set", f"v{name}", "master", "br0", "up")
        command("ip", "-n", netns, "link", "set", "lo", "up")
        command("ip", "-n", netns, "addr", "add", f"{address}/24", "dev", "eth0")
        command("ip", "-n", netns, "link", "set", "eth0", "up")

    def _open(self, name: str, address: str) -> Host:
        """Start the process that holds the host's namespaces open."""
        netns, short = f"{self.prefix}-{name}", f"{name}{self.tag}"
        boot_id, machine_id = self.dir / f"{name}.boot_id", self.dir / f"{name}.machine_id"
        disk = self.dir / f"{name}.disk"
        disk.mkdir()
        files = map(str, (boot_id, machine_id, disk))
        enter = ["ip", "netns", "exec", netns, "unshare", "--uts", "--mount"]
        with (self.dir / f"{name}.log").open("w") as log:
            holder = subprocess.Popen(
                [*enter, "sh", "-c", HOLDER, "sh", f"{short}.lab", *files],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=BASE_ENV,
            )
        keepers.add(holder.pid)
        assert holder.stdout is not None
        with holder.stdout as said:
            if said.readline().strip() != "ready":
                holder.wait(10)
                complaint = (self.dir / f"{name}.log").read_text(errors="replace").strip()
                raise LabError(f"host {short} does not start: {complaint}")
        inode = (NETNS / netns).stat().st_ino
        return Host(name, short, address, netns, self.switch, inode, boot_id, holder)


def usable() -> str:
    """Return why labs cannot be built on this machine, or an empty string."""
    checks: list[tuple[Callable[[], object], str]] = [
        (lambda: os.geteuid() == 0, "not root"),
        (lambda: shutil.which("ip"), "no ip command (iproute2)"),
        (lambda: shutil.which("nsenter"), "no nsenter command (util-linux)"),
    ]
    for check, complaint in checks:
        if not check():
            return complaint
    probe = ["unshare", "--net", "--uts", "--mount", "true"]
    done = subprocess.run(probe, check=False, capture_output=True, text=True, timeout=30)
    return f"no namespaces: {done.stderr.strip()}" if done.returncode else ""
