"""A real NFS on this machine: a guest kernel as an ordinary process, with an NFS server and clients in it.

The kernel is Debian's User Mode Linux (package ``user-mode-linux``): no virtual machine, no image. The
guest's root is this machine's own, read only under an overlay, so the project and its environment are there;
what is written there is gone with the guest. ``run`` boots one, has it run a module of this folder, and
returns what that module reported. The "hosts" of a scenario are namespaces of the guest (``world``), each
with an NFS client of its own.

Two things are done for processors whose extended state is larger than that kernel (6.1) knows, such as those
with AMX, where it would end at once: the system call by which it asks for that state fails (``LAUNCHER``), so
that it keeps the older part only; and the C library of the guest is told to use no more than that.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TOP = HERE.parents[1]
KERNEL = "linux.uml"
PACKAGES = ("user-mode-linux", "nfs-kernel-server", "nfs-common", "rpcbind", "netbase", "kmod", "e2fsprogs")
TUNABLES = (
    "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-AVX512CD,"
    "-AVX_Fast_Unaligned_Load,-Prefer_No_VZEROUPPER,-XSAVEC,-XSAVE"
)
LAUNCHER = HERE / "launcher.py"
MEMORY = "768M"


def usable() -> str:
    """Return why no guest can be booted here, or an empty string."""
    missing = [name for name in (KERNEL, "rpc.nfsd", "rpc.mountd", "mke2fs") if not _which(name)]
    if missing:
        return f"no {', '.join(missing)}: as root, apt-get install {' '.join(PACKAGES)}"
    return ""


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def run(
    module: str,
    *arguments: str,
    hosts: int = 3,
    version: str = "4.2",
    lease: int = 90,
    quiet: float = 0,
    limit: float = 300,
) -> list[dict[str, Any]]:
    """Boot a guest, run ``tests.nfs.<module>`` in it and return the records that it reported.

    ``version``: of NFS. ``lease``: that of the server, in seconds, 10 at the least. ``quiet``: seconds before
    each fault. ``limit``: seconds after which the guest is ended and the run has failed.
    """
    out = Path(tempfile.mkdtemp(prefix="guest.", dir="/dev/shm"))
    order = {
        "argv": [sys.executable, "-m", f"tests.nfs.{module}", *arguments],
        "environment": {
            "PYTHONPATH": str(TOP),
            "NFS_VERSION": version,
            "NFS_LEASE": str(lease),
            "NFS_QUIET": str(quiet),
        },
        "hosts": hosts,
    }
    (out / "order.json").write_text(json.dumps(order))
    words = [sys.executable, "-I", "-S", LAUNCHER, _which(KERNEL) or KERNEL, f"mem={MEMORY}"]
    words += [f"umid=guest{os.getpid()}.{out.name}", f"uml_dir={out}", "quiet", "con=null", "con0=null,fd:1"]
    words += ["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", f"init={HERE / 'init.sh'}"]
    words += [f"GUEST_OUT={out}", f"GUEST_PYTHON={sys.executable}", f"GUEST_TOP={TOP}"]
    words += [f"GLIBC_TUNABLES={TUNABLES}"]
    try:
        with (out / "console").open("wb") as console:
            kernel = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TMPDIR": str(out)},
                start_new_session=True,
                cwd="/",
            )
            try:
                kernel.wait(limit)
            except subprocess.TimeoutExpired:
                os.killpg(kernel.pid, 9)
                kernel.wait()
        return _report(out)
    finally:
        shutil.rmtree(out, ignore_errors=True)


def _report(out: Path) -> list[dict[str, Any]]:
    status = out / "status"
    said = {name: _text(out / name) for name in ("stdout", "stderr", "console")}
    story = "\n".join(f"--- {name}\n{text[-6000:]}" for name, text in said.items())
    assert status.exists(), f"the guest did not come to its end\n{story}"
    assert status.read_text().strip() == "0", f"exit status {status.read_text().strip()}\n{story}"
    return [json.loads(line) for line in said["stdout"].splitlines() if line.startswith("{")]


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
