
/*
 * Splits, isolations and merges in the eyes of the planner, by anybody:
 *
 *   in flight, decided ──▶ its shards stay as they are; one of the few
 *   done ────────────────▶ its shards rest for the cool-down
 *   came to nothing ─────▶ none of its shards for the cool-down, and twice
 *                          as long with each one more in a row
 *
 * A migration has "shard" and "into": of a merge what goes and what stays, of
 * a split what is cut and what comes of it.
 */


#include <math.h>
#include <string.h>

#include "../src/core/shard_codec.h"
#include "fleet_moves.h"


#define PREDICTOR_FLEET_DOUBLED  6      /* times a pause is, at most */


static int
predictor_fleet_cuts_verb(const shardd_entry_t *e)
{
    const char  *verb;

    verb = shardd_entry_field(e, "verb");

    return verb && (strcmp(verb, "split") == 0
                    || strcmp(verb, "isolate") == 0
                    || strcmp(verb, "merge") == 0);
}


/* on the predictor's clock; a time that is missing is now */

static double
predictor_fleet_since_s(const predictor_fleet_read_t *r,
    const shardd_entry_t *e, const char *name)
{
    double  ms;

    ms = predictor_fleet_ms(e, name);

    return ms < 0 ? 0 : (r->now_ms - ms) / 1000 * r->clock.speed;
}


static double
predictor_fleet_rest_s(const predictor_fleet_read_t *r)
{
    return (double) (r->conf->cooldown_ms > r->conf->interval_ms
                     ? r->conf->cooldown_ms : r->conf->interval_ms) / 1000;
}


static void
predictor_fleet_fix(predictor_fleet_read_t *r, uint32_t shard)
{
    if (shard != SHARD_ID_NONE) {
        r->fleet->plan.shards[shard].fixed = 1;
    }
}


/* n 0: it was done, and what failed before it does not count */

static void
predictor_fleet_failed(predictor_fleet_read_t *r, uint32_t shard, uint32_t n,
    double since_s)
{
    uint32_t                   i;
    predictor_fleet_failed_t  *f;

    if (shard == SHARD_ID_NONE) {
        return;
    }

    for (i = 0; i < r->nfailed && r->failed[i].shard != shard; i++) {
        /* void */
    }

    f = &r->failed[i];

    if (i == r->nfailed) {
        r->nfailed++;
        f->shard = shard;
        f->n = 0;
        f->since_s = since_s;
        f->done_s = INFINITY;
    }

    if (n == 0) {
        f->done_s = fmin(f->done_s, since_s);

    } else if (since_s < f->done_s) {
        f->n += n;
        f->since_s = fmin(f->since_s, since_s);
    }
}


static void
predictor_fleet_cut_migration(predictor_fleet_read_t *r,
    const shardd_entry_t *e)
{
    double       since_s, attempt;
    uint32_t     shard, into;
    const char  *phase;

    phase = shardd_entry_field(e, "phase");

    if (phase == NULL || !predictor_fleet_cuts_verb(e)) {
        return;
    }

    shard = predictor_fleet_shard(r->fleet, shardd_entry_field(e, "shard"));
    into = predictor_fleet_shard(r->fleet, shardd_entry_field(e, "into"));
    since_s = predictor_fleet_since_s(r, e, "finished_ms");

    if (strcmp(phase, "rolled-back") == 0) {
        attempt = predictor_fleet_ms(e, "attempt");
        attempt = fmin(fmax(attempt, 1), PREDICTOR_FLEET_DOUBLED + 1);
        predictor_fleet_failed(r, shard, (uint32_t) attempt, since_s);
        predictor_fleet_failed(r, into, (uint32_t) attempt, since_s);
        return;
    }

    if (strcmp(phase, "done") == 0) {
        predictor_fleet_failed(r, shard, 0, since_s);
        predictor_fleet_failed(r, into, 0, since_s);

        if (since_s >= predictor_fleet_rest_s(r)) {
            return;
        }

    } else {
        r->fleet->cuts++;
    }

    predictor_fleet_fix(r, shard);
    predictor_fleet_fix(r, into);
}


/* one that no migration came of is pending, later it is refused */

static void
predictor_fleet_cut_decision(predictor_fleet_read_t *r,
    const predictor_orders_t *orders, const shardd_entry_t *e)
{
    double       since_s;
    uint32_t     shard, with;
    uint64_t     epoch;
    const char  *id, *mode;

    id = shardd_entry_field(e, "id");
    mode = shardd_entry_field(e, "mode");
    shard = predictor_fleet_shard(r->fleet, shardd_entry_field(e, "shard"));

    if (id == NULL || mode == NULL || !predictor_fleet_cuts_verb(e)
        || strcmp(mode, predictor_mode_words[PREDICTOR_ACT]) != 0
        || shard == SHARD_ID_NONE || predictor_orders_taken(orders, id)
        || shard_uint64_decode(predictor_fleet_text(
                                   shardd_entry_field(e, "epoch")), &epoch)
           != SHARD_OK
        || r->fleet->table.shards[shard].epoch != epoch)
    {
        return;
    }

    since_s = predictor_fleet_since_s(r, e, "decided_ms");

    if (since_s >= predictor_fleet_rest_s(r)) {
        predictor_fleet_failed(r, shard, 1, since_s);
        return;
    }

    with = predictor_fleet_shard(r->fleet, shardd_entry_field(e, "with"));
    predictor_fleet_fix(r, shard);
    predictor_fleet_fix(r, with);
    r->fleet->cuts++;
    r->waiting[r->fleet->waiting++] = shard;
}


void
predictor_fleet_cuts(predictor_fleet_read_t *r,
    const predictor_orders_t *orders)
{
    size_t                           i;
    double                           pause_s;
    const predictor_fleet_failed_t  *f;

    for (i = 0; i < orders->migrations.n; i++) {
        predictor_fleet_cut_migration(r, &orders->migrations.entries[i]);
    }

    for (i = 0; i < orders->decisions.n; i++) {
        predictor_fleet_cut_decision(r, orders,
                                     &orders->decisions.entries[i]);
    }

    for (i = 0; i < r->nfailed; i++) {
        f = &r->failed[i];

        if (f->n == 0) {
            continue;
        }

        pause_s = predictor_fleet_rest_s(r)
                  * exp2(fmin(f->n - 1, PREDICTOR_FLEET_DOUBLED));

        if (f->since_s < pause_s) {
            r->fleet->plan.shards[f->shard].uncut = 1;
        }
    }
}
