"""What the configuration decides besides durations, and who we are."""

from dataclasses import dataclass

from shadowd.core.values import Host, Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the configuration says besides durations."""

    host: Host
    machine_id: str
    observer: bool = False
    unknown_beat_counts: bool = False
    death_skips_timers: bool = True
    has_scheduler: bool = True
    adopts: bool = True
    """Take a running master that no claim started into care."""
    restart_limit: int = 3
    """Restarts of a master on its own host within ``restart_window``; 0: the first death is handed over."""
    restart_window: Seconds = Seconds(3600)
