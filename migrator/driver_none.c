
/*
 * Stateless services: there is no data to move, so the phases that move some
 * are not on the way (phases.c), and only the probe is ever called.
 */


#include "driver_http.h"


/* any answer but a server's error is one: what serves need not know the URI */

static int
migrator_none_probe(void *data, const shard_node_t *node, shard_id_t shard,
    const migrator_limit_t *limit, uint64_t *latency_us)
{
    migrator_nodes_t  *nodes = data;

    int         rc;
    curl_off_t  us;

    (void) shard;

    rc = migrator_http_call(&nodes->http, node, "GET", nodes->health_uri,
                            NULL, limit);

    us = 0;
    curl_easy_getinfo(nodes->http.in.easy, CURLINFO_TOTAL_TIME_T, &us);
    *latency_us = (uint64_t) us;

    return rc == MIGRATOR_REFUSED || rc == MIGRATOR_GONE ? MIGRATOR_OK : rc;
}


static const char *
migrator_none_err(void *data)
{
    return ((migrator_nodes_t *) data)->http.err;
}


const migrator_driver_t  migrator_driver_none = {
    .name = "none",
    .open = migrator_http_open,
    .close = migrator_http_shut,
    .probe = migrator_none_probe,
    .err = migrator_none_err,
};
