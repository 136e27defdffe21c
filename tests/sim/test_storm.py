"""Random bad weather, two promises: never two masters of a guarded cell, and never none for long."""

import os
from dataclasses import replace

import pytest

from shadowd.core.actions import Action, MakeClaim
from shadowd.core.cell import Cell
from shadowd.core.events import Event, Inspected
from shadowd.core.policy import Policy
from shadowd.core.snapshot import State
from shadowd.core.timing import Timing
from shadowd.core.values import NEVER, ExitKind, Instant, KeptLease, PairView, Seconds
from shadowd.sim.machines import Maker
from shadowd.sim.storm import VerdictError, Weather, weather_report

FIRST = int(os.environ.get("STORM_FIRST", "1"))
SEEDS = int(os.environ.get("STORM_SEEDS", "50"))
"""For more: ``STORM_FIRST=1000 STORM_SEEDS=2000 python -m pytest -n auto tests/sim/test_storm.py``."""


def endure(seed: int) -> None:
    """Live through one weather; on a broken promise show its end and how to see it again."""
    try:
        weather_report(seed)
    except VerdictError as verdict:
        tail = "\n".join(verdict.trace[-30:])
        command = f"STORM_FIRST={seed} STORM_SEEDS=1 python -m pytest tests/sim/test_storm.py -k promise"
        pytest.fail(f"{verdict}\n{tail}\nseed {seed}, again with: {command}", pytrace=False)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_no_weather_breaks_a_promise(seed: int) -> None:
    """Crashes, freezes, hung mounts, cuts, failing launches and lost replies in any order."""
    endure(seed)


class LongLease(Cell):
    """A guard that lets its master live far longer than its claim says (rule 9)."""

    def __init__(
        self, _cell: str, timing: Timing, policy: Policy, now: Instant, kept: KeptLease | None
    ) -> None:
        super().__init__(replace(timing, lease=Seconds(9999)), policy, now=now, kept=kept)
        self._stated = timing.lease

    def step(self, event: Event, now: Instant) -> tuple[Action, ...]:
        """State the short lease in claims."""
        return tuple(
            replace(action, lease=self._stated) if isinstance(action, MakeClaim) else action
            for action in super().step(event, now)
        )


class Hasty(Cell):
    """Machines that take a master for dead as soon as they cannot see it beat (rule 12)."""

    def __init__(
        self, _cell: str, timing: Timing, policy: Policy, now: Instant, kept: KeptLease | None
    ) -> None:
        super().__init__(timing, policy, now=now, kept=kept)

    def step(self, event: Event, now: Instant) -> tuple[Action, ...]:
        """See an empty process table whenever the heartbeat stands still."""
        seen = self.snapshot()
        if isinstance(event, Inspected) and seen.state is State.ACTIVE and seen.silence > 60:
            event = Inspected(event.epoch, PairView(ExitKind.FAILED, None, None, alive=0))
        return super().step(event, now)


class Sleepy(Cell):
    """Machines that never do anything after a while (liveness)."""

    def __init__(
        self, _cell: str, timing: Timing, policy: Policy, now: Instant, kept: KeptLease | None
    ) -> None:
        super().__init__(timing, policy, now=now, kept=kept)

    def deadline(self) -> Instant:
        """Sleep for ever once there was a master."""
        return NEVER if self.snapshot().epoch else super().deadline()


@pytest.mark.parametrize(
    ("mutant", "verdict"),
    [(LongLease, "two masters"), (Hasty, "is closed as"), (Sleepy, "no master")],
)
def test_the_judge_notices_machines_with_a_rule_left_out(mutant: Maker, verdict: str) -> None:
    """A checker that catches nothing is worth nothing: each mutant is found within a few seeds."""
    found: list[str] = []
    for seed in range(40):
        try:
            weather_report(seed, weather=Weather.STALLS, make=mutant)
        except VerdictError as error:
            found.append(str(error))
            if verdict in found[-1]:
                return
    pytest.fail(f"not found: {verdict}; but {found}")
