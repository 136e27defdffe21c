"""The lanes of one cell: in each, one job at a time and in order; whichever hangs, the others go on.

A lane that did not answer within ``io_timeout`` (the network: ``probe_timeout`` more, a fence agent:
``fence_timeout`` more) is *stuck*: nothing more is sent into it, its backlog is bounded, and people are told
since when. Its answer, should it still come, is used like any other: the machines date their own reads.
"""

from collections import deque
from collections.abc import Callable, Container
from dataclasses import dataclass, field

from shadowd.core.timing import Timing
from shadowd.core.values import NEVER, Instant, Seconds
from shadowd.ports import Clock
from shadowd.runtime.executor import Lane
from shadowd.runtime.workers import Job

_BACKLOG = 16
"""Droppable jobs that may wait in a lane."""


@dataclass(slots=True)
class _Track:
    waiting: deque[Job] = field(default_factory=deque)
    since: Instant | None = None
    """When the job under way was begun."""


def _nothing() -> None:
    """Wake the decision thread, which then hears what was noted."""


class Lanes:
    """All lanes of a cell. Used on the decision thread only; workers come back through ``post``.

    The end of a job that nobody waits for is only noted, and heard when the decision thread wakes for
    something else; its lane is free from then on.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        submit: Callable[[Job], None],
        post: Callable[[Job], None],
        note: Callable[[Job], None],
        timing: Timing,
    ) -> None:
        self._clock = clock
        self._submit = submit
        self._post = post
        self._note = note
        self._timeouts = dict.fromkeys(Lane, timing.io_timeout)
        # A probe may take all of its own time limit, and is not stuck then.
        self._timeouts[Lane.NETWORK] = Seconds(timing.io_timeout + timing.probe_timeout)
        self._timeouts[Lane.FENCE] = Seconds(timing.io_timeout + timing.fence_timeout)
        self._timeouts[Lane.HEALTH] = Seconds(timing.io_timeout + timing.health_timeout)
        self._tracks = {lane: _Track() for lane in Lane}

    def send(self, lane: Lane, job: Callable[[], Job], *, droppable: bool = False) -> None:
        """Queue a job; what it returns is run on the decision thread.

        ``droppable``: nobody waits for it, so a lane with a long backlog forgets it.
        """
        track = self._tracks[lane]
        if droppable and len(track.waiting) >= _BACKLOG:
            return

        def run() -> None:
            begun = self._clock.now()
            then = job()
            tell = self._note if droppable else self._post
            tell(lambda: self._finish(track, then))
            late = droppable and self._clock.now() >= begun + self._timeouts[lane]
            if droppable and (track.waiting or late):
                self._post(_nothing)

        track.waiting.append(run)
        if track.since is None:
            self._next(track)
        elif droppable:
            self._post(_nothing)  # the end of the one before may be noted, and not heard yet

    def busy(self, lane: Lane) -> bool:
        """Tell whether a job of this lane is under way."""
        return self._tracks[lane].since is not None

    def stuck(self, now: Instant) -> dict[Lane, Instant]:
        """Return the lanes that hang, each with the moment since when."""
        return {
            lane: track.since
            for lane, track in self._tracks.items()
            if track.since is not None and now >= track.since + self._timeouts[lane]
        }

    def deadline(self, known: Container[Lane]) -> Instant:
        """Return when the next lane counts as stuck; it may be past, until it is among the ``known`` ones."""
        return min(
            (
                Instant(track.since + self._timeouts[lane])
                for lane, track in self._tracks.items()
                if track.since is not None and lane not in known
            ),
            default=NEVER,
        )

    def _finish(self, track: _Track, then: Job) -> None:
        track.since = None
        try:
            if track.waiting:
                self._next(track)
        finally:
            then()

    def _next(self, track: _Track) -> None:
        self._submit(track.waiting[0])  # still waiting, and the lane free, if this raises
        track.waiting.popleft()
        track.since = self._clock.now()
