
/*
 * Digests of the contract: of one node, or of two at once.
 */


#include <stdio.h>
#include <string.h>
#include <jansson.h>

#include "shard_codec.h"
#include "driver_http.h"


static int
migrator_http_digest_decode(const json_t *root, migrator_digest_t *digest)
{
    size_t         i;
    const char    *hash;
    shard_str_t    text;
    const json_t  *parts, *part;

    memset(digest, 0, sizeof(migrator_digest_t));
    parts = json_object_get(root, "parts");

    if (migrator_json_uint(root, "position", &digest->position) != SHARD_OK
        || migrator_json_uint(root, "items", &digest->items) != SHARD_OK
        || json_array_size(parts) != MIGRATOR_PARTS)
    {
        return SHARD_ERROR;
    }

    for (i = 0; i < MIGRATOR_PARTS; i++) {
        part = json_array_get(parts, i);
        hash = json_string_value(json_object_get(part, "hash"));

        text.data = hash;
        text.len = hash ? strlen(hash) : 0;

        if (hash == NULL
            || shard_hex_decode(text, &digest->part[i].hash) != SHARD_OK
            || migrator_json_uint(part, "items", &digest->part[i].items)
               != SHARD_OK)
        {
            return SHARD_ERROR;
        }
    }

    return SHARD_OK;
}


static void
migrator_http_digest_path(void *data, shard_id_t shard, const uint64_t *at,
    const migrator_limit_t *limit, char path[MIGRATOR_PATH_SIZE])
{
    int   n;
    char  range[SHARD_RANGE_TEXT + 1];

    migrator_http_range(data, range);

    if (migrator_http_child(data, shard)) {
        range[0] = '\0';
    }

    n = snprintf(path, MIGRATOR_PATH_SIZE, "/_shard/%u/digest?parts=%d%s",
                 (unsigned) shard, MIGRATOR_PARTS, range);

    if (at) {
        n += snprintf(path + n, MIGRATOR_PATH_SIZE - (size_t) n, "&at=%llu",
                      (unsigned long long) *at);
    }

    if (limit->deep) {
        snprintf(path + n, MIGRATOR_PATH_SIZE - (size_t) n, "&scan=yes");
    }
}


static int
migrator_http_digest_answer(migrator_http_t *h, const migrator_exchange_t *x,
    const uint64_t *at, migrator_digest_t *digest)
{
    int      rc;
    json_t  *root;

    rc = MIGRATOR_OK;
    root = json_loads(x->answer, JSON_REJECT_DUPLICATES, NULL);

    if (migrator_http_digest_decode(root, digest) != SHARD_OK
        || (at && digest->position != *at))
    {
        rc = migrator_http_bad(h, x, "digest");
    }

    json_decref(root);

    return rc;
}


int
migrator_http_digest(void *data, const shard_node_t *node, shard_id_t shard,
    const uint64_t *at, const migrator_limit_t *limit,
    migrator_digest_t *digest)
{
    migrator_http_t  *h = &((migrator_nodes_t *) data)->http;

    int   rc;
    char  path[MIGRATOR_PATH_SIZE];

    migrator_http_digest_path(data, shard, at, limit, path);

    rc = migrator_http_call(h, node, "GET", path, NULL, limit);

    return rc == MIGRATOR_OK
           ? migrator_http_digest_answer(h, &h->in, at, digest) : rc;
}


int
migrator_http_digests(void *data, const shard_node_t *const node[2],
    const shard_id_t shard[2], uint64_t at, const migrator_limit_t *limit,
    migrator_digest_t digest[2])
{
    migrator_http_t  *h = &((migrator_nodes_t *) data)->http;

    int          rc;
    char         first[MIGRATOR_PATH_SIZE], second[MIGRATOR_PATH_SIZE];
    const char  *paths[2] = { first, second };

    migrator_http_digest_path(data, shard[0], NULL, limit, first);
    migrator_http_digest_path(data, shard[1], &at, limit, second);

    rc = migrator_http_both(h, node, "GET", paths, NULL, limit);

    if (rc == MIGRATOR_OK) {
        rc = migrator_http_digest_answer(h, &h->in, NULL, &digest[0]);
    }

    return rc == MIGRATOR_OK
           ? migrator_http_digest_answer(h, &h->out, &at, &digest[1]) : rc;
}
