"""Who this daemon is, for the claims that it signs: machine, boot, process.

Why each part: the *machine id* outlives a reboot, so that a daemon that comes back recognises its claims
of before (PROTOCOL rule 14); the *boot id* tells it that everything it had started is gone; *pid + start
token* name one process for ever, which a pid alone does not.

Machines cloned from one image may share a machine id, and the fallback below is no better than the host's
name: so it is never enough by itself, and ``core.own`` compares the host as well. Refuses to run without a
boot id: a made-up one would turn every restart of the daemon into a reboot, and its claims into deaths.
"""

import os
import re
from pathlib import Path

from shadowd.adapters import procfs
from shadowd.adapters.marks import Secrets
from shadowd.core.values import Host
from shadowd.errors import CellError

MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_WORD = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{7,63}")
_LIMIT = 128


class SystemIdentity:
    """The port ``Identity``; everything but the nonce is read once, and again by ``refresh``."""

    def __init__(
        self,
        cell: str,
        host: Host,
        *,
        machine_ids: tuple[Path, ...] = MACHINE_IDS,
        boot_id: Path = BOOT_ID,
    ) -> None:
        self.cell = cell
        self.host = host
        self.secrets = Secrets()
        self.machine_id = read_machine_id(machine_ids)
        self.boot_id = read_boot_id(boot_id)
        self.pid = 0
        self.start_token = ""
        self.refresh()

    def refresh(self) -> None:
        """Take the calling process for the daemon; to be called after daemonizing. Raises ``CellError``."""
        self.pid = os.getpid()
        me = procfs.process(self.pid)
        if me is None:
            raise CellError(
                f"/proc/{self.pid}/stat",
                "this process cannot read its own start time",
                "mount /proc on this host",
            )
        self.start_token = me.start_token

    def nonce(self) -> str:
        """Return a fresh nonce, whose secret a process of this epoch carries (``marks``)."""
        return self.secrets.draw()


def read_machine_id(paths: tuple[Path, ...] = MACHINE_IDS) -> str:
    """Return the id of this machine, or a word made of its name where it has none."""
    words = (_word(path) for path in paths)
    # "uninitialized" is what systemd leaves in an image before its first boot (machine-id(5)).
    known = next((word for word in words if word and word != "uninitialized"), None)
    return known or f"name-{os.uname().nodename}"


def read_boot_id(path: Path = BOOT_ID) -> str:
    """Return the id of this boot; raises ``CellError`` where /proc does not tell it."""
    word = _word(path)
    if word is None:
        raise CellError(
            str(path),
            "there is no boot id in it",
            "mount /proc on this host: without a boot id a restart cannot be told from a reboot",
        )
    return word


def _word(path: Path) -> str | None:
    """Return the one word in a small file, or None where it holds anything else."""
    data = procfs.read_some(path, _LIMIT)
    if data is None:
        return None
    text = data.decode("ascii", "replace").strip()
    return text if _WORD.fullmatch(text) else None
