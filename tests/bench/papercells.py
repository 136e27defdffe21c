"""Cells on paper: every file that a shadow reads, and no master. Made by the thousand in a second.

What is measured with them is the watching alone. They beat when told to; nobody takes them over, because
the runs are much shorter than ``stale_after``.
"""

import json
import os
import pwd
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.gridengine import ADMIN, ARCH, LIBRARY

NAME = "default"
_BOOTSTRAP = """\
admin_user              {admin}
default_domain          none
ignore_fqdn             true
spooling_method         classic
spooling_lib            libspoolc
spooling_params         {common};{spool}
binary_path             {root}/bin
qmaster_spool_dir       {spool}
security_mode           none
"""


@dataclass(frozen=True)
class PaperCell:
    """One cell below a directory of its own."""

    root: Path

    @property
    def name(self) -> str:
        """The name of the cell for our daemon."""
        return self.root.name

    @property
    def common(self) -> Path:
        """The ancestor's ``common``."""
        return self.root / NAME / "common"

    @property
    def spool(self) -> Path:
        """The ancestor's ``qmaster_spool_dir``."""
        return self.root / NAME / "spool" / "qmaster"

    @property
    def env(self) -> dict[str, str]:
        """Return what the ancestor's programs need to find the cell."""
        return {
            "SGE_ROOT": str(self.root),
            "SGE_CELL": NAME,
            "SGE_QMASTER_PORT": "16444",
            "SGE_EXECD_PORT": "16445",
        }

    def write(self, active: str, shadows: Iterable[str], *, guarded: bool) -> None:
        """Write the files; ``guarded``: as after a takeover by ours, with a guard that may give notice."""
        for directory in (self.common, self.spool, self.root / "bin" / ARCH):
            directory.mkdir(parents=True)
        for program in ("sge_qmaster", "qping"):
            (self.root / "bin" / ARCH / program).symlink_to(LIBRARY / program)
        text = _BOOTSTRAP.format(admin=ADMIN, common=self.common, spool=self.spool, root=self.root)
        (self.common / "bootstrap").write_text(text)
        (self.common / "act_qmaster").write_text(f"{active}\n")
        (self.common / "shadow_masters").write_text("".join(f"{host}\n" for host in shadows))
        (self.spool / "heartbeat").write_text("00001\n")
        # A number of another host's process, as it is read everywhere but on the master's host.
        (self.spool / "qmaster.pid").write_text("4194303\n")
        if guarded:
            self._write_claim(active)
        give(self.root / NAME)

    def beat(self) -> None:
        """Move the heartbeat by one, in place, as ``sge_qmaster`` does."""
        with (self.spool / "heartbeat").open("r+") as file:
            value = int(file.read())
            file.seek(0)
            file.write(f"{value + 1:05d}\n")

    def _write_claim(self, host: str) -> None:
        claims, notices = self.spool / "shadowd" / "claims", self.spool / "shadowd" / "notices"
        claims.mkdir(parents=True)
        notices.mkdir()
        common = {
            "format": 1,
            "cell": self.name,
            "epoch": 1,
            "host": host.partition(".")[0],
            "pid": 1,
            "wall": 0.0,
        }
        claim = {
            "machine_id": "machine",
            "boot_id": "boot",
            "start_token": "1",
            "nonce": "nonce",
            "reason": "silence",
            "supersedes": 0,
            "lease": 741.0,
            "licence": 58.0,
            "window": 182.0,
            "protection": "guarded",
        }
        (claims / "0000000001.json").write_text(json.dumps(common | claim))
        for kind in ("launching", "started"):
            notice = json.dumps(common | {"kind": kind, "detail": ""})
            (notices / f"0000000001.{kind}.json").write_text(notice)


def give(directory: Path) -> None:
    """Give a directory and all below it to the admin user of the cells."""
    admin = pwd.getpwnam(ADMIN)
    os.chown(directory, admin.pw_uid, admin.pw_gid)
    for parent, directories, files in os.walk(directory):
        for name in (*directories, *files):
            os.chown(Path(parent) / name, admin.pw_uid, admin.pw_gid)


def make(top: Path, count: int, hosts: Sequence[str], *, guarded: bool = False) -> list[PaperCell]:
    """Make so many cells below ``top``; the first host is said to run their masters."""
    if top.exists():
        shutil.rmtree(top)
    cells = [PaperCell(top / f"cell{number}") for number in range(count)]
    for cell in cells:
        cell.write(hosts[0], hosts, guarded=guarded)
    return cells


def configure(
    home: Path, cells: Iterable[PaperCell], keys: str = "", *, watch: bool = True, run: str = "/run/shadowd"
) -> Path:
    """Write the configuration of one daemon that serves these cells; ``keys`` are added to each."""
    home.mkdir(parents=True, exist_ok=True)
    head = f'watch = {str(watch).lower()}\nruntime_dir = "{run}"\nstate_dir = "{run}/lib"\n'
    head += f'[log]\nformat = "json"\nfile = "{home}/shadowd.log"\n'
    tables = (
        f'[[cell]]\nname = "{cell.name}"\nsge_root = "{cell.root}"\nsge_cell = "{NAME}"\n{keys}\n'
        for cell in cells
    )
    path = home / "shadowd.toml"
    path.write_text(head + "".join(tables))
    return path
