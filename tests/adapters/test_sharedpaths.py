"""One directory or two: by fresh names that hosts leave in it and publish."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from shadowd.adapters.sharedpaths import FOLDER, PathView, SharedPaths, file_system, parse
from shadowd.core.values import Host

MOUNTS = rb"""22 1 0:21 / / rw,relatime shared:1 - overlay overlay rw,lowerdir=/x
23 22 0:22 / /proc rw - proc proc rw
24 22 8:1 / /var rw master:2 propagate_from:1 - ext4 /dev/sda1 rw
25 24 0:50 / /var/spool rw - nfs4 server:/export/spool rw,vers=4.2
26 24 0:51 / /var/with\040blank rw - fuse.glusterfs g1:/vol rw
27 25 8:2 / /var/spool rw - xfs /dev/sdb rw
garbage
"""


class Two:
    """Two hosts with one place for records, and a directory for each that may be one and the same."""

    def __init__(self, root: Path) -> None:
        self.records = root / "hosts"
        self.records.mkdir()
        self.hosts = {name: SharedPaths(Host(name), self.records, None) for name in ("alpha", "beta")}

    def restart(self, name: str) -> None:
        """Let another daemon begin on this host."""
        self.hosts[name] = SharedPaths(Host(name), self.records, None)

    def look(self, name: str, path: Path, *, called: str = "/data", publish: bool = True) -> PathView:
        """Let a host look at what it knows by one name, and publish what it found."""
        view = self.hosts[name].look(path)
        if publish:
            published = {**view.published(), "path": called}
            record = json.dumps({"paths": [published]})
            (self.records / f"{name}.json").write_text(record)
        return view


@pytest.fixture
def two(tmp_path: Path) -> Two:
    """Give two hosts."""
    return Two(tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give a directory that both see, with something in it."""
    path = tmp_path / "data"
    path.mkdir()
    (path / "jobs").touch()
    return path


def both(two: Two, first: Path, second: Path) -> tuple[PathView, PathView]:
    """Let alpha and beta look in turn until each has seen what the other published."""
    names = {"alpha": first, "beta": second}
    for _ in range(2):
        found = tuple(two.look(name, path, called=str(names["alpha"])) for name, path in names.items())
    return found[0], found[1]


def test_one_directory_is_the_same_on_both_hosts(two: Two, data: Path) -> None:
    """Each finds the name that the other has left and published."""
    alpha, beta = both(two, data, data)
    assert (alpha.shared.same, alpha.shared.other) == (("beta",), ())
    assert (beta.shared.same, beta.shared.other) == (("alpha",), ())


def test_two_directories_of_one_name_are_told_apart(two: Two, tmp_path: Path, data: Path) -> None:
    """Neither finds the other's name."""
    link = tmp_path / "here"
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    for name, target in (("alpha", data), ("beta", copy), ("alpha", data), ("beta", copy)):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        view = two.look(name, link, called=str(link))
    assert (view.shared.same, view.shared.other) == ((), ("alpha",))


def test_a_copy_has_old_names(two: Two, tmp_path: Path, data: Path) -> None:
    """Copied with all that lies in it, and then the daemon of the original's host begins anew."""
    link = tmp_path / "here"
    link.symlink_to(data)
    two.look("alpha", link, called=str(link))
    shutil.copytree(data, tmp_path / "copy")
    two.restart("alpha")
    two.look("alpha", link, called=str(link))
    link.unlink()
    link.symlink_to(tmp_path / "copy")
    assert two.look("beta", link, called=str(link)).shared.other == ("alpha",)


def test_a_copy_of_today_is_told_apart_by_the_host_of_the_original(
    two: Two, tmp_path: Path, data: Path
) -> None:
    """The copy has today's names, but the original has not the name of the host of the copy."""
    link = tmp_path / "here"
    link.symlink_to(data)
    two.look("alpha", link, called=str(link))
    shutil.copytree(data, tmp_path / "copy")

    def at(name: str, target: Path) -> PathView:
        link.unlink()
        link.symlink_to(target)
        return two.look(name, link, called=str(link))

    assert at("beta", tmp_path / "copy").shared.same == ("alpha",)
    assert at("alpha", data).shared.other == ("beta",)
    assert at("beta", tmp_path / "copy").shared.other == ("alpha",)
    two.restart("beta")
    assert at("beta", data).shared.same == ("alpha",), "what was said of its name of before counts no more"


def test_a_new_daemon_is_recognised_at_every_moment(two: Two, data: Path) -> None:
    """The name of the daemon before lies there until the record with the new one is published."""
    both(two, data, data)
    two.restart("alpha")
    two.look("alpha", data, publish=False)
    assert two.look("beta", data, called=str(data)).shared.other == ()
    two.look("alpha", data, called=str(data))
    assert two.look("beta", data, called=str(data)).shared.same == ("alpha",)
    assert len(list((data / FOLDER).glob("alpha.*"))) == 1


def test_a_directory_that_is_exchanged_gets_another_name(two: Two, tmp_path: Path, data: Path) -> None:
    """Mounted later: what others say of the name of before is of the directory of before."""
    link = tmp_path / "here"
    link.symlink_to(data)
    first = two.look("alpha", link)
    other = tmp_path / "other"
    shutil.copytree(data, other)
    link.unlink()
    link.symlink_to(other)
    assert two.look("alpha", link).token not in {"", first.token}


def test_nothing_is_left_in_an_empty_directory(two: Two, tmp_path: Path) -> None:
    """It may be the mount point of what is not mounted."""
    empty = tmp_path / "empty"
    empty.mkdir()
    view = two.look("alpha", empty)
    assert (view.token, view.problem, list(empty.iterdir())) == ("", "", [])


def test_a_directory_that_was_proved_to_be_the_same_stays_it_when_somebody_cleans_up(
    two: Two, data: Path
) -> None:
    """The host whose name is gone may be dead, and is not asked again; our own name comes back."""
    both(two, data, data)
    shutil.rmtree(data / FOLDER)
    beta = two.look("beta", data, called=str(data))
    assert (beta.shared.same, beta.shared.other) == (("alpha",), ())
    assert (data / FOLDER / f"beta.{beta.token}").exists()


@pytest.mark.parametrize("made", ["missing", "link", "file"])
def test_what_cannot_be_looked_at_is_a_problem(two: Two, tmp_path: Path, made: str) -> None:
    """No directory, a link that leads nowhere, a file: each is named."""
    path = tmp_path / "here"
    if made == "link":
        path.symlink_to("/nowhere/at/all")
    if made == "file":
        path.touch()
    view = two.look("alpha", path)
    assert str(path) in view.problem
    assert ("/nowhere/at/all" in view.problem) == (made == "link")


def test_where_nothing_can_be_left_nothing_is_known(two: Two, data: Path) -> None:
    """No name, no verdict: what is not known prevents nothing."""
    (data / FOLDER).touch()
    alpha, beta = both(two, data, data)
    assert (alpha.token, alpha.problem, alpha.shared.same, alpha.shared.other) == ("", "", (), ())
    assert (beta.shared.same, beta.shared.other) == ((), ())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")
def test_a_link_of_another_user_is_not_followed(two: Two, tmp_path: Path, data: Path) -> None:
    """Root leaves its name with the rights of the directory's owner, and never behind a link."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (data / FOLDER).symlink_to(victim)
    os.chown(data, 65534, 65534)
    view = two.look("alpha", data)
    assert (view.token, list(victim.iterdir())) == ("", [])
    (data / FOLDER).unlink()
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.owner() == "root" and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    view = two.look("alpha", data)
    assert (data / FOLDER / f"alpha.{view.token}").stat().st_uid == 65534


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/etc", ("overlay", "overlay")),
        ("/var/lib", ("ext4", "/dev/sda1")),
        ("/variable", ("overlay", "overlay")),
        ("/var/spool/sge", ("xfs", "/dev/sdb")),
        ("/var/with blank/x", ("fuse.glusterfs", "g1:/vol")),
    ],
)
def test_the_file_system_of_a_path(tmp_path: Path, path: str, found: tuple[str, str]) -> None:
    """The innermost mount counts, of two in one place the later."""
    mounts = tmp_path / "mountinfo"
    mounts.write_bytes(MOUNTS)
    assert file_system(Path(path), mounts) == found
    assert file_system(Path(path), tmp_path / "missing") == ("", "")


WORD = "0123456789abcdef"


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"paths": None},
        {"paths": [{"path": "/data", "token": "", "other": {}}]},
        {"paths": [{"path": "/data", "token": "../../etc/x", "other": {}}]},
        {"paths": [{"path": "/data", "token": 7, "other": {}}]},
        {"paths": [{"path": "/data", "token": WORD, "other": None}]},
        {"paths": [{"path": "/else", "token": WORD, "other": {}}]},
        {"paths": ["/data"]},
        [],
        None,
    ],
    ids=str,
)
def test_a_record_that_says_nothing_of_it(record: Any) -> None:
    """One of an earlier release, or of anybody's making."""
    assert parse(json.dumps(record).encode(), "/data", "alpha") is None


def test_garbage_says_nothing() -> None:
    """Nor does half a record, or one that is too deep."""
    assert parse(b'{"paths": [', "/data", "alpha") is None
    assert parse(b"[" * 60000, "/data", "alpha") is None
    assert parse(b"\xff\xfe", "/data", "alpha") is None
