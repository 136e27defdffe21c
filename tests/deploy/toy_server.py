"""A TORQUE cell of toys for the startup script ``pbs_server``: what it needs to see, and how it behaves.

The toy shadowd starts the toy server, writes the record that the real one keeps in its runtime directory, and
when the server ends writes a notice. All of them say in one file what they did, in its order.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.daemon.toys import end_all
from tests.deploy.toy_cell import eventually
from tests.lab import processes

SCRIPT = Path(__file__).parents[2] / "deploy" / "pbs_server"
SERVER = """
import json, os, pathlib, signal, sys, time
root = pathlib.Path(__file__).parent
def told(text):
    with (root / "told").open("a") as told:
        told.write(text + chr(10))
def end(*_):
    told("server TERM")
    time.sleep(json.loads((root / "wish.json").read_text())["stop_seconds"])
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
with (root / "pids").open("a") as pids:
    pids.write(f"{os.getpid()}\\n")
told("server")
while True:
    signal.pause()
"""
SHADOWD = """
import json, os, pathlib, signal, subprocess, sys, time
root = pathlib.Path(__file__).parent
wish = json.loads((root / "wish.json").read_text())
(root / "arguments").write_text(" ".join(sys.argv[1:]))
if wish["fails"]:
    sys.exit(78)
if os.fork():
    os._exit(0)
os.setsid()
for fd in 0, 1, 2:
    os.dup2(os.open(os.devnull, os.O_RDWR), fd)
def told(text):
    with (root / "told").open("a") as told:
        told.write(text + chr(10))
def end(*_):
    told("shadowd TERM")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
with (root / "pids").open("a") as pids:
    pids.write(f"{os.getpid()}\\n")
def record(epoch):
    kind = {"format": 1, "cell": "torque", "kind": "torque", "host": "alpha", "pid": os.getpid()}
    kind |= {"state": "active" if epoch else "standby", "reason": "started", "text": '"pid": 1', "since": 1.5}
    kind |= {"refusals": [], "silence": 0.4, "active": wish["serving"], "epoch": epoch or 6, "observed": 1.5}
    kind |= {"attempts": 0, "io_stuck": None, "timing": {"stale_after": 9.0}}
    path = root / "run" / "torque@alpha.state.json"
    new = path.with_suffix(".new")
    new.write_text(json.dumps(kind | wish["says"]))
    new.rename(path)
while wish["waits"]:
    signal.pause()
for epoch in range(7, 7 + wish["servers"]):
    server = subprocess.Popen([root / "pbs_server", "-D", "-d", root / "home"])
    record(epoch)
    server.wait()
    time.sleep(0.1)
    if wish["notices"]:
        (root / "home/server_priv/shadowd/notices" / f"{epoch:010}.died.json").write_text("{}")
        told("notice")
record(None)
while True:
    signal.pause()
"""


class ToyServer:
    """One home of TORQUE below ``root``, and the script called on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.private = root / "home" / "server_priv"
        (self.private / "shadowd" / "notices").mkdir(parents=True)
        (self.private / "serverdb").touch()
        (root / "run").mkdir()
        self.wish()
        for name, text in {"shadowd": SHADOWD, "pbs_server": SERVER}.items():
            (root / name).write_text(f"#!{sys.executable} -IS\n{text}")
            (root / name).chmod(0o755)
        self.environment = {
            "PATH": os.environ["PATH"],
            "PBS_HOME": str(root / "home"),
            "SHADOWD_COMMAND": str(root / "shadowd"),
            "SHADOWD_DEFAULTS": str(root / "defaults"),
            "SHADOWD_RUNTIME_DIR": str(root / "run"),
            "SHADOWD_HANDOVER_TIMEOUT": "20",
        }

    def wish(
        self,
        *,
        servers: int = 1,
        serving: str = "alpha",
        stop_seconds: float = 0,
        notices: bool = True,
        fails: bool = False,
        waits: bool = False,
        **says: object,
    ) -> None:
        """Say how the toys behave from now on: how many servers the daemon starts, one after the other.

        ``says``: what its record holds besides, or instead.
        """
        wishes = {
            "servers": servers,
            "serving": serving,
            "stop_seconds": stop_seconds,
            "notices": notices,
            "fails": fails,
            "waits": waits,
            "says": says,
        }
        (self.root / "wish.json").write_text(json.dumps(wishes))

    def call(self, *words: str, **environment: str) -> tuple[int, str]:
        """Call the script; return its exit code and all that it printed."""
        done = subprocess.run(
            [str(SCRIPT), *words],
            env=self.environment | environment,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd="/",
            timeout=60,
        )
        return done.returncode, done.stdout + done.stderr

    def begin(self) -> None:
        """Start the daemon, and wait for its server."""
        code, text = self.call("start")
        assert code == 0, text
        assert eventually(lambda: "server" in self.told())

    def told(self) -> list[str]:
        """Return what the toys did, in its order."""
        path = self.root / "told"
        return path.read_text().splitlines() if path.exists() else []

    def alive(self, name: str) -> list[int]:
        """Return the live processes of this cell with that name."""
        path = self.root / "pids"
        pids = [int(word) for word in path.read_text().split()] if path.exists() else []
        return [pid for pid in pids if processes.alive(pid) and processes.name(pid) == name]

    def close(self) -> None:
        """End every process that the toys left, also one that has not said yet that it is there."""
        end_all(self.root)
