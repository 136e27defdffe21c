"""Grid Engine's own startup script, unchanged, with our ``sge_shadowd`` in the place of theirs.

Each test runs with both programs, so that what the script needs is established on the original and then
held against ours: the process name as ``checkprog`` sees it (the first eight letters of the kernel's), the
pid file in the spool, exit status 0 of a start, an end on SIGTERM, and nobody holding its output open.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.gridengine import LIBRARY, SHARE, Cell
from tests.lab.processes import wait_for

TOP = Path(__file__).parents[2]
TEMPLATE = SHARE / "util" / "rctemplates" / "sgemaster_template"
DROP_IN = f"""#!{sys.executable}
import sys
sys.path.insert(0, {str(TOP)!r})
from shadowd.cli.sge_shadowd import main
sys.exit(main())
"""

Script = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.real


@pytest.fixture(params=["theirs", "ours"])
def stock(request: pytest.FixtureRequest, cell: Cell) -> Script:
    """Return a call of the stock script on host b, which is a shadow host and not the master's."""
    if request.param == "ours":
        cell.swap("sge_shadowd", DROP_IN)
    text = TEMPLATE.read_text()
    for mark, value in {
        "GENROOT": str(cell.root),
        "GENCELL": cell.name,
        "GENSGE_QMASTER_PORT": str(cell.port),
        "GENSGE_EXECD_PORT": str(cell.port + 1),
    }.items():
        text = text.replace(mark, value)
    script = cell.lab.dir / "sgemaster"
    script.write_text(text)
    script.chmod(0o755)
    return lambda *words: cell.run("b", script, *words, timeout=60)


def running(cell: Cell) -> list[int]:
    """Return the shadow daemons on host b once the pid file names one of them, else an empty list."""
    pid_file = cell.spool / f"shadowd_{cell.lab['b'].fqdn}.pid"
    named = pid_file.read_text().split() if pid_file.exists() else []
    pids = cell.lab["b"].pids("sge_shadowd")
    return pids if named and int(named[0]) in pids else []


def test_shadowd_starts_under_its_name_and_pid_file(stock: Script, cell: Cell) -> None:
    """``-shadowd`` succeeds, and ``checkprog`` finds the process that the pid file names."""
    done = stock("-shadowd")
    assert done.returncode == 0, done.stderr
    assert "Starting Grid Engine shadowd" in done.stdout
    (pid,) = wait_for(lambda: running(cell), 20, cell.report())
    assert cell.run("b", LIBRARY / "checkprog", str(pid), "sge_shadowd").returncode == 0
    assert stock("status", "-shadowd").returncode == 0


def test_a_second_start_is_refused(stock: Script, cell: Cell) -> None:
    """The script finds the first daemon and starts no other; the program itself refuses too."""
    stock("-shadowd")
    first = wait_for(lambda: running(cell), 20, cell.report())
    done = stock("-shadowd")
    assert done.returncode == 0
    assert "found running sge_shadowd - not starting" in done.stdout
    assert cell.run("b", cell.bin / "sge_shadowd").returncode != 0
    # Its parent is told before the refused daemon has quite ended.
    wait_for(lambda: running(cell) == first, 5, "only the first daemon is left")


@pytest.mark.parametrize("words", [("stop",), ("-shadowd", "stop")])
def test_stop_ends_it(stock: Script, cell: Cell, words: tuple[str, ...]) -> None:
    """``stop`` and ``-shadowd stop`` end the daemon with SIGTERM, long before the script would kill it."""
    stock("-shadowd")
    wait_for(lambda: running(cell), 20, cell.report())
    # The script kills after 40 s; it must be back before.
    done = cell.run("b", cell.lab.dir / "sgemaster", *words, timeout=30)
    assert done.returncode == 0
    assert not cell.lab["b"].pids("sge_shadowd")
    assert stock("status", "-shadowd").returncode == 1


def test_it_starts_again_over_its_old_pid_file(stock: Script, cell: Cell) -> None:
    """A pid file that a stopped daemon left does not keep the next one from starting."""
    stock("-shadowd")
    first = wait_for(lambda: running(cell), 20, cell.report())
    stock("stop")
    assert stock("-shadowd").returncode == 0
    assert wait_for(lambda: running(cell), 20, cell.report()) != first


@pytest.mark.usefixtures("stock")
def test_start_beside_a_running_master(cell: Cell) -> None:
    """On the master's host, ``start`` leaves the master alone and starts the shadow daemon."""
    pid = cell.start_qmaster("a")
    done = cell.run("a", cell.lab.dir / "sgemaster", "start", timeout=60)
    assert done.returncode == 0
    assert f"sge_qmaster with PID {pid} is already running" in done.stdout
    assert wait_for(lambda: cell.lab["a"].pids("sge_shadowd"), 20, cell.report())


@pytest.mark.usefixtures("stock")
def test_help(cell: Cell) -> None:
    """``-help`` explains itself and starts nothing."""
    done = cell.run("b", cell.bin / "sge_shadowd", "-help")
    assert done.returncode == 0
    assert "usage: sge_shadowd" in done.stdout
    assert not cell.lab["b"].pids("sge_shadowd")
