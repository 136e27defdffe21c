"""The one list of event names: what is logged anywhere, how loud as a rule, and what it means.

Filters, alarms and the runbook hang on these words, so they are stable and nothing else is logged: one
line a transition, none a poll (DESIGN.md §9.10). The level is the usual one; a line may be louder when
its reason is. This module refuses to know who says a line and where it goes.
"""

from dataclasses import dataclass

from shadowd.core.actions import Level

_INFO, _WARNING, _ALARM = Level.INFO, Level.WARNING, Level.ALARM


@dataclass(frozen=True, slots=True)
class EventName:
    """One dotted name with its usual level and a sentence for the runbook."""

    name: str
    level: Level
    sentence: str


EVENTS: dict[str, EventName] = {
    name: EventName(name, level, sentence)
    for name, level, sentence in (
        ("shadow.standby", _INFO, "This host watches the heartbeat and waits."),
        ("shadow.eligible", _INFO, "Nothing speaks against a takeover by this host any more."),
        ("shadow.ineligible", _WARNING, "Something would keep this host from taking over."),
        ("heartbeat.stale", _WARNING, "The heartbeat has not moved for stale_after; the delay runs."),
        ("heartbeat.unknown", _WARNING, "The heartbeat cannot be read; this is doubt, never silence."),
        ("heartbeat.unwritten", _WARNING, "The guard cannot write the heartbeat of the master here."),
        ("health.failed", _ALARM, "The health command failed too often in a row; beats have ended."),
        ("health.passed", _INFO, "The health command passes again; beats go on."),
        ("heartbeat.stuck", _WARNING, "The heartbeat stands still although the master answers."),
        ("cell.vacant", _INFO, "No server holds server.lock and no epoch is open; this host bids at once."),
        ("takeover.asked", _INFO, "An operator asked this host to take over without the timers."),
        ("takeover.resumed", _INFO, "A launch that an earlier daemon of this host began goes on."),
        ("takeover.verifying", _WARNING, "All timers are over; everything is looked at once more."),
        (
            "takeover.unasked",
            _WARNING,
            "The old master's host has no address; the bid goes on without asking.",
        ),
        ("takeover.claiming", _WARNING, "Nothing speaks against it; this host bids for the next epoch."),
        ("takeover.accounting", _WARNING, "The claim is ours; whoever might run a master is accounted for."),
        ("takeover.launching", _WARNING, "A new master is being started on this host."),
        ("takeover.refused", _WARNING, "A takeover was due and something speaks against it."),
        ("takeover.lost", _INFO, "Another host holds the claim; this one goes back to watching."),
        ("takeover.failed", _ALARM, "The new master did not come up; all of it was stopped."),
        ("takeover.abandoned", _WARNING, "The bid was given up before anything was started."),
        ("master.restarting", _WARNING, "The master ended and is started again on its own host."),
        ("master.adopting", _WARNING, "A master that no claim started runs here; it is taken into care."),
        ("master.adopted", _WARNING, "The running master is guarded from now on."),
        ("master.not_adopted", _WARNING, "The running master could not be taken into care."),
        ("master.intruder", _ALARM, "A second master was started on this host; it is stopped."),
        (
            "master.unnamed",
            _ALARM,
            "act_qmaster names another host and cannot be written; it is tried again.",
        ),
        (
            "host.duplicate",
            _ALARM,
            "Another machine serves the cell under this host's name; nobody bids here.",
        ),
        (
            "master.named",
            _WARNING,
            "act_qmaster named another host, or this one otherwise; it was put right.",
        ),
        ("fence.begun", _WARNING, "A host that may still run a master is being switched off."),
        ("fence.done", _WARNING, "That host is proved to be off."),
        ("fence.failed", _ALARM, "That host could not be proved to be off, or it was refused."),
        ("master.confirmed", _WARNING, "The new master runs, beats and is named in act_qmaster."),
        ("master.attached", _INFO, "A master that ran already is now looked after."),
        ("master.ended", _ALARM, "The master's process on this host ended."),
        ("master.superseded", _ALARM, "A later epoch was claimed; the master of this host is stopped."),
        ("master.lease_over", _ALARM, "The beat was not seen to advance in time; the master is stopped."),
        ("master.unkillable", _ALARM, "Processes of a stopped master do not die."),
        ("scheduler.ended", _WARNING, "The scheduler ended while its master runs; it is started again."),
        ("scheduler.failed", _ALARM, "The master runs, its scheduler could not be started."),
        ("server.unlocked", _ALARM, 'The server here takes no lock on server.lock: set lock = "lease".'),
        ("ledger.doubt", _ALARM, "The claims directory holds what it should not, or lost what it had."),
        ("ledger.restored", _WARNING, "The records of the running master were written again."),
        ("lock.cleared", _INFO, "A lock left by a takeover was removed from the spool."),
        ("daemon.started", _INFO, "The daemon runs and has read its configuration."),
        ("daemon.stopping", _INFO, "The daemon was told to stop; a running master is left alone."),
        ("daemon.reloaded", _INFO, "The configuration was read again and is in force."),
        ("daemon.reload_failed", _WARNING, "The new configuration is bad; the old one stays in force."),
        ("io.stuck", _ALARM, "A request to the cell's file system has not been answered in time."),
        ("io.resumed", _INFO, "The cell's file system answers again."),
        ("cell.disabled", _ALARM, "A cell of the configuration cannot be served; the others are."),
        (
            "cell.foreign",
            _ALARM,
            "The shared directory is not the one that this host knows as the cell's; nobody here bids.",
        ),
        (
            "cell.unremembered",
            _ALARM,
            "This host cannot write down which directory is the cell's, and which epochs it has seen.",
        ),
        (
            "cell.waiting",
            _INFO,
            "Another daemon of this machine serves the cell; this one waits for its end.",
        ),
        ("config.warning", _WARNING, "The configuration is usable, but something in it is unwise."),
        ("watch.unavailable", _INFO, "No early wake-ups for a directory; the regular checks go on."),
        ("hardware.armed", _INFO, "The hardware watchdog runs, and is fed while every guard here answers."),
        ("hardware.disarmed", _INFO, "The hardware watchdog is stopped: nothing is guarded here."),
        ("hardware.unavailable", _WARNING, "The hardware watchdog cannot be used; the guards go on without."),
        ("hardware.withheld", _ALARM, "A master that must not live does not die; the hardware is not fed."),
        ("enforcer.missing", _WARNING, "Nobody would enforce the leases of this daemon, should it die."),
        ("hints.unavailable", _INFO, "No hints from other hosts; notices are listed regularly anyway."),
        ("log.unwritable", _WARNING, "A log file cannot be written; its lines go to the other places only."),
        (
            "daemon.trouble",
            _ALARM,
            "Threads, memory or descriptors are used up, or there is a bug; the daemon goes on.",
        ),
        ("daemon.ended", _ALARM, "The daemon ends for a reason that nobody asked for."),
        (
            "runtime.unwritable",
            _ALARM,
            "A record in the runtime directory cannot be written; the master here is left alone.",
        ),
        ("library.message", _WARNING, "A library in use had something to say."),
    )
}


def usual_level(name: str) -> Level:
    """Return the level of a name; a name that is not in the list is a warning, never an exception."""
    known = EVENTS.get(name)
    return known.level if known else Level.WARNING
