
/* Calls of the postgres driver that need one node: see driver_postgres.h */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../src/daemon/shardd_loop.h"
#include "shard_codec.h"
#include "shard_key.h"
#include "driver_postgres.h"


#define ROLE  "SELECT shard.role($1, $2, $3)"

/* flushed with the next commit of that server */

#define ROLE_LATER                                                           \
    ROLE " FROM set_config('synchronous_commit', 'off', true)"


static const char *const  migrator_pg_roles[] = {
    "none", "standby", "primary"
};


/* "orders-2" is shard_orders_2_1a2b3c4d_...: legible, and no other's */

static void
migrator_pg_space(const char *keyspace, char space[32])
{
    size_t    i;
    uint64_t  hash;

    hash = shard_key_position(keyspace, strlen(keyspace));

    for (i = 0; i < 16 && keyspace[i]; i++) {
        space[i] = keyspace[i] >= 'A' && keyspace[i] <= 'Z'
                   ? (char) (keyspace[i] | 0x20) : keyspace[i];

        if (!(space[i] >= 'a' && space[i] <= 'z')
            && !(space[i] >= '0' && space[i] <= '9'))
        {
            space[i] = '_';
        }
    }

    snprintf(space + i, 32 - i, "_%08x", (unsigned) (hash & 0xffffffff));
}


static int
migrator_pg_new(const migrator_conf_t *conf, void **data, char *err)
{
    char             *const *map;
    migrator_pg_t    *pg;
    PQconninfoOption *options;

    map = conf->postgres.nodes;

    if (map == NULL) {
        snprintf(err, MIGRATOR_ERR_SIZE, "section \"postgres\" of the "
                 "configuration has no \"nodes\": each with its connection "
                 "string");
        return -1;
    }

    pg = calloc(1, sizeof(migrator_pg_t));
    if (pg == NULL) {
        snprintf(err, MIGRATOR_ERR_SIZE, "no memory");
        return -1;
    }

    /* the cheaper guess of a migrator that has prepared nothing itself */

    pg->tail = 1;
    pg->conf = conf;
    migrator_pg_space(conf->keyspace, pg->space);

    for ( /* void */ ; *map && pg->n < MIGRATOR_PG_NODES; map += 2) {
        options = PQconninfoParse(map[1], NULL);

        if (options == NULL) {
            snprintf(err, MIGRATOR_ERR_SIZE, "postgres.nodes.%.63s: this is "
                     "no connection string of PostgreSQL", map[0]);
            free(pg);
            return -1;
        }

        PQconninfoFree(options);
        pg->nodes[pg->n].name = map[0];
        pg->nodes[pg->n++].conninfo = map[1];
    }

    *data = pg;

    return 0;
}


static void
migrator_pg_free(void *data)
{
    uint32_t        i;
    migrator_pg_t  *pg = data;

    for (i = 0; i < pg->n; i++) {
        migrator_pg_close(&pg->nodes[i]);
    }

    free(pg);
}


static void
migrator_pg_bind(void *data, uint64_t migration)
{
    ((migrator_pg_t *) data)->migration = migration;
}


static const char *
migrator_pg_err(void *data)
{
    return ((migrator_pg_t *) data)->err;
}


int
migrator_pg_stats(migrator_pg_t *pg, const char *node, shard_id_t shard,
    migrator_pg_stats_t *stats)
{
    int          i, rc;
    char         id[16];
    uint64_t     epoch;
    PGresult    *res;
    const char  *values[1];

    snprintf(id, sizeof(id), "%u", (unsigned) shard);
    values[0] = id;

    rc = migrator_pg_query(pg, node, &res, "SELECT role, epoch, pos, opened "
                           "FROM shard.stats($1)", 1, values);
    if (rc != MIGRATOR_OK) {
        return rc;
    }

    for (i = 0; i < 3; i++) {
        if (strcmp(migrator_pg_cell(res, 0, 0), migrator_pg_roles[i]) == 0) {
            break;
        }
    }

    if (i == 3
        || migrator_pg_value(res, 0, 1, &epoch) != SHARD_OK
        || epoch > UINT32_MAX
        || migrator_pg_value(res, 0, 2, &stats->position) != SHARD_OK
        || migrator_pg_value(res, 0, 3, &stats->opened) != SHARD_OK)
    {
        rc = migrator_pg_say(pg, MIGRATOR_DOWN, "%s: shard.stats(%s) is of "
                             "another version of conf/postgres.sql", node,
                             id);

    } else {
        stats->role = (migrator_role_e) i;
        stats->epoch = (uint32_t) epoch;
    }

    PQclear(res);

    return rc;
}


/* counted once: only the check asks how much there is */

int
migrator_pg_size(migrator_pg_t *pg, const char *node, shard_id_t shard,
    uint64_t *items, uint64_t *bytes)
{
    int          rc;
    char         id[16];
    PGresult    *res;
    const char  *values[1];

    snprintf(id, sizeof(id), "%u", (unsigned) shard);
    values[0] = id;

    rc = migrator_pg_query(pg, node, &res, "SELECT items, bytes FROM "
                           "shard.size($1)", 1, values);
    if (rc != MIGRATOR_OK) {
        return rc;
    }

    if (migrator_pg_value(res, 0, 0, items) != SHARD_OK
        || migrator_pg_value(res, 0, 1, bytes) != SHARD_OK)
    {
        rc = migrator_pg_say(pg, MIGRATOR_DOWN, "%s: shard.size(%s) has no "
                             "numbers", node, id);
    }

    PQclear(res);

    return rc;
}


/* rate: between this call and the last one that is half a second old */

static int
migrator_pg_node_stats(void *data, const shard_node_t *node,
    shard_id_t shard, const migrator_limit_t *limit, migrator_stats_t *stats)
{
    int                   rc;
    uint64_t              now;
    migrator_pg_t        *pg = data;
    migrator_pg_seen_t   *seen;
    migrator_pg_stats_t   s;

    migrator_pg_begin(pg, limit);
    memset(stats, 0, sizeof(migrator_stats_t));

    rc = migrator_pg_stats(pg, node->name, shard, &s);
    if (rc != MIGRATOR_OK) {
        return rc;
    }

    stats->role = s.role;
    stats->epoch = s.epoch;
    stats->position = s.position;

    /* check() says what is missing for that */
    stats->ranges = 1;

    /* a server tells nobody how much room its disk has */
    stats->free_bytes = INT64_MAX;

    seen = &migrator_pg_node(pg, node->name)->seen;
    now = shardd_monotonic_ms();

    if (seen->shard != shard) {
        memset(seen, 0, sizeof(migrator_pg_seen_t));
        seen->shard = shard;
    }

    if (!seen->sized && s.role != MIGRATOR_ROLE_NONE) {
        /* too many to count in the time of a request: they do not matter */

        (void) migrator_pg_size(pg, node->name, shard, &seen->items,
                                &seen->bytes);
        seen->sized = 1;
    }

    stats->items = seen->items;
    stats->bytes = seen->bytes;

    if (seen->at_ms == 0 || now - seen->at_ms >= 500) {

        if (seen->at_ms && s.position >= seen->position) {
            seen->rate = (double) (s.position - seen->position) * 1000
                         / (double) (now - seen->at_ms);
        }

        seen->at_ms = now;
        seen->position = s.position;
    }

    stats->write_rate = seen->rate;

    return MIGRATOR_OK;
}


/* who owns a shard hears nobody: what still comes is older */

static int
migrator_pg_own(migrator_pg_t *pg, const char *node, shard_id_t shard,
    const char *const role[3], uint64_t *position)
{
    int          rc;
    char         prefix[MIGRATOR_PG_NAME];
    PGresult    *res;
    const char  *values[4];

    migrator_pg_prefix(pg, shard, prefix);
    memcpy(values, role, 3 * sizeof(values[0]));
    values[3] = prefix;

    for ( ;; ) {
        rc = migrator_pg_query(pg, node, &res, "SELECT CASE WHEN "
                               "shard.silence($4) = 0 THEN shard.role($1, "
                               "$2, $3) END", 4, values);

        if (rc != MIGRATOR_OK) {
            return rc;
        }

        if (!PQgetisnull(res, 0, 0)) {
            break;
        }

        PQclear(res);
        rc = migrator_pg_sleep(pg, 1);

        if (rc != MIGRATOR_OK) {
            return rc;
        }
    }

    if (migrator_pg_value(res, 0, 0, position) != SHARD_OK) {
        rc = migrator_pg_say(pg, MIGRATOR_DOWN, "%s: shard.role() has no "
                             "position", node);
    }

    PQclear(res);

    return rc;
}


static int
migrator_pg_role(void *data, const shard_node_t *node, shard_id_t shard,
    migrator_role_e role, uint32_t epoch, const migrator_limit_t *limit,
    uint64_t *position)
{
    int             rc;
    char            id[16], number[16];
    const char     *values[3];
    migrator_pg_t  *pg = data;

    migrator_pg_begin(pg, limit);

    snprintf(id, sizeof(id), "%u", (unsigned) shard);
    snprintf(number, sizeof(number), "%u", epoch);

    values[0] = id;
    values[1] = migrator_pg_roles[role];
    values[2] = number;

    pg->sealed[0] = '\0';

    if (role == MIGRATOR_ROLE_PRIMARY) {
        return migrator_pg_own(pg, node->name, shard, values, position);
    }

    rc = migrator_pg_number(pg, node->name, position,
                            role == MIGRATOR_ROLE_STANDBY
                            && strcmp(node->name, pg->heir) == 0
                            ? ROLE_LATER : ROLE, 3, values);

    if (rc == MIGRATOR_OK && role == MIGRATOR_ROLE_STANDBY) {
        memcpy(pg->sealed, node->name, sizeof(pg->sealed));
        pg->sealed_shard = shard;
        pg->sealed_at = *position;
    }

    /* fence.c, which is of no migration: a primary that was given up for
     * dead feeds nobody any more */

    if (rc == MIGRATOR_OK && role == MIGRATOR_ROLE_STANDBY
        && pg->migration == 0)
    {
        rc = migrator_pg_mute(pg, node->name, shard);
    }

    if (rc == MIGRATOR_OK && role == MIGRATOR_ROLE_NONE) {
        rc = migrator_pg_give_up(pg, node->name, shard);
    }

    return rc;
}


static int
migrator_pg_probe(void *data, const shard_node_t *node, shard_id_t shard,
    const migrator_limit_t *limit, uint64_t *latency_us)
{
    int                   rc;
    migrator_pg_t        *pg = data;
    struct timespec       a, b;
    migrator_pg_stats_t   stats;

    migrator_pg_begin(pg, limit);

    clock_gettime(CLOCK_MONOTONIC, &a);
    rc = migrator_pg_stats(pg, node->name, shard, &stats);
    clock_gettime(CLOCK_MONOTONIC, &b);

    *latency_us = (uint64_t) (b.tv_sec - a.tv_sec) * 1000000
                  + (uint64_t) (b.tv_nsec / 1000)
                  - (uint64_t) (a.tv_nsec / 1000);

    return rc;
}


const migrator_driver_t  migrator_driver_postgres = {
    .name = "postgres",
    .can = MIGRATOR_CAN_DATA|MIGRATOR_CAN_SHIP_ALONE|MIGRATOR_CAN_CUT
           |MIGRATOR_CUTS_IN_PLACE,
    .open = migrator_pg_new,
    .close = migrator_pg_free,
    .bind = migrator_pg_bind,
    .stats = migrator_pg_node_stats,
    .role = migrator_pg_role,
    .copy = migrator_pg_copy,
    .ship = migrator_pg_ship,
    .digest = migrator_pg_digest,
    .probe = migrator_pg_probe,
    .check = migrator_pg_check,
    .prepare = migrator_pg_prepare,
    .settle = migrator_pg_settle,
    .err = migrator_pg_err,
    .verify = migrator_pg_verify,
    .cuts = &migrator_pg_cuts,
};
