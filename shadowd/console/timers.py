"""The relations between this cell's timers, as the daemon of this host runs with them.

The same rules that the daemon checks at start (``shadowd.core.timing``), applied to the durations in its
record, so that ``check`` warns of what is in force and not of what the file says since. This module
refuses to know a rule of its own.
"""

from collections.abc import Iterator
from dataclasses import fields

from shadowd.console.health import Health, Item
from shadowd.console.records import HostRecord
from shadowd.core.timing import Broken, DelayApplies, Timing
from shadowd.core.values import Seconds, Unknown


def timer_items(local: HostRecord | Unknown) -> Iterator[Item]:
    """Judge the timers of this host's daemon; nothing where none has run."""
    if isinstance(local, Unknown):
        return
    broken = _broken(local)
    for rule in broken:
        advice = f"Change {rule.key} in the configuration, then: shadowd config check."
        yield Item("timers", Health.CRITICAL if rule.fatal else Health.WARNING, rule.rule, advice)
    if not broken:
        check, stale, delay = (local.durations.get(k, 0) for k in ("check_interval", "stale_after", "delay"))
        text = (
            f"check {check:g} s, stale after {stale:g} s, delay {delay:g} s ({_plain(local.delay_applies)})"
        )
        yield Item("timers", Health.OK, text)


def _broken(local: HostRecord) -> tuple[Broken, ...]:
    known = {field.name for field in fields(Timing)} - {"delay_applies"}
    durations = {key: Seconds(value) for key, value in local.durations.items() if key in known}
    after = local.delay_applies == DelayApplies.AFTER_FAILED_BID.value
    applies = DelayApplies.AFTER_FAILED_BID if after else DelayApplies.BEFORE_TAKEOVER
    return Timing(delay_applies=applies, **durations).derived().broken(guard_beats=local.kind != "gridengine")


def _plain(word: str) -> str:
    return word.replace("_", " ")
