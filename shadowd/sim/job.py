"""A synchronous call that takes virtual time, without a thread to block.

The executor performs an action by calling several ports in a row, and any of those calls may take long or
hang. Here a call that has to wait leaves by raising ``Suspended``; when its time has come the whole job is
run again from the start, every answer it had before is given again from the record, and only the rest is
new. For the tested code this cannot be told from a thread that slept: it reads clocks, nonces and files
through ports alone, so the same answers lead it to the same place.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Suspended(BaseException):
    """The job has to wait; it will be run again. No ``Exception``, so that tested code lets it pass."""


class Job:
    """One job of a lane, and what it was told so far."""

    def __init__(self, work: Callable[[], None], *, waits: bool = True) -> None:
        self.waits = waits
        """It may have to wait even where nothing goes wrong."""
        self.plain = False
        """Nothing can go wrong in it and nobody watches it: nothing is put on record."""
        self._work = work
        self._told: list[Any] = []
        self._at = 0

    def run(self) -> bool:
        """Run it from the start over the record; True when it came to its end."""
        self._at = 0
        try:
            self._work()
        except Suspended:
            return False
        return True

    @property
    def begun(self) -> bool:
        """True once there is something on record."""
        return bool(self._told)

    @property
    def recalls(self) -> bool:
        """True while the next answer is on record."""
        return self._at < len(self._told)

    def recall(self) -> Any:
        """Give the answer that was given here before."""
        self._at += 1
        return self._told[self._at - 1]

    def record(self, answer: T) -> T:
        """Keep an answer that was just given."""
        self._told.append(answer)
        self._at += 1
        return answer

    def once(self, make: Callable[[], T]) -> T:
        """Give an answer that takes no time: the one on record, or a new one."""
        return cast("T", self.recall()) if self.recalls else self.record(make())
