
/*
 * A world of two shards for splits and merges, on the scheduler, claim and
 * stored state of migrator_world.h.
 *
 *              n1                    n2
 *   split      S = 7 [0, 64)         8: nothing yet, [32, 64) then
 *   merge      B = 7 [32, 64)        A = 8 [0, 32), [0, 64) then
 *
 * A router writes keys 0 .. 63 by the records that it knows; another one
 * that is cut off knows the first ones for ever.  A write that a node takes
 * is acknowledged, and must be of the shard that the table gives the key to.
 */


#ifndef _MIGRATOR_CUTS_H_INCLUDED_
#define _MIGRATOR_CUTS_H_INCLUDED_


#include "migrator_run.h"


#define CUT_KEYS   64
#define CUT_AT     32
#define CUT_FIRST  7                    /* id of the migration's shard */
#define CUT_OTHER  8
#define CUT_LOG    16384
#define CUT_FULL   (CUT_LOG - 6000)     /* room is left for imports */
#define CUT_GONE   (-2)                 /* as gone_at: it happened */
#define CUT_SKIP   0xffffffffu


typedef struct {
    uint32_t           key;             /* CUT_SKIP: of none here */
    uint32_t           value;           /* 0: gone */
} cut_entry_t;

typedef struct {
    migrator_role_e    role;
    uint32_t           epoch;
    uint64_t           n;
    uint32_t           has[CUT_KEYS];
    cut_entry_t        log[CUT_LOG];
    uint32_t           imports;         /* begun */
    int                imported;        /* the snapshot is complete */
    uint64_t           import_n;
    uint64_t           token;           /* largest one that wrote here */
    uint32_t           token_epoch;
} cut_replica_t;

typedef struct {
    shard_id_t         shard;           /* CUT_FIRST - 1: free */
    int                node;
    uint32_t           epoch;
    uint32_t           key;
    uint32_t           value;
    uint64_t           at_ms;
} cut_request_t;

typedef struct {
    shard_record_t     rec[2];
    int                exists[2];
    shard_record_t     view[2];
    int                viewed[2];
    shard_record_t     first[2];        /* what the cut-off router knows */
    int                firsts[2];
    cut_replica_t      at[2][2];        /* node, shard */
    uint32_t           acked[CUT_KEYS];
    cut_request_t      flying[WORLD_FLYING];

    char               holder[16];      /* of the other shard's claim */
    uint64_t           token;
    uint64_t           claim_until;

    migrator_cut_t     cut[WORLD_ACTORS];
    unsigned           no_keep;         /* backends that cannot */
    unsigned           kept;            /* digests announced */
    unsigned           decided;
    uint64_t           decision;
    unsigned           lossy;
    int                rival_at;        /* phase in which another has 8 */
    uint64_t           rival_ms;        /* for so long */
    int                gone_at;         /* phase in which a hand deletes */
    int                gone;            /* that one of the two */
} cut_world_t;


static cut_world_t *
cut_of(const world_t *w)
{
    return w->more;
}


static int
cut_which(shard_id_t id)
{
    return id == CUT_OTHER;
}


/* the shard of a key by records, -1: it is in none */

static int
cut_holds(const shard_record_t *rec, const int *exists, uint32_t key)
{
    int  i;

    for (i = 0; i < 2; i++) {
        if (exists[i] && key >= rec[i].lo
            && (rec[i].hi == 0 || key < rec[i].hi))
        {
            return i;
        }
    }

    return -1;
}


static int
cut_node(const char *name)
{
    return strcmp(name, "n2") == 0;
}


static cut_replica_t *
cut_primary(cut_world_t *c, int i)
{
    return &c->at[cut_node(c->rec[i].primary)][i];
}


static void
cut_write(cut_replica_t *r, uint32_t key, uint32_t value)
{
    if (r->n == CUT_LOG) {
        return;
    }

    if (key != CUT_SKIP) {
        r->has[key] = value;
    }

    r->log[r->n].key = key;
    r->log[r->n++].value = value;
}


/* equal in the keys from "lo" on */

static int
cut_equal(const cut_replica_t *one, const cut_replica_t *other, uint32_t lo)
{
    return memcmp(one->has + lo, other->has + lo,
                  (CUT_KEYS - lo) * sizeof(uint32_t)) == 0;
}


/* router */

static void
cut_arrive(world_t *w, const cut_request_t *q)
{
    int             i, holds;
    cut_world_t    *c;
    cut_replica_t  *r;

    c = cut_of(w);
    i = cut_which(q->shard);
    r = &c->at[q->node][i];

    if (w->node[q->node].down || r->role != MIGRATOR_ROLE_PRIMARY
        || r->epoch != q->epoch || r->n >= CUT_FULL)
    {
        return;
    }

    holds = cut_holds(c->rec, c->exists, q->key);

    if (holds != i && (holds != -1 || c->gone_at != CUT_GONE)) {
        world_bad(w, "key %u is taken by shard %u, which does not hold it",
                  q->key, (unsigned) q->shard);
    }

    cut_write(r, q->key, q->value);
    c->acked[q->key] = q->value;
}


static void
cut_send(world_t *w, const shard_record_t *rec, const int *exists,
    uint64_t delay)
{
    int             i, shard;
    uint32_t        key;
    cut_world_t    *c;
    cut_request_t   q;

    c = cut_of(w);
    key = (uint32_t) world_rand(w, CUT_KEYS);
    shard = cut_holds(rec, exists, key);

    if (shard == -1 || rec[shard].phase == SHARD_HELD) {
        return;
    }

    q.shard = rec[shard].id;
    q.node = cut_node(rec[shard].primary);
    q.epoch = rec[shard].epoch;
    q.key = key;
    q.value = ++w->values;
    q.at_ms = w->now + delay;

    if (delay == 0) {
        cut_arrive(w, &q);
        return;
    }

    for (i = 0; i < WORLD_FLYING; i++) {
        if (c->flying[i].at_ms == 0) {
            c->flying[i] = q;
            return;
        }
    }
}


static int
cut_in_flight(const cut_world_t *c, shard_id_t id)
{
    int  i;

    for (i = 0; i < WORLD_FLYING; i++) {
        if (c->flying[i].at_ms && c->flying[i].shard == id) {
            return 1;
        }
    }

    return 0;
}


/* a router has parked what comes for the shard, and nothing is in flight */

static int
cut_parked(const cut_world_t *c, int i)
{
    return c->viewed[i] && c->view[i].phase == SHARD_HELD
           && !cut_in_flight(c, c->view[i].id);
}


static void
cut_tick(world_t *w)
{
    int           i;
    cut_world_t  *c;

    c = cut_of(w);

    if (w->view_version != w->version && w->now >= w->view_at) {
        memcpy(c->view, c->rec, sizeof(c->view));
        memcpy(c->viewed, c->exists, sizeof(c->viewed));
        w->view_version = w->version;
    }

    for (i = 0; i < WORLD_FLYING; i++) {
        if (c->flying[i].at_ms && c->flying[i].at_ms <= w->now) {
            cut_arrive(w, &c->flying[i]);
            c->flying[i].at_ms = 0;
        }
    }

    if (w->now - w->wrote_ms < w->write_every) {
        return;
    }

    w->wrote_ms = w->now;
    cut_send(w, c->view, c->viewed, 1 + world_rand(w, 3));

    if (w->cut_off) {
        cut_send(w, c->first, c->firsts, 0);
    }
}


/* what must be true of any such world whose migration has ended */

static void
cut_judge_done(world_t *w)
{
    uint32_t        key;
    cut_world_t    *c;
    cut_replica_t  *first;

    c = cut_of(w);
    first = &c->at[0][0];

    if (w->stored.verb == MIGRATOR_MERGE) {
        if (c->exists[0] || c->rec[1].epoch != WORLD_BASE + 1
            || c->rec[1].lo || c->rec[1].hi)
        {
            world_bad(w, "done, and not one shard that has all keys");
        }

        if (first->role == MIGRATOR_ROLE_PRIMARY && !c->lossy) {
            world_bad(w, "the merged shard still has a primary");
        }

        return;
    }

    if (c->rec[0].epoch != WORLD_BASE + 1 || c->rec[0].hi != CUT_AT
        || c->rec[1].lo != CUT_AT || c->rec[1].hi
        || strcmp(c->rec[1].primary, w->stored.to) != 0)
    {
        world_bad(w, "done, and not two shards");
    }

    for (key = CUT_AT; key < CUT_KEYS && !c->lossy; key++) {
        if (first->has[key]) {
            world_bad(w, "key %u was not dropped", key);
        }
    }

    if (w->stored.verb == MIGRATOR_ISOLATE && c->decided != 1) {
        world_bad(w, "an isolation is followed by %u splits", c->decided);
    }
}


static void
cut_judge_back(world_t *w)
{
    cut_world_t  *c;

    c = cut_of(w);

    if ((!c->exists[0] && c->gone != 0)
        || c->rec[0].lo != c->first[0].lo || c->rec[0].hi != c->first[0].hi
        || (w->stored.verb != MIGRATOR_MERGE && c->exists[1])
        || (w->stored.verb == MIGRATOR_MERGE
            && c->rec[1].hi != c->first[1].hi))
    {
        world_bad(w, "rolled back, and the shards are others");
    }

    if (w->stored.verb == MIGRATOR_MERGE && c->exists[1]
        && c->rec[1].epoch != WORLD_BASE)
    {
        world_bad(w, "rolled back, and the other one has a new epoch");
    }
}


static void
cut_judge(world_t *w)
{
    int             i;
    uint32_t        key;
    cut_world_t    *c;
    cut_replica_t  *r;

    c = cut_of(w);
    world_clock(w, w->now + 100);

    for (i = 0; i < 2; i++) {
        r = cut_primary(c, i);

        if (c->exists[i] && (c->rec[i].phase != SHARD_STEADY
                             || c->rec[i].migration))
        {
            world_bad(w, "shard %u is left in phase %d",
                      (unsigned) c->rec[i].id, c->rec[i].phase);
        }

        if (c->exists[i] && (r->role != MIGRATOR_ROLE_PRIMARY
                             || r->epoch != c->rec[i].epoch))
        {
            world_bad(w, "shard %u: role %d at epoch %u, the table says %u",
                      (unsigned) c->rec[i].id, r->role, r->epoch,
                      c->rec[i].epoch);
        }
    }

    for (key = 0; key < CUT_KEYS; key++) {
        i = cut_holds(c->rec, c->exists, key);

        if (i != -1 && cut_primary(c, i)->has[key] != c->acked[key]) {
            world_bad(w, "key %u is %u in shard %u, acknowledged was %u",
                      key, cut_primary(c, i)->has[key],
                      (unsigned) c->rec[i].id, c->acked[key]);
        }
    }

    if (w->stored.phase == MIGRATOR_DONE) {
        cut_judge_done(w);

    } else {
        cut_judge_back(w);
    }

    if (c->claim_until > w->now && c->holder[0] == 'm' && !c->lossy
        && w->crash_pm == 0 && w->frozen_pm == 0 && w->nactors == 1)
    {
        world_bad(w, "the other shard's claim is kept for %llu ms",
                  (unsigned long long) (c->claim_until - w->now));
    }
}


#endif /* _MIGRATOR_CUTS_H_INCLUDED_ */
