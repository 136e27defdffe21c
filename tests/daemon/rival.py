"""A server of TORQUE's own high availability, written from its facts (TORQUE.md): the lock, and nothing else.

Run as a program: ``rival.py fcntl|lease LOCK JOURNAL NAME``. It waits for the lock by either method as
``pbs_server --ha`` does, the times divided by ``SPEED``, and then appends numbered lines to the journal. With
``lease`` it ends when it finds that another server has refreshed the lock.
"""

import fcntl
import os
import sys
import time
from pathlib import Path

SPEED = 5.0
RETRY, UPDATE, CHECK = 1 / SPEED, 3 / SPEED, 9 / SPEED
INTERVAL = 0.1


def by_kernel(lock: str) -> None:
    """Wait as release 2.3 does."""
    held = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    while True:
        try:
            fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(RETRY)
        else:
            break
    os.ftruncate(held, 0)
    os.pwrite(held, f"{os.getpid()}\n".encode(), 0)


def by_date(lock: Path) -> None:
    """Wait as later releases do: under the mutex, until the date is old."""
    mutex = os.open(f"{lock}.mutex", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.lockf(mutex, fcntl.LOCK_EX)
    while lock.exists() and time.time() - lock.stat().st_mtime < CHECK:
        time.sleep(CHECK)
    lock.write_text(f"{os.getpid()}\n")
    os.close(mutex)


def main(method: str, lock: str, journal: str, name: str) -> None:
    """Wait, then write."""
    path = Path(lock)
    if method == "fcntl":
        by_kernel(lock)
    else:
        by_date(path)
    descriptor = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    number, updated, date = 0, time.monotonic(), 0.0
    while True:
        number += 1
        os.write(descriptor, f"{os.getpid()} {name} {number}\n".encode())
        if method == "lease" and time.monotonic() - updated >= UPDATE:
            if date and path.stat().st_mtime != date:
                sys.exit(1)
            os.utime(path)
            updated, date = time.monotonic(), path.stat().st_mtime
        time.sleep(INTERVAL)


if __name__ == "__main__":
    main(*sys.argv[1:5])
