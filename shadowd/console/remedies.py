"""What to do at 3 a.m., for every reason there is.

The reader is tired, perhaps new, and root. So each text is an instruction or says that none is needed,
names the file or command, and never advises to delete a claim. ``SPOOL`` stands for the cell's spool
directory. This module refuses to advise anything that could make a second master.
"""

from shadowd.core.reasons import Reason

_NOTHING = "Nothing to do."
_WAIT = "Wait: it goes on by itself."
_WRITABLE = "See that SPOOL/shadowd/DIR can be written from that host: space, rights, mount."
_LOOK_AT_LOG = "Read the new master's messages in SPOOL and the output of shadowd's own log on that host."

REMEDIES: dict[Reason, str] = {
    Reason.STARTED: _NOTHING,
    Reason.BEATING: _NOTHING,
    Reason.BEAT_MOVED: _NOTHING,
    Reason.SILENT: "Look at the master's host: is the master running, can it write SPOOL/heartbeat?",
    Reason.DELAY_OVER: _WAIT,
    Reason.DEATH_NOTICE: _WAIT,
    Reason.ASKED: _NOTHING,
    Reason.ALL_CLEAR: _WAIT,
    Reason.WON: _WAIT,
    Reason.LOST: "Nothing to do here: look at the host that holds the claim.",
    Reason.CLAIM_UNKNOWN: _WRITABLE.replace("DIR", "claims"),
    Reason.ACTIVE_CHANGED: "See who started a master on the host that act_qmaster names; stop the wrong one.",
    Reason.RESUMED: _WAIT,
    Reason.SUPERSEDED: "Nothing to do here: look at the host that holds the later claim.",
    Reason.LICENCE_OVER: "It bids again by itself. If it recurs, the file server or fence command is slow.",
    Reason.ACCOUNTED: _WAIT,
    Reason.CONFIRMED: "Nothing to do. Find out why the old master ended before its host goes back to work.",
    Reason.ATTACHED: _NOTHING,
    Reason.LAUNCH_FAILED: "Start the master by hand on that host to see its error: program, port, rights. "
    + _LOOK_AT_LOG,
    Reason.LAUNCH_TIMEOUT: _LOOK_AT_LOG + " A large spool may need a longer launch_timeout.",
    Reason.NOTICE_FAILED: _WRITABLE.replace("DIR", "notices"),
    Reason.LOOKING: "Wait for the first check. If it stays, the reads of SPOOL do not come back.",
    Reason.CELL_UNREADABLE: "See that SPOOL/shadowd/claims can be listed from this host: mounted, rights.",
    Reason.LEDGER_DOUBT: "Move the named files out of SPOOL/shadowd/claims and notices once you know whose "
    "they are; never a numbered claim of this cell.",
    Reason.LEDGER_SHRANK: "Restore SPOOL/shadowd from before, or restart shadowd on every host, the master's "
    "first, when you are sure that exactly one master runs.",
    Reason.LOCKED: "After a shutdown start the master with the startup script. If nobody shut it down and no "
    "other shadow is at work, remove SPOOL/lock.",
    Reason.LOCK_UNKNOWN: "See what SPOOL/lock is (ls -ld): it must be absent or a small regular file.",
    Reason.BEAT_UNKNOWN: "See that SPOOL/heartbeat is a small file with one number and can be read from this "
    "host. A running master writes it again within a minute.",
    Reason.ACTIVE_UNKNOWN: "Write the master's host name into act_qmaster in the cell's common directory; "
    "see that the name resolves.",
    Reason.NOT_A_SHADOW: "Add the host to shadow_masters in the cell's common directory if it is to serve.",
    Reason.SHADOWS_UNKNOWN: "Put the shadow hosts, one a line, into shadow_masters in the cell's common "
    "directory.",
    Reason.PAUSED: "When the maintenance is over, remove SPOOL/shadowd/pause.json.",
    Reason.PAUSE_UNKNOWN: "Repair or remove SPOOL/shadowd/pause.json.",
    Reason.SHUT_DOWN: "Start the master with the startup script; or, once no SPOOL/lock lies there, with: "
    "shadowd takeover",
    Reason.RESIDENT: "Stop the master that runs on this host outside shadowd, if it is the wrong one.",
    Reason.MASTER_ANSWERS: "Look at the master: it answers but does not write SPOOL/heartbeat (disk full, "
    "rights, hung file system?).",
    Reason.LEASE_RUNS: _WAIT,
    Reason.WINDOW_OPEN: _WAIT,
    Reason.BACKING_OFF: _WAIT + " Find out why the last attempt failed: " + _LOOK_AT_LOG,
    Reason.OWES_OUTCOME: _WRITABLE.replace("DIR", "notices"),
    Reason.GUARDING: _NOTHING,
    Reason.LEASE_OVER: "See why SPOOL could not be read or written from the master's host: network, file "
    "server, frozen host.",
    Reason.MASTER_ENDED: "A shadow takes over by itself. Read the master's messages in SPOOL for the cause.",
    Reason.SHUT_DOWN_HERE: "Start the master with the startup script when it shall run again.",
    Reason.UNKILLABLE: "Processes hang in the kernel (ps: state D). Reset that host; until then no other "
    "master is safe.",
    Reason.BROKEN: "The daemon met a bug in itself and begins this cell anew; report the logged line.",
    Reason.IO_STUCK: "See that the file server of SPOOL is up and reachable from that host.",
    Reason.IO_RESUMED: _NOTHING,
    Reason.SCHEDULER_FAILED: "Start the scheduler by hand on that host to see its error.",
}


def remedy(reason: Reason, spool: str) -> str:
    """Return what to do about a reason in the cell whose spool directory this is."""
    return REMEDIES[reason].replace("SPOOL", spool or "the spool directory")


def remedy_for(word: str, spool: str) -> str:
    """Return what to do about a reason's word; empty for one of another release."""
    return next((remedy(reason, spool) for reason in REMEDIES if reason.value == word), "")
