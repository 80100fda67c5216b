
/*
 * Keys from one Redis to another, and all of a shard's.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver_redis.h"


#define SCANNED  "2048"         /* names of one scan, about */


/* of the names that are transferred */

typedef struct {
    size_t  at;
    size_t  n;
} migrator_redis_batch_t;


static int migrator_redis_dump(migrator_redis_t *d, migrator_redis_move_t *mv,
    const migrator_redis_names_t *names, const migrator_redis_batch_t *batch,
    migrator_redis_batch_t *queue, unsigned *sent);
static int migrator_redis_restore(migrator_redis_t *d,
    migrator_redis_move_t *mv, const migrator_redis_name_t *name, size_t *n,
    redisReply *dump);
static int migrator_redis_switch(migrator_redis_t *d,
    migrator_redis_move_t *mv, const migrator_redis_stats_t *source);

int
migrator_redis_ends(migrator_redis_t *d, migrator_redis_move_t *mv,
    const shard_node_t *from, const shard_node_t *to, shard_id_t shard,
    const migrator_limit_t *limit)
{
    int  rc;

    memset(mv, 0, sizeof(migrator_redis_move_t));
    migrator_redis_start(d, limit);
    mv->prefix = shardd_data_prefix(shard);
    snprintf(mv->epoch, sizeof(mv->epoch), "%u", limit->epoch);
    migrator_redis_cut_ends(d, mv);

    rc = migrator_redis_conn(d, from, &mv->from);

    return rc == MIGRATOR_OK ? migrator_redis_conn(d, to, &mv->to) : rc;
}


static int
migrator_redis_begin(migrator_redis_t *d, migrator_redis_move_t *mv)
{
    int       bad, rc;
    uint64_t  generation;

    bad = migrator_redis_args(d, "sharddata_begin", mv->prefix.text)
          || migrator_redis_word(d, mv->epoch);

    rc = migrator_redis_uint(d, mv->to, bad, "generation", &generation);

    if (rc == MIGRATOR_OK) {
        snprintf(mv->generation, sizeof(mv->generation), "%llu",
                 (unsigned long long) generation);
    }

    return rc;
}


/* the position is the one before the first name was read: see the picture */

int
migrator_redis_copy(void *data, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, const migrator_limit_t *limit,
    uint64_t *position, uint64_t *bytes)
{
    int                      rc;
    char                     cursor[24];
    redisReply              *reply;
    migrator_redis_t        *d = data;
    migrator_redis_move_t    mv;
    migrator_redis_names_t   names;
    migrator_redis_stats_t   source;

    memset(&names, 0, sizeof(names));
    d->verified = 0;

    rc = migrator_redis_ends(d, &mv, from, to, shard, limit);

    if (rc == MIGRATOR_OK) {
        rc = migrator_redis_stats_of(d, shard, mv.from, &source, NULL, NULL);
    }

    if (rc == MIGRATOR_OK) {
        rc = d->cuts ? migrator_redis_cut_begin(d, &mv, source.position)
                     : migrator_redis_begin(d, &mv);
    }

    strcpy(cursor, "0");

    while (rc == MIGRATOR_OK) {
        rc = migrator_redis_scan(d, mv.from, &mv.prefix, cursor, &names,
                                 &reply);

        if (rc == MIGRATOR_OK) {
            rc = migrator_redis_transfer(d, &mv, &names);
            freeReplyObject(reply);
        }

        if (strcmp(cursor, "0") == 0) {
            break;
        }
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_redis_restored(d, &mv, 0);
    }

    if (rc == MIGRATOR_OK) {
        rc = d->cuts ? migrator_redis_cut_reach(d, &mv, source.position)
                     : migrator_redis_switch(d, &mv, &source);
    }

    if (rc == MIGRATOR_OK) {
        *position = source.position;
        *bytes += mv.bytes;
    }

    free(names.name);

    return migrator_redis_end(d, rc);
}


int
migrator_redis_scan(migrator_redis_t *d, migrator_redis_conn_t *c,
    const shardd_data_prefix_t *prefix, char cursor[24],
    migrator_redis_names_t *names, redisReply **reply)
{
    int          rc;
    size_t       i;
    uint64_t     size;

    names->n = 0;

    if (migrator_redis_args(d, "sharddata_scan", prefix->text) != 0
        || migrator_redis_word(d, cursor) != 0
        || migrator_redis_word(d, SCANNED) != 0)
    {
        return migrator_redis_no_memory(d);
    }

    rc = migrator_redis_ask(d, c, reply);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    /* a cursor has 64 bits, which numbers of ours do not */

    if (shardd_data_text(*reply, 1) == NULL || (*reply)->elements % 2
        || (*reply)->element[1]->len >= 24
        || strspn(shardd_data_text(*reply, 1), "0123456789")
           != (*reply)->element[1]->len)
    {
        return migrator_redis_nonsense(d, c, *reply, "cursor");
    }

    strcpy(cursor, shardd_data_text(*reply, 1));

    for (i = 2; i < (*reply)->elements; i += 2) {

        if (shardd_data_text(*reply, i) == NULL
            || !shardd_data_uint(*reply, i + 1, &size))
        {
            return migrator_redis_nonsense(d, c, *reply, "names");
        }

        rc = migrator_redis_name_add(d, names, (*reply)->element[i]->str,
                                     (*reply)->element[i]->len);

        if (rc != MIGRATOR_OK) {
            freeReplyObject(*reply);
            return rc;
        }
    }

    return MIGRATOR_OK;
}


int
migrator_redis_name_add(migrator_redis_t *d, migrator_redis_names_t *names,
    const char *text, size_t len)
{
    size_t                  room;
    migrator_redis_name_t  *name;

    if (!migrator_redis_in_range(d, text, len)) {
        return MIGRATOR_OK;
    }

    if (names->n == names->size) {
        room = names->size ? names->size * 2 : 1024;
        name = realloc(names->name, room * sizeof(migrator_redis_name_t));

        if (name == NULL) {
            return migrator_redis_no_memory(d);
        }

        names->name = name;
        names->size = room;
    }

    names->name[names->n].text = text;
    names->name[names->n].len = len;
    names->n++;

    return MIGRATOR_OK;
}


int
migrator_redis_name_cmp(const void *one, const void *two)
{
    int                           rc;
    const migrator_redis_name_t  *a = one, *b = two;

    rc = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);

    return rc ? rc : (a->len > b->len) - (a->len < b->len);
}


void
migrator_redis_unique(migrator_redis_names_t *names)
{
    size_t  i, n;

    if (names->n == 0) {
        return;
    }

    qsort(names->name, names->n, sizeof(migrator_redis_name_t),
          migrator_redis_name_cmp);

    for (n = 1, i = 1; i < names->n; i++) {
        if (migrator_redis_name_cmp(&names->name[n - 1], &names->name[i])
            != 0)
        {
            names->name[n++] = names->name[i];
        }
    }

    names->n = n;
}


/*
 * The source has the next batches before the answer to this one is read, and
 * the target restores those before.  Names that were too much for one answer
 * are asked for again: order is no matter.
 */

int
migrator_redis_transfer(migrator_redis_t *d, migrator_redis_move_t *mv,
    const migrator_redis_names_t *names)
{
    int                     rc;
    size_t                  n, next;
    redisReply             *dump;
    migrator_redis_batch_t  queue[MIGRATOR_REDIS_DUMPS], b;
    unsigned                ahead, dumps, sent;

    rc = MIGRATOR_OK;
    next = 0;
    sent = 0;

    /* of one connection the answers come in order */

    dumps = mv->from == mv->to ? 1 : MIGRATOR_REDIS_DUMPS;
    ahead = mv->from == mv->to ? 0 : MIGRATOR_REDIS_AHEAD;

    while (sent || next < names->n) {

        while (rc == MIGRATOR_OK && sent < dumps && next < names->n) {
            n = names->n - next;
            b.at = next;
            b.n = n < MIGRATOR_REDIS_NAMES ? n : MIGRATOR_REDIS_NAMES;
            next += b.n;
            rc = migrator_redis_dump(d, mv, names, &b, queue, &sent);
        }

        b = queue[0];
        memmove(queue, queue + 1, --sent * sizeof(b));

        if (rc == MIGRATOR_OK) {
            rc = migrator_redis_restored(d, mv, ahead);
        }

        if (rc == MIGRATOR_OK) {
            rc = migrator_redis_take(d, mv->from, &dump);
        }

        n = b.n;

        if (rc == MIGRATOR_OK) {
            rc = migrator_redis_restore(d, mv, &names->name[b.at], &n, dump);
        }

        b.at += n;
        b.n -= n;

        if (rc == MIGRATOR_OK && b.n) {
            rc = migrator_redis_dump(d, mv, names, &b, queue, &sent);
        }

        if (rc != MIGRATOR_OK) {
            return rc;
        }
    }

    return MIGRATOR_OK;
}


static int
migrator_redis_dump(migrator_redis_t *d, migrator_redis_move_t *mv,
    const migrator_redis_names_t *names, const migrator_redis_batch_t *batch,
    migrator_redis_batch_t *queue, unsigned *sent)
{
    queue[(*sent)++] = *batch;

    return migrator_redis_names_send(d, mv->from, "sharddata_dump",
                                     &mv->prefix, &names->name[batch->at],
                                     batch->n);
}


int
migrator_redis_names_send(migrator_redis_t *d, migrator_redis_conn_t *c,
    const char *function, const shardd_data_prefix_t *prefix,
    const migrator_redis_name_t *name, size_t n)
{
    size_t  i;

    if (migrator_redis_args(d, function, prefix->text) != 0) {
        return migrator_redis_no_memory(d);
    }

    for (i = 0; i < n; i++) {
        if (migrator_redis_add(d, name[i].text, name[i].len) != 0) {
            return migrator_redis_no_memory(d);
        }
    }

    return migrator_redis_send(d, c);
}


/* *n: how many of them the source has dumped, all or the first ones */

static int
migrator_redis_restore(migrator_redis_t *d, migrator_redis_move_t *mv,
    const migrator_redis_name_t *name, size_t *n, redisReply *dump)
{
    int                 rc;
    size_t              i, j, k;
    const redisReply   *value;

    k = (dump->elements - 1) / 3;

    if (k == 0 || k > *n || dump->elements != 1 + 3 * k) {
        return migrator_redis_nonsense(d, mv->from, dump, "dumps");
    }

    *n = k;
    rc = d->cuts ? migrator_redis_cut_args(d, mv, "sharddata_graft")
                   || migrator_redis_word(d, MIGRATOR_REDIS_KEEP)
                 : migrator_redis_args(d, "sharddata_restore",
                                       mv->prefix.text)
                   || migrator_redis_word(d, mv->generation)
                   || migrator_redis_word(d, mv->epoch);

    for (i = 0; rc == 0 && i < k; i++) {
        rc = migrator_redis_add(d, name[i].text, name[i].len);
        mv->bytes += name[i].len;

        for (j = 0; rc == 0 && j < 3; j++) {
            value = dump->element[1 + 3 * i + j];

            if (value->type != REDIS_REPLY_STRING) {
                return migrator_redis_nonsense(d, mv->from, dump, "dumps");
            }

            rc = migrator_redis_add(d, value->str, value->len);
            mv->bytes += value->len;
        }
    }

    rc = rc ? migrator_redis_no_memory(d) : migrator_redis_send(d, mv->to);

    mv->restoring += (rc == MIGRATOR_OK);
    freeReplyObject(dump);

    return rc;
}


int
migrator_redis_restored(migrator_redis_t *d, migrator_redis_move_t *mv,
    unsigned left)
{
    int          rc;
    redisReply  *reply;

    while (mv->restoring > left) {
        mv->restoring--;
        rc = migrator_redis_take(d, mv->to, &reply);

        if (rc != MIGRATOR_OK) {
            return rc;
        }

        freeReplyObject(reply);
    }

    return MIGRATOR_OK;
}


static int
migrator_redis_switch(migrator_redis_t *d, migrator_redis_move_t *mv,
    const migrator_redis_stats_t *source)
{
    int   bad;
    char  position[24], items[24], bytes[24], queued[24], depth[24];

    bad = migrator_redis_args(d, "sharddata_switch", mv->prefix.text)
          || migrator_redis_word(d, mv->generation)
          || migrator_redis_word(d, mv->epoch)
          || migrator_redis_number(d, position, source->position)
          || migrator_redis_number(d, items, source->items)
          || migrator_redis_number(d, bytes, source->bytes)
          || migrator_redis_number(d, queued, source->queued)
          || migrator_redis_number(d, depth, source->depth);

    return migrator_redis_told(d, mv->to, bad);
}
