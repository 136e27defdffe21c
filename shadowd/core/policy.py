"""What the configuration decides besides durations, and who we are."""

from dataclasses import dataclass

from shadowd.core.values import FencePolicy, Host, Protection, Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the configuration says besides durations."""

    host: Host
    machine_id: str
    boot_id: str
    named: bool = False
    """The name comes from the configuration: one machine may play several hosts, so its ids tell no name."""
    observer: bool = False
    unknown_beat_counts: bool = False
    death_skips_timers: bool = True
    has_scheduler: bool = True
    adopts: bool = True
    """Take a running master that no claim started into care."""
    restart_limit: int = 3
    """Restarts of a master on its own host within ``restart_window``; 0: the first death is handed over."""
    restart_window: Seconds = Seconds(3600)
    beats: bool = False
    """The guard beats for a master that writes no heartbeat, and a ``lock`` that names no claim stops it."""
    clean_exit_stops: bool = True
    """Exit status 0 that nobody asked for is a regular shutdown; else an end like any other."""
    health_threshold: int = 0
    """Failures of the health command in a row that end the beats; 0: there is no such command."""
    fence: FencePolicy = FencePolicy.NONE

    @property
    def protection(self) -> Protection:
        """The level that a claim of this cell states: only a fence that must succeed protects."""
        return Protection.FENCED if self.fence is FencePolicy.REQUIRED else Protection.GUARDED
