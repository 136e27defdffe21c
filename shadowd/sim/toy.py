"""A toy master and scheduler: real processes and files with the measured manners of sge_qmaster.

Why: most of what goes wrong around a master start is a matter of its manners (GRIDENGINE.md, "What
sge_qmaster does"), and those can be had in 30 ms, on loopback, many hosts a machine, failing on request::

    python -m shadowd.sim.toy master --common DIR --spool DIR --host NAME --bind ADDR --port N --beat S
    python -m shadowd.sim.toy scheduler --spool DIR

Options of both: ``--foreground``, ``--fail MODE``. Of the master: ``--peer NAME=ADDR`` (where another host's
master is asked; repeatable), ``--patience S`` (how long), ``--journal FILE`` (a line "epoch host n" at each
beat: who wrote when). Modes: ``exit1`` (the first process fails), ``die`` (the daemon fails after its parent
said 0), ``hang``, ``never-beat``, ``no-lock-unlink``.

Order of a start, as measured: fork twice, the first process returns 0 · bind the port · ask the host in
act_qmaster, leave if it answers · beat · unlink ``lock`` whoever made it · act_qmaster · pid file · answer.

Refuses to schedule anything, and imports no more than it needs: ``python -S -E`` is enough for it.
"""
# Importing pathlib would take as long as all the rest of a start.
# ruff: noqa: PTH100, PTH108, PTH118, PTH123

import contextlib
import os
import select
import signal
import socket
import sys
import time

_BIND_LIMIT = 30.0
_RECHECK = 20
"""Every so many of its own beats sge_qmaster reads act_qmaster again."""
_REPLACED = 100
_CONNECTED = (
    b'<gmsh><dl>162</dl></gmsh><crm version="0.3"><cs condition="connected">ok</cs>'
    b'<rdata host="alpha" comp="qping" id="2"></rdata>'
    b"<params>gdi_timeout=60:gdi_retries=0:cl_ping=false</params></crm>"
)
"""What sge_qmaster 8.1.9 replies to a greeting."""
_MOST_CLIENTS = 50
_FLAGS = {"foreground"}
_VALUES = {"common", "spool", "host", "bind", "port", "beat", "fail", "peer", "patience", "journal"}
_MODES = {"", "exit1", "die", "hang", "never-beat", "no-lock-unlink"}


class Options:
    """The command line, read by hand because argparse alone would take a third of the start."""

    def __init__(self, argv: list[str]) -> None:
        words = iter(argv)
        self.role = next(words, "")
        self.flags: set[str] = set()
        self.values: dict[str, str] = {}
        self.peers: dict[str, str] = {}
        for word in words:
            name = word.removeprefix("--")
            if name in _FLAGS:
                self.flags.add(name)
            elif name in _VALUES:
                self._take(name, next(words, ""))
            else:
                sys.exit(f"toy: {word}: no such option")
        if self.role not in {"master", "scheduler"} or self.get("fail") not in _MODES:
            sys.exit("toy: usage: toy master|scheduler --option value…; --fail knows " + " ".join(_MODES))

    def get(self, name: str, default: str = "") -> str:
        """Return an option's value."""
        return self.values.get(name, default)

    def _take(self, name: str, value: str) -> None:
        if name == "peer":
            host, _, address = value.partition("=")
            self.peers[host] = address
        else:
            self.values[name] = value


class Master:
    """The daemonized process."""

    def __init__(self, options: Options) -> None:
        self._fail = options.get("fail")
        self._host = options.get("host", socket.gethostname())
        self._active = os.path.join(os.path.abspath(options.get("common", ".")), "act_qmaster")
        self._spool = os.path.abspath(options.get("spool", "."))
        self._journal = os.path.abspath(options.get("journal")) if options.get("journal") else ""
        self._address = (options.get("bind", "127.0.0.1"), int(options.get("port", "6444")))
        self._interval = float(options.get("beat", "30"))
        self._patience = float(options.get("patience", "60"))
        self._peers = options.peers
        self._beats = 0
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._clients: dict[int, socket.socket] = {}

    def run(self) -> int:
        """Live until told to stop or replaced; return the exit status."""
        if self._fail == "die":
            return 1
        if not self._bind():
            return 1
        active = self._read_active()
        if active and active != self._host and self._answers(active):
            return 1
        os.chdir(self._spool)
        self._beat()
        if self._fail != "no-lock-unlink":
            with contextlib.suppress(OSError):
                os.unlink("lock")
        _write(self._active, f"{self._host}\n")
        _write("qmaster.pid", f"{os.getpid()}\n")
        signal.signal(signal.SIGTERM, _leave_clean)
        return self._serve()

    def _bind(self) -> bool:
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ends = time.monotonic() + _BIND_LIMIT
        while True:
            try:
                self._listener.bind(self._address)
                self._listener.listen(5)
            except OSError:
                if time.monotonic() >= ends:
                    return False
                time.sleep(0.05)
            else:
                self._listener.settimeout(0)
                return True

    def _read_active(self) -> str:
        try:
            with open(self._active, encoding="utf-8", errors="replace") as file:
                words = file.read(1024).split()
        except OSError:
            return ""
        return words[0] if words else ""

    def _answers(self, host: str) -> bool:
        address = (self._peers.get(host, host), self._address[1])
        try:
            with socket.create_connection(address, timeout=self._patience) as client:
                client.sendall(b"?")
                return bool(client.recv(1))
        except OSError:
            return False

    def _beat(self) -> bool:
        """Count up in place, as the ancestor does; False when it is time to leave."""
        if self._fail == "never-beat":
            return True
        self._beats += 1
        try:
            value = _count_up("heartbeat")
        except OSError:
            return self._read_active() in {"", self._host}
        if self._journal:
            _append(self._journal, f"{os.environ.get('SHADOWD_EPOCH', '0')} {self._host} {self._beats}\n")
        return value % _RECHECK != 0 or self._read_active() in {"", self._host}

    def _serve(self) -> int:
        due = time.monotonic() + self._interval
        while True:
            self._turn(max(0.0, due - time.monotonic()))
            if time.monotonic() < due:
                continue
            due += self._interval
            # One beat for all that were missed: a process that was stopped does not catch up.
            due = max(due, time.monotonic())
            if not self._beat():
                return _REPLACED

    def _turn(self, timeout: float) -> None:
        poller = select.poll()
        poller.register(self._listener, select.POLLIN)
        for number in self._clients:
            poller.register(number, select.POLLIN)
        for number, _ in poller.poll(timeout * 1000):
            with contextlib.suppress(OSError):
                if number == self._listener.fileno():
                    self._accept()
                else:
                    self._reply(number)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        client.settimeout(0)
        self._clients[client.fileno()] = client
        if len(self._clients) > _MOST_CLIENTS:
            self._clients.pop(next(iter(self._clients))).close()

    def _reply(self, number: int) -> None:
        client = self._clients[number]
        try:
            heard = client.recv(4096)
            if heard:
                client.send(_CONNECTED if b"<cm version=" in heard else b"ok\n")
                return
        except OSError:
            pass
        del self._clients[number]
        client.close()


def _count_up(path: str) -> int:
    """Add one to the counter without truncating the file; garbage counts as 0."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        word = (os.read(descriptor, 64).split() or [b""])[0]
        value = int(word) + 1 if word.isdigit() else 1
        value = 1 if value > 99999 else value
        os.pwrite(descriptor, b"%05d\n" % value, 0)
    finally:
        os.close(descriptor)
    return value


def _write(path: str, text: str) -> None:
    """Truncate and write, so that others may see it empty for a moment, as with the real one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _append(path: str, line: str) -> None:
    """Append in one write, so that lines of two masters never mix."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def _leave_clean(*_: object) -> None:
    """End as sge_qmaster does on SIGTERM: the mark of a regular shutdown, then status 0."""
    with contextlib.suppress(OSError):
        os.close(os.open("lock", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    os._exit(0)


def _daemonize() -> None:
    """Fork twice; the two processes left behind end with 0 whatever happens later."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)


def _schedule(options: Options) -> int:
    """Be a scheduler: there, and nothing else."""
    if options.get("fail") == "die":
        return 1
    os.chdir(options.get("spool", "."))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    _write("schedd.pid", f"{os.getpid()}\n")
    while True:
        signal.pause()


def main(argv: list[str]) -> int:
    """Start a toy; returns in the process that is left over."""
    options = Options(argv)
    fail = options.get("fail")
    if fail == "exit1":
        return 1
    while fail == "hang":
        signal.pause()
    master = Master(options) if options.role == "master" else None
    if "foreground" not in options.flags:
        _daemonize()
    return master.run() if master else _schedule(options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
