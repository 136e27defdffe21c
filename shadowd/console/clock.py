"""Wall times and durations as people read them: local time of day, with the age beside it.

Only for eyes: no decision in the project uses a wall-clock time (PROTOCOL rule 3). Hosts' clocks differ,
so an age is never shown below zero. This module refuses to read a clock: ``now`` is an argument.
"""

import time


def span(seconds: float) -> str:
    """Return a duration with its two largest units: ``12 s``, ``4 min 10 s``, ``3 h 2 min``."""
    total = max(0, round(seconds))
    for unit, name, smaller, small_name in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if total >= unit:
            rest = total % unit // smaller
            return f"{total // unit} {name} {rest} {small_name}" if rest else f"{total // unit} {name}"
    return f"{total} s"


def at(wall: float, now: float) -> str:
    """Return the local time of day, with the date where it is not today's."""
    try:
        then, today = time.localtime(wall), time.localtime(now)
    except (OverflowError, ValueError, OSError):
        return "at an impossible time"
    if then[:3] == today[:3]:
        return time.strftime("%H:%M:%S", then)
    return time.strftime("%Y-%m-%d %H:%M", then)


def ago(wall: float, now: float) -> str:
    """Return ``11:05:52 (12 s ago)``."""
    return f"{at(wall, now)} ({span(now - wall)} ago)"


def ahead(wall: float, now: float) -> str:
    """Return ``11:19:52 (in 9 min)``, or ``(due)`` when it has passed."""
    return f"{at(wall, now)} (in {span(wall - now)})" if wall > now else f"{at(wall, now)} (due)"


def times(count: int) -> str:
    """Return ``once`` or ``3 times in a row``."""
    return "once" if count == 1 else f"{count} times in a row"
