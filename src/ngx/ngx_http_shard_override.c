
/*
 * Operators' verbs.  The hash is read each tick; only when it changed, or
 * an "until" has passed, routes are computed again.
 */


#include "ngx_http_shard_sync.h"


#define NGX_HTTP_SHARD_OVERRIDES_MAX  100000


static uint64_t ngx_http_shard_override_sum(redisReply *reply);
static ngx_int_t ngx_http_shard_override_one(ngx_http_shard_sync_t *sync,
    redisReply *field, redisReply *value, ngx_http_shard_verb_t *verb);
static void ngx_http_shard_override_ignore(ngx_http_shard_sync_t *sync,
    shard_id_t id, const char *reason);
static uint64_t ngx_http_shard_override_told(
    ngx_http_shard_ignored_t *ignored);
static void ngx_http_shard_override_dirty(ngx_http_shard_sync_t *sync);
static int ngx_libc_cdecl ngx_http_shard_override_by_id(const void *one,
    const void *two);
static uint64_t ngx_http_shard_now_ms(void);


static uint64_t
ngx_http_shard_now_ms(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (uint64_t) tp->sec * 1000 + tp->msec;
}


/* independent of the order of fields */

static uint64_t
ngx_http_shard_override_sum(redisReply *reply)
{
    size_t       i;
    uint64_t     sum;
    redisReply  *field, *value;

    sum = 1;

    for (i = 0; i + 1 < reply->elements; i += 2) {
        field = reply->element[i];
        value = reply->element[i + 1];

        if (field->type == REDIS_REPLY_STRING
            && value->type == REDIS_REPLY_STRING)
        {
            sum += shard_key_position(field->str, field->len)
                   * (shard_key_position(value->str, value->len) | 1);
        }
    }

    return sum;
}


void
ngx_http_shard_override(ngx_http_shard_sync_t *sync, redisReply *reply)
{
    size_t                   i;
    uint64_t                 sum, now;
    ngx_uint_t               n;
    ngx_http_shard_verb_t   *verbs;
    ngx_http_shard_model_t  *m;

    m = sync->model;
    sum = ngx_http_shard_override_sum(reply);

    if (sum == sync->override_hash
        || (sync->state != NGX_HTTP_SHARD_SYNC_FOLLOW
            && sync->state != NGX_HTTP_SHARD_SYNC_VERBS))
    {
        return;
    }

    n = ngx_min(reply->elements / 2, NGX_HTTP_SHARD_OVERRIDES_MAX);

    verbs = ngx_alloc((n + 1) * sizeof(ngx_http_shard_verb_t), sync->log);
    if (verbs == NULL) {
        return;
    }

    now = ngx_http_shard_now_ms();

    sync->override_hash = sum;
    sync->override_until = 0;

    for (sync->ntold = 0; sync->ntold < sync->nignored; sync->ntold++) {
        sync->ignored_told[sync->ntold] =
               ngx_http_shard_override_told(&sync->ignored[sync->ntold]);
    }

    sync->nignored = 0;

    ngx_http_shard_override_dirty(sync);

    for (i = 0, n = 0; i + 1 < reply->elements
                       && n < NGX_HTTP_SHARD_OVERRIDES_MAX; i += 2)
    {
        if (ngx_http_shard_override_one(sync, reply->element[i],
                                        reply->element[i + 1], &verbs[n])
            != NGX_OK)
        {
            continue;
        }

        if (verbs[n].verb.until_ms && verbs[n].verb.until_ms <= now) {
            continue;
        }

        if (verbs[n].verb.until_ms
            && (sync->override_until == 0
                || verbs[n].verb.until_ms < sync->override_until))
        {
            sync->override_until = verbs[n].verb.until_ms;
        }

        n++;
    }

    ngx_qsort(verbs, n, sizeof(ngx_http_shard_verb_t),
              ngx_http_shard_override_by_id);

    ngx_free(m->verbs);
    m->verbs = verbs;
    m->nverbs = n;

    /* one that ends leaves the hash as it is, but is one less */

    sync->keyspace->sh->overrides = n ? (uint32_t) (sum * 31 + n) | 1 : 0;

    ngx_http_shard_override_dirty(sync);
    ngx_http_shard_sync_publish(sync);
    ngx_http_shard_flush_router(sync);
}


void
ngx_http_shard_override_expire(ngx_http_shard_sync_t *sync)
{
    if (sync->override_until
        && ngx_http_shard_now_ms() >= sync->override_until)
    {
        /* the next answer is taken as a change */

        sync->override_hash = 0;
        sync->override_until = 0;
    }
}


static ngx_int_t
ngx_http_shard_override_one(ngx_http_shard_sync_t *sync, redisReply *field,
    redisReply *value, ngx_http_shard_verb_t *verb)
{
    char                     err[SHARD_ERR_SIZE];
    ngx_uint_t               i;
    shard_str_t              text, name;
    ngx_http_shard_entry_t  *e;

    if (field->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING)
    {
        return NGX_DECLINED;
    }

    name.data = field->str;
    name.len = field->len;
    text.data = value->str;
    text.len = value->len;

    if (shard_id_decode(name, &verb->id) != SHARD_OK) {
        ngx_http_shard_override_ignore(sync, SHARD_ID_NONE,
                                       "the field is not a shard id");
        return NGX_DECLINED;
    }

    if (shard_override_decode(text, &verb->verb, err) != SHARD_OK) {
        ngx_http_shard_override_ignore(sync, verb->id, err);
        return NGX_DECLINED;
    }

    e = ngx_http_shard_model_find(sync->model, verb->id);

    if (e == NULL || !e->live) {
        ngx_http_shard_override_ignore(sync, verb->id,
                                       "there is no such shard");
        return NGX_DECLINED;
    }

    for (i = 0; i < SHARD_OVERRIDE_NODES; i++) {
        if (verb->verb.node[i][0]
            && ngx_http_shard_model_node_number(sync->model,
                                                verb->verb.node[i])
               == SHARD_NODE_NONE)
        {
            (void) snprintf(err, SHARD_ERR_SIZE, "there is no node \"%s\"",
                            verb->verb.node[i]);
            ngx_http_shard_override_ignore(sync, verb->id, err);
            return NGX_DECLINED;
        }
    }

    if (verb->verb.verb == SHARD_OVERRIDE_DRAIN
        && e->route.standbys[0] == SHARD_NODE_NONE)
    {
        ngx_http_shard_override_ignore(sync, verb->id,
                                       "the shard has no standby");
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static void
ngx_http_shard_override_ignore(ngx_http_shard_sync_t *sync, shard_id_t id,
    const char *reason)
{
    uint64_t                   sum;
    ngx_uint_t                 i;
    ngx_http_shard_ignored_t  *ignored;

    if (sync->nignored == NGX_HTTP_SHARD_IGNORED_MAX) {
        return;
    }

    ignored = &sync->ignored[sync->nignored++];
    ignored->id = id;
    (void) snprintf(ignored->reason, sizeof(ignored->reason), "%s", reason);

    sum = ngx_http_shard_override_told(ignored);

    for (i = 0; i < sync->ntold; i++) {
        if (sync->ignored_told[i] == sum) {
            return;
        }
    }

    ngx_http_shard_add(sync->keyspace->sh->totals.rejected_updates, 1);

    ngx_log_error(NGX_LOG_ERR, sync->log, 0,
                  "keyspace \"%V\": override of shard %uD ignored: %s",
                  &sync->keyspace->name, id, ignored->reason);
}


/* each is counted and logged once, whatever else in the hash changes */

static uint64_t
ngx_http_shard_override_told(ngx_http_shard_ignored_t *ignored)
{
    return shard_key_position(ignored->reason, ngx_strlen(ignored->reason))
           + ignored->id;
}


static void
ngx_http_shard_override_dirty(ngx_http_shard_sync_t *sync)
{
    ngx_uint_t               i;
    ngx_http_shard_entry_t  *e;

    for (i = 0; i < sync->model->nverbs; i++) {
        e = ngx_http_shard_model_find(sync->model, sync->model->verbs[i].id);

        if (e) {
            ngx_http_shard_model_dirty(sync->model, e);
        }
    }
}


static int ngx_libc_cdecl
ngx_http_shard_override_by_id(const void *one, const void *two)
{
    const ngx_http_shard_verb_t *a = one;
    const ngx_http_shard_verb_t *b = two;

    return a->id < b->id ? -1 : a->id > b->id;
}
