"""The table of results: one row a measure, both daemons, their ratio, and the target with its verdict."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_HEAD = ("", "shadowd", "sge_shadowd", "ratio", "at most")


@dataclass(frozen=True)
class Row:
    """One measure; None where a daemon has no such thing."""

    what: str
    ours: float | None
    theirs: float | None
    unit: str
    target: float | None = None
    """The most that ours may show."""

    @property
    def ratio(self) -> float | None:
        """Return how many times theirs ours is."""
        return self.ours / self.theirs if self.ours is not None and self.theirs else None

    @property
    def met(self) -> bool:
        """Tell whether the target, if any, is met."""
        return self.target is None or self.ours is None or self.ours <= self.target

    def cells(self) -> tuple[str, ...]:
        """Return the row as texts."""
        ratio = "" if self.ratio is None else f"{_figure(self.ratio)} x"
        return (self.what, self._value(self.ours), self._value(self.theirs), ratio, self._verdict())

    def _value(self, value: float | None) -> str:
        return "-" if value is None else f"{_figure(value)} {self.unit}".strip()

    def _verdict(self) -> str:
        if self.target is None or self.ours is None:
            return ""
        goal = f"{_figure(self.target)} {self.unit}"
        return f"{goal}: met" if self.met else f"{goal}: **{self._value(self.ours - self.target)} over**"


def markdown(rows: Iterable[Row]) -> str:
    """Return the table, its columns aligned so that it reads well unrendered."""
    texts = [_HEAD, *(row.cells() for row in rows)]
    widths = [max(len(text[column]) for text in texts) for column in range(len(_HEAD))]
    # The first column is words, the others are figures.
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:-1]), "-" * widths[-1]]
    lines = [_line(_HEAD, widths), "| " + " | ".join(rule) + " |"]
    return "\n".join([*lines, *(_line(text, widths) for text in texts[1:])])


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    last = len(texts) - 1
    padded = (
        text.ljust(width) if column in {0, last} else text.rjust(width)
        for column, (text, width) in enumerate(zip(texts, widths, strict=True))
    )
    return "| " + " | ".join(padded) + " |"


def _figure(value: float) -> str:
    """Three significant figures, and no exponent."""
    size = abs(value)
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 0.1 else f"{value:.3f}"


def median(values: Iterable[float]) -> float:
    """Return the middle one."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
