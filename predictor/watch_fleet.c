
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_codec.h"
#include "../src/daemon/shardd_standbys.h"
#include "orders.h"
#include "watch.h"


#define PREDICTOR_WATCH_RECENT     2000     /* migrations, decisions */
#define PREDICTOR_WATCH_WAIT_MS    90000    /* for a migrator to take one */
#define PREDICTOR_WATCH_FAILED_MS  10000    /* a standby is not tried again */
#define PREDICTOR_WATCH_COPY       0.25     /* of a shard's load: its writes */


static shard_str_t
predictor_watch_text(const shardd_entry_t *e, const char *name)
{
    shard_str_t  s;

    s.data = shardd_entry_field(e, name);
    s.data = s.data ? s.data : "";
    s.len = strlen(s.data);

    return s;
}


static int
predictor_watch_is(const shardd_entry_t *e, const char *name,
    const char *value)
{
    return strcmp(predictor_watch_text(e, name).data, value) == 0;
}


static uint64_t
predictor_watch_number(const shardd_entry_t *e, const char *name)
{
    uint64_t  n;

    return shard_uint64_decode(predictor_watch_text(e, name), &n) == SHARD_OK
           ? n : 0;
}


/* number of the node, or SHARD_ID_NONE */

static uint32_t
predictor_watch_node(predictor_watch_fleet_t *fleet, const char *name)
{
    shard_node_t  *node;

    node = shardd_table_node(&fleet->table, name);

    return node ? (uint32_t) (node - fleet->table.nodes) : SHARD_ID_NONE;
}


/* number of the shard that an entry is of, or SHARD_ID_NONE */

static uint32_t
predictor_watch_shard(predictor_watch_fleet_t *fleet, shard_str_t text)
{
    shard_id_t       id;
    shard_record_t  *rec;

    if (shard_id_decode(text, &id) != SHARD_OK) {
        return SHARD_ID_NONE;
    }

    rec = shardd_table_shard(&fleet->table, id);

    return rec ? (uint32_t) (rec - fleet->table.shards) : SHARD_ID_NONE;
}


static void
predictor_watch_nodes_of(predictor_watch_fleet_t *fleet,
    const predictor_watch_t *w, const predictor_conf_t *conf)
{
    uint32_t                   i, k;
    shard_node_t              *table;
    const predictor_dead_t    *dead;
    predictor_failure_node_t  *n;

    table = fleet->table.nodes;

    for (i = 0; i < fleet->f.nnodes; i++) {
        n = &fleet->f.nodes[i];
        n->capacity = table[i].capacity;
        n->state = table[i].state;

        dead = predictor_watch_find(w, table[i].name);
        n->dead = dead != NULL;
        n->gone = dead && dead->since_ms + (uint64_t) conf->failure_rebuild_ms
                          <= fleet->now_ms;

        for (k = 0; strcmp(table[k].zone, table[i].zone) != 0; k++) {
            /* the first node of a zone stands for it */
        }

        n->zone = k;
    }
}


static void
predictor_watch_shards_of(predictor_watch_fleet_t *fleet,
    const predictor_watch_t *w)
{
    uint32_t                    i, k, to;
    shard_record_t             *rec;
    predictor_failure_shard_t  *s;

    for (i = 0; i < fleet->f.nshards; i++) {
        rec = &fleet->table.shards[i];
        s = &fleet->f.shards[i];

        s->primary = predictor_watch_node(fleet, rec->primary);
        s->nstandbys = rec->nstandbys;
        s->strong = rec->consistency == SHARD_STRONG;
        s->stateless = rec->strategy == SHARD_STATELESS;

        /* where nothing was forecast yet, they are as good as each other */

        s->load = rec->id < w->npeak && isfinite(w->peak[rec->id])
                  && w->peak[rec->id] > 0 ? (double) w->peak[rec->id] : 0.001;

        for (k = 0; k < s->nstandbys; k++) {
            s->standbys[k] = predictor_watch_node(fleet, rec->standbys[k]);
            s->behind_s[k] = -1;
        }

        to = rec->migration && rec->target[0]
             ? predictor_watch_node(fleet, rec->target) : s->primary;

        if (to != SHARD_ID_NONE) {
            fleet->f.nodes[to].load += s->load;
        }
    }
}


static void
predictor_watch_overrides(predictor_watch_fleet_t *fleet,
    const shardd_entry_t *e)
{
    size_t       i;
    uint32_t     shard;
    shard_str_t  text;

    for (i = 0; i < e->nfields; i++) {
        text.data = e->fields[i].name;
        text.len = strlen(text.data);
        shard = predictor_watch_shard(fleet, text);

        if (shard != SHARD_ID_NONE
            && predictor_orders_holds(&e->fields[i], fleet->now_ms))
        {
            fleet->f.shards[shard].fixed = 1;
        }
    }
}


/* 1: "standby" is one of the shard's, *i its number */

static int
predictor_watch_standby(const predictor_watch_fleet_t *fleet, uint32_t shard,
    const char *standby, uint32_t *i)
{
    const shard_record_t  *rec;

    rec = &fleet->table.shards[shard];

    for (*i = 0; *i < rec->nstandbys; (*i)++) {
        if (strcmp(rec->standbys[*i], standby) == 0) {
            return 1;
        }
    }

    return 0;
}


typedef struct {
    predictor_watch_fleet_t  *fleet;
    const predictor_watch_t  *w;
} predictor_watch_both_t;


static void
predictor_watch_behind(predictor_watch_fleet_t *fleet,
    const predictor_watch_t *w, uint32_t shard, const char *standby,
    uint64_t level_ms)
{
    double                      behind_s;
    uint32_t                    i;
    const predictor_dead_t     *dead;
    predictor_failure_shard_t  *s;

    dead = predictor_watch_find(w, fleet->table.shards[shard].primary);

    if (level_ms == 0 || dead == NULL
        || !predictor_watch_standby(fleet, shard, standby, &i))
    {
        return;
    }

    s = &fleet->f.shards[shard];
    behind_s = dead->since_ms > level_ms
               ? (double) (dead->since_ms - level_ms) / 1000 : 0;

    if (s->behind_s[i] < 0 || behind_s < s->behind_s[i]) {
        s->behind_s[i] = behind_s;
    }
}


/* the migrators that keep it level say so all the time */

static void
predictor_watch_kept(void *data, const shardd_standby_t *one)
{
    shard_record_t          *rec;
    predictor_watch_both_t  *both = data;

    rec = shardd_table_shard(&both->fleet->table, one->shard);

    if (rec && rec->epoch == one->epoch) {
        predictor_watch_behind(both->fleet, both->w,
                               (uint32_t) (rec - both->fleet->table.shards),
                               one->node, one->level_ms);
    }
}


/*
 * What a migration knew when it ended, of a standby that nobody has looked at
 * since: the former primary of a move that made the primary, or a replica.
 */

static void
predictor_watch_level(predictor_watch_fleet_t *fleet,
    const predictor_watch_t *w, uint32_t shard, const shardd_entry_t *e,
    const char *standby)
{
    predictor_watch_behind(fleet, w, shard, standby,
                           predictor_watch_number(e, "level_ms"));
}


/* a promotion that made the primary: it has a replica less since */

static void
predictor_watch_lost(predictor_watch_fleet_t *fleet,
    const predictor_conf_t *conf, uint32_t shard, const shardd_entry_t *e)
{
    json_t      *reason;
    uint32_t     from;
    uint64_t     end_ms;
    json_int_t   had;

    end_ms = predictor_watch_number(e, "finished_ms");

    if (end_ms + (uint64_t) conf->failure_rebuild_ms > fleet->now_ms) {
        return;
    }

    reason = json_loads(predictor_watch_text(e, "reason").data, 0, NULL);
    had = json_integer_value(json_object_get(reason, "standbys"));
    json_decref(reason);

    from = predictor_watch_node(fleet, predictor_watch_text(e, "from").data);

    if (fleet->table.shards[shard].nstandbys < had && from != SHARD_ID_NONE) {
        fleet->f.shards[shard].missing = 1;
        fleet->f.shards[shard].lost = from;
    }
}


/* one replica more that is being made, by these nodes */

static void
predictor_watch_spend(predictor_watch_fleet_t *fleet, uint32_t shard,
    const shardd_entry_t *e)
{
    uint32_t  to, from;

    if (!predictor_watch_is(e, "verb", "replicate")) {
        return;
    }

    fleet->rebuilding++;
    from = fleet->f.shards[shard].primary;
    to = predictor_watch_node(fleet, predictor_watch_text(e, "to").data);

    if (from != SHARD_ID_NONE) {
        fleet->f.nodes[from].spent = 1;
    }

    if (to != SHARD_ID_NONE) {
        fleet->f.nodes[to].spent = 1;
    }
}


static void
predictor_watch_migration(predictor_watch_fleet_t *fleet,
    const predictor_watch_t *w, const predictor_conf_t *conf,
    const shardd_entry_t *e)
{
    int          promote;
    uint32_t     shard, i;
    uint64_t     epoch;
    const char  *phase;

    shard = predictor_watch_shard(fleet, predictor_watch_text(e, "shard"));

    if (shard == SHARD_ID_NONE) {
        return;
    }

    promote = predictor_watch_is(e, "verb", "promote");
    phase = predictor_watch_text(e, "phase").data;
    epoch = predictor_watch_number(e, "epoch");

    if (strcmp(phase, "rolled-back") == 0) {

        if (promote && epoch == fleet->table.shards[shard].epoch
            && predictor_watch_number(e, "finished_ms")
               + PREDICTOR_WATCH_FAILED_MS > fleet->now_ms
            && predictor_watch_standby(fleet, shard,
                                     predictor_watch_text(e, "to").data, &i))
        {
            fleet->f.shards[shard].failed |= (uint8_t) (1 << i);
        }

        return;
    }

    /* a move's last phase ends when the primary does not answer */

    if (strcmp(phase, "done") != 0 && strcmp(phase, "standby") != 0) {
        fleet->f.shards[shard].busy = 1;
        predictor_watch_spend(fleet, shard, e);
        return;
    }

    if (predictor_watch_is(e, "verb", "replicate")) {

        if (epoch == fleet->table.shards[shard].epoch) {
            predictor_watch_level(fleet, w, shard, e,
                                  predictor_watch_text(e, "to").data);
        }

        return;
    }

    if (epoch + 1 != fleet->table.shards[shard].epoch) {
        return;
    }

    if (promote) {
        predictor_watch_lost(fleet, conf, shard, e);

    } else {
        predictor_watch_level(fleet, w, shard, e,
                              predictor_watch_text(e, "from").data);
    }
}


/* orders that no migrator has taken yet; it will, or it never does */

static void
predictor_watch_decisions(predictor_watch_fleet_t *fleet,
    const predictor_orders_t *orders)
{
    size_t                 i;
    uint32_t               shard;
    const shardd_entry_t  *e;

    for (i = 0; i < orders->decisions.n; i++) {
        e = &orders->decisions.entries[i];
        shard = predictor_watch_shard(fleet, predictor_watch_text(e, "shard"));

        if (shard != SHARD_ID_NONE && predictor_watch_is(e, "mode", "act")
            && predictor_watch_number(e, "epoch")
               == fleet->table.shards[shard].epoch
            && predictor_watch_number(e, "decided_ms")
               + PREDICTOR_WATCH_WAIT_MS > fleet->now_ms
            && !predictor_orders_taken(orders,
                                       predictor_watch_text(e, "id").data))
        {
            fleet->f.shards[shard].busy = 1;
            predictor_watch_spend(fleet, shard, e);
        }
    }
}


static int
predictor_watch_rest(predictor_watch_fleet_t *fleet,
    const predictor_watch_t *w, const predictor_io_t *io,
    const predictor_conf_t *conf)
{
    int                     rc;
    size_t                  i;
    shardd_entry_t          standbys;
    predictor_orders_t      orders;
    predictor_watch_both_t  both;

    rc = predictor_orders_load(&orders, io, PREDICTOR_WATCH_RECENT);

    if (rc == SHARDD_OK
        && io->hash_load(io->data, "standbys", &standbys) == SHARDD_OK)
    {
        both.fleet = fleet;
        both.w = w;
        shardd_standbys_each(&standbys, predictor_watch_kept, &both);
        shardd_entry_free(&standbys);
    }

    if (rc == SHARDD_OK) {
        predictor_watch_overrides(fleet, &orders.overrides);
        predictor_watch_decisions(fleet, &orders);

        for (i = 0; i < orders.migrations.n; i++) {
            predictor_watch_migration(fleet, w, conf,
                                      &orders.migrations.entries[i]);
        }
    }

    predictor_orders_free(&orders);

    return rc;
}


int
predictor_watch_load(predictor_watch_fleet_t *fleet,
    const predictor_watch_t *w, const predictor_io_t *io,
    const predictor_conf_t *conf)
{
    int                   rc;
    predictor_failure_t  *f;

    memset(fleet, 0, sizeof(predictor_watch_fleet_t));
    rc = io->table(io->data, &fleet->table);

    if (rc != SHARDD_OK) {
        return rc;
    }

    f = &fleet->f;
    f->nnodes = (uint32_t) fleet->table.nnodes;
    f->nshards = (uint32_t) fleet->table.nshards;
    f->nodes = calloc(f->nnodes + 1, sizeof(predictor_failure_node_t));
    f->shards = calloc(f->nshards + 1, sizeof(predictor_failure_shard_t));
    fleet->now_ms = io->now_ms(io->data);
    rc = SHARDD_BAD;

    if (f->nodes && f->shards) {
        f->limits.copy_load = PREDICTOR_WATCH_COPY;
        f->limits.behind_s = conf->failure_promote == PREDICTOR_CAUGHT_UP
                             ? (double) conf->failure_behind_ms / 1000 : -1;

        predictor_watch_nodes_of(fleet, w, conf);
        predictor_watch_shards_of(fleet, w);
        rc = predictor_watch_rest(fleet, w, io, conf);
    }

    if (rc != SHARDD_OK) {
        predictor_watch_free(fleet);
    }

    return rc;
}


void
predictor_watch_free(predictor_watch_fleet_t *fleet)
{
    shardd_table_free(&fleet->table);
    free(fleet->f.nodes);
    free(fleet->f.shards);
    memset(fleet, 0, sizeof(predictor_watch_fleet_t));
}
