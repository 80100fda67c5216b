
/*
 * init: one table of equal ranges under the claim "keyspace".  Nodes are told
 * first what they own; then all of the table is one commit, as no reader may
 * see a table with a gap.
 */


#include <stdlib.h>
#include <string.h>

#include "shard_codec.h"
#include "shardd_loop.h"
#include "init.h"


#define INIT_SHARDS_MAX  1000000
#define INIT_TIMEOUT_MS  5000
#define INIT_RECORD_MAX  512       /* bytes of one new record */


typedef struct {
    size_t            nshards;
    uint32_t          epoch;
    int               consistency;
    int               strategy;
    int               driver;
    int               force;
    init_nodes_t      nodes;
    uint32_t         *owner;
    shardd_table_t    old;
    shardd_claim_t    claim;
    uint64_t          version;

    shardd_change_t  *changes;       /* their texts are allocated */
    size_t            n;
} init_t;


static const char *const  init_strategies[] = { "stateless", "copy-on-write",
    "log-shipping", "queue", NULL };
static const char *const  init_consistencies[] = { "strong", "eventual",
    NULL };
static const char *const  init_drivers[] = { "http", "none", NULL };


static int
init_options(shardctl_t *ctl, init_t *init)
{
    int          rc;
    long         n;
    unsigned     i;
    const char  *spec, *file;

    n = 0;
    init->strategy = SHARD_LOG_SHIPPING;
    init->consistency = SHARD_STRONG;
    init->force = shardctl_option(ctl, "force") != NULL;

    if (shardctl_option_long(ctl, "shards", 1, INIT_SHARDS_MAX, &n)
        || shardctl_option_word(ctl, "strategy", init_strategies,
                                &init->strategy)
        || shardctl_option_word(ctl, "consistency", init_consistencies,
                                &init->consistency)
        || shardctl_option_word(ctl, "driver", init_drivers, &init->driver))
    {
        return SHARDCTL_USAGE;
    }

    if (n == 0) {
        return shardctl_usage(ctl, "how many shards? --shards N says it");
    }

    init->nshards = (size_t) n;
    file = shardctl_option(ctl, "nodes");

    if (file) {
        rc = init_nodes_yaml(ctl, file, &init->nodes);

        if (rc != SHARDCTL_OK) {
            return rc;
        }
    }

    for (i = 0; (spec = shardctl_option_next(ctl, "node", &i)) != NULL; ) {
        rc = init_node_spec(ctl, spec, &init->nodes);

        if (rc != SHARDCTL_OK) {
            return rc;
        }
    }

    if (init->nodes.n == 0) {
        return shardctl_usage(ctl, "on which nodes? --nodes FILE.yaml or "
                              "--node NAME=ADDR,zone=Z,capacity=C");
    }

    return SHARDCTL_OK;
}


static int
init_place(shardctl_t *ctl, init_t *init)
{
    size_t       i;
    const char  *placement;

    init->owner = malloc(init->nshards * sizeof(uint32_t));

    if (init->owner == NULL) {
        return shardctl_fail(ctl, "out of memory");
    }

    placement = shardctl_option(ctl, "placement");

    if (placement && strcmp(placement, "round-robin") != 0) {
        return init_placement_file(ctl, placement, &init->nodes,
                                   init->nshards, init->owner);
    }

    for (i = 0; i < init->nshards; i++) {
        init->owner[i] = (uint32_t) (i % init->nodes.n);
    }

    return SHARDCTL_OK;
}


/* a new table's epochs lie above the old one's: nodes refuse smaller ones */

static int
init_old(shardctl_t *ctl, init_t *init)
{
    int     rc;
    size_t  i;

    init->epoch = 1;
    init->version = UINT64_MAX;

    rc = shardd_table_load(&ctl->store, &init->old);

    if (rc == SHARDD_NONE) {
        memset(&init->old, 0, sizeof(shardd_table_t));
        return SHARDCTL_OK;
    }

    if (rc != SHARDD_OK && !(rc == SHARDD_BAD && init->force)) {
        return shardctl_store_fail(ctl, rc, "cannot read the table");
    }

    if (rc == SHARDD_BAD) {
        return shardctl_fail(ctl, "the table of keyspace \"%s\" cannot be "
                             "read, so its epochs are unknown: %s",
                             ctl->keyspace, ctl->store.err);
    }

    if (init->old.nshards && !init->force) {
        return shardctl_fail(ctl, "keyspace \"%s\" has a table of %zu shards "
                             "at version %llu: --force replaces it",
                             ctl->keyspace, init->old.nshards,
                             (unsigned long long) init->old.version);
    }

    init->version = init->old.version;

    for (i = 0; i < init->old.nshards; i++) {

        if (init->old.shards[i].epoch >= init->epoch) {
            init->epoch = init->old.shards[i].epoch + 1;
        }
    }

    return SHARDCTL_OK;
}


static int
init_change(shardctl_t *ctl, init_t *init, const char *kind, const char *id,
    const char *json)
{
    shardd_change_t  *change;

    change = &init->changes[init->n++];

    change->kind = kind;
    change->id = strdup(id);
    change->json = strdup(json);

    if (change->id == NULL || change->json == NULL) {
        return shardctl_fail(ctl, "out of memory");
    }

    return SHARDCTL_OK;
}


static int
init_change_shard(shardctl_t *ctl, init_t *init, size_t i)
{
    char            id[24], json[INIT_RECORD_MAX];
    shard_record_t  rec;

    memset(&rec, 0, sizeof(shard_record_t));

    rec.id = (shard_id_t) i;
    rec.epoch = init->epoch;
    rec.consistency = (shard_consistency_e) init->consistency;
    rec.strategy = (shard_strategy_e) init->strategy;
    rec.lo = (uint64_t) (((unsigned __int128) i << 64) / init->nshards);
    rec.hi = (uint64_t) (((unsigned __int128) (i + 1) << 64) / init->nshards);

    strcpy(rec.primary, init->nodes.nodes[init->owner[i]].name);

    if (shard_record_encode(&rec, json, sizeof(json)) < 0) {
        return shardctl_fail(ctl, "the record of shard %zu is longer than %d "
                             "bytes", i, INIT_RECORD_MAX);
    }

    snprintf(id, sizeof(id), "%zu", i);

    return init_change(ctl, init, "shard", id, json);
}


static int
init_commit(shardctl_t *ctl, init_t *init)
{
    int   rc;
    char  operation[SHARD_NAME_SIZE + 48];

    snprintf(operation, sizeof(operation), "%s-%llu", init->claim.holder,
             (unsigned long long) init->claim.token);

    rc = shardd_commit(&ctl->store, &init->claim, &init->version, operation,
                       shardctl_by(), init->changes, init->n);

    if (rc != SHARDD_OK) {
        return shardctl_store_fail(ctl, rc, "cannot write the table");
    }

    return SHARDCTL_OK;
}


static int
init_is_new_node(const init_t *init, const char *name)
{
    size_t  i;

    for (i = 0; i < init->nodes.n; i++) {

        if (strcmp(init->nodes.nodes[i].name, name) == 0) {
            return 1;
        }
    }

    return 0;
}


static int
init_write(shardctl_t *ctl, init_t *init)
{
    int     rc;
    char    json[INIT_RECORD_MAX];
    size_t  i;

    snprintf(json, sizeof(json), "{\"driver\":\"%s\"}",
             init_drivers[init->driver]);

    rc = init_change(ctl, init, "meta", "kind", "hash");

    if (rc == SHARDCTL_OK) {
        rc = init_change(ctl, init, "meta", "policy", json);
    }

    for (i = 0; rc == SHARDCTL_OK && i < init->nodes.n; i++) {

        if (shard_node_encode(&init->nodes.nodes[i], json, sizeof(json)) < 0) {
            return shardctl_fail(ctl, "the record of node \"%s\" is longer "
                                 "than %d bytes", init->nodes.nodes[i].name,
                                 INIT_RECORD_MAX);
        }

        rc = init_change(ctl, init, "node", init->nodes.nodes[i].name, json);
    }

    for (i = 0; rc == SHARDCTL_OK && i < init->nshards; i++) {
        rc = init_change_shard(ctl, init, i);
    }

    for (i = 0; rc == SHARDCTL_OK && i < init->old.nshards; i++) {

        if (init->old.shards[i].id >= init->nshards) {
            snprintf(json, sizeof(json), "%u", init->old.shards[i].id);
            rc = init_change(ctl, init, "shard", json, "");
        }
    }

    for (i = 0; rc == SHARDCTL_OK && i < init->old.nnodes; i++) {

        if (!init_is_new_node(init, init->old.nodes[i].name)) {
            rc = init_change(ctl, init, "node", init->old.nodes[i].name, "");
        }
    }

    return (rc == SHARDCTL_OK) ? init_commit(ctl, init) : rc;
}


static int
init_claimed(shardctl_t *ctl, init_t *init)
{
    int     rc;
    size_t  i;

    rc = init_old(ctl, init);

    if (rc == SHARDCTL_OK && init->driver == 0) {
        rc = init_roles(ctl, &init->nodes, init->nshards, init->owner,
                        init->epoch);
    }

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    init->changes = calloc(init->nshards + init->nodes.n + init->old.nshards
                           + init->old.nnodes + 2, sizeof(shardd_change_t));

    if (init->changes == NULL) {
        return shardctl_fail(ctl, "out of memory");
    }

    rc = init_write(ctl, init);

    for (i = 0; i < init->n; i++) {
        free((char *) init->changes[i].id);
        free((char *) init->changes[i].json);
    }

    free(init->changes);

    return rc;
}


static int
init_run(shardctl_t *ctl, init_t *init)
{
    int   rc;
    char  holder[SHARD_NAME_SIZE];

    /* Redis checks about 100 records in a millisecond */

    ctl->conf.timeout_ms = INIT_TIMEOUT_MS + (long) init->nshards / 20;

    rc = shardctl_open(ctl);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    shardctl_holder(holder);

    rc = shardd_claim(&ctl->store, "keyspace", holder, SHARDCTL_CLAIM_MS,
                      &init->claim);

    if (rc != SHARDD_OK) {
        return shardctl_store_fail(ctl, rc, "cannot claim the keyspace");
    }

    rc = init_claimed(ctl, init);

    shardd_release(&ctl->store, &init->claim);
    shardd_table_free(&init->old);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    if (ctl->json) {
        return shardctl_show(ctl, json_pack("{s:s, s:I, s:I, s:I, s:I}",
                                  "keyspace", ctl->keyspace, "version",
                                  (json_int_t) init->version, "shards",
                                  (json_int_t) init->nshards, "nodes",
                                  (json_int_t) init->nodes.n, "epoch",
                                  (json_int_t) init->epoch));
    }

    printf("keyspace %s: %zu shards on %zu nodes, epoch %u, table version "
           "%llu\n", ctl->keyspace, init->nshards, init->nodes.n, init->epoch,
           (unsigned long long) init->version);

    return SHARDCTL_OK;
}


int
shardctl_cmd_init(shardctl_t *ctl)
{
    int     rc;
    init_t  init;

    memset(&init, 0, sizeof(init_t));

    rc = init_options(ctl, &init);

    if (rc == SHARDCTL_OK) {
        rc = init_place(ctl, &init);
    }

    if (rc == SHARDCTL_OK) {
        rc = init_run(ctl, &init);
    }

    free(init.owner);
    free(init.nodes.nodes);

    return rc;
}
