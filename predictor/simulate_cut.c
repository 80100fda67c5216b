
/*
 * Which shards are cut in two: the daemon's own rule (resize.h), by what each
 * shard had in the last week and by what the policy sees coming.  Keys are no
 * part of a fleet's file: every cut is taken to fall where the scenario says.
 */

#include <stdlib.h>
#include <string.h>

#include "resize.h"
#include "simulate_world.h"


#define PREDICTOR_CUT_WEEK_S   604800
#define PREDICTOR_CUT_HOUR_S   3600
#define PREDICTOR_CUT_HOLD_S   1800     /* a peak is what lasts so long */
#define PREDICTOR_CUT_SHARDS   100000


typedef struct {
    predictor_resizing_t       resizing;
    predictor_resize_shard_t  *shards;
    predictor_resize_t        *out;
    double                    *y;
} predictor_cuts_t;


static int predictor_cuts_room(predictor_cuts_t *cuts,
    const predictor_sim_planner_t *p, const predictor_sim_world_t *w);
static void predictor_cuts_shard(predictor_cuts_t *cuts,
    const predictor_sim_planner_t *p, const predictor_sim_world_t *w,
    uint32_t i);
static double predictor_cuts_peak(predictor_cuts_t *cuts,
    const predictor_sim_planner_t *p, const predictor_sim_world_t *w,
    uint32_t i);
static int predictor_cuts_make(predictor_cuts_t *cuts,
    const predictor_sim_planner_t *p, predictor_sim_world_t *w);


int
predictor_sim_cuts(predictor_sim_planner_t *p, predictor_sim_world_t *w)
{
    int               rc;
    uint32_t          i;
    predictor_cuts_t  cuts;

    /* what a week had changes slowly; a step may be longer than an hour */

    if (w->s->step_s < PREDICTOR_CUT_HOUR_S
        && (w->t - w->part.from) % (PREDICTOR_CUT_HOUR_S / w->s->step_s) != 0)
    {
        return SHARD_OK;
    }

    memset(&cuts, 0, sizeof(predictor_cuts_t));
    rc = predictor_cuts_room(&cuts, p, w);

    for (i = 0; rc == SHARD_OK && i < p->plan.nshards; i++) {
        predictor_cuts_shard(&cuts, p, w, i);
    }

    if (rc == SHARD_OK) {
        rc = predictor_cuts_make(&cuts, p, w);
    }

    free(cuts.resizing.taken);
    free(cuts.shards);
    free(cuts.out);
    free(cuts.y);

    return rc;
}


static int
predictor_cuts_room(predictor_cuts_t *cuts, const predictor_sim_planner_t *p,
    const predictor_sim_world_t *w)
{
    uint32_t               i;
    predictor_resizing_t  *r;

    r = &cuts->resizing;
    r->nshards = p->plan.nshards;
    r->limits.capacity = HUGE_VAL;
    r->limits.hi = w->s->conf.split_above;
    r->limits.lo = 0;
    r->limits.min = 1;
    r->limits.max = PREDICTOR_CUT_SHARDS;
    r->limits.season_s = PREDICTOR_CUT_WEEK_S;

    for (i = 0; i < w->nnodes; i++) {
        r->limits.capacity = fmin(r->limits.capacity, w->nodes[i].capacity);
    }

    r->taken = calloc(r->nshards, 1);
    cuts->shards = calloc(r->nshards, sizeof(predictor_resize_shard_t));
    cuts->out = calloc(r->nshards, sizeof(predictor_resize_t));
    cuts->y = calloc(PREDICTOR_CUT_WEEK_S / w->s->step_s + p->plan.nsteps + 1,
                     sizeof(double));
    r->shards = cuts->shards;

    return r->taken && cuts->shards && cuts->out && cuts->y ? SHARD_OK
                                                            : SHARD_ERROR;
}


static void
predictor_cuts_shard(predictor_cuts_t *cuts, const predictor_sim_planner_t *p,
    const predictor_sim_world_t *w, uint32_t i)
{
    predictor_resize_shard_t     *shard;
    const predictor_sim_shard_t  *s;

    shard = &cuts->shards[i];
    s = &w->shards[p->shard[i]];

    shard->peak = predictor_cuts_peak(cuts, p, w, i);
    shard->most = NAN;
    shard->age_s = HUGE_VAL;
    shard->next = PREDICTOR_RESIZE_NONE_NEXT;
    shard->fixed = s->cutting || s->to != s->node;
    shard->known = 1;

    shard->range.last = UINT64_MAX;
    shard->cut.position = UINT64_MAX / 2;
    shard->cut.left = w->s->conf.split_share;
    shard->cut.hot = -1;
}


/* what it exceeds for half an hour of the last week, or will */

static double
predictor_cuts_peak(predictor_cuts_t *cuts, const predictor_sim_planner_t *p,
    const predictor_sim_world_t *w, uint32_t i)
{
    long      t, known;
    double    peak;
    size_t    n;
    uint32_t  h, hold;

    hold = PREDICTOR_CUT_HOLD_S / w->s->step_s;
    hold = hold ? hold : 1;
    known = w->t - w->s->conf.known_after;
    n = 0;

    for (t = known - PREDICTOR_CUT_WEEK_S / (long) w->s->step_s + 1;
         t <= known; t++)
    {
        if (t >= 0) {
            cuts->y[n++] = predictor_sim_shard_load(w, p->shard[i],
                                                    (uint32_t) t);
        }
    }

    peak = predictor_resize_peak(cuts->y, n, hold);

    for (h = 0; h < p->plan.nsteps; h++) {
        cuts->y[h] = p->quantile[(size_t) i * p->plan.nsteps + h];
    }

    return fmax(peak, predictor_resize_peak(cuts->y, p->plan.nsteps, hold));
}


static int
predictor_cuts_make(predictor_cuts_t *cuts, const predictor_sim_planner_t *p,
    predictor_sim_world_t *w)
{
    int       rc;
    uint32_t  i, n;

    rc = SHARD_OK;
    n = predictor_resize(&cuts->resizing, cuts->out, cuts->resizing.nshards);

    for (i = 0; i < n && rc == SHARD_OK; i++) {

        if (cuts->out[i].verb == PREDICTOR_RESIZE_SPLIT) {
            rc = predictor_sim_world_split(w, p->shard[cuts->out[i].shard]);
        }
    }

    return rc;
}
