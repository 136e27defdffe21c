/*
 * The takeover protocol as a model for spin: claim, lock and guard, searched exhaustively.
 *
 * One old master with its guard (host OLD, epoch 1) and two shadows that may take over (A and B). Each
 * shadow's daemon runs the same text: watch, claim, account, lock, announce, look, launch, confirm, guard,
 * come back after a crash. Any daemon may be arbitrarily slow between any two steps, lose the reply of a
 * link, or crash; any master may die, get stuck, or be frozen and thawed with its host.
 *
 * Rules in here (numbers as in shadowd/core/__init__.py), with the switch that drops each:
 *     2      the guard dates an advance early, however late it read it            -DLATE_DATING
 *     5, 7   bid and launch only when everyone who might run is accounted for     -DNO_ACCOUNTS
 *     6      list, test the licence, act: after the claim and before the launch   -DNO_RELIST
 *     7      a claim that was not confirmed is settled by its window              -DNO_WINDOW
 *     8      a launch that is not confirmed is over within its claim's window      -DNO_LAUNCH_BOUND
 *     8, 12  an outcome is written when no process of the epoch is left           -DEARLY_OUTCOME
 *     9      an expired lease stops the master                                    -DNO_LEASE
 *     9      a daemon that comes back enforces the lease it had                   -DNO_LEASE_FILE
 *     9      an expired lease is never renewed                                    -DRENEW_EXPIRED
 *     9      the lease binds before started is written, not only afterwards       -DLATE_LEASE
 *     10     a higher claim that is not failed stops the master                   -DNO_SUPERSEDED
 *     17     whoever reads its own nonce back holds the claim or lock, no other   -DNO_NONCE_CHECK
 * Rule 14 (a daemon that comes back closes its open claims or looks after their master again) and rule 18
 * (a lock that names a claim is cleared, one of a lower epoch replaced) are in here without a switch. The notice
 * ``launching`` settles nothing in here: only how long a stop may take depends on it (rule 7).
 *
 * Promised (PROTOCOL.md, "Promises, exactly"):
 *     P1  never two masters that both run. A frozen one does not, and between its thaw and the first step
 *         of its guard it is excluded by name ("a host that is frozen whole").
 *     P2  when everything has come to rest, at most one master lives.
 *     P3  when everything has come to rest, a master runs, if a shadow is up and an epoch number is left:
 *         nobody who crashed blocks the others for ever.
 * With -DASYNCHRONOUS nothing at all is assumed about speed ("frozen between the last test and exec", "a
 * guard stopped longer than a lease": both excluded from P1), and P2 and P3 must still hold.
 *
 * Time is order. Signs of life (claims, beats) are numbered as they happen, and two hands follow them, as far
 * behind as the parameters promise; that is all that is assumed of clocks:
 *     win   epochs whose window is over for anybody. By then its licence was over for its holder, which is
 *           past its exec or will never come to it, and past its launch (W >= L + launch_timeout + drift): what
 *           was not confirmed is ended by then, by its daemon or by the enforcer of its host.
 *     over  signs from which anybody else may count a lease as over. By then a guard that is awake and dates
 *           its lease by such a sign has stopped its master (lease + drift + step-down).
 * So a licence may be over from the moment that win is one behind, and a lease from where over is.
 *
 * Two worlds keep the search short: the old master's host has one trouble of any kind and the shadows have none
 * (-DFAULTS=0), or it is dead from the start and the shadows have one (-DOLD_DEAD). Both at once, by default, is
 * a matter of hours and gigabytes.
 *
 * Abstracted: a listing is one atomic step, as is each read; a record is complete when it is there (link of
 * a private file). Waiting for silence beyond the lease, back-off and the probe only ever delay a bid.
 * Out of scope: regular shutdown and what lies in lock meanwhile (rules 12, 16 and 18), adoption, fencing, pause, pruning,
 * a restored directory, and hosts whose parameters differ.
 */

#define OLD 0
#define A 1
#define B 2
#define HOSTS 3

#ifndef EPOCHS
#define EPOCHS 3
#endif
#ifndef FAULTS
#define FAULTS 1
#endif
#ifndef BEATS
#define BEATS 1
#endif

#define BIT(e) (1 << (e))

/* --- the shared directory ------------------------------------------------------------------------ */
byte claim[6];   /* whose nonce lies there: host + 1 */
byte hi = 1;              /* the highest epoch */
byte launching = BIT(1), started = BIT(1), closed, failed; /* notices, a bit an epoch; failed are closed too */
byte beat = 1;            /* the heartbeat: the number of the sign that wrote it last */
byte lock;                /* 0, or epoch * 4 + host of the claim it names */

/* --- time ---------------------------------------------------------------------------------------- */
byte life = 1;            /* signs of life so far */
byte csign[6];   /* the sign that each claim was */
byte win = 1, over;

/* --- hosts ----------------------------------------------------------------------------------------- */
bool up[HOSTS] = true;    /* its daemon */
bool gone[HOSTS];         /* crashed for good */
bool frozen[HOSTS];
bool thawing[HOSTS];      /* thawed, and its daemon made no step yet */
bool sick[HOSTS];         /* its beat will not be read back advanced any more: stuck, or cut off */
byte stage[HOSTS];        /* its master: 0 none, 1 executed, 2 beaten, 3 has unlinked the lock: runs */
byte epoch[HOSTS];        /* of that master; without one, its daemon is between its last test and exec */
byte first[HOSTS];        /* the sign that was its first beat */
byte lease[HOSTS];        /* the sign that its guard dates its lease by */
bool confirmed[HOSTS];    /* its lease binds; before, its launch is bounded by launch_timeout */
bool resumed[HOSTS];      /* launched in an earlier life of the daemon */
bool dead[HOSTS];         /* its daemon is down, and its variables are forgotten */

byte troubles = 1, faults = FAULTS, beats = BEATS; /* left: of the old master's host; of the shadows'; beats */

#define RUNS(h) (stage[h] && !frozen[h] && !thawing[h])
#ifdef ASYNCHRONOUS
#define ONE_MASTER true
#else
#define ONE_MASTER (RUNS(OLD) + RUNS(A) + RUNS(B) <= 1)
#endif
#define ALIVE ((stage[OLD] > 0) + (stage[A] > 0) + (stage[B] > 0))
#define REIGNS(h) (stage[h] == 3 && confirmed[h] && up[h])

/* --- the daemon ------------------------------------------------------------------------------------ */
#define GO (up[me] && !frozen[me])

/* One round: a listing and the beat. What follows is judged by it, however old it is by then. */
#define LOOK l_hi = hi; l_launching = launching; l_started = started; l_closed = closed; seen = beat
#define NEWS (l_hi != hi || l_launching != launching || l_started != started || l_closed != closed || seen != beat)
#define FORGET l_hi = 0; l_launching = 0; l_started = 0; l_closed = 0; seen = 0

#ifdef NO_SUPERSEDED
#define SUPERSEDED false
#else
#define SUPERSEDED (((BIT(hi + 1) - 1) & ~failed) >> (n + 1))
#endif

/* Rule 7: the last confirmed epoch and all later ones, by outcome or by time as the claims state it. */
#define SUSPECT(e, la, st, cl, top) (e <= top && e != n && !(cl & BIT(e)) && !(st >> (e + 1)))
#define LEASE_OVER(e, last) (over >= csign[e] && over >= last)
#define SETTLED(e, la, st, cl, top, last) (!SUSPECT(e, la, st, cl, top) || ((st & BIT(e)) \
    -> LEASE_OVER(e, last) : WINDOW_OVER(e)))
#ifdef NO_WINDOW
#define WINDOW_OVER(e) false
#else
#define WINDOW_OVER(e) (win >= e)
#endif
#define ALL_SETTLED(la, st, cl, top, last) (SETTLED(1, la, st, cl, top, last) && \
    SETTLED(2, la, st, cl, top, last) && SETTLED(3, la, st, cl, top, last) && SETTLED(4, la, st, cl, top, last))
#ifdef NO_ACCOUNTS
#define ELIGIBLE true
#define ACCOUNTED true
#else
#define ELIGIBLE ALL_SETTLED(launching, started, closed, hi, beat)
#define ACCOUNTED ALL_SETTLED(l_launching, l_started, l_closed, l_hi, seen)
#endif

#define MINE (n * 4 + me)
#ifdef NO_REPLACING
#define REPLACEABLE (lock == 0)
#else
#define REPLACEABLE (lock / 4 < n)
#endif
#ifdef NO_NONCE_CHECK
#define HOLDS_CLAIM true
#define HOLDS_LOCK (lock / 4 == n)
#else
#define HOLDS_CLAIM (claim[n] == me + 1)
#define HOLDS_LOCK (lock == MINE)
#endif

#ifdef NO_RELIST
#define MOVED false
#define GUARD_ANSWERED true
#else
#define MOVED (seen != verified && !GUARD_ANSWERED)
#define GUARD_ANSWERED (guarded && (l_closed & BIT(guarded)))
#endif
#define OPEN_HERE (OWN_OPEN(1) -> 1 : (OWN_OPEN(2) -> 2 : (OWN_OPEN(3) -> 3 : (OWN_OPEN(4) -> 4 : 0))))
#define CLOSE closed = closed | BIT(n); failed = ((started & BIT(n)) -> failed : failed | BIT(n))
#define RESET n = 0; verified = 0; guarded = 0; placed = false; FORGET
#define END_MASTER(h) stage[h] = 0; epoch[h] = 0; first[h] = 0; lease[h] = 0; sick[h] = false; \
    thawing[h] = false; resumed[h] = false; confirmed[h] = false
#define OWN_OPEN(e) (claim[e] == me + 1 && !(closed & BIT(e)))
#define LAST_CONFIRMED (started & BIT(4) -> 4 : (started & BIT(3) -> 3 : (started & BIT(2) -> 2 : 1)))
#ifdef NO_RELIST
#define MAY_GO_ON(found) true
#define MAY_END(found) false
#else
#define MAY_GO_ON(found) (!(found) && win < n)
#define MAY_END(found) ((found) || win + 1 >= n)
#endif
#ifdef NO_LEASE
#define EXPIRED false
#define MAY_EXPIRE false
#else
#define EXPIRED (over >= lease[me])
#define MAY_EXPIRE (EXPIRED || (sick[me] && over + 1 >= lease[me]))
#endif
#ifdef NO_LEASE_FILE
#define COUNT_ANEW lease[me] = life + 1
#else
#define COUNT_ANEW skip
#endif
#define UNDER_LEASE confirmed[me] = true; resumed[me] = false; \
    lease[me] = (first[me] -> first[me] : lease[me]); first[me] = 0
#ifdef NO_LAUNCH_BOUND
#define LAUNCH_OVER false
#elif defined(NO_LEASE_FILE)
#define LAUNCH_OVER (stage[me] && !resumed[me] && win >= n)
#else
#define LAUNCH_OVER (stage[me] && win >= n)
#endif
#ifdef RENEW_EXPIRED
#define RENEWS true
#else
#define RENEWS (!EXPIRED)
#endif
#ifdef LATE_DATING
#define DATE (thawing[me] -> life + 1 : beat)
#else
#define DATE beat
#endif
#ifdef NO_LEASE
#define LEASE_DATE(h) 255
#else
#define LEASE_DATE(h) lease[h]
#endif

proctype Daemon(byte me) {
    byte n;        /* the epoch it bids for, or holds */
    byte verified; /* Verified.beat: another beat ends the bid */
    byte guarded;  /* Verified.guarded: the open epoch whose guard our claim may move */
    byte seen;     /* the beat as read last */
    byte l_hi, l_launching, l_started, l_closed;
    bool placed;   /* its lock */

    do
    :: {
        up[me];

rest: /* rule 14: what is left open here is closed, or its master is looked after again */
        if
        :: atomic { GO && OPEN_HERE ->
            n = OPEN_HERE;
            if
            :: stage[me] && (started & BIT(n)) -> COUNT_ANEW; goto guard
            :: stage[me] && !(started & BIT(n)) -> COUNT_ANEW; placed = true; goto confirm
            :: !stage[me] -> goto close
            fi }
        /* Rules 4 and 5: bid when nothing speaks against it. OLD is no shadow. */
        :: atomic { GO && me != OLD && !OPEN_HERE && hi < EPOCHS && ELIGIBLE ->
            verified = beat;
            guarded = LAST_CONFIRMED;
            guarded = ((closed & BIT(guarded)) -> 0 : guarded);
            n = hi + 1 }
        fi;

        /* Whoever wins epoch 2 is called A: by symmetry this loses nothing.
           The claim: one link. Its reply may be lost, so what lies there is read back; that may fail as well. */
        atomic { GO && (me == A || claim[2]) ->
            if
            :: !claim[n] -> claim[n] = me + 1; hi = n; life++; csign[n] = life
            :: else
            fi;
            if
            :: HOLDS_CLAIM
            :: !HOLDS_CLAIM -> RESET; goto rest
            :: faults && HOLDS_CLAIM -> faults--; RESET; goto rest
            fi };

account: /* rules 6 and 7: list, test, act */
        atomic { GO -> LOOK };
        if
        :: atomic { GO && MAY_END(l_hi > n) -> goto give_up }
        :: atomic { GO && MAY_GO_ON(l_hi > n) && ACCOUNTED && (seen == verified || GUARD_ANSWERED) ->
            if :: seen != verified -> verified = seen :: else fi;
            guarded = 0;
            FORGET;
            /* The lock is born complete; one of a lower epoch is replaced (rules 17 and 18). */
            if :: REPLACEABLE -> lock = MINE :: else fi;
            placed = HOLDS_LOCK;
            if :: !placed -> goto give_up :: else fi }
        :: atomic { GO && NEWS -> goto account }
        :: atomic { GO && MOVED && !NEWS -> goto give_up } /* the guard said nothing within step_down_timeout */
        fi;

        atomic { GO -> launching = launching | BIT(n) };
        /* The last look (rules 6 and 8): list, read, test; then act. */
        if
        :: atomic { GO && MAY_END(hi > n || !HOLDS_LOCK || beat != verified) -> goto give_up }
        :: atomic { GO && MAY_GO_ON(hi > n || !HOLDS_LOCK || beat != verified) -> epoch[me] = n }
        fi;
        atomic { GO -> stage[me] = 1; lease[me] = csign[n]; assert(ONE_MASTER) };

confirm: /* rule 8: it lives, the beat moved, the lock is gone, and there is no higher claim */
        do
        :: atomic { GO && LAUNCH_OVER -> goto stop_launch }
        :: atomic { GO && thawing[me] && !LAUNCH_OVER -> thawing[me] = false; assert(ONE_MASTER) }
        :: atomic { GO && !thawing[me] && SUPERSEDED -> goto stop_launch }
        :: atomic { GO && !thawing[me] && stage[me] == 3 && beat != verified && !lock && !SUPERSEDED ->
#ifndef LATE_LEASE
            UNDER_LEASE;
            if :: EXPIRED -> goto stop_launch :: else fi;
#endif
            break }
        :: atomic { GO && (!stage[me] || win + 1 >= n) -> goto stop_launch } /* it ended, or took too long */
        od;
        atomic { GO -> started = started | BIT(n) };
        if
        :: atomic { GO && (win + 1 >= n || confirmed[me] && MAY_EXPIRE) -> goto stop_launch }
        :: atomic { GO -> UNDER_LEASE; verified = 0; placed = false }
        fi;

guard: /* rules 9, 10 and 18 */
        do
        :: atomic { GO && stage[me] && MAY_EXPIRE -> goto step_down }
        :: atomic { GO && thawing[me] && !EXPIRED -> thawing[me] = false; assert(ONE_MASTER) }
        :: atomic { GO && !thawing[me] && SUPERSEDED -> goto step_down }
        :: atomic { GO && !sick[me] && stage[me] && beat > lease[me] && RENEWS -> lease[me] = DATE;
            thawing[me] = false; assert(ONE_MASTER) }
        :: atomic { GO && !thawing[me] && lock -> lock = 0 }
        :: atomic { GO && !stage[me] -> goto close }
        od;

stop_launch:
step_down: /* rules 11 and 12: by KILL, and the outcome afterwards */
#ifdef EARLY_OUTCOME
        atomic { GO -> CLOSE };
#endif
        atomic { GO -> END_MASTER(me) };

give_up: /* rules 8 and 18; what was confirmed by its guard is closed as died, all else as failed */
close:
        atomic { GO -> if :: placed -> lock = 0 :: else fi; CLOSE; END_MASTER(me) };

                } unless { atomic { !up[me] -> RESET; dead[me] = true }; atomic { up[me] -> dead[me] = false } }
    od
}

/* --- everything else ------------------------------------------------------------------------------- */

#define AWAKE(h) (!frozen[h] && !thawing[h])
#ifdef ASYNCHRONOUS
#define DONE_BY_WINDOW(h) true
#define DONE_BY_LEASE(h) (REIGNS(h) && !sick[h] && AWAKE(h) -> lease[h] > over + 1 : true)
#else
#ifdef NO_LAUNCH_BOUND
#define BOUND(h) false
#else
#define BOUND(h) (AWAKE(h) && !(started & BIT(epoch[h])))
#endif
#define DONE_BY_WINDOW(h) (epoch[h] != win + 1 || (stage[h] && !BOUND(h)))
#define DONE_BY_LEASE(h) (stage[h] && AWAKE(h) && confirmed[h] -> LEASE_DATE(h) > over + 1 : true)
#endif

#define CRASH(h) up[h] = false; epoch[h] = (stage[h] -> epoch[h] : 0)
#define WORLD(h, left) \
    :: d_step { stage[h] == 1 && !frozen[h] -> life++; beat = life; first[h] = life; stage[h] = 2 } \
    :: d_step { stage[h] == 2 && !frozen[h] -> lock = 0; stage[h] = 3 } \
    :: d_step { stage[h] == 3 && !frozen[h] && !sick[h] && beats -> beats--; life++; beat = life } \
    :: d_step { left && stage[h] && !frozen[h] && !thawing[h] -> left--; frozen[h] = true } \
    :: d_step { frozen[h] -> frozen[h] = false; thawing[h] = true } \
    :: d_step { left && stage[h] == 3 && confirmed[h] && !sick[h] -> left--; sick[h] = true } \
    :: d_step { left && stage[h] -> left--; END_MASTER(h); frozen[h] = false } \
    :: atomic { left && up[h] -> left--; CRASH(h); END_MASTER(h); frozen[h] = false; \
        if :: (h != A || claim[2]) -> gone[h] = true :: true fi } \
    :: d_step { left && up[h] && !frozen[h] && stage[h] -> left--; CRASH(h) } \
    :: d_step { dead[h] && !up[h] && !gone[h] -> resumed[h] = (stage[h] && !confirmed[h]); up[h] = true }

active proctype World() {
    claim[1] = OLD + 1; csign[1] = 1;
    stage[OLD] = 3; epoch[OLD] = 1; lease[OLD] = 1; confirmed[OLD] = true;
#ifdef OLD_DEAD
    troubles = 0; beats = 0; up[OLD] = false; gone[OLD] = true; END_MASTER(OLD);
#endif
    run Daemon(OLD); run Daemon(A); run Daemon(B);
    do
    :: d_step { win < hi && DONE_BY_WINDOW(OLD) && DONE_BY_WINDOW(A) && DONE_BY_WINDOW(B) -> win++ }
    :: d_step { over < life && DONE_BY_LEASE(OLD) && DONE_BY_LEASE(A) && DONE_BY_LEASE(B) -> over++ }
    WORLD(OLD, troubles)
    WORLD(A, faults)
    WORLD(B, faults)
    :: timeout ->
        assert(ALIVE <= 1);
        assert(REIGNS(OLD) || REIGNS(A) || REIGNS(B) || hi == EPOCHS || (gone[A] && gone[B]));
        break
    od
}
