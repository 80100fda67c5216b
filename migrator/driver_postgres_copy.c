
/*
 * copy: a subscription that copies first.  PostgreSQL does it table by
 * table, and follows each from the point where its copy was taken.
 *
 *   target emptied ▶ publication, slot ▶ subscription ▶ all tables ready ▶
 *   a marker is through
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver_postgres.h"


#define SYNC_MS     20                  /* for tables that are copied */
#define EMPTY_ROWS  "20000"             /* of one statement */
#define ERRORS_MAX  5                   /* of a worker that starts again */


static int migrator_pg_conninfo(migrator_pg_t *pg, const char *node,
    char *conninfo, size_t size);
static int migrator_pg_begin_copy(migrator_pg_t *pg, const char *from,
    const char *to, shard_id_t shard, const char *name);
static int migrator_pg_copied(migrator_pg_t *pg, const char *to,
    const char *name);


/* the address as the other server sees it, with the password in it */

static int
migrator_pg_conninfo(migrator_pg_t *pg, const char *node, char *conninfo,
    size_t size)
{
    size_t        n;
    const char   *p;
    char *const  *map;

    /* it was asked for its slot before: it is known */

    p = migrator_pg_node(pg, node)->conninfo;

    for (map = pg->conf->postgres.subscribe; map && *map; map += 2) {
        if (strcmp(map[0], node) == 0) {
            p = map[1];
        }
    }

    n = (size_t) snprintf(conninfo, size, "%s%s", p,
                          pg->conf->postgres.password ? " password='" : "");

    for (p = pg->conf->postgres.password; p && *p && n < size - 4; p++) {
        if (*p == '\'' || *p == '\\') {
            conninfo[n++] = '\\';
        }

        conninfo[n++] = *p;
    }

    if (n >= size - 4) {
        return migrator_pg_say(pg, MIGRATOR_REFUSED, "%s: its connection "
                               "string is longer than %zu bytes", node,
                               size - 4);
    }

    if (pg->conf->postgres.password) {
        conninfo[n++] = '\'';
    }

    conninfo[n] = '\0';

    return MIGRATOR_OK;
}


int
migrator_pg_subscribe(migrator_pg_t *pg, const char *from, const char *to,
    const char *name, int copy)
{
    int       rc, bad;
    char      conninfo[2048], quoted[2 * sizeof(conninfo) + 1],
              sql[sizeof(quoted) + 512];

    rc = migrator_pg_conninfo(pg, from, conninfo, sizeof(conninfo));

    /* opens the connection, whose encoding the quoting depends on */

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_run(pg, to, "SELECT 1");
    }

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    PQescapeStringConn(migrator_pg_node(pg, to)->pg, quoted, conninfo,
                       strlen(conninfo), &bad);

    if (bad) {
        return migrator_pg_say(pg, MIGRATOR_REFUSED, "%s: its connection "
                               "string cannot be quoted", from);
    }

    /* with standard_conforming_strings, which SESSION sets, "\" is itself */

    snprintf(sql, sizeof(sql), "CREATE SUBSCRIPTION %s CONNECTION '%s' "
             "PUBLICATION %s WITH (slot_name = %s, create_slot = false, "
             "copy_data = %s, enabled = %s)", name, quoted, name, name,
             copy ? "true" : "false", copy ? "true" : "false");

    return migrator_pg_run(pg, to, sql);
}


/* what is there of an earlier attempt of this migration is gone on with */

static int
migrator_pg_begin_copy(migrator_pg_t *pg, const char *from, const char *to,
    shard_id_t shard, const char *name)
{
    int                   rc;
    char                  id[16], prefix[MIGRATOR_PG_NAME];
    uint32_t              i;
    uint64_t              lost, left;
    const char           *values[2];
    migrator_pg_names_t   subs;

    snprintf(id, sizeof(id), "%u", (unsigned) shard);
    migrator_pg_prefix(pg, shard, prefix);

    values[0] = name;
    rc = migrator_pg_list(pg, to, MIGRATOR_PG_SUBSCRIPTIONS, prefix, &subs);

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_number(pg, from, &lost, "SELECT count(*) FROM "
                                "pg_replication_slots WHERE slot_name = $1 "
                                "AND wal_status = 'lost'", 1, values);
    }

    if (rc == MIGRATOR_OK && lost == 0 && migrator_pg_has(&subs, name)) {
        return migrator_pg_slot(pg, from, name, shard);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_clean(pg, to, prefix, NULL);
    }

    for (i = 0; rc == MIGRATOR_OK && i < subs.n; i++) {
        rc = migrator_pg_clean(pg, from, subs.name[i], NULL);
    }

    if (rc == MIGRATOR_OK && lost) {
        rc = migrator_pg_drop_slot(pg, from, name);
    }

    values[0] = id;
    values[1] = EMPTY_ROWS;

    do {
        if (rc == MIGRATOR_OK) {
            rc = migrator_pg_number(pg, to, &left, "SELECT shard.empty($1, "
                                    "$2)", 2, values);
        }

    } while (rc == MIGRATOR_OK && left);

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_slot(pg, from, name, shard);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_subscribe(pg, from, to, name, 1);
    }

    return rc;
}


/* a worker that fails starts again for ever: its server's log says why */

static int
migrator_pg_copied(migrator_pg_t *pg, const char *to, const char *name)
{
    int          rc;
    uint64_t     left, errors;
    const char  *values[1];

    values[0] = name;

    for ( ;; ) {
        rc = migrator_pg_number(pg, to, &left, "SELECT count(*) FROM "
                                "pg_subscription_rel r JOIN pg_subscription "
                                "s ON s.oid = r.srsubid WHERE s.subname = $1 "
                                "AND r.srsubstate <> 'r'", 1, values);

        if (rc != MIGRATOR_OK || left == 0) {
            return rc;
        }

        rc = migrator_pg_number(pg, to, &errors, "SELECT apply_error_count + "
                                "sync_error_count FROM "
                                "pg_stat_subscription_stats WHERE subname = "
                                "$1", 1, values);

        if (rc == MIGRATOR_OK && errors >= ERRORS_MAX) {
            return migrator_pg_say(pg, MIGRATOR_REFUSED, "%s: subscription "
                                   "%s failed %llu times: the log of this "
                                   "server says why", to, name,
                                   (unsigned long long) errors);
        }

        if (rc == MIGRATOR_OK) {
            rc = migrator_pg_sleep(pg, SYNC_MS);
        }

        if (rc != MIGRATOR_OK) {
            return rc;
        }
    }
}


int
migrator_pg_copy(void *data, const shard_node_t *from, const shard_node_t *to,
    shard_id_t shard, const migrator_limit_t *limit, uint64_t *position,
    uint64_t *bytes)
{
    int             rc;
    char            name[MIGRATOR_PG_NAME];
    uint64_t        items, size;
    migrator_pg_t  *pg = data;

    migrator_pg_begin(pg, limit);

    if (pg->cuts) {
        return migrator_pg_cut_copy(pg, to->name, position, bytes);
    }

    migrator_pg_name(pg, shard, 'f', name);

    rc = migrator_pg_begin_copy(pg, from->name, to->name, shard, name);

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_copied(pg, to->name, name);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_sync(pg, from->name, to->name, shard, position);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_size(pg, to->name, shard, &items, &size);
        *bytes += rc == MIGRATOR_OK ? size : 0;
    }

    return rc;
}
