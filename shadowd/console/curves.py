"""How long outages last, as a picture: one cumulative curve a protocol, in SVG and nothing but SVG.

Time is logarithmic, because one protocol takes seconds and another quarters of an hour. A curve that ends
below 100 % is a protocol that left cells without a master. Colours are told apart by dashes as well, have
enough contrast on light and dark, and follow the reader's preference; there is no script and no font to
load. This module refuses to smooth: every step of a curve is an outage that happened.
"""

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from shadowd.sim.rivals.score import Score

_WIDTH: Final = 800
_HEIGHT: Final = 470
_LEFT: Final = 64
_RIGHT: Final = 36
_TOP: Final = 52
_BOTTOM: Final = 66
_LEGEND: Final = 24
_PER_ROW: Final = 3
_BETWEEN: Final = 48.0
"""Between two labels of the time axis, at least."""
_MOST_STEPS: Final = 400
_TICKS: Final = (
    *((0.1, "0.1 s"), (1, "1 s"), (3, "3 s"), (10, "10 s"), (30, "30 s"), (60, "1 min"), (180, "3 min")),
    *((600, "10 min"), (1800, "30 min"), (3600, "1 h"), (3 * 3600, "3 h"), (10 * 3600, "10 h")),
    *((24 * 3600, "1 d"), (72 * 3600, "3 d"), (240 * 3600, "10 d")),
)
_STYLES: Final = (
    ("#0b6fb8", "#5cb3f2", ""),
    ("#0a7d55", "#3ecf9a", "9 4"),
    ("#6a4fb3", "#b39df5", "2 4"),
    ("#b8460b", "#ff9a5c", ""),
    ("#a3197a", "#ff7fd0", "9 4"),
    ("#7a6200", "#e0c040", "2 4"),
    ("#555555", "#bbbbbb", "12 4 2 4"),
)
"""Colour on light, colour on dark, dashes."""


def svg(scores: Sequence[Score], title: str) -> str:
    """Return the picture of all rows that had outages."""
    drawn = [score for score in scores if score.outages]
    scale = _Scale([outage for score in drawn for outage in score.outages if math.isfinite(outage)])
    legend = _LEGEND * math.ceil(len(drawn) / _PER_ROW)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT + legend}" '
        f'width="{_WIDTH}" height="{_HEIGHT + legend}" role="img" aria-label="{escape(title)}">',
        _style(len(drawn)),
        f'<rect class="ground" width="{_WIDTH}" height="{_HEIGHT + legend}"/>',
        f'<text class="title" x="{_LEFT}" y="28">{escape(title)}</text>',
        *_grid(scale),
        *(part for index, score in enumerate(drawn) for part in _curve(index, score, scale)),
        *(part for index, score in enumerate(drawn) for part in _entry(index, score)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Scale:
    """Where a duration and a share lie in the picture."""

    def __init__(self, outages: Sequence[float]) -> None:
        low, high = max(min(outages, default=1), 0.1), max(outages, default=10)
        marks = [seconds for seconds, _ in _TICKS]
        self.low = max((mark for mark in marks if mark <= low), default=marks[0])
        self.high = min((mark for mark in marks if mark >= high and mark > self.low), default=marks[-1])

    def x(self, seconds: float) -> float:
        """Return the place of a duration from left to right."""
        inside = min(max(seconds, self.low), self.high)
        share = math.log(inside / self.low) / math.log(self.high / self.low)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(self, share: float) -> float:
        """Return the place of a share between 0 and 1 from top to bottom."""
        return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP), 1)


def _style(curves: int) -> str:
    light = "".join(f".c{n}{{stroke:{_STYLES[n % len(_STYLES)][0]}}}" for n in range(curves))
    dark = "".join(f".c{n}{{stroke:{_STYLES[n % len(_STYLES)][1]}}}" for n in range(curves))
    return (
        "<style>"
        "text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-size:16px;font-weight:600}"
        ".ground{fill:#ffffff}.grid{stroke:#d8dee4;stroke-width:1}.axis{stroke:#57606a;stroke-width:1}"
        ".curve{fill:none;stroke-width:2.2;stroke-linejoin:round}"
        f"{light}"
        "@media (prefers-color-scheme:dark){"
        f"text{{fill:#e6edf3}}.ground{{fill:#0d1117}}.grid{{stroke:#30363d}}.axis{{stroke:#8b949e}}{dark}"
        "}</style>"
    )


def _grid(scale: _Scale) -> Iterator[str]:
    floor, end = scale.y(0), _WIDTH - _RIGHT
    for percent in (0, 25, 50, 75, 100):
        y = scale.y(percent / 100)
        kind = "grid" if percent else "axis"
        yield f'<line class="{kind}" x1="{_LEFT}" y1="{y}" x2="{end}" y2="{y}"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{percent} %</text>'
    written = -_BETWEEN
    for seconds, label in _TICKS:
        x = scale.x(seconds)
        if scale.low <= seconds <= scale.high and x - written >= _BETWEEN:
            written = x
            yield f'<line class="grid" x1="{x}" y1="{scale.y(1)}" x2="{x}" y2="{floor}"/>'
            yield f'<text x="{x}" y="{floor + 18}" text-anchor="middle">{label}</text>'
    middle = (_LEFT + end) / 2
    yield f'<text x="{middle}" y="{floor + 40}" text-anchor="middle">time without a serving master</text>'
    across = (scale.y(0) + scale.y(1)) / 2
    yield (
        f'<text x="18" y="{across}" text-anchor="middle" transform="rotate(-90 18 {across})">'
        "share of outages that are over</text>"
    )


def _curve(index: int, score: Score, scale: _Scale) -> Iterator[str]:
    ended = [outage for outage in score.outages if math.isfinite(outage)]
    total = len(score.outages)
    path = f"M{scale.x(ended[0] if ended else scale.high)} {scale.y(0)}"
    every = max(1, len(ended) // _MOST_STEPS)
    for position, outage in enumerate(ended, start=1):
        if position % every == 0 or position in {1, len(ended)}:
            path += f"H{scale.x(outage)}V{scale.y(position / total)}"
    path += f"H{scale.x(scale.high)}"
    yield f'<path class="curve c{index}" {_dashes(index)}d="{path}"><title>{_name(score)}</title></path>'


def _entry(index: int, score: Score) -> Iterator[str]:
    row, column = divmod(index, _PER_ROW)
    x = _LEFT + column * (_WIDTH - _LEFT - _RIGHT) / _PER_ROW
    y = _HEIGHT + row * _LEGEND
    yield f'<path class="curve c{index}" {_dashes(index)}d="M{x:.1f} {y}h34"/>'
    yield f'<text x="{x + 42:.1f}" y="{y + 4}">{_name(score)}</text>'


def _dashes(index: int) -> str:
    dashes = _STYLES[index % len(_STYLES)][2]
    return f'stroke-dasharray="{dashes}" ' if dashes else ""


def _name(score: Score) -> str:
    return escape(f"{score.protocol}, {score.level}")
