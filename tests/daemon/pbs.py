"""A server with the manners of ``pbs_server``: it closes what it inherited, and takes ``server.lock`` itself.

Run as a program: ``pbs.py JOURNAL HOST HOME LOCK [fork]``. It empties the lock file, locks it without
waiting, writes its process id, and then appends numbered lines as the singleton does; with ``fork`` in the
background.
"""

import fcntl
import os
import sys

from tests.daemon.singleton import main


def take(lock: str) -> int:
    """Take the lock as a server without ``--ha`` does, or end with a word."""
    held = os.open(lock, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    try:
        fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit("pbs_server: another server is running")
    os.write(held, f"{os.getpid()}\n".encode())
    return held


if __name__ == "__main__":
    journal, host, _, lock, *forks = sys.argv[1:]
    os.closerange(3, 256)
    if forks and os.fork():
        os._exit(0)
    kept = take(lock)
    main(journal, host)
