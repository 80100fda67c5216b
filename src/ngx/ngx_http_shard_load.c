
/*
 * A whole load, into a model beside the one in use.  HSCAN goes through hashes
 * that others write meanwhile, so the version is read first and the log from
 * it on is applied at the end: records are whole, applying one twice does no
 * harm.  Nothing is published unless all of it is good.
 *
 *   META ─▶ NODES ─▶ TABLE ─▶ LOG ─▶ SETTLE ─▶ VERBS ─▶ PUBLISH ─▶ FOLLOW
 *   version  pages   pages   since   slices    overrides  slices
 */


#include "ngx_http_shard_sync.h"


static void ngx_http_shard_load_on_count(ngx_http_shard_redis_t *redis,
    redisReply *reply);
static void ngx_http_shard_load_drop(ngx_http_shard_sync_t *sync);
static void ngx_http_shard_load_scan(ngx_http_shard_sync_t *sync,
    const char *suffix, const char *cursor);
static void ngx_http_shard_load_on_meta(ngx_http_shard_redis_t *redis,
    redisReply *reply);
static void ngx_http_shard_load_on_entry(ngx_http_shard_redis_t *redis,
    redisReply *reply);
static void ngx_http_shard_load_on_scan(ngx_http_shard_redis_t *redis,
    redisReply *reply);
static ngx_int_t ngx_http_shard_load_pair(ngx_http_shard_sync_t *sync,
    redisReply *field, redisReply *value, char *err);
static void ngx_http_shard_load_log(ngx_http_shard_sync_t *sync);
static void ngx_http_shard_load_on_log(ngx_http_shard_redis_t *redis,
    redisReply *reply);
static void ngx_http_shard_load_on_verbs(ngx_http_shard_redis_t *redis,
    redisReply *reply);
static void ngx_http_shard_load_failed(ngx_http_shard_sync_t *sync,
    const char *why);


void
ngx_http_shard_load(ngx_http_shard_sync_t *sync)
{
    char  key[NGX_HTTP_SHARD_KEY_SIZE];

    if (ngx_http_shard_sync_command(sync, ngx_http_shard_load_on_meta,
            "HMGET %s version kind policy",
            ngx_http_shard_sync_key(sync, "meta", key))
        == NGX_OK)
    {
        sync->state = NGX_HTTP_SHARD_SYNC_META;
    }
}


static void
ngx_http_shard_load_drop(ngx_http_shard_sync_t *sync)
{
    if (sync->loading) {
        sync->loading->base = NULL;
        ngx_http_shard_work_dismantle(sync, sync->loading);
    }

    sync->loading = NULL;
    sync->state = NGX_HTTP_SHARD_SYNC_IDLE;
}


/* after a gap or a loss; the table in shared memory stays until it is done */

void
ngx_http_shard_load_again(ngx_http_shard_sync_t *sync, const char *why)
{
    ngx_log_error(NGX_LOG_WARN, sync->log, 0,
                  "keyspace \"%V\": %s (at version %uL), reading the whole "
                  "table", &sync->keyspace->name, why,
                  (uint64_t) (sync->loading ? sync->loading
                                            : sync->model)->version);

    ngx_http_shard_model_undo(sync->model);
    ngx_http_shard_load_drop(sync);
    sync->load_at = ngx_current_msec;
}


static void
ngx_http_shard_load_failed(ngx_http_shard_sync_t *sync, const char *why)
{
    ngx_http_shard_sync_reject(sync, "table", why);
    ngx_http_shard_load_drop(sync);
    sync->load_at = ngx_current_msec + 1000;
}


/* the connection is gone: what needs it begins anew, what does not goes on */

void
ngx_http_shard_load_lost(ngx_http_shard_sync_t *sync)
{
    switch (sync->state) {

    case NGX_HTTP_SHARD_SYNC_META:
    case NGX_HTTP_SHARD_SYNC_NODES:
    case NGX_HTTP_SHARD_SYNC_TABLE:
    case NGX_HTTP_SHARD_SYNC_LOG:
    case NGX_HTTP_SHARD_SYNC_SETTLE:
    case NGX_HTTP_SHARD_SYNC_VERBS:
        ngx_http_shard_load_drop(sync);
        break;

    default: /* nothing under way, or in this worker alone */
        break;
    }
}


static void
ngx_http_shard_load_on_meta(ngx_http_shard_redis_t *redis, redisReply *reply)
{
    char                    key[NGX_HTTP_SHARD_KEY_SIZE];
    redisReply             *kind;
    shard_str_t             version, name;
    ngx_http_shard_sync_t  *sync;

    sync = redis->data;

    if (reply == NULL || sync->state != NGX_HTTP_SHARD_SYNC_META) {
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_http_shard_load_failed(sync, reply->str);
        return;
    }

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3
        || reply->element[0]->type != REDIS_REPLY_STRING)
    {
        if (!sync->told) {
            sync->told = 1;
            ngx_log_error(NGX_LOG_WARN, sync->log, 0,
                          "keyspace \"%V\": Redis %V has no table of it yet "
                          "(shardctl init makes one)", &sync->keyspace->name,
                          &redis->conf->text);
        }

        sync->state = NGX_HTTP_SHARD_SYNC_IDLE;
        sync->load_at = ngx_current_msec + 500;
        return;
    }

    version.data = reply->element[0]->str;
    version.len = reply->element[0]->len;
    kind = reply->element[1];

    if (shard_uint64_decode(version, &sync->load_version) != SHARD_OK) {
        ngx_http_shard_load_failed(sync, "meta.version is not a number");
        return;
    }

    name.data = kind->type == REDIS_REPLY_STRING ? kind->str : "";
    name.len = kind->type == REDIS_REPLY_STRING ? kind->len : 0;

    if (shard_kind_parse(name, &sync->load_kind) != SHARD_OK) {
        ngx_http_shard_load_failed(sync, "meta.kind is none of \"hash\", "
                                   "\"range uint64\", \"range bytes\", "
                                   "\"list\"");
        return;
    }

    ngx_http_shard_policy_read(sync, reply->element[2]);

    (void) ngx_http_shard_sync_command(sync, ngx_http_shard_load_on_count,
               "HLEN %s", ngx_http_shard_sync_key(sync, "table", key));
}


/* room at once for all of it: growing takes longer than a slice */

static void
ngx_http_shard_load_on_count(ngx_http_shard_redis_t *redis, redisReply *reply)
{
    char                    err[SHARD_ERR_SIZE], id[32],
                            key[NGX_HTTP_SHARD_KEY_SIZE];
    uint32_t                count;
    ngx_http_shard_sync_t  *sync;

    sync = redis->data;

    if (reply == NULL || sync->state != NGX_HTTP_SHARD_SYNC_META) {
        return;
    }

    if (reply->type != REDIS_REPLY_INTEGER || reply->integer < 0) {
        ngx_http_shard_load_failed(sync, reply->type == REDIS_REPLY_ERROR
                                         ? reply->str : "odd answer to HLEN");
        return;
    }

    count = (uint32_t) ngx_min(reply->integer, SHARD_ID_NONE);

    if (count > sync->keyspace->sh->nslots) {
        (void) ngx_http_shard_model_too_big(sync->model, count, 0, err);
        ngx_http_shard_load_failed(sync, err);
        return;
    }

    sync->loading = ngx_http_shard_model_create(sync->keyspace, sync->model,
                                                sync->load_kind, count,
                                                sync->log);
    if (sync->loading == NULL) {
        ngx_http_shard_load_failed(sync, "no memory");
        return;
    }

    sync->state = NGX_HTTP_SHARD_SYNC_NODES;
    sync->applied = 0;
    sync->unpublished = 0;

    ngx_sprintf((u_char *) id, "%uL-0%Z", sync->load_version);

    (void) ngx_http_shard_sync_command(sync, ngx_http_shard_load_on_entry,
               "XRANGE %s %s %s", ngx_http_shard_sync_key(sync, "log", key),
               id, id);

    ngx_http_shard_load_scan(sync, "nodes", "0");
}


/* the entry of the version that the load begins with must stay what it is */

static void
ngx_http_shard_load_on_entry(ngx_http_shard_redis_t *redis, redisReply *reply)
{
    ngx_http_shard_sync_t  *sync;

    sync = redis->data;

    if (reply && reply->type == REDIS_REPLY_ARRAY && reply->elements
        && sync->state == NGX_HTTP_SHARD_SYNC_NODES)
    {
        sync->applied = ngx_http_shard_entry_sum(reply->element[0]);
    }
}


static void
ngx_http_shard_load_scan(ngx_http_shard_sync_t *sync, const char *suffix,
    const char *cursor)
{
    char  key[NGX_HTTP_SHARD_KEY_SIZE];

    (void) ngx_http_shard_sync_command(sync, ngx_http_shard_load_on_scan,
               "HSCAN %s %s COUNT 200",
               ngx_http_shard_sync_key(sync, suffix, key), cursor);
}


static ngx_int_t
ngx_http_shard_load_pair(ngx_http_shard_sync_t *sync, redisReply *field,
    redisReply *value, char *err)
{
    shard_id_t   id;
    shard_str_t  name, json;

    if (field->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING
        || value->len == 0)
    {
        (void) snprintf(err, SHARD_ERR_SIZE, "not a string");
        return NGX_ERROR;
    }

    name.data = field->str;
    name.len = field->len;
    json.data = value->str;
    json.len = value->len;

    if (sync->state == NGX_HTTP_SHARD_SYNC_NODES) {
        return ngx_http_shard_model_node(sync->loading, name, json, err);
    }

    if (shard_id_decode(name, &id) != SHARD_OK) {
        (void) snprintf(err, SHARD_ERR_SIZE, "\"%.40s\" is not a shard id",
                        field->str);
        return NGX_ERROR;
    }

    return ngx_http_shard_model_shard(sync->loading, id, json, err);
}


static void
ngx_http_shard_load_on_scan(ngx_http_shard_redis_t *redis, redisReply *reply)
{
    char                    err[SHARD_ERR_SIZE];
    size_t                  i;
    redisReply             *pairs;
    const char             *cursor;
    ngx_http_shard_sync_t  *sync;

    sync = redis->data;

    if (reply == NULL
        || (sync->state != NGX_HTTP_SHARD_SYNC_NODES
            && sync->state != NGX_HTTP_SHARD_SYNC_TABLE))
    {
        return;
    }

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_STRING
        || reply->element[1]->type != REDIS_REPLY_ARRAY)
    {
        ngx_http_shard_load_failed(sync, reply->type == REDIS_REPLY_ERROR
                                         ? reply->str : "odd answer to HSCAN");
        return;
    }

    cursor = reply->element[0]->str;
    pairs = reply->element[1];

    for (i = 0; i + 1 < pairs->elements; i += 2) {
        if (ngx_http_shard_load_pair(sync, pairs->element[i],
                                     pairs->element[i + 1], err)
            != NGX_OK)
        {
            ngx_http_shard_load_failed(sync, err);
            return;
        }
    }

    if (ngx_strcmp(cursor, "0") != 0) {
        ngx_http_shard_load_scan(sync, sync->state == NGX_HTTP_SHARD_SYNC_NODES
                                       ? "nodes" : "table", cursor);
        return;
    }

    if (sync->state == NGX_HTTP_SHARD_SYNC_NODES) {
        sync->state = NGX_HTTP_SHARD_SYNC_TABLE;
        ngx_http_shard_load_scan(sync, "table", "0");
        return;
    }

    sync->loading->version = sync->load_version;
    sync->state = NGX_HTTP_SHARD_SYNC_LOG;
    ngx_http_shard_load_log(sync);
}


static void
ngx_http_shard_load_log(ngx_http_shard_sync_t *sync)
{
    char  key[NGX_HTTP_SHARD_KEY_SIZE], from[32];

    ngx_sprintf((u_char *) from, "%uL-0%Z", (uint64_t) sync->loading->version);

    (void) ngx_http_shard_sync_command(sync, ngx_http_shard_load_on_log,
               "XRANGE %s %s + COUNT 16",
               ngx_http_shard_sync_key(sync, "log", key), from);
}


static void
ngx_http_shard_load_on_log(ngx_http_shard_redis_t *redis, redisReply *reply)
{
    uint64_t                before;
    ngx_int_t               rc;
    ngx_http_shard_sync_t  *sync;

    sync = redis->data;

    if (reply == NULL || sync->state != NGX_HTTP_SHARD_SYNC_LOG) {
        return;
    }

    if (reply->type != REDIS_REPLY_ARRAY) {
        ngx_http_shard_load_failed(sync, reply->type == REDIS_REPLY_ERROR
                                         ? reply->str : "odd answer to XRANGE");
        return;
    }

    before = sync->loading->version;

    if (sync->applied
        && (reply->elements == 0
            || ngx_http_shard_entry_sum(reply->element[0]) != sync->applied))
    {
        rc = NGX_DECLINED;

    } else {
        rc = ngx_http_shard_apply(sync, sync->loading, reply);
    }

    if (rc == NGX_OK && sync->loading->version == before) {
        sync->state = NGX_HTTP_SHARD_SYNC_SETTLE;
        ngx_http_shard_sync_work(sync);

    } else if (rc == NGX_OK) {
        ngx_http_shard_load_log(sync);

    } else if (rc == NGX_DECLINED) {
        ngx_http_shard_load_again(sync, "changes went by during the load");

    } else {
        ngx_http_shard_load_drop(sync);
        sync->load_at = ngx_current_msec + 1000;
    }
}


void
ngx_http_shard_load_settle(ngx_http_shard_sync_t *sync,
    ngx_http_shard_slice_t *slice)
{
    char       err[SHARD_ERR_SIZE], key[NGX_HTTP_SHARD_KEY_SIZE];
    ngx_int_t  rc;

    rc = ngx_http_shard_model_settle(sync->loading, slice, err);

    if (rc == NGX_AGAIN) {
        ngx_http_shard_sync_work(sync);
        return;
    }

    if (rc != NGX_OK) {
        ngx_http_shard_load_failed(sync, err);
        return;
    }

    ngx_http_shard_work_dismantle(sync, sync->model);
    sync->model = sync->loading;
    sync->loading = NULL;

    /* a leader that is new must not undo operators' verbs for a tick */

    sync->state = NGX_HTTP_SHARD_SYNC_VERBS;

    if (ngx_http_shard_sync_command(sync, ngx_http_shard_load_on_verbs,
            "HGETALL %s", ngx_http_shard_sync_key(sync, "override", key))
        != NGX_OK)
    {
        sync->state = NGX_HTTP_SHARD_SYNC_IDLE;
    }
}


static void
ngx_http_shard_load_on_verbs(ngx_http_shard_redis_t *redis, redisReply *reply)
{
    ngx_http_shard_sync_t  *sync;

    sync = redis->data;

    if (reply == NULL || sync->state != NGX_HTTP_SHARD_SYNC_VERBS) {
        return;
    }

    sync->override_hash = 0;

    if (reply->type == REDIS_REPLY_ARRAY) {
        ngx_http_shard_override(sync, reply);
    }

    sync->state = NGX_HTTP_SHARD_SYNC_PUBLISH;
    sync->loaded = 1;
    ngx_http_shard_sync_work(sync);
}


/* all of it is in the zone */

void
ngx_http_shard_load_done(ngx_http_shard_sync_t *sync)
{
    sync->behind_since = 0;
    sync->told = 0;
    sync->refused = 0;
    sync->just_loaded = 1;

    ngx_log_error(NGX_LOG_NOTICE, sync->log, 0,
                  "keyspace \"%V\": table of version %uL with %uD shards",
                  &sync->keyspace->name, (uint64_t) sync->model->version,
                  sync->model->nlive);

    if (sync->follow.ac) {
        if (sync->follow.is_ready) {
            ngx_http_shard_follow(sync);
        }

    } else if (ngx_http_shard_redis_connect(&sync->follow) != NGX_OK) {
        sync->follow_retry_at = ngx_current_msec + 100;
    }
}


void
ngx_http_shard_sync_reject(ngx_http_shard_sync_t *sync, const char *what,
    const char *why)
{
    uint64_t  sum;

    ngx_http_shard_add(sync->keyspace->sh->totals.rejected_updates, 1);

    sum = shard_key_position(what, ngx_strlen(what))
          ^ shard_key_position(why, ngx_strlen(why)) << 1;

    if (sum == sync->refused) {
        return;
    }

    sync->refused = sum;

    ngx_log_error(NGX_LOG_ERR, sync->log, 0,
                  "keyspace \"%V\": %s refused: %s; the table stays as it was",
                  &sync->keyspace->name, what, why);
}
