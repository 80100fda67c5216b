
/*
 * What must be true before a shard moves, and the comparison of both sides
 * while the source is written:
 *
 *    from now on writes name the keys they touch (shard.touch) ▶ those that
 *    began before are waited for ▶ range by range both sides are counted and
 *    hashed, without touched rows ▶ equal: "compared" by this migration
 *
 * Touched keys travel with the rows, in the same transactions, so that a
 * range that differs is read again after a marker; the hold then compares
 * the touched rows alone (digest).
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver_postgres.h"


#define RANGE_ROWS    "5000"
#define RANGE_TRIES   20
#define OLDER_MS      5
#define TOUCHED_MANY  "5000"            /* rows: all is compared again */


typedef struct {
    uint64_t    items;
    char        hash[24];
    char        last[4096];             /* key, JSON; "": no row */
} migrator_pg_range_t;


static int migrator_pg_problems(migrator_pg_t *pg, const char *node,
    const char *tables, const char *columns, char *out, size_t size);
static int migrator_pg_array(char *const *map, int which, char *buf,
    size_t size);
static int migrator_pg_compare(migrator_pg_t *pg, const char *from,
    const char *to, shard_id_t shard, const char *table);
static int migrator_pg_ready(migrator_pg_t *pg, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard);
static int migrator_pg_range(migrator_pg_t *pg, const char *node,
    shard_id_t shard, const char *table, const char *after, const char *upto,
    migrator_pg_range_t *range);


/* names or columns of "tables" as an array of PostgreSQL */

static int
migrator_pg_array(char *const *map, int which, char *buf, size_t size)
{
    size_t       i, n;
    const char  *p;

    n = 0;
    buf[n++] = '{';

    for (i = 0; map && map[i]; i += 2) {
        if (n + 2 * strlen(map[i + which]) + 8 > size) {
            return SHARD_ERROR;
        }

        if (i) {
            buf[n++] = ',';
        }

        buf[n++] = '"';

        for (p = map[i + which]; *p; p++) {
            if (*p == '"' || *p == '\\') {
                buf[n++] = '\\';
            }

            buf[n++] = *p;
        }

        buf[n++] = '"';
    }

    buf[n++] = '}';
    buf[n] = '\0';

    return SHARD_OK;
}


/* adds "n1: reason; reason" to out */

static int
migrator_pg_problems(migrator_pg_t *pg, const char *node, const char *tables,
    const char *columns, char *out, size_t size)
{
    int          rc;
    char         text[MIGRATOR_ERR_SIZE];
    const char  *values[2];

    values[0] = tables;
    values[1] = columns;

    rc = migrator_pg_text(pg, node, text, sizeof(text), "SELECT string_agg("
                          "p, '; ') FROM shard.problems($1, $2) p", 2,
                          values);

    if (rc == MIGRATOR_OK && text[0]) {
        snprintf(out + strlen(out), size - strlen(out), "%s%s: %s",
                 out[0] ? "; " : "", node, text);
    }

    return rc;
}


int
migrator_pg_check(void *data, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, const migrator_limit_t *limit)
{
    int             rc;
    char            tables[4096], columns[4096], shapes[2][8192],
                    out[MIGRATOR_ERR_SIZE - 64];
    migrator_pg_t  *pg = data;

    (void) shard;

    migrator_pg_begin(pg, limit);
    out[0] = '\0';

    if (pg->cuts) {
        return migrator_pg_cut_check(pg, from->name, to->name);
    }

    if (migrator_pg_array(pg->conf->postgres.tables, 0, tables,
                          sizeof(tables)) != SHARD_OK
        || migrator_pg_array(pg->conf->postgres.tables, 1, columns,
                             sizeof(columns)) != SHARD_OK)
    {
        return migrator_pg_say(pg, MIGRATOR_REFUSED, "postgres.tables is "
                               "longer than %zu bytes", sizeof(tables));
    }

    rc = migrator_pg_problems(pg, from->name, tables, columns, out,
                              sizeof(out));

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_problems(pg, to->name, tables, columns, out,
                                  sizeof(out));
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_text(pg, from->name, shapes[0], sizeof(shapes[0]),
                              "SELECT shard.shape()", 0, NULL);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_text(pg, to->name, shapes[1], sizeof(shapes[1]),
                              "SELECT shard.shape()", 0, NULL);
    }

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    if (out[0]) {
        return migrator_pg_say(pg, MIGRATOR_REFUSED, "%s", out);
    }

    if (strcmp(shapes[0], shapes[1])) {
        return migrator_pg_say(pg, MIGRATOR_REFUSED, "%s and %s differ in "
                               "tables or collation: SELECT shard.shape(); "
                               "\"%.150s\" and \"%.150s\"", from->name,
                               to->name, shapes[0], shapes[1]);
    }

    return MIGRATOR_OK;
}


/* writes that began before may still not touch: they end first */

int
migrator_pg_touch(migrator_pg_t *pg, const char *from, shard_id_t shard)
{
    int          rc;
    char         id[16], xid[24], older[8];
    const char  *values[1];

    snprintf(id, sizeof(id), "%u", (unsigned) shard);
    values[0] = id;

    rc = migrator_pg_text(pg, from, xid, sizeof(xid), "SELECT "
                          "shard.touch($1, true)", 1, values);
    values[0] = xid;

    while (rc == MIGRATOR_OK) {
        rc = migrator_pg_text(pg, from, older, sizeof(older), "SELECT "
                              "shard.older($1)", 1, values);

        if (rc == MIGRATOR_OK && older[0] == 'f') {
            return MIGRATOR_OK;
        }

        if (rc == MIGRATOR_OK) {
            rc = migrator_pg_sleep(pg, OLDER_MS);
        }
    }

    return rc;
}


static int
migrator_pg_range(migrator_pg_t *pg, const char *node, shard_id_t shard,
    const char *table, const char *after, const char *upto,
    migrator_pg_range_t *range)
{
    int          rc;
    char         id[16];
    PGresult    *res;
    const char  *values[5];

    snprintf(id, sizeof(id), "%u", (unsigned) shard);
    values[0] = table;
    values[1] = id;
    values[2] = after;
    values[3] = upto;
    values[4] = upto ? NULL : RANGE_ROWS;

    rc = migrator_pg_query(pg, node, &res, "SELECT items, hash, last FROM "
                           "shard.range($1, $2, $3, $4, $5)", 5, values);
    if (rc != MIGRATOR_OK) {
        return rc;
    }

    if (migrator_pg_value(res, 0, 0, &range->items) != SHARD_OK
        || strlen(migrator_pg_cell(res, 0, 2)) >= sizeof(range->last))
    {
        rc = migrator_pg_say(pg, MIGRATOR_REFUSED, "%s: a key of table %s is "
                             "longer than %zu bytes", node, table,
                             sizeof(range->last) - 1);

    } else {
        snprintf(range->hash, sizeof(range->hash), "%s",
                 migrator_pg_cell(res, 0, 1));
        snprintf(range->last, sizeof(range->last), "%s",
                 migrator_pg_cell(res, 0, 2));
    }

    PQclear(res);

    return rc;
}


/* one table, to its end; behind the last row the target has none either */

static int
migrator_pg_compare(migrator_pg_t *pg, const char *from, const char *to,
    shard_id_t shard, const char *table)
{
    int                   rc, tries;
    char                  after[4096];
    uint64_t              position;
    const char           *start, *upto;
    migrator_pg_range_t   source, target;

    start = NULL;

    for (tries = 0; tries < RANGE_TRIES; /* void */) {
        rc = migrator_pg_range(pg, from, shard, table, start, NULL, &source);

        if (rc == MIGRATOR_OK) {
            upto = source.last[0] ? source.last : NULL;
            rc = migrator_pg_range(pg, to, shard, table, start, upto,
                                   &target);
        }

        if (rc != MIGRATOR_OK) {
            return rc;
        }

        if (source.items == target.items
            && strcmp(source.hash, target.hash) == 0)
        {
            if (source.last[0] == '\0') {
                return MIGRATOR_OK;
            }

            memcpy(after, source.last, sizeof(after));
            start = after;
            tries = 0;
            continue;
        }

        /* written in between, perhaps: both sides once more */

        tries++;
        rc = migrator_pg_sync(pg, from, to, shard, &position);

        if (rc != MIGRATOR_OK) {
            return rc;
        }
    }

    return migrator_pg_say(pg, MIGRATOR_REFUSED, "data differ: table %s "
                           "behind %.100s: %llu rows at %s, %llu at %s",
                           table, start ? start : "its begin",
                           (unsigned long long) source.items, from,
                           (unsigned long long) target.items, to);
}


/* done already by this migration, unless too much was touched since */

static int
migrator_pg_prepared(migrator_pg_t *pg, const char *from, shard_id_t shard,
    uint64_t *done)
{
    char         id[16], name[24];
    const char  *values[2];

    snprintf(id, sizeof(id), "%u", (unsigned) shard);
    snprintf(name, sizeof(name), "%016llx",
             (unsigned long long) pg->migration);
    values[0] = id;
    values[1] = name;

    return migrator_pg_number(pg, from, done, "SELECT count(*) FROM "
                              "shard.owner WHERE shard = $1 AND touching AND "
                              "compared = $2 AND shard.touches($1) < "
                              TOUCHED_MANY, 2, values);
}


/*
 * What a session does for the first time takes it some ms, as reading a
 * function does: all that the hold asks for was asked once before, in a way
 * that changes nothing.
 */

static int
migrator_pg_ready(migrator_pg_t *pg, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard)
{
    int          i, rc;
    char         id[16];
    uint64_t     n;
    const char  *values[1];

    memcpy(pg->heir, to->name, sizeof(pg->heir));

    if (pg->ready) {
        return MIGRATOR_OK;
    }

    snprintf(id, sizeof(id), "%u", (unsigned) shard);
    values[0] = id;
    rc = MIGRATOR_OK;

    for (i = 0; i < 2 && rc == MIGRATOR_OK; i++) {
        rc = migrator_pg_number(pg, i ? to->name : from->name, &n,
                                "SELECT count(shard.role(shard, role, epoch))"
                                " + (SELECT count(*) FROM shard.digest($1, "
                                "true)) + shard.turn($1, 0, ' ', '')::int + "
                                "shard.reach($1, 0, 0) FROM shard.owner "
                                "WHERE shard = $1", 1, values);
    }

    pg->ready = rc == MIGRATOR_OK;

    return rc;
}


int
migrator_pg_prepare(void *data, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, const migrator_limit_t *limit)
{
    int                   rc;
    char                  id[16], migration[24], name[MIGRATOR_PG_NAME];
    uint32_t              i;
    uint64_t              done, n, position;
    const char           *values[2];
    migrator_pg_t        *pg = data;
    migrator_pg_names_t   tables;

    migrator_pg_begin(pg, limit);
    migrator_pg_name(pg, shard, 'r', name);
    snprintf(id, sizeof(id), "%u", (unsigned) shard);
    snprintf(migration, sizeof(migration), "%016llx",
             (unsigned long long) pg->migration);

    rc = migrator_pg_slot(pg, to->name, name, shard);

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_prepared(pg, from->name, shard, &done);
    }

    if (rc != MIGRATOR_OK || done) {
        return rc == MIGRATOR_OK ? migrator_pg_ready(pg, from, to, shard)
                                 : rc;
    }

    rc = migrator_pg_touch(pg, from->name, shard);

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_sync(pg, from->name, to->name, shard, &position);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_tables(pg, from->name, &tables);
    }

    for (i = 0; rc == MIGRATOR_OK && i < tables.n; i++) {
        rc = migrator_pg_compare(pg, from->name, to->name, shard,
                                 tables.name[i]);
    }

    values[0] = id;
    values[1] = migration;

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_number(pg, from->name, &n, "WITH u AS (UPDATE "
                                "shard.owner SET compared = $2 WHERE shard = "
                                "$1 AND touching RETURNING 1) SELECT "
                                "count(*) FROM u", 2, values);
    }

    return rc == MIGRATOR_OK ? migrator_pg_ready(pg, from, to, shard) : rc;
}
