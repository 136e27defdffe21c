"""act_qmaster behind symbolic links: followed where only the cell's owner, or root, can have made them."""

import os
from pathlib import Path

import pytest

from shadowd.adapters.cellfiles import CellPaths, GridEngineFiles
from shadowd.adapters.hostnames import HostNames
from shadowd.adapters.resident import ResidentSearch
from shadowd.core.values import Host, Problem, Unknown


@pytest.fixture
def files(tmp_path: Path) -> GridEngineFiles:
    """Return the files of an empty cell on host ``gea``."""
    spool, common = tmp_path / "spool", tmp_path / "common"
    spool.mkdir()
    common.mkdir()
    paths = CellPaths(
        spool=spool,
        lock=spool / "lock",
        beat=spool / "heartbeat",
        active=common / "act_qmaster",
        shadows=common / "shadow_masters",
        pid_file=spool / "qmaster.pid",
    )
    return GridEngineFiles("lab", Host("gea"), paths, HostNames(), ResidentSearch(paths.pid_file, spool))


def test_a_master_is_named_behind_a_link(files: GridEngineFiles, tmp_path: Path) -> None:
    """Sites keep act_qmaster elsewhere, behind links of the admin user: the file there is written."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "real").write_text("gone\n")
    (elsewhere / "link").symlink_to("real")
    files.paths.active.symlink_to("../elsewhere/link")
    assert files.name_master(Host("gea")) is None
    assert (elsewhere / "real").read_text() == f"{files.names.full('gea')}\n"
    assert files.paths.active.is_symlink()
    assert files.read_active() == "gea"
    (elsewhere / "real").unlink()
    assert files.name_master(Host("gea")) is None, "a file that is not there yet is made there"
    files.paths.active.unlink()
    files.paths.active.symlink_to(elsewhere / "real")
    assert files.name_master(Host("gea")) is None


@pytest.mark.parametrize("whose", ["link", "file", "everybody"])
def test_a_link_that_another_user_may_have_made_is_not_followed(
    files: GridEngineFiles, tmp_path: Path, whose: str
) -> None:
    """Whoever owns the directory chose the file, and it is written with our rights."""
    if os.geteuid() != 0 and whose != "everybody":
        pytest.skip("only root can give a directory away")
    directory = tmp_path / "theirs"
    directory.mkdir()
    (directory / "precious").write_text("keep me\n")
    (directory / "link").symlink_to("../kept")
    (tmp_path / "kept").write_text("keep me\n")
    if whose == "everybody":
        directory.chmod(0o777)
    else:
        os.chown(directory, 4711, 4711)
    files.paths.active.symlink_to(directory / ("link" if whose == "link" else "precious"))
    answer = files.name_master(Host("gea"))
    assert isinstance(answer, Unknown)
    assert answer.problem is Problem.NOT_A_FILE
    assert str(directory) in answer.detail
    assert (directory / "precious").read_text() == (tmp_path / "kept").read_text() == "keep me\n"


def test_a_link_that_leads_nowhere_names_no_master(files: GridEngineFiles) -> None:
    """One to itself, and one into a directory that is not there."""
    files.paths.active.symlink_to(files.paths.active.name)
    assert isinstance(files.name_master(Host("gea")), Unknown)
    files.paths.active.unlink()
    files.paths.active.symlink_to("missing/act_qmaster")
    assert isinstance(files.name_master(Host("gea")), Unknown)
