"""One run told in order: what struck whom, what the programs did about it, and what the judges said.

``!`` marks a fault or what a person did, ``?`` a broken promise; every other line is a program's own. The
same run gives the same lines. This module refuses to leave out faults that hit nothing: that they did is
part of the story.
"""

from collections.abc import Iterator

from shadowd.sim.judges import Verdict
from shadowd.sim.repairs import Trouble
from shadowd.sim.rivals.contest import Run, day
from shadowd.sim.rivals.day import RivalDay


def replay(run: Run) -> Iterator[str]:
    """Yield the lines of one run, and what it came to."""
    lived = day(run)
    result = lived.live()
    told = lived.story() if isinstance(lived, RivalDay) else tuple(map(str, lived.world.trace))
    lines = [(float(line.split(maxsplit=1)[0]), line) for line in told]
    lines += [(float(trouble.begin), _trouble(trouble)) for trouble in lived.faults.troubles]
    lines += [(float(verdict.when), _verdict(verdict)) for verdict in result.verdicts]
    for _, line in sorted(lines, key=lambda item: item[0]):
        yield line
    two = result.two_masters + sum(result.excused.values())
    end = "left without a master" if result.left_without else "a master at the end"
    yield f"seed {run.seed}: two masters for {two:.3f} s, {len(result.outages)} outages, {end}"


def _trouble(trouble: Trouble) -> str:
    until = f" until {trouble.end:.3f}" if trouble.end > trouble.begin else ""
    return f"{trouble.begin:12.3f} {trouble.host or '':<6} ! {trouble.kind.value}{until}"


def _verdict(verdict: Verdict) -> str:
    return f"{verdict.when:12.3f}        ? {verdict.promise.value}: {verdict.detail}"
