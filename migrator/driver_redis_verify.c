
/*
 * Is the target the source's equal?
 *
 *   whole   the source is being written: names whose hashes differ are let
 *           off when the log has them behind the position where it began;
 *           those are the tail's
 *   tail    the source is sealed: only names that the log has since then
 *
 * A hash is made of value and expiry by the server that has them.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver_redis.h"


#define HASH_LEN    16
#define DIFFER_MAX  200000      /* names that differ while it is written */
#define ROUNDS      3           /* a value may end between the two hashes */


/* copies of names, since replies come and go */

typedef struct {
    char                    *text;
    size_t                   len;
    size_t                   size;
    migrator_redis_names_t   names;         /* made by _list() */
    size_t                   n;
} migrator_redis_differ_t;


static int migrator_redis_compare(migrator_redis_t *d,
    migrator_redis_move_t *mv, const migrator_redis_names_t *names,
    migrator_redis_differ_t *differ);
static int migrator_redis_verify_scan(migrator_redis_t *d,
    migrator_redis_move_t *mv, int target, migrator_redis_differ_t *differ);
static int migrator_redis_excuse(migrator_redis_t *d,
    migrator_redis_move_t *mv, uint64_t position,
    migrator_redis_names_t *names);
static int migrator_redis_judge(migrator_redis_t *d,
    migrator_redis_move_t *mv, uint64_t position,
    migrator_redis_differ_t *differ);
static int migrator_redis_tail(migrator_redis_t *d,
    migrator_redis_move_t *mv, uint64_t position, uint64_t end);


int
migrator_redis_verify(void *data, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, int tail,
    const migrator_limit_t *limit, uint64_t *position, uint64_t *items)
{
    int                      rc;
    migrator_redis_t        *d = data;
    migrator_redis_move_t    mv;
    migrator_redis_stats_t   source, target;

    rc = migrator_redis_ends(d, &mv, from, to, shard, limit);

    if (rc == MIGRATOR_OK) {
        rc = migrator_redis_stats_of(d, shard, mv.from, &source,
                                     d->cuts ? NULL : mv.to, &target);
    }

    if (rc == MIGRATOR_OK && d->cuts) {
        rc = migrator_redis_cut_where(d, &mv, &target);
    }

    if (rc == MIGRATOR_OK && tail && source.position != target.position) {
        snprintf(d->err, sizeof(d->err), "%s is at %llu, the sealed %s at "
                 "%llu", to->name, (unsigned long long) target.position,
                 from->name, (unsigned long long) source.position);
        rc = MIGRATOR_REFUSED;
    }

    if (rc == MIGRATOR_OK) {
        rc = MIGRATOR_GONE;

        if (tail && d->verified && d->verified_shard == shard) {
            rc = migrator_redis_tail(d, &mv, d->verified_at,
                                     source.position);
        }

        /* by another migrator, or too long ago: all of it again */

        if (rc == MIGRATOR_GONE) {
            rc = migrator_redis_whole(d, &mv, target.position);
        }
    }

    d->verified = (rc == MIGRATOR_OK);

    if (d->verified) {
        d->verified_shard = shard;
        d->verified_at = target.position;
        *position = target.position;
        *items = source.items;
    }

    return migrator_redis_end(d, rc);
}


int
migrator_redis_whole(migrator_redis_t *d, migrator_redis_move_t *mv,
    uint64_t position)
{
    int                       rc;
    migrator_redis_differ_t   differ;

    memset(&differ, 0, sizeof(differ));

    rc = migrator_redis_verify_scan(d, mv, 0, &differ);

    if (rc == MIGRATOR_OK) {
        rc = migrator_redis_verify_scan(d, mv, 1, &differ);
    }

    if (rc == MIGRATOR_OK && differ.n) {
        rc = migrator_redis_judge(d, mv, position, &differ);
    }

    free(differ.text);
    free(differ.names.name);

    return rc;
}


static int
migrator_redis_tail(migrator_redis_t *d, migrator_redis_move_t *mv,
    uint64_t position, uint64_t end)
{
    int                       rc;
    migrator_redis_log_t      log;
    migrator_redis_differ_t   differ;

    memset(&differ, 0, sizeof(differ));
    rc = MIGRATOR_OK;

    while (rc == MIGRATOR_OK && position < end) {
        memset(&log, 0, sizeof(log));

        rc = migrator_redis_log_read(d, mv, position, MIGRATOR_REDIS_SHIP,
                                     &log);

        if (rc == MIGRATOR_OK) {
            position += log.entries;
            migrator_redis_unique(&log.names);
            rc = migrator_redis_compare(d, mv, &log.names, &differ);
        }

        migrator_redis_log_free(&log);
    }

    if (rc == MIGRATOR_OK && differ.n) {
        rc = migrator_redis_judge(d, mv, end, &differ);
    }

    free(differ.text);
    free(differ.names.name);

    return rc;
}


/* 2 bytes of length, then the name */

static int
migrator_redis_differ_add(migrator_redis_t *d,
    migrator_redis_differ_t *differ, const char *text, size_t len)
{
    char      *p;
    size_t     size;
    uint16_t   n;

    if (differ->n == DIFFER_MAX || len > UINT16_MAX) {
        snprintf(d->err, sizeof(d->err), "more than %d keys differ",
                 DIFFER_MAX);
        return MIGRATOR_REFUSED;
    }

    if (differ->len + sizeof(n) + len > differ->size) {
        size = differ->size * 2 + sizeof(n) + len + 4096;
        p = realloc(differ->text, size);

        if (p == NULL) {
            return migrator_redis_no_memory(d);
        }

        differ->text = p;
        differ->size = size;
    }

    n = (uint16_t) len;
    memcpy(differ->text + differ->len, &n, sizeof(n));
    memcpy(differ->text + differ->len + sizeof(n), text, len);

    differ->len += sizeof(n) + len;
    differ->n++;

    return MIGRATOR_OK;
}


static int
migrator_redis_differ_list(migrator_redis_t *d,
    migrator_redis_differ_t *differ)
{
    int        rc;
    size_t     at;
    uint16_t   n;

    differ->names.n = 0;

    for (at = 0; at < differ->len; at += sizeof(n) + n) {
        memcpy(&n, differ->text + at, sizeof(n));

        rc = migrator_redis_name_add(d, &differ->names,
                                     differ->text + at + sizeof(n), n);

        if (rc != MIGRATOR_OK) {
            return rc;
        }
    }

    migrator_redis_unique(&differ->names);

    return MIGRATOR_OK;
}


static int
migrator_redis_hashes(migrator_redis_t *d, migrator_redis_conn_t *c,
    size_t n, redisReply **reply)
{
    int  rc;

    rc = migrator_redis_take(d, c, reply);

    if (rc == MIGRATOR_OK
        && (shardd_data_text(*reply, 1) == NULL
            || (*reply)->element[1]->len != n * HASH_LEN))
    {
        return migrator_redis_nonsense(d, c, *reply, "hashes");
    }

    return rc;
}


static int
migrator_redis_compare_part(migrator_redis_t *d, migrator_redis_move_t *mv,
    const migrator_redis_name_t *name, size_t n,
    migrator_redis_differ_t *differ)
{
    int          rc;
    size_t       i;
    redisReply  *source, *target;

    rc = migrator_redis_names_send(d, mv->from, "sharddata_hash",
                                   &mv->prefix, name, n);

    if (rc == MIGRATOR_OK) {
        rc = migrator_redis_names_send(d, mv->to, "sharddata_hash",
                                       &mv->target, name, n);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_redis_hashes(d, mv->from, n, &source);
    }

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    rc = migrator_redis_hashes(d, mv->to, n, &target);

    if (rc != MIGRATOR_OK) {
        freeReplyObject(source);
        return rc;
    }

    for (i = 0; rc == MIGRATOR_OK && i < n; i++) {
        if (memcmp(source->element[1]->str + i * HASH_LEN,
                   target->element[1]->str + i * HASH_LEN, HASH_LEN) != 0)
        {
            rc = migrator_redis_differ_add(d, differ, name[i].text,
                                           name[i].len);
        }
    }

    freeReplyObject(source);
    freeReplyObject(target);

    return rc;
}


static int
migrator_redis_compare(migrator_redis_t *d, migrator_redis_move_t *mv,
    const migrator_redis_names_t *names, migrator_redis_differ_t *differ)
{
    int     rc;
    size_t  i, n;

    for (i = 0; i < names->n; i += n) {
        n = names->n - i;

        if (n > MIGRATOR_REDIS_NAMES) {
            n = MIGRATOR_REDIS_NAMES;
        }

        rc = migrator_redis_compare_part(d, mv, &names->name[i], n, differ);

        if (rc != MIGRATOR_OK) {
            return rc;
        }
    }

    return MIGRATOR_OK;
}


/* names of the target that the source does not have */

static int
migrator_redis_strange(migrator_redis_t *d, migrator_redis_move_t *mv,
    const migrator_redis_names_t *names, migrator_redis_differ_t *differ)
{
    int          rc;
    size_t       i;
    redisReply  *reply;

    rc = migrator_redis_names_send(d, mv->from, "sharddata_absent",
                                   &mv->prefix, names->name, names->n);

    if (rc == MIGRATOR_OK) {
        rc = migrator_redis_take(d, mv->from, &reply);
    }

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    for (i = 1; rc == MIGRATOR_OK && i < reply->elements; i++) {

        if (shardd_data_text(reply, i) == NULL) {
            return migrator_redis_nonsense(d, mv->from, reply, "names");
        }

        rc = migrator_redis_differ_add(d, differ, reply->element[i]->str,
                                       reply->element[i]->len);
    }

    freeReplyObject(reply);

    return rc;
}


static int
migrator_redis_verify_scan(migrator_redis_t *d, migrator_redis_move_t *mv,
    int target, migrator_redis_differ_t *differ)
{
    int                      rc;
    char                     cursor[24];
    redisReply              *reply;
    migrator_redis_names_t   names;

    memset(&names, 0, sizeof(names));
    strcpy(cursor, "0");

    do {
        rc = migrator_redis_scan(d, target ? mv->to : mv->from,
                                 target ? &mv->target : &mv->prefix, cursor,
                                 &names, &reply);

        if (rc != MIGRATOR_OK) {
            break;
        }

        if (names.n) {
            rc = target ? migrator_redis_strange(d, mv, &names, differ)
                        : migrator_redis_compare(d, mv, &names, differ);
        }

        freeReplyObject(reply);

    } while (rc == MIGRATOR_OK && strcmp(cursor, "0") != 0);

    free(names.name);

    return rc;
}


/*
 * Hashes again, and only then the log: what was changed before the hashes
 * is in it.  Without the log nothing can be let off.
 */

static int
migrator_redis_judge(migrator_redis_t *d, migrator_redis_move_t *mv,
    uint64_t position, migrator_redis_differ_t *differ)
{
    int                       rc, round;
    migrator_redis_differ_t   again;

    rc = migrator_redis_differ_list(d, differ);

    for (round = 0; rc == MIGRATOR_OK && round < ROUNDS && differ->names.n;
         round++)
    {
        memset(&again, 0, sizeof(again));

        rc = migrator_redis_compare(d, mv, &differ->names, &again);

        free(differ->text);
        free(differ->names.name);
        *differ = again;

        if (rc == MIGRATOR_OK) {
            rc = migrator_redis_differ_list(d, differ);
        }

        if (rc == MIGRATOR_OK) {
            rc = migrator_redis_excuse(d, mv, position, &differ->names);
        }
    }

    if (rc == MIGRATOR_OK && differ->names.n) {
        snprintf(d->err, sizeof(d->err), "%zu keys differ, \"%.*s\" is one",
                 differ->names.n, (int) (differ->names.name[0].len > 80
                                         ? 80 : differ->names.name[0].len),
                 differ->names.name[0].text);
        rc = MIGRATOR_REFUSED;
    }

    return rc == MIGRATOR_GONE ? MIGRATOR_DOWN : rc;
}


/* takes those off the list that the log has behind the position */

static int
migrator_redis_excuse(migrator_redis_t *d, migrator_redis_move_t *mv,
    uint64_t position, migrator_redis_names_t *names)
{
    int                    rc;
    size_t                 i, n;
    migrator_redis_log_t   log;

    do {
        memset(&log, 0, sizeof(log));

        if (names->n == 0) {
            return MIGRATOR_OK;
        }

        rc = migrator_redis_log_read(d, mv, position, MIGRATOR_REDIS_SHIP,
                                     &log);

        if (rc == MIGRATOR_OK && log.entries) {
            migrator_redis_unique(&log.names);

            for (n = 0, i = 0; i < names->n; i++) {
                if (bsearch(&names->name[i], log.names.name, log.names.n,
                            sizeof(migrator_redis_name_t),
                            migrator_redis_name_cmp) == NULL)
                {
                    names->name[n++] = names->name[i];
                }
            }

            names->n = n;
        }

        position += log.entries;
        n = log.position > position;
        migrator_redis_log_free(&log);

    } while (rc == MIGRATOR_OK && n);

    return rc;
}
