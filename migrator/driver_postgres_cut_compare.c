
/*
 * Both sides of a cut are rows of one database: a statement sees both at one
 * moment, and what it finds touched is carried later and left out.
 *
 *    rows of the source, of the range ──▶ the target has the same
 *    rows of the target (of the range) ─▶ the source has them
 *
 * In the hold only what was carried since is compared, by digests.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard_key.h"
#include "driver_postgres.h"


static int migrator_pg_cut_side(migrator_pg_t *pg, const char *node,
    const migrator_pg_names_t *tables, shard_id_t shard, shard_id_t other);
static int migrator_pg_cut_page(migrator_pg_t *pg, const char *node,
    const migrator_pg_page_t *page, const PGresult *rows);
static int migrator_pg_cut_digest_add(migrator_pg_t *pg, const PGresult *rows,
    int row, int key, shard_id_t shard, migrator_digest_t *digest);
static int migrator_pg_cut_tail(migrator_pg_t *pg, const char *node,
    shard_id_t shard, migrator_digest_t *digest);
static int migrator_pg_cut_whole(migrator_pg_t *pg, const char *node,
    shard_id_t shard, migrator_digest_t *digest);


int
migrator_pg_cut_compare(migrator_pg_t *pg, const char *node)
{
    int                   rc;
    char                  source[16], name[24];
    uint64_t              n;
    const char           *values[2];
    migrator_pg_names_t   tables;

    snprintf(source, sizeof(source), "%u", (unsigned) pg->cut.shard);
    snprintf(name, sizeof(name), "%016llx",
             (unsigned long long) pg->migration);
    values[0] = source;
    values[1] = name;

    /* first: what is carried from now on is compared in the hold */

    rc = migrator_pg_number(pg, node, &n, "WITH d AS (DELETE FROM "
                            "shard.carried WHERE source = $1 RETURNING 1) "
                            "SELECT count(*) FROM d", 1, values);

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_tables(pg, node, &tables);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_cut_side(pg, node, &tables, pg->cut.shard,
                                  pg->cut.into);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_cut_side(pg, node, &tables, pg->cut.into,
                                  pg->cut.shard);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_number(pg, node, &n, "WITH u AS (UPDATE shard.owner "
                                "SET compared = $2 WHERE shard = $1 AND "
                                "touching RETURNING 1) SELECT count(*) FROM "
                                "u", 2, values);
    }

    return rc;
}


static int
migrator_pg_cut_side(migrator_pg_t *pg, const char *node,
    const migrator_pg_names_t *tables, shard_id_t shard, shard_id_t other)
{
    int                  rc;
    PGresult            *rows;
    migrator_pg_page_t   page;

    memset(&page, 0, sizeof(page));
    page.shard = shard;
    page.other = other;

    for ( ;; ) {
        rc = migrator_pg_page(pg, node, tables, &page, &rows);

        if (rc != MIGRATOR_OK || rows == NULL) {
            return rc;
        }

        rc = migrator_pg_cut_page(pg, node, &page, rows);
        PQclear(rows);

        if (rc != MIGRATOR_OK) {
            return rc;
        }
    }
}


/*
 * A merged shard goes, with all that is in none of its ranges: such a row is
 * not given up silently.
 */

static int
migrator_pg_cut_page(migrator_pg_t *pg, const char *node,
    const migrator_pg_page_t *page, const PGresult *rows)
{
    int          i, in, same;
    const char  *why;

    for (i = 0; i < PQntuples(rows); i++) {

        if (strcmp(migrator_pg_cell(rows, i, 4), "t") == 0) {
            continue;
        }

        in = migrator_pg_in_range(pg, rows, i, 1);
        same = strcmp(migrator_pg_cell(rows, i, 2),
                      migrator_pg_cell(rows, i, 3)) == 0;
        why = NULL;

        if (in && !same) {
            why = "differs from the row that it is a copy of, or was made of";

        } else if (!in && pg->cut.epoch && page->shard == pg->cut.shard) {
            why = "has a key that is not of this shard, and would be lost";

        } else if (!in && !pg->cut.epoch && page->shard == pg->cut.into) {
            why = "has a key that is not of the new shard";
        }

        if (why) {
            return migrator_pg_say(pg, MIGRATOR_REFUSED, "%s: row %.120s of "
                                   "table %s %s", node,
                                   migrator_pg_cell(rows, i, 0), page->name,
                                   why);
        }
    }

    return MIGRATOR_OK;
}


/* of a new shard all rows count, so that one too many is seen */

static int
migrator_pg_cut_digest_add(migrator_pg_t *pg, const PGresult *rows, int row,
    int key, shard_id_t shard, migrator_digest_t *digest)
{
    char        *end;
    long long    hash;
    uint64_t     part;
    const char  *text, *at;

    if ((pg->cut.epoch || shard != pg->cut.into)
        && !migrator_pg_in_range(pg, rows, row, key))
    {
        return MIGRATOR_OK;
    }

    text = migrator_pg_cell(rows, row, key + 1);
    hash = strtoll(text, &end, 10);

    if (end == text || *end) {
        return migrator_pg_say(pg, MIGRATOR_DOWN, "\"%.40s\" is no hash of a "
                               "row", text);
    }

    at = migrator_pg_cell(rows, row, key);
    part = shard_key_position(at, strlen(at)) % MIGRATOR_PARTS;

    digest->items++;
    digest->part[part].items++;
    digest->part[part].hash ^= (uint64_t) hash;

    return MIGRATOR_OK;
}


/* both sides come in one answer */

static int
migrator_pg_cut_tail(migrator_pg_t *pg, const char *node, shard_id_t shard,
    migrator_digest_t *digest)
{
    int          i, rc;
    char         source[16], target[16];
    uint64_t     of;
    PGresult    *rows;
    const char  *values[2];

    snprintf(source, sizeof(source), "%u", (unsigned) pg->cut.shard);
    snprintf(target, sizeof(target), "%u", (unsigned) pg->cut.into);
    values[0] = source;
    values[1] = target;

    rc = migrator_pg_query(pg, node, &rows, "SELECT of, key, hash FROM "
                           "shard.cut_tail($1, $2)", 2, values);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    for (i = 0; rc == MIGRATOR_OK && i < PQntuples(rows); i++) {

        if (migrator_pg_value(rows, i, 0, &of) != SHARD_OK) {
            rc = migrator_pg_say(pg, MIGRATOR_DOWN, "%s: shard.cut_tail() "
                                 "has no shard", node);

        } else if (of == shard) {
            rc = migrator_pg_cut_digest_add(pg, rows, i, 1, shard, digest);
        }
    }

    PQclear(rows);

    return rc;
}


static int
migrator_pg_cut_whole(migrator_pg_t *pg, const char *node, shard_id_t shard,
    migrator_digest_t *digest)
{
    int                   i, rc;
    PGresult             *rows;
    migrator_pg_page_t    page;
    migrator_pg_names_t   tables;

    memset(&page, 0, sizeof(page));
    page.shard = shard;
    page.other = SHARD_ID_NONE;

    rc = migrator_pg_tables(pg, node, &tables);

    while (rc == MIGRATOR_OK) {
        rc = migrator_pg_page(pg, node, &tables, &page, &rows);

        if (rc != MIGRATOR_OK || rows == NULL) {
            break;
        }

        for (i = 0; rc == MIGRATOR_OK && i < PQntuples(rows); i++) {
            rc = migrator_pg_cut_digest_add(pg, rows, i, 1, shard, digest);
        }

        PQclear(rows);
    }

    return rc;
}


/* the source comes first, and knows whether all was compared before */

int
migrator_pg_cut_digest(migrator_pg_t *pg, const char *node, shard_id_t shard,
    const uint64_t *at, migrator_digest_t *digest)
{
    int                   rc;
    char                  id[16], name[24];
    uint64_t              compared;
    const char           *values[2];
    migrator_pg_stats_t   stats;

    snprintf(id, sizeof(id), "%u", (unsigned) shard);
    snprintf(name, sizeof(name), "%016llx",
             (unsigned long long) pg->migration);
    values[0] = id;
    values[1] = name;

    memset(digest, 0, sizeof(migrator_digest_t));
    rc = migrator_pg_stats(pg, node, shard, &stats);

    if (rc == MIGRATOR_OK && shard == pg->cut.shard) {
        rc = migrator_pg_number(pg, node, &compared, "SELECT count(*) FROM "
                                "shard.owner WHERE shard = $1 AND touching "
                                "AND compared = $2", 2, values);
        pg->tail = compared > 0;
    }

    if (rc == MIGRATOR_OK && at && stats.position != *at) {
        return migrator_pg_say(pg, MIGRATOR_DOWN, "%s: shard %s stands at "
                               "%llu, not at %llu", node, id,
                               (unsigned long long) stats.position,
                               (unsigned long long) *at);
    }

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    digest->position = stats.position;

    return pg->tail ? migrator_pg_cut_tail(pg, node, shard, digest)
                    : migrator_pg_cut_whole(pg, node, shard, digest);
}
