"""The figures of ``shadowd simulate`` for 80 columns, and the same as data.

One row a protocol and protection level; below, what only ours is judged by, and for each row that broke
something a seed to replay. No colour: the table looks the same on a terminal, in a pipe and in a README.
This module refuses to round to nothing: a hundredth of a second with two masters is no zero.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from shadowd.sim.rivals.score import SURPRISES, Score

_GROUPS: Final = f"{'':21} {'two masters':^23} {'left':>11} {'outage':^21}"
_HEAD: Final = ("protocol", "level", "runs", "seconds", "without", "median", "99 %")
_WIDTHS: Final = (12, 8, 11, 11, 11, 10, 10)
_MINUTE: Final = 60.0
_HOUR: Final = 3600.0


def table(scores: Sequence[Score]) -> str:
    """Return the table, without a line break at its end."""
    rows = [
        (
            score.protocol,
            score.level,
            _share(score.runs_double, score.runs),
            _seconds(score.seconds_double),
            _share(score.runs_left, score.runs),
            _outage(score.median),
            _outage(score.p99),
        )
        for score in scores
    ]
    rule = "-" * (sum(_WIDTHS) + len(_WIDTHS) - 1)
    return "\n".join([_GROUPS.rstrip(), _row(_HEAD), rule, *(_row(row) for row in rows)])


def surprises(scores: Sequence[Score]) -> Iterator[str]:
    """Yield a second table, of the promises that only some rows are judged by: a column for each of these."""
    judged = [score for score in scores if score.surprises]
    if not judged:
        return
    yield _counted(judged[0].protocol, [score.level for score in judged])
    for promise in SURPRISES:
        yield _counted(promise.value, [f"{score.surprises[promise]:,}" for score in judged])


def excuses(scores: Sequence[Score]) -> Iterator[str]:
    """Yield what PROTOCOL.md excludes by name, and what not, for each row that promises something."""
    for score in scores:
        if score.level == "none":
            continue
        for name, seconds in score.excused.items():
            yield f"{score.protocol}, {score.level}: {_seconds(seconds)} s excluded by name: {name}"
        if score.broken:
            yield f"{score.protocol}, {score.level}: {_seconds(score.broken)} s that nothing excludes"


def replays(scores: Sequence[Score]) -> Iterator[str]:
    """Yield, for each row that broke something, the command that shows it."""
    for score in scores:
        surprised = [(promise.value, score.seeds_surprised[promise]) for promise in score.surprises]
        for what, seeds in (
            ("two masters", score.seeds_double),
            ("no master left", score.seeds_left),
            *surprised,
        ):
            if seeds:
                which = f"--replay {seeds[0]} --protocol {score.protocol} --level {score.level}"
                yield f"{what}: shadowd simulate {which}"


def as_data(score: Score) -> dict[str, Any]:
    """Return a row for JSON; an outage that did not end is null, and so is a figure of no outage at all."""
    return {
        "protocol": score.protocol,
        "level": score.level,
        "runs": score.runs,
        "runs_with_two_masters": score.runs_double,
        "seconds_with_two_masters": round(score.seconds_double, 3),
        "seconds_excused": {name: round(seconds, 3) for name, seconds in score.excused.items()},
        "runs_left_without_master": score.runs_left,
        "outages": len(score.outages),
        "outage_median": _number(score.median),
        "outage_p99": _number(score.p99),
        "seeds_with_two_masters": list(score.seeds_double),
        "seeds_left_without_master": list(score.seeds_left),
        "broken": {promise.value: count for promise, count in score.surprises.items()},
        "seeds_broken": {promise.value: list(seeds) for promise, seeds in score.seeds_surprised.items()},
    }


def _counted(name: str, cells: Sequence[str]) -> str:
    return name.ljust(24) + "".join(cell.rjust(9) for cell in cells)


def _row(cells: Sequence[str]) -> str:
    aligned = (
        cell.ljust(width) if column < 2 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, _WIDTHS, strict=True))
    )
    return " ".join(aligned).rstrip()


def _share(count: int, of: int) -> str:
    if not count or not of:
        return str(count)
    share = 100 * count / of
    return f"{count} ({share:.0f} %)" if share >= 1 else f"{count} (<1 %)"


def _seconds(seconds: float) -> str:
    return "0" if not seconds else f"{max(seconds, 0.01):,.{0 if seconds >= 100 else 2}f}"


def _outage(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if math.isinf(seconds):
        return "for ever"
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / _MINUTE:.1f} min" if seconds < 100 * _MINUTE else f"{seconds / _HOUR:.1f} h"


def _number(seconds: float | None) -> float | None:
    return None if seconds is None or math.isinf(seconds) else round(seconds, 3)
