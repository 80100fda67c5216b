/*
 * The cutover of one shard, for spin: docs/cutover.md says what it proves.
 *
 *    operator ──▶ migration ◀── migrator ── late ──▶ node ◀── router ◀ client
 *                 record    ◀── migrator      ▲        ▲         │
 *                    └──────────── table ─────┼────────┼─────────┘
 *                                             └ a message may arrive late, or
 *                                               twice, or its answer never
 *
 * A node is its role, its epoch and the set of writes it has.  The steps of
 * a migrator are those of migrator/step_cutover.c, step_drain.c and
 * step_rollback.c, each request one step: between any two the other
 * migrator, a router or the network may do anything, which is also what a
 * process stopped there sees.
 */

#ifndef WRITES
#define WRITES  2           /* of clients */
#endif
#ifndef MOVES
#define MOVES   2           /* there and back, or again after a rollback */
#endif
#ifndef CLAIMS
#define CLAIMS  3           /* how often a migrator takes the shard */
#endif
#ifndef FAULTS
#define FAULTS  2           /* requests late, or without an answer */
#endif
#ifndef CUTS
#define CUTS    1           /* router 1 loses the store, with its table */
#endif
#ifndef DEATHS
#define DEATHS  1           /* router 0's worker, with a write on its way */
#endif

#define NONE     0          /* roles, in the order they have in an epoch */
#define STANDBY  1
#define PRIMARY  2

#define BIT(w)   (1 << (w))

mtype = { COPY, HOLD, DRAIN, SYNC, VERIFY, COMMIT, RELEASE, DONE,
          BACK, BACKED,
          ok, refused, fenced, conflict, lost,
          role_m, ship_m, copy_m, commit_m };

#define TERMINAL(p)  (p == DONE || p == BACKED)
#define ABORTS(p)    (p != DONE && p != BACKED && p != BACK \
                      && p != RELEASE && p != COMMIT)
#define DRAINED(i)   (silent[i] || (r_version[i] >= hold_version && w_state[i] == 0))

#define OP_HOLD     0       /* operation ids of a migration */
#define OP_COMMIT   1
#define OP_RELEASE  2
#define OP_FREE     3
#define OP_ABANDON  4       /* mutants' only */

/* the store: the shard's record, the migration, the claim */

byte   version = 1, epoch = 1, owner = 0, standby = 2, holds = 0;
byte   move = 0, from, base, hold_version;
byte   ops[MOVES + 1];
mtype  phase = DONE;
bool   wrote, sealed, tried;    /* its trail has hold, final-sync, commit */
byte   token = 0, claims = 0;

/* nodes */

byte   role[2], at[2], has[2];

/* routers: the table as they know it, one write on its way each */

byte   r_version[2], r_epoch[2], r_owner[2];
bool   r_held[2], cut[2], silent[2];
byte   w[2], w_state[2], w_node[2], w_epoch[2];     /* 0 idle, 1 sent, 2 done */
byte   g, g_node, g_epoch;                          /* of a dead worker */
byte   next = 1, deaths = 0, cuts = 0, faults = 0;

/* what must hold */

byte   acked;               /* writes whose clients were told */
byte   top;                 /* the highest epoch that took a write */
byte   who;                 /* and whose it was */

chan late = [1] of { mtype, byte, byte, byte, byte, byte, byte, byte };


inline nothing_lost() { assert((has[owner] & acked) == acked) }


/* a write arrives: taken or answered by 421; dst is the router's w_state */

inline write(to, its, which, taken)
{
    taken = false;

#ifdef MUTANT_NO_EPOCH
    if
    :: role[to] == PRIMARY ->
#else
    if
    :: role[to] == PRIMARY && at[to] == its ->
#endif
        assert(!(has[to] & BIT(which)));                /* no write twice */
        assert((has[to] & acked) == acked);          /* nor before others */
        assert(at[to] >= top);                       /* by no former owner */
        assert(at[to] > top || who == to);            /* nor by two at once */
        top = at[to];
        who = to;
        has[to] = has[to] | BIT(which);
        taken = true
    :: else
    fi
}


/* PUT role; an owner that no migration works on is never closed */

inline put_role(n_, r_, e_, out)
{
    if
    :: e_ < at[n_] -> out = refused
#ifndef MUTANT_ROLES_GO_BACK
    :: e_ == at[n_] && role[n_] == PRIMARY && r_ != PRIMARY -> out = refused
#endif
    :: else ->
        if
        :: role[n_] == STANDBY && r_ == NONE -> has[n_] = 0
        :: else
        fi;
        role[n_] = r_;
        at[n_] = e_;
        out = ok;
        nothing_lost();
#ifndef LOSS_ONLY
        assert(!TERMINAL(phase) || n_ != owner || (r_ == PRIMARY && e_ == epoch))
#endif
    fi
}


inline put_log(n_, d_, out)
{
    if
    :: role[n_] == PRIMARY -> out = refused
    :: else -> has[n_] = has[n_] | d_; out = ok
    fi
}


inline put_copy(n_, d_, out)
{
    if
    :: role[n_] == PRIMARY || (has[n_] & d_) != has[n_] -> out = refused
    :: else -> has[n_] = d_; out = ok
    fi
}


/* the commit function of the library: claim, operation id, version */

inline put_record(t_, v_, m_, op_, e_, o_, h_, out)
{
    if
#ifndef MUTANT_NO_FENCE
    :: t_ != token -> out = fenced
#endif
    :: else ->
        if
        :: ops[m_] & BIT(op_) -> out = ok
#ifndef MUTANT_NO_VERSION
        :: !(ops[m_] & BIT(op_)) && v_ != version -> out = conflict
#endif
        :: else ->
            assert(e_ >= epoch && (o_ == owner || e_ > epoch));
            if
            :: o_ != owner -> standby = owner
            :: else
            fi;
            version++;
            epoch = e_;
            owner = o_;
            holds = (h_ -> m_ : 0);
            ops[m_] = ops[m_] | BIT(op_);
            out = ok;
            nothing_lost()
        fi
    fi
}


/*
 * A request: answered, or done without an answer, or still on its way.  "true"
 * keeps an "else" of what is done from being one of this selection.
 */

#define CALL(doing, sending)                                                 \
    if                                                                       \
    :: true -> doing;                                                        \
       if                                                                    \
       :: true                                                               \
       :: faults < FAULTS -> faults++; res = lost                            \
       fi                                                                    \
    :: faults < FAULTS && nfull(late) -> faults++; sending; res = lost       \
    fi

#define ROLE(n, r, e)                                                        \
    CALL(put_role(n, r, e, res), late!role_m(n, r, e, 0, 0, 0, 0))

#define SHIP(n, d)                                                           \
    CALL(put_log(n, d, res), late!ship_m(n, d, 0, 0, 0, 0, 0))

#define SNAPSHOT(n, d)                                                       \
    CALL(put_copy(n, d, res), late!copy_m(n, d, 0, 0, 0, 0, 0))

#define RECORD(op, e, o, h)                                                  \
    CALL(put_record(my, v, m, op, e, o, h, res),                             \
         late!commit_m(my, v, m, op, e, o, h))

#define READ()  v = version; e = epoch; o = owner; h = holds

#define OURS       (e == b && o == f && (h == 0 || h == m))
#define COMMITTED  (e == b + 1 && o == t && (h == 0 || h == m))
#define RETURNED   (e == b + 1 && o == f && (h == 0 || h == m))


/* the phase is stored under the claim; otherwise it is somebody else's */

#ifdef LOSS_ONLY
#define SERVES()  skip
#else
#define SERVES()  assert(role[owner] == PRIMARY && at[owner] == epoch)
#endif

#define PUT(to)                                                              \
    if                                                                       \
    :: my != token -> goto leave                                             \
    :: else ->                                                               \
        phase = to;                                                          \
        if                                                                   \
        :: to == HOLD -> wrote = true                                        \
        :: to == SYNC -> sealed = true                                       \
        :: to == COMMIT -> tried = true                                      \
        :: to == DONE || to == BACKED ->                                     \
            SERVES();                                                        \
            assert(!holds);                                                  \
            token = 0                                                        \
        :: else                                                              \
        fi                                                                   \
    fi


#ifdef MUTANT_UNSEAL_OLD_EPOCH
#define BACK_EPOCH  b
#else
#define BACK_EPOCH  (b + 1)
#endif

#ifdef MUTANT_SEAL_OWN_EPOCH
#define SEAL_EPOCH  b
#else
#define SEAL_EPOCH  (b + 1)
#endif

#ifdef MUTANT_ABANDON_COMMIT_ONLY
#define MAY_WRITE  tried
#else
#define MAY_WRITE  wrote
#endif

#ifdef MUTANT_ABANDON_OTHER_ID
#define ABANDON  OP_ABANDON
#else
#define ABANDON  OP_COMMIT
#endif


#define AND_NEXT()                                                           \
    if                                                                       \
    :: res == ok                                                             \
    :: res == lost -> goto again                                             \
    :: res == refused -> goto back                                           \
    fi

#ifdef MUTANT_TARGET_NOT_RAISED
#define RAISE()  skip
#else
#define RAISE()  STEP { ROLE(t, STANDBY, b + 1); AND_NEXT() }
#endif

#ifdef MUTANT_POSITION_BEFORE_DRAIN
#define POSITION()  skip
#else
#define POSITION()  p = has[f]
#endif

#ifdef MUTANT_NO_SEAL
#define SEAL()  STEP { p = has[f] }
#else
#define SEAL()  STEP { ROLE(f, STANDBY, SEAL_EPOCH); POSITION(); AND_NEXT() }
#endif


/* one look at the store and what follows from it; then a request; then ... */

#define LOOK  skip; atomic
#define STEP  skip; atomic

proctype migrator(byte id)
{
    byte   my, m, f, t, b, v, e, o, h, d, p;
    bool   gone, open;
    mtype  res;

end_idle:
    atomic {
        claims < CLAIMS && claims % 2 == id && !TERMINAL(phase) ->
            claims++;
            token = claims;
            my = token;
            m = move; f = from; t = 1 - from; b = base;
            gone = false; open = false
    }

again:
    LOOK {
        d = 0; res = 0;
#ifndef MUTANT_POSITION_BEFORE_DRAIN
        p = 0;
#endif
        if
        :: my != token -> goto leave
        :: else -> READ()
        fi;
        if
        :: ABORTS(phase) -> goto back       /* a wish, a timeout, a failure */
        :: phase == COPY -> goto copy
        :: phase == HOLD && !OURS -> goto back
        :: phase == HOLD && OURS && h == 0 -> goto hold
        :: phase == HOLD && OURS && h != 0 ->
            hold_version = v;
            phase = DRAIN;
            goto again
        :: phase == DRAIN && DRAINED(0) && DRAINED(1) ->
#ifdef MUTANT_POSITION_BEFORE_DRAIN
            p = has[f];
#endif
            PUT(SYNC);
            goto again
        :: phase == DRAIN && !(DRAINED(0) && DRAINED(1)) -> goto back
        :: phase == SYNC && (!OURS || h != m) -> goto back
        :: phase == SYNC && OURS && h == m -> goto sync
        :: phase == VERIFY -> d = has[f]; goto verify
        :: phase == COMMIT && COMMITTED -> PUT(RELEASE); goto again
        :: phase == COMMIT && !COMMITTED && (!OURS || h != m) -> goto back
        :: phase == COMMIT && OURS && h == m -> goto commit
        :: phase == RELEASE && COMMITTED && h == m -> goto release
        :: phase == RELEASE && !(COMMITTED && h == m) -> goto demote
        :: phase == BACK && COMMITTED && tried -> PUT(RELEASE); goto again
        :: phase == BACK && COMMITTED && !tried -> PUT(BACKED); goto leave
        :: phase == BACK && !COMMITTED && !OURS && !RETURNED ->
            PUT(BACKED);
            goto leave
        :: phase == BACK && (OURS || RETURNED) -> goto rollback
        fi
    }

copy:
    STEP {
        ROLE(t, STANDBY, b);
        if
        :: res != ok -> goto back
        :: res == ok -> d = has[f]
        fi
    }
    STEP {
        SNAPSHOT(t, d);
        if
        :: res != ok -> goto back
        :: res == ok -> PUT(HOLD); goto again
        fi
    }

hold:
    STEP {
        RECORD(OP_HOLD, b, f, 1);
        goto again
    }

sync:                                   /* sent at once */
    if
    :: true -> RAISE(); SEAL()
    :: true -> SEAL(); RAISE()
    fi;
    STEP {
        SHIP(t, p);
        if
        :: res == ok -> PUT(VERIFY); goto again
        :: res == lost -> goto again
        :: res == refused -> goto back
        fi
    }

verify:
    STEP {
#ifdef MUTANT_POSITION_BEFORE_DRAIN
        d = has[t];                         /* compared at that position */
#endif
        if
        :: d == has[t] -> PUT(COMMIT); goto again
        :: d != has[t] -> goto back
        fi
    }

commit:
    STEP {
        RECORD(OP_COMMIT, b + 1, t, 1);
        if
        :: goto again
        :: goto back
        fi
    }

release:
    STEP {
        ROLE(t, PRIMARY, b + 1);
        if
        :: res == ok
        :: res != ok -> goto again
        fi
    }
    STEP {
        RECORD(OP_RELEASE, b + 1, t, 0);
        goto again
    }

demote:                                 /* whatever comes of it */
    STEP { ROLE(f, STANDBY, b + 1) }
    STEP { PUT(DONE); goto leave }

rollback:
#ifndef MUTANT_NO_ABANDON
    if
    :: MAY_WRITE && !gone && e == b ->
        STEP {
            RECORD(ABANDON, e, o, h);
            gone = (res == ok);
            goto again
        }
    :: else
    fi;
#endif
    if
    :: sealed && !open ->
        STEP {
            ROLE(f, PRIMARY, BACK_EPOCH);
            open = (res == ok);
            if
            :: open
            :: !open -> goto again
            :: !open                        /* UNSEAL_MS are over */
            fi
        }
    :: else
    fi;
    if
    :: h == m || (sealed && e == b && BACK_EPOCH != b) ->
        STEP {
            e = (sealed -> BACK_EPOCH : b);
            RECORD(OP_FREE, e, f, 0);
            goto again
        }
    :: sealed && !open && !(h == m || (e == b && BACK_EPOCH != b)) -> goto again
    :: else
    fi;
    if
    :: standby != t -> STEP { ROLE(t, NONE, e) }
    :: else
    fi;
    STEP {
        PUT(BACKED);
        goto leave
    }

back:
    STEP { PUT(BACK) }
    goto again;

leave:
    STEP {
        my = 0; m = 0; f = 0; t = 0; b = 0; v = 0; e = 0; o = 0; h = 0;
        d = 0; p = 0; gone = 0; open = 0; res = 0
    }
    goto end_idle
}


proctype network()
{
    byte   x1, x2, x3, x4, x5, x6, x7;
    mtype  res;

end:
    do
    :: atomic {
        late?role_m(x1, x2, x3, _, _, _, _) ->
        put_role(x1, x2, x3, res);
        x1 = 0; x2 = 0; x3 = 0; res = 0
       }
    :: atomic {
        late?ship_m(x1, x2, _, _, _, _, _) ->
        put_log(x1, x2, res);
        x1 = 0; x2 = 0; res = 0
       }
    :: atomic {
        late?copy_m(x1, x2, _, _, _, _, _) ->
        put_copy(x1, x2, res);
        x1 = 0; x2 = 0; res = 0
       }
    :: atomic {
        late?commit_m(x1, x2, x3, x4, x5, x6, x7) ->
        put_record(x1, x2, x3, x4, x5, x6, x7, res);
        x1 = 0; x2 = 0; x3 = 0; x4 = 0; x5 = 0; x6 = 0; x7 = 0; res = 0
       }
    od
}


proctype router(byte i)
{
    bool  taken;

end:
    do
    :: atomic {                             /* the table, or its change */
        !cut[i] && r_version[i] != version ->
        r_version[i] = version;
        r_epoch[i] = epoch;
        r_owner[i] = owner;
        r_held[i] = (holds != 0)
       }

    :: atomic {                             /* a client's next, or a 421's */
        w_state[i] == 0 && !r_held[i] && (w[i] != 0 || next <= WRITES) ->
        if
        :: w[i] == 0 -> w[i] = next; next++
        :: else
        fi;
        w_state[i] = 1;
        w_node[i] = r_owner[i];
        w_epoch[i] = r_epoch[i]
       }

    :: atomic {
        w_state[i] == 1 ->
        write(w_node[i], w_epoch[i], w[i], taken);
        w_state[i] = (taken -> 2 : 0);
        w_node[i] = 0;
        w_epoch[i] = 0;
        taken = false
       }

    :: atomic {
        w_state[i] == 2 ->
        acked = acked | BIT(w[i]);
        w_state[i] = 0;
        w[i] = 0;
        nothing_lost()
       }

    :: atomic {                             /* the worker is killed */
        i == 0 && deaths < DEATHS && w_state[i] != 0 ->
        deaths++;
        if
        :: w_state[i] == 1 ->
            g = w[i]; g_node = w_node[i]; g_epoch = w_epoch[i]
        :: else
        fi;
        w_state[i] = 0;
        w[i] = 0;
        w_node[i] = 0;
        w_epoch[i] = 0
       }

    :: atomic {                             /* what it had sent arrives */
        i == 0 && g != 0 ->
        write(g_node, g_epoch, g, taken);
        g = 0; g_node = 0; g_epoch = 0;
        taken = false
       }

    :: atomic {
        i == 1 && cuts < CUTS && !cut[i] -> cuts++; cut[i] = true
       }
    :: atomic { cut[i] && !silent[i] -> silent[i] = true }
    :: atomic { cut[i] -> cut[i] = false; silent[i] = false }
    od
}


/* moves the shard to the other node whenever it is idle */

proctype operator()
{
end:
    do
    :: atomic {
        TERMINAL(phase) && move < MOVES ->
        move++;
        from = owner;
        base = epoch;
        wrote = false;
        sealed = false;
        tried = false;
        hold_version = 0;
        phase = COPY
       }
    od
}


init {
    atomic {
        role[0] = PRIMARY; at[0] = 1;
        role[1] = NONE;
        r_version[0] = 1; r_epoch[0] = 1;
        r_version[1] = 1; r_epoch[1] = 1;
        run operator();
        run network();
        run router(0);
        run router(1);
        run migrator(0);
        run migrator(1)
    }
}
