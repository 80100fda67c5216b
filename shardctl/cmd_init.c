
/*
 * init: a whole table under the claim "keyspace".  Nodes are told first what
 * they own; then all of the table comes into force at once, as no reader may
 * see a table with a gap: a small one by one commit, a large one staged in
 * pieces, so that Redis serves others in between.
 */


#include <stdlib.h>
#include <string.h>

#include "shard_codec.h"
#include "shardd_loop.h"
#include "init.h"


#define INIT_TIMEOUT_MS  5000
#define INIT_RENEW_MS    (SHARDCTL_CLAIM_MS / 3)
#define INIT_WHOLE       1000      /* changes of one commit */
#define INIT_PIECE       100       /* of a piece: Redis is busy for 2 ms */


typedef struct {
    uint32_t          epoch;
    int               consistency;
    int               strategy;
    int               driver;
    int               force;
    init_kind_t       kind;
    init_nodes_t      nodes;
    uint32_t         *owner;
    shardd_table_t    old;
    shardd_claim_t    claim;
    uint64_t          version;

    int               staged;
    shardd_stage_t    stage;
    shardctl_pace_t   pace;
    uint64_t          renew_ms;

    shardd_change_t   changes[INIT_WHOLE];   /* their texts are allocated */
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
    unsigned     i;
    const char  *spec, *file;

    init->strategy = SHARD_LOG_SHIPPING;
    init->consistency = SHARD_STRONG;
    init->force = shardctl_option(ctl, "force") != NULL;

    if (shardctl_option_word(ctl, "strategy", init_strategies,
                             &init->strategy)
        || shardctl_option_word(ctl, "consistency", init_consistencies,
                                &init->consistency)
        || shardctl_option_word(ctl, "driver", init_drivers, &init->driver))
    {
        return SHARDCTL_USAGE;
    }

    rc = init_kind_options(ctl, &init->kind);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

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

    init->owner = malloc(init->kind.nshards * sizeof(uint32_t));

    if (init->owner == NULL) {
        return shardctl_fail(ctl, "out of memory");
    }

    placement = shardctl_option(ctl, "placement");

    if (placement && strcmp(placement, "ring") == 0) {
        return init_placement_ring(ctl, &init->nodes, init->kind.nshards,
                                   init->owner);
    }

    if (placement && strcmp(placement, "round-robin") != 0) {
        return init_placement_file(ctl, placement, &init->nodes,
                                   init->kind.nshards, init->owner);
    }

    for (i = 0; i < init->kind.nshards; i++) {
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

    rc = shardd_table_load(&ctl->store, &init->old);

    if (rc == SHARDD_NONE) {
        memset(&init->old, 0, sizeof(shardd_table_t));
        rc = shardd_version(&ctl->store, &init->version);

        return rc == SHARDD_OK ? SHARDCTL_OK
               : shardctl_store_fail(ctl, rc, "cannot read the version");
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


/* a claim is renewed long before its lease ends */

static int
init_stage(shardctl_t *ctl, init_t *init)
{
    int       rc;
    uint64_t  now;

    rc = shardd_stage(&ctl->store, &init->claim, &init->stage, init->changes,
                      init->n);
    now = shardd_monotonic_ms();

    if (rc == SHARDD_OK && now > init->renew_ms) {
        init->renew_ms = now + INIT_RENEW_MS;
        rc = shardd_claim(&ctl->store, "keyspace", init->claim.holder,
                          SHARDCTL_CLAIM_MS, &init->claim);
    }

    shardctl_pace(ctl, &init->pace, init->stage.seq);

    return rc;
}


/* what was gathered goes to the stage, or all of it into the table */

static int
init_flush(shardctl_t *ctl, init_t *init, const char *policy)
{
    int     rc;
    char    operation[SHARD_NAME_SIZE + 48];
    size_t  i;

    snprintf(operation, sizeof(operation), "%s-%llu", init->claim.holder,
             (unsigned long long) init->claim.token);

    if (init->staged) {
        rc = init_stage(ctl, init);

        if (rc == SHARDD_OK && policy) {
            rc = shardd_stage_commit(&ctl->store, &init->claim, &init->stage,
                                     operation, shardctl_by(), policy);
            init->version = init->stage.version;
        }

    } else {
        rc = shardd_commit(&ctl->store, &init->claim, &init->version,
                           operation, shardctl_by(), init->changes, init->n);
    }

    for (i = 0; i < init->n; i++) {
        free((char *) init->changes[i].id);
        free((char *) init->changes[i].json);
    }

    init->n = 0;

    if (rc != SHARDD_OK) {
        return shardctl_store_fail(ctl, rc, "cannot write the table");
    }

    return SHARDCTL_OK;
}


static int
init_change(shardctl_t *ctl, init_t *init, const char *kind, const char *id,
    const char *json)
{
    shardd_change_t  *change;

    if (init->staged && init->n == INIT_PIECE
        && init_flush(ctl, init, NULL) != SHARDCTL_OK)
    {
        return SHARDCTL_FAILED;
    }

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
    char            id[24], json[SHARD_JSON_MAX];
    shard_record_t  rec;

    memset(&rec, 0, sizeof(shard_record_t));

    rec.id = (shard_id_t) i;
    rec.epoch = init->epoch;
    rec.consistency = (shard_consistency_e) init->consistency;
    rec.strategy = (shard_strategy_e) init->strategy;

    init_kind_fill(&init->kind, i, &rec);
    strcpy(rec.primary, init->nodes.nodes[init->owner[i]].name);

    if (shard_record_encode(&rec, json, sizeof(json)) < 0) {
        return shardctl_fail(ctl, "the record of shard %zu is longer than %d "
                             "bytes", i, SHARD_JSON_MAX);
    }

    snprintf(id, sizeof(id), "%zu", i);

    return init_change(ctl, init, "shard", id, json);
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


/* a staged table takes the place of the old one; a commit must name what
 * goes, and says of which kind the rest is */

static int
init_change_old(shardctl_t *ctl, init_t *init, const char *policy)
{
    int     rc;
    char    id[16];
    size_t  i;

    rc = init_change(ctl, init, "meta", "kind",
                     shard_kind_name(init->kind.kind));

    if (rc == SHARDCTL_OK) {
        rc = init_change(ctl, init, "meta", "policy", policy);
    }

    for (i = 0; rc == SHARDCTL_OK && i < init->old.nshards; i++) {

        if (init->old.shards[i].id >= init->kind.nshards) {
            snprintf(id, sizeof(id), "%u", init->old.shards[i].id);
            rc = init_change(ctl, init, "shard", id, "");
        }
    }

    for (i = 0; rc == SHARDCTL_OK && i < init->old.nnodes; i++) {

        if (!init_is_new_node(init, init->old.nodes[i].name)) {
            rc = init_change(ctl, init, "node", init->old.nodes[i].name, "");
        }
    }

    return rc;
}


static int
init_write(shardctl_t *ctl, init_t *init)
{
    int     rc;
    char    json[SHARD_JSON_MAX], policy[64];
    size_t  i;

    snprintf(policy, sizeof(policy), "{\"driver\":\"%s\"}",
             init_drivers[init->driver]);

    rc = SHARDCTL_OK;

    if (!init->staged) {
        rc = init_change_old(ctl, init, policy);
    }

    for (i = 0; rc == SHARDCTL_OK && i < init->nodes.n; i++) {

        if (shard_node_encode(&init->nodes.nodes[i], json, sizeof(json)) < 0) {
            return shardctl_fail(ctl, "the record of node \"%s\" is longer "
                                 "than %d bytes", init->nodes.nodes[i].name,
                                 SHARD_JSON_MAX);
        }

        rc = init_change(ctl, init, "node", init->nodes.nodes[i].name, json);
    }

    for (i = 0; rc == SHARDCTL_OK && i < init->kind.nshards; i++) {
        rc = init_change_shard(ctl, init, i);
    }

    return rc == SHARDCTL_OK ? init_flush(ctl, init, policy) : rc;
}


static int
init_claimed(shardctl_t *ctl, init_t *init)
{
    int     rc;
    size_t  n;

    rc = init_old(ctl, init);

    if (rc == SHARDCTL_OK && init->driver == 0) {
        rc = init_roles(ctl, &init->nodes, init->kind.nshards, init->owner,
                        init->epoch);
    }

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    n = init->kind.nshards + init->nodes.n;
    init->staged = n + init->old.nshards + init->old.nnodes + 2 > INIT_WHOLE;
    init->stage.kind = init->kind.kind;
    init->stage.version = init->version;

    shardctl_pace_start(&init->pace, "records are staged", n);

    rc = init_write(ctl, init);

    shardctl_pace_end(&init->pace);

    return rc;
}


static int
init_run(shardctl_t *ctl, init_t *init)
{
    int   rc;
    char  holder[SHARD_NAME_SIZE];

    ctl->conf.timeout_ms = INIT_TIMEOUT_MS;

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
        return shardctl_show(ctl, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}",
                                  "keyspace", ctl->keyspace, "kind",
                                  shard_kind_name(init->kind.kind), "version",
                                  (json_int_t) init->version, "shards",
                                  (json_int_t) init->kind.nshards, "nodes",
                                  (json_int_t) init->nodes.n, "epoch",
                                  (json_int_t) init->epoch));
    }

    printf("keyspace %s: %zu shards on %zu nodes, epoch %u, table version "
           "%llu\n", ctl->keyspace, init->kind.nshards, init->nodes.n, init->epoch,
           (unsigned long long) init->version);

    return SHARDCTL_OK;
}


int
shardctl_cmd_init(shardctl_t *ctl)
{
    int     rc;
    size_t  i;
    init_t  init;

    memset(&init, 0, sizeof(init_t));

    rc = init_options(ctl, &init);

    if (rc == SHARDCTL_OK) {
        rc = init_place(ctl, &init);
    }

    if (rc == SHARDCTL_OK) {
        rc = init_run(ctl, &init);
    }

    for (i = 0; i < init.n; i++) {
        free((char *) init.changes[i].id);
        free((char *) init.changes[i].json);
    }

    init_kind_free(&init.kind);
    free(init.owner);
    free(init.nodes.nodes);

    return rc;
}
