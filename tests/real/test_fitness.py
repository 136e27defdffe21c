"""Hosts that could not run the master, or not this one, with the real Grid Engine: they do not bid."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.gridengine import ADMIN, LIBRARY, SHARE, Cell
from tests.lab.ours import Ours, one_master, shadows
from tests.lab.processes import wait_for

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

CALM = 12
"""Seconds in which a takeover would have come, at stale_after 2 and delay 3."""
DATABASE = "/run/spooldb"
"""Of one name on all hosts, and of each host's own as long as nothing is mounted there."""
RESTARTS = {"restart_limit": 0}


def mount(cell: Cell, host: str, source: Path) -> None:
    """Let a host see this directory as its database."""
    cell.lab[host].run(["mkdir", "-p", DATABASE], check=True)
    cell.lab[host].run(["umount", DATABASE])
    cell.lab[host].run(["mount", "--bind", source, DATABASE], check=True)


@pytest.fixture
def databases(cell: Cell) -> Iterator[dict[str, Path]]:
    """Let the cell spool in Berkeley databases, as each host was given one when it was installed."""
    if not (LIBRARY / "libspoolb.so").exists():
        pytest.skip("this Grid Engine knows no Berkeley database")
    bootstrap = cell.common / "bootstrap"
    lines = [line for line in bootstrap.read_text().splitlines() if not line.startswith("spooling_")]
    spooling = ["spooling_method berkeleydb", "spooling_lib libspoolb", f"spooling_params {DATABASE}"]
    bootstrap.write_text("\n".join([*lines, *spooling, ""]))
    made = {name: cell.lab.dir / f"database-{name}" for name in ("a", "b")}
    for path in made.values():
        shutil.rmtree(path, ignore_errors=True)
    made["a"].mkdir()
    shutil.chown(made["a"], ADMIN, ADMIN)
    mount(cell, "a", made["a"])
    resources = SHARE / "util" / "resources"
    for program, *rest in (
        ("spoolinit", "berkeleydb", "libspoolb", DATABASE, "init"),
        ("spooldefaults", "configuration", str(cell.lab.dir / "configuration")),
        ("spooldefaults", "complexes", f"{resources}/centry"),
        ("spooldefaults", "usersets", f"{resources}/usersets"),
        ("spooldefaults", "managers", ADMIN, "root"),
    ):
        cell.run("a", LIBRARY / program, *rest, user=ADMIN, check=True)
    subprocess.run(["cp", "-a", made["a"], made["b"]], check=True, timeout=30)
    mount(cell, "b", made["b"])
    yield made
    for name in made:
        cell.lab[name].run(["umount", DATABASE])


def jobs(cell: Cell, host: str) -> list[str]:
    """Return the numbers of all jobs that the master knows."""
    lines = cell.run(host, "qstat", "-u", "*", check=True).stdout.splitlines()[2:]
    return [line.split()[0] for line in lines]


def checked(ours: Ours) -> tuple[int, str]:
    """Return exit status and text of ``check``, its lines as one."""
    done = ours.verb("check")
    return done.returncode, " ".join(done.stdout.split())


def config_check(ours: Ours, **env: str) -> str:
    """Return what ``config check`` says on the daemon's host, where the file can be used."""
    words = ["config", "check", "--config", ours.home / "shadowd.toml"]
    return ours.cell.run(ours.host.name, sys.executable, "-m", "shadowd", *words, env=env, check=True).stdout


def no_takeover(cell: Cell, ours: Ours) -> None:
    """Wait long enough for a takeover and see none."""
    time.sleep(CALM)
    assert cell.qmasters() == [], ours.story()


def test_a_database_of_each_hosts_own(cell: Cell, databases: dict[str, Path]) -> None:
    """A takeover would lose all jobs: critical, and no bid; with one database for both the job is kept."""
    cell.shadow_masters.write_text(f"{cell.lab['b'].fqdn}\n")
    cell.start_qmaster("a")
    cell.run("a", "qconf", "-as", cell.lab["a"].fqdn, check=True)
    cell.run("a", "qconf", "-ah", cell.lab["b"].fqdn, check=True)
    cell.run("a", "qsub", "-h", "-b", "y", "sleep", "600", user=ADMIN)  # warns: no queue
    known = jobs(cell, "a")
    assert len(known) == 1
    with shadows(cell, "a", "b", **RESTARTS) as (guard, ours), cell.masters() as masters:
        said = ours.wait_refused("not_shared")
        assert DATABASE in said["detail"]
        wait_for(lambda: guard.record().get("state") == "active", 30, "the master is guarded")
        for daemon in (ours, guard):
            wait_for(lambda: checked(daemon)[0] == 2, 30, f"critical\n{ours.story()}")  # noqa: B023
            assert f"{DATABASE} is not the same directory on all hosts" in checked(daemon)[1]
        cell.kill_qmaster("a")
        guard.wait_said("master.ended", 30)
        no_takeover(cell, ours)
        asked = ours.verb("takeover", "--yes")
        assert asked.returncode != 0
        assert DATABASE in asked.stdout + asked.stderr
        mount(cell, "b", databases["a"])
        assert one_master(cell, "b", 60) == "b"
        assert jobs(cell, "b") == known
    masters.never_two()


def test_a_program_that_one_host_has_not(cell: Cell) -> None:
    """It is said by every host, wins no claim, and is over when the program is there."""
    cell.start_qmaster("a")
    with shadows(cell, "a", "b", "c", **RESTARTS) as (guard, bare, ours), cell.masters() as masters:
        wait_for(lambda: guard.record().get("state") == "active", 30, "the master is guarded")
        cell.lab["b"].run(["mount", "-t", "tmpfs", "none", cell.bin], check=True)
        said = bare.wait_refused("cannot_run")
        program = cell.bin / "sge_qmaster"
        assert said["detail"] == f"no such program {program}"
        for daemon in (guard, bare, ours):
            missing = f"{cell.lab['b'].short}: no such program {program}"
            text = f"1 of 2 can take over: {cell.lab['c'].short}; {missing}"
            wait_for(lambda: text in checked(daemon)[1], 30, f"{text}\n{daemon.story()}")  # noqa: B023
            assert f"no such program {program}" in " ".join(daemon.verb("status").stdout.split())
        assert f"no such program {program}" in config_check(bare)
        cell.kill_qmaster("a")
        assert one_master(cell, "c", 60) == "c"
        claims = [path.read_text() for path in (cell.spool / "shadowd" / "claims").iterdir()]
        assert not [text for text in claims if cell.lab["b"].short in text], bare.story()
        cell.lab["b"].run(["umount", cell.bin], check=True)
        wait_for(lambda: not bare.refused("cannot_run"), 30, f"it is fit again\n{bare.story()}")
    masters.never_two()


def test_an_architecture_without_a_program(cell: Cell) -> None:
    """The folder that does hold the master is used, and that is said by whoever is asked."""
    cell.start_qmaster("a")
    wrong = {"SGE_ARCH": "lx26-alpha"}
    wanted = cell.bin.with_name("lx26-alpha")
    note = f"SGE_ARCH is lx26-alpha, and {wanted} holds no sge_qmaster: that of {cell.bin} is used"
    ours = Ours(cell, cell.lab["b"], dict(RESTARTS), env=wrong).start()
    assert ours.said("config.warning", detail=note), ours.story()
    assert ours.record()["notes"] == [note]
    assert note in checked(ours)[1]
    assert note in config_check(ours, **wrong)
    ours.wait_for_beat()
    cell.kill_qmaster("a")
    assert one_master(cell, "b", 60) == "b"


def test_a_user_that_one_host_does_not_know(cell: Cell) -> None:
    """Neither the one that the master is started as, nor the one whose files the cell's are."""
    cell.start_qmaster("a")
    with shadows(cell, "b", launch='user = "nemo"') as (ours,):
        assert ours.wait_refused("cannot_run")["detail"] == "this host knows no user nemo"
        assert "this host knows no user nemo" in config_check(ours)
        cell.kill_qmaster("a")
        time.sleep(CALM)
        assert not list((cell.spool / "shadowd").glob("claims/*.json")), ours.story()
        ours.kill()
    text = (cell.common / "bootstrap").read_text()
    (cell.common / "bootstrap").write_text(text.replace(ADMIN, "nemo"))
    assert "this host knows no user nemo" in config_check(ours)
    status, said = checked(ours)
    assert (status, "this host knows no user nemo" in said) == (2, True), said


def test_a_spool_that_leads_nowhere(cell: Cell) -> None:
    """A link to a file system that is not mounted here, found at the start: it is named."""
    ours = Ours(cell, cell.lab["b"])
    ours.configure()
    elsewhere = cell.spool.with_name("elsewhere")
    cell.spool.rename(elsewhere)
    cell.spool.symlink_to("/not/mounted")
    said = config_check(ours)
    assert (
        f"no such directory {cell.spool} ({cell.spool} is a link to /not/mounted, which is not there)" in said
    )
    status, said = checked(ours)
    assert (status, str(cell.spool) in said) == (2, True), said
    assert "ready to take over" not in said


def test_monitoring_is_another_user_than_the_daemon(cell: Cell) -> None:
    """Nobody sees the daemon of root: its state is where everybody may read it, and is looked for there."""
    cell.start_qmaster("a")
    with shadows(cell, "a", "b") as (_, ours):
        words = [sys.executable, "-m", "shadowd", "check", "--config", ours.home / "shadowd.toml"]
        done = cell.run("b", *words, user="nobody")
        said = " ".join(done.stdout.split())
        assert f"runs here, pid {ours.record()['pid']}" in said, f"{said}\n{done.stderr}"
        assert "no daemon has run here" not in said
