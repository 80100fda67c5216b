
/*
 * node add, drain, up, down, remove: one change of one record under the
 * claim "nodes".  Somebody else's commit between reading and writing is met
 * by reading again.
 */


#include <stdlib.h>
#include <string.h>

#include "shard_codec.h"
#include "shardd_loop.h"
#include "shardctl.h"


#define NODE_TRIES     10
#define NODE_JSON_MAX  1024


typedef struct {
    const char    *name;
    shard_node_t   node;
    int            remove;
} node_change_t;

/* checks the table and fills "change"; the exit status */

typedef int (*node_check_pt)(shardctl_t *ctl, shardd_table_t *table,
    node_change_t *change);


static int
node_commit(shardctl_t *ctl, const shardd_claim_t *claim, uint64_t *version,
    const node_change_t *c)
{
    char             operation[SHARD_NAME_SIZE + 32], json[NODE_JSON_MAX];
    shardd_change_t  change;

    json[0] = '\0';

    if (!c->remove && shard_node_encode(&c->node, json, sizeof(json)) < 0) {
        snprintf(ctl->store.err, SHARDD_ERR_SIZE, "the record of node \"%s\" "
                 "is longer than %d bytes", c->name, NODE_JSON_MAX);
        return SHARDD_BAD;
    }

    snprintf(operation, sizeof(operation), "%s-%llu", claim->holder,
             (unsigned long long) shardd_now_ms());

    change.kind = "node";
    change.id = c->name;
    change.json = json;

    return shardd_commit(&ctl->store, claim, version, operation,
                         shardctl_by(), &change, 1);
}


static int
node_try(shardctl_t *ctl, const shardd_claim_t *claim, node_check_pt check,
    node_change_t *change, uint64_t *version)
{
    int             i, rc;
    char            what[128];
    shardd_table_t  table;

    snprintf(what, sizeof(what), "node \"%.63s\"", change->name);

    for (i = 0; i < NODE_TRIES; i++) {
        rc = shardctl_load(ctl, &table);

        if (rc != SHARDCTL_OK) {
            return rc;
        }

        *version = table.version;
        rc = check(ctl, &table, change);

        shardd_table_free(&table);

        if (rc != SHARDCTL_OK) {
            return rc;
        }

        rc = node_commit(ctl, claim, version, change);

        if (rc == SHARDD_OK) {
            return SHARDCTL_OK;
        }

        if (rc != SHARDD_CONFLICT) {
            break;
        }
    }

    return shardctl_store_fail(ctl, rc, what);
}


static int
node_run(shardctl_t *ctl, node_check_pt check, const char *done)
{
    int              rc;
    char             holder[SHARD_NAME_SIZE];
    uint64_t         version;
    node_change_t    change;
    shardd_claim_t   claim;

    memset(&change, 0, sizeof(node_change_t));
    change.name = ctl->args[0];

    rc = shardctl_open(ctl);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    shardctl_holder(holder);

    rc = shardd_claim(&ctl->store, "nodes", holder, SHARDCTL_CLAIM_MS, &claim);

    if (rc != SHARDD_OK) {
        return shardctl_store_fail(ctl, rc, "cannot claim the nodes");
    }

    rc = node_try(ctl, &claim, check, &change, &version);

    shardd_release(&ctl->store, &claim);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    if (ctl->json) {
        return shardctl_show(ctl, json_pack("{s:s, s:s, s:I}", "node",
                                            change.name, "outcome", done,
                                            "version", (json_int_t) version));
    }

    printf("node %s: %s, table version %llu\n", change.name, done,
           (unsigned long long) version);

    return SHARDCTL_OK;
}


static int
node_check_add(shardctl_t *ctl, shardd_table_t *table, node_change_t *change)
{
    char           err[SHARD_ERR_SIZE], *end;
    double         capacity;
    shard_node_t   node, *old;

    capacity = strtod(shardctl_option(ctl, "capacity"), &end);

    if (*end != '\0' || !(capacity > 0 && capacity < 1e12)) {
        return shardctl_usage(ctl, "\"--capacity %s\": a number of requests "
                              "per second above 0 is needed",
                              shardctl_option(ctl, "capacity"));
    }

    memset(&node, 0, sizeof(shard_node_t));

    if (strlen(ctl->args[0]) >= SHARD_NAME_SIZE
        || strlen(ctl->args[1]) >= SHARD_ADDR_SIZE
        || strlen(shardctl_option(ctl, "zone")) >= SHARD_NAME_SIZE)
    {
        return shardctl_usage(ctl, "names have at most %d bytes, addresses %d",
                              SHARD_NAME_SIZE - 1, SHARD_ADDR_SIZE - 1);
    }

    node.state = SHARD_NODE_UP;
    node.capacity = capacity;
    strcpy(node.name, ctl->args[0]);
    strcpy(node.addr, ctl->args[1]);
    strcpy(node.zone, shardctl_option(ctl, "zone"));

    old = shardd_table_node(table, node.name);

    if (old) {
        return shardctl_fail(ctl, "node \"%s\" is there already, at %s in "
                             "zone \"%s\": remove it first", node.name,
                             old->addr, old->zone);
    }

    if (shardctl_node_check(&node, err) != SHARD_OK) {
        return shardctl_usage(ctl, "%s", err);
    }

    change->node = node;

    return SHARDCTL_OK;
}


int
shardctl_cmd_node_add(shardctl_t *ctl)
{
    shard_str_t  name;

    if (shardctl_option(ctl, "zone") == NULL
        || shardctl_option(ctl, "capacity") == NULL)
    {
        return shardctl_usage(ctl, "--zone Z and --capacity C are needed");
    }

    name.data = ctl->args[0];
    name.len = strlen(ctl->args[0]);

    if (!shard_name_valid(name)) {
        return shardctl_usage(ctl, "\"%s\" is no node's name: 1 to 63 of "
                              "A-Z a-z 0-9 _ . - are needed", ctl->args[0]);
    }

    return node_run(ctl, node_check_add, "added");
}


static int
node_check_state(shardctl_t *ctl, shardd_table_t *table, node_change_t *change,
    shard_node_state_e state)
{
    shard_node_t  *node;

    node = shardd_table_node(table, change->name);

    if (node == NULL) {
        return shardctl_no_node(ctl, table, change->name);
    }

    change->node = *node;
    change->node.state = state;

    return SHARDCTL_OK;
}


static int
node_check_drain(shardctl_t *ctl, shardd_table_t *table, node_change_t *change)
{
    return node_check_state(ctl, table, change, SHARD_NODE_DRAINING);
}


static int
node_check_up(shardctl_t *ctl, shardd_table_t *table, node_change_t *change)
{
    return node_check_state(ctl, table, change, SHARD_NODE_UP);
}


static int
node_check_down(shardctl_t *ctl, shardd_table_t *table, node_change_t *change)
{
    return node_check_state(ctl, table, change, SHARD_NODE_DOWN);
}


static int
node_check_remove(shardctl_t *ctl, shardd_table_t *table,
    node_change_t *change)
{
    size_t                 i, owns, stands, targets;
    uint8_t                s;
    const shard_record_t  *rec;

    if (shardd_table_node(table, change->name) == NULL) {
        return shardctl_no_node(ctl, table, change->name);
    }

    owns = 0;
    stands = 0;
    targets = 0;

    for (i = 0; i < table->nshards; i++) {
        rec = &table->shards[i];
        owns += strcmp(rec->primary, change->name) == 0;
        targets += strcmp(rec->target, change->name) == 0;

        for (s = 0; s < rec->nstandbys; s++) {
            stands += strcmp(rec->standbys[s], change->name) == 0;
        }
    }

    if (owns || stands || targets) {
        return shardctl_fail(ctl, "node \"%s\" owns %zu shards, is standby of "
                             "%zu and target of %zu: move them away first "
                             "(\"shardctl node drain %s\" asks the planner "
                             "to)", change->name, owns, stands, targets,
                             change->name);
    }

    change->remove = 1;

    return SHARDCTL_OK;
}


int
shardctl_cmd_node_drain(shardctl_t *ctl)
{
    return node_run(ctl, node_check_drain, "draining");
}


int
shardctl_cmd_node_up(shardctl_t *ctl)
{
    return node_run(ctl, node_check_up, "up");
}


int
shardctl_cmd_node_down(shardctl_t *ctl)
{
    return node_run(ctl, node_check_down, "down");
}


int
shardctl_cmd_node_remove(shardctl_t *ctl)
{
    return node_run(ctl, node_check_remove, "removed");
}
