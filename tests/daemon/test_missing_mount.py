"""Whole daemons on hosts with mounts of their own: one has not mounted the directory of the cell.

An old copy lies beneath its mount point, and looks like a cell whose master is dead.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.generics import Generic
from tests.daemon.mounted import ROOT, Mounted, MountedTorque
from tests.daemon.toys import LONG, patiently
from tests.lab import processes

pytestmark = [pytest.mark.real, pytest.mark.timeout(120), ROOT]


@pytest.fixture(params=[Mounted, MountedTorque], ids=["generic", "torque"])
def single(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Mounted]:
    """Give a cell of alpha and beta, where nothing runs yet."""
    made: Mounted = request.param(
        tmp_path / "cell", keys={"stale_after": 8, "window": 15, "restart_limit": 3}
    ).create()
    yield made
    made.close()


def served(cell: Mounted) -> list[int]:
    """Start alpha's master and beta's daemon, and let beta know the cell; return the master."""
    cell.serve("alpha")
    cell.start("alpha")
    cell.serve("beta")
    cell.daemons["beta"].wait_refused("lease_runs")
    return cell.masters("alpha")


def beats_on(cell: Generic) -> None:
    """Wait until the master of the cell has beaten once more."""
    (beat,) = cell.shared.rglob("heartbeat")
    before = beat.read_bytes()
    patiently(lambda: beat.read_bytes() > before, LONG, "a beat", cell.story)


@pytest.mark.parametrize("copy", ["without records", "without identity", "with the identity"])
def test_a_host_that_did_not_mount_the_directory_starts_no_second_master(single: Mounted, copy: str) -> None:
    """Its mount point holds an old copy; it says so, bids for nothing, and is well once it has mounted."""
    healthy = served(single)
    left_out = {"without records": "shadowd", "without identity": "cell.json"}.get(copy, "")
    left = shutil.ignore_patterns(left_out)
    shutil.copytree(single.shared, single.place, ignore=left, dirs_exist_ok=True)
    if copy == "with the identity":
        processes.kill(healthy)
        patiently(lambda: single.daemons["beta"].record()["epoch"] == 2, LONG, "epoch 2", single.story)
        single.daemons["alpha"].wait_state("active")
        healthy = single.masters("alpha")
    single.daemons["beta"].kill()
    beta = single.serve_on("beta", mounted=False)
    said = lambda: beta.refused("cell_foreign") or single.masters("beta")  # noqa: E731 - a long line's name
    patiently(said, LONG, "a refusal", single.story)
    assert single.masters() == healthy, single.story()
    assert "remove" in beta.wait_refused("cell_foreign")["detail"]
    beats_on(single)
    assert single.masters() == healthy
    single.mount("beta")
    patiently(lambda: beta.refused("cell_foreign") is None, LONG, "the cell again", single.story)
    beats_on(single)
    assert single.masters() == healthy
    processes.kill(single.all_of("alpha"))
    single.wait_master("beta")
    single.never_two()


def test_mounting_the_directory_late_takes_down_no_master_of_it(single: Mounted) -> None:
    """Beta founded a cell of its own on the old copy; it leaves the real one alone when that appears."""
    beta = single.serve_on("beta", mounted=False)
    patiently(lambda: beta.record().get("state"), LONG, "beta's daemon", single.story)
    single.start("beta")
    single.serve("alpha")
    single.start("alpha")
    healthy = single.masters("alpha")
    single.mount("beta")
    (said,) = beta.wait_told("cell.foreign")
    assert str(single.place / "shadowd/cell.json") in said["detail"]
    patiently(lambda: not single.masters("beta"), LONG, "the end of beta's lease", single.story)
    beats_on(single)
    assert single.masters() == healthy
    assert single.daemons["alpha"].record()["state"] == "active"
    notices = [path.name for path in (single.shared / "shadowd/notices").glob("*.json")]
    assert not [name for name in notices if name.split(".")[1] in {"died", "stepped_down", "failed"}]
    record = json.loads((single.shared / "shadowd/cell.json").read_bytes())
    assert record["host"] == "alpha"
