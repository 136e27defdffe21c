"""At the default timers of 60/240/600 s: what is proved is done in seconds, and nothing is done for nothing.

A master whose end its guard saw is started again at once, where it ran or, when that was tried often enough,
elsewhere; so is one whose host was rebooted. A daemon that is restarted or upgraded changes nothing.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import shadowd
from tests.daemon.toys import patiently
from tests.lab.gridengine import Cell
from tests.lab.ours import Ours, one_master
from tests.lab.processes import alive

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

ELSEWHERE = 3.0
"""Seconds from the end of a guarded master's process to the start of the new one on another host."""


def serve(cell: Cell, host: str, env: Mapping[str, str] | None = None) -> Ours:
    """Start our daemon as a site would that configured nothing."""
    return Ours(cell, cell.lab[host], timers={}, env=env or {}).start()


def claims(cell: Cell) -> list[tuple[str, str]]:
    """Return host and reason of each claim, in their order."""
    records = [json.loads(path.read_bytes()) for path in sorted(claims_of(cell).glob("*.json"))]
    names = {host.short: host.name for host in cell.hosts}
    return [(names[record["host"]], record["reason"]) for record in records]


def claims_of(cell: Cell) -> Path:
    """Return the directory of claims."""
    return cell.spool / "shadowd" / "claims"


def guarded(cell: Cell, *others: str) -> tuple[Ours, list[Ours]]:
    """Start a master on ``a`` as an init script would; return the daemon that adopted it, and the others."""
    cell.start_qmaster("a")
    home = serve(cell, "a")
    home.wait_said("master.adopted", 30)
    shadows = [serve(cell, name) for name in others]
    for shadow in shadows:
        shadow.wait_for_beat()
    return home, shadows


def next_master(cell: Cell, epoch: int, story: Callable[[], str]) -> tuple[str, int]:
    """Wait until the master of this epoch is confirmed and serves; return its host and pid."""
    started = cell.spool / "shadowd" / "notices" / f"{epoch:010}.started.json"
    patiently(started.exists, 40, f"epoch {epoch} is confirmed", story)
    one_master(cell, "abc")
    ((host, pid, _),) = cell.qmasters()
    return host, pid


def test_killed_it_is_restarted_here_and_then_elsewhere(cell: Cell) -> None:
    """A killed master comes back on its host three times; after the fourth another host has it in 3 s."""
    with cell.masters() as masters:
        home, shadows = guarded(cell, "b", "c")
        found = [(host, pid) for host, pid, _ in cell.qmasters()]
        for epoch in range(2, 6):
            cell.kill_qmaster("a")
            found.append(next_master(cell, epoch, lambda: "\n".join(one.story() for one in (home, *shadows))))
    masters.never_two()
    assert [host for host, _ in found[:4]] == ["a"] * 4, home.story()
    assert found[4][0] in ("b", "c"), home.story()
    reasons = [reason for _, reason in claims(cell)]
    assert reasons == ["adopted", "restart", "restart", "restart", "death_notice"]
    gap = masters.life(found[4][1]).first - masters.life(found[3][1]).last
    assert gap < ELSEWHERE, f"{masters}\n{home.story()}"


def test_a_reboot_takes_two_beats(cell: Cell) -> None:
    """The daemon of a rebooted host finds another boot id and says so; nobody waits 14 minutes.

    But for two beats, in which the master of a clone would be seen to live: a minute.
    """
    with cell.masters() as masters:
        _, (other,) = guarded(cell, "b")
        cell.lab["a"].reboot()
        home = serve(cell, "a")
        one_master(cell, "ab", 150)
    masters.never_two()
    assert [reason for _, reason in claims(cell)] == ["adopted", "death_notice"], other.story()
    assert (cell.spool / "shadowd" / "notices" / "0000000001.died.json").exists(), home.story()


def test_twenty_restarts_and_upgrades_of_the_daemon(cell: Cell) -> None:
    """Ended in order, killed, or replaced by another version: the master does not notice."""
    daemon, (other,) = guarded(cell, "b")
    ((_, pid, _),) = cell.qmasters()
    for turn in range(20):
        assert daemon.process is not None
        if turn % 2:
            daemon.kill()
        else:
            daemon.process.terminate()
            daemon.process.wait(20)
        version = f"99.{turn}" if turn % 5 == 4 else shadowd.__version__
        daemon = serve(cell, "a", upgraded(cell, version) if turn % 5 == 4 else None)
        daemon.wait_said("master.attached", 30)
        assert daemon.record()["version"] == version
        assert alive(pid)
    assert cell.qmasters() == [("a", pid, "S")]
    assert claims(cell) == [("a", "adopted")]
    assert not other.said("takeover.claiming")


def upgraded(cell: Cell, version: str) -> Mapping[str, str]:
    """Install the package once more, as another version; return the environment that makes python take it."""
    place = cell.lab.dir / f"version-{version}"
    package = Path(shadowd.__file__).parent
    shutil.copytree(package, place / "shadowd", ignore=shutil.ignore_patterns("__pycache__"))
    (place / "shadowd" / "__init__.py").write_text(f'"""Another one."""\n\n__version__ = "{version}"\n')
    return {"PYTHONPATH": str(place)}
