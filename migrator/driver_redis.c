
/*
 * The driver "redis": what is asked of one node.  driver_redis.h has the
 * picture.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/daemon/shardd_loop.h"
#include "driver_redis.h"


static const char *const  migrator_redis_roles[] = {
    "none", "standby", "primary"
};


static int
migrator_redis_open(const migrator_conf_t *conf, void **data, char *err)
{
    void              *nodes;
    migrator_redis_t  *d;

    if (conf->data_redis.nodes == NULL) {
        snprintf(err, MIGRATOR_ERR_SIZE, "data_redis.nodes is missing: a "
                 "line for each node, \"n1: redis://host:port\"");
        return -1;
    }

    if (migrator_http_open(conf, &nodes, err) != 0) {
        return -1;
    }

    d = calloc(1, sizeof(migrator_redis_t));

    if (d == NULL) {
        migrator_http_shut(nodes);
        snprintf(err, MIGRATOR_ERR_SIZE, "no memory");
        return -1;
    }

    d->conf = conf;
    d->nodes = nodes;
    *data = d;

    return 0;
}


static void
migrator_redis_shut(void *data)
{
    unsigned           i;
    migrator_redis_t  *d = data;

    for (i = 0; i < MIGRATOR_REDIS_CONNS; i++) {
        migrator_redis_close(&d->conns[i]);
    }

    migrator_http_shut(d->nodes);
    free(d->argv);
    free(d->lens);
    free(d);
}


static int
migrator_redis_stats_take(migrator_redis_t *d, migrator_redis_conn_t *c,
    migrator_redis_stats_t *s)
{
    int          rc;
    unsigned     role;
    uint64_t     epoch;
    redisReply  *reply;

    rc = migrator_redis_take(d, c, &reply);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    for (role = 0; role < 3; role++) {
        if (shardd_data_word(reply, 1, migrator_redis_roles[role])) {
            break;
        }
    }

    if (role == 3 || !shardd_data_uint(reply, 2, &epoch)
        || epoch > UINT32_MAX || !shardd_data_uint(reply, 3, &s->position)
        || !shardd_data_uint(reply, 4, &s->log_first)
        || !shardd_data_uint(reply, 5, &s->items)
        || !shardd_data_uint(reply, 6, &s->bytes)
        || !shardd_data_uint(reply, 7, &s->depth)
        || shardd_data_text(reply, 8) == NULL
        || !shardd_data_uint(reply, 10, &s->generation)
        || !shardd_data_uint(reply, 11, &s->queued))
    {
        return migrator_redis_nonsense(d, c, reply, "stats");
    }

    s->role = (migrator_role_e) role;
    s->epoch = (uint32_t) epoch;
    s->rate = strtod(shardd_data_text(reply, 8), NULL);

    freeReplyObject(reply);

    return MIGRATOR_OK;
}


int
migrator_redis_stats_of(migrator_redis_t *d, shard_id_t shard,
    migrator_redis_conn_t *from, migrator_redis_stats_t *source,
    migrator_redis_conn_t *to, migrator_redis_stats_t *target)
{
    int                    rc;
    shardd_data_prefix_t   prefix;

    prefix = shardd_data_prefix(shard);

    if (migrator_redis_args(d, "sharddata_stats", prefix.text) != 0) {
        return migrator_redis_no_memory(d);
    }

    rc = migrator_redis_send(d, from);

    if (rc == MIGRATOR_OK && to) {
        rc = migrator_redis_send(d, to);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_redis_stats_take(d, from, source);
    }

    if (rc == MIGRATOR_OK && to) {
        rc = migrator_redis_stats_take(d, to, target);
    }

    return rc;
}


static int
migrator_redis_free(migrator_redis_t *d, migrator_redis_conn_t *c,
    uint64_t *bytes)
{
    int          rc;
    redisReply  *reply;

    if (migrator_redis_args(d, "sharddata_free", SHARDD_DATA_BASE) != 0) {
        return migrator_redis_no_memory(d);
    }

    rc = migrator_redis_ask(d, c, &reply);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    if (shardd_data_memory(shardd_data_text(reply, 1), bytes) != 0) {
        return migrator_redis_nonsense(d, c, reply, "figures of its memory");
    }

    freeReplyObject(reply);

    return MIGRATOR_OK;
}


static int
migrator_redis_stats(void *data, const shard_node_t *node, shard_id_t shard,
    const migrator_limit_t *limit, migrator_stats_t *stats)
{
    int                      rc;
    uint64_t                 bytes;
    migrator_redis_t        *d = data;
    migrator_redis_conn_t   *c;
    migrator_redis_stats_t   s;

    migrator_redis_start(d, limit);

    rc = migrator_redis_conn(d, node, &c);

    if (rc == MIGRATOR_OK) {
        rc = migrator_redis_stats_of(d, shard, c, &s, NULL, NULL);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_redis_free(d, c, &bytes);
    }

    if (rc == MIGRATOR_OK) {
        memset(stats, 0, sizeof(migrator_stats_t));

        stats->role = s.role;
        stats->epoch = s.epoch;
        stats->position = s.position;
        stats->items = s.items;
        stats->bytes = s.bytes;
        stats->write_rate = s.rate;
        stats->free_bytes = bytes;
        stats->queue_depth = s.depth;
        stats->ranges = 1;
    }

    return migrator_redis_end(d, rc);
}


static int
migrator_redis_role(void *data, const shard_node_t *node, shard_id_t shard,
    migrator_role_e role, uint32_t epoch, const migrator_limit_t *limit,
    uint64_t *position)
{
    int                     bad, rc;
    char                    number[24];
    migrator_redis_t       *d = data;
    shardd_data_prefix_t    prefix;
    migrator_redis_conn_t  *c;

    migrator_redis_start(d, limit);
    prefix = shardd_data_prefix(shard);

    rc = migrator_redis_conn(d, node, &c);

    if (rc != MIGRATOR_OK) {
        return migrator_redis_end(d, rc);
    }

    bad = migrator_redis_args(d, "sharddata_role", prefix.text)
          || migrator_redis_word(d, migrator_redis_roles[role])
          || migrator_redis_number(d, number, epoch)
          || migrator_redis_word(d, "keep");

    return migrator_redis_end(d, migrator_redis_uint(d, c, bad, "position",
                                                     position));
}


static int
migrator_redis_hold(void *data, const shard_node_t *node, shard_id_t shard,
    int held, uint32_t epoch, const migrator_limit_t *limit)
{
    int                     bad, rc;
    char                    number[24];
    migrator_redis_t       *d = data;
    shardd_data_prefix_t    prefix;
    migrator_redis_conn_t  *c;

    migrator_redis_start(d, limit);
    prefix = shardd_data_prefix(shard);

    rc = migrator_redis_conn(d, node, &c);

    if (rc != MIGRATOR_OK) {
        return migrator_redis_end(d, rc);
    }

    bad = migrator_redis_args(d, "sharddata_hold", prefix.text)
          || migrator_redis_word(d, held ? "1" : "0")
          || migrator_redis_number(d, number, epoch);

    return migrator_redis_end(d, migrator_redis_told(d, c, bad));
}


/* a node serves when both it and its Redis do */

static int
migrator_redis_probe(void *data, const shard_node_t *node, shard_id_t shard,
    const migrator_limit_t *limit, uint64_t *latency_us)
{
    int                      rc;
    migrator_redis_t        *d = data;
    migrator_redis_conn_t   *c;
    migrator_redis_stats_t   s;

    migrator_redis_start(d, limit);

    rc = migrator_redis_conn(d, node, &c);

    if (rc == MIGRATOR_OK) {
        rc = migrator_redis_stats_of(d, shard, c, &s, NULL, NULL);
    }

    if (rc != MIGRATOR_OK) {
        return migrator_redis_end(d, rc);
    }

    rc = migrator_driver_none.probe(d->nodes, node, shard, limit, latency_us);

    if (rc != MIGRATOR_OK) {
        snprintf(d->err, sizeof(d->err), "%s",
                 migrator_driver_none.err(d->nodes));
    }

    return migrator_redis_end(d, rc);
}


static const char *
migrator_redis_err(void *data)
{
    return ((migrator_redis_t *) data)->err;
}


const migrator_driver_t  migrator_driver_redis = {
    .name = "redis",
    .can = MIGRATOR_CAN_DATA|MIGRATOR_CAN_CUT,
    .open = migrator_redis_open,
    .close = migrator_redis_shut,
    .stats = migrator_redis_stats,
    .role = migrator_redis_role,
    .copy = migrator_redis_copy,
    .ship = migrator_redis_ship,
    .hold = migrator_redis_hold,
    .probe = migrator_redis_probe,
    .err = migrator_redis_err,
    .verify = migrator_redis_verify,
    .cuts = &migrator_redis_cuts,
};
