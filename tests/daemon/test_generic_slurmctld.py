"""Debian's ``slurmctld`` by config/generic-slurmctld.toml: two hosts for it, one state, clients on a third.

Beside Slurm's own backup, as it was measured: a controller that is frozen, replaced and thaws puts its old
state over the new, and three accepted jobs were gone; without a backup, two controllers ran one job twice.
"""

import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tests.daemon.handedout import HandedOut
from tests.daemon.toys import LONG, patiently
from tests.lab.host import Host
from tests.lab.hosts import Lab
from tests.lab.masters import Masters
from tests.lab.processes import alive

NEEDED = ("slurmctld", "scontrol", "sinfo", "sbatch", "munged")
MISSING = " ".join(name for name in NEEDED if shutil.which(name, path="/usr/bin:/usr/sbin") is None)
pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(120),
    pytest.mark.skipif(
        bool(MISSING), reason=f"needs {MISSING}: apt-get install slurmctld slurm-client munge"
    ),
]


class Slurm:
    """A cell whose master is slurmctld."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.cell = HandedOut(lab, "generic-slurmctld.toml").create()
        self.state = self.cell.shared / "state"
        self.state.mkdir()
        shutil.chown(self.state, "slurm")
        self.key = lab.dir / "munge.key"
        self.key.write_bytes(os.urandom(128))
        self.key.chmod(0o600)
        for host in lab:
            self.furnish(host)
        self.client("munge", "-n")

    def furnish(self, host: Host) -> None:
        """Give a host the files that the example names, and munge."""
        etc = self.lab.dir / f"etc-{host.name}"
        etc.mkdir()
        (etc / "site.conf").write_text(
            f"ClusterName=site\nSlurmUser=slurm\nStateSaveLocation={self.state}\n"
            "SlurmctldPidFile=/run/slurm/slurmctld.pid\nDebugFlags=NO_CONF_HASH\n"
            f"NodeName={self.lab['c'].short}\nPartitionName=p Nodes=ALL Default=YES\n"
        )
        lines = [f"SlurmctldHost={self.lab[name].short}\n" for name in self.cell.names]
        for name, line in zip(self.cell.names, lines, strict=True):
            (etc / f"only-{self.lab[name].short}.conf").write_text(f"{line}include /etc/slurm/site.conf\n")
        (etc / "slurm.conf").write_text(f"{''.join(lines)}include /etc/slurm/site.conf\n")
        (etc / "slurmctld.conf").symlink_to(f"only-{host.short}.conf")
        host.run(["mount", "--bind", etc, "/etc/slurm"], check=True)
        host.run(["install", "-d", "-o", "slurm", "/run/slurm"], check=True)
        host.run(["install", "-d", "/run/munge"], check=True)
        log, seed = self.lab.dir / f"munge-{host.name}.log", self.lab.dir / f"munge-{host.name}.seed"
        files = ("--key-file", self.key, "--pid-file", "/run/munge/pid", "--seed-file", seed)
        host.popen(["munged", "--foreground", *files], output=log)

    def client(self, *argv: str) -> str:
        """Run a client on the third host until it succeeds; it asks both controllers in their order."""
        said: list[str] = []

        def done() -> bool:
            ran = self.lab["c"].run(argv, timeout=LONG)
            said[:] = [ran.stdout, ran.stderr]
            return ran.returncode == 0

        patiently(done, LONG, f"{argv} on c", lambda: "".join([*said, self.cell.story()]))
        return said[0].strip()

    def submit(self) -> int:
        """Submit a job, which no node will ever run; return its number."""
        return int(self.client("sbatch", "--parsable", "--wrap", "true"))

    def jobs(self) -> list[int]:
        """Return the jobs that the serving controller knows."""
        return sorted(map(int, self.client("squeue", "--noheader", "--format", "%i").split()))

    def written(self) -> None:
        """Wait until the controller has written its jobs; it lets some seconds go by between two times."""
        patiently((self.state / "job_state").exists, LONG, "jobs written", self.cell.story)

    def controllers(self, name: str) -> list[int]:
        """Return the controllers on a host."""
        return self.lab[name].pids("slurmctld")


@pytest.fixture
def slurm(lab: Lab) -> Iterator[Slurm]:
    """Give two hosts that may have the controller, and a third; nothing runs there but munge."""
    yield Slurm(lab)
    lab.stop()


def test_a_dead_controller_is_replaced_with_its_state(slurm: Slurm) -> None:
    """Killed it is there again; its host dead, the other one serves, and goes on where it ended."""
    with Masters(slurm.lab, "slurmctld") as masters:
        slurm.cell.begin("a")
        first = slurm.submit()
        slurm.written()
        (killed,) = slurm.controllers("a")
        os.kill(killed, signal.SIGKILL)
        patiently(lambda: slurm.controllers("a") not in ([], [killed]), LONG, "again on a", slurm.cell.story)
        assert slurm.jobs() == [first]
        slurm.lab["a"].stop()
        slurm.cell.wait_master("b")
        assert f"at {slurm.lab['b'].short} is UP" in slurm.client("scontrol", "ping")
        assert slurm.client("sinfo", "--noheader", "--format", "%P %N") == f"p* {slurm.lab['c'].short}"
        assert slurm.jobs() == [first]
        assert slurm.submit() == first + 1
    masters.never_two()


def test_a_frozen_controller_is_replaced_and_takes_nothing_back(slurm: Slurm) -> None:
    """Its host stands still, the other one accepts three jobs, the host goes on: not one job is lost."""
    slurm.cell.begin("a")
    first = slurm.submit()
    slurm.written()
    (old,), frozen = slurm.controllers("a"), slurm.lab["a"].pids()
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    # A host that is frozen whole does not even acknowledge a connection.
    slurm.lab["a"].cable(plugged=False)
    slurm.cell.wait_master("b")
    with ThreadPoolExecutor(3) as clients:  # each finds the first host silent, and goes on to the second
        accepted = list(clients.map(lambda _: slurm.submit(), range(3)))
    slurm.lab["a"].cable(plugged=True)
    for pid in frozen:
        with suppress(ProcessLookupError):  # its guard was quicker
            os.kill(pid, signal.SIGCONT)
    patiently(lambda: not alive(old), LONG, "the thawed controller ends", slurm.cell.story)
    slurm.cell.daemons["a"].wait_state("standby")
    assert slurm.controllers("a") == []
    assert slurm.jobs() == [first, *sorted(accepted)]
