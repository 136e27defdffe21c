"""A local user without rights who wants a cell to fail: tries every trick, again and again, and reports.

Run as a program: ``attacker.py SHARED REPORT [RUNTIME...]``, as a user that owns nothing of the cell.
The report, rewritten after each turn, says what it was able to do to files that are not its own.
"""

import contextlib
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

CROWD = 300
"""Idle processes with a large environment."""
LARGE = {f"FILLER_{number}": "x" * 100_000 for number in range(10)}
IMPOSTORS = 60
CONNECTIONS = 50
NAMES = ("sge_qmaster", "shadowd", "sge_shadowd", "pbs_server", "singleton.py")


class Attacker:
    """One user's processes, descriptors and successes."""

    def __init__(self, shared: Path, runtimes: list[Path]) -> None:
        self._shared = shared
        self._runtimes = runtimes
        self._mine = Path(tempfile.mkdtemp(prefix="attacker."))
        self._impostors: list[subprocess.Popen[bytes]] = []
        self._held: list[int] = []
        self._sockets: list[socket.socket] = []
        self.successes: set[str] = set()

    def crowd(self) -> None:
        """Make every walk of /proc long."""
        for _ in range(CROWD):
            subprocess.Popen(["/bin/sleep", "3600"], env=LARGE)

    def impersonate(self) -> None:
        """Carry the marks of every epoch that can be read, under the names of the trade."""
        for claim in self._records("shadowd/claims/*.json"):
            marks = {
                "SHADOWD_CELL": str(claim.get("cell")),
                "SHADOWD_EPOCH": str(claim.get("epoch")),
                "SHADOWD_NONCE": str(claim.get("nonce")),
                "SHADOWD_ROLE": "master",
            }
            for name in NAMES:
                program = self._mine / name
                if not program.exists():
                    shutil.copy2("/bin/sleep", program)
                self._impostors.append(subprocess.Popen([program, "3600"], env=marks))
        while len(self._impostors) > IMPOSTORS:
            first = self._impostors.pop(0)
            first.kill()
            first.wait()

    def hold_locks(self) -> None:
        """Hold the lock of every file in the runtime directories that can be opened."""
        for path in self._files(self._runtimes):
            with contextlib.suppress(OSError):
                descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    os.close(descriptor)
                    continue
                self._held.append(descriptor)
                if path.name.endswith(".lock"):
                    self.successes.add(f"holds the lock of {path}")
        while len(self._held) > CONNECTIONS:
            os.close(self._held.pop(0))

    def talk(self) -> None:
        """Leave half a request at every control socket, and garbage at every port for hints."""
        for path in self._files(self._runtimes):
            if path.name.startswith("control-"):
                with contextlib.suppress(OSError):
                    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                    self._sockets.append(client)
                    client.settimeout(0.2)
                    client.connect(str(path))
                    client.send(b'{"do":[],"cell":')
                    self.successes.add(f"speaks at {path}")
        while len(self._sockets) > CONNECTIONS:
            self._sockets.pop(0).close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for record in self._records("shadowd/hosts/*.json"):
                hints = record.get("hints")
                if isinstance(hints, dict):
                    for data in (b"shadowd hint 1 single", b"\xff" * 1400, b""):
                        with contextlib.suppress(OSError):
                            sender.sendto(data, ("127.0.0.1", int(str(hints.get("port")))))

    def write(self) -> None:
        """Write into, over and beside every file of the cell and the daemons."""
        for path in self._files([self._shared, *self._runtimes]):
            self._try(path, lambda path=path: _open_for_writing(path))
            self._try(path, lambda path=path: self._replace(path))
        for directory in self._directories([self._shared, *self._runtimes]):
            for name in ("0000000001.died.json", "9999999999.json", "lock", "x.lock"):
                path = directory / name
                self._try(path, lambda path=path: path.symlink_to("/etc/passwd"))
                self._try(path, lambda path=path: _create(path))

    def _replace(self, path: Path) -> None:
        bait = self._mine / "bait"
        bait.touch()
        bait.rename(path)

    def _try(self, path: Path, attempt: Callable[[], None]) -> None:
        try:
            attempt()
        except OSError:
            return
        self.successes.add(f"wrote {path}")

    def _records(self, pattern: str) -> list[dict[str, object]]:
        found = []
        for path in sorted(self._shared.glob(pattern))[-5:]:
            with contextlib.suppress(OSError, ValueError):
                record = json.loads(path.read_bytes())
                found += [record] if isinstance(record, dict) else []
        return found

    def _directories(self, tops: list[Path]) -> list[Path]:
        return [Path(place) for top in tops for place, _, _ in os.walk(top)]

    def _files(self, tops: list[Path]) -> list[Path]:
        return [Path(place) / name for top in tops for place, _, names in os.walk(top) for name in names]


def _open_for_writing(path: Path) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))


def _create(path: Path) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))


def main(shared: str, report: str, *runtimes: str) -> None:
    """Attack until killed."""
    attacker = Attacker(Path(shared), [Path(runtime) for runtime in runtimes])
    attacker.crowd()
    turns = 0
    while True:
        attacker.impersonate()
        attacker.hold_locks()
        attacker.talk()
        attacker.write()
        turns += 1
        Path(report).write_text(json.dumps({"turns": turns, "successes": sorted(attacker.successes)}))
        time.sleep(0.2)


if __name__ == "__main__":
    main(*sys.argv[1:])
