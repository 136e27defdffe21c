"""Numbered jobs for a real ``sge_execd``: each says when it runs, so that "once" can be read afterwards.

A job appends its number to a file of the lab, and the master appends a line to ``accounting``; both are kept
by nobody but the real programs. The cell's own intervals are set to a second, because at the stock ones
a job waits 15 s for the scheduler and 40 s for a load report. No load counts, for the machine is busy.
"""

import re
import shlex
from collections.abc import Iterable

from tests.lab.gridengine import Cell
from tests.lab.processes import wait_for

_EDITOR = """\
#!/bin/sh
# qconf takes an edited file only if its time changed.
sed -i -e 's/^pe_list .*/pe_list NONE/' -e 's/^hostlist .*/hostlist {host}/' -e 's/^slots .*/slots 8/' \\
    -e 's/^shell_start_mode .*/shell_start_mode unix_behavior/' -e 's@^shell .*@shell /bin/sh@' \\
    -e 's/^load_thresholds .*/load_thresholds NONE/' "$1"
touch -d tomorrow "$1"
"""
_QUICK = {
    "configuration": {
        "load_report_time": "00:00:01",
        "reporting_params": "accounting=true reporting=false flush_time=00:00:01 "
        "accounting_flush_time=00:00:00 joblog=false sharelog=00:00:00",
    },
    "sched_configuration": {
        "schedule_interval": "0:0:1",
        "flush_submit_sec": "1",
        "flush_finish_sec": "1",
        "job_load_adjustments": "NONE",
    },
}


class Work:
    """The jobs of one cell and the host that runs them."""

    def __init__(self, cell: Cell, host: str) -> None:
        self.cell = cell
        self.host = host
        self._ran = cell.lab.dir / f"{cell.name}.ran"
        self._script = cell.lab.dir / f"{cell.name}.job"
        self._ran.touch()
        self._ran.chmod(0o666)
        self._script.write_text(f"#!/bin/sh\necho $1 >>{shlex.quote(str(self._ran))}\nsleep $2\n")
        self._script.chmod(0o755)
        for name, lines in _QUICK.items():
            path = cell.common / name
            path.write_text(_with(path.read_text(), lines))

    def start(self, master: str) -> None:
        """Give the running master a queue, start the execution daemon and wait until it is known."""
        editor = self.cell.lab.dir / f"{self.cell.name}.editor"
        editor.write_text(_EDITOR.format(host=self.cell.lab[self.host].fqdn))
        editor.chmod(0o755)
        self.cell.run(master, "qconf", "-aq", "all.q", env={"EDITOR": str(editor)}, check=True)
        self.cell.start_execd(self.host)

    def submit(self, numbers: Iterable[int], seconds: float = 0) -> None:
        """Submit jobs that take so long, at whatever master answers."""
        for number in numbers:
            words = ("qsub", "-terse", "-N", f"job{number}", "-o", "/dev/null", "-j", "y")
            self.cell.run(self.host, *words, self._script, str(number), str(seconds), check=True)

    def ran(self) -> list[int]:
        """Return the numbers of the jobs that ran, as often as they did, in order."""
        return sorted(map(int, self._ran.read_text().split()))

    def accounted(self) -> list[int]:
        """Return the numbers in the accounting file, as often as they are there, in order."""
        path = self.cell.common / "accounting"
        text = path.read_text() if path.exists() else ""
        return sorted(map(int, re.findall(r"^(?:[^:]*:){4}job(\d+):", text, re.MULTILINE)))

    def wait_done(self, numbers: Iterable[int], seconds: float) -> None:
        """Wait until these jobs are accounted; each of them, and no other, ran and is accounted once."""
        wanted = sorted(numbers)
        wait_for(lambda: set(wanted) <= set(self.accounted()), seconds, f"jobs {wanted} accounted")
        assert self.ran() == wanted
        assert self.accounted() == wanted


def _with(text: str, lines: dict[str, str]) -> str:
    for key, value in lines.items():
        text = re.sub(rf"^{key}\s.*$", f"{key} {value}", text, flags=re.MULTILINE)
    return text
