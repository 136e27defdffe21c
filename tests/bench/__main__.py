"""Both daemons side by side, in one run and at the same intervals: prints the table in Markdown.

    ./tests/bench/run              nine minutes
    ./tests/bench/run --quick      three minutes: fewer rounds, at most 100 cells

Needs root, network namespaces and the real Grid Engine, as the tests with real daemons do.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import shadowd
from tests.bench import checks, failover, idle, locating, startup, strangers
from tests.bench.table import Row, markdown
from tests.lab import gridengine, hosts

_NAP = 0.05


def main() -> int:
    """Measure and print; 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, at most 100 cells")
    quick = parser.parse_args().quick
    lack = hosts.usable() or gridengine.usable()
    if lack:
        sys.stderr.write(f"bench: {lack}\nhint: run ./tests/run as root once; it installs what is missing\n")
        return 2
    before = machine(quick=quick)
    begun = time.monotonic()
    rows = measure(quick=quick)
    missed = [row for row in rows if not row.met]
    wanted = sum(row.target is not None for row in rows)
    sys.stdout.write(
        f"{before}\n\n{markdown(rows)}\n\n{len(missed)} of {wanted} targets missed. It took "
        f"{time.monotonic() - begun:.0f} s; load at the end {os.getloadavg()[0]:.1f}.\n"
    )
    return 1 if missed else 0


def measure(*, quick: bool) -> list[Row]:
    """Run all parts, one after the other."""
    return [
        *failover.measure(2 if quick else 6, say),
        *checks.measure(*((62, 5) if quick else (122, 20)), say),
        *idle.measure((1, 10, 100) if quick else (1, 10, 100, 1000), 10 if quick else idle.SETTLE, say),
        *startup.measure(3 if quick else 7, say),
        *locating.measure(9 if quick else 25, say),
        *strangers.measure(*((500, 5) if quick else (2000, 15)), say),
    ]


def say(text: str) -> None:
    """Tell the person who waits."""
    sys.stderr.write(f"bench: {text}\n")


def machine(*, quick: bool) -> str:
    """Return where and with what the figures were made, one paragraph."""
    rows = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((row.partition(":")[2].strip() for row in rows if row.startswith("model name")), "CPU")
    warm, cold = _warm_and_cold()
    query = ["dpkg-query", "-W", "-f", "${Version}", "gridengine-master"]
    grid = subprocess.run(query, check=False, capture_output=True, text=True).stdout or "unknown"
    return (
        f"`./tests/bench/run{' --quick' if quick else ''}`, {datetime.now(UTC):%Y-%m-%d}: "
        f"{os.cpu_count()} CPUs {model}, Linux {platform.release()}, Python {platform.python_version()}, "
        f"shadowd {shadowd.__version__}, Grid Engine {grid}, cells on {_file_system()}, "
        f"load {os.getloadavg()[0]:.1f} before. A line of Python that takes {warm:.0f} µs in a loop takes "
        f"{cold:.0f} µs here after a sleep of {_NAP * 1000:.0f} ms, and a daemon does all its work after one."
    )


def _warm_and_cold() -> tuple[float, float]:
    """Return the microseconds of one and the same work, repeated at once and after a sleep each time."""
    record = {str(number): number * 1.5 for number in range(40)}

    def mean(nap: float) -> float:
        used = 0
        for _ in range(50):
            time.sleep(nap)
            begun = time.thread_time_ns()
            json.dumps(record)
            used += time.thread_time_ns() - begun
        return used / 50 / 1000

    mean(0)
    return mean(0), mean(_NAP)


def _file_system() -> str:
    done = subprocess.run(
        ["stat", "-f", "-c", "%T", os.environ.get("TMPDIR", "/tmp")],
        check=False,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
