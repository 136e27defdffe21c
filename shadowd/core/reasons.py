"""Why: one enum that the log, ``status`` and ``check`` all print.

A decision without its reason is a silence, and silence about failover is what this project replaces.
The value is the stable word (for ``--json``, filters and the runbook); ``text`` is for people.
"""

from enum import Enum
from typing import Self


class Reason(Enum):
    """Every reason that a transition, a refusal or an alarm can have."""

    def __new__(cls, word: str, text: str) -> Self:
        """Make the word the value, so that ``Reason("lost")`` works, and keep the text beside it."""
        member = object.__new__(cls)
        member._value_ = word
        member.text = text
        return member

    text: str

    # The life of a bid.
    STARTED = ("started", "the daemon started")
    BEATING = ("beating", "the master's heartbeat moved a moment ago")
    BEAT_MOVED = ("beat_moved", "the heartbeat moved again")
    SILENT = ("silent", "the heartbeat has not moved for stale_after")
    DELAY_OVER = ("delay_over", "the heartbeat has not moved for the whole delay")
    DEATH_NOTICE = ("death_notice", "the master's guard reported its end")
    VACANT = ("vacant", "no other server holds server.lock, and every epoch is closed")
    ASKED = ("asked", "an operator asked for a takeover")
    ASKED_MOVE = ("asked_move", "an operator asked to move the master here")
    RESTARTING = ("restarting", "the master ended and is started anew on its own host")
    ADOPTING = ("adopting", "a master that no claim started runs on this host")
    ADOPTED = ("adopted", "the running master is guarded from now on")
    ADOPTION_FAILED = ("adoption_failed", "the running master could not be adopted")
    ALL_CLEAR = ("all_clear", "nothing speaks against a takeover")
    UNASKED = (
        "unasked",
        "the old master's host could not be asked; its lease, its outcome or a fence accounts for it",
    )
    WON = ("won", "the claim is ours")
    LOST = ("lost", "another host holds the claim")
    CLAIM_UNKNOWN = ("claim_unknown", "nobody could say who holds the claim")
    SUPERSEDED = ("superseded", "a later epoch was claimed")
    ACTIVE_CHANGED = ("active_changed", "act_qmaster names another host now: somebody started a master")
    GUARD_SILENT = ("guard_silent", "the old master's guard did not step down in time")
    LICENCE_OVER = ("licence_over", "the claim's licence ran out before the launch")
    ACCOUNTED = ("accounted", "everyone who might run a master is accounted for")
    CONFIRMED = ("confirmed", "the new master runs and beats")
    RESUMED = ("resumed", "a launch of this host's own epoch was found under way")
    ATTACHED = ("attached", "a master of this host's own epoch was found running")
    LAUNCH_FAILED = ("launch_failed", "the master could not be started")
    LAUNCH_TIMEOUT = ("launch_timeout", "the master was not confirmed within launch_timeout")
    NOTICE_FAILED = ("notice_failed", "a notice could not be written")
    FENCING = ("fencing", "a host that may still run a master is being switched off")
    FENCED = ("fenced", "the host is proved to be off")
    FENCE_FAILED = ("fence_failed", "a host that may still run a master could not be proved to be off")
    FENCE_REFUSED = ("fence_refused", "a host was not switched off, for it may be the wrong one")

    # Why not.
    LOOKING = ("looking", "nothing was read yet")
    CELL_UNREADABLE = ("cell_unreadable", "the claims directory cannot be read")
    CELL_FOREIGN = ("cell_foreign", "the shared directory is not the one that this host knows as the cell's")
    LEDGER_DOUBT = ("ledger_doubt", "the claims directory holds records that are not this cell's")
    LEDGER_SHRANK = ("ledger_shrank", "the claims directory lost records: emptied or restored")
    LOCKED = ("locked", "a lock lies in the spool: regular shutdown, or another shadow at work")
    LOCK_UNKNOWN = ("lock_unknown", "the lock cannot be read")
    BEAT_UNKNOWN = ("beat_unknown", "the heartbeat cannot be read")
    ACTIVE_UNKNOWN = ("active_unknown", "act_qmaster does not name a host that can be found")
    ACTIVE_UNASKED = (
        "active_unasked",
        "the host in act_qmaster could not be asked, and neither a lease nor a fence accounts for it",
    )
    CANNOT_RUN = ("cannot_run", "this host could not run the master")
    NOT_SHARED = ("not_shared", "a directory that the master needs is another one on this host")
    NOT_A_SHADOW = ("not_a_shadow", "this host is not in shadow_masters")
    DUPLICATE_HOST = ("duplicate_host", "another machine serves the cell under this host's name")
    SHADOWS_UNKNOWN = ("shadows_unknown", "shadow_masters cannot be read")
    PAUSED = ("paused", "failover is paused")
    PAUSE_UNKNOWN = ("pause_unknown", "the pause file cannot be read")
    SHUT_DOWN = ("shut_down", "the last master was shut down on purpose")
    RESIDENT = ("resident", "a master of this cell runs on this host already")
    FOREIGN_SERVER = ("foreign_server", "a server that no claim started holds server.lock")
    SERVER_UNLOCKED = ("server_unlocked", "a server runs that does not lock server.lock: wrong lock method")
    SERVER_LOCK_UNKNOWN = ("server_lock_unknown", "server.lock cannot be read")
    NOT_GUARDED = ("not_guarded", "the master has no guard on another host that could step down")
    MASTER_ANSWERS = ("master_answers", "the master answers although its heartbeat stands still")
    LISTENS = ("listens", "somebody listens on the old master's port and does not answer as a master does")
    LEASE_RUNS = ("lease_runs", "the old master's lease has not ended yet")
    WINDOW_OPEN = ("window_open", "another host's claim is still open")
    BACKING_OFF = ("backing_off", "the last attempt failed; the next one waits")
    OWES_OUTCOME = ("owes_outcome", "the outcome of our own last epoch is not on disk yet")

    # The guard.
    GUARDING = ("guarding", "the master of this host is looked after")
    GONE_BEFORE = ("gone_before", "nothing of what an earlier daemon guarded runs here any more")
    LEASE_OVER = ("lease_over", "the master's beat was not seen to advance within its lease")
    MASTER_ENDED = ("master_ended", "the master's process ended")
    HANDED_OVER = ("handed_over", "the master ended in an orderly way; a standby takes over")
    MOVED = ("moved", "the master ended in an orderly way: it moves to another host")
    SHUT_DOWN_HERE = ("shut_down_here", "the master was shut down in an orderly way")
    EPOCH_CLOSED = ("epoch_closed", "the epoch was closed although its master runs")
    RECORDS_LOST = ("records_lost", "the claims directory lost the running master's records")
    RECORDS_BACK = ("records_back", "the running master's records were written again")
    NAMED_AGAIN = ("named_again", "act_qmaster named a host without a master, and was written again")
    NAMED_OTHERWISE = (
        "named_otherwise",
        "act_qmaster named this host by another name, and was written again",
    )
    NAME_UNWRITTEN = ("name_unwritten", "act_qmaster names another host, and cannot be written")
    INTRUDER = ("intruder", "a second master was started on this host, and is stopped")
    UNKILLABLE = ("unkillable", "processes of the old master do not die")
    SCHEDULER_ENDED = ("scheduler_ended", "the scheduler ended alone and is started anew")
    SCHEDULER_FAILED = ("scheduler_failed", "the scheduler could not be started")

    BEAT_UNWRITTEN = ("beat_unwritten", "the heartbeat of the master here cannot be written")
    HEALTHY = ("healthy", "the health command passes again")
    UNHEALTHY = ("unhealthy", "the health command failed too often: no beat is written any more")

    # The daemon.
    BROKEN = ("broken", "an internal error: this cell begins anew")
    IO_STUCK = ("io_stuck", "a call does not return")
    IO_RESUMED = ("io_resumed", "the call that hung has returned")
