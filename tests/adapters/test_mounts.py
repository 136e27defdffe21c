"""How a directory is mounted, as the kernel tells it."""

import os
from pathlib import Path

import pytest

from shadowd.adapters import mounts
from shadowd.adapters.mounts import Mount, direct, file_system, mount_of


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a file that is the kernel's list of mounts."""
    path = tmp_path / "mountinfo"
    monkeypatch.setattr(mounts, "_MOUNTS", path)
    monkeypatch.setattr(mounts, "_known", {})
    return path


def row(directory: Path, point: str | Path, kind: str, options: str = "rw", more: str = "rw") -> str:
    """Return the line of a mount that holds a directory."""
    device = directory.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    return f"36 35 {number} / {point} {options} shared:1 - {kind} server:/export {more}\n"


def test_the_mount_by_which_the_directory_is_reached_counts(table: Path, tmp_path: Path) -> None:
    """One file system may be mounted twice, with other options."""
    blank = tmp_path / "with blank"
    blank.mkdir()
    spelt = str(blank).replace(" ", "\\040")
    table.write_text(
        row(blank, "/elsewhere/much/longer/than/the/other/name/of/it/all/around/and/beyond", "nfs4", "ro")
        + row(blank, tmp_path, "nfs4", "rw,noatime", "rw,vers=4.1")
        + row(blank, spelt, "nfs4", "rw,relatime", "rw,vers=4.2,hard,acregmax=1")
    )
    found = mount_of(blank)
    assert found is not None
    assert (found.point, found.kind, found.version) == (str(blank), "nfs4", "4.2")
    assert (found.option("acregmax"), found.option("acdirmax"), found.squashed) == ("1", "", False)
    assert found.free is not None
    assert found.nfs
    assert direct(blank) == os.O_DIRECT


@pytest.mark.parametrize(
    "text",
    ["", "36 35\n", "36 35 0:x / /x rw - nfs\n", "36 35 0:1 / /x rw - nfs\n", "\0" * 300, " - \n - - \n"],
)
def test_what_tells_nothing_is_unknown(table: Path, tmp_path: Path, text: str) -> None:
    """Whatever stands there: no flag, no mount, no exception."""
    table.write_text(text)
    assert mount_of(tmp_path) is None
    assert file_system(tmp_path) == ""
    assert direct(tmp_path) == 0
    table.unlink()
    assert mount_of(tmp_path / "missing") is None


def test_a_directory_of_this_machine_is_known() -> None:
    """The real list of this kernel."""
    found = mount_of(Path("/proc"))
    assert isinstance(found, Mount)
    assert (found.point, found.kind, found.nfs, found.version) == ("/proc", "proc", False, "")
