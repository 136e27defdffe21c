"""A cell made of files by hand, as several hosts would have left it."""

import json
import os
from pathlib import Path
from typing import Any

NOW = 1_795_172_752.0  # Fri 20 Nov 2026 11:05:52 UTC
PROBE = 'probe = { addresses = { h1 = "192.0.2.1", h2 = "192.0.2.2", h3 = "192.0.2.3" } }'
"""No resolver is asked for these hosts, and none has to know them."""


class HandMade:
    """The files of one Grid Engine cell below one directory; every method changes one thing."""

    def __init__(self, root: Path) -> None:
        self.root = root / "sge"
        self.common = self.root / "default" / "common"
        self.spool = self.root / "default" / "spool" / "qmaster"
        self.state = self.spool / "shadowd"
        self.runtime = root / "run"
        self.config = root / "shadowd.toml"
        for directory in (self.common, self.state / "claims", self.state / "notices", self.runtime):
            directory.mkdir(parents=True)
        (self.state / "hosts").mkdir()
        (self.common / "bootstrap").write_text(
            f"admin_user none\nqmaster_spool_dir {self.spool}\n"
            f"binary_path {self.root}/bin\nignore_fqdn true\n"
        )
        self.config.write_text(
            f'host = "h2"\nruntime_dir = "{self.runtime}"\n[[cell]]\nname = "default"\n'
            f'sge_root = "{self.root}"\nsge_cell = "default"\n{PROBE}\n'
        )
        self.pid = os.getpid()
        """Of the daemon of this host."""
        self.active("h1")
        self.shadows("h1", "h2")
        self.beat(42, NOW - 12)

    def active(self, host: str) -> None:
        """Name the master's host."""
        (self.common / "act_qmaster").write_text(f"{host}\n")

    def shadows(self, *hosts: str) -> None:
        """List the shadow hosts."""
        (self.common / "shadow_masters").write_text("".join(f"{host}\n" for host in hosts))

    def beat(self, value: int, wall: float) -> None:
        """Write the heartbeat as of a time."""
        (self.spool / "heartbeat").write_text(f"{value:05d}\n")
        os.utime(self.spool / "heartbeat", (wall, wall))

    def lock(self, wall: float) -> Path:
        """Leave an empty lock, as a clean exit does."""
        path = self.spool / "lock"
        path.touch()
        os.utime(path, (wall, wall))
        return path

    def record(self, host: str, **changes: Any) -> dict[str, Any]:
        """Write one host's record; returns it."""
        record = {**standard(host), **changes}
        (self.state / "hosts" / f"{host}.json").write_text(json.dumps(record))
        return record

    def local(self, host: str, **changes: Any) -> None:
        """Write the local copy of a host's record."""
        record = {**standard(host), "pid": self.pid, **changes}
        (self.runtime / f"default@{host}.state.json").write_text(json.dumps(record))

    def claim(self, epoch: int, host: str, *notices: str, **changes: Any) -> None:
        """Write a claim and notices of its epoch."""
        claim = {
            "format": 1, "cell": "default", "epoch": epoch, "host": host, "machine_id": "m", "boot_id": "b",
            "pid": 7, "start_token": "1", "nonce": f"nonce{epoch:028d}", "reason": "silence",
            "supersedes": epoch - 1, "lease": 741.0, "licence": 60.0, "window": 200.0,
            "protection": "guarded", "wall": NOW - 3229, **changes,
        }  # fmt: skip
        (self.state / "claims" / f"{epoch:010d}.json").write_text(json.dumps(claim))
        for kind in notices:
            notice = {
                "format": 1, "cell": "default", "epoch": epoch, "kind": kind, "host": host, "pid": 7,
                "wall": NOW - 3200, "detail": "",
            }  # fmt: skip
            (self.state / "notices" / f"{epoch:010d}.{kind}.json").write_text(json.dumps(notice))

    def forget(self, epoch: int) -> None:
        """Remove every trace of an epoch."""
        for path in self.state.glob(f"*/{epoch:010d}.*"):
            path.unlink()


def standard(host: str) -> dict[str, Any]:
    """Return the record of a healthy shadow, or of the guard on h1."""
    active = host == "h1"
    return {
        "format": 1, "cell": "default", "kind": "gridengine", "host": host, "version": "0.1.0",
        "pid": os.getpid(), "boot_id": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "wall": NOW - 3, "state": "active" if active else "standby",
        "reason": "confirmed" if active else "beat_moved", "text": "…", "since": NOW - 3200,
        "refusals": [],
        "timer": {"name": "lease", "due": NOW + 729} if active else {"name": "next_check", "due": NOW + 57},
        "silence": 9.0, "beat": 42, "beat_problem": None, "active": "h1", "epoch": 7, "master": "h1",
        "protection": "guarded", "lock": {"kind": "absent", "epoch": None, "since": None}, "pause": None,
        "observed": NOW - 3, "attempts": 0, "io_stuck": None,
        "timing": {
            "check_interval": 60, "stale_after": 240, "delay": 600, "stagger": 0, "beat_interval": 30,
            "probe_timeout": 10, "io_timeout": 10, "fence_timeout": 0, "launch_timeout": 120,
            "delay_applies": "before_takeover",
        },
    }  # fmt: skip


def handmade(root: Path) -> HandMade:
    """Return a healthy cell: h1 is master with a guard, h2 (this host) a shadow."""
    made = HandMade(root)
    made.claim(7, "h1", "launching", "started")
    made.record("h1")
    made.record("h2")
    made.local("h2")
    return made
