"""What is known of the fence: whether its program is there, and what became of the last attempts.

An attempt that failed stands in the record of the host that made it until a master beats again, so a fresh
record with a failure is trouble of this very moment: where a fence is required, nobody starts a master. This
module refuses to ask an agent; ``check --fence`` does.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from shadowd.console.clock import ago
from shadowd.console.health import Health, Item
from shadowd.console.records import HostRecord, clean
from shadowd.console.remedies import remedy
from shadowd.core.reasons import Reason
from shadowd.core.values import FenceOutcome, FencePolicy

REQUIRED = FencePolicy.REQUIRED.value
_NEWS = 86400.0
_DEAD = FenceOutcome.DEAD.value


class FenceProgram(NamedTuple):
    """The program that the configuration of this host names."""

    path: str
    found: bool
    required: bool


class FenceView(NamedTuple):
    """The last attempt of one host to switch another one off."""

    by: str
    host: str
    outcome: str
    detail: str
    when: float | None
    epoch: int
    required: bool

    @property
    def failed(self) -> bool:
        """True while nothing proves that the host is off."""
        return self.outcome != _DEAD


def fence_views(records: Iterable[HostRecord], now: float) -> tuple[FenceView, ...]:
    """Return what failed, and what else these daemons tried in the last day, the latest first."""
    found = [
        FenceView(
            by=record.host,
            host=attempt.host,
            outcome=attempt.outcome,
            detail=attempt.detail,
            when=attempt.when,
            epoch=attempt.epoch,
            required=record.fence == REQUIRED,
        )
        for record in records
        for attempt in record.fenced
        if attempt.outcome != _DEAD or attempt.when is None or now - attempt.when < _NEWS
    ]
    return tuple(sorted(found, key=lambda view: -(view.when or 0.0)))


def all_fence(records: Mapping[str, HostRecord], master: str) -> bool:
    """Tell whether every daemon that could start a new master needs the proof first."""
    others = [record.fence for host, record in records.items() if host != master]
    return bool(others) and all(policy == REQUIRED for policy in others)


def told(view: FenceView, now: float) -> str:
    """Say what became of an attempt, and what follows."""
    when = f" at {ago(view.when, now)}" if view.when is not None else ""
    if not view.failed:
        return f"{view.host} was switched off by {view.by}{when}, epoch {view.epoch}: {view.detail}"
    follows = "no master starts without that" if view.required else "not required, so the takeover goes on"
    return f"{view.host} is not proved to be off: {view.detail} (tried by {view.by}{when}); {follows}"


def fence_items(program: FenceProgram | None, views: Iterable[FenceView], now: float) -> Iterator[Item]:
    """Judge the program and each attempt that failed."""
    if program is not None:
        need = "required" if program.required else "not required"
        if program.found:
            yield Item("fence", Health.OK, f"{clean(program.path)}, {need}")
        else:
            grave = Health.CRITICAL if program.required else Health.WARNING
            advice = "Install it on this host (Debian: fence-agents), or correct [cell.fence]."
            yield Item("fence", grave, f"there is no program {clean(program.path)}; {need}", advice)
    for view in views:
        if view.failed:
            grave = Health.CRITICAL if view.required else Health.WARNING
            yield Item(f"fence {view.host}", grave, told(view, now), remedy(Reason.FENCE_FAILED, ""))
