"""A stand-in for TORQUE's server, true to it in what two servers notice of one another.

Run as a program: ``pbs_server [-D] [--ha] [-d HOME] [-t create]``, with the state in ``HOME/server_priv``. As
the real one does (TORQUE.md, reference/torque-lab.md) it closes at once whatever it inherited, reads its
attributes from ``serverdb``, locks, reads its state, listens on port 15001 and answers; SIGTERM ends it in
order.

- Release 2.3: an fcntl write lock on ``server.lock``, without ``--ha`` or it quits, with ``--ha`` tried once
  a second. Opening empties the file, the new server writes its pid.
- 2.4 and later with ``--ha``: the date of ``server.lock`` is renewed every ``lock_file_update_time``, and a
  server that finds another date than its own, or an error, executes itself anew. A waiter holds
  ``server.lock.mutex`` even asleep, and takes over when the date is ``lock_file_check_time`` old by its own
  clock. Without ``--ha`` it locks nothing and only writes its pid.

A request of the batch protocol is answered as measured with a server that runs (TORQUE.md, "Seen with
shadowd itself"): Disconnect (``+2+22+59``) by an orderly close, in every release; Connect (``+2+2+0``) by a
rejection in 2.x and 4.x, and by 6.1 (from the source: 5.1.3, 6.0.4) with nothing, the connection kept open
and a line in the log; any other request of somebody who is not authenticated by a rejection.

``-t create`` makes the database and serves, and makes no directory: where those that ``make install`` has
made are missing it says so in ``server_logs`` alone and dies, and the command exits with status 0. At its
end in order a server without ``--ha`` removes ``server.lock`` in 6.1, and leaves it in 2.5. (Both measured.)

What is added for tests: lines of pid, host and number in ``server_priv/journal``, each in one write, so that
whatever an old server still wrote is seen; and ``b"submit"`` to the port gives a job id, whose number comes
from a shared file and is kept in memory, as in the real server: two servers give ids twice. Where servers
share a machine ``serverdb`` says by ``journal`` where else the lines go and by ``port`` 0 that any free one
will do, and the variable ``HOST`` whose they are.
"""

import fcntl
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

PORT = 15001
CONNECT = b"+2+2+0"
DISCONNECT = b"+2+22+59"
REJECTION = b"+2+1+5+0+1"
INSTALLED = ("accounting", "acl_groups", "acl_hosts", "acl_users", "arrays", "credentials", "jobs", "queues")
"""Directories of ``server_priv`` that the installation makes, some of them."""
AGAIN = 1.0


class Attributes:
    """What ``serverdb`` holds: a name and a value a line."""

    def __init__(self, path: Path) -> None:
        lines = (line.split() for line in path.read_text().splitlines())
        found = {words[0]: words[1] for words in lines if len(words) == 2}
        release = found.get("release", "2.3")
        self.dated = release != "2.3"
        """It is of a release whose lock is a date."""
        self.mute = release.startswith(("5.", "6."))
        """It has no answer to Connect."""
        self.tidy = release.startswith("6.")
        """Without ``--ha`` it removes its lock file when it ends in order."""
        self.journal = found.get("journal", "")
        self.host = os.environ.get("HOST", socket.gethostname().partition(".")[0])
        self.port = int(found.get("port", PORT))
        self.again = float(found.get("again", AGAIN))
        """Seconds between two attempts at a lock."""
        self.check_time = int(found.get("lock_file_check_time", "9"))
        self.update_time = int(found.get("lock_file_update_time", "3"))
        self.start_up = float(found.get("start_up", "0"))
        """Seconds to read the state from disk."""
        self.writes = float(found.get("writes", "0.05"))
        """Seconds between two lines in the journal."""


class PbsServer:
    """One process."""

    def __init__(self, home: Path, *, standby: bool) -> None:
        self.home = home
        self.private = home / "server_priv"
        self.standby = standby
        self.attributes = Attributes(self.private / "serverdb")
        self.lock_file = self.private / "server.lock"
        self.lock = -1
        self.kept: list[socket.socket] = []
        """Connections that it neither answers nor closes."""
        self.date: int | None = None
        """The date that it gave its lock file last; None until it has done so once."""

    def run(self) -> NoReturn:
        """Wait where that is asked for, then serve."""
        signal.signal(signal.SIGTERM, lambda *_: self.end())
        if self.standby and self.attributes.dated:
            self.wait_for_date()
        else:
            self.wait_for_lock()
        time.sleep(self.attributes.start_up)
        self.serve()

    def end(self) -> NoReturn:
        """End in order, as for qterm."""
        if self.attributes.tidy and not self.standby:
            self.lock_file.unlink(missing_ok=True)
        sys.exit(0)

    def wait_for_lock(self) -> None:
        """Lock the file, or quit, or try again and again; the descriptor stays open."""
        self.lock = os.open(self.lock_file, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        while not self.attributes.dated:
            try:
                fcntl.lockf(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if not self.standby:
                    sys.exit("pbs_server: another server running")
                time.sleep(self.attributes.again)
        os.ftruncate(self.lock, 0)
        os.pwrite(self.lock, b"%d\n" % os.getpid(), 0)

    def wait_for_date(self) -> None:
        """Look at the date under the mutex, which is let go of for a moment only."""
        looked, mutex = False, -1
        while True:
            if looked:
                time.sleep(self.attributes.check_time)
                os.close(mutex)
            now, looked = int(time.time()), True
            mutex = self.take_mutex()
            if self.is_old(now):
                self.lock_file.write_bytes(b"%d\n" % os.getpid())
                os.close(mutex)
                return

    def is_old(self, now: int) -> bool:
        """Take the lock file if it is old or missing; an error that is no absence makes it neither."""
        try:
            if now - int(self.lock_file.stat().st_mtime) < self.attributes.check_time:
                return False
            os.utime(self.lock_file)
        except OSError:
            try:
                os.close(os.open(self.lock_file, os.O_CREAT | os.O_EXCL | os.O_RDONLY, 0o600))
            except OSError:
                return False
        return True

    def take_mutex(self) -> int:
        """Return the descriptor of the mutex, tried once a second."""
        while True:
            with suppress(OSError):
                mutex = os.open(f"{self.lock_file}.mutex", os.O_CREAT | os.O_RDWR, 0o600)
                try:
                    fcntl.lockf(mutex, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    os.close(mutex)
                else:
                    return mutex
            sys.stderr.write("ALERT   could not create lock\n")
            time.sleep(self.attributes.again)

    def renew(self) -> bool:
        """Renew the date if it is still this server's; the first time nobody looks whose it is."""
        try:
            found = int(self.lock_file.stat().st_mtime)
            if self.date is not None and self.date != found:
                return False
            self.date = int(time.time())
            os.utime(self.lock_file, (self.date, self.date))
        except OSError:
            return False
        return True

    def serve(self) -> NoReturn:
        """Answer, write, and renew the date, each in its time."""
        place = self.attributes.journal or self.private / "journal"
        journal = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        # Port 0 is any that is free, and nobody knows which.
        listener = socket.create_server(("", self.attributes.port), backlog=64)
        sequence = int((self.private / "sequence").read_text())
        number, pause = 0, self.attributes.writes
        renewal = time.monotonic() + self.attributes.update_time
        while True:
            number += 1
            os.write(journal, f"{os.getpid()} {self.attributes.host} {number}\n".encode())
            ends = time.monotonic() + pause
            while (left := ends - time.monotonic()) > 0:
                listener.settimeout(left)
                with suppress(TimeoutError), listener.accept()[0] as client:
                    sequence = self.answer(client, sequence)
            if self.standby and self.attributes.dated and time.monotonic() > renewal:
                renewal = time.monotonic() + self.attributes.update_time
                if not self.renew():
                    os.execv(sys.argv[0], sys.argv)  # noqa: S606 - as the real one does

    def answer(self, client: socket.socket, sequence: int) -> int:
        """Answer one request; return the number of the next job."""
        client.settimeout(1)
        with suppress(OSError):
            request = client.recv(100)
            if request.startswith(DISCONNECT):
                return sequence
            if request.startswith(CONNECT) and self.attributes.mute:
                sys.stderr.write("No support for requested service.\n")
                self.kept.append(client.dup())
                return sequence
            if not request.startswith(b"submit"):
                client.sendall(REJECTION)
                return sequence
            (self.private / "sequence").write_text(f"{sequence + 1}\n")
            first = (self.home / "server_name").read_text().replace(",", " ").split()[0]
            client.sendall(f"{sequence}.{first}".encode())
            return sequence + 1
        return sequence


def create(home: Path, release: str) -> None:
    """Make the database, in the background; return in the server that goes on, if it can."""
    if os.fork():
        os.waitpid(-1, os.WNOHANG)
        os._exit(0)
    os.setsid()
    missing = [name for name in INSTALLED if not (home / "server_priv" / name).is_dir()]
    if missing:
        (home / "server_logs").mkdir(exist_ok=True)
        (home / "server_logs" / "today").write_text(f"pbsd_init;could not stat {missing[0]}\n")
        os._exit(1)
    (home / "server_priv" / "serverdb").write_text(f"release {release}\n")
    (home / "server_priv" / "sequence").write_text("1\n")


def main(arguments: list[str]) -> NoReturn:
    """Do what the command line says."""
    os.closerange(3, 4096)
    home = Path(arguments[arguments.index("-d") + 1] if "-d" in arguments else "/var/spool/torque")
    if "create" in arguments:
        create(home, os.environ.get("RELEASE", "6.1"))
    PbsServer(home, standby="--ha" in arguments).run()


if __name__ == "__main__":
    main(sys.argv[1:])
