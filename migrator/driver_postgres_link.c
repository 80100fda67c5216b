
/* Links between two servers: named, found and shipped over */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/daemon/shardd_loop.h"
#include "driver_postgres.h"


#define REACH_MS  100              /* of one look for a marker */
#define SHIP_MS   1000             /* of one call, when far behind */


static int migrator_pg_reach(migrator_pg_t *pg, const char *to,
    shard_id_t shard, uint64_t marker, uint64_t until_ms, uint64_t *position);
static int migrator_pg_marker(migrator_pg_t *pg, const char *from,
    const char *to, shard_id_t shard, uint64_t until_ms, uint64_t *position);
static int migrator_pg_start(migrator_pg_t *pg, const char *from,
    const char *to, shard_id_t shard, const char *name);
static int migrator_pg_attach(migrator_pg_t *pg, const char *from,
    const char *to, shard_id_t shard, const migrator_pg_stats_t *source,
    const migrator_pg_stats_t *target, char name[MIGRATOR_PG_NAME]);


void
migrator_pg_prefix(const migrator_pg_t *pg, shard_id_t shard,
    char prefix[MIGRATOR_PG_NAME])
{
    snprintf(prefix, MIGRATOR_PG_NAME, "shard_%s_%u_", pg->space,
             (unsigned) shard);
}


void
migrator_pg_name(const migrator_pg_t *pg, shard_id_t shard, char way,
    char name[MIGRATOR_PG_NAME])
{
    snprintf(name, MIGRATOR_PG_NAME, "shard_%.25s_%u_%016llx_%c", pg->space,
             (unsigned) shard, (unsigned long long) pg->migration, way);
}


/* a publication and its slot; a new slot waits for what writes by then */

int
migrator_pg_slot(migrator_pg_t *pg, const char *node, const char *name,
    shard_id_t shard)
{
    int          rc;
    char         id[16], buf[MIGRATOR_PG_NAME];
    const char  *values[2];

    snprintf(id, sizeof(id), "%u", (unsigned) shard);
    values[0] = name;
    values[1] = id;

    rc = migrator_pg_text(pg, node, buf, sizeof(buf), "SELECT "
                          "shard.publish($1, $2)", 2, values);
    if (rc != MIGRATOR_OK) {
        return rc;
    }

    rc = migrator_pg_text(pg, node, buf, sizeof(buf), "SELECT slot_name FROM "
                          "pg_replication_slots WHERE slot_name = $1", 1,
                          values);

    if (rc != MIGRATOR_OK || buf[0] != '\0') {
        return rc;
    }

    return migrator_pg_text(pg, node, buf, sizeof(buf), "SELECT slot_name "
                            "FROM pg_create_logical_replication_slot($1, "
                            "'pgoutput')", 1, values);
}


/*
 * A marker of the source, and the target's position when it has it, or at
 * until_ms.
 */

static int
migrator_pg_marker(migrator_pg_t *pg, const char *from, const char *to,
    shard_id_t shard, uint64_t until_ms, uint64_t *position)
{
    int          rc;
    char         id[16];
    uint64_t     marker;
    const char  *values[1];

    snprintf(id, sizeof(id), "%u", (unsigned) shard);
    values[0] = id;

    rc = migrator_pg_number(pg, from, &marker, "SELECT shard.marker($1)", 1,
                            values);

    return rc == MIGRATOR_OK ? migrator_pg_reach(pg, to, shard, marker,
                                                 until_ms, position) : rc;
}


/* the server looks for it as often as it can, in calls that end */

static int
migrator_pg_reach(migrator_pg_t *pg, const char *to, shard_id_t shard,
    uint64_t marker, uint64_t until_ms, uint64_t *position)
{
    int          rc;
    char         id[16], at[24], ms[16];
    uint64_t     now;
    const char  *values[3];

    snprintf(id, sizeof(id), "%u", (unsigned) shard);
    snprintf(at, sizeof(at), "%llu", (unsigned long long) marker);
    values[0] = id;
    values[1] = at;
    values[2] = ms;

    if (until_ms > pg->until_ms) {
        until_ms = pg->until_ms;
    }

    for ( ;; ) {
        now = shardd_monotonic_ms();
        snprintf(ms, sizeof(ms), "%u", until_ms <= now ? 0
                 : until_ms - now < REACH_MS ? (unsigned) (until_ms - now)
                 : REACH_MS);

        rc = migrator_pg_number(pg, to, position, "SELECT shard.reach($1, "
                                "$2, $3)", 3, values);

        if (rc != MIGRATOR_OK || *position >= marker
            || shardd_monotonic_ms() >= until_ms)
        {
            return rc;
        }

        rc = migrator_pg_sleep(pg, 0);

        if (rc != MIGRATOR_OK) {
            return rc;
        }
    }
}


/* the whole of the call's time, if need be */

int
migrator_pg_sync(migrator_pg_t *pg, const char *from, const char *to,
    shard_id_t shard, uint64_t *position)
{
    return migrator_pg_marker(pg, from, to, shard, UINT64_MAX, position);
}


/* the subscription at "to" whose slot is at "from", or "" */

static int
migrator_pg_link(migrator_pg_t *pg, const char *from, const char *to,
    shard_id_t shard, char name[MIGRATOR_PG_NAME])
{
    int                   rc;
    char                  prefix[MIGRATOR_PG_NAME];
    uint32_t              i;
    migrator_pg_names_t   subs, slots;

    name[0] = '\0';
    migrator_pg_prefix(pg, shard, prefix);

    rc = migrator_pg_list(pg, to, MIGRATOR_PG_SUBSCRIPTIONS " AND subenabled",
                          prefix, &subs);

    if (rc != MIGRATOR_OK || subs.n == 0) {
        return rc;
    }

    rc = migrator_pg_list(pg, from, MIGRATOR_PG_SLOTS
                          " AND wal_status <> 'lost'", prefix, &slots);

    for (i = 0; rc == MIGRATOR_OK && i < subs.n; i++) {
        if (migrator_pg_has(&slots, subs.name[i])) {
            memcpy(name, subs.name[i], MIGRATOR_PG_NAME);
        }
    }

    return rc;
}


/* a subscription begins where the source turned, whatever its slot says */

static int
migrator_pg_start(migrator_pg_t *pg, const char *from, const char *to,
    shard_id_t shard, const char *name)
{
    int          rc;
    char         id[16], lsn[32], sql[128];
    uint64_t     n;
    const char  *values[2];

    snprintf(id, sizeof(id), "%u", (unsigned) shard);
    values[0] = id;

    rc = migrator_pg_text(pg, from, lsn, sizeof(lsn), "SELECT turned FROM "
                          "shard.owner WHERE shard = $1", 1, values);

    if (rc == MIGRATOR_OK && lsn[0] == '\0') {
        return migrator_pg_say(pg, MIGRATOR_REFUSED, "%s: does not know "
                               "where its way back begins", from);
    }

    values[0] = name;
    values[1] = lsn;

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_number(pg, to, &n, "SELECT count("
                                "pg_replication_origin_advance('pg_' || oid, "
                                "$2)::text) FROM pg_subscription WHERE "
                                "subname = $1", 2, values);
    }

    if (rc == MIGRATOR_OK) {
        snprintf(sql, sizeof(sql), "ALTER SUBSCRIPTION %s ENABLE", name);
        rc = migrator_pg_run(pg, to, sql);
    }

    return rc;
}


/*
 * The way back is there and nobody is on it yet: the former primary joins
 * it, provided that it stands where the new one was opened.  Any migration's
 * will do: the one that made it may be over.
 */

static int
migrator_pg_attach(migrator_pg_t *pg, const char *from, const char *to,
    shard_id_t shard, const migrator_pg_stats_t *source,
    const migrator_pg_stats_t *target, char name[MIGRATOR_PG_NAME])
{
    int                   rc;
    char                  prefix[MIGRATOR_PG_NAME];
    migrator_pg_names_t   slots;

    name[0] = '\0';

    if (source->role != MIGRATOR_ROLE_PRIMARY
        || target->role != MIGRATOR_ROLE_STANDBY
        || target->position != source->opened)
    {
        return MIGRATOR_OK;
    }

    migrator_pg_prefix(pg, shard, prefix);
    rc = migrator_pg_list(pg, from, MIGRATOR_PG_SLOTS
                          " AND NOT active AND wal_status <> 'lost' AND "
                          "slot_name LIKE '%\\_r'", prefix, &slots);

    if (rc != MIGRATOR_OK || slots.n != 1) {
        return rc;
    }

    rc = migrator_pg_clean(pg, to, prefix, NULL);

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_subscribe(pg, from, to, slots.name[0], 0);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_start(pg, from, to, shard, slots.name[0]);
    }

    if (rc == MIGRATOR_OK) {
        memcpy(name, slots.name[0], MIGRATOR_PG_NAME);
    }

    return rc;
}


/*
 * The servers ship by themselves: this only asks how far they are, and for
 * a sealed source that is exact.
 */

int
migrator_pg_ship(void *data, const shard_node_t *from, const shard_node_t *to,
    shard_id_t shard, uint64_t entries, const migrator_limit_t *limit,
    uint64_t *position, uint64_t *bytes)
{
    int                   rc;
    char                  name[MIGRATOR_PG_NAME];
    migrator_pg_t        *pg = data;
    migrator_pg_stats_t   source, target;

    (void) bytes;
    (void) entries;

    migrator_pg_begin(pg, limit);

    if (pg->cuts) {
        return migrator_pg_cut_ship(pg, to->name, position);
    }

    /* sealed, its marker is on its way: once there, the link is no matter */

    if (pg->sealed_shard == shard && strcmp(pg->sealed, from->name) == 0) {
        return migrator_pg_reach(pg, to->name, shard, pg->sealed_at,
                                 shardd_monotonic_ms() + SHIP_MS, position);
    }

    rc = migrator_pg_stats(pg, from->name, shard, &source);

    if (rc == MIGRATOR_OK && source.role == MIGRATOR_ROLE_STANDBY
        && source.position)
    {
        return migrator_pg_reach(pg, to->name, shard, source.position,
                                 shardd_monotonic_ms() + SHIP_MS, position);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_stats(pg, to->name, shard, &target);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_link(pg, from->name, to->name, shard, name);
    }

    if (rc == MIGRATOR_OK && name[0] == '\0') {
        rc = migrator_pg_attach(pg, from->name, to->name, shard, &source,
                                &target, name);
    }

    if (rc == MIGRATOR_OK && name[0] == '\0') {
        return migrator_pg_say(pg, MIGRATOR_GONE, "%s has no subscription to "
                               "shard %u of %s, or its slot is lost",
                               to->name, (unsigned) shard, from->name);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_marker(pg, from->name, to->name, shard,
                                shardd_monotonic_ms() + SHIP_MS, position);
    }

    return rc;
}
