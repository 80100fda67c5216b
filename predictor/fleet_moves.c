
#include <string.h>

#include "../src/core/shard_codec.h"
#include "fleet_moves.h"


/* what a migration and a decision have in common */

typedef struct {
    uint32_t     shard;         /* numbers in the table */
    uint32_t     to;
    uint64_t     epoch;
    double       since_s;       /* on the predictor's clock */
    const char  *id;
} predictor_fleet_move_t;


double
predictor_fleet_ms(const shardd_entry_t *entry, const char *name)
{
    uint64_t  ms;

    if (shard_uint64_decode(predictor_fleet_text(
                                shardd_entry_field(entry, name)), &ms)
        != SHARD_OK)
    {
        return -1;
    }

    return (double) ms;
}


/* 0 when the shard, its epoch or its place is not what the entry was about,
 * or the verb takes the shard nowhere */

static int
predictor_fleet_move(const predictor_fleet_read_t *r,
    const shardd_entry_t *e, const char *since, predictor_fleet_move_t *m)
{
    double              ms;
    const char         *to, *verb;
    predictor_fleet_t  *f;

    f = r->fleet;
    verb = shardd_entry_field(e, "verb");

    if (verb && strcmp(verb, "move") != 0 && strcmp(verb, "promote") != 0) {
        return 0;
    }

    m->id = shardd_entry_field(e, "id");
    m->shard = predictor_fleet_shard(f, shardd_entry_field(e, "shard"));
    to = shardd_entry_field(e, "to");
    ms = predictor_fleet_ms(e, since);

    if (m->id == NULL || m->shard == SHARD_ID_NONE || to == NULL || ms < 0
        || shard_uint64_decode(predictor_fleet_text(
                                   shardd_entry_field(e, "epoch")), &m->epoch)
           != SHARD_OK)
    {
        return 0;
    }

    m->to = predictor_fleet_node(f, to);
    m->since_s = (r->now_ms - ms) / 1000 * r->clock.speed;

    return m->to != SHARD_ID_NONE;
}


static void
predictor_fleet_rest(predictor_fleet_read_t *r,
    const predictor_fleet_move_t *m)
{
    if (m->since_s * 1000 < (double) r->conf->cooldown_ms) {
        r->fleet->plan.shards[m->shard].fixed = 1;
    }
}


/* a replica is being made: the shard stays, and stays where it is */

static void
predictor_fleet_replicas(predictor_fleet_read_t *r, const shardd_entry_t *e,
    const char *phase)
{
    uint32_t     shard;
    const char  *verb;

    verb = shardd_entry_field(e, "verb");
    shard = predictor_fleet_shard(r->fleet, shardd_entry_field(e, "shard"));

    if (verb && strcmp(verb, "replicate") == 0 && shard != SHARD_ID_NONE
        && strcmp(phase, "done") != 0 && strcmp(phase, "rolled-back") != 0)
    {
        r->fleet->plan.shards[shard].fixed = 1;
    }
}


void
predictor_fleet_migrations(predictor_fleet_read_t *r,
    const shardd_entries_t *entries)
{
    size_t                   i;
    const char              *phase;
    shard_record_t          *rec;
    predictor_fleet_t       *f;
    predictor_plan_shard_t  *s;
    predictor_fleet_move_t   m;

    f = r->fleet;

    for (i = 0; i < entries->n; i++) {
        phase = shardd_entry_field(&entries->entries[i], "phase");

        if (phase) {
            predictor_fleet_replicas(r, &entries->entries[i], phase);
        }

        if (phase == NULL
            || !predictor_fleet_move(r, &entries->entries[i], "created_ms",
                                     &m))
        {
            continue;
        }

        predictor_fleet_rest(r, &m);

        if (strcmp(phase, "rolled-back") == 0) {
            continue;
        }

        predictor_fleet_learn(r, &entries->entries[i]);

        if (strcmp(phase, "done") == 0) {
            continue;
        }

        /* after its commit the record says where the shard is */

        rec = &f->table.shards[m.shard];
        s = &f->plan.shards[m.shard];
        s->fixed = 1;

        if (rec->epoch == m.epoch && strcmp(phase, "rolling-back") != 0) {
            s->to = m.to;
            s->left_s = (float) -m.since_s;
        }
    }
}


/*
 * A decision that no migrator has picked up yet is in flight all the same.
 * Advice counts as followed while it is fresh, where advice is all we give:
 * otherwise it would be repeated, or contradicted, with every slot.
 */

void
predictor_fleet_decisions(predictor_fleet_read_t *r,
    const predictor_orders_t *orders)
{
    int                      act;
    size_t                   i;
    const char              *mode;
    predictor_fleet_t       *f;
    const shardd_entry_t    *e;
    predictor_fleet_move_t   m;
    predictor_plan_shard_t  *s;

    f = r->fleet;

    for (i = 0; i < orders->decisions.n; i++) {
        e = &orders->decisions.entries[i];
        mode = shardd_entry_field(e, "mode");

        if (mode == NULL || !predictor_fleet_move(r, e, "decided_ms", &m)) {
            continue;
        }

        act = strcmp(mode, predictor_mode_words[PREDICTOR_ACT]) == 0;

        if (!act && r->conf->mode != PREDICTOR_RECOMMEND) {
            continue;
        }

        predictor_fleet_rest(r, &m);
        s = &f->plan.shards[m.shard];

        if (f->table.shards[m.shard].epoch != m.epoch
            || m.since_s * 1000 >= (double) r->conf->cooldown_ms
            || s->to != s->from || predictor_orders_taken(orders, m.id))
        {
            continue;
        }

        s->to = m.to;
        s->left_s = (float) -m.since_s;
        s->idle = !act;

        if (act) {
            r->waiting[f->waiting++] = m.shard;
        }
    }
}
