"""What to do at 3 a.m., for every reason there is.

The reader is tired, perhaps new, and root. So each text is an instruction or says that none is needed,
names the file or command, and never advises to delete a claim. ``SPOOL`` stands for the cell's spool
directory. This module refuses to advise anything that could make a second master.
"""

import re

from shadowd.core.reasons import Reason

START = (
    "Start it: /etc/init.d/sgemaster start -shadowd (under systemd: systemctl start shadowd). If it does not "
    "stay, its log says why: /var/log/shadowd/shadowd.log (journalctl -u shadowd)."
)
RESTART = "Restart it: /etc/init.d/sgemaster restart -shadowd (under systemd: systemctl restart shadowd)."
STATUS = (
    "Is that host up? There: /etc/init.d/sgemaster status -shadowd (under systemd: systemctl status "
    "shadowd), then shadowd status."
)
START_GUARD = "Run shadowd on the master's host too: its guard stops a master that was replaced."
HAND_OVER = (
    "It is as safe as with sge_shadowd. To have the master guarded run shadowd on its host: it takes a "
    'running master into care (RUNBOOK.md, "Adopting beside a running sge_shadowd").'
)

_FILE = re.compile(r"SPOOL/([\w./]*\w)")
_NOTHING = "Nothing to do."
_WAIT = "Wait: it goes on by itself."
_ELSEWHERE = "Nothing to do here: look at the host that holds the claim."
_WRITABLE = "See that SPOOL/shadowd/DIR can be written from that host: space, rights, mount. Then it goes on."
_LOGS = "Read SPOOL/messages and, on that host, the *.master.log in /var/log/shadowd."
_BY_HAND = (
    "Where a fence is required no master starts without it. If you have switched that host off with your own "
    'hands: RUNBOOK.md, "When a fence fails".'
)
_KILL = "kill -KILL it, never TERM: a clean exit would leave a lock and switch failover off."

REMEDIES: dict[Reason, str] = {
    Reason.STARTED: _NOTHING,
    Reason.BEATING: "Nothing to do. If that master shall end: sgemaster stop on its host, or sgemaster "
    "-migrate on the new one.",
    Reason.BEAT_MOVED: _NOTHING,
    Reason.SILENT: "Look at the master's host: is the master running, can it write SPOOL/heartbeat?",
    Reason.DELAY_OVER: _WAIT,
    Reason.DEATH_NOTICE: _WAIT,
    Reason.VACANT: _WAIT,
    Reason.ASKED: _NOTHING,
    Reason.ASKED_MOVE: _NOTHING,
    Reason.RESTARTING: "Wait: it is started again here. Find out why it ended: SPOOL/messages, core files.",
    Reason.ADOPTING: _WAIT,
    Reason.ADOPTED: _NOTHING,
    Reason.ADOPTION_FAILED: "It is tried again by itself. See that SPOOL/shadowd can be written from that "
    "host, and that the hosts of the cell have addresses (getent hosts).",
    Reason.ALL_CLEAR: _WAIT,
    Reason.UNASKED: "Wait: it goes on by itself. shadowd check says what is wrong with the name.",
    Reason.WON: _WAIT,
    Reason.LOST: _ELSEWHERE,
    Reason.CLAIM_UNKNOWN: _WRITABLE.replace("DIR", "claims"),
    Reason.SUPERSEDED: _ELSEWHERE,
    Reason.ACTIVE_CHANGED: "See who started a master on the host that act_qmaster names, and decide which "
    f"master is right. The other one: {_KILL}",
    Reason.GUARD_SILENT: "See that shadowd runs on the old master's host and can read SPOOL/shadowd; then "
    "shadowd migrate again. A master without a guard is moved by sgemaster -migrate.",
    Reason.LICENCE_OVER: "It bids again by itself. If it recurs, the file server or fence command is slow.",
    Reason.ACCOUNTED: _WAIT,
    Reason.CONFIRMED: "Nothing to do now. Find out why the old master ended before its host serves again.",
    Reason.RESUMED: _WAIT,
    Reason.ATTACHED: _NOTHING,
    Reason.LAUNCH_FAILED: "It is tried again by itself. On that host: is sge_qmaster in binary_path, is its "
    f"port free (ss -ltnp)? {_LOGS} Or, on a healthy shadow host: shadowd takeover",
    Reason.LAUNCH_TIMEOUT: f"It is tried again by itself. {_LOGS} A large spool may need a longer "
    "launch_timeout.",
    Reason.NOTICE_FAILED: _WRITABLE.replace("DIR", "notices"),
    Reason.FENCING: _WAIT,
    Reason.FENCED: "Nothing to do now. Find out why its master ended before you switch that host on again.",
    Reason.FENCE_FAILED: f"See what the agent said, then try it: shadowd check --fence. {_BY_HAND}",
    Reason.FENCE_REFUSED: "Nothing where that host holds a later claim: it is to be master. Else see that "
    "this host's name is not another's, too (host_aliases).",
    Reason.LOOKING: "Wait for the first check. If it stays, the reads of SPOOL do not come back.",
    Reason.CELL_UNREADABLE: "See that SPOOL/shadowd/claims can be listed from that host: mounted, rights.",
    Reason.CELL_FOREIGN: "Mount on that host the file system that holds the cell, and write nothing into the "
    "place before. To accept another directory after a restore, remove the file that the detail names.",
    Reason.LEDGER_DOUBT: "Move the named files out of SPOOL/shadowd/claims and notices once you know whose "
    "they are; never a numbered claim of this cell. If a newer release wrote them, upgrade this host.",
    Reason.LEDGER_SHRANK: "Restore SPOOL/shadowd from before, or restart shadowd on every host, the master's "
    "first, when you are sure that exactly one master runs.",
    Reason.LOCKED: "After a shutdown: sgemaster start. If nobody shut it down and no sge_shadowd is at work, "
    "remove SPOOL/lock.",
    Reason.LOCK_UNKNOWN: "See what SPOOL/lock is (ls -ld): it must be absent or a small regular file.",
    Reason.BEAT_UNKNOWN: "See that SPOOL/heartbeat is a small file with one number and can be read from that "
    "host. A running master writes it again within a minute; without a master: sgemaster start.",
    Reason.ACTIVE_UNKNOWN: "Empty for a moment while a master starts is normal. Else write the master's host "
    "name into act_qmaster in the cell's common directory, and see that it has an address (getent hosts).",
    Reason.ACTIVE_UNASKED: "Give that host its own address on this host: /etc/hosts, DNS, or addresses below "
    "[cell.probe]. If you are sure that no master runs there, write this host's name into act_qmaster. "
    "shadowd check names the line that is wrong.",
    Reason.NOT_A_SHADOW: "Add the host to shadow_masters in the cell's common directory if it is to serve; "
    "if it is there, see observer in its configuration.",
    Reason.CANNOT_RUN: "There install, mount or make what is named, or correct where it is sought "
    "(bootstrap, SGE_ARCH, launch in the configuration). It is looked at again by itself.",
    Reason.NOT_SHARED: "Mount the same file system in the same place on all hosts (findmnt -T tells what "
    "each has), or move the data to where all see it. A copy will not do: it has old jobs, or none.",
    Reason.SHADOWS_UNKNOWN: "Put the shadow hosts, one a line, into shadow_masters in the cell's common "
    "directory.",
    Reason.PAUSED: "When the maintenance is over: shadowd resume",
    Reason.PAUSE_UNKNOWN: "shadowd resume removes SPOOL/shadowd/pause.json, whatever is in it; shadowd pause "
    "writes a sound one.",
    Reason.SHUT_DOWN: "If it was not meant: sgemaster start on the master's host; or, once no SPOOL/lock "
    "lies there, on a shadow host: shadowd takeover",
    Reason.RESIDENT: "Nothing to do where act_qmaster names that host. Else this master is an intruder that "
    f"may write into SPOOL: {_KILL}",
    Reason.FOREIGN_SERVER: "Nothing as long as a pbs_server --ha is meant to serve: when it ends, a host of "
    "the cell takes over by itself. Else end it on its host (qterm), which may be any that mounts SPOOL.",
    Reason.SERVER_UNLOCKED: 'Set lock = "lease" in the configuration of every host and reload shadowd there: '
    "no pbs_server after release 2.3 locks that file, so the method fcntl tells nothing of it.",
    Reason.SERVER_LOCK_UNKNOWN: "See that SPOOL/server.lock can be read from that host: rights, mount. "
    "While it is held and empty nobody can say whose it is: pgrep -a pbs_server.",
    Reason.NOT_GUARDED: "Move it with sgemaster -migrate; or run shadowd on the master's host, which takes "
    "the running master into care by itself, and then shadowd migrate.",
    Reason.MASTER_ANSWERS: "On the master's host find out why it does not write SPOOL/heartbeat: disk full, "
    "rights, hung mount, frozen in part? If it is useless: sgemaster restart there.",
    Reason.LISTENS: "On the old master's host see who listens on its port (ss -ltnp). A master that is not "
    "well: end it. Anybody else: shadowd takeover, on a healthy shadow host, passes over him.",
    Reason.LEASE_RUNS: _WAIT,
    Reason.WINDOW_OPEN: _WAIT,
    Reason.BACKING_OFF: "It tries again by itself at that time; shadowd takeover does not wait for it. Find "
    f"out why it failed. {_LOGS}",
    Reason.OWES_OUTCOME: _WRITABLE.replace("DIR", "notices"),
    Reason.GUARDING: _NOTHING,
    Reason.LEASE_OVER: "See why SPOOL could not be read or written from the master's host: network, file "
    "server, frozen host. The shadows take over by themselves.",
    Reason.MASTER_ENDED: "A shadow takes over by itself. Read SPOOL/messages for the cause; also core "
    "files and dmesg.",
    Reason.HANDED_OVER: "Nothing: somebody ended it in order, and a standby takes over by itself.",
    Reason.MOVED: _NOTHING,
    Reason.SHUT_DOWN_HERE: "When it shall run again: sgemaster start.",
    Reason.GONE_BEFORE: _NOTHING,
    Reason.EPOCH_CLOSED: "See which host wrote the notice, and why: two machines of one name? The "
    "shadows take over by themselves.",
    Reason.RECORDS_LOST: "See who emptied or restored SPOOL/shadowd. The guard writes its own records again; "
    "if that fails: space, rights, mount.",
    Reason.RECORDS_BACK: _NOTHING,
    Reason.NAMED_AGAIN: "See who wrote act_qmaster: a thawed old master, or a person. Nothing else to do.",
    Reason.NAMED_OTHERWISE: "See who wrote act_qmaster: a script or a person that knows this host by another "
    "name. Nothing else to do.",
    Reason.NAME_UNWRITTEN: "See why the named file cannot be written by the cell's owner (ls -l, links, "
    "rights, space). Clients go to the host that it names until then; the guard tries again by itself.",
    Reason.DUPLICATE_HOST: "Switch the clone off, or give it a name, a machine id and addresses of its own; "
    "where host_aliases makes two hosts one, correct it. Which of them runs the master tells pgrep -a there.",
    Reason.INTRUDER: "See who started a master there while another one serves. It is stopped by itself.",
    Reason.UNKILLABLE: "Processes hang in the kernel (ps: state D). Reset that host; until then no other "
    "master is safe.",
    Reason.SCHEDULER_ENDED: "Nothing to do now. Find out why it ended: the pair's log.",
    Reason.SCHEDULER_FAILED: "Start the scheduler by hand on that host to see its error.",
    Reason.BEAT_UNWRITTEN: "See that SPOOL/heartbeat can be written from that host: space, rights, mount. "
    "Without beats the master is stopped when its lease is over.",
    Reason.HEALTHY: _NOTHING,
    Reason.UNHEALTHY: "Run the command of [cell.health] on that host to see what it says. If it does not "
    "pass again the master is stopped when its lease is over, and another host takes over by itself.",
    Reason.BROKEN: "The daemon met a bug in itself and begins this cell anew. Keep the logged line "
    "for a report.",
    Reason.IO_STUCK: "The line says what hangs. The shared directory: see that the file server of SPOOL is "
    "up and reachable from that host (timeout 10 ls SPOOL; dmesg). The network: name service. Anything else: "
    "that host's own disk and load.",
    Reason.IO_RESUMED: _NOTHING,
}


def remedy(reason: Reason, spool: str) -> str:
    """Return what to do about a reason in the cell whose spool directory this is; empty: not known."""
    text = REMEDIES[reason]
    if not spool:
        text = _FILE.sub(r"\1 in the spool directory", text)
    return text.replace("SPOOL", spool or "the spool directory")


def remedy_for(word: str, spool: str) -> str:
    """Return what to do about a reason's word; empty for one of another release."""
    return next((remedy(reason, spool) for reason in REMEDIES if reason.value == word), "")
