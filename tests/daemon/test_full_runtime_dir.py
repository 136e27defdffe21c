"""Whole daemons whose local directory, descriptors, tasks or memory are used up: alarms, and nothing else."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.daemon.generics import Generic
from tests.daemon.toys import LONG, launch, patiently

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

BEATS = 40
"""Beats of 0.2 s: several leases of this cell."""


@pytest.fixture
def single(tmp_path: Path) -> Iterator[Generic]:
    """Give a cell of alpha and beta, where nothing runs yet."""
    made = Generic(tmp_path / "cell", keys={"restart_limit": 0}).create()
    yield made
    made.close()


@contextmanager
def small_disk(path: Path) -> Iterator[Path]:
    """Give a directory with a disk of its own, too small for a day's log."""
    path.mkdir(parents=True)
    size = "size=256k,nr_inodes=64,mode=755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", path], check=True, timeout=30)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", path], check=True, timeout=30)


def fill(directory: Path) -> None:
    """Leave no block and no inode free."""
    with (directory / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(512))
    with suppress(OSError):
        for number in range(1000):
            (directory / f"filler{number}").touch()
    with pytest.raises(OSError, match="No space"):
        (directory / "one more").touch()


def beat(single: Generic) -> int:
    """Return the counter that the guard writes."""
    return int((single.shared / "heartbeat").read_text())


def masters(single: Generic) -> list[int]:
    """Return the masters of both hosts."""
    daemons = {daemon.pid for daemon in single.daemons.values()}
    return [pid for pid in single.masters() if pid not in daemons]


def outlast_leases(single: Generic) -> None:
    """Wait for many beats of the same master."""
    (master,) = masters(single)
    until = beat(single) + BEATS
    patiently(lambda: masters(single) != [master] or beat(single) >= until, LONG, "beats", single.story)
    assert masters(single) == [master], single.story()
    single.never_two()
    assert not single.daemons["alpha"].told("master.lease_over"), single.story()


def test_a_full_runtime_directory_leaves_a_healthy_master_alone(single: Generic) -> None:
    """Its lease goes on being kept; what cannot be written is an alarm that names the directory."""
    with small_disk(single.root / "alpha/run") as run:
        single.begin()
        fill(run)
        outlast_leases(single)
        (alarm, *more) = single.daemons["alpha"].wait_told("runtime.unwritable", level="critical")
        assert not more
        assert str(run) in alarm["detail"]
        assert "No space left on device" in alarm["detail"]
        for path in run.glob("filler*"):
            path.unlink()
        patiently(
            lambda: single.daemons["alpha"].record().get("beat", 0) >= beat(single) - 20,
            LONG,
            "the state is published again",
            single.story,
        )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_a_host_without_a_free_task_leaves_a_healthy_master_alone(single: Generic) -> None:
    """No thread and no process can be started: said, and the daemon goes on with the threads that it has."""
    # A user of its own, for root is never refused a task; the capability lets it read what root may.
    user = str(300_000 + os.getpid())
    become = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups")
    become = (*become, "--inh-caps=+dac_override", "--ambient-caps=+dac_override")
    for parent in single.shared.parents[:-2]:  # pytest's own are closed to others
        parent.chmod(parent.stat().st_mode | 0o011)
    for path in (single.shared, *single.shared.iterdir()):
        os.chown(path, int(user), int(user))
    single.configure("alpha")
    alpha = launch(single.root / "alpha", "alpha", before=become)
    alpha.cell = "single"
    single.daemons["alpha"] = alpha
    alpha.wait_state("standby")
    single.start("alpha")
    limit = ("prlimit", "--pid", str(alpha.pid), "--nproc=1:1")
    subprocess.run([*become, *limit], check=True, timeout=30)
    # More cells than there are threads, each with a directory that is looked at on a worker.
    config = single.root / "alpha/shadowd.toml"
    more = "".join(
        f'[[cell]]\nname = "more{number}"\nkind = "generic"\ndirectory = "{single.root}/none{number}"\n'
        '[cell.launch]\ncommand = ["/bin/true"]\n'
        for number in range(60)
    )
    config.write_text(f"{config.read_text()}{more}")
    os.kill(alpha.pid, signal.SIGHUP)
    alpha.wait_told("daemon.trouble", level="critical")
    for number in range(60):
        alpha.wait_told("cell.disabled", cell=f"more{number}")
    outlast_leases(single)
    assert alpha.process.poll() is None


def test_memory_that_is_used_up_on_the_decision_thread_is_said(single: Generic) -> None:
    """The master is left alone, and the daemon goes on when there is some again."""
    single.configure("alpha")
    exhausted = single.root / "exhausted"
    alpha = launch(single.root / "alpha", "alpha", wish={"exhausted_when": str(exhausted)})
    alpha.cell = "single"
    single.daemons["alpha"] = alpha
    alpha.wait_state("standby")
    single.start("alpha")
    exhausted.touch()
    alpha.wait_told("daemon.trouble", level="critical")
    exhausted.unlink()
    outlast_leases(single)
    assert alpha.process.poll() is None
