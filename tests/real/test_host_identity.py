"""A real master whose host is renamed or cloned, or whose act_qmaster is a link: it is never killed for it.

Each host of the lab has its own host name, hosts file, machine id and boot id, so that a new name and a clone
are what they are on real machines.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator

import pytest

from tests.lab import processes
from tests.lab.gridengine import ADMIN, Cell
from tests.lab.hosts import Lab
from tests.lab.ours import Ours
from tests.lab.processes import wait_for

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


@pytest.fixture
def cell() -> Iterator[Cell]:
    """Give a real cell on hosts of its own, which a test may change for good."""
    with Lab(("a", "b")) as lab:
        cell = Cell(lab)
        cell.build()
        cell.restore()
        yield cell
        cell.stop_all()


def outcomes(cell: Cell) -> list[str]:
    """Return the notices of an end, whatever epoch they are of."""
    notices = (cell.spool / "shadowd" / "notices").glob("*.json")
    kinds = {path.name.split(".")[1] for path in notices if not path.name.startswith(".")}
    return sorted(kinds & {"died", "failed", "stopped", "stepped_down"})


def guarded(cell: Cell) -> tuple[Ours, int]:
    """Start a master by its script and shadowd beside it; return the daemon and the master's pid."""
    pid = cell.start_qmaster("a")
    assert pid is not None
    daemon = Ours(cell, cell.lab["a"]).start()
    daemon.wait_said("master.adopted", 30)
    return daemon, pid


def test_a_renamed_host_adopts_the_master_that_its_script_started(cell: Cell) -> None:
    """Its last epoch is open under the old name, which still leads here: no intruder, nothing is killed."""
    guarded(cell)
    cell.lab["a"].stop()
    old = cell.lab["a"].fqdn
    cell.lab.rename("a", "new")
    cell.shadow_masters.write_text(f"{cell.lab['a'].fqdn}\n{cell.lab['b'].fqdn}\n")
    pid = cell.start_qmaster("a")
    assert cell.act_qmaster.read_text().split() == [cell.lab["a"].fqdn]
    daemon = Ours(cell, cell.lab["a"]).start()
    daemon.wait_said("master.adopted", 30)
    assert "master.intruder" not in daemon.names(), daemon.story()
    assert cell.lab["a"].pids("sge_qmaster") == [pid]
    claim = json.loads(max((cell.spool / "shadowd" / "claims").glob("0*.json")).read_bytes())
    assert claim["host"] == cell.lab["a"].short
    assert claim["host"] != old.partition(".")[0]


def test_a_daemon_that_starts_under_a_new_name_guards_the_master_that_runs(cell: Cell) -> None:
    """Renamed under way: the master goes on under the name that it knows, and so does act_qmaster."""
    before, pid = guarded(cell)
    active = cell.act_qmaster.read_text()
    before.kill()
    cell.lab.rename("a", "new")
    daemon = Ours(cell, cell.lab["a"]).start()
    wait_for(lambda: daemon.record().get("state") == "active", 30, f"it guards\n{daemon.story()}")
    epoch = daemon.record()["epoch"]
    beat = cell.beat()
    wait_for(lambda: cell.beat() != beat, 60, "the master beats on")
    assert cell.lab["a"].pids("sge_qmaster") == [pid], daemon.story()
    assert (daemon.record()["state"], daemon.record()["epoch"]) == ("active", epoch)
    assert cell.act_qmaster.read_text() == active
    assert outcomes(cell) == []
    hosts = (cell.spool / "shadowd" / "hosts").glob("*.json")
    assert [path.stem for path in hosts] == [cell.lab["a"].short]


def test_a_clone_closes_no_epoch_of_a_master_that_beats(cell: Cell) -> None:
    """Same name and machine id, another boot: both tell of it, the master lives, no outcome is written."""
    right, pid = guarded(cell)
    cell.lab.clone("a", "b")
    clone = Ours(cell, cell.lab["b"]).start()
    for daemon in (right, clone):
        daemon.wait_said("host.duplicate", 90)
    for _ in range(2):
        beat = cell.beat()
        wait_for(lambda beat=beat: cell.beat() != beat, 60, "the master beats on")
    assert cell.qmasters() == [("a", pid, "S")], right.story() + clone.story()
    assert outcomes(cell) == []
    assert right.said("master.adopted")
    assert not clone.said("takeover.claiming")
    told = clone.verb("check", "--json").stdout
    assert "another machine serves the cell under this host's name" in told


def test_an_honest_reboot_writes_its_death_notice_after_two_beats(cell: Cell) -> None:
    """The same machine in a new boot: as soon as a living master would have beaten twice."""
    _, pid = guarded(cell)
    cell.lab["a"].reboot()
    assert not processes.alive(pid)
    daemon = Ours(cell, cell.lab["a"], {"beat_interval": 2, "observer": True}).start()
    wait_for(lambda: outcomes(cell) == ["died"], 30, f"the notice\n{daemon.story()}")
    assert "host.duplicate" not in daemon.names()


def test_act_qmaster_behind_a_link_is_put_right(cell: Cell) -> None:
    """Followed where the admin user made it; else it is told, by an event and by status."""
    daemon, pid = guarded(cell)
    elsewhere = cell.lab.dir / "elsewhere"
    elsewhere.mkdir()
    shutil.chown(elsewhere, ADMIN, ADMIN)
    real = elsewhere / "act_qmaster"
    shutil.move(cell.act_qmaster, real)
    cell.act_qmaster.symlink_to(real)
    real.write_text(f"{cell.lab['b'].fqdn}\n")
    wait_for(lambda: cell.active() == "a", 30, f"put right\n{daemon.story()}")
    assert cell.act_qmaster.is_symlink()
    os.chown(elsewhere, 4711, 4711)
    real.write_text(f"{cell.lab['b'].fqdn}\n")
    daemon.wait_said("master.unnamed", 30)
    wait_for(lambda: str(elsewhere) in daemon.verb("status").stdout, 20, f"status tells\n{daemon.story()}")
    assert "CRITICAL" in daemon.verb("check").stdout
    shutil.chown(elsewhere, ADMIN, ADMIN)
    wait_for(lambda: cell.active() == "a", 30, f"put right in the end\n{daemon.story()}")
    assert cell.lab["a"].pids("sge_qmaster") == [pid]


def test_check_says_which_names_the_cell_confuses(cell: Cell) -> None:
    """With ignore_fqdn false a short and a full name are two hosts; an alias may make two hosts one."""
    daemon = Ours(cell, cell.lab["a"]).start()
    bootstrap, aliases = cell.common / "bootstrap", cell.common / "host_aliases"
    short, full = cell.lab["a"].short, cell.lab["a"].fqdn
    text = bootstrap.read_text()
    bootstrap.write_text(text.replace("ignore_fqdn             true", "ignore_fqdn             false"))
    cell.act_qmaster.write_text(f"{short}\n")
    told = daemon.verb("check", "--json").stdout
    assert f"{short} (in {cell.act_qmaster}) and {full} (in {cell.shadow_masters}) count as two hosts" in told
    bootstrap.write_text(text)
    aliases.write_text(f"{full} {cell.lab['b'].fqdn}\n")
    config = [sys.executable, "-m", "shadowd", "config", "check", "--config", daemon.home / "shadowd.toml"]
    for told in (
        daemon.verb("check", "--json").stdout,
        cell.lab["a"].run(config, env=cell.env).stdout,
    ):
        assert f"{full} and {cell.lab['b'].fqdn}" in told, told
        assert "host_aliases" in told
