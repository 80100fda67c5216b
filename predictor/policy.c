
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_text.h"
#include "../src/daemon/shardd_log.h"
#include "policy.h"


/* memory of one reading */

typedef struct {
    predictor_fleet_t          *fleet;
    shard_policy_t              zones;
    shard_terms_t               terms;
    predictor_terms_t           out;
    shard_policy_work_t         work;
} predictor_policy_read_t;


void
predictor_policy_init(predictor_policy_t *p, const predictor_conf_t *conf,
    const predictor_io_t *io)
{
    memset(p, 0, sizeof(predictor_policy_t));
    predictor_sizes_init(&p->sizes, conf, io);
}


void
predictor_policy_done(predictor_policy_t *p)
{
    predictor_sizes_done(&p->sizes);
    predictor_traffic_done(&p->traffic);
    free(p->text);
    p->text = NULL;
}


int
predictor_policy_load(predictor_policy_t *p, const predictor_fleet_t *f)
{
    int  held;

    held = p->sizes.ncols > 0;

    if (predictor_sizes_room(&p->sizes, f->ncols) != SHARDD_OK) {
        return SHARDD_BAD;
    }

    return held ? SHARDD_OK : predictor_sizes_load(&p->sizes);
}


/* its tokens are those of the terms afterwards: distances come first */

static int
predictor_policy_decode(predictor_policy_read_t *r, const char *text,
    char *err)
{
    shard_str_t  json;

    json.data = text ? text : "";
    json.len = strlen(json.data);

    return shard_policy_decode(json, &r->work, &r->zones, err) == SHARD_OK
           && shard_terms_decode(json, &r->work, &r->terms, err) == SHARD_OK;
}


/* of the table as it is, or the last good one; 0: there was none */

static int
predictor_policy_read(predictor_policy_t *p, predictor_policy_read_t *r)
{
    char        *copy, err[SHARD_ERR_SIZE];
    const char  *text;

    text = r->fleet->table.policy;

    if (predictor_policy_decode(r, text, err)) {
        p->err[0] = '\0';
        copy = text ? strdup(text) : NULL;

        if (text && copy == NULL) {
            return 0;
        }

        free(p->text);
        p->text = copy;

        /* names point into the fleet's own text, which outlives the plan */

        return 1;
    }

    if (strcmp(err, p->err) != 0) {
        memcpy(p->err, err, sizeof(err));
        shardd_log(SHARDD_LOG_WARN, "policy: %s: plans heed the one before",
                   err);
    }

    return predictor_policy_decode(r, p->text, err);
}


static uint32_t
predictor_policy_distance(const predictor_policy_read_t *r, const char *a,
    const char *b)
{
    if (strcmp(a, b) == 0) {
        return 0;
    }

    return shard_policy_distance(&r->zones,
               shard_policy_zone(&r->zones, shard_text_str(a)),
               shard_policy_zone(&r->zones, shard_text_str(b)));
}


/* zones beyond those that have a column are as far as unknown ones */

static void
predictor_policy_zones(predictor_policy_read_t *r,
    const predictor_traffic_t *t)
{
    uint32_t                  a, b, named;
    predictor_terms_t        *out;
    const predictor_fleet_t  *f;

    f = r->fleet;
    out = &r->out;
    out->ncolumns = f->nzones;
    out->nclients = t->nzones;
    named = f->nzones < PREDICTOR_PLAN_ZONES_MAX ? f->nzones
                                                 : PREDICTOR_PLAN_ZONES_MAX;

    for (a = 0; a < out->ncolumns; a++) {

        for (b = 0; b < out->ncolumns; b++) {
            out->between[a][b] = a < named && b < named
                ? predictor_policy_distance(r, f->zones[a], f->zones[b])
                : SHARD_DISTANCE_UNKNOWN;
        }
    }

    for (a = 0; a < out->nclients; a++) {
        out->column[a] = PREDICTOR_TERMS_COLUMNS;

        for (b = 0; b < out->ncolumns; b++) {
            out->distance[a][b] = b < named
                ? predictor_policy_distance(r, t->zone[a], f->zones[b])
                : SHARD_DISTANCE_UNKNOWN;

            if (b < named && strcmp(t->zone[a], f->zones[b]) == 0) {
                out->column[a] = b;
            }
        }
    }
}


static void
predictor_policy_nodes(predictor_policy_read_t *r)
{
    uint32_t                i;
    const shard_node_t     *node;
    predictor_plan_node_t  *n;

    for (i = 0; i < r->fleet->plan.nnodes; i++) {
        node = &r->fleet->table.nodes[i];
        n = &r->fleet->plan.nodes[i];
        n->labels = shard_terms_labels(&r->terms, &r->work, node->name,
                                       node->zone);
        n->price = predictor_terms_price(&r->out,
                       shard_terms_node_cost(&r->terms, &r->work, node->name),
                       node->capacity);
    }
}


static void
predictor_policy_require(void *data, shard_id_t first, shard_id_t last,
    uint64_t labels)
{
    uint32_t            i;
    predictor_fleet_t  *f = data;

    for (i = first; i <= last && i < f->ncols; i++) {

        if (f->by_id[i] != SHARD_ID_NONE) {
            f->plan.shards[f->by_id[i]].needs |= labels;
        }
    }
}


static void
predictor_policy_shards(predictor_policy_read_t *r,
    const predictor_traffic_t *t)
{
    double                    now;
    uint32_t                  i, k;
    predictor_plan_t         *plan;
    predictor_asked_t         asked[PREDICTOR_TERMS_CLIENTS];
    predictor_fleet_t        *f;
    predictor_plan_shard_t   *s;
    predictor_terms_shard_t   shard;

    f = r->fleet;
    plan = &f->plan;

    for (i = 0; i < plan->nshards; i++) {
        s = &plan->shards[i];
        shard.primary = plan->nodes[s->from].zone;
        shard.consistency = f->table.shards[i].consistency;
        shard.nstandbys = s->nstandbys;

        for (k = 0; k < s->nstandbys; k++) {
            shard.standbys[k] = plan->nodes[s->standbys[k]].zone;
        }

        now = f->now[i] > 0 ? (double) f->now[i] : 0;
        s->barred = predictor_terms_barred(&r->out, &shard);
        s->move_cost = (float) predictor_terms_move(&r->out,
                           (double) s->bytes, (double) s->move_s,
                           f->duration.hold_s, now);
        s->promote_cost = (float) predictor_terms_move(&r->out, 0,
                              (double) s->promote_s, f->duration.hold_s, now);

        if (f->place) {
            predictor_traffic_rates(t, f->ids[i], asked);
            predictor_terms_place(&r->out, &shard, asked,
                                  f->place + (size_t) i * f->nzones);
        }
    }
}


/* who asks from where, while that matters */

static int
predictor_policy_traffic(predictor_policy_t *p, predictor_policy_read_t *r,
    const predictor_io_t *io, double now_s)
{
    int                  rc, placed;
    shardd_entry_t       routers;
    predictor_fleet_t   *f;

    f = r->fleet;
    placed = predictor_terms_placed(&r->out);
    rc = predictor_traffic_room(&p->traffic, placed ? f->ncols : 0);

    if (rc != SHARDD_OK || !placed) {
        return rc;
    }

    f->place = calloc((size_t) f->plan.nshards * f->nzones + 1,
                      sizeof(float));

    if (f->place == NULL) {
        return SHARDD_BAD;
    }

    memset(&routers, 0, sizeof(shardd_entry_t));
    rc = predictor_traffic_load(&p->traffic, io);

    if (rc == SHARDD_OK) {
        rc = io->hash_load(io->data, "routers", &routers);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_traffic_routers(&p->traffic, &routers);
    }

    shardd_entry_free(&routers);

    if (rc != SHARDD_OK && rc != SHARDD_NONE) {
        return rc;
    }

    return predictor_traffic_save(&p->traffic, io, now_s);
}


static int
predictor_policy_fill(predictor_policy_t *p, predictor_policy_read_t *r,
    const predictor_io_t *io, double now_s)
{
    int                 rc;
    predictor_fleet_t  *f;

    f = r->fleet;

    if (!predictor_policy_read(p, r)) {
        return SHARDD_BAD;
    }

    memcpy(r->out.weight, r->terms.weight, sizeof(r->out.weight));
    r->out.strong_within = r->terms.strong_within;
    r->out.zones_apart = r->terms.replicas != 0;

    rc = predictor_policy_traffic(p, r, io, now_s);

    if (rc != SHARDD_OK) {
        return rc;
    }

    predictor_policy_zones(r, &p->traffic);
    predictor_policy_nodes(r);
    shard_terms_required(&r->terms, &r->work, predictor_policy_require, f);
    predictor_policy_shards(r, &p->traffic);

    f->plan.place = f->place;
    f->plan.nzones = f->nzones;
    f->plan.limits.spread_price = r->terms.weight[SHARD_TERM_SPREAD];

    return SHARDD_OK;
}


int
predictor_policy_heed(predictor_policy_t *p, predictor_fleet_t *f,
    const predictor_io_t *io, double now_s)
{
    int                       rc;
    predictor_policy_read_t  *r;

    rc = predictor_sizes_room(&p->sizes, f->ncols);

    if (rc != SHARDD_OK) {
        return rc;
    }

    predictor_sizes_fill(&p->sizes, f);
    predictor_fleet_durations(f);

    r = calloc(1, sizeof(predictor_policy_read_t));

    if (r == NULL) {
        return SHARDD_BAD;
    }

    r->fleet = f;
    rc = predictor_policy_fill(p, r, io, now_s);
    free(r);

    return rc == SHARDD_OK ? predictor_policy_say(p, f, io) : rc;
}
