"""As root, for cells of different owners: files belong to the owner, the master is root's."""

import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.generics import Generic
from tests.daemon.toys import LONG, Toys, configure, end_all, launch, patiently, verb
from tests.lab import processes

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]
OWNERS = {"one": "daemon", "two": "games"}


@pytest.fixture
def open_place() -> Iterator[Path]:
    """Give a directory that every user may pass through; pytest's own are closed to all but root."""
    path = Path(tempfile.mkdtemp(prefix="shadowd-owners-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    end_all(path)
    shutil.rmtree(path)


def own(toys: Toys, user: str) -> None:
    """Make a cell this user's, closed to all others."""
    bootstrap = toys.cell.common / "bootstrap"
    bootstrap.write_text(bootstrap.read_text().replace("admin_user none", f"admin_user {user}"))
    for path in (toys.root, *toys.root.rglob("*")):
        shutil.chown(path, user, user)
    for directory in (toys.cell.common, toys.cell.spool):
        directory.chmod(0o700)


def has(path: Path, wanted: set[str]) -> bool:
    """Tell whether we made all these files in a spool."""
    return wanted <= owners(path).keys()


def owners(path: Path) -> dict[str, str]:
    """Return who owns what we make in a spool."""
    wanted = [*path.glob("shadowd/**/*"), path / "shadowd", *path.glob("shadowd_*"), *path.glob("messages_*")]
    return {str(found.relative_to(path)): found.owner() for found in wanted}


def test_files_belong_to_the_owner_and_the_master_is_roots(open_place: Path) -> None:
    """Two cells of two owners under one daemon: claims, notices, records, pid file and messages."""
    cells = {name: Toys.make(open_place / name, name) for name in OWNERS}
    for name, toys in cells.items():
        (toys.cell.spool / "heartbeat").write_text("00041\n")
        own(toys, OWNERS[name])
    configure(open_place / "beta", "beta", *cells.values())
    daemon = launch(open_place / "beta", "beta")
    for name, toys in cells.items():
        assert toys.wait_master(("beta",)) == "beta", daemon.story()
        daemon.wait_told("master.confirmed", cell=name)
        spool = toys.cell.spool
        wanted = {
            *("shadowd", "shadowd/claims", "shadowd/claims/0000000001.json", "shadowd/hosts"),
            *("shadowd/hosts/beta.json", "shadowd/notices", "shadowd/notices/0000000001.started.json"),
            *("shadowd_beta.pid", "messages_shadowd.beta"),
        }
        patiently(functools.partial(has, spool, wanted), LONG, "all files", daemon.story)
        assert set(owners(spool).values()) == {OWNERS[name]}, owners(spool)
        (master,) = toys.pids("beta", "master")
        assert _ids(master) == {"Uid": ["0"] * 4, "Gid": ["0"] * 4}
        groups = Path(f"/proc/{master}/status").read_text().partition("Groups:")[2].splitlines()[0].split()
        assert sorted(map(int, groups)) == sorted(set(os.getgroups()))
    for path in (open_place / "beta" / "run").iterdir():
        assert path.owner() == "root"


def test_a_lock_of_ours_belongs_to_the_owner(open_place: Path) -> None:
    """A launch that fails leaves the lock's clearing to the same user that placed it."""
    toys = Toys.make(open_place / "one", "one")
    (toys.cell.spool / "heartbeat").write_text("00041\n")
    own(toys, "daemon")
    path = configure(open_place / "beta", "beta", toys)
    lines = path.read_text().splitlines()
    text = "\n".join('command = ["/bin/sleep", "60"]' if "command =" in line else line for line in lines)
    path.write_text(text + "\n")
    daemon = launch(open_place / "beta", "beta")
    lock = toys.cell.spool / "lock"
    patiently(lock.exists, LONG, "a lock", daemon.story)
    assert lock.owner() == "daemon"
    daemon.wait_told("takeover.failed")
    patiently(lambda: not lock.exists(), LONG, "the lock is cleared", daemon.story)
    assert processes.alive(daemon.pid)


def test_an_owner_that_this_host_does_not_know_is_named(open_place: Path) -> None:
    """Status 66, the user's name and what to do."""
    toys = Toys.make(open_place / "one", "one")
    bootstrap = toys.cell.common / "bootstrap"
    bootstrap.write_text(bootstrap.read_text().replace("admin_user none", "admin_user nosuchuser"))
    configure(open_place / "beta", "beta", toys)
    daemon = launch(open_place / "beta", "beta")
    assert daemon.process.wait(LONG) == 66
    assert "nosuchuser" in (daemon.home / "stderr").read_text()


def _ids(pid: int) -> dict[str, list[str]]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {line.split()[0][:-1]: line.split()[1:] for line in lines if line.startswith(("Uid:", "Gid:"))}


def test_root_opens_no_file_of_another_users_directory(open_place: Path) -> None:
    """Nobody is named as the owner: they are used as whoever owns the directory, and no link of his helps."""
    single = Generic(open_place / "cell", keys={"restart_limit": 0}, hosts=("alpha",)).create()
    precious = open_place / "precious"
    precious.write_text("root's own\n")
    precious.chmod(0o600)
    for name in ("messages_shadowd.alpha", "pause.json", "lock-aside"):
        (single.shared / name).symlink_to(precious)
    for path in (single.shared, single.shared / "shadow_masters"):
        shutil.chown(path, "games", "games")
    single.begin()
    patiently((single.shared / "heartbeat").exists, LONG, "a beat", single.story)
    made = [path for path in single.shared.rglob("*") if not path.is_symlink()]
    assert {path.owner() for path in made} == {"games"}, single.story()
    assert precious.read_text() == "root's own\n"
    (master,) = single.masters("alpha")
    assert _ids(master)["Uid"] == ["0"] * 4


def test_a_directory_that_is_half_anothers_is_refused(open_place: Path) -> None:
    """As root left it who served it before: told with a remedy, and no file is touched."""
    single = Generic(open_place / "cell", hosts=("alpha",)).create()
    (single.shared / "shadowd").mkdir()
    shutil.chown(single.shared, "games", "games")
    done = verb("run", "--config", single.configure("alpha"))
    assert done.returncode == 66
    assert f"{single.shared}: belongs to uid " in done.stderr
    assert "hint: give both to one user (chown -R)" in done.stderr
    assert [path.name for path in (single.shared / "shadowd").iterdir()] == []
