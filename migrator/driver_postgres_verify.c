
/*
 * Digests, and what there is to do while requests wait: the servers do it
 * side by side.
 *
 *   source, sealed: digest       ──┐
 *   target: subscriptions off,     ├─▶ equal: nobody has to be asked again
 *           turned round, digest ──┘
 *
 * A target that was turned in vain is a standby as before: what was switched
 * off goes on by settle().
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver_postgres.h"


/* $2: the migration whose comparison is good enough for a tail */

#define SOURCE                                                               \
    "SELECT s.pos, c.tail, d.part, d.items, d.hash FROM shard.stats($1) s "  \
    "CROSS JOIN (SELECT EXISTS (SELECT FROM shard.owner WHERE shard = $1 "   \
    "AND touching AND compared = $2) AS tail) c "                            \
    "LEFT JOIN LATERAL shard.digest($1, c.tail) d ON true"

#define TARGET                                                               \
    "SELECT s.pos, t.ok, d.part, d.items, d.hash FROM shard.stats($1) s "    \
    "CROSS JOIN shard.turn($1, $3, $4, $5) t(ok) "                           \
    "LEFT JOIN LATERAL shard.digest($1, $2) d ON true"

#define DIGEST_COL  2                   /* of the digest's columns in both */


static int migrator_pg_digest_add(const PGresult *res, int col,
    migrator_digest_t *digest);
static int migrator_pg_both(migrator_pg_t *pg, const char *from,
    const char *to, shard_id_t shard, PGresult *res[2]);
static int migrator_pg_answers(migrator_pg_t *pg, const char *node,
    const PGresult *res, int *flag, migrator_digest_t *digest);
static int migrator_pg_turned(migrator_pg_t *pg, const char *to,
    shard_id_t shard);


/* of a row for each part; a join has one without a part when there is none */

static int
migrator_pg_digest_add(const PGresult *res, int col,
    migrator_digest_t *digest)
{
    int          i;
    char        *end;
    uint64_t     part, items;
    long long    hash;
    const char  *text;

    for (i = 0; i < PQntuples(res); i++) {

        if (PQgetisnull(res, i, col)) {
            continue;
        }

        text = migrator_pg_cell(res, i, col + 2);
        hash = strtoll(text, &end, 10);

        if (migrator_pg_value(res, i, col, &part) != SHARD_OK
            || part >= MIGRATOR_PARTS
            || migrator_pg_value(res, i, col + 1, &items) != SHARD_OK
            || end == text || *end)
        {
            return SHARD_ERROR;
        }

        digest->items += items;
        digest->part[part].items += items;

        /* two tables may have rows in the same part: neither hides */
        digest->part[part].hash = digest->part[part].hash * 31
                                  + (uint64_t) hash;
    }

    return SHARD_OK;
}


/* as it stands, of all rows, or of the touched ones alone (pg->tail) */

int
migrator_pg_digest(void *data, const shard_node_t *node, shard_id_t shard,
    const uint64_t *at, const migrator_limit_t *limit,
    migrator_digest_t *digest)
{
    int                   rc;
    char                  id[16];
    PGresult             *res;
    const char           *values[2];
    migrator_pg_t        *pg = data;
    migrator_pg_stats_t   stats;

    migrator_pg_begin(pg, limit);

    if (pg->cuts) {
        return migrator_pg_cut_digest(pg, node->name, shard, at, digest);
    }

    memset(digest, 0, sizeof(migrator_digest_t));
    snprintf(id, sizeof(id), "%u", (unsigned) shard);
    values[0] = id;
    values[1] = pg->tail ? "true" : "false";

    rc = migrator_pg_stats(pg, node->name, shard, &stats);

    if (rc == MIGRATOR_OK && at && stats.position != *at) {
        return migrator_pg_say(pg, MIGRATOR_DOWN, "%s: stands at %llu, not "
                               "at %llu", node->name,
                               (unsigned long long) stats.position,
                               (unsigned long long) *at);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_query(pg, node->name, &res, "SELECT part, items, "
                               "hash FROM shard.digest($1, $2)", 2, values);
    }

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    digest->position = stats.position;

    if (migrator_pg_digest_add(res, 0, digest) != SHARD_OK) {
        rc = migrator_pg_say(pg, MIGRATOR_DOWN, "%s: shard.digest(%s) is no "
                             "digest", node->name, id);
    }

    PQclear(res);

    return rc;
}


/* the answers of both, or of neither */

static int
migrator_pg_both(migrator_pg_t *pg, const char *from, const char *to,
    shard_id_t shard, PGresult *res[2])
{
    int          rc, sent;
    char         id[16], migration[24], epoch[16],
                 prefix[MIGRATOR_PG_NAME], slot[MIGRATOR_PG_NAME];
    const char  *source[2], *target[5];

    snprintf(id, sizeof(id), "%u", (unsigned) shard);
    snprintf(migration, sizeof(migration), "%016llx",
             (unsigned long long) pg->migration);
    snprintf(epoch, sizeof(epoch), "%u", pg->limit->epoch);
    migrator_pg_prefix(pg, shard, prefix);
    migrator_pg_name(pg, shard, 'r', slot);

    source[0] = id;
    source[1] = migration;
    target[0] = id;
    target[1] = pg->tail ? "true" : "false";
    target[2] = epoch;
    target[3] = prefix;
    target[4] = slot;

    res[0] = NULL;
    res[1] = NULL;

    rc = migrator_pg_send(pg, from, SOURCE, 2, source);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    sent = migrator_pg_send(pg, to, TARGET, 5, target);
    rc = migrator_pg_receive(pg, from, &res[0]);

    if (sent == MIGRATOR_OK) {
        sent = migrator_pg_receive(pg, to, &res[1]);
    }

    if (rc == MIGRATOR_OK && sent != MIGRATOR_OK) {
        PQclear(res[0]);

    } else if (rc != MIGRATOR_OK && sent == MIGRATOR_OK) {
        PQclear(res[1]);
    }

    return rc != MIGRATOR_OK ? rc : sent;
}


static int
migrator_pg_answers(migrator_pg_t *pg, const char *node, const PGresult *res,
    int *flag, migrator_digest_t *digest)
{
    memset(digest, 0, sizeof(migrator_digest_t));
    *flag = migrator_pg_cell(res, 0, 1)[0] == 't';

    if (migrator_pg_value(res, 0, 0, &digest->position) != SHARD_OK
        || migrator_pg_digest_add(res, DIGEST_COL, digest) != SHARD_OK)
    {
        return migrator_pg_say(pg, MIGRATOR_DOWN, "%s: shard.digest() is no "
                               "digest", node);
    }

    return MIGRATOR_OK;
}


/*
 * The source knows whether all rows that nobody touched were compared by
 * this migration (prepare); until then it is a guess.
 */

static int
migrator_pg_compared(migrator_pg_t *pg, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, migrator_digest_t *source,
    migrator_digest_t *target)
{
    int        rc, known, turned;
    unsigned   guess;
    PGresult  *res[2];

    rc = migrator_pg_both(pg, from->name, to->name, shard, res);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    rc = migrator_pg_answers(pg, from->name, res[0], &known, source);

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_answers(pg, to->name, res[1], &turned, target);
    }

    PQclear(res[0]);
    PQclear(res[1]);

    if (rc == MIGRATOR_OK && !turned) {
        rc = migrator_pg_turned(pg, to->name, shard);
    }

    guess = pg->tail;
    pg->tail = known ? 1 : 0;

    if (rc == MIGRATOR_OK && guess != pg->tail) {
        rc = migrator_pg_digest(pg, to, shard, &source->position, pg->limit,
                                target);
    }

    return rc;
}


/* one node has both; who takes keys in has positions of its own */

static int
migrator_pg_cut_compared(migrator_pg_t *pg, const shard_node_t *from,
    const shard_node_t *to, migrator_digest_t *source,
    migrator_digest_t *target)
{
    int  rc;

    rc = migrator_pg_cut_digest(pg, from->name, pg->cut.shard, NULL, source);

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_cut_digest(pg, to->name, pg->cut.into, pg->cut.epoch
                                    ? NULL : &source->position, target);
    }

    if (rc == MIGRATOR_OK && pg->cut.epoch) {
        target->position = source->position;
    }

    return rc;
}


int
migrator_pg_verify(void *data, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, int tail,
    const migrator_limit_t *limit, uint64_t *position, uint64_t *items)
{
    int                 rc;
    migrator_pg_t      *pg = data;
    migrator_digest_t   source, target;

    (void) tail;
    (void) items;

    migrator_pg_begin(pg, limit);

    rc = pg->cuts ? migrator_pg_cut_compared(pg, from, to, &source, &target)
                  : migrator_pg_compared(pg, from, to, shard, &source,
                                         &target);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    if (memcmp(&source, &target, sizeof(migrator_digest_t)) != 0) {
        return migrator_pg_say(pg, MIGRATOR_REFUSED, "data differ: %llu rows "
                               "at position %llu of %s, %llu at %llu of %s",
                               (unsigned long long) source.items,
                               (unsigned long long) source.position,
                               from->name,
                               (unsigned long long) target.items,
                               (unsigned long long) target.position,
                               to->name);
    }

    *position = source.position;

    return MIGRATOR_OK;
}


/* prepare() made the slot, unless somebody dropped it */

static int
migrator_pg_turned(migrator_pg_t *pg, const char *to, shard_id_t shard)
{
    int          rc;
    char         id[16], epoch[16], ok[8], prefix[MIGRATOR_PG_NAME],
                 slot[MIGRATOR_PG_NAME];
    const char  *values[4];

    snprintf(id, sizeof(id), "%u", (unsigned) shard);
    snprintf(epoch, sizeof(epoch), "%u", pg->limit->epoch);
    migrator_pg_prefix(pg, shard, prefix);
    migrator_pg_name(pg, shard, 'r', slot);

    values[0] = id;
    values[1] = epoch;
    values[2] = prefix;
    values[3] = slot;

    rc = migrator_pg_slot(pg, to, slot, shard);

    if (rc == MIGRATOR_OK) {
        rc = migrator_pg_text(pg, to, ok, sizeof(ok), "SELECT shard.turn($1, "
                              "$2, $3, $4)", 4, values);
    }

    if (rc == MIGRATOR_OK && ok[0] != 't') {
        return migrator_pg_say(pg, MIGRATOR_REFUSED, "%s: is no standby of "
                               "shard %u at epoch %s: the way back cannot "
                               "begin", to, (unsigned) shard, epoch);
    }

    return rc;
}
