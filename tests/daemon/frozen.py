"""A FUSE mount that hangs as a hard NFS mount does: calls wait for ever, and a killed process is gone.

A FUSE call that the file system has taken up cannot be interrupted, not even by SIGKILL (the kernel's
``request_wait_answer``); on NFS only rare ones are so (NFS.md, "The server goes away"). So the file system's
program is stopped while it has no call in hand, which the kernel's count of waiting calls tells.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.fusefs import FaultyMount

_PATIENCE = 30.0


class Freezer:
    """Stops a mount and lets it go on."""

    def __init__(self, mount: FaultyMount, control: Path) -> None:
        self._mount = mount
        self._waiting = control / _connection(mount) / "waiting"

    def freeze(self) -> None:
        """Let every call from now on wait."""
        ends = time.monotonic() + _PATIENCE
        while time.monotonic() < ends:
            os.kill(self._mount.pid, signal.SIGSTOP)
            if self._waiting.read_text().strip() == "0":
                return
            os.kill(self._mount.pid, signal.SIGCONT)
            time.sleep(0.003)
        raise AssertionError("the mount was never idle")

    def thaw(self) -> None:
        """Answer all that waits."""
        os.kill(self._mount.pid, signal.SIGCONT)


@contextmanager
def freezer(mount: FaultyMount, directory: Path) -> Iterator[Freezer]:
    """Give the means to freeze a mount; thaws it in the end."""
    control = directory / "fusectl"
    control.mkdir()
    subprocess.run(["mount", "-t", "fusectl", "none", str(control)], check=True, timeout=30)
    made = Freezer(mount, control)
    try:
        yield made
    finally:
        made.thaw()
        subprocess.run(["umount", str(control)], check=True, timeout=30)


def _connection(mount: FaultyMount) -> str:
    """Return the number of the mount's connection: the minor number of its device."""
    for line in mount.table.read_text().splitlines():
        words = line.split()
        if words[4] == str(mount.path):
            return words[2].partition(":")[2]
    raise AssertionError(f"{mount.path} is not mounted")
