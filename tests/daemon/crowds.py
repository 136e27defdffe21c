"""Many toy cells at once: one scene for each step of a takeover, for they mostly wait.

A test that uses it is marked ``crowd``: no two of them are started one right after the other.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.daemon.toys import Toys

STEPS = (
    *(("Probe", 1), ("Observe", 1), ("MakeClaim", 1), ("Observe", 2), ("PlaceLock", 1), ("WriteNotice", 1)),
    *(("Observe", 3), ("Launch", 1), ("Observe", 4), ("Inspect", 1), ("LaunchScheduler", 1)),
    ("WriteNotice", 2),
)
"""All actions of a takeover, in order; the fourth observation and the first inspection run side by side."""
_ABREAST = 7


def groups(things: list[object]) -> list[list[object]]:
    """Return the things in groups of those that run side by side."""
    return [things[first : first + _ABREAST] for first in range(0, len(things), _ABREAST)]


def side_by_side(place: Path, scenes: dict[str, Callable[[Toys], None]]) -> None:
    """Play each scene in a cell of its own."""

    def play(name: str) -> None:
        toys = Toys.make(place / name.replace(" ", "-"))
        try:
            scenes[name](toys)
        finally:
            toys.close()

    with ThreadPoolExecutor(len(scenes)) as pool:
        list(pool.map(play, scenes))
