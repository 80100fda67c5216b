
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_ring.h"
#include "number.h"
#include "report_ring.h"


#define PREDICTOR_RING_EPS     0.1
#define PREDICTOR_RING_JOINED  0.5      /* of its share: with less it joins */
#define PREDICTOR_RING_TAKES   256      /* shards that are named */


typedef struct {
    const predictor_fleet_t  *fleet;
    shard_ring_t              ring;
    uint32_t                 *nshards;  /* of each node */
    size_t                    n;
    shardd_field_t           *fields;
} predictor_report_ring_t;


/* the highest that is forecast, or the present where that is more */

static double
predictor_ring_load(const predictor_fleet_t *f, uint32_t shard)
{
    float     most;
    uint32_t  i;

    most = isfinite(f->now[shard]) ? f->now[shard] : 0;

    for (i = 0; i < f->plan.nsteps; i++) {
        most = fmaxf(most, f->quantile[(size_t) shard * f->plan.nsteps + i]);
    }

    return most;
}


static double
predictor_ring_weight(const predictor_plan_node_t *node)
{
    return node->state == SHARD_NODE_UP && !node->closing
           ? fmax(0, node->capacity - node->base) : 0;
}


static void
predictor_ring_fill(predictor_report_ring_t *rep, const char *keyspace)
{
    uint32_t                  i;
    shard_id_t                id;
    shard_ring_t             *ring;
    const char               *name;
    const predictor_fleet_t  *f;

    f = rep->fleet;
    ring = &rep->ring;
    ring->eps = PREDICTOR_RING_EPS;
    ring->seed = shard_ring_hash(0, keyspace, strlen(keyspace));

    for (i = 0; i < ring->nnodes; i++) {
        name = f->table.nodes[i].name;
        ring->nodes[i].weight = predictor_ring_weight(&f->plan.nodes[i]);
        ring->nodes[i].hash = shard_ring_hash(ring->seed, name, strlen(name));
    }

    for (i = 0; i < ring->nshards; i++) {
        id = f->table.shards[i].id;
        ring->shards[i].hash = shard_ring_hash(ring->seed, &id, sizeof(id));
        ring->shards[i].load = predictor_ring_load(f, i);
        ring->shards[i].node = f->plan.shards[i].to;
        rep->nshards[f->plan.shards[i].to]++;
    }

    shard_ring_build(ring);
}


/* what the node is given, then all is as it was */

static json_t *
predictor_ring_joins(predictor_report_ring_t *rep, uint32_t node,
    shard_ring_moved_t *moved)
{
    uint32_t                  i, n;
    json_t                   *takes;
    const predictor_fleet_t  *f;

    f = rep->fleet;
    takes = json_array();
    shard_ring_join(&rep->ring, node, moved);

    for (i = 0, n = 0; i < rep->ring.nshards; i++) {

        if (rep->ring.shards[i].node == f->plan.shards[i].to) {
            continue;
        }

        rep->ring.shards[i].node = f->plan.shards[i].to;

        if (n++ < PREDICTOR_RING_TAKES) {
            json_array_append_new(takes, json_pack("[I,s]",
                (json_int_t) f->table.shards[i].id,
                f->table.nodes[f->plan.shards[i].to].name));
        }
    }

    shard_ring_build(&rep->ring);

    return takes;
}


static char *
predictor_ring_json(predictor_report_ring_t *rep, uint32_t i, double now_s)
{
    double                    bound, room;
    json_t                   *json, *takes;
    shard_ring_node_t         node;
    shard_ring_moved_t        moved;
    const predictor_plan_t   *plan;

    plan = &rep->fleet->plan;
    node = rep->ring.nodes[i];
    bound = node.share * rep->ring.most;
    room = node.weight > 0 ? fmax(0, plan->limits.threshold
                                     * plan->nodes[i].capacity
                                     - plan->nodes[i].peak) : 0;

    json = json_pack("{sI sf sf sf sf sf sI}",
                     "at", (json_int_t) llround(now_s),
                     "weight", node.weight,
                     "share", node.share,
                     "load", node.load,
                     "bound", bound,
                     "room", room,
                     "shards", (json_int_t) rep->nshards[i]);

    if (json && node.load < PREDICTOR_RING_JOINED * node.share) {
        takes = predictor_ring_joins(rep, i, &moved);
        json_object_set_new(json, "takes", takes);
        json_object_set_new(json, "takes_load", json_real(moved.load));
        json_object_set_new(json, "takes_shards", json_integer(moved.shards));
        json_object_set_new(json, "least", json_real(moved.least));
    }

    return predictor_number_text(json);
}


static int
predictor_ring_known(const predictor_fleet_t *f, const char *name)
{
    size_t  i;

    for (i = 0; i < f->table.nnodes; i++) {

        if (strcmp(f->table.nodes[i].name, name) == 0) {
            return 1;
        }
    }

    return 0;
}


/* fields of nodes that are gone */

static int
predictor_ring_forget(const predictor_io_t *io, const predictor_fleet_t *f)
{
    int             rc;
    size_t          i;
    shardd_entry_t  old;
    shardd_field_t  field;

    memset(&old, 0, sizeof(old));
    rc = io->hash_load(io->data, "ring", &old);

    if (rc == SHARDD_NONE) {
        return SHARDD_OK;
    }

    for (i = 0; rc == SHARDD_OK && i < old.nfields; i++) {

        if (!predictor_ring_known(f, old.fields[i].name)) {
            field.name = old.fields[i].name;
            field.value = NULL;
            rc = io->hash_put(io->data, "ring", &field, 1);
        }
    }

    shardd_entry_free(&old);

    return rc;
}


static int
predictor_ring_put(predictor_report_ring_t *rep, const predictor_io_t *io,
    double now_s)
{
    size_t           i;
    shardd_field_t  *field;

    for (i = 0; i < rep->ring.nnodes; i++) {
        field = &rep->fields[rep->n];
        field->value = predictor_ring_json(rep, (uint32_t) i, now_s);
        field->name = rep->fleet->table.nodes[i].name;

        if (field->value == NULL) {
            return SHARDD_BAD;
        }

        rep->n++;
    }

    return rep->n ? io->hash_put(io->data, "ring", rep->fields, rep->n)
                  : SHARDD_OK;
}


int
predictor_report_ring(const predictor_io_t *io,
    const predictor_fleet_t *fleet, const char *keyspace, double now_s)
{
    int                      rc;
    size_t                   i;
    shard_ring_t            *ring;
    predictor_report_ring_t  rep;

    memset(&rep, 0, sizeof(rep));
    rep.fleet = fleet;
    ring = &rep.ring;
    ring->nnodes = fleet->plan.nnodes;
    ring->nshards = fleet->plan.nshards;
    ring->nodes = calloc(ring->nnodes + 1, sizeof(shard_ring_node_t));
    ring->shards = calloc(ring->nshards + 1, sizeof(shard_ring_shard_t));
    ring->points = calloc(ring->nnodes * SHARD_RING_POINTS + 1,
                          sizeof(shard_ring_point_t));
    ring->order = calloc(ring->nshards + 1, sizeof(uint32_t));
    rep.nshards = calloc(ring->nnodes + 1, sizeof(uint32_t));
    rep.fields = calloc(ring->nnodes + 1, sizeof(shardd_field_t));
    rc = SHARDD_BAD;

    if (ring->nodes && ring->shards && ring->points && ring->order
        && rep.nshards && rep.fields)
    {
        predictor_ring_fill(&rep, keyspace);
        rc = predictor_ring_put(&rep, io, now_s);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_ring_forget(io, fleet);
    }

    for (i = 0; i < rep.n; i++) {
        free(rep.fields[i].value);
    }

    free(ring->nodes);
    free(ring->shards);
    free(ring->points);
    free(ring->order);
    free(rep.nshards);
    free(rep.fields);

    return rc;
}
