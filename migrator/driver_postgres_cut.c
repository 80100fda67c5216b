
/*
 * Splits and merges in place: both shards are of one node, and so of one
 * database.  The rows of the range are written once more under the number of
 * the shard that is to have them, while the source is used as before:
 *
 *    copy      the source touches ▶ page by page carried ▶ touched ones
 *              carried ▶ all rows of both compared
 *    ship      touched ones carried
 *    digest    what was carried since the comparison
 *    drop      rows that the source has no more
 *
 * Which rows are of the range is said here, by their keys, and not by SQL:
 * of a hash it knows nothing.  What is done to them is said there.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver_postgres.h"


#define PAGE_ROWS  "2000"               /* of one statement */


static int migrator_pg_next_table(const migrator_pg_names_t *tables,
    migrator_pg_page_t *page);
static int migrator_pg_drop_page(migrator_pg_t *pg, const char *node,
    const PGresult *rows, uint32_t epoch, uint64_t *dropped);


static void
migrator_pg_cut_set(void *data, const migrator_cut_t *cut)
{
    migrator_pg_t  *pg = data;

    pg->cuts = 1;
    pg->cut = *cut;
    pg->run = 0;
}


int
migrator_pg_tables(migrator_pg_t *pg, const char *node,
    migrator_pg_names_t *tables)
{
    return migrator_pg_list(pg, node, "SELECT name FROM shard.tables WHERE "
                            "starts_with(name, $1) ORDER BY name", "",
                            tables);
}


/* a cut is of one database, whose rows nobody ships */

int
migrator_pg_cut_check(migrator_pg_t *pg, const char *from, const char *to)
{
    int   rc;
    char  text[MIGRATOR_ERR_SIZE];

    if (strcmp(from, to)) {
        return migrator_pg_say(pg, MIGRATOR_REFUSED, "driver postgres splits "
                               "and merges within a node, not from %s to "
                               "%s: %s", from, to, pg->cut.epoch
                               ? "move one of the shards to the other first"
                               : "split without --to, then move the new "
                                 "shard");
    }

    rc = migrator_pg_text(pg, from, text, sizeof(text), "SELECT string_agg("
                          "p, '; ') FROM shard.cut_problems() p", 0, NULL);

    return rc == MIGRATOR_OK && text[0]
           ? migrator_pg_say(pg, MIGRATOR_REFUSED, "%s: %.480s", from, text)
           : rc;
}


int
migrator_pg_in_range(const migrator_pg_t *pg, const PGresult *res, int row,
    int col)
{
    int             in;
    size_t          len;
    const char     *text;
    unsigned char  *key;

    text = migrator_pg_cell(res, row, col);

    /* no key at all: of no range */

    if (text[0] == '\0') {
        return 0;
    }

    key = PQunescapeBytea((const unsigned char *) text, &len);
    in = key && shard_range_holds(&pg->cut.range, key, len);
    PQfreemem(key);

    return in;
}


char *
migrator_pg_pick(const PGresult *res, int pk, int key, int with_key,
    const char *which)
{
    int     i, n;
    char   *buf, *p;
    size_t  size;

    n = PQntuples(res);
    size = sizeof("[]");

    for (i = 0; i < n; i++) {
        size += strlen(migrator_pg_cell(res, i, pk)) + sizeof(",[,\"\"]");
        size += with_key ? strlen(migrator_pg_cell(res, i, key)) : 0;
    }

    buf = malloc(size);

    if (buf == NULL) {
        return NULL;
    }

    p = buf;
    *p++ = '[';

    for (i = 0; i < n; i++) {

        if (!which[i]) {
            continue;
        }

        /* bytea is \x and hex */

        p += sprintf(p, with_key ? "%s[%s,\"%s\"]" : "%s%s",
                     p == buf + 1 ? "" : ",",
                     migrator_pg_cell(res, i, pk),
                     with_key ? migrator_pg_cell(res, i, key) + 2 : "");
    }

    *p++ = ']';
    *p = '\0';

    return buf;
}


static int
migrator_pg_next_table(const migrator_pg_names_t *tables,
    migrator_pg_page_t *page)
{
    page->name = page->table < tables->n ? tables->name[page->table] : NULL;

    return page->name != NULL;
}


/* *rows NULL with MIGRATOR_OK: all tables were read */

int
migrator_pg_page(migrator_pg_t *pg, const char *node,
    const migrator_pg_names_t *tables, migrator_pg_page_t *page,
    PGresult **rows)
{
    int          n, rc;
    char         shard[16], other[16], source[16];
    const char  *last, *values[6];

    snprintf(shard, sizeof(shard), "%u", (unsigned) page->shard);
    snprintf(other, sizeof(other), "%u", (unsigned) page->other);
    snprintf(source, sizeof(source), "%u", (unsigned) pg->cut.shard);

    values[1] = shard;
    values[2] = page->other == SHARD_ID_NONE ? NULL : other;
    values[3] = source;
    values[5] = PAGE_ROWS;

    *rows = NULL;

    while (migrator_pg_next_table(tables, page)) {

        values[0] = page->name;
        values[4] = page->after[0] ? page->after : NULL;

        rc = migrator_pg_query(pg, node, rows, "SELECT pk, key, hash, other, "
                               "late FROM shard.cut_rows($1, $2, $3, $4, $5, "
                               "$6)", 6, values);

        if (rc != MIGRATOR_OK) {
            *rows = NULL;
            return rc;
        }

        n = PQntuples(*rows);
        last = n ? migrator_pg_cell(*rows, n - 1, 0) : "";

        if (strlen(last) >= sizeof(page->after)) {
            PQclear(*rows);
            *rows = NULL;
            return migrator_pg_say(pg, MIGRATOR_REFUSED, "%s: a key of table "
                                   "%s is longer than %zu bytes", node,
                                   page->name, sizeof(page->after) - 1);
        }

        snprintf(page->after, sizeof(page->after), "%s", last);

        if (n) {
            return MIGRATOR_OK;
        }

        PQclear(*rows);
        *rows = NULL;
        page->table++;
    }

    return MIGRATOR_OK;
}


/* merge: as far as the target has what the source had */

static int
migrator_pg_imported(void *data, const shard_node_t *node,
    const migrator_limit_t *limit, uint64_t *position)
{
    int             rc;
    char            source[16], target[16], text[24];
    uint64_t        whole;
    const char     *values[2];
    migrator_pg_t  *pg = data;

    migrator_pg_begin(pg, limit);
    snprintf(source, sizeof(source), "%u", (unsigned) pg->cut.shard);
    snprintf(target, sizeof(target), "%u", (unsigned) pg->cut.into);
    values[0] = source;
    values[1] = target;

    rc = migrator_pg_text(pg, node->name, text, sizeof(text), "SELECT "
                          "position FROM shard.cut WHERE source = $1 AND "
                          "target = $2", 2, values);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    whole = strtoull(text, NULL, 10);
    *position = whole;

    return text[0] ? MIGRATOR_OK : MIGRATOR_GONE;
}


int
migrator_pg_cut_settle(migrator_pg_t *pg, const char *node)
{
    int          rc;
    char         source[16], target[16], buf[24];
    const char  *values[2];

    snprintf(source, sizeof(source), "%u", (unsigned) pg->cut.shard);
    snprintf(target, sizeof(target), "%u", (unsigned) pg->cut.into);
    values[0] = source;
    values[1] = target;
    pg->run = 0;

    rc = migrator_pg_text(pg, node, buf, sizeof(buf), "SELECT shard.cut_end("
                          "$1, $2)", 2, values);

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_text(pg, node, buf, sizeof(buf), "SELECT "
                              "shard.touch($1, false)", 1, values);
    }

    return rc;
}


/* whoever copies without its number is refused */

static int
migrator_pg_cut_end(void *data, const shard_node_t *node, uint32_t epoch,
    const migrator_limit_t *limit)
{
    migrator_pg_t  *pg = data;

    (void) epoch;

    migrator_pg_begin(pg, limit);

    return migrator_pg_cut_settle(pg, node->name);
}


/* next: what is left is known here, to whoever began; "." is there is some */

static int
migrator_pg_cut_drop(void *data, const shard_node_t *node, shard_id_t shard,
    uint32_t epoch, const migrator_limit_t *limit,
    char next[MIGRATOR_NEXT_SIZE], uint64_t *dropped)
{
    int                   rc;
    PGresult             *rows;
    migrator_pg_t        *pg = data;
    migrator_pg_names_t   tables;

    migrator_pg_begin(pg, limit);

    if (next[0] == '\0' || pg->drop.shard != shard) {
        memset(&pg->drop, 0, sizeof(pg->drop));
        pg->drop.shard = shard;
        pg->drop.other = SHARD_ID_NONE;
    }

    rows = NULL;
    rc = migrator_pg_tables(pg, node->name, &tables);

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_page(pg, node->name, &tables, &pg->drop, &rows);
    }

    if (rc == MIGRATOR_OK) {
        snprintf(next, MIGRATOR_NEXT_SIZE, "%s", rows ? "." : "");
    }

    if (rows) {
        rc = migrator_pg_drop_page(pg, node->name, rows, epoch, dropped);
        PQclear(rows);
    }

    /* from the beginning: what is gone already is passed by quickly */

    if (rc != MIGRATOR_OK) {
        next[0] = '\0';
    }

    return rc;
}


static int
migrator_pg_drop_page(migrator_pg_t *pg, const char *node,
    const PGresult *rows, uint32_t epoch, uint64_t *dropped)
{
    int          i, n, rc;
    char         id[16], number[16], token[24], *picked, *which;
    uint64_t     some, gone;
    const char  *values[5];

    n = PQntuples(rows);
    which = calloc((size_t) n, 1);
    some = 0;

    for (i = 0; which && i < n; i++) {
        which[i] = (char) migrator_pg_in_range(pg, rows, i, 1);
        some += (uint64_t) which[i];
    }

    picked = which ? migrator_pg_pick(rows, 0, 1, 1, which) : NULL;
    free(which);

    if (picked == NULL) {
        return migrator_pg_say(pg, MIGRATOR_DOWN, "no memory");
    }

    snprintf(id, sizeof(id), "%u", (unsigned) pg->drop.shard);
    snprintf(number, sizeof(number), "%u", epoch);
    values[0] = id;
    values[1] = number;
    snprintf(token, sizeof(token), "%llu",
             (unsigned long long) pg->limit->token);
    values[2] = token;
    values[3] = pg->drop.name;
    values[4] = picked;

    gone = 0;
    rc = some ? migrator_pg_number(pg, node, &gone, "SELECT shard.cut_drop("
                                   "$1, $2, $3, $4, $5)", 5, values)
              : MIGRATOR_OK;
    free(picked);
    *dropped += gone;

    return rc;
}


const migrator_cuts_t  migrator_pg_cuts = {
    .set = migrator_pg_cut_set,
    .imported = migrator_pg_imported,
    .end = migrator_pg_cut_end,
    .drop = migrator_pg_cut_drop,
};
