"""The two daemons on the hosts of a lab, watching cells on paper: ours for many, the ancestor one for each.

Both are started as an administrator would, by their own programs. Nothing here measures.
"""

import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.bench.papercells import PaperCell, configure
from tests.lab import processes
from tests.lab.gridengine import LIBRARY
from tests.lab.host import Host
from tests.lab.processes import wait_for

_START = 60.0


def pid_file(cell: PaperCell, host: Host) -> Path:
    """Return where either daemon writes its pid."""
    return cell.spool / f"shadowd_{host.fqdn}.pid"


def start_ours(
    host: Host, home: Path, cells: Sequence[PaperCell], keys: str = "", *, watch: bool = True
) -> subprocess.Popen[str]:
    """Start our daemon for these cells and wait until it serves all of them."""
    config = configure(home, cells, keys, watch=watch)
    argv: list[str | Path] = [sys.executable, "-m", "shadowd", "run", "--config", config]
    daemon = host.popen(argv, env=cells[0].env, output=home / "stderr")

    def served() -> bool:
        assert daemon.poll() is None, f"shadowd ended: {(home / 'stderr').read_text()[-2000:]}"
        return all(pid_file(cell, host).exists() for cell in cells)

    wait_for(served, _START, f"all of {len(cells)} cells are served")
    return daemon


def start_theirs(host: Host, cells: Iterable[PaperCell], check: int = 60) -> list[int]:
    """Start one ``sge_shadowd`` for each cell, wait until they watch, and return their pids."""
    pids = []
    for cell in cells:
        env = cell.env | {
            "SGE_CHECK_INTERVAL": str(check),
            "SGE_GET_ACTIVE_INTERVAL": "240",
            "SGE_DELAY_TIME": "600",
        }
        assert host.popen([LIBRARY / "sge_shadowd"], env=env).wait(_START) == 0
        file = pid_file(cell, host)
        pids.append(_written(file))
        assert processes.name(pids[-1]) == "sge_shadowd"
    return pids


def _written(file: Path) -> int:
    def pid() -> int:
        text = file.read_text() if file.exists() else ""
        return int(text) if text.strip().isdigit() else 0

    return wait_for(pid, 10, f"{file} is written")
