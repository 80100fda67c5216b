
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_codec.h"
#include "fleet.h"
#include "fleet_moves.h"


/* of a plan: what a million shards need is less, and takes some seconds */

#define PREDICTOR_FLEET_TRIALS  5000000


void
predictor_fleet_clock(const predictor_conf_t *conf, predictor_clock_t *clock)
{
    clock->speed = conf->clock_speed;
    clock->real_ms = conf->clock_real_ms;
    clock->epoch_s = conf->clock_epoch_s;
}


void
predictor_fleet_done(predictor_fleet_t *f)
{
    shardd_table_free(&f->table);

    free(f->plan.nodes);
    free(f->plan.shards);
    free(f->plan.memory);
    free(f->by_id);
    free(f->ids);
    free(f->now);
    free(f->mean);
    free(f->quantile);
    free(f->place);
    free(f->budget_memory);
    free(f->zones);

    memset(f, 0, sizeof(predictor_fleet_t));
}


static int
predictor_fleet_node_cmp(const void *name, const void *node)
{
    return strcmp(name, ((const shard_node_t *) node)->name);
}


/* SHARD_ID_NONE when there is no such node */

uint32_t
predictor_fleet_node(const predictor_fleet_t *f, const char *name)
{
    shard_node_t  *node;

    node = bsearch(name, f->table.nodes, f->table.nnodes,
                   sizeof(shard_node_t), predictor_fleet_node_cmp);

    return node ? (uint32_t) (node - f->table.nodes) : SHARD_ID_NONE;
}


static int
predictor_fleet_alloc(predictor_fleet_t *f)
{
    size_t             i;
    predictor_plan_t  *p;

    p = &f->plan;
    p->nnodes = (uint32_t) f->table.nnodes;
    p->nshards = (uint32_t) f->table.nshards;
    f->ncols = 0;

    for (i = 0; i < f->table.nshards; i++) {

        if (f->table.shards[i].id < PREDICTOR_SHARDS_MAX
            && f->table.shards[i].id >= f->ncols)
        {
            f->ncols = f->table.shards[i].id + 1;
        }
    }

    p->nodes = calloc(p->nnodes + 1, sizeof(predictor_plan_node_t));
    p->shards = calloc(p->nshards + 1, sizeof(predictor_plan_shard_t));
    f->now = calloc(p->nshards + 1, sizeof(float));
    f->by_id = malloc((f->ncols + 1) * sizeof(uint32_t));
    f->ids = malloc((p->nshards + 1) * sizeof(shard_id_t));
    f->zones = calloc(PREDICTOR_PLAN_ZONES_MAX, SHARD_NAME_SIZE);

    if (!p->nodes || !p->shards || !f->now || !f->by_id || !f->ids
        || !f->zones)
    {
        return SHARDD_BAD;
    }

    for (i = 0; i < f->table.nshards; i++) {
        f->ids[i] = f->table.shards[i].id;
    }

    memset(f->by_id, 0xff, (f->ncols + 1) * sizeof(uint32_t));

    return SHARDD_OK;
}


/* the number of a node's zone; from PREDICTOR_PLAN_ZONES_MAX on they are one */

static uint32_t
predictor_fleet_zone(predictor_fleet_t *f, uint32_t node)
{
    uint32_t     i;
    const char  *zone;

    zone = f->table.nodes[node].zone;

    for (i = 0; i < f->nzones && i < PREDICTOR_PLAN_ZONES_MAX; i++) {

        if (strcmp(f->zones[i], zone) == 0) {
            return i;
        }
    }

    if (i < PREDICTOR_PLAN_ZONES_MAX) {
        memcpy(f->zones[i], zone, SHARD_NAME_SIZE);
    }

    f->nzones = i + 1;

    return i;
}


static void
predictor_fleet_standbys(const predictor_fleet_t *f, const shard_record_t *rec,
    predictor_plan_shard_t *s)
{
    uint32_t  i, node;

    for (i = 0; i < rec->nstandbys; i++) {
        node = predictor_fleet_node(f, rec->standbys[i]);

        if (node != SHARD_ID_NONE) {
            s->standbys[s->nstandbys++] = node;
        }
    }
}


static void
predictor_fleet_place(predictor_fleet_t *f)
{
    uint32_t                 i, target;
    shard_record_t          *rec;
    predictor_plan_shard_t  *s;

    for (i = 0; i < f->plan.nnodes; i++) {
        f->plan.nodes[i].capacity = f->table.nodes[i].capacity;
        f->plan.nodes[i].state = f->table.nodes[i].state;
        f->plan.nodes[i].zone = predictor_fleet_zone(f, i);
    }

    f->plan.nzones = f->nzones;

    for (i = 0; i < f->plan.nshards; i++) {
        rec = &f->table.shards[i];
        s = &f->plan.shards[i];

        s->from = predictor_fleet_node(f, rec->primary);
        s->to = s->from;
        predictor_fleet_standbys(f, rec, s);

        if (rec->id < f->ncols) {
            f->by_id[rec->id] = i;

        } else {
            s->fixed = 1;
        }

        if (rec->migration && rec->target[0]) {
            target = predictor_fleet_node(f, rec->target);
            s->to = target == SHARD_ID_NONE ? s->to : target;
        }
    }
}


/* the store promises that a primary exists; if not, the table is refused */

static int
predictor_fleet_placed(const predictor_fleet_t *f)
{
    uint32_t  i;

    for (i = 0; i < f->plan.nshards; i++) {

        if (f->plan.shards[i].from == SHARD_ID_NONE) {
            return 0;
        }
    }

    return 1;
}


shard_str_t
predictor_fleet_text(const char *text)
{
    shard_str_t  s;

    s.data = text ? text : "";
    s.len = strlen(s.data);

    return s;
}


/* number of the shard with this id in text, or SHARD_ID_NONE */

uint32_t
predictor_fleet_shard(const predictor_fleet_t *f, const char *text)
{
    shard_id_t  id;

    if (shard_id_decode(predictor_fleet_text(text), &id) != SHARD_OK
        || id >= f->ncols)
    {
        return SHARD_ID_NONE;
    }

    return f->by_id[id];
}


static void
predictor_fleet_overrides(predictor_fleet_read_t *r,
    const shardd_entry_t *entry)
{
    size_t    i;
    uint32_t  shard;

    for (i = 0; i < entry->nfields; i++) {
        shard = predictor_fleet_shard(r->fleet, entry->fields[i].name);

        if (shard != SHARD_ID_NONE
            && predictor_orders_holds(&entry->fields[i],
                                      (uint64_t) r->now_ms))
        {
            r->fleet->plan.shards[shard].fixed = 1;
        }
    }
}


/* everything but the table, into a fleet whose table is placed */

static int
predictor_fleet_rest_of(predictor_fleet_read_t *r, const predictor_io_t *io)
{
    int                 rc;
    predictor_orders_t  orders;

    rc = predictor_orders_load(&orders, io, PREDICTOR_FLEET_RECENT);

    if (rc == SHARDD_OK) {
        predictor_fleet_overrides(r, &orders.overrides);
        predictor_fleet_migrations(r, &orders.migrations);
        predictor_fleet_decisions(r, &orders);
        predictor_fleet_cuts(r, &orders);
        rc = predictor_fleet_limits(r, &orders.migrations);
    }

    predictor_orders_free(&orders);

    return rc;
}


int
predictor_fleet_load(predictor_fleet_t *f, const predictor_io_t *io,
    const predictor_conf_t *conf)
{
    int                     rc;
    predictor_fleet_t       new;
    predictor_fleet_read_t  read;

    memset(&new, 0, sizeof(predictor_fleet_t));

    rc = io->table(io->data, &new.table);

    if (rc != SHARDD_OK) {
        return rc;
    }

    read.fleet = &new;
    read.conf = conf;
    read.nmoves = 0;
    read.nfailed = 0;
    read.now_ms = (double) io->now_ms(io->data);
    predictor_fleet_clock(conf, &read.clock);

    rc = predictor_fleet_alloc(&new);

    if (rc == SHARDD_OK) {
        predictor_fleet_place(&new);
        rc = predictor_fleet_placed(&new) ? SHARDD_OK : SHARDD_BAD;
    }

    if (rc == SHARDD_OK) {
        rc = predictor_fleet_rest_of(&read, io);
    }

    if (rc != SHARDD_OK) {
        predictor_fleet_done(&new);
        return rc;
    }

    predictor_fleet_done(f);
    *f = new;

    return SHARDD_OK;
}


int
predictor_fleet_outlook(predictor_fleet_t *f, const predictor_outlook_t *o,
    const predictor_history_t *h, const predictor_conf_t *conf, double base,
    double now_s)
{
    size_t             steps, doubles;
    uint32_t           i;
    shard_id_t         id;
    predictor_plan_t  *p;

    p = &f->plan;
    p->nsteps = o->ask.horizon;
    steps = p->nsteps;
    doubles = predictor_plan_doubles(p->nnodes, p->nsteps);

    f->mean = calloc(p->nshards * steps + 1, sizeof(float));
    f->quantile = calloc(p->nshards * steps + 1, sizeof(float));
    p->memory = calloc(doubles + 1, sizeof(double));

    if (!f->mean || !f->quantile || !p->memory) {
        return SHARDD_BAD;
    }

    for (i = 0; i < p->nshards; i++) {
        id = f->table.shards[i].id;

        if (id >= o->nshards) {
            continue;
        }

        f->now[i] = predictor_history_now(h, id, (size_t) conf->now_slots);
        memcpy(f->mean + i * steps, o->mean + id * steps,
               steps * sizeof(float));
        memcpy(f->quantile + i * steps, o->quantile[o->planned] + id * steps,
               steps * sizeof(float));
    }

    for (i = 0; i < p->nnodes; i++) {
        p->nodes[i].base = base * p->nodes[i].capacity;
    }

    /* here, as a fleet is copied before */

    p->budget = &f->budget;
    p->now = f->now;
    p->mean = f->mean;
    p->quantile = f->quantile;
    p->limits.age_s = now_s - (double) (h->last + 1)
                              * (double) conf->interval_ms / 1000;
    p->limits.age_s = fmax(p->limits.age_s, 0);
    p->limits.seed = (uint32_t) h->last;
    p->limits.work = PREDICTOR_FLEET_TRIALS;

    return SHARDD_OK;
}
