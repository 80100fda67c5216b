
#include "ngx_http_shard_sync.h"


static void ngx_http_shard_sync_ask_version(ngx_http_shard_sync_t *sync,
    ngx_http_shard_reply_pt handler);
static void ngx_http_shard_sync_on_version(ngx_http_shard_redis_t *redis,
    redisReply *reply);
static void ngx_http_shard_sync_on_override(ngx_http_shard_redis_t *redis,
    redisReply *reply);
static void ngx_http_shard_sync_on_refresh(ngx_http_shard_redis_t *redis,
    redisReply *reply);


static void
ngx_http_shard_sync_ask_version(ngx_http_shard_sync_t *sync,
    ngx_http_shard_reply_pt handler)
{
    char  key[NGX_HTTP_SHARD_KEY_SIZE];

    (void) ngx_http_shard_sync_command(sync, handler, "HGET %s version",
               ngx_http_shard_sync_key(sync, "meta", key));
}


void
ngx_http_shard_sync_poll(ngx_http_shard_sync_t *sync)
{
    char  key[NGX_HTTP_SHARD_KEY_SIZE];

    if (sync->polling || sync->state != NGX_HTTP_SHARD_SYNC_FOLLOW) {
        return;
    }

    sync->polling = 1;
    sync->polled = sync->model->version;

    ngx_http_shard_sync_ask_version(sync, ngx_http_shard_sync_on_version);
    (void) ngx_http_shard_sync_command(sync, ngx_http_shard_sync_on_override,
               "HGETALL %s",
               ngx_http_shard_sync_key(sync, "override", key));
}


static ngx_int_t
ngx_http_shard_sync_version(redisReply *reply, uint64_t *version)
{
    shard_str_t  text;

    if (reply->type != REDIS_REPLY_STRING) {
        return NGX_ERROR;
    }

    text.data = reply->str;
    text.len = reply->len;

    return shard_uint64_decode(text, version) == SHARD_OK ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_shard_sync_on_version(ngx_http_shard_redis_t *redis,
    redisReply *reply)
{
    uint64_t                version;
    ngx_http_shard_sync_t  *sync;

    sync = redis->data;

    if (reply == NULL) {
        return;
    }

    ngx_http_shard_sync_contact(sync);

    if (sync->state != NGX_HTTP_SHARD_SYNC_FOLLOW
        || reply->type == REDIS_REPLY_ERROR)
    {
        return;
    }

    if (ngx_http_shard_sync_version(reply, &version) != NGX_OK) {
        ngx_http_shard_load_again(sync, "the table is gone from Redis");
        return;
    }

    if (version < ngx_min(sync->polled, sync->model->version)) {
        ngx_http_shard_load_again(sync, "the version went back");
        return;
    }

    /* less than the model has: from before what the log brought meanwhile */

    if (version <= sync->model->version) {
        sync->behind_since = 0;

    } else if (sync->behind_since == 0) {
        sync->behind_since = ngx_current_msec;

    } else if (ngx_current_msec - sync->behind_since > 1000) {
        sync->behind_since = 0;
        ngx_http_shard_load_again(sync, "the log does not bring what the "
                                  "version promises");
    }
}


static void
ngx_http_shard_sync_on_override(ngx_http_shard_redis_t *redis,
    redisReply *reply)
{
    ngx_http_shard_sync_t  *sync;

    sync = redis->data;
    sync->polling = 0;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
        return;
    }

    ngx_http_shard_override(sync, reply);
}


/* requests wait that a backend refused: is the table the newest? */

void
ngx_http_shard_sync_poke(ngx_http_shard_keyspace_t *ks)
{
    ngx_http_shard_sync_t  *sync;

    sync = ks->sync;

    if (sync->refreshing || ks->sh->refresh_wanted == ks->sh->refresh_done
        || sync->state != NGX_HTTP_SHARD_SYNC_FOLLOW
        || !sync->command.is_ready)
    {
        return;
    }

    sync->refreshing = 1;
    sync->refresh_asked = ks->sh->refresh_wanted;

    ngx_http_shard_sync_ask_version(sync, ngx_http_shard_sync_on_refresh);
}


static void
ngx_http_shard_sync_on_refresh(ngx_http_shard_redis_t *redis,
    redisReply *reply)
{
    ngx_http_shard_sync_t  *sync;

    sync = redis->data;

    if (reply == NULL
        || ngx_http_shard_sync_version(reply, &sync->refresh_version)
           != NGX_OK)
    {
        sync->refreshing = 0;
        return;
    }

    if (sync->model->version >= sync->refresh_version) {
        sync->refreshing = 0;
        sync->keyspace->sh->refresh_done = sync->refresh_asked;
        ngx_http_shard_sync_poke(sync->keyspace);
    }
}
