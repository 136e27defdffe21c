"""Memory of daemons that serve many cells and have nothing to do, and the CPU of a thousand spread checks.

One daemon of ours serves all cells; the ancestor is one process for each. A thousand of those are computed
from what the second to the last of them cost. PSS counts a page that several processes share in parts, so
that the sum over many processes is honest; other Python programs on the machine make ours a little smaller,
which RSS does not.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench import meter, papercells
from tests.bench.daemons import start_ours, start_theirs
from tests.bench.table import Row
from tests.lab.hosts import Lab

SETTLE = 30.0
_MANY = 100
"""Processes of the ancestor that are really started, at most."""
_ROUND = 60.0


@dataclass(frozen=True)
class Size:
    """What serving so many cells holds; MB."""

    cells: int
    rss: float
    pss: float
    threads: int
    start: float
    """Seconds until all cells were served."""
    check: float | None
    """CPU of one check of one cell, ms."""


def measure(counts: Sequence[int], settle: float, say: Callable[[str], None]) -> list[Row]:
    """Return the rows for these numbers of cells."""
    mine = {count: _ours(count, settle, say) for count in counts}
    theirs = {count: _theirs(count, settle, say) for count in counts if count <= _MANY}
    for count in counts:
        theirs.setdefault(count, _computed(theirs, count))
    rows = []
    for count in counts:
        word = f"{count:,} cell{'s' if count > 1 else ''}"
        other = theirs[count]
        rows.append(
            Row(
                f"PSS, {word}{'' if count <= _MANY else ' (sge_shadowd: computed)'}",
                mine[count].pss,
                other.pss,
                "MB",
                40 if count == 1 else None,
            )
        )
        rows.append(Row(f"… RSS, {word}", mine[count].rss, other.rss, "MB"))
    first, last = mine[counts[0]], mine[counts[-1]]
    if last.cells > first.cells:
        further = 1000 * (last.pss - first.pss) / (last.cells - first.cells)
        theirs_further = (
            1000 * (theirs[last.cells].pss - theirs[first.cells].pss) / (last.cells - first.cells)
        )
        rows.append(Row("PSS of each further cell", further, theirs_further, "KB", 100))
    rows.append(Row(f"threads, {last.cells:,} cells", last.threads, last.cells, ""))
    rows.append(Row(f"start until {last.cells:,} cells are served", last.start, None, "s"))
    if last.check is not None:
        rows.append(Row(f"CPU per check and cell, {last.cells:,} cells", last.check, None, "ms", 1.0))
    return rows


def _ours(count: int, settle: float, say: Callable[[str], None]) -> Size:
    say(f"{count} cells, ours, for {settle:.0f} s")
    with Lab(("a", "b")) as lab:
        cells = papercells.make(lab.dir / "cells", count, [host.fqdn for host in lab])
        begun = time.monotonic()
        pid = start_ours(lab["b"], lab.dir / "ours", cells).pid
        took = time.monotonic() - begun
        time.sleep(settle)
        size = meter.memory(pid)
        check = None
        if count > _MANY:
            # By now the checks are spread, and in a round each cell makes one.
            time.sleep(max(0.0, _ROUND + 5 - settle))
            before = meter.cpu(pid)
            time.sleep(_ROUND)
            check = 1000 * (meter.cpu(pid) - before) / count
            size = meter.memory(pid)
    return Size(count, size.rss / 1000, size.pss / 1000, size.threads, took, check)


def _theirs(count: int, settle: float, say: Callable[[str], None]) -> Size:
    say(f"{count} cells, sge_shadowd")
    with Lab(("a", "b")) as lab:
        cells = papercells.make(lab.dir / "cells", count, [host.fqdn for host in lab])
        begun = time.monotonic()
        pids = start_theirs(lab["b"], cells)
        took = time.monotonic() - begun
        time.sleep(min(settle, 3.0))
        sizes = [meter.memory(pid) for pid in pids]
    rss, pss = sum(size.rss for size in sizes), sum(size.pss for size in sizes)
    return Size(count, rss / 1000, pss / 1000, sum(size.threads for size in sizes), took, None)


def _computed(known: dict[int, Size], count: int) -> Size:
    first, last = known[min(known)], known[max(known)]
    more = (count - last.cells) / max(1, last.cells - first.cells)
    return Size(
        count,
        last.rss + more * (last.rss - first.rss),
        last.pss + more * (last.pss - first.pss),
        count,
        0.0,
        None,
    )
