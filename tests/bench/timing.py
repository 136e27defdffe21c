"""Runs a program some times and prints what each run took: ``timing.py COUNT PROGRAM ARGUMENT…``.

A program of its own, so that it can run on a host of the lab and what it takes to get there is not counted.
Output: a JSON list of [wall seconds, CPU seconds, exit status].
"""

import json
import os
import subprocess
import sys
import time


def main() -> None:
    """Run and print."""
    runs = []
    for _ in range(int(sys.argv[1])):
        begun = time.perf_counter()
        child = subprocess.Popen(
            sys.argv[2:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, used = os.wait4(child.pid, 0)
        wall = time.perf_counter() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
        runs.append([wall, used.ru_utime + used.ru_stime, child.returncode])
    sys.stdout.write(json.dumps(runs))


if __name__ == "__main__":
    main()
