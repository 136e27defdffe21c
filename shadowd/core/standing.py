"""Telling people what stands in the way of a takeover by this host, once when it begins and once at its end.

``status`` shows all refusals at any moment; the log gets one line for each that begins to last. What passes
by itself while the master beats is nobody's concern and is not told. Refuses to judge what stands in the way.
"""

from shadowd.core.actions import Action, Level, Say
from shadowd.core.reasons import Reason
from shadowd.core.snapshot import Refusal

_WAITS = frozenset(
    {
        Reason.LEASE_RUNS,
        Reason.WINDOW_OPEN,
        Reason.BACKING_OFF,
        Reason.OWES_OUTCOME,
        Reason.BEATING,
        Reason.LOOKING,
    }
)
"""Refusals that pass by themselves: no reason to tell anybody while the master beats."""
_EVENTS = {
    Reason.BEAT_UNKNOWN: "heartbeat.unknown",
    Reason.CELL_FOREIGN: "cell.foreign",
    Reason.LEDGER_DOUBT: "ledger.doubt",
    Reason.LEDGER_SHRANK: "ledger.doubt",
}


class Standing:
    """What was told last."""

    def __init__(self) -> None:
        self._told: tuple[Reason, ...] = ()

    def say(self, refusals: tuple[Refusal, ...]) -> tuple[Action, ...]:
        """Say what is new among these, or that nothing is left."""
        standing = tuple(item for item in refusals if item.reason not in _WAITS)
        reasons = tuple(item.reason for item in standing)
        if reasons == self._told:
            return ()
        new = [item for item in standing if item.reason not in self._told]
        self._told = reasons
        if not standing:
            return (Say("shadow.eligible", Reason.ALL_CLEAR),)
        return tuple(
            Say(_EVENTS.get(item.reason, "shadow.ineligible"), item.reason, _level(item), None, item.detail)
            for item in new
        )


def _level(item: Refusal) -> Level:
    return Level.ALARM if item.reason is Reason.CELL_FOREIGN else Level.WARNING
