"""Whole daemons whose local directory, descriptors, tasks or memory are used up: alarms, and nothing else."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.daemon.generics import Generic
from tests.daemon.toys import LONG, patiently

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

BEATS = 60
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


def outlast_leases(single: Generic) -> None:
    """Wait for many beats of the same master."""
    (master,) = single.masters("alpha")
    until = beat(single) + BEATS
    patiently(lambda: single.masters() != [master] or beat(single) >= until, LONG, "beats", single.story)
    assert single.masters() == [master], single.story()
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
