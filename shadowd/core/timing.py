"""A cell's durations, how the unset ones follow from the others, and which combinations are refused.

The relations are those of PROTOCOL.md, "Parameters". They are checked once, at start, with the rule in
the message, because a wrong relation between two timers is a second master waiting for its day.
"""

from dataclasses import dataclass
from enum import Enum

from shadowd.core.values import DRIFT, Seconds


class DelayApplies(Enum):
    """When ``delay`` is waited: before every takeover, or only after a bid that failed."""

    BEFORE_TAKEOVER = "before_takeover"
    AFTER_FAILED_BID = "after_failed_bid"


@dataclass(frozen=True, slots=True)
class Broken:
    """A relation between timers that does not hold; ``fatal`` ones are refused at start."""

    key: str
    """The configuration key to change."""
    rule: str
    fatal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """All durations of a cell, in seconds. Zero in a derived field means: derive it."""

    check_interval: Seconds = Seconds(60)
    stale_after: Seconds = Seconds(240)
    delay: Seconds = Seconds(600)
    delay_applies: DelayApplies = DelayApplies.BEFORE_TAKEOVER
    stagger: Seconds = Seconds(0)
    """Extra wait per rank in shadow_masters."""
    beat_interval: Seconds = Seconds(30)
    """How often the master beats: 29-30 s for sge_qmaster (GRIDENGINE.md, "Files")."""
    probe_timeout: Seconds = Seconds(10)
    io_timeout: Seconds = Seconds(10)
    """After this an I/O request counts as stuck."""
    fence_timeout: Seconds = Seconds(0)
    launch_timeout: Seconds = Seconds(120)
    health_interval: Seconds = Seconds(0)
    """Between two questions to a health command, where there is one."""
    health_timeout: Seconds = Seconds(0)
    guard_interval: Seconds = Seconds(1)
    notice_interval: Seconds = Seconds(2)
    """How often a shadow lists the claims between two checks, for death notices."""
    retry_after: Seconds = Seconds(30)
    """Back-off after a failed attempt; doubles up to ``retry_limit``."""
    retry_limit: Seconds = Seconds(600)
    step_down_timeout: Seconds = Seconds(0)
    lease: Seconds = Seconds(0)
    licence: Seconds = Seconds(0)
    window: Seconds = Seconds(0)

    @property
    def earliest(self) -> Seconds:
        """The silence at which a takeover may start at the earliest, without stagger."""
        after = self.delay if self.delay_applies is DelayApplies.BEFORE_TAKEOVER else Seconds(0)
        return Seconds(self.stale_after + after)

    @property
    def handover(self) -> Seconds:
        """How long after its last sign of life a guarded master may live, seen from outside."""
        return handover(self.lease, self.step_down_timeout)

    def pause_after(self, failures: int) -> Seconds:
        """Return how long is waited after so many failures in a row: this bounds the epochs of a day."""
        return Seconds(min(self.retry_limit, self.retry_after * 2.0 ** min(failures - 1, 16)))

    def derived(self) -> "Timing":
        """Return the same timing with every zero in a derived field replaced (PROTOCOL, "Parameters")."""
        from_earliest = Seconds(min(15.0, self.earliest / 10))
        step_down = self.step_down_timeout or from_earliest
        lease = self.lease or Seconds(max(0.9 * self.earliest - step_down, 3 * self.beat_interval))
        licence = self.licence or Seconds(
            1.05 * (step_down + self.probe_timeout + self.fence_timeout + 3 * self.io_timeout)
        )
        window = self.window or Seconds((licence + self.launch_timeout) * (1 + DRIFT) + 1)
        return Timing(
            check_interval=self.check_interval,
            stale_after=self.stale_after,
            delay=self.delay,
            delay_applies=self.delay_applies,
            stagger=self.stagger,
            beat_interval=self.beat_interval,
            probe_timeout=self.probe_timeout,
            io_timeout=self.io_timeout,
            fence_timeout=self.fence_timeout,
            launch_timeout=self.launch_timeout,
            health_interval=self.health_interval,
            health_timeout=self.health_timeout,
            guard_interval=self.guard_interval,
            notice_interval=self.notice_interval,
            retry_after=self.retry_after,
            retry_limit=self.retry_limit,
            step_down_timeout=step_down,
            lease=lease,
            licence=licence,
            window=window,
        )

    def broken(self, *, guard_beats: bool = False) -> tuple[Broken, ...]:
        """Return the relations that do not hold, fatal ones first; call on a derived timing.

        ``guard_beats``: the guard writes the heartbeat, on a descriptor that it keeps open, so that no dead
        reader holds a beat up (NFS.md, "The delegation trap"); and the master is no sge_qmaster.
        """
        short_licence = self.step_down_timeout + self.probe_timeout + self.fence_timeout + 3 * self.io_timeout
        rules = (
            (
                "lease",
                self.lease >= 2 * self.beat_interval,
                f"lease ({self.lease:g} s) must be at least two beats ({2 * self.beat_interval:g} s), "
                "else a healthy master is stopped",
                True,
            ),
            (
                "licence",
                self.licence >= short_licence,
                f"licence ({self.licence:g} s) must be at least step_down_timeout + probe_timeout + "
                f"fence timeout + 3 x io_timeout ({short_licence:g} s)",
                True,
            ),
            (
                "window",
                self.window >= (self.licence + self.launch_timeout) * (1 + DRIFT),
                f"window ({self.window:g} s) must be at least licence + launch_timeout and 2 % more "
                f"({(self.licence + self.launch_timeout) * (1 + DRIFT):g} s)",
                True,
            ),
            (
                "launch_timeout",
                self.launch_timeout > self.health_timeout,
                f"launch_timeout ({self.launch_timeout:g} s) is not longer than the health command's timeout "
                f"({self.health_timeout:g} s), and that must pass once within a launch",
                False,
            ),
            (
                "retry_limit",
                self.retry_limit >= self.retry_after,
                f"retry_limit ({self.retry_limit:g} s) must be at least retry_after ({self.retry_after:g} s)",
                True,
            ),
            (
                "check_interval",
                self.check_interval >= self.beat_interval,
                f"check_interval ({self.check_interval:g} s) is shorter than the master's beat "
                f"({self.beat_interval:g} s): most checks see nothing new",
                False,
            ),
            (
                "stale_after",
                self.stale_after >= 2 * self.beat_interval,
                f"stale_after ({self.stale_after:g} s) is shorter than two beats "
                f"({2 * self.beat_interval:g} s): a healthy master looks stale",
                guard_beats,
            ),
            (
                "stale_after",
                guard_beats or self.stale_after >= 2 * self.beat_interval + 104,
                f"stale_after ({self.stale_after:g} s) is below two beats + 104 s: on NFSv4 a dead host's "
                "delegation can hold up a healthy master's beat that long",
                False,
            ),
            (
                "lease",
                self.handover < self.earliest,
                f"a guarded master may live {self.handover:g} s after its last beat, longer than the "
                f"earliest takeover ({self.earliest:g} s): shadows wait for the longer of the two",
                self.lease > 3 * self.beat_interval,
            ),
            (
                "launch_timeout",
                guard_beats or self.launch_timeout >= 120,
                f"launch_timeout ({self.launch_timeout:g} s) is below 120 s: a new sge_qmaster asks a frozen "
                "old host for 60 s",
                False,
            ),
        )
        found = [Broken(key, rule, fatal) for key, holds, rule, fatal in rules if not holds]
        return tuple(sorted(found, key=lambda broken: not broken.fatal))


def handover(lease: Seconds, step_down: Seconds) -> Seconds:
    """Return lease + drift + step-down: when a guarded master is surely gone (PROTOCOL rule 7)."""
    return Seconds(lease * (1 + DRIFT) + step_down)
