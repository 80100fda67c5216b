
/*
 * Splits and merges by src/lua/data/cut.lua: the calls of a copy go to the
 * keys of another shard, and take names of the range alone.
 *
 *    copy     cut_begin ▶ scan, dump ──▶ graft ▶ reach ▶ all is compared
 *    ship     log, dump ──▶ graft ▶ reach
 *    drop     scan ──▶ prune
 *
 * Source and target may be one server.  What a migrator that slept grafts is
 * refused by the run and the position that it knows.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver_redis.h"


static int migrator_redis_cut_one(migrator_redis_t *d,
    const shard_node_t *node, const migrator_limit_t *limit,
    const char *function, redisReply **reply);


static void
migrator_redis_cut_set(void *data, const migrator_cut_t *cut)
{
    migrator_redis_t  *d = data;

    d->cuts = 1;
    d->cut = *cut;
    d->verified = 0;
}


/* a name is a letter, ":" and the key */

int
migrator_redis_in_range(const migrator_redis_t *d, const char *name,
    size_t len)
{
    return !d->cuts
           || (len >= 2 && shard_range_holds(&d->cut.range, name + 2,
                                             len - 2));
}


void
migrator_redis_cut_ends(const migrator_redis_t *d, migrator_redis_move_t *mv)
{
    mv->target = d->cuts ? shardd_data_prefix(d->cut.into) : mv->prefix;

    if (d->cuts && d->cut.epoch) {
        snprintf(mv->epoch, sizeof(mv->epoch), "%u", d->cut.epoch);
    }
}


static const char *
migrator_redis_cut_mode(const migrator_redis_t *d)
{
    return d->cut.epoch ? "merge" : "split";
}


int
migrator_redis_cut_begin(migrator_redis_t *d, migrator_redis_move_t *mv,
    uint64_t position)
{
    int       bad, rc;
    char      at[24], of[24], token[24];
    uint64_t  run;

    bad = migrator_redis_args(d, "sharddata_cut_begin", mv->target.text)
          || migrator_redis_word(d, migrator_redis_cut_mode(d))
          || migrator_redis_word(d, mv->epoch)
          || migrator_redis_number(d, at, position)
          || migrator_redis_number(d, of, d->cut.shard)
          || migrator_redis_number(d, token, d->limit->token);

    rc = migrator_redis_uint(d, mv->to, bad, "run", &run);

    if (rc == MIGRATOR_OK) {
        snprintf(mv->generation, sizeof(mv->generation), "%llu",
                 (unsigned long long) run);
        snprintf(mv->at, sizeof(mv->at), "%s", at);
    }

    return rc;
}


/* where the target stands, by the source's positions; MIGRATOR_GONE */

int
migrator_redis_cut_where(migrator_redis_t *d, migrator_redis_move_t *mv,
    migrator_redis_stats_t *target)
{
    int          bad, rc;
    char         of[24];
    redisReply  *reply;

    if (d->cut.epoch == 0) {
        rc = migrator_redis_stats_of(d, d->cut.into, mv->to, target, NULL,
                                     NULL);
    } else {
        bad = migrator_redis_args(d, "sharddata_imported", mv->target.text)
              || migrator_redis_number(d, of, d->cut.shard);

        rc = migrator_redis_call(d, mv->to, bad, &reply);

        if (rc == MIGRATOR_OK) {

            if (!shardd_data_uint(reply, 1, &target->generation)
                || !shardd_data_uint(reply, 2, &target->position))
            {
                return migrator_redis_nonsense(d, mv->to, reply, "import");
            }

            freeReplyObject(reply);
        }
    }

    if (rc == MIGRATOR_OK) {
        snprintf(mv->generation, sizeof(mv->generation), "%llu",
                 (unsigned long long) target->generation);
        snprintf(mv->at, sizeof(mv->at), "%llu",
                 (unsigned long long) target->position);
    }

    return rc;
}


/* mode, run, epoch, position: what graft and reach begin with */

int
migrator_redis_cut_args(migrator_redis_t *d, migrator_redis_move_t *mv,
    const char *function)
{
    return migrator_redis_args(d, function, mv->target.text)
           || migrator_redis_word(d, migrator_redis_cut_mode(d))
           || migrator_redis_word(d, mv->generation)
           || migrator_redis_word(d, mv->epoch)
           || migrator_redis_word(d, mv->at);
}


int
migrator_redis_cut_reach(migrator_redis_t *d, migrator_redis_move_t *mv,
    uint64_t position)
{
    int   bad;
    char  to[24];

    bad = migrator_redis_cut_args(d, mv, "sharddata_reach")
          || migrator_redis_number(d, to, position);

    return migrator_redis_told(d, mv->to, bad);
}


/* a cut has no warm-up: the whole comparison is made behind its copy */

int
migrator_redis_cut_verify(migrator_redis_t *d, migrator_redis_move_t *mv,
    shard_id_t shard, uint64_t position)
{
    int  rc;

    rc = migrator_redis_whole(d, mv, position);

    d->verified = (rc == MIGRATOR_OK);
    d->verified_shard = shard;
    d->verified_at = position;

    return rc;
}


/* a call to the target that needs nothing but the merged shard's number */

static int
migrator_redis_cut_one(migrator_redis_t *d, const shard_node_t *node,
    const migrator_limit_t *limit, const char *function, redisReply **reply)
{
    int                     bad, rc;
    char                    of[24];
    shardd_data_prefix_t    prefix;
    migrator_redis_conn_t  *c;

    migrator_redis_start(d, limit);
    prefix = shardd_data_prefix(d->cut.into);
    rc = migrator_redis_conn(d, node, &c);

    if (rc == MIGRATOR_OK) {
        bad = migrator_redis_args(d, function, prefix.text)
              || migrator_redis_number(d, of, d->cut.shard);
        rc = migrator_redis_call(d, c, bad, reply);
    }

    return rc;
}


static int
migrator_redis_imported(void *data, const shard_node_t *node,
    const migrator_limit_t *limit, uint64_t *position)
{
    int                rc;
    redisReply        *reply;
    migrator_redis_t  *d = data;

    rc = migrator_redis_cut_one(d, node, limit, "sharddata_imported", &reply);

    if (rc == MIGRATOR_OK) {

        if (!shardd_data_uint(reply, 2, position)) {
            snprintf(d->err, sizeof(d->err), "%s: no position of an import",
                     node->name);
            rc = MIGRATOR_DOWN;
        }

        freeReplyObject(reply);
    }

    return migrator_redis_end(d, rc);
}


/* by its epoch the target knows nobody who could import any more */

static int
migrator_redis_cut_end(void *data, const shard_node_t *node, uint32_t epoch,
    const migrator_limit_t *limit)
{
    int                rc;
    redisReply        *reply;
    migrator_redis_t  *d = data;

    (void) epoch;

    rc = migrator_redis_cut_one(d, node, limit, "sharddata_cut_end", &reply);

    if (rc == MIGRATOR_OK) {
        freeReplyObject(reply);
    }

    return migrator_redis_end(d, rc);
}


static int
migrator_redis_prune(migrator_redis_t *d, migrator_redis_conn_t *c,
    const shardd_data_prefix_t *prefix, uint32_t epoch,
    const migrator_redis_names_t *names, uint64_t *dropped)
{
    int       bad, rc;
    char      number[24], token[24];
    size_t    i, n, end;
    uint64_t  gone;

    for (i = 0; i < names->n; i = end) {
        end = i + MIGRATOR_REDIS_NAMES < names->n ? i + MIGRATOR_REDIS_NAMES
                                                  : names->n;

        bad = migrator_redis_args(d, "sharddata_prune", prefix->text)
              || migrator_redis_number(d, number, epoch)
              || migrator_redis_number(d, token, d->limit->token)
              || migrator_redis_word(d, MIGRATOR_REDIS_KEEP);

        for (n = i; !bad && n < end; n++) {
            bad = migrator_redis_add(d, names->name[n].text,
                                     names->name[n].len);
        }

        rc = migrator_redis_uint(d, c, bad, "number", &gone);

        if (rc != MIGRATOR_OK) {
            return rc;
        }

        *dropped += gone;
    }

    return MIGRATOR_OK;
}


/* next: a cursor, which bears that names go meanwhile */

static int
migrator_redis_drop(void *data, const shard_node_t *node, shard_id_t shard,
    uint32_t epoch, const migrator_limit_t *limit,
    char next[MIGRATOR_NEXT_SIZE], uint64_t *dropped)
{
    int                      rc;
    char                     cursor[24];
    redisReply              *reply;
    migrator_redis_t        *d = data;
    shardd_data_prefix_t     prefix;
    migrator_redis_conn_t   *c;
    migrator_redis_names_t   names;

    migrator_redis_start(d, limit);
    prefix = shardd_data_prefix(shard);
    memset(&names, 0, sizeof(names));
    snprintf(cursor, sizeof(cursor), "%.23s", next[0] ? next : "0");

    rc = migrator_redis_conn(d, node, &c);

    if (rc == MIGRATOR_OK) {
        rc = migrator_redis_scan(d, c, &prefix, cursor, &names, &reply);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_redis_prune(d, c, &prefix, epoch, &names, dropped);
        freeReplyObject(reply);
    }

    if (rc == MIGRATOR_OK) {
        snprintf(next, MIGRATOR_NEXT_SIZE, "%s",
                 strcmp(cursor, "0") ? cursor : "");
    }

    free(names.name);

    return migrator_redis_end(d, rc);
}


const migrator_cuts_t  migrator_redis_cuts = {
    .set = migrator_redis_cut_set,
    .imported = migrator_redis_imported,
    .end = migrator_redis_cut_end,
    .drop = migrator_redis_drop,
};
