
/*
 * Copies of single parts.  The nodes are probed before the first one and
 * meanwhile, so that the copy gives way to their other requests.
 */


#include <stdio.h>
#include <time.h>

#include "driver_http.h"


#define PATH_SIZE    160
#define BASE_GAP_MS  3


static int migrator_http_base(migrator_nodes_t *nodes,
    const shard_node_t *from, const shard_node_t *to, shard_id_t shard,
    const migrator_limit_t *limit);


int
migrator_http_copy_part(void *data, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, unsigned part,
    const migrator_limit_t *limit, uint64_t *position, uint64_t *bytes)
{
    migrator_nodes_t  *nodes = data;

    int               rc;
    char              range[SHARD_RANGE_TEXT + 1];
    char              source[MIGRATOR_PATH_SIZE], target[PATH_SIZE];
    migrator_http_t  *h;

    h = &nodes->http;

    rc = migrator_http_base(nodes, from, to, shard, limit);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    if (limit->throttle
        && migrator_watch_on(&nodes->watch, from, to, shard) == 0)
    {
        h->watch = &nodes->watch;
    }

    snprintf(source, sizeof(source), "/_shard/%u/snapshot?parts=%d&part=%u%s",
             (unsigned) shard, MIGRATOR_PARTS, part,
             migrator_http_range(nodes, range));
    snprintf(target, sizeof(target), "/_shard/%u/snapshot?parts=%d&part=%u",
             (unsigned) (nodes->cuts ? nodes->cut.into : shard),
             MIGRATOR_PARTS, part);

    rc = migrator_http_pipe(h, from, source, to, "PUT", target, NULL, limit);

    migrator_watch_off(&nodes->watch);
    h->watch = NULL;

    if (rc == MIGRATOR_OK) {
        *position = h->in.position;
        *bytes += h->piped;
    }

    return rc;
}


/* how fast they answer when nothing is copied */

static int
migrator_http_base(migrator_nodes_t *nodes, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, const migrator_limit_t *limit)
{
    int               rc, which;
    char              path[PATH_SIZE];
    struct timespec   gap;
    migrator_limit_t  each;

    gap.tv_sec = 0;
    gap.tv_nsec = BASE_GAP_MS * 1000000;

    each = *limit;
    each.throttle = NULL;

    snprintf(path, sizeof(path), "/_shard/%u/stats", (unsigned) shard);

    for (which = 0;
         limit->throttle && !migrator_throttle_based(limit->throttle);
         which = !which)
    {
        rc = migrator_http_call(&nodes->http, which ? to : from, "GET", path,
                                NULL, &each);

        if (rc != MIGRATOR_OK) {
            return rc;
        }

        migrator_throttle_probe(limit->throttle, which,
                                migrator_watch_us(&nodes->http));
        nanosleep(&gap, NULL);
    }

    return MIGRATOR_OK;
}
