
/*
 * The log: one stream entry a version, each with all its changes.
 *
 * After a failover, or a FLUSHALL and a new table, the same numbers may stand
 * for another history.  So the entry that made the version we have is known
 * by a sum, and Redis must still have it: on every new connection before
 * anything is read, and behind each XREAD before what it brought is published.
 *
 *     XREAD BLOCK after V ─▶ V+1 ...: apply to the model
 *     XRANGE V V          ─▶ the sum of V?  yes: publish, no: load again
 */


#include "ngx_http_shard_sync.h"


static ngx_int_t ngx_http_shard_follow_check(ngx_http_shard_sync_t *sync,
    ngx_http_shard_reply_pt handler, ngx_msec_t wait);
static ngx_int_t ngx_http_shard_follow_same(ngx_http_shard_sync_t *sync,
    redisReply *reply);
static void ngx_http_shard_follow_on_anew(ngx_http_shard_redis_t *redis,
    redisReply *reply);
static void ngx_http_shard_follow_on_read(ngx_http_shard_redis_t *redis,
    redisReply *reply);
static void ngx_http_shard_follow_on_check(ngx_http_shard_redis_t *redis,
    redisReply *reply);
static void ngx_http_shard_follow_failed(ngx_http_shard_sync_t *sync,
    const char *why);
static ngx_int_t ngx_http_shard_apply_version(ngx_http_shard_sync_t *sync,
    ngx_http_shard_model_t *m, redisReply *fields, char *err);
static ngx_int_t ngx_http_shard_apply_change(ngx_http_shard_sync_t *sync,
    ngx_http_shard_model_t *m, redisReply *name, redisReply *value, char *err);
static ngx_int_t ngx_http_shard_apply_id(redisReply *id, uint64_t *version);


void
ngx_http_shard_follow_anew(ngx_http_shard_sync_t *sync)
{
    if (sync->reading || sync->state != NGX_HTTP_SHARD_SYNC_FOLLOW) {
        return;
    }

    if (ngx_http_shard_follow_check(sync, ngx_http_shard_follow_on_anew, 0)
        == NGX_OK)
    {
        sync->reading = 1;
    }
}


static void
ngx_http_shard_follow_on_anew(ngx_http_shard_redis_t *redis,
    redisReply *reply)
{
    ngx_http_shard_sync_t  *sync;

    sync = redis->data;
    sync->reading = 0;

    if (reply == NULL || sync->state != NGX_HTTP_SHARD_SYNC_FOLLOW) {
        return;
    }

    /* nothing to compare with: what went by meanwhile cannot be known, but
     * right behind a load nothing did, the log has no such entry still */

    if (sync->checked == 0 && !sync->just_loaded) {
        ngx_http_shard_load_again(sync, "the log has no entry of this version");
        return;
    }

    sync->just_loaded = 0;

    if (ngx_http_shard_follow_same(sync, reply) == NGX_OK) {
        ngx_http_shard_follow(sync);
    }
}


void
ngx_http_shard_follow(ngx_http_shard_sync_t *sync)
{
    char  key[NGX_HTTP_SHARD_KEY_SIZE], from[32];

    if (sync->reading || sync->state != NGX_HTTP_SHARD_SYNC_FOLLOW) {
        return;
    }

    ngx_sprintf((u_char *) from, "%uL-0%Z", (uint64_t) sync->model->version);

    /* the check is sent along: Redis answers it right behind the entries */

    if (ngx_http_shard_redis_send(&sync->follow, ngx_http_shard_follow_on_read,
            1000, "XREAD COUNT 8 BLOCK 1000 STREAMS %s %s",
            ngx_http_shard_sync_key(sync, "log", key), from)
        == NGX_OK
        && ngx_http_shard_follow_check(sync, ngx_http_shard_follow_on_check,
                                       1000)
           == NGX_OK)
    {
        sync->reading = 1;
    }
}


static ngx_int_t
ngx_http_shard_follow_check(ngx_http_shard_sync_t *sync,
    ngx_http_shard_reply_pt handler, ngx_msec_t wait)
{
    char  key[NGX_HTTP_SHARD_KEY_SIZE], id[32];

    sync->checked = sync->applied;
    sync->checked_version = sync->model->version;

    ngx_sprintf((u_char *) id, "%uL-0%Z", sync->checked_version);

    return ngx_http_shard_redis_send(&sync->follow, handler, wait,
               "XRANGE %s %s %s", ngx_http_shard_sync_key(sync, "log", key),
               id, id);
}


static void
ngx_http_shard_follow_on_read(ngx_http_shard_redis_t *redis,
    redisReply *reply)
{
    redisReply             *stream;
    ngx_http_shard_sync_t  *sync;

    sync = redis->data;

    if (reply == NULL || sync->state != NGX_HTTP_SHARD_SYNC_FOLLOW) {
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_http_shard_follow_failed(sync, reply->str);
        return;
    }

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 1
        && reply->element[0]->type == REDIS_REPLY_ARRAY
        && reply->element[0]->elements == 2)
    {
        stream = reply->element[0]->element[1];

        if (stream->type == REDIS_REPLY_ARRAY
            && ngx_http_shard_apply(sync, sync->model, stream) == NGX_DECLINED)
        {
            ngx_http_shard_load_again(sync, "the log has a gap");
            return;
        }

        sync->unpublished = 1;
    }
}


static void
ngx_http_shard_follow_on_check(ngx_http_shard_redis_t *redis,
    redisReply *reply)
{
    ngx_uint_t              unpublished;
    ngx_http_shard_sync_t  *sync;

    sync = redis->data;

    if (reply == NULL) {
        return;
    }

    unpublished = sync->unpublished;

    sync->reading = 0;
    sync->unpublished = 0;

    if (sync->state != NGX_HTTP_SHARD_SYNC_FOLLOW
        || ngx_http_shard_follow_same(sync, reply) != NGX_OK)
    {
        return;
    }

    if (unpublished) {

        /* goes on with the log when it is done */

        ngx_http_shard_sync_publish(sync);
        return;
    }

    ngx_http_shard_follow(sync);
}


static ngx_int_t
ngx_http_shard_follow_same(ngx_http_shard_sync_t *sync, redisReply *reply)
{
    uint64_t  sum;

    if (reply->type != REDIS_REPLY_ARRAY) {
        ngx_http_shard_follow_failed(sync, reply->type == REDIS_REPLY_ERROR
                                           ? reply->str
                                           : "odd answer to XRANGE");
        return NGX_ERROR;
    }

    sum = reply->elements ? ngx_http_shard_entry_sum(reply->element[0]) : 0;

    if (sum == sync->checked) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_WARN, sync->log, 0,
                  "keyspace \"%V\": the log's version %uL is another than "
                  "was followed", &sync->keyspace->name,
                  sync->checked_version);

    ngx_http_shard_load_again(sync, "changes were lost in Redis");

    return NGX_DECLINED;
}


static void
ngx_http_shard_follow_failed(ngx_http_shard_sync_t *sync, const char *why)
{
    ngx_http_shard_sync_reject(sync, "log", why);
    ngx_http_shard_load_again(sync, "the log cannot be read");
    sync->load_at = ngx_current_msec + 1000;
}


/* ids differ by version, so the fields do: "op" is one operation's own */

uint64_t
ngx_http_shard_entry_sum(redisReply *entry)
{
    size_t       i;
    uint64_t     sum;
    redisReply  *fields, *field;

    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2
        || entry->element[1]->type != REDIS_REPLY_ARRAY)
    {
        return 0;
    }

    fields = entry->element[1];
    sum = fields->elements;

    for (i = 0; i < fields->elements; i++) {
        field = fields->element[i];

        if (field->type == REDIS_REPLY_STRING) {
            sum = sum * 0x9e3779b97f4a7c15ULL
                  + shard_key_position(field->str, field->len);
        }
    }

    return sum ? sum : 1;
}


static ngx_int_t
ngx_http_shard_apply_id(redisReply *id, uint64_t *version)
{
    char         *dash;
    shard_str_t   text;

    if (id->type != REDIS_REPLY_STRING) {
        return NGX_ERROR;
    }

    dash = strchr(id->str, '-');

    if (dash == NULL || ngx_strcmp(dash, "-0") != 0) {
        return NGX_ERROR;
    }

    text.data = id->str;
    text.len = dash - id->str;

    return shard_uint64_decode(text, version) == SHARD_OK ? NGX_OK : NGX_ERROR;
}


/*
 * NGX_OK, NGX_DECLINED at a gap, NGX_ERROR when a change during a load is
 * bad.  While following, a bad change is refused whole and the rest goes on;
 * behind one that moves boundaries the rest is read again, once all workers
 * see it.
 */

ngx_int_t
ngx_http_shard_apply(ngx_http_shard_sync_t *sync, ngx_http_shard_model_t *m,
    redisReply *entries)
{
    char         what[64], err[SHARD_ERR_SIZE];
    size_t       i;
    uint64_t     sum, version;
    ngx_uint_t   following;
    redisReply  *entry;

    following = m->base == NULL;

    for (i = 0; i < entries->elements && !(following && m->structure); i++) {
        entry = entries->element[i];

        if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2
            || ngx_http_shard_apply_id(entry->element[0], &version) != NGX_OK)
        {
            return NGX_DECLINED;
        }

        sum = ngx_http_shard_entry_sum(entry);

        if (version == m->version) {
            if (sync->applied && sync->applied != sum) {
                return NGX_DECLINED;
            }

            sync->applied = sum;
        }

        if (version <= m->version) {

            /* asked for before a whole load that brought it */

            continue;
        }

        if (version != m->version + 1) {
            return NGX_DECLINED;
        }

        m->version = version;
        sync->applied = sum;
        err[0] = '\0';

        if (following) {
            ngx_http_shard_model_begin(m);
        }

        if (ngx_http_shard_apply_version(sync, m, entry->element[1], err)
            == NGX_OK
            && (!following
                || ngx_http_shard_model_end(m, err) == NGX_OK))
        {
            continue;
        }

        (void) ngx_sprintf((u_char *) what, "version %uL%Z", version);
        ngx_http_shard_sync_reject(sync, what, err);

        if (!following) {
            return NGX_ERROR;
        }

        sync->policy_staged = 0;
        ngx_http_shard_model_undo(m);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_apply_version(ngx_http_shard_sync_t *sync,
    ngx_http_shard_model_t *m, redisReply *fields, char *err)
{
    size_t  i;

    if (fields->type != REDIS_REPLY_ARRAY) {
        (void) snprintf(err, SHARD_ERR_SIZE, "it has no fields");
        return NGX_ERROR;
    }

    for (i = 0; i + 1 < fields->elements; i += 2) {
        if (ngx_http_shard_apply_change(sync, m, fields->element[i],
                                        fields->element[i + 1], err)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_apply_change(ngx_http_shard_sync_t *sync,
    ngx_http_shard_model_t *m, redisReply *name, redisReply *value, char *err)
{
    shard_id_t   id;
    shard_str_t  text, json;

    if (name->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING) {
        (void) snprintf(err, SHARD_ERR_SIZE, "a field is not a string");
        return NGX_ERROR;
    }

    json.data = value->str;
    json.len = value->len;

    if (ngx_strcmp(name->str, "meta:policy") == 0) {
        ngx_http_shard_policy_read(sync, value);
        return NGX_OK;
    }

    if (name->len > 5 && ngx_strncmp(name->str, "node:", 5) == 0) {
        text.data = name->str + 5;
        text.len = name->len - 5;

        return ngx_http_shard_model_node(m, text, json, err);
    }

    if (name->len > 6 && ngx_strncmp(name->str, "shard:", 6) == 0) {
        text.data = name->str + 6;
        text.len = name->len - 6;

        if (shard_id_decode(text, &id) != SHARD_OK) {
            (void) snprintf(err, SHARD_ERR_SIZE, "\"%.40s\" is not a shard",
                            name->str);
            return NGX_ERROR;
        }

        return ngx_http_shard_model_shard(m, id, json, err);
    }

    return NGX_OK;
}
