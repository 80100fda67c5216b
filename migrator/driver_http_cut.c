
/*
 * Splits and merges by the contract: docs/backend-contract.md, "Ranges of
 * keys".
 *
 *    split   GET /_shard/S/snapshot?RANGE ──▶ PUT /_shard/N/snapshot
 *            GET /_shard/S/log?RANGE      ──▶ POST /_shard/N/log
 *    merge   GET /_shard/B/snapshot?RANGE ──▶ PUT /_shard/A/import?of=B
 *            GET /_shard/B/log?RANGE      ──▶ POST /_shard/A/import?of=B
 */


#include <stdio.h>
#include <string.h>

#include "driver_http.h"


#define DROP_ITEMS  1000                /* looked at by one call */


static int migrator_http_owned(migrator_http_t *h, const shard_node_t *node,
    const char *method, const char *path, uint32_t epoch,
    const migrator_limit_t *limit);


static void
migrator_http_set(void *data, const migrator_cut_t *cut)
{
    migrator_nodes_t  *nodes = data;

    nodes->cuts = 1;
    nodes->cut = *cut;
    (void) shard_range_encode(&cut->range, nodes->range);
}


/* a call that changes what a primary has */

static int
migrator_http_owned(migrator_http_t *h, const shard_node_t *node,
    const char *method, const char *path, uint32_t epoch,
    const migrator_limit_t *limit)
{
    int  rc;

    snprintf(h->epoch, sizeof(h->epoch), "X-Shard-Epoch: %u", epoch);

    if (limit->token) {
        snprintf(h->token, sizeof(h->token), "X-Shard-Token: %llu",
                 (unsigned long long) limit->token);
    }

    rc = migrator_http_call(h, node, method, path, "", limit);

    h->epoch[0] = '\0';
    h->token[0] = '\0';

    return rc;
}


const char *
migrator_http_range(const migrator_nodes_t *nodes, char *buf)
{
    buf[0] = '\0';

    if (nodes->cuts) {
        snprintf(buf, SHARD_RANGE_TEXT + 1, "&%s", nodes->range);
    }

    return buf;
}


int
migrator_http_child(const migrator_nodes_t *nodes, shard_id_t shard)
{
    return nodes->cuts && nodes->cut.epoch == 0 && shard == nodes->cut.into;
}


const migrator_limit_t *
migrator_http_sender(const migrator_nodes_t *nodes,
    const migrator_limit_t *limit, migrator_limit_t *buf)
{
    if (!nodes->cuts || nodes->cut.epoch == 0) {
        return limit;
    }

    *buf = *limit;
    buf->epoch = nodes->cut.epoch;

    return buf;
}


void
migrator_http_paths(migrator_nodes_t *nodes, shard_id_t shard,
    const uint64_t *from, uint64_t limit, char *source, char *target)
{
    char        range[SHARD_RANGE_TEXT + 1];
    const char *call;

    call = from ? "log" : "snapshot";
    migrator_http_range(nodes, range);

    if (from) {
        snprintf(source, MIGRATOR_PATH_SIZE,
                 "/_shard/%u/log?from=%llu&limit=%llu%s", (unsigned) shard,
                 (unsigned long long) *from, (unsigned long long) limit,
                 range);

    } else {
        snprintf(source, MIGRATOR_PATH_SIZE, "/_shard/%u/snapshot%s%s",
                 (unsigned) shard, range[0] ? "?" : "",
                 range[0] ? range + 1 : "");
    }

    if (nodes->cuts && nodes->cut.epoch) {
        snprintf(target, MIGRATOR_PATH_SIZE, "/_shard/%u/import?of=%u",
                 (unsigned) nodes->cut.into, (unsigned) shard);
        return;
    }

    snprintf(target, MIGRATOR_PATH_SIZE, "/_shard/%u/%s",
             (unsigned) (nodes->cuts ? nodes->cut.into : shard), call);
}


static int
migrator_http_imported(void *data, const shard_node_t *node,
    const migrator_limit_t *limit, uint64_t *position)
{
    migrator_nodes_t  *nodes = data;

    int      rc;
    char     path[MIGRATOR_PATH_SIZE];
    json_t  *root;

    snprintf(path, sizeof(path), "/_shard/%u/import?of=%u",
             (unsigned) nodes->cut.into, (unsigned) nodes->cut.shard);

    rc = migrator_http_call(&nodes->http, node, "GET", path, NULL, limit);

    if (rc == MIGRATOR_REFUSED && nodes->http.in.status == 404) {
        return MIGRATOR_GONE;
    }

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    root = json_loads(nodes->http.in.answer, JSON_REJECT_DUPLICATES, NULL);

    if (migrator_json_uint(root, "position", position) != SHARD_OK) {
        snprintf(nodes->http.err, sizeof(nodes->http.err), "%s: answer has "
                 "no good import: %.120s", node->name,
                 nodes->http.in.answer);
        rc = MIGRATOR_DOWN;
    }

    json_decref(root);

    return rc;
}


static int
migrator_http_end(void *data, const shard_node_t *node, uint32_t epoch,
    const migrator_limit_t *limit)
{
    migrator_nodes_t  *nodes = data;

    char  path[MIGRATOR_PATH_SIZE];

    snprintf(path, sizeof(path), "/_shard/%u/import?of=%u",
             (unsigned) nodes->cut.into, (unsigned) nodes->cut.shard);

    return migrator_http_owned(&nodes->http, node, "DELETE", path, epoch,
                               limit);
}


/* "next" is the backend's own word: it goes back as it came, if it fits */

static int
migrator_http_drop(void *data, const shard_node_t *node, shard_id_t shard,
    uint32_t epoch, const migrator_limit_t *limit,
    char next[MIGRATOR_NEXT_SIZE], uint64_t *dropped)
{
    migrator_nodes_t  *nodes = data;

    int          rc;
    char         path[MIGRATOR_PATH_SIZE + MIGRATOR_NEXT_SIZE];
    json_t      *root;
    const char  *more;

    snprintf(path, sizeof(path), "/_shard/%u/drop?%s&limit=%d%s%s",
             (unsigned) shard, nodes->range, DROP_ITEMS,
             next[0] ? "&after=" : "", next);

    rc = migrator_http_owned(&nodes->http, node, "POST", path, epoch, limit);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    root = json_loads(nodes->http.in.answer, JSON_REJECT_DUPLICATES, NULL);
    more = json_string_value(json_object_get(root, "next"));

    if (migrator_json_uint(root, "dropped", dropped) != SHARD_OK
        || (more && (strlen(more) >= MIGRATOR_NEXT_SIZE
                     || strspn(more, "0123456789abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_.")
                        != strlen(more))))
    {
        snprintf(nodes->http.err, sizeof(nodes->http.err), "%s: answer has "
                 "no good drop: %.120s", node->name, nodes->http.in.answer);
        rc = MIGRATOR_DOWN;

    } else {
        snprintf(next, MIGRATOR_NEXT_SIZE, "%s", more ? more : "");
    }

    json_decref(root);

    return rc;
}


static int
migrator_http_keep(void *data, const shard_node_t *node, shard_id_t shard,
    const migrator_limit_t *limit)
{
    migrator_nodes_t  *nodes = data;

    int   rc;
    char  path[MIGRATOR_PATH_SIZE];

    snprintf(path, sizeof(path), "/_shard/%u/digest?%s", (unsigned) shard,
             nodes->range);

    rc = migrator_http_call(&nodes->http, node, "PUT", path, "", limit);

    return rc == MIGRATOR_DOWN && nodes->http.in.status == 501
           ? MIGRATOR_REFUSED : rc;
}


const migrator_cuts_t  migrator_http_cuts = {
    .set = migrator_http_set,
    .imported = migrator_http_imported,
    .end = migrator_http_end,
    .drop = migrator_http_drop,
    .keep = migrator_http_keep,
};
