"""A master that knows nothing of its cell: it appends numbered lines to a file, and ends on SIGTERM.

Run as a program: ``singleton.py JOURNAL HOST HOME``. Each line is "epoch host number", in one write each, so
that "never two" can be said of every line. While there is a file ``JOURNAL.fail-HOST`` it ends with status 1.
"""

import os
import signal
import sys
import time
from pathlib import Path

INTERVAL = 0.1


def main(journal: str, host: str) -> None:
    """Write until told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    descriptor = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    number = 0
    while not Path(f"{journal}.fail-{host}").exists():
        number += 1
        os.write(descriptor, f"{os.environ.get('SHADOWD_EPOCH')} {host} {number}\n".encode())
        time.sleep(INTERVAL)
    sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:3])
