"""The takeover protocol: decisions only. This docstring is its manual.

One cell on one host is two machines. **Shadow** watches the master's heartbeat and takes over; **Guard**
looks after the master that runs here. Both are driven by the same four calls of ``core.cell.Cell``::

    step(event, now) -> actions      something happened
    tick(now)        -> actions      something is due
    deadline()       -> instant      when tick will have something to do
    snapshot()       -> snapshot     what it thinks, for people

Time is an argument. Nothing in here reads a clock or a file, starts a thread, logs or draws a random
number; a test needs nothing but values. Every action is answered by one event, sooner, later or never.
What must end in time hangs on dates alone: a licence, a launch, a lease. All else waits for its answer, for
without its disk and its processes a cell has nothing to decide; a late answer is dropped (``answers``).

States (``core.table`` has the rows with their reasons; a test compares the two)::

    STANDBY ──▶ STALE ──▶ VERIFYING ──▶ CLAIMING ──▶ ACCOUNTING ──▶ LAUNCHING ──▶ ACTIVE

    STANDBY     -> STALE       silent, death_notice, vacant, asked, asked_move
    STANDBY     -> CLAIMING    restarting, adopting
    STANDBY     -> ACTIVE      attached
    STANDBY     -> LAUNCHING   resumed
    STALE       -> VERIFYING   delay_over, death_notice, vacant, asked, asked_move
    STALE       -> CLAIMING    adopting
    STALE       -> STANDBY     beat_moved, and every refusal of an operator's request
    STALE       -> ACTIVE      attached
    STALE       -> LAUNCHING   resumed
    VERIFYING   -> CLAIMING    all_clear
    VERIFYING   -> STANDBY     beat_moved, master_answers, and every refusal
    CLAIMING    -> ACCOUNTING  won
    CLAIMING    -> STANDBY     lost, claim_unknown, adoption_failed, intruder
    CLAIMING    -> ACTIVE      adopted
    ACCOUNTING  -> LAUNCHING   accounted
    ACCOUNTING  -> STANDBY     guard_silent, notice_failed, fence_failed, and every reason to abandon
    LAUNCHING   -> ACTIVE      confirmed
    LAUNCHING   -> STANDBY     launch_failed, launch_timeout, lock_unknown, notice_failed,
                               and every reason to abandon
    ACTIVE      -> LAUNCHING   resumed
    ACTIVE      -> STANDBY     master_ended, handed_over, moved, shut_down_here, superseded, lease_over,
                               active_changed, foreign_server, epoch_closed, gone_before

The rules, by the numbers that comments all over the package use, and where each lives:

Time
    1.  Silence is a sum over completed reads that show the same beat; an interval longer than two checks
        adds nothing, a reply issued before one already used is dropped, any change is life. ``silence``
    2.  Shadows date a beat late (completion of the first read that shows it), guards date an advance early
        (issue of the latest read that still showed the old value). ``silence``, ``guard``, ``launching``
    3.  Every interval is CLOCK_BOOTTIME of one host, rates may differ by 1 %; no clocks are compared.
        ``values.DRIFT``

Becoming master
    4.  Verify before claiming: lock first, then beat, act_qmaster, shadow list, pause, probe. Whoever answers
        there as a master does is one, and is not replaced. Whoever listens there and does not may be anybody:
        that binds only where nothing accounts for the old master (no guard whose lease is over, no outcome,
        no fence) and no operator asks. A name proves nothing about where "there" is: an address of this host
        is none of another one, and what answers by it is *here*. A host that nobody can ask (no address but
        ours, and none in its record) is doubt, which the same things settle, but no operator. After ``died``
        or ``stepped_down`` (rule 12) nobody is asked. ``watch``, ``memory``, ``adapters.hostaddresses``, and
        the order of reads in ``runtime.executor``
    5.  Bid only when all waiting by time alone is over: delay, leases, windows. ``accounts``, ``eligibility``
    6.  List, then test the licence, then act; a higher number ends the bid. ``bid``
    7.  Account for everyone who might be running, by their windows until they are confirmed and by their
        leases from then on, ``accounts``; whom only time has settled is fenced where
        the cell has a fence, one by one, after all waiting and before the lock. ``fencing``, ``proofs``
    8.  ``launching`` first, then rule 6, then execute; confirm, or stop all of it and close ``failed``.
        Confirmed is our own process: the beat moved, and no other one of this host has the master's port. A
        master that somebody else restarted was quicker then; ours is stopped, and that one adopted (rule 13).
        A launch has a time of its own, however short the lease: what is not confirmed is gone within licence
        and ``launch_timeout`` after its claim, whatever beats, and others wait for the claim's window, which
        is longer, and for a step-down. That bound is kept on this host before ``launching`` is written, and
        the lease, dated early by the beat, takes its place before ``started`` is: whoever dies in between
        leaves what binds to the next daemon, and to the enforcer, which renews neither.
        A claim closed ``failed`` supersedes nobody; one claim, one start. ``bid``, ``launching``, ``ledger``
        After each failure in a row a host waits twice as long, up to ``retry_limit``, and beats that a failed
        launch left behind end no waiting: it spends about one epoch in ``retry_limit``, 144 a day of 600 s;
        as many more at most for masters that end soon after they were confirmed, besides their restarts.
        ``watch``, ``memory``
        For a master that writes no heartbeat the guard beats, and a mark of a shutdown ends it. ``beating``

Guarding
    9.  The master lives while its beat is read back advanced within its lease, or a pause is; the end of a
        pause counts as a beat for every shadow. Pauses are numbered, so that it does so for a host too that
        slept through the pause; one without a number renews no lease. The lease binds before ``started`` is
        written, for whoever lists that waits for it alone. It is kept on this host, and a daemon that starts
        anew enforces it before it reads anything shared; without that record, or where it ran out after the
        daemon had been told to end, its master is on trial. A process of its own enforces it too, for nobody
        else can tell that a guard stands still, least of all on a host that is cut off: while the daemon
        renews nothing, that process does so by the beats of a master that beats by itself, dated as early,
        and not at all where the guard beats.
        ``lease``, ``guard``, ``launching``, ``memory``, ``app.leases``, ``app.enforcer``, ``app.standin``
    10. A higher claim that is not ``failed`` stops the master, and so does the closing of its own epoch. So
        does another host in act_qmaster, read twice, if a master answers there, and there is not here; else
        our name is written again. ``guard``, ``upkeep``
    11. Stopping is KILL: a clean exit would leave the mark of a regular shutdown. Only for a claim with
        reason ``migrate``, and with no lock there, is it TERM, after the notice ``stepping_down``, and the
        mark is taken away: by the next daemon if this one dies in between, which finds it noted beside the
        lease; after a reboot by the notice, as long as no later epoch was confirmed; and by the claimant, if
        it gives up before the old guard was heard of again. ``ending``, ``guard``, ``own``, ``oldguard``
    12. An outcome is written when no process of the epoch is left; ``stopped`` binds without the lock;
        ``died`` and ``stepped_down`` of the last confirmed epoch skip the timers, ``failed`` does not.
        ``ending``, ``own``, ``memory``. A notice that was there at the first listing is old news and hastens
        nothing, nor does one of another host than act_qmaster names, and a beat that moves after an outcome
        overtakes it: somebody started a master by hand. Where servers that no claim started take a lock too
        (TORQUE), a lock that none of them holds is proof as well, once every epoch is closed and the newest
        confirmed one is not ``stopped``: the timers are skipped (``vacant``). An open epoch is waited for
        all the same, for a file server may have dropped its lock; and a server that takes the lock from a
        master of ours replaces it. A master that died is started again here first: the
        new claim comes *before* the old outcome, or every other shadow would skip its timers. ``persistence``
    13. A master that no claim started is adopted, unless the last confirmed epoch is another host's, open,
        and answers: then it is stopped. ``adoption``
    14. A daemon that comes back recognises its master by epoch and nonce, and closes what is left; not while
        its own port answers, or a master that no claim started runs there. ``own``
        A process carries a secret, the claim its hash: nobody outside can make a process that counts as a
        master, and none counts that runs as a user that a master may not run as. A master that no claim
        started must run as such a user too. ``adapters.marks``, ``adapters.resident``
        A claim is this host's by evidence: its own boot id (unless its name leads to another host, for a
        container shares a boot), or its machine id together with its name, or with an older name that leads
        here. So a renamed host knows what it left, and act_qmaster keeps the name that its master was
        started under. ``own``, ``upkeep``
        A clone has the name and the machine id, and another boot. So the newest confirmed epoch of another
        boot is closed only after the beat stood still for two intervals of a living master, which is what a
        reboot costs its death notice; one that was never confirmed, when its window is over; and a master
        that a script started after a reboot is adopted when another machine of this name would have written
        its host record once more. A beat that moves, or a host record that another boot writes, is doubt:
        no outcome but by time, no adoption, no bid, an alarm; unless act_qmaster says a name that was looked
        up and is another host's. A clone beside a host that stands still whole cannot be told from a reboot:
        excluded from the promises. ``otherboot``, ``duplicate``
        An outcome is owed until it is on disk, or until a later epoch was confirmed: whoever closed the claim
        then, nobody asks for it. ``own``
    15. A listing that lost records, or holds another cell's: no bid, alarm; a guard links its own claim
        again. ``memory``, ``eligibility``, ``upkeep``
        A notice carries the nonce of its claim. Without it, it is a doubt: no outcome, no confirmation. A
        number without a readable claim is a doubt too, and supersedes nobody. Nothing is written about a
        claim where another one holds its number. ``ledger``, ``own``, ``adapters.claimreader``
        Only what accounts for nothing is pruned: what stands before the last epoch confirmed by a launch, and
        what was closed ``failed``; never the highest. It needs no success. A number that the others do not
        lead to is a doubt, and counts as nothing else. ``adapters.pruning``, ``adapters.claimnames``
        The directory has an identity, written once before the first claim and remembered on the local disk of
        each host. With another one, without the remembered one, with fewer epochs than remembered, or beneath
        an empty mount point, it is not the cell's: no bid, no notice, no founding, alarm; a guard renews
        nothing, so its master lives until its lease ends. No cell is founded while another host of the list
        answers as master. ``eligibility``, ``guard``, ``adapters.cellidentity``, ``adapters.mounts``

The ancestor's lock
    16. Empty or unknown content: hands off. ``eligibility``, ``bid``. TORQUE's server.lock too: held or
        refreshed by another server, nobody bids; and neither, where a server lives that does not hold it
        although it must, for then that it is free proves nothing.
    17. Ours is a link of a complete file, placed within the licence. ``bid``, ``adapters.lockfile``
    18. Cleared by rename aside, read, link back; a guard clears one that names a claim.
        ``adapters.lockfile``, ``upkeep``

Fitness
    19. A host bids only where it could run the master: program, user and directories are there, and the
        directories that hold the master's data are those that the last master's host sees. Hosts prove that
        to each other by a fresh name that each leaves in such a directory and publishes. What is not known
        prevents nothing. A master that died is not started again on a host that lacks something: the other
        hosts take over at once. ``eligibility``, ``persistence``, ``adapters.hostcheck``
"""
