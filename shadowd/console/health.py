"""The four answers of a monitoring plugin, and one judged fact with what to do about it.

The numbers are the exit codes that every monitoring system agrees on. ``worst`` puts UNKNOWN above
WARNING: what cannot be seen may be the thing that fails tonight. This module refuses to judge.
"""

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple, Protocol, TypeVar


class Health(Enum):
    """A verdict; the value is the exit code."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


_ORDER = (Health.OK, Health.WARNING, Health.UNKNOWN, Health.CRITICAL)


class Item(NamedTuple):
    """One thing that was looked at."""

    name: str
    health: Health
    text: str
    remedy: str = ""


def worst(verdicts: Iterable[Health]) -> Health:
    """Return the gravest verdict; OK for none."""
    return max(verdicts, key=_ORDER.index, default=Health.OK)


class Judged(Protocol):
    """Anything that was given a verdict."""

    @property
    def health(self) -> Health:
        """The verdict."""
        ...


J = TypeVar("J", bound=Judged)


def gravest_first(items: Iterable[J]) -> list[J]:
    """Sort what was judged by gravity, otherwise in its order."""
    return sorted(items, key=lambda item: -_ORDER.index(item.health))
