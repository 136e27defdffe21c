"""A generic cell on real NFS, daemons and all: masters end in several ways, one after the other.

Run in the guest with the faults as arguments. Each is preceded by quiet, so that the server has delegated
what it would delegate. Each reports one record: where the master ran, where it runs now, how many claims that
took, and whether two masters ever wrote at once. ``terminate`` ends a run: the server goes, and the daemons
are told to end.
"""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import groupby
from pathlib import Path
from typing import Any

from tests.nfs.world import GUEST, NAMES, SHARED, World, wait

CELL = SHARED / "cell"
JOURNAL = GUEST / "journal"
QUIET = float(os.environ.get("NFS_QUIET", "65"))
"""Seconds after which a server delegates a file again that was opened in two ways."""
LONG = 150.0
SINGLETON = Path(__file__).parents[1] / "daemon" / "singleton.py"
TIMERS = {
    "check_interval": 2,
    "stale_after": 8,
    "delay": 7,
    "beat_interval": 1,
    "probe_timeout": 2,
    "io_timeout": 4,
    "launch_timeout": 20,
    "restart_limit": 0,
}


class Cell:
    """One daemon on each client host."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        world["h1"].do("mkdir", CELL)
        world["h1"].do("sh", "-c", f"echo {' '.join(NAMES)} >{CELL}/shadow_masters")

    def serve(self, name: str) -> None:
        """Start a host's daemon."""
        home = GUEST / name
        home.mkdir(exist_ok=True)
        config = home / "shadowd.toml"
        keys = "\n".join(f"{key} = {value}" for key, value in TIMERS.items())
        tunables = os.environ.get("GLIBC_TUNABLES", "")
        config.write_text(
            f'host = "{name}"\nruntime_dir = "{home}/run"\n[log]\nformat = "json"\nfile = "{home}/log"\n'
            f'[[cell]]\nname = "single"\nkind = "generic"\ndirectory = "{CELL}"\n{keys}\n'
            f'[cell.launch]\ncommand = ["{sys.executable}", "-IS", "{SINGLETON}", "{JOURNAL}", "{name}"]\n'
            f'environment = {{ GLIBC_TUNABLES = "{tunables}" }}\n'
        )
        with (home / "stderr").open("ab") as output:
            argv = (sys.executable, "-m", "shadowd", "run", "--config", config)
            self._daemons[name] = self._world[name].popen(*argv, output=output)  # type: ignore[arg-type]

    def state(self, name: str) -> dict[str, Any]:
        """Return what a daemon thinks, by its local file."""
        found: dict[str, Any] = json.loads((GUEST / name / f"run/single@{name}.state.json").read_bytes())
        return found

    def verb(self, name: str, verb: str) -> subprocess.CompletedProcess[str]:
        """Run a verb on a host."""
        config = GUEST / name / "shadowd.toml"
        return self._world[name].run(sys.executable, "-m", "shadowd", verb, "--config", config)

    def master(self) -> str:
        """Return the host whose guard has a master while all others stand by; empty for none."""
        states = {name: str(self.state(name)["state"]) for name in NAMES}
        active = [name for name, state in states.items() if state == "active"]
        rest = [state for state in states.values() if state != "active"]
        return active[0] if len(active) == 1 and set(rest) <= {"standby"} else ""

    def reigns(self) -> list[tuple[str, str]]:
        """Return epoch and host of each time that lines came from another master than before."""
        lines = JOURNAL.read_text().splitlines() if JOURNAL.exists() else []
        return [key for key, _ in groupby((epoch, host) for epoch, host, _ in map(str.split, lines))]

    def claims(self) -> list[str]:
        """Return the numbers that were ever claimed, as the server has them."""
        return sorted(self._world.server.do("ls", "/srv/export/cell/shadowd/claims").split())

    def strike(self, fault: str) -> dict[str, Any]:
        """Let the quiet come, end the master in this way and return what became of it."""
        before = wait(self.master, LONG, f"one master\n{self.story()}")
        time.sleep(QUIET)
        had, epoch = self.claims(), self.reigns()[-1]
        delegated = self._world.delegations()
        self._end(fault, before)
        wait(lambda: self.reigns()[-1] != epoch, LONG, f"a successor\n{self.story()}")
        after = wait(lambda: self._active(besides=before), LONG, f"it is confirmed\n{self.story()}")
        self._mend(fault, before)
        settled = wait(self.master, LONG, f"all is well again\n{self.story()}")
        reigns = self.reigns()
        return {
            "fault": fault,
            "before": before,
            "after": after,
            "settled": settled,
            "delegated": [name for name in delegated if "/cell/" in name],
            "claimed": len(self.claims()) - len(had),
            "two_at_once": len(set(reigns)) != len(reigns),
        }

    def _active(self, besides: str) -> str:
        found = [name for name in NAMES if name != besides and self.state(name)["state"] == "active"]
        return found[0] if found else ""

    def _end(self, fault: str, name: str) -> None:
        host = self._world[name]
        match fault:
            case "kill":
                os.kill(self._singleton(name), signal.SIGKILL)
            case "crash":
                host.crash()
            case "cut":
                host.cut()
            case "cut_from_server":
                self._world.cut_from_server(name)
            case "freeze":
                host.cut()
                host.freeze()

    def _mend(self, fault: str, name: str) -> None:
        host = self._world[name]
        match fault:
            case "crash":
                host.reboot()
                self.serve(name)
            case "cut":
                host.heal()
            case "cut_from_server":
                self._world.heal_to_server(name)
            case "freeze":
                host.heal()
                host.thaw()

    def _singleton(self, name: str) -> int:
        words = (str(SINGLETON).encode(), name.encode())
        for pid in self._world[name].pids():
            argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if set(words) <= set(argv):
                return pid
        raise LookupError(name)

    def terminate(self) -> dict[str, Any]:
        """Take the server away and tell every daemon to end."""
        wait(self.master, LONG, "one master")
        self._world.stop_server()
        time.sleep(4)  # for every daemon to be in the middle of something
        for child in self._daemons.values():
            child.terminate()
        ended = {}
        for name, child in self._daemons.items():
            try:
                ended[name] = child.wait(20) == 0
            except subprocess.TimeoutExpired:
                ended[name] = False
        return {"fault": "terminate", "ended": ended}

    def story(self) -> str:
        """Return what the daemons logged."""
        lines = []
        for name in NAMES:
            log = GUEST / name / "log"
            for line in log.read_text().splitlines()[-25:] if log.exists() else ():
                said = json.loads(line)
                lines.append(
                    f"{said.get('timestamp', '')[14:23]} {name} {said.get('event')} {said.get('reason')} "
                    f"{said.get('epoch')} {said.get('detail')}"
                )
        return "\n".join(lines)


def main(*faults: str) -> None:
    """Suffer these faults, one after the other."""
    cell = Cell(World())
    for name in NAMES:
        cell.serve(name)
    wait(lambda: all(cell.state(name)["state"] == "standby" for name in NAMES), LONG, "all stand by")
    started = wait(lambda: cell.verb("h1", "start").returncode == 0, LONG, f"the first start\n{cell.story()}")
    assert started
    for fault in faults:
        record = cell.terminate() if fault == "terminate" else cell.strike(fault)
        sys.stdout.write(json.dumps(record) + "\n")
        sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
