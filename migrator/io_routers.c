
/*
 * The seam's look at the routers' entries, and what their ages mean: nobody
 * can have told a store anything while it was away.
 */


#include <stdlib.h>
#include <string.h>

#include "../src/daemon/shardd_loop.h"
#include "io_store.h"


#define CLOCK_EVERY_MS  1000


static uint64_t migrator_store_there(migrator_store_t *s);
static uint64_t migrator_store_uptime(migrator_store_t *s);


/* ages of routers are told by the clock that is the same for all of us */

uint64_t
migrator_store_clock(migrator_store_t *s)
{
    uint64_t     now;
    redisReply  *reply;

    now = shardd_now_ms();

    if (s->clock_at_ms && now - s->clock_at_ms < CLOCK_EVERY_MS) {
        return (uint64_t) ((int64_t) now + s->clock_ms);
    }

    reply = shardd_redis_command(&s->store.redis, "TIME");

    if (reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2
        && reply->element[0]->type == REDIS_REPLY_STRING
        && reply->element[1]->type == REDIS_REPLY_STRING)
    {
        s->clock_ms = strtoll(reply->element[0]->str, NULL, 10) * 1000
                      + strtoll(reply->element[1]->str, NULL, 10) / 1000
                      - (int64_t) shardd_now_ms();
        s->clock_at_ms = now;
    }

    if (reply) {
        freeReplyObject(reply);
    }

    return (uint64_t) ((int64_t) now + s->clock_ms);
}


/*
 * Since it started, or since this connection was made, if that is not the
 * first: the one before broke, and others' may have as well.  Once for each
 * connection.
 */

static uint64_t
migrator_store_there(migrator_store_t *s)
{
    uint64_t  now, uptime;
    unsigned  connection;

    now = shardd_monotonic_ms();
    connection = s->store.redis.connections;

    if (s->there_asked != connection) {
        uptime = connection > 1 ? 0 : migrator_store_uptime(s);
        s->there_at_ms = uptime < now ? now - uptime : 0;
        s->there_asked = connection;
    }

    return now - s->there_at_ms;
}


/* of Redis, in ms; one that may not be asked is taken for old */

static uint64_t
migrator_store_uptime(migrator_store_t *s)
{
    uint64_t     uptime;
    const char  *p;
    redisReply  *reply;

    static const char  field[] = "uptime_in_seconds:";

    uptime = UINT64_MAX;
    reply = shardd_redis_command(&s->store.redis, "INFO server");

    if (reply && reply->type == REDIS_REPLY_STRING) {
        p = strstr(reply->str, field);

        if (p) {
            uptime = strtoull(p + sizeof(field) - 1, NULL, 10) * 1000;
        }
    }

    if (reply) {
        freeReplyObject(reply);
    }

    return uptime;
}


int
migrator_store_entries(migrator_store_t *s, shardd_entry_t *entries)
{
    int  rc;

    rc = shardd_hash_load(&s->store, "routers", entries);

    if (rc == SHARDD_NONE) {
        memset(entries, 0, sizeof(shardd_entry_t));
        return SHARDD_OK;
    }

    return migrator_store_say(s, rc, s->store.err);
}


int
migrator_store_views(void *data, const char *node, migrator_views_t *out)
{
    migrator_store_t  *s = data;

    int             rc;
    size_t          i;
    uint64_t        now;
    shardd_entry_t  entry;

    out->n = 0;
    now = migrator_store_clock(s);
    rc = migrator_store_entries(s, &entry);

    if (rc != SHARDD_OK) {
        return rc;
    }

    for (i = 0; i < entry.nfields && out->n < MIGRATOR_ROUTERS_MAX; i++) {
        if (migrator_router_view(entry.fields[i].name, entry.fields[i].value,
                                 node, now, &out->view[out->n]) == SHARD_OK)
        {
            out->n++;
        }
    }

    shardd_entry_free(&entry);

    return SHARDD_OK;
}


int
migrator_store_routers(void *data, shard_id_t id, migrator_routers_t *out)
{
    migrator_store_t  *s = data;

    int             rc;
    size_t          i;
    uint64_t        now;
    shardd_entry_t  entry;

    out->n = 0;
    now = migrator_store_clock(s);
    rc = migrator_store_entries(s, &entry);

    if (rc != SHARDD_OK) {
        return rc;
    }

    /* behind it: this may have been what connected again */

    out->there_ms = migrator_store_there(s);

    if (entry.nfields > MIGRATOR_ROUTERS_MAX) {
        shardd_entry_free(&entry);
        return migrator_store_say(s, SHARDD_BAD, "more than 256 routers");
    }

    for (i = 0; i < entry.nfields; i++) {
        if (migrator_router_decode(entry.fields[i].name,
                                   entry.fields[i].value, id, now,
                                   &out->router[out->n]) == SHARD_OK)
        {
            out->n++;
        }
    }

    shardd_entry_free(&entry);

    return SHARDD_OK;
}
