
/*
 * What a shard's change stream names, from one Redis to another.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver_redis.h"


static int migrator_redis_log_part(migrator_redis_t *d,
    migrator_redis_move_t *mv, uint64_t position, uint64_t entries,
    migrator_redis_log_t *log);
static int migrator_redis_advance(migrator_redis_t *d,
    migrator_redis_move_t *mv, uint64_t position,
    const migrator_redis_log_t *log);


int
migrator_redis_ship(void *data, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, uint64_t entries,
    const migrator_limit_t *limit, uint64_t *position, uint64_t *bytes)
{
    int                      rc;
    migrator_redis_t        *d = data;
    migrator_redis_log_t     log;
    migrator_redis_move_t    mv;
    migrator_redis_stats_t   source, target;

    memset(&log, 0, sizeof(log));

    rc = migrator_redis_ends(d, &mv, from, to, shard, limit);

    if (rc == MIGRATOR_OK) {
        rc = migrator_redis_stats_of(d, shard, mv.from, &source,
                                     d->cuts ? NULL : mv.to, &target);
    }

    if (rc == MIGRATOR_OK && d->cuts) {
        rc = migrator_redis_cut_where(d, &mv, &target);
    }

    if (rc == MIGRATOR_OK && target.position != *position) {
        snprintf(d->err, sizeof(d->err), "%s: stands at %llu, not at %llu",
                 to->name, (unsigned long long) target.position,
                 (unsigned long long) *position);
        rc = MIGRATOR_REFUSED;
    }

    if (rc == MIGRATOR_OK && source.position != *position) {
        rc = migrator_redis_log_read(d, &mv, *position, entries, &log);
    }

    if (rc == MIGRATOR_OK && log.entries) {
        snprintf(mv.generation, sizeof(mv.generation), "%llu",
                 (unsigned long long) target.generation);
        migrator_redis_unique(&log.names);

        rc = migrator_redis_transfer(d, &mv, &log.names);

        if (rc == MIGRATOR_OK) {
            rc = migrator_redis_restored(d, &mv, 0);
        }

        if (rc == MIGRATOR_OK) {
            rc = d->cuts ? migrator_redis_cut_reach(d, &mv, *position
                                                    + log.entries)
                         : migrator_redis_advance(d, &mv, *position, &log);
        }
    }

    if (rc == MIGRATOR_OK) {
        *position += log.entries;
        *bytes += mv.bytes;
    }

    if (rc == MIGRATOR_OK && d->cuts && !d->verified
        && source.role == MIGRATOR_ROLE_PRIMARY && log.entries < entries)
    {
        rc = migrator_redis_cut_verify(d, &mv, shard, *position);
    }

    migrator_redis_log_free(&log);

    return migrator_redis_end(d, rc);
}


/* counts of the last answer: exact when it reaches the shard's position */

static int
migrator_redis_log_part(migrator_redis_t *d, migrator_redis_move_t *mv,
    uint64_t position, uint64_t entries, migrator_redis_log_t *log)
{
    int          rc;
    char         from[24], count[24];
    size_t       i;
    uint64_t     n;
    redisReply  *reply;

    if (migrator_redis_args(d, "sharddata_log", mv->prefix.text) != 0
        || migrator_redis_number(d, from, position) != 0
        || migrator_redis_number(d, count, entries) != 0)
    {
        return migrator_redis_no_memory(d);
    }

    rc = migrator_redis_ask(d, mv->from, &reply);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    log->reply[log->nreplies++] = reply;

    rc = reply->elements >= 6 && reply->elements % 2 == 0
         && reply->elements - 6 <= 2 * entries
         && shardd_data_uint(reply, 1, &log->position);

    for (i = 2; rc && i < reply->elements; i++) {
        rc = shardd_data_text(reply, i) && (i >= 6
             || shardd_data_uint(reply, i, &n));
    }

    if (!rc) {
        log->nreplies--;
        return migrator_redis_nonsense(d, mv->from, reply, "entries");
    }

    for (i = 2; i < 6; i++) {
        log->counts[i - 2] = shardd_data_text(reply, i);
    }

    for (i = 6; i < reply->elements; i += 2) {
        rc = migrator_redis_name_add(d, &log->names, reply->element[i + 1]->str,
                                     reply->element[i + 1]->len);

        if (rc != MIGRATOR_OK) {
            return rc;
        }

        log->entries++;
    }

    return MIGRATOR_OK;
}


int
migrator_redis_log_read(migrator_redis_t *d, migrator_redis_move_t *mv,
    uint64_t position, uint64_t entries, migrator_redis_log_t *log)
{
    int       rc;
    uint64_t  left;

    entries = entries < MIGRATOR_REDIS_SHIP ? entries : MIGRATOR_REDIS_SHIP;

    do {
        left = entries - log->entries;

        if (left > MIGRATOR_REDIS_LOG) {
            left = MIGRATOR_REDIS_LOG;
        }

        rc = migrator_redis_log_part(d, mv, position + log->entries, left,
                                     log);

    } while (rc == MIGRATOR_OK && log->entries < entries
             && position + log->entries < log->position
             && log->nreplies < MIGRATOR_REDIS_SHIP / MIGRATOR_REDIS_LOG + 1);

    return rc;
}


void
migrator_redis_log_free(migrator_redis_log_t *log)
{
    size_t  i;

    for (i = 0; i < log->nreplies; i++) {
        freeReplyObject(log->reply[i]);
    }

    free(log->names.name);
    memset(log, 0, sizeof(migrator_redis_log_t));
}


/* the target keeps a log of its own, for whoever follows it later */

static int
migrator_redis_advance(migrator_redis_t *d, migrator_redis_move_t *mv,
    uint64_t position, const migrator_redis_log_t *log)
{
    int                rc;
    char               from[24];
    size_t             i, j;
    const redisReply  *reply;

    rc = migrator_redis_args(d, "sharddata_advance", mv->prefix.text)
         || migrator_redis_word(d, mv->generation)
         || migrator_redis_word(d, mv->epoch)
         || migrator_redis_number(d, from, position)
         || migrator_redis_word(d, MIGRATOR_REDIS_KEEP);

    for (i = 0; rc == 0 && i < 4; i++) {
        rc = migrator_redis_word(d, log->counts[i]);
    }

    for (i = 0; rc == 0 && i < log->nreplies; i++) {
        reply = log->reply[i];

        for (j = 6; rc == 0 && j < reply->elements; j++) {
            rc = migrator_redis_add(d, reply->element[j]->str,
                                    reply->element[j]->len);
        }
    }

    if (rc != 0) {
        return migrator_redis_no_memory(d);
    }

    rc = migrator_redis_send(d, mv->to);

    if (rc == MIGRATOR_OK) {
        mv->restoring = 1;
        rc = migrator_redis_restored(d, mv, 0);
    }

    return rc;
}
