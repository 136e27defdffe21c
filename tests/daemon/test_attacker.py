"""A local user without rights attacks a guarded cell: it goes on failing over as if nobody were there.

Killed masters are started again and lost hosts are replaced, meanwhile and as often as there is time for.
``ATTACK_SECONDS`` says how long; the whole run takes the default::

    ATTACK_SECONDS=300 ./tests/run tests/daemon/test_attacker.py -n0
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.generics import Generic
from tests.daemon.toys import LONG, patiently
from tests.lab import processes

SECONDS = float(os.environ.get("ATTACK_SECONDS", "15"))
NOBODY = 65534
PYTHON = shutil.which("python3", path="/usr/bin") or sys.executable
"""One that others may execute."""
TIMERS: dict[str, float | str] = {
    "stale_after": 3,
    "delay": 5,
    "probe_timeout": 1,
    "io_timeout": 2,
    "launch_timeout": 10,
    "restart_limit": 100,
    "window": 30,
}

pytestmark = [pytest.mark.real, pytest.mark.timeout(SECONDS + 240)]


@pytest.fixture
def single() -> Iterator[Generic]:
    """Give a cell that everybody may look at, and nobody but root may change."""
    with tempfile.TemporaryDirectory(prefix="attacked.") as place:
        root = Path(place)
        root.chmod(0o755)
        made = Generic(root / "cell", keys=TIMERS).create()
        yield made
        made.close()


@pytest.fixture
def attacker(single: Generic) -> Iterator[Path]:
    """Let the attacker begin; give the report of what it achieved."""
    place = Path(tempfile.mkdtemp(prefix="attack."))
    os.chown(place, NOBODY, NOBODY)
    report = place / "report.json"
    program = place / "attacker.py"
    program.write_bytes(Path(__file__).with_name("attacker.py").read_bytes())
    runtimes = [single.root / host / "run" for host in single.hosts]
    become = ("/usr/bin/setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    child = subprocess.Popen(
        [*become, PYTHON, "-I", program, single.shared, report, *runtimes],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
    patiently(report.exists, LONG, "the attack has begun", lambda: str(child.poll()))
    yield report
    child.kill()
    child.wait()
    own = [pid for pid in processes.everybody() if _uid(pid) == NOBODY and _session(pid) == child.pid]
    processes.kill(own)


def _uid(pid: int) -> int:
    try:
        return os.stat(f"/proc/{pid}").st_uid  # noqa: PTH116 - hundreds of processes
    except OSError:
        return -1


def _session(pid: int) -> int:
    fields = processes.stat_fields(pid)
    return int(fields[3]) if len(fields) > 3 else -1


def lose(cell: Generic, host: str) -> str:
    """Kill every process of a host, wait for its successor and bring the host back; return who serves."""
    other = next(name for name in cell.hosts if name != host)
    processes.kill(cell.all_of(host))
    cell.wait_master(other)
    cell.serve_again(host)
    cell.daemons[host].wait_state("standby")
    return other


def restart(cell: Generic, host: str) -> str:
    """Kill a host's master and wait for the next; return whose it is.

    The pause before a restart doubles each time, so after a few in a row the other host is quicker.
    """
    epochs = len(cell.reigns())
    processes.kill(cell.masters(host))
    patiently(lambda: len(cell.reigns()) > epochs, LONG, "another master", cell.story)
    _, serving = cell.reigns()[-1]
    cell.wait_master(serving)
    return serving


def test_an_attacker_changes_nothing(single: Generic, attacker: Path) -> None:
    """No second master, no missed takeover, no daemon that ends, no file of another's changed."""
    single.begin()
    serving = "alpha"
    dice = random.Random(1)  # noqa: S311 - no secret
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        serving = dice.choice((lose, restart))(single, serving)
        single.never_two()
    found = json.loads(attacker.read_text())
    assert found["turns"] > 1
    assert found["successes"] == []
    for daemon in single.daemons.values():
        assert daemon.process.poll() is None, daemon.story()
        assert "Traceback" not in (daemon.home / "stderr").read_text()
    assert len(single.masters()) == 1
