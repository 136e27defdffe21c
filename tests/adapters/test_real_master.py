"""Probe and launcher against the real sge_qmaster, on hosts of the lab."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.lab import processes
from tests.lab.gridengine import Cell
from tests.lab.processes import wait_for

pytestmark = pytest.mark.real

PACKAGE = str(Path(__file__).parents[2])

PROBE = """
import os, sys
from pathlib import Path
from shadowd.adapters.hostaddresses import HostAddresses, Machine
from shadowd.adapters.probe import TcpProbe
from shadowd.adapters.questions import greeting
from shadowd.adapters.resolving import system_resolver
host, port, limit, qping, own = sys.argv[1:]
environment = {name: os.environ[name] for name in os.environ if name.startswith(("SGE_", "LD_"))}
where = HostAddresses(
    os.uname().nodename, Machine("m", "b"),
    configured={}, resolver=system_resolver, record=lambda _: None, listed=lambda _: True,
)
made = TcpProbe(
    int(port), float(limit), where, Path(qping) if qping else None, environment,
    question=lambda name: greeting(name, own or "nobody.invalid"),
)
print(made.ask(host)[0].value)
"""

LAUNCH = """
import json, os, signal, sys, time
from pathlib import Path
from shadowd.adapters.execution import Program
from shadowd.adapters.kept import Keeper
from shadowd.adapters.launch import PairLauncher
from shadowd.adapters.marks import users_of
from shadowd.core.values import ExitKind
woken = []
kept = Keeper(Path(sys.argv[2]).with_name("lab@a.processes.json"), "boot")
launcher = PairLauncher(
    "lab", [Program((sys.argv[1],))], os.environ, None, lambda: woken.append(1),
    kept=kept, resident=lambda: None, users=users_of(), secret_of=lambda _: None,
)
def until(epoch, test):
    end = time.monotonic() + 60
    while True:
        view = launcher.inspect(epoch, f"nonce{epoch}")
        if test(view):
            return view
        assert time.monotonic() < end, view
        time.sleep(0.02)
def serving(epoch):
    def test(view):
        try:
            return view.master_pid == int(open(sys.argv[2]).read())
        except (OSError, ValueError):
            return False
    return until(epoch, test)
def story(epoch, number):
    assert launcher.launch(epoch, f"nonce{epoch}") is None
    start = serving(epoch)
    while not os.path.exists("/proc/%d" % start.master_pid):
        time.sleep(0.02)
    # Ready to be told something: it spools once it has its threads.
    time.sleep(2)
    woken.clear()
    os.kill(start.master_pid, number)
    end = until(epoch, lambda view: view.master is not ExitKind.RUNNING)
    return [start.master.value, start.alive, end.master.value, end.alive, bool(woken)]
print(json.dumps([story(1, signal.SIGKILL), story(2, signal.SIGTERM)]))
"""


def probe(cell: Cell, host: str, limit: float, *, qping: bool, named: bool = True) -> str:
    """Ask from host b for the master of another one; ``named``: under a name that the master can resolve."""
    program = str(cell.bin / "qping") if qping else ""
    own = cell.lab["b"].fqdn if named else ""
    words = (cell.lab[host].fqdn, str(cell.port), str(limit), program, own)
    done = cell.run("b", sys.executable, "-c", PROBE, *words, env={"PYTHONPATH": PACKAGE}, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("qping", [True, False], ids=["qping", "tcp"])
def test_the_real_master_is_probed(cell: Cell, qping: bool) -> None:  # noqa: FBT001 (pytest passes it)
    """Running it answers, frozen it is silent, dead it refuses; and it logs no complaint about us."""
    pid = cell.start_qmaster("a")
    assert pid is not None
    messages = cell.spool / "messages"
    before = messages.read_text().count("commlib error")
    assert probe(cell, "a", 10, qping=qping) == "answers"
    assert messages.read_text().count("commlib error") == before
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: processes.state(pid) == "T", 5, "it is frozen")
    assert probe(cell, "a", 2, qping=qping) == "silent"
    cell.kill_qmaster("a")
    assert probe(cell, "a", 10, qping=qping) == "refuses"


def test_the_real_master_answers_the_greeting_of_a_host_that_it_does_not_know(cell: Cell) -> None:
    """That it denies access is an answer of its protocol. Twenty greetings leave no line in its log."""
    cell.start_qmaster("a")
    assert probe(cell, "a", 10, qping=False, named=False) == "answers"
    cell.kill_qmaster("a")
    cell.start_qmaster("a")
    for _ in range(20):
        assert probe(cell, "a", 10, qping=False) == "answers"
    # What commlib has to complain of is written with the next event; qping itself may leave too early for it.
    cell.run("b", "qstat", check=True)
    assert "commlib error" not in (cell.spool / "messages").read_text().rpartition("starting up")[2]


def test_the_real_master_is_launched_and_followed(cell: Cell) -> None:
    """Found behind its double fork; killed it has failed, told to stop it is clean; each end is reported."""
    words = (str(cell.bin / "sge_qmaster"), str(cell.spool / "qmaster.pid"))
    done = cell.run("a", sys.executable, "-c", LAUNCH, *words, env={"PYTHONPATH": PACKAGE}, timeout=100)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["running", 1, "failed", 0, True], ["running", 1, "clean", 0, True]]
