"""A cell of toy programs for the startup script: real processes and files, no Grid Engine.

Why toys: the script's verbs are about what a master does when it is slow, refuses, crashes or belongs
elsewhere, and a real master does none of that on request. The toys keep what the script depends on: the
process name, the double life (the parent exits 0 whatever happens), ``lock``, heartbeat and pid file.
"""

import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "deploy" / "sgemaster"

MASTER = """
import json, os, pathlib, signal, sys, time
root = pathlib.Path(os.environ["SGE_ROOT"])
spool = root / "default" / "spool"
wish = json.loads((root / "wish.json").read_text())
if wish["dies_at_start"] or os.fork():
    os._exit(0)
os.setsid()
for fd in 0, 1, 2:
    os.dup2(os.open(os.devnull, os.O_RDWR), fd)
os.chdir(spool)
def term(*_):
    with (spool / "signals").open("a") as log:
        log.write("TERM marked\\n" if (spool / "lock").exists() else "TERM unmarked\\n")
    time.sleep(wish["stop_seconds"])
    if wish["leaves_lock"]:
        (spool / "lock").touch()
    os._exit(0)
signal.signal(signal.SIGTERM, term)
with (root / "pids").open("a") as pids:
    pids.write(f"{os.getpid()}\\n")
beat = int((spool / "heartbeat").read_text()) + 1
(spool / "heartbeat").write_text(f"{beat:05d}\\n")
(spool / "lock").unlink(missing_ok=True)
(root / "default" / "common" / "act_qmaster").write_text(os.uname().nodename + "\\n")
(spool / "qmaster.pid").write_text(f"{os.getpid()}\\n")
while True:
    signal.pause()
"""

SHADOWD = """
import os, pathlib, signal, sys
root = pathlib.Path(os.environ["SGE_ROOT"])
(root / "shadowd_arguments").write_text(" ".join(sys.argv[1:]))
if os.fork():
    os._exit(0)
os.setsid()
for fd in 0, 1, 2:
    os.dup2(os.open(os.devnull, os.O_RDWR), fd)
with (root / "pids").open("a") as pids:
    pids.write(f"{os.getpid()}\\n")
pid_file = root / "default" / "spool" / f"shadowd_{os.uname().nodename}.pid"
pid_file.with_suffix(".new").write_text(f"{os.getpid()}\\n")
pid_file.with_suffix(".new").rename(pid_file)
while True:
    signal.pause()
"""

QCONF = """#!/bin/sh
echo "$1" >>"$SGE_ROOT/qconf_calls"
case $1 in
-ks) cat "$SGE_ROOT/scheduler_says" 2>/dev/null ;;
-km)
    [ -e "$SGE_ROOT/deaf" ] || rm -f "$SGE_ROOT/old_master_runs"
    [ -e "$SGE_ROOT/crashes" ] || : >"$SGE_ROOT/default/spool/lock"
    ;;
esac
"""

QPING = """#!/bin/sh
test -e "$SGE_ROOT/old_master_runs"
"""


class ToyCell:
    """One cell below its own SGE_ROOT, and the script called on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.common = root / "default" / "common"
        self.spool = root / "default" / "spool"
        self.bin = root / "bin"
        for directory in (self.common, self.spool, self.bin):
            directory.mkdir(parents=True)
        self.settings = {
            "admin_user": pwd.getpwuid(os.getuid()).pw_name,
            "default_domain": "none",
            "ignore_fqdn": "true",
            "binary_path": str(self.bin),
            "qmaster_spool_dir": str(self.spool),
        }
        self.write_settings()
        self.set_active(socket.gethostname())
        (self.spool / "heartbeat").write_text("00041\n")
        self.wish()
        self._program(self.bin / "sge_qmaster", f"#!{sys.executable} -IS\n{MASTER}")
        self._program(root / "shadowd", f"#!{sys.executable} -IS\n{SHADOWD}")
        self._program(self.bin / "qconf", QCONF)
        self._program(self.bin / "qping", QPING)
        self.environment = {
            "PATH": os.environ["PATH"],
            "SGE_ROOT": str(root),
            "SGE_QMASTER_PORT": "6444",
            "SHADOWD_COMMAND": str(root / "shadowd"),
            "SHADOWD_DEFAULTS": str(root / "defaults"),
            "SHADOWD_START_TIMEOUT": "20",
            "SHADOWD_STOP_TIMEOUT": "20",
            "SHADOWD_MIGRATE_TIMEOUT": "1",
            "SHADOWD_SETTLE": "1",
        }

    @staticmethod
    def _program(path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)

    def write_settings(self, name: str = "bootstrap", **changes: str) -> None:
        """Write ``bootstrap`` (or the file of that name) with the cell's settings."""
        self.settings |= changes
        lines = [f"{key}  {value}\n" for key, value in self.settings.items()]
        (self.common / name).write_text("".join(lines))

    def wish(self, *, stop_seconds: float = 0, leaves_lock: bool = True, dies_at_start: bool = False) -> None:
        """Say how masters that are started from now on behave."""
        wishes = {"stop_seconds": stop_seconds, "leaves_lock": leaves_lock, "dies_at_start": dies_at_start}
        (self.root / "wish.json").write_text(json.dumps(wishes))

    def set_active(self, host: str) -> None:
        """Write act_qmaster."""
        (self.common / "act_qmaster").write_text(f"{host}\n")

    def list_shadows(self, *hosts: str) -> None:
        """Write shadow_masters."""
        (self.common / "shadow_masters").write_text("\n".join(hosts) + "\n")

    def master_elsewhere(self) -> None:
        """Let a master run on another host, which answers to qping and qconf."""
        self.set_active("elsewhere")
        (self.root / "old_master_runs").touch()

    def claim(self, host: str, *notices: str, window: int = 60) -> None:
        """Put the records of one epoch into the spool, as shadowd writes them."""
        for kind in ("claims", "notices"):
            (self.spool / "shadowd" / kind).mkdir(parents=True, exist_ok=True)
        record = json.dumps({"epoch": 7, "host": host, "lease": 741.0, "window": float(window)})
        (self.spool / "shadowd" / "claims" / "0000000007.json").write_text(record)
        for notice in notices:
            self.notice(notice)

    def notice(self, kind: str) -> None:
        """Add one notice to the epoch."""
        (self.spool / "shadowd" / "notices" / f"0000000007.{kind}.json").write_text("{}")

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Call the script without waiting for it."""
        return subprocess.Popen(
            [str(SCRIPT), *words],
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
        )

    def call(self, *words: str, **environment: str) -> tuple[int, str]:
        """Call the script; return its exit code and all that it printed."""
        process = self.start(*words, **environment)
        out, err = process.communicate(timeout=60)
        return process.returncode, out + err

    @property
    def lock(self) -> Path:
        """The spool's lock file."""
        return self.spool / "lock"

    def signals(self) -> list[str]:
        """Return what masters were told to end by, and whether the shutdown was marked by then."""
        path = self.spool / "signals"
        return path.read_text().splitlines() if path.exists() else []

    def calls(self) -> list[str]:
        """Return the calls of qconf."""
        path = self.root / "qconf_calls"
        return path.read_text().split() if path.exists() else []

    def alive(self, name: str) -> list[int]:
        """Return the live processes of this cell with that name."""
        return [pid for pid in self._pids() if self._name(pid) == name]

    def _pids(self) -> list[int]:
        path = self.root / "pids"
        return [int(word) for word in path.read_text().split()] if path.exists() else []

    @staticmethod
    def _name(pid: int) -> str:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            return Path(f"/proc/{pid}/comm").read_text().strip() if state not in "ZX" else ""
        except OSError:
            return ""

    def close(self) -> None:
        """End every process that the toys left."""
        for name in ("sge_qmaster", "shadowd"):
            for pid in self.alive(name):
                os.kill(pid, signal.SIGKILL)


def eventually(question: Callable[[], object]) -> bool:
    """Poll for at most ten seconds."""
    for _ in range(200):
        if question():
            return True
        time.sleep(0.05)
    return False
