
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_codec.h"
#include "../src/core/shard_override.h"
#include "fleet.h"


/* newest migrations and decisions that are looked at */

#define PREDICTOR_FLEET_RECENT  256

/* durations needed before the measured spread alone is believed, or any */

#define PREDICTOR_FLEET_SURE    8
#define PREDICTOR_FLEET_SOME    3


typedef struct {
    predictor_fleet_t       *fleet;
    const predictor_conf_t  *conf;
    predictor_clock_t        clock;
    double                   now_ms;
    double                   moves[PREDICTOR_FLEET_RECENT];   /* seconds */
} predictor_fleet_read_t;

/* what a migration and a decision have in common */

typedef struct {
    uint32_t     shard;         /* numbers in the table */
    uint32_t     to;
    uint64_t     epoch;
    double       since_s;       /* on the predictor's clock */
    const char  *id;
} predictor_fleet_move_t;


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
    free(f->now);
    free(f->mean);
    free(f->quantile);

    memset(f, 0, sizeof(predictor_fleet_t));
}


static int
predictor_fleet_node_cmp(const void *name, const void *node)
{
    return strcmp(name, ((const shard_node_t *) node)->name);
}


/* SHARD_ID_NONE when there is no such node */

static uint32_t
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

    if (!p->nodes || !p->shards || !f->now || !f->by_id) {
        return SHARDD_BAD;
    }

    memset(f->by_id, 0xff, (f->ncols + 1) * sizeof(uint32_t));

    return SHARDD_OK;
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
    }

    for (i = 0; i < f->plan.nshards; i++) {
        rec = &f->table.shards[i];
        s = &f->plan.shards[i];

        s->from = predictor_fleet_node(f, rec->primary);
        s->to = s->from;

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


static shard_str_t
predictor_fleet_text(const char *text)
{
    shard_str_t  s;

    s.data = text ? text : "";
    s.len = strlen(s.data);

    return s;
}


/* number of the shard with this id in text, or SHARD_ID_NONE */

static uint32_t
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
    char              err[SHARD_ERR_SIZE];
    size_t            i;
    uint32_t          shard;
    shard_override_t  verb;

    for (i = 0; i < entry->nfields; i++) {
        shard = predictor_fleet_shard(r->fleet, entry->fields[i].name);

        if (shard == SHARD_ID_NONE
            || shard_override_decode(predictor_fleet_text(
                                         entry->fields[i].value), &verb, err)
               != SHARD_OK
            || (verb.until_ms && (double) verb.until_ms <= r->now_ms))
        {
            continue;
        }

        r->fleet->plan.shards[shard].fixed = 1;
    }
}


static double
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


/* 0 when the shard, its epoch or its place is not what the entry was about */

static int
predictor_fleet_move(const predictor_fleet_read_t *r,
    const shardd_entry_t *e, const char *since, predictor_fleet_move_t *m)
{
    double              ms;
    const char         *to;
    predictor_fleet_t  *f;

    f = r->fleet;
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


/* real time of a phase in "planned@1 claimed@2 ...", or -1 */

static double
predictor_fleet_phase_ms(const char *trail, const char *phase)
{
    size_t  len;

    len = strlen(phase);

    while (trail && *trail) {

        if (strncmp(trail, phase, len) == 0 && trail[len] == '@') {
            return strtod(trail + len + 1, NULL);
        }

        trail = strchr(trail, ' ');
        trail = trail ? trail + 1 : NULL;
    }

    return -1;
}


/* the load leaves the source with the commit: until then the move lasts */

static void
predictor_fleet_learn(predictor_fleet_read_t *r, const shardd_entry_t *e)
{
    double       from, to;
    const char  *trail;

    trail = shardd_entry_field(e, "trail");
    from = predictor_fleet_phase_ms(trail, "claimed");
    to = predictor_fleet_phase_ms(trail, "release");

    if (to < 0) {
        to = predictor_fleet_ms(e, "finished_ms");
    }

    if (from > 0 && to > from && r->fleet->nmoves < PREDICTOR_FLEET_RECENT) {
        r->moves[r->fleet->nmoves++] = (to - from) / 1000 * r->clock.speed;
    }
}


static void
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

        if (strcmp(phase, "done") == 0) {
            predictor_fleet_learn(r, &entries->entries[i]);
            continue;
        }

        /* after its commit the record says where the shard is */

        rec = &f->table.shards[m.shard];
        s = &f->plan.shards[m.shard];
        s->fixed = 1;

        if (rec->epoch == m.epoch && strcmp(phase, "rolling-back") != 0) {
            s->to = m.to;
        }
    }
}


static int
predictor_fleet_known(const shardd_entries_t *migrations, const char *id)
{
    size_t       i;
    const char  *other;

    for (i = 0; i < migrations->n; i++) {
        other = shardd_entry_field(&migrations->entries[i], "id");

        if (other && strcmp(other, id) == 0) {
            return 1;
        }
    }

    return 0;
}


/*
 * A decision that no migrator has picked up yet is in flight all the same.
 * Advice counts as followed while it is fresh, where advice is all we give:
 * otherwise it would be repeated, or contradicted, with every slot.
 */

static void
predictor_fleet_decisions(predictor_fleet_read_t *r,
    const shardd_entries_t *decisions, const shardd_entries_t *migrations)
{
    int                      act;
    size_t                   i;
    const char              *mode;
    predictor_fleet_t       *f;
    predictor_fleet_move_t   m;
    predictor_plan_shard_t  *s;

    f = r->fleet;

    for (i = 0; i < decisions->n; i++) {
        mode = shardd_entry_field(&decisions->entries[i], "mode");

        if (mode == NULL
            || !predictor_fleet_move(r, &decisions->entries[i], "decided_ms",
                                     &m))
        {
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
            || s->to != s->from || predictor_fleet_known(migrations, m.id))
        {
            continue;
        }

        s->to = m.to;
        s->idle = !act;
        f->waiting += act;
    }
}


static int
predictor_fleet_double_cmp(const void *a, const void *b)
{
    double  x, y;

    x = *(const double *) a;
    y = *(const double *) b;

    return (x > y) - (x < y);
}


static void
predictor_fleet_limits(predictor_fleet_read_t *r)
{
    double                    middle, high;
    uint32_t                  n;
    predictor_plan_limits_t  *l;

    l = &r->fleet->plan.limits;
    n = r->fleet->nmoves;

    l->threshold = r->conf->threshold;
    l->rho = r->conf->correlation;
    l->min_gain = r->conf->min_gain;
    l->extra = r->conf->move_extra;
    l->step_s = (double) r->conf->interval_ms / 1000;
    l->margin_s = (double) r->conf->lead_margin_ms / 1000;
    l->move_s = (double) r->conf->move_time_ms / 1000;
    l->move_spread = r->conf->move_spread;
    l->moves_per_node = (uint32_t) r->conf->max_moves_per_node;
    l->moves = (uint32_t) r->conf->max_moves;

    if (n < PREDICTOR_FLEET_SOME) {
        return;
    }

    qsort(r->moves, n, sizeof(double), predictor_fleet_double_cmp);

    middle = r->moves[n / 2];
    high = r->moves[(n * 9 - 1) / 10];

    l->move_s = middle;
    l->move_spread = (high - middle) / middle;

    if (n < PREDICTOR_FLEET_SURE) {
        l->move_spread = fmax(l->move_spread, r->conf->move_spread);
    }
}


/* everything but the table, into a fleet whose table is placed */

static int
predictor_fleet_rest_of(predictor_fleet_read_t *r, const predictor_io_t *io)
{
    int               rc;
    shardd_entry_t    overrides;
    shardd_entries_t  migrations, decisions;

    memset(&overrides, 0, sizeof(shardd_entry_t));
    memset(&migrations, 0, sizeof(shardd_entries_t));
    memset(&decisions, 0, sizeof(shardd_entries_t));

    /* decisions first: one picked up in between is then a migration too */

    rc = io->decisions(io->data, PREDICTOR_FLEET_RECENT, &decisions);

    if (rc == SHARDD_OK || rc == SHARDD_NONE) {
        rc = io->migrations(io->data, PREDICTOR_FLEET_RECENT, &migrations);
    }

    if (rc == SHARDD_OK || rc == SHARDD_NONE) {
        rc = io->hash_load(io->data, "override", &overrides);
    }

    if (rc == SHARDD_OK || rc == SHARDD_NONE) {
        predictor_fleet_overrides(r, &overrides);
        predictor_fleet_migrations(r, &migrations);
        predictor_fleet_decisions(r, &decisions, &migrations);
        predictor_fleet_limits(r);
        rc = SHARDD_OK;
    }

    shardd_entry_free(&overrides);
    shardd_entries_free(&migrations);
    shardd_entries_free(&decisions);

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
    const predictor_history_t *h, const predictor_conf_t *conf, double now_s)
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

    p->now = f->now;
    p->mean = f->mean;
    p->quantile = f->quantile;
    p->limits.age_s = now_s - (double) (h->last + 1)
                              * (double) conf->interval_ms / 1000;
    p->limits.age_s = fmax(p->limits.age_s, 0);

    return SHARDD_OK;
}
