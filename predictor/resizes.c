
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_bytes.h"
#include "../src/core/shard_key.h"
#include "../src/daemon/shardd_log.h"
#include "resizes.h"


#define PREDICTOR_RESIZES_KNOWN  0.95   /* of a season, for a merge */
#define PREDICTOR_RESIZES_HOUR   3600

/* seasons looked at in one tick: half a second */

#define PREDICTOR_RESIZES_LOOKS  100000


/* memory of one tick */

typedef struct {
    predictor_resizing_t       r;
    predictor_resize_shard_t  *shards;
    predictor_resize_t        *out;
    const shard_record_t     **order;
    double                    *y;
    uint32_t                   hold;
    uint32_t                   season;  /* slots */
    uint32_t                   looks;
} predictor_resizes_tick_t;


void
predictor_resizes_done(predictor_resizes_t *r)
{
    free(r->by_id);
    memset(r, 0, sizeof(predictor_resizes_t));
}


/* the configuration's, and over it the keyspace's */

static void
predictor_resizes_policy(predictor_resizes_t *r,
    const predictor_resizes_view_t *view)
{
    char                        err[SHARD_ERR_SIZE];
    const char                 *policy;
    shard_str_t                 text;
    shard_policy_work_t        *work;
    predictor_resize_policy_t   p;

    p = view->conf->shards;
    policy = view->fleet->table.policy;
    text.data = policy ? policy : "";
    text.len = strlen(text.data);
    work = malloc(sizeof(shard_policy_work_t));
    err[0] = '\0';

    if (work == NULL) {
        return;
    }

    if (predictor_resize_policy_decode(text, work, &p, err) == SHARD_OK) {
        err[0] = '\0';
        r->policy = p;

    } else if (r->policy.max == 0) {
        r->policy = p;
    }

    if (err[0] && strcmp(err, r->err) != 0) {
        shardd_log(SHARDD_LOG_WARN, "policy: %s: how many shards there may be "
                   "stays what it was", err);
    }

    memcpy(r->err, err, sizeof(err));
    free(work);
}


static int
predictor_resizes_room(predictor_resizes_t *r, uint32_t n)
{
    predictor_resizes_one_t  *by_id;

    if (n <= r->n) {
        return SHARD_OK;
    }

    by_id = realloc(r->by_id, n * sizeof(predictor_resizes_one_t));

    if (by_id == NULL) {
        return SHARD_ERROR;
    }

    r->by_id = by_id;

    for ( ; r->n < n; r->n++) {
        r->by_id[r->n].hour = -1;
    }

    return SHARD_OK;
}


static const predictor_line_t *
predictor_resizes_line(const predictor_cold_t *c, shard_id_t id)
{
    return id < c->nids ? c->shards[id].line : NULL;
}


/* a season of what it had, with what it inherits */

static void
predictor_resizes_season(predictor_resizes_one_t *one,
    const predictor_resizes_view_t *view, predictor_resizes_tick_t *t,
    shard_id_t id)
{
    size_t    i, n, known;
    double   *y, most;
    uint32_t  own;

    n = view->outlook->column(view->outlook->column_data, view->history, id,
                              t->y, &own);
    y = t->y;

    if (n > t->season) {
        y += n - t->season;
        n = t->season;
    }

    one->peak = (float) predictor_resize_peak(y, n, t->hold);
    most = 0;

    for (i = 0, known = 0; i < n; i++) {

        if (isfinite(y[i])) {
            most = fmax(most, y[i]);
            known += n - i <= own;
        }
    }

    one->most = (double) known >= PREDICTOR_RESIZES_KNOWN * t->season
                ? (float) most : NAN;
}


/* 0: of one that is not known yet nothing can be said in this tick */

static int
predictor_resizes_load(predictor_resizes_t *r,
    const predictor_resizes_view_t *view, predictor_resizes_tick_t *t,
    uint32_t i)
{
    long                       hour, since;
    size_t                     k, steps;
    double                     peak;
    shard_id_t                 id;
    const float               *q;
    predictor_resizes_one_t   *one;
    const predictor_line_t    *line;
    predictor_resize_shard_t  *s;

    s = &t->shards[i];
    id = view->fleet->table.shards[i].id;
    line = predictor_resizes_line(view->cold, id);
    since = line ? line->since : 0;
    hour = (long) (view->now_s / PREDICTOR_RESIZES_HOUR);
    one = &r->by_id[id];

    if ((one->hour != hour || one->since != since)
        && t->looks < PREDICTOR_RESIZES_LOOKS)
    {
        predictor_resizes_season(one, view, t, id);
        one->hour = hour;
        one->since = since;
        t->looks++;
    }

    if (one->hour < 0 || one->since != since) {
        return 0;
    }

    steps = view->fleet->plan.nsteps;
    q = view->fleet->quantile + i * steps;

    for (k = 0; k < steps; k++) {
        t->y[k] = q[k];
    }

    peak = predictor_resize_peak(t->y, steps, t->hold < steps
                                 ? t->hold : (uint32_t) steps);
    s->peak = fmax(one->peak, peak);
    s->most = isnan(one->most) ? NAN
              : fmax(one->most, predictor_resize_peak(t->y, steps, 1));

    s->age_s = line ? (double) (view->history->last + 1 - since)
                      * (double) view->conf->interval_ms / 1000 : INFINITY;
    s->born = line == NULL ? PREDICTOR_RESIZE_OLD
              : line->how == PREDICTOR_BORROW_MERGED
                ? PREDICTOR_RESIZE_BY_MERGE : PREDICTOR_RESIZE_BY_SPLIT;

    return 1;
}


/* a list's shard can be cut between units that it names, others are unknown */

static int
predictor_resizes_named(const shard_record_t *rec, uint64_t position)
{
    shard_str_t    left;
    shard_bytes_t  unit;

    left = rec->units;

    while (shard_units_next(&left, &unit) == SHARD_OK) {

        if (shard_key_position(unit.data, unit.len) == position) {
            return 1;
        }
    }

    return 0;
}


static void
predictor_resizes_cut(const predictor_spreads_t *sp,
    const shard_record_t *rec, predictor_resize_shard_t *s)
{
    unsigned                        skip, order[SHARD_SPREAD_KEYS];
    const predictor_spreads_one_t  *one;

    s->range = predictor_spread_range(rec, &skip);
    s->whole = rec->kind == SHARD_KIND_LIST
               ? rec->is_default || rec->nunits < 2
               : s->range.lo >= s->range.last;

    one = rec->id < sp->n ? sp->by_id[rec->id] : NULL;

    if (one == NULL || !(one->spread.mass > 0)) {
        return;
    }

    s->known = one->known;
    s->cut = one->cut;

    /* one position has no cut, and all of its load */

    if (s->whole && !one->known) {
        s->known = 1;
        s->cut.left = 1;
        s->cut.hot = -1;
    }

    if (one->spread.nkeys == 0) {
        return;
    }

    predictor_spread_rank(&one->spread, order);
    s->key = predictor_spread_share(&one->spread, order[0]);
    s->key_at = one->spread.keys[order[0]].position;

    if (rec->kind == SHARD_KIND_LIST && !s->whole
        && !predictor_resizes_named(rec, s->key_at))
    {
        s->key.share = 0;
    }
}


static int
predictor_resizes_before(const void *a, const void *b)
{
    int                    rc;
    uint8_t                len;
    const shard_record_t  *x, *y;

    x = *(const shard_record_t *const *) a;
    y = *(const shard_record_t *const *) b;

    if (x->kind != SHARD_KIND_RANGE_BYTES) {
        return (x->lo > y->lo) - (x->lo < y->lo);
    }

    len = x->lo_text.len < y->lo_text.len ? x->lo_text.len : y->lo_text.len;
    rc = memcmp(x->lo_text.data, y->lo_text.data, len);

    return rc ? rc : (int) x->lo_text.len - (int) y->lo_text.len;
}


static int
predictor_resizes_alike(const shard_record_t *a, const shard_record_t *b)
{
    return a->consistency == b->consistency && a->strategy == b->strategy;
}


/* ranges have no gap: the next one begins where this one ends */

static void
predictor_resizes_neighbours(const predictor_resizes_view_t *view,
    predictor_resizes_tick_t *t)
{
    uint32_t               i, n, number;
    const shard_record_t  *recs;

    recs = view->fleet->table.shards;
    n = t->r.nshards;

    for (i = 0; i < n; i++) {
        t->order[i] = &recs[i];
        t->shards[i].next = PREDICTOR_RESIZE_NONE_NEXT;
    }

    if (n == 0 || recs[0].kind == SHARD_KIND_LIST) {
        return;
    }

    qsort(t->order, n, sizeof(t->order[0]), predictor_resizes_before);

    for (i = 0; i + 1 < n; i++) {
        number = (uint32_t) (t->order[i] - recs);

        if (predictor_resizes_alike(t->order[i], t->order[i + 1])) {
            t->shards[number].next = (uint32_t) (t->order[i + 1] - recs);
        }
    }
}


static double
predictor_resizes_capacity(const predictor_plan_t *plan)
{
    double    least, free_load;
    uint32_t  i;

    least = 0;

    for (i = 0; i < plan->nnodes; i++) {
        free_load = plan->nodes[i].capacity - plan->nodes[i].base;

        if (plan->nodes[i].state == SHARD_NODE_UP && !plan->nodes[i].closing
            && free_load > 0 && (least == 0 || free_load < least))
        {
            least = free_load;
        }
    }

    return least;
}


static void
predictor_resizes_fill(predictor_resizes_t *r,
    const predictor_resizes_view_t *view, predictor_resizes_tick_t *t)
{
    uint32_t                       i;
    const shard_record_t          *rec;
    predictor_resize_shard_t      *s;
    const predictor_plan_shard_t  *plan;

    for (i = 0; i < t->r.nshards; i++) {
        rec = &view->fleet->table.shards[i];
        plan = &view->fleet->plan.shards[i];
        s = &t->shards[i];

        if (rec->id >= r->n || rec->id >= view->outlook->nshards
            || plan->fixed || plan->from != plan->to
            || !predictor_resizes_load(r, view, t, i))
        {
            s->fixed = 1;
            s->most = NAN;
            continue;
        }

        if (s->peak > r->policy.split_above * t->r.limits.capacity) {
            predictor_resizes_cut(view->spreads, rec, s);
        }
    }

    predictor_resizes_neighbours(view, t);
}


static void
predictor_resizes_limits(predictor_resizes_t *r,
    const predictor_resizes_view_t *view, predictor_resizes_tick_t *t)
{
    double  res_s;

    res_s = (double) view->conf->interval_ms / 1000;

    t->r.limits.capacity = predictor_resizes_capacity(&view->fleet->plan);
    t->r.limits.hi = r->policy.split_above;
    t->r.limits.lo = r->policy.merge_below;
    t->r.limits.min = r->policy.min;
    t->r.limits.max = r->policy.max;
    t->r.limits.season_s = r->policy.season_s;

    t->hold = (uint32_t) ceil(r->policy.hold_s / res_s);
    t->season = (uint32_t) fmax(1, r->policy.season_s / res_s);
}


int
predictor_resizes(predictor_resizes_t *r,
    const predictor_resizes_view_t *view, const predictor_io_t *io,
    uint64_t *decisions)
{
    int                       rc;
    size_t                    n, window;
    uint32_t                  answers;
    predictor_resizes_tick_t  t;

    memset(&t, 0, sizeof(t));
    predictor_resizes_policy(r, view);
    predictor_resizes_limits(r, view, &t);

    n = view->fleet->table.nshards;
    window = view->history->window > view->fleet->plan.nsteps
             ? view->history->window : view->fleet->plan.nsteps;

    t.shards = calloc(n + 1, sizeof(predictor_resize_shard_t));
    t.out = calloc(PREDICTOR_RESIZES_MAX, sizeof(predictor_resize_t));
    t.order = calloc(n + 1, sizeof(t.order[0]));
    t.y = calloc(window + 1, sizeof(double));
    t.r.taken = calloc(n + 1, 1);
    t.r.shards = t.shards;
    t.r.nshards = (uint32_t) n;
    rc = SHARDD_BAD;

    if (t.shards && t.out && t.order && t.y && t.r.taken
        && predictor_resizes_room(r, view->fleet->ncols) == SHARD_OK)
    {
        predictor_resizes_fill(r, view, &t);
        answers = predictor_resize(&t.r, t.out, PREDICTOR_RESIZES_MAX);
        rc = predictor_report_resizes(io, view, &t.r, t.out, answers,
                                      decisions);
    }

    free(t.shards);
    free(t.out);
    free(t.order);
    free(t.y);
    free(t.r.taken);

    return rc;
}
