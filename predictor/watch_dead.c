
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_codec.h"
#include "../src/daemon/shardd_log.h"
#include "watch.h"


#define PREDICTOR_WATCH_LIVE_MS  3000   /* docs/redis-keys.md: a router lives */
#define PREDICTOR_WATCH_ENTRY    (16 * 1024 * 1024)


/* nodes of one look, in the order of their names */

typedef struct {
    uint32_t                    n;
    shard_node_t               *nodes;
    predictor_failure_node_t   *seen;
    uint64_t                   *dead_ms;        /* the longest of the votes */
} predictor_watch_nodes_t;


static int
predictor_watch_cmp(const void *a, const void *b)
{
    return strcmp(((const shard_node_t *) a)->name,
                  ((const shard_node_t *) b)->name);
}


static void
predictor_watch_nodes_free(predictor_watch_nodes_t *n)
{
    free(n->nodes);
    free(n->seen);
    free(n->dead_ms);
}


/* what cannot be read is no node of ours */

static int
predictor_watch_nodes(predictor_watch_nodes_t *n, const shardd_entry_t *e)
{
    char         err[SHARD_ERR_SIZE];
    size_t       i;
    uint32_t     k;
    shard_str_t  name, value;

    n->n = 0;
    n->nodes = calloc(e->nfields + 1, sizeof(shard_node_t));
    n->seen = calloc(e->nfields + 1, sizeof(predictor_failure_node_t));
    n->dead_ms = calloc(e->nfields + 1, sizeof(uint64_t));

    if (n->nodes == NULL || n->seen == NULL || n->dead_ms == NULL) {
        return SHARDD_BAD;
    }

    for (i = 0; i < e->nfields; i++) {
        name.data = e->fields[i].name;
        name.len = strlen(name.data);
        value.data = e->fields[i].value;
        value.len = strlen(value.data);

        if (shard_node_decode(name, value, &n->nodes[n->n], err) == SHARD_OK)
        {
            n->n++;
        }
    }

    qsort(n->nodes, n->n, sizeof(shard_node_t), predictor_watch_cmp);

    for (k = 0; k < n->n; k++) {
        n->seen[k].state = n->nodes[k].state;
    }

    return SHARDD_OK;
}


static json_int_t
predictor_watch_ms(const json_t *of, const char *name)
{
    const json_t  *value;

    value = json_object_get(of, name);

    return json_is_integer(value) ? json_integer_value(value) : -1;
}


/* both times are of the router's clock */

static void
predictor_watch_vote(predictor_watch_nodes_t *n, predictor_failure_t *f,
    const char *name, const json_t *seen, json_int_t time_ms)
{
    uint64_t       dead_ms;
    const char    *state;
    json_int_t     since_ms;
    shard_node_t  *node, key;

    state = json_string_value(json_object_get(seen, "state"));
    since_ms = predictor_watch_ms(seen, "since_ms");

    if (state == NULL || strcmp(state, "down") != 0 || since_ms < 0
        || since_ms > time_ms || strlen(name) >= sizeof(key.name))
    {
        return;
    }

    strcpy(key.name, name);
    node = bsearch(&key, n->nodes, n->n, sizeof(shard_node_t),
                   predictor_watch_cmp);

    if (node == NULL) {
        return;
    }

    dead_ms = (uint64_t) (time_ms - since_ms);
    predictor_failure_vote(f, (uint32_t) (node - n->nodes), dead_ms);

    if (dead_ms > n->dead_ms[node - n->nodes]) {
        n->dead_ms[node - n->nodes] = dead_ms;
    }
}


/* one router's entry; what is not one says nothing, and does not count */

static void
predictor_watch_router(predictor_watch_nodes_t *n, predictor_failure_t *f,
    const char *text, uint64_t now_ms)
{
    void        *iter;
    json_t      *root, *nodes;
    uint64_t     age_ms;
    json_int_t   time_ms;

    root = strlen(text) <= PREDICTOR_WATCH_ENTRY
           ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    time_ms = predictor_watch_ms(root, "time_ms");
    age_ms = (uint64_t) time_ms < now_ms ? now_ms - (uint64_t) time_ms
                                         : (uint64_t) time_ms - now_ms;

    if (time_ms < 0 || !predictor_failure_lives(&f->limits, age_ms)) {
        json_decref(root);
        return;
    }

    f->live++;
    nodes = json_object_get(root, "nodes");

    for (iter = json_object_iter(nodes); iter;
         iter = json_object_iter_next(nodes, iter))
    {
        predictor_watch_vote(n, f, json_object_iter_key(iter),
                             json_object_iter_value(iter), time_ms);
    }

    json_decref(root);
}


const predictor_dead_t *
predictor_watch_find(const predictor_watch_t *w, const char *name)
{
    uint32_t  i;

    for (i = 0; i < w->ndead; i++) {
        if (strcmp(w->dead[i].name, name) == 0) {
            return &w->dead[i];
        }
    }

    return NULL;
}


/* the dead of this look in place of those of the last one, and a line each */

static int
predictor_watch_take(predictor_watch_t *w, const predictor_watch_nodes_t *n,
    const predictor_failure_t *f, uint32_t ndead, uint64_t now_ms,
    int *changed)
{
    uint32_t                 i, k;
    predictor_dead_t        *dead;
    const predictor_dead_t  *old;

    dead = calloc(ndead + 1, sizeof(predictor_dead_t));

    if (dead == NULL) {
        return SHARDD_BAD;
    }

    *changed = ndead != w->ndead;
    k = 0;

    for (i = 0; i < n->n; i++) {

        if (!f->nodes[i].dead) {

            if (predictor_watch_find(w, n->nodes[i].name)) {
                shardd_log(SHARDD_LOG_INFO, "node %s is not dead any more",
                           n->nodes[i].name);
            }

            continue;
        }

        old = predictor_watch_find(w, n->nodes[i].name);

        memcpy(dead[k].name, n->nodes[i].name, sizeof(dead[k].name));
        dead[k].votes = f->nodes[i].votes;
        dead[k].down = n->nodes[i].state == SHARD_NODE_DOWN;
        dead[k].since_ms = old ? old->since_ms : now_ms - n->dead_ms[i];

        if (old == NULL) {
            *changed = 1;
            shardd_log(SHARDD_LOG_WARN, "node %s is dead: %s, %u of %u "
                       "routers see it so", dead[k].name, dead[k].down
                       ? "the table says \"down\"" : "a majority",
                       dead[k].votes, f->live);
        }

        k++;
    }

    free(w->dead);
    w->dead = dead;
    w->ndead = ndead;
    w->live = f->live;

    return SHARDD_OK;
}


static int
predictor_watch_judge(predictor_watch_t *w, const shardd_entry_t *nodes,
    const shardd_entry_t *routers, const predictor_conf_t *conf,
    uint64_t now_ms, int *changed)
{
    int                      rc;
    size_t                   i;
    uint32_t                 ndead;
    predictor_failure_t      f;
    predictor_watch_nodes_t  n;

    memset(&f, 0, sizeof(predictor_failure_t));
    f.limits.after_ms = (uint64_t) conf->failure_after_ms;
    f.limits.live_ms = PREDICTOR_WATCH_LIVE_MS;

    rc = predictor_watch_nodes(&n, nodes);

    if (rc == SHARDD_OK) {
        f.nodes = n.seen;
        f.nnodes = n.n;

        for (i = 0; i < routers->nfields; i++) {
            predictor_watch_router(&n, &f, routers->fields[i].value, now_ms);
        }

        ndead = predictor_failure_count(&f);
        rc = predictor_watch_take(w, &n, &f, ndead, now_ms, changed);
    }

    predictor_watch_nodes_free(&n);

    return rc;
}


int
predictor_watch_look(predictor_watch_t *w, const predictor_io_t *io,
    const predictor_conf_t *conf, int *changed)
{
    int             rc;
    shardd_entry_t  nodes, routers;

    memset(&nodes, 0, sizeof(shardd_entry_t));
    memset(&routers, 0, sizeof(shardd_entry_t));

    rc = io->hash_load(io->data, "nodes", &nodes);

    if (rc == SHARDD_OK || rc == SHARDD_NONE) {
        rc = io->hash_load(io->data, "routers", &routers);
    }

    if (rc == SHARDD_OK || rc == SHARDD_NONE) {
        rc = predictor_watch_judge(w, &nodes, &routers, conf,
                                   io->now_ms(io->data), changed);
    }

    shardd_entry_free(&nodes);
    shardd_entry_free(&routers);

    return rc;
}
