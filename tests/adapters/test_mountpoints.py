"""Mount points with nothing mounted on them: the tables that name them, and what the kernel says."""

from pathlib import Path

import pytest

from shadowd.adapters.mountpoints import unmounted

PLACE = Path("/srv/cell/spool")
INFO = "36 35 98:0 / {} rw,noatime master:1 - {} server:/export rw\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a root directory with tables that name nothing of the cell."""
    for directory in ("etc/systemd/system", "proc/self"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "etc/fstab").write_text("# comment /srv/cell nfs\n\n/dev/sda1 / ext4 defaults 0\nshort\n")
    (tmp_path / "proc/self/mountinfo").write_text(INFO.format("/", "ext4"))
    return tmp_path


def fstab(root: Path, line: str) -> None:
    """Name a mount point in /etc/fstab."""
    (root / "etc/fstab").write_text(f"{line}\n")


def unit(root: Path, where: str) -> None:
    """Name a mount point in a unit."""
    (root / "etc/systemd/system/srv-cell.mount").write_text(f"[Mount]\nWhat=server:/export\nWhere={where}\n")


def automount(root: Path, master: str, table: str) -> None:
    """Name a mount point in a map of the automounter."""
    (root / "etc/auto.master").write_text(f"+auto.master\n{master}\n")
    (root / "etc/auto.cell").write_text(f"# comment\n{table}\n")


def test_a_place_that_no_table_names_is_no_mount_point(root: Path) -> None:
    """A directory on the root file system may be where somebody wants it."""
    assert unmounted(PLACE, root) == ""


def test_without_any_table_nothing_is_a_mount_point(tmp_path: Path) -> None:
    """Missing and unreadable tables name nothing."""
    assert unmounted(PLACE, tmp_path) == ""


@pytest.mark.parametrize("where", ["/srv/cell/spool", "/srv/cell", "/srv/cell/"])
def test_a_line_of_fstab_without_its_mount_is_named(root: Path, where: str) -> None:
    """At the place or above it; once it is mounted, all is well."""
    fstab(root, f"server:/export {where} nfs4 defaults 0 0")
    point = where.rstrip("/")
    assert unmounted(PLACE, root) == f"{point} is a mount point (/etc/fstab), and nothing is mounted"
    (root / "proc/self/mountinfo").write_text(INFO.format(point, "nfs4"))
    assert unmounted(PLACE, root) == ""


def test_a_blank_in_a_path_is_written_in_octal(root: Path) -> None:
    """fstab(5) and proc(5) agree on that."""
    fstab(root, "server:/export /srv/my\\040cell nfs4 defaults 0 0")
    assert unmounted(Path("/srv/my cell/spool"), root)
    (root / "proc/self/mountinfo").write_text(INFO.format("/srv/my\\040cell", "nfs4"))
    assert not unmounted(Path("/srv/my cell/spool"), root)


def test_a_mount_unit_without_its_mount_is_named(root: Path) -> None:
    """Units of other places, and files that are no units, name nothing."""
    unit(root, "/srv/other")
    (root / "etc/systemd/system/some.service").write_text("Where=/srv/cell\n")
    assert unmounted(PLACE, root) == ""
    unit(root, "/srv/cell")
    assert "srv-cell.mount" in unmounted(PLACE, root)


@pytest.mark.parametrize(
    ("master", "table"),
    [
        ("/srv /etc/auto.cell", "cell -rw server:/export"),
        ("/- /etc/auto.cell --timeout=60", "/srv/cell -rw server:/export"),
    ],
)
def test_a_map_of_the_automounter_without_its_mount_is_named(root: Path, master: str, table: str) -> None:
    """Its trigger alone is no file system; what it mounted is."""
    automount(root, master, table)
    assert "/etc/auto.cell" in unmounted(PLACE, root)
    mounted = root / "proc/self/mountinfo"
    mounted.write_text(INFO.format("/srv/cell", "autofs"))
    assert unmounted(PLACE, root)
    mounted.write_text(INFO.format("/srv/cell", "autofs") + INFO.format("/srv/cell", "nfs4"))
    assert not unmounted(PLACE, root)


def test_a_map_for_any_name_names_none(root: Path) -> None:
    """A wildcard matches whatever somebody asks for."""
    automount(root, "/srv /etc/auto.cell", "* server:/export/&")
    assert unmounted(PLACE, root) == ""


def test_a_link_is_followed_to_its_mount_point(root: Path, tmp_path: Path) -> None:
    """The configuration may name the directory by a link."""
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    fstab(root, f"server:/export {real} nfs4 defaults 0 0")
    assert unmounted(tmp_path / "link" / "spool", root)
