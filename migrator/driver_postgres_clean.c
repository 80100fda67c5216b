
/*
 * Nothing is left behind: a slot that nobody reads keeps WAL for ever, a
 * subscription without one fills its server's log.
 *
 *   moved        the way back stays, all else of the shard goes, everywhere
 *   replicated   the way to the new standby stays, with all others
 *   back         what this migration made goes; ways that it used go on
 *
 * Subscriptions go before their slots, and without asking the other server,
 * which may be dead.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/daemon/shardd_loop.h"
#include "driver_postgres.h"


#define OTHER_MS    500                 /* for a node that takes no part */
#define ACTIVE_MS   10
#define ACTIVE_MAX  100


static int migrator_pg_drop(migrator_pg_t *pg, const char *node, int kind,
    const char *prefix, const char *keep);
static int migrator_pg_orphans(migrator_pg_t *pg, const char *from,
    const char *to);
static int migrator_pg_untouch(migrator_pg_t *pg, const char *node,
    shard_id_t shard);
static int migrator_pg_back(migrator_pg_t *pg, const char *from,
    const char *to, shard_id_t shard);
static void migrator_pg_others(migrator_pg_t *pg, const char *from,
    const char *to, const char *prefix, const char *keep);


int
migrator_pg_list(migrator_pg_t *pg, const char *node, const char *sql,
    const char *prefix, migrator_pg_names_t *names)
{
    int          i, rc;
    PGresult    *res;
    const char  *values[1];

    names->n = 0;
    values[0] = prefix;
    rc = migrator_pg_query(pg, node, &res, sql, 1, values);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    if (PQntuples(res) > MIGRATOR_PG_LINKS) {
        rc = migrator_pg_say(pg, MIGRATOR_REFUSED, "%s: %d names where %d "
                             "are possible: %.200s", node, PQntuples(res),
                             MIGRATOR_PG_LINKS, sql);
        PQclear(res);
        return rc;
    }

    for (i = 0; i < PQntuples(res); i++) {
        snprintf(names->name[names->n++], MIGRATOR_PG_NAME, "%s",
                 migrator_pg_cell(res, i, 0));
    }

    PQclear(res);

    return MIGRATOR_OK;
}


int
migrator_pg_has(const migrator_pg_names_t *names, const char *name)
{
    uint32_t  i;

    for (i = 0; i < names->n; i++) {
        if (strcmp(names->name[i], name) == 0) {
            return 1;
        }
    }

    return 0;
}


/* in one statement: without its slot it may go within a transaction */

static int
migrator_pg_drop_subscription(migrator_pg_t *pg, const char *node,
    const char *name)
{
    char  sql[512];

    snprintf(sql, sizeof(sql), "DO $$ BEGIN ALTER SUBSCRIPTION %1$s DISABLE; "
             "ALTER SUBSCRIPTION %1$s SET (slot_name = NONE); "
             "DROP SUBSCRIPTION %1$s; END $$", name);

    return migrator_pg_run(pg, node, sql);
}


/* its sender may not have heard yet that the reader is gone */

int
migrator_pg_drop_slot(migrator_pg_t *pg, const char *node, const char *name)
{
    int          i, rc;
    uint64_t     left;
    const char  *values[1];

    values[0] = name;

    for (i = 0; i < ACTIVE_MAX; i++) {
        rc = migrator_pg_number(pg, node, &left, "SELECT count("
                                "pg_terminate_backend(active_pid)) FROM "
                                "pg_replication_slots WHERE slot_name = $1 "
                                "AND active", 1, values);

        if (rc == MIGRATOR_OK && left == 0) {
            rc = migrator_pg_number(pg, node, &left, "SELECT count("
                                    "pg_drop_replication_slot(slot_name)::"
                                    "text) FROM pg_replication_slots WHERE "
                                    "slot_name = $1", 1, values);
            return rc;
        }

        if (rc == MIGRATOR_OK) {
            rc = migrator_pg_sleep(pg, ACTIVE_MS);
        }

        if (rc != MIGRATOR_OK) {
            return rc;
        }
    }

    return migrator_pg_say(pg, MIGRATOR_DOWN, "%s: slot %s stays in use",
                           node, name);
}


int
migrator_pg_clean(migrator_pg_t *pg, const char *node, const char *prefix,
    const char *keep)
{
    int  kind, rc;

    rc = MIGRATOR_OK;

    for (kind = 0; rc == MIGRATOR_OK && kind < 3; kind++) {
        rc = migrator_pg_drop(pg, node, kind, prefix, keep);
    }

    return rc;
}


static int
migrator_pg_drop(migrator_pg_t *pg, const char *node, int kind,
    const char *prefix, const char *keep)
{
    int                   rc;
    char                  sql[256];
    uint32_t              i;
    migrator_pg_names_t   names;

    static const char *const  lists[] = {
        MIGRATOR_PG_SUBSCRIPTIONS, MIGRATOR_PG_SLOTS, MIGRATOR_PG_PUBLICATIONS
    };

    rc = migrator_pg_list(pg, node, lists[kind], prefix, &names);

    for (i = 0; rc == MIGRATOR_OK && i < names.n; i++) {

        if (keep && strcmp(names.name[i], keep) == 0) {
            continue;
        }

        if (kind == 0) {
            rc = migrator_pg_drop_subscription(pg, node, names.name[i]);

        } else if (kind == 1) {
            rc = migrator_pg_drop_slot(pg, node, names.name[i]);

        } else {
            snprintf(sql, sizeof(sql), "DROP PUBLICATION IF EXISTS %s",
                     names.name[i]);
            rc = migrator_pg_run(pg, node, sql);
        }
    }

    return rc;
}


/* what feeds others; its own subscription, if it has one, goes on */

int
migrator_pg_mute(migrator_pg_t *pg, const char *node, shard_id_t shard)
{
    int   rc;
    char  prefix[MIGRATOR_PG_NAME];

    migrator_pg_prefix(pg, shard, prefix);
    rc = migrator_pg_drop(pg, node, 1, prefix, NULL);

    return rc == MIGRATOR_OK ? migrator_pg_drop(pg, node, 2, prefix, NULL)
                             : rc;
}


/*
 * Slots by which single tables were copied, of a subscription that is gone:
 * pg_SUBSCRIPTION_sync_TABLE_SYSTEM.
 */

static int
migrator_pg_orphans(migrator_pg_t *pg, const char *from, const char *to)
{
    int          rc;
    char         subs[4096], system[32];
    uint64_t     n;
    const char  *values[2];

    rc = migrator_pg_text(pg, to, subs, sizeof(subs), "SELECT "
                          "string_agg(oid::text, ',') FROM pg_subscription",
                          0, NULL);

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_text(pg, to, system, sizeof(system), "SELECT "
                              "system_identifier FROM pg_control_system()", 0,
                              NULL);
    }

    if (rc != MIGRATOR_OK || strlen(subs) + 1 == sizeof(subs)) {
        return rc;
    }

    values[0] = system;
    values[1] = subs;

    return migrator_pg_number(pg, from, &n, "SELECT count("
                              "pg_drop_replication_slot(slot_name)::text) "
                              "FROM pg_replication_slots WHERE NOT active "
                              "AND slot_name ~ ('^pg_[0-9]+_sync_[0-9]+_' || "
                              "$1 || '$') AND split_part(slot_name, '_', 2) "
                              "<> ALL (string_to_array($2, ','))", 2, values);
}


static int
migrator_pg_untouch(migrator_pg_t *pg, const char *node, shard_id_t shard)
{
    char         id[16];
    uint64_t     xid;
    const char  *values[1];

    snprintf(id, sizeof(id), "%u", (unsigned) shard);
    values[0] = id;

    return migrator_pg_number(pg, node, &xid, "SELECT shard.touch($1, false)",
                              1, values);
}


/* a standby that the shard had before goes on hearing its primary */

static int
migrator_pg_back(migrator_pg_t *pg, const char *from, const char *to,
    shard_id_t shard)
{
    int                   rc;
    char                  sql[256], prefix[MIGRATOR_PG_NAME];
    uint32_t              i;
    migrator_pg_names_t   subs, slots;

    migrator_pg_prefix(pg, shard, prefix);

    rc = migrator_pg_list(pg, to, MIGRATOR_PG_SUBSCRIPTIONS
                          " AND NOT subenabled", prefix, &subs);

    if (rc != MIGRATOR_OK || subs.n == 0) {
        return rc;
    }

    rc = migrator_pg_list(pg, from, MIGRATOR_PG_SLOTS, prefix, &slots);

    for (i = 0; rc == MIGRATOR_OK && i < subs.n; i++) {
        if (migrator_pg_has(&slots, subs.name[i])) {
            snprintf(sql, sizeof(sql), "ALTER SUBSCRIPTION %s ENABLE",
                     subs.name[i]);
            rc = migrator_pg_run(pg, to, sql);
        }
    }

    return rc;
}


/* earlier standbys hear nobody any more; one that is dead is left for later */

static void
migrator_pg_others(migrator_pg_t *pg, const char *from, const char *to,
    const char *prefix, const char *keep)
{
    uint32_t  i;
    uint64_t  until;

    until = pg->until_ms;

    for (i = 0; i < pg->n; i++) {

        if (strcmp(pg->nodes[i].name, from) == 0
            || strcmp(pg->nodes[i].name, to) == 0)
        {
            continue;
        }

        pg->until_ms = shardd_monotonic_ms() + OTHER_MS;

        if (pg->until_ms > until) {
            pg->until_ms = until;
        }

        (void) migrator_pg_clean(pg, pg->nodes[i].name, prefix, keep);
    }

    pg->until_ms = until;
}


/* both nodes are tried, whatever became of the first: it has half the time */

static int
migrator_pg_clean_both(migrator_pg_t *pg, const char *from, const char *to,
    const char *prefix, const char *keep)
{
    int       rc, other;
    uint64_t  until;

    until = pg->until_ms;
    pg->until_ms -= (uint64_t) pg->limit->timeout_ms / 2;
    rc = migrator_pg_clean(pg, to, prefix, keep);

    pg->until_ms = until;
    other = migrator_pg_clean(pg, from, prefix, keep);

    return rc == MIGRATOR_OK ? other : rc;
}


int
migrator_pg_settle(void *data, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, migrator_outcome_e outcome,
    const migrator_limit_t *limit)
{
    int             rc;
    char            prefix[MIGRATOR_PG_NAME], keep[MIGRATOR_PG_NAME];
    migrator_pg_t  *pg = data;

    migrator_pg_begin(pg, limit);

    if (pg->cuts) {
        return migrator_pg_cut_settle(pg, from->name);
    }

    migrator_pg_prefix(pg, shard, prefix);
    migrator_pg_name(pg, shard, 'r', keep);

    if (outcome == MIGRATOR_REPLICATED) {
        return migrator_pg_untouch(pg, from->name, shard);
    }

    if (outcome == MIGRATOR_BACK) {
        migrator_pg_name(pg, shard, '\0', prefix);
        keep[0] = '\0';
    }

    rc = migrator_pg_clean_both(pg, from->name, to->name, prefix, keep);

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_orphans(pg, from->name, to->name);
    }

    if (rc == MIGRATOR_OK && outcome == MIGRATOR_BACK) {
        rc = migrator_pg_back(pg, from->name, to->name, shard);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_untouch(pg, from->name, shard);
    }

    if (rc == MIGRATOR_OK && outcome == MIGRATOR_MOVED) {
        rc = migrator_pg_untouch(pg, to->name, shard);
        migrator_pg_others(pg, from->name, to->name, prefix, keep);
    }

    return rc;
}


/*
 * A node that gives a shard up hears nobody of it, and nobody keeps anything
 * for it.  Its rows go as far as there is time: a copy to it would begin
 * with that in any case.
 */

int
migrator_pg_give_up(migrator_pg_t *pg, const char *node, shard_id_t shard)
{
    int                   last, rc;
    char                  id[16], prefix[MIGRATOR_PG_NAME];
    uint32_t              i, k;
    uint64_t              left;
    const char           *values[2];
    migrator_pg_names_t   subs;

    snprintf(id, sizeof(id), "%u", (unsigned) shard);
    values[0] = id;
    values[1] = "20000";
    last = MIGRATOR_OK;
    migrator_pg_prefix(pg, shard, prefix);

    rc = migrator_pg_list(pg, node, MIGRATOR_PG_SUBSCRIPTIONS, prefix, &subs);

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_clean(pg, node, prefix, NULL);
    }

    for (i = 0; rc == MIGRATOR_OK && i < subs.n; i++) {
        for (k = 0; k < pg->n; k++) {
            (void) migrator_pg_clean(pg, pg->nodes[k].name, subs.name[i],
                                     NULL);
        }
    }

    do {
        if (rc == MIGRATOR_OK) {
            left = 0;
            last = migrator_pg_number(pg, node, &left, "SELECT "
                                      "shard.empty($1, $2)", 2, values);
        }

    } while (rc == MIGRATOR_OK && left);

    /* of a merged shard nobody empties the rest later */

    return rc == MIGRATOR_OK && pg->cuts ? last : rc;
}
