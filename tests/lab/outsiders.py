"""Processes of a user without rights: what they carry, and that they are ended.

They sleep and nothing else. Their environment may be as large as the kernel lets it be. They are no children
of the test, which may be the process that looks for masters: a process between starts and ends them.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.lab.processes import wait_for

NOBODY = 65534
SLEEP = "/bin/sleep"
LARGE = {f"FILLING_{number}": "x" * 120_000 for number in range(8)}
"""About a megabyte, which a reader gets a page at a time."""
_PARENT = """
import json, os, subprocess, sys
order = json.loads(sys.stdin.readline())
who = {"user": order["uid"], "group": order["uid"], "extra_groups": ()}
sleepers = [
    subprocess.Popen([order["program"], "600"], env=order["environment"], cwd=order["cwd"],
                     stdin=subprocess.DEVNULL, start_new_session=True, **who)
    for _ in range(order["count"])
]
print(json.dumps([one.pid for one in sleepers]), flush=True)
sys.stdin.read()
for one in sleepers:
    one.kill()
    one.wait()
"""


@contextmanager
def crowd(
    count: int,
    environment: Mapping[str, str],
    *,
    uid: int = NOBODY,
    program: str = SLEEP,
    cwd: Path = Path("/"),
    enter: Callable[[list[str | Path]], list[str]] = lambda argv: [*map(str, argv)],
) -> Iterator[list[int]]:
    """Let so many processes of this user sleep with this environment; give their pids.

    ``enter``: makes of a command one that runs on a host of the lab.
    """
    order = {
        "count": count,
        "environment": dict(environment),
        "uid": uid,
        "program": program,
        "cwd": str(cwd),
    }
    with subprocess.Popen(
        enter([sys.executable, "-ISc", _PARENT]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        try:
            assert parent.stdin is not None
            assert parent.stdout is not None
            parent.stdin.write(json.dumps(order) + "\n")
            parent.stdin.flush()
            pids: list[int] = json.loads(parent.stdout.readline())
            wait_for(lambda: all(_program(pid) == program for pid in pids), 30, "they sleep")
            yield pids
        finally:
            parent.communicate()


def _program(pid: int) -> str:
    """Return what it executes, by its own word; empty within execve."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").partition("\0")[0]


@contextmanager
def public() -> Iterator[Path]:
    """Give a directory that everybody may enter, unlike those of the tests."""
    with tempfile.TemporaryDirectory() as top:
        Path(top).chmod(0o755)
        yield Path(top)


def setuid_sleep(directory: Path, name: str = "sleep") -> str:
    """Make a program that runs as root whoever starts it; return its path."""
    path = directory / name
    shutil.copy(SLEEP, path)
    os.chown(path, 0, 0)
    path.chmod(0o4755)
    return str(path)
