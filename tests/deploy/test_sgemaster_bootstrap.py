"""The startup script and the daemon read one cell, however its bootstrap is written; and believe no name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shadowd.adapters.gridengine import discover
from shadowd.errors import CellError
from tests.deploy.toy_cell import SCRIPT, ToyCell
from tests.lab.processes import wait_for

GOOD = "admin_user none\nignore_fqdn true\ndefault_domain none\nqmaster_spool_dir /spool\n"
CORPUS = [
    GOOD,
    GOOD.replace("\n", "\r\n"),
    GOOD.upper().replace("/SPOOL", "/spool"),
    GOOD + "qmaster_spool_dir /other\n",
    GOOD + "QMaster_Spool_Dir /other\nadmin_user sgeadmin\n",
    GOOD + "#qmaster_spool_dir /commented\n # qmaster_spool_dir /commented\n#\tadmin_user x\n",
    GOOD + "qmaster_spool_dir\n",
    GOOD + "\t qmaster_spool_dir\t /tabs more words\n",
    GOOD + "qmaster_spool_dir relative\n",
    GOOD + "binary_path /opt/bin\n",
    GOOD + "binary_path bin\n",
    GOOD + "ignore_fqdn FALSE\n",
    GOOD + "ignore_fqdn no\ndefault_domain example.com\n",
    GOOD + "ignore_fqdn perhaps\n",
    GOOD + "default_domain NONE\n",
    GOOD + "default_domain None\nadmin_user NONE\n",
    GOOD + "admin_user -x\n",
    GOOD + "admin_user a;b\n",
    GOOD + "admin_user dom\\user\n",
    GOOD + "admin_user\x0bbatch\n",
    GOOD.replace("admin_user none\n", ""),
    GOOD.replace("ignore_fqdn true\n", ""),
    GOOD.replace("qmaster_spool_dir /spool\n", ""),
    GOOD.replace("default_domain none\n", ""),
    GOOD.removesuffix("\n"),
    GOOD + "binary\0\n",
    "",
]
ASK = (
    'settings=$1\nread_settings\nprintf "%s\\n" "$spool" "$admin" "$ignore_fqdn" "$default_domain" "$base"\n'
)
SQUAT = """
import os, signal, sys
open("/proc/self/comm", "w").write("sge_qmaster")
os.chdir(sys.argv[1])
os.setgroups([]); os.setgid(65534); os.setuid(65534)
signal.pause()
"""


def by_script(bootstrap: Path) -> tuple[str, ...] | None:
    """Return what the script reads; None where it refuses."""
    functions = SCRIPT.read_text().rpartition('main "$@"')[0]
    done = subprocess.run(
        ["/bin/sh", "-c", functions + ASK, "sgemaster", bootstrap],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode in {0, 6}, done.stderr
    return tuple(done.stdout.splitlines()) if done.returncode == 0 else None


def by_daemon(root: Path) -> tuple[str, ...] | None:
    """Return what the daemon reads; None where it refuses."""
    try:
        cell = discover(root)
    except CellError:
        return None
    default = root / "bin"
    base = "" if cell.binary_path == default else str(cell.binary_path)
    spool, admin = str(cell.spool), cell.admin_user or "root"
    return (spool, admin, str(cell.ignore_fqdn).lower(), cell.default_domain or "", base)


@pytest.mark.parametrize("name", ["bootstrap", "configuration"])
@pytest.mark.parametrize("text", CORPUS, ids=lambda text: ascii(text[-30:]))
def test_script_and_daemon_read_the_same(tmp_path: Path, text: str, name: str) -> None:
    """A carriage return, a key twice, capitals, a comment, garbage: the same cell, or none for both."""
    common = tmp_path / "default" / "common"
    common.mkdir(parents=True)
    path = common / name
    path.write_bytes(text.encode("latin-1"))
    assert by_script(path) == by_daemon(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_users_process_of_the_right_name_is_no_master(toy: ToyCell) -> None:
    """It is in the master's directory and its pid file: it is neither told, nor stopped, nor waited for."""
    squatter = subprocess.Popen([sys.executable, "-IS", "-c", SQUAT, toy.spool])
    try:
        comm = Path(f"/proc/{squatter.pid}/comm")
        wait_for(lambda: comm.read_text() == "sge_qmaster\n", 30, "the name")
        status = Path(f"/proc/{squatter.pid}/status")
        wait_for(lambda: "Uid:\t65534" in status.read_text(), 30, "the user")
        (toy.spool / "qmaster.pid").write_text(f"{squatter.pid}\n")
        code, said = toy.call("status", "-qmaster")
        assert code == 1, said
        assert str(squatter.pid) not in said
        code, said = toy.call("start", "-qmaster")
        assert code == 0, said
        assert len(toy.alive("sge_qmaster")) == 1
        code, said = toy.call("stop", "-qmaster")
        assert code == 0, said
        assert toy.alive("sge_qmaster") == []
        assert squatter.poll() is None
    finally:
        squatter.kill()
        squatter.wait(30)
