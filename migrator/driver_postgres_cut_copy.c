
/*
 * Rows carried to their new shard: page by page, then those that were touched
 * meanwhile.  Each statement carries rows as they are at that moment, so that
 * one which was touched again comes again.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver_postgres.h"


#define CLEAR_ROWS    "5000"
#define TOUCHED_ROWS  1000
#define TOUCHED_TEXT  "1000"
#define ROUNDS_MAX    200               /* until few were touched */
#define CARRIED_MANY  20000             /* rows: all is compared again */


typedef struct {
    char  *out;                         /* flags of rows */
    char  *in;
} migrator_pg_picked_t;


static int migrator_pg_cut_run(migrator_pg_t *pg, const char *node,
    const char *sql, int n);
static int migrator_pg_cut_clear(migrator_pg_t *pg, const char *node);
static int migrator_pg_cut_pages(migrator_pg_t *pg, const char *node,
    const migrator_pg_names_t *tables);
static int migrator_pg_carry(migrator_pg_t *pg, const char *node,
    const char *table, const PGresult *rows, int pk,
    const migrator_pg_picked_t *picked, const char *done);
static int migrator_pg_cut_touched(migrator_pg_t *pg, const char *node,
    const PGresult *rows, int *row, int *full);
static int migrator_pg_cut_round(migrator_pg_t *pg, const char *node,
    uint64_t *position, int *full, uint64_t *carried);


/* a number of the copy, 0: there is none to go on with */

static int
migrator_pg_cut_run(migrator_pg_t *pg, const char *node, const char *sql,
    int n)
{
    char         source[16], target[16], epoch[16], most[16], token[24];
    const char  *values[5];

    snprintf(source, sizeof(source), "%u", (unsigned) pg->cut.shard);
    snprintf(target, sizeof(target), "%u", (unsigned) pg->cut.into);
    snprintf(epoch, sizeof(epoch), "%u", pg->cut.epoch);
    snprintf(most, sizeof(most), "%u", pg->limit->epoch);
    snprintf(token, sizeof(token), "%llu",
             (unsigned long long) pg->limit->token);
    values[0] = source;
    values[1] = target;
    values[2] = epoch;
    values[3] = most;
    values[4] = token;
    pg->run = 0;

    return migrator_pg_number(pg, node, &pg->run, sql, n, values);
}


/* a merge's target was cleared by drop() */

static int
migrator_pg_cut_clear(migrator_pg_t *pg, const char *node)
{
    int          rc;
    char         target[16], run[24];
    uint64_t     left;
    const char  *values[3];

    snprintf(target, sizeof(target), "%u", (unsigned) pg->cut.into);
    snprintf(run, sizeof(run), "%llu", (unsigned long long) pg->run);
    values[0] = target;
    values[1] = run;
    values[2] = CLEAR_ROWS;

    do {
        rc = migrator_pg_number(pg, node, &left, "SELECT shard.cut_clear($1, "
                                "$2, $3)", 3, values);

    } while (rc == MIGRATOR_OK && left);

    return rc;
}


int
migrator_pg_cut_copy(migrator_pg_t *pg, const char *node, uint64_t *position,
    uint64_t *bytes)
{
    int                   full, i, rc;
    uint64_t              items, size, carried;
    migrator_pg_names_t   tables;

    rc = migrator_pg_cut_run(pg, node, "SELECT shard.cut_begin($1, $2, $3, "
                             "$4, $5)", 5);

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_touch(pg, node, pg->cut.shard);
    }

    if (rc == MIGRATOR_OK && pg->cut.epoch == 0) {
        rc = migrator_pg_cut_clear(pg, node);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_tables(pg, node, &tables);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_cut_pages(pg, node, &tables);
    }

    full = 1;

    for (i = 0; rc == MIGRATOR_OK && full && i < ROUNDS_MAX; i++) {
        rc = migrator_pg_cut_round(pg, node, position, &full, &carried);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_cut_compare(pg, node);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_size(pg, node, pg->cut.epoch ? pg->cut.shard
                              : pg->cut.into, &items, &size);
        *bytes += rc == MIGRATOR_OK ? size : 0;
    }

    return rc;
}


static int
migrator_pg_cut_pages(migrator_pg_t *pg, const char *node,
    const migrator_pg_names_t *tables)
{
    int                    i, n, rc;
    PGresult              *rows;
    migrator_pg_page_t     page;
    migrator_pg_picked_t   picked;

    memset(&page, 0, sizeof(page));
    page.shard = pg->cut.shard;
    page.other = SHARD_ID_NONE;

    for ( ;; ) {
        rc = migrator_pg_page(pg, node, tables, &page, &rows);

        if (rc != MIGRATOR_OK || rows == NULL) {
            return rc;
        }

        n = PQntuples(rows);
        picked.in = calloc((size_t) n * 2, 1);
        picked.out = picked.in + n;

        for (i = 0; picked.in && i < n; i++) {
            picked.in[i] = (char) migrator_pg_in_range(pg, rows, i, 1);
        }

        rc = migrator_pg_carry(pg, node, page.name, rows, 0, &picked, "{}");
        free(picked.in);
        PQclear(rows);

        if (rc != MIGRATOR_OK) {
            return rc;
        }
    }
}


static int
migrator_pg_carry(migrator_pg_t *pg, const char *node, const char *table,
    const PGresult *rows, int pk, const migrator_pg_picked_t *picked,
    const char *done)
{
    int          rc;
    char         target[16], run[24], *in, *out;
    uint64_t     came;
    const char  *values[6];

    in = picked->in ? migrator_pg_pick(rows, pk, 0, 0, picked->in) : NULL;
    out = picked->in ? migrator_pg_pick(rows, pk, 0, 0, picked->out) : NULL;

    if (in == NULL || out == NULL) {
        free(in);
        free(out);
        return migrator_pg_say(pg, MIGRATOR_DOWN, "no memory");
    }

    snprintf(target, sizeof(target), "%u", (unsigned) pg->cut.into);
    snprintf(run, sizeof(run), "%llu", (unsigned long long) pg->run);
    values[0] = target;
    values[1] = run;
    values[2] = table;
    values[3] = out;
    values[4] = in;
    values[5] = done;

    rc = MIGRATOR_OK;

    if (in[1] != ']' || out[1] != ']' || done[1] != '}') {
        rc = migrator_pg_number(pg, node, &came, "SELECT shard.carry($1, $2, "
                                "$3, $4, $5, $6)", 6, values);
    }

    free(in);
    free(out);

    return rc;
}


/*
 * Of one table, from *row on.  What the target has of a touched key goes
 * first: all of a new shard's, of a primary's only what is the source's by
 * its key.
 */

static int
migrator_pg_cut_touched(migrator_pg_t *pg, const char *node,
    const PGresult *rows, int *row, int *full)
{
    int                    i, n, rc;
    char                   done[TOUCHED_ROWS * 21 + 3], *p;
    const char            *table;
    migrator_pg_picked_t   picked;

    table = migrator_pg_cell(rows, *row, 0);
    n = PQntuples(rows);
    picked.in = calloc((size_t) n * 2, 1);
    picked.out = picked.in + n;

    if (picked.in == NULL) {
        return migrator_pg_say(pg, MIGRATOR_DOWN, "no memory");
    }

    p = done;

    for (i = *row; i < n && i - *row < TOUCHED_ROWS
                   && strcmp(migrator_pg_cell(rows, i, 0), table) == 0; i++)
    {
        p += snprintf(p, 22, "%c%.20s", i > *row ? ',' : '{',
                      migrator_pg_cell(rows, i, 1));
        picked.in[i] = (char) migrator_pg_in_range(pg, rows, i, 3);
        picked.out[i] = !PQgetisnull(rows, i, 4)
                        && (pg->cut.epoch == 0
                            || migrator_pg_in_range(pg, rows, i, 4));
    }

    memcpy(p, "}", sizeof("}"));
    *full |= i - *row == TOUCHED_ROWS;

    rc = migrator_pg_carry(pg, node, table, rows, 2, &picked, done);

    free(picked.in);
    *row = i;

    return rc;
}


/*
 * *full: more is touched than one round takes.  The position is taken before
 * what was touched is looked for: what writes then is behind it.
 */

static int
migrator_pg_cut_round(migrator_pg_t *pg, const char *node,
    uint64_t *position, int *full, uint64_t *carried)
{
    int          i, primary, rc;
    char         source[16], target[16], run[24], at[24];
    uint64_t     reached;
    PGresult    *rows;
    const char  *values[3];

    snprintf(source, sizeof(source), "%u", (unsigned) pg->cut.shard);
    snprintf(target, sizeof(target), "%u", (unsigned) pg->cut.into);
    values[0] = source;
    values[1] = target;
    values[2] = TOUCHED_TEXT;

    rc = migrator_pg_query(pg, node, &rows, "SELECT tab, touch, pk, key, "
                           "other FROM shard.cut_touched($1, $2, $3)", 3,
                           values);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    *full = 0;
    *carried = 0;
    reached = 0;
    primary = strcmp(migrator_pg_cell(rows, 0, 2), "primary") == 0;

    if (migrator_pg_value(rows, 0, 1, &reached) != SHARD_OK) {
        rc = migrator_pg_say(pg, MIGRATOR_DOWN, "%s: shard %s is unknown "
                             "there", node, source);
    }

    for (i = 1; rc == MIGRATOR_OK && i < PQntuples(rows); /* void */) {
        rc = migrator_pg_cut_touched(pg, node, rows, &i, full);
    }

    PQclear(rows);

    if (rc != MIGRATOR_OK || *full) {
        return rc;
    }

    snprintf(run, sizeof(run), "%llu", (unsigned long long) pg->run);
    snprintf(at, sizeof(at), "%llu", (unsigned long long) reached);
    values[0] = target;
    values[1] = run;
    values[2] = at;

    rc = migrator_pg_number(pg, node, carried, "SELECT shard.cut_at($1, $2, "
                            "$3)", 3, values);

    if (rc == MIGRATOR_OK) {
        *position = reached;
    }

    /* a sealed one is compared by those that were carried, however many */

    if (!primary) {
        *carried = 0;
    }

    return rc;
}


int
migrator_pg_cut_ship(migrator_pg_t *pg, const char *node, uint64_t *position)
{
    int       full, rc;
    uint64_t  carried;

    rc = MIGRATOR_OK;

    if (pg->run == 0) {
        rc = migrator_pg_cut_run(pg, node, "SELECT shard.cut_resume($1, $2)",
                                 2);

        if (rc == MIGRATOR_OK && pg->run == 0) {
            return migrator_pg_say(pg, MIGRATOR_GONE, "%s: shard %u has no "
                                   "whole copy of its keys of shard %u", node,
                                   (unsigned) pg->cut.into,
                                   (unsigned) pg->cut.shard);
        }
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_cut_round(pg, node, position, &full, &carried);
    }

    if (rc == MIGRATOR_OK && carried > CARRIED_MANY) {
        rc = migrator_pg_cut_compare(pg, node);
    }

    return rc;
}
