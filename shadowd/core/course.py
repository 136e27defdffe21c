"""The state of a cell on this host, and the one way to change it: by a row of the table."""

from shadowd.core.actions import Action, Say
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import State
from shadowd.core.table import transition
from shadowd.core.values import Epoch, Instant


class Course:
    """Where the cell stands, since when and why."""

    def __init__(self, now: Instant) -> None:
        self.state = State.STANDBY
        self.reason = Reason.STARTED
        self.since = now

    def go(
        self, reason: Reason, now: Instant, *, epoch: Epoch | None = None, detail: str = ""
    ) -> tuple[Action, ...]:
        """Make the transition for this reason, and say so: one line a transition."""
        row = transition(self.state, reason)
        self.state = row.next
        self.reason = reason
        self.since = now
        return (Say(row.event, reason, row.level, epoch, detail),)
