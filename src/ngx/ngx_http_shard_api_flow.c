
/*
 * shard_api: writes that take several commands on their connection.
 *
 *   If-Match    WATCH meta ─▶ HGET version ─▶ MULTI, the command ─▶ EXEC
 *                  ▲              │ another: 412                     │
 *                  └──────────────┴──── meta written meanwhile ◀─────┘
 *
 *   the policy  shard_claim ─▶ HMGET version policy ─▶ shard_commit
 *               keyspace          ▲    │ If-Match: 412      │
 *                                 │    ▼                    │
 *                                 └── conflict ◀────────────┤
 *                       shard_release ◀── done, refused ◀───┘
 */


#include "ngx_http_shard_ask.h"


#define NGX_HTTP_SHARD_CLAIM_TTL  "5000"         /* ms, should this end */


static ngx_int_t ngx_http_shard_guard_watch(ngx_http_shard_ask_t *ask);
static ngx_int_t ngx_http_shard_guard_version(ngx_http_shard_ask_t *ask,
    redisReply *reply);
static ngx_int_t ngx_http_shard_guard_result(ngx_http_shard_ask_t *ask,
    redisReply *reply);
static ngx_int_t ngx_http_shard_commit_claim(ngx_http_shard_ask_t *ask);
static ngx_int_t ngx_http_shard_commit_look(ngx_http_shard_ask_t *ask,
    redisReply *reply);
static ngx_int_t ngx_http_shard_commit_write(ngx_http_shard_ask_t *ask,
    redisReply *reply);
static ngx_int_t ngx_http_shard_commit_result(ngx_http_shard_ask_t *ask,
    redisReply *reply);
static ngx_int_t ngx_http_shard_commit_release(ngx_http_shard_ask_t *ask);
static ngx_uint_t ngx_http_shard_flow_matches(ngx_http_shard_ask_t *ask,
    redisReply *version, redisReply *policy);
static ngx_uint_t ngx_http_shard_flow_is_version(shard_str_t tag,
    redisReply *version);
static ngx_int_t ngx_http_shard_flow_moved(ngx_http_shard_ask_t *ask,
    redisReply *version);
static ngx_int_t ngx_http_shard_flow_busy(ngx_http_shard_ask_t *ask);


/* steps of a guarded command: what the next reply answers */

typedef enum {
    NGX_HTTP_SHARD_GUARD_WATCH = 0,
    NGX_HTTP_SHARD_GUARD_WATCHED,
    NGX_HTTP_SHARD_GUARD_VERSION,
    NGX_HTTP_SHARD_GUARD_MULTI,
    NGX_HTTP_SHARD_GUARD_QUEUED,
    NGX_HTTP_SHARD_GUARD_EXEC
} ngx_http_shard_guard_e;


/* ... and of a commit */

typedef enum {
    NGX_HTTP_SHARD_COMMIT_CLAIM = 0,
    NGX_HTTP_SHARD_COMMIT_CLAIMED,
    NGX_HTTP_SHARD_COMMIT_SEEN,
    NGX_HTTP_SHARD_COMMIT_DONE,
    NGX_HTTP_SHARD_COMMIT_RELEASED
} ngx_http_shard_commit_e;


ngx_int_t
ngx_http_shard_ask_guard(ngx_http_shard_ask_t *ask, redisReply *reply)
{
    if (reply && reply->type == REDIS_REPLY_ERROR) {
        return ngx_http_shard_ask_refused(ask, reply);
    }

    switch (ask->step++) {

    case NGX_HTTP_SHARD_GUARD_WATCH:
        return ngx_http_shard_guard_watch(ask);

    case NGX_HTTP_SHARD_GUARD_WATCHED:
        return ngx_http_shard_ask_command(ask, "HGET %s version",
                                          ngx_http_shard_ask_key(ask, "meta"));

    case NGX_HTTP_SHARD_GUARD_VERSION:
        return ngx_http_shard_guard_version(ask, reply);

    case NGX_HTTP_SHARD_GUARD_MULTI:
        return ngx_http_shard_ask_send(ask);

    case NGX_HTTP_SHARD_GUARD_QUEUED:
        return ngx_http_shard_ask_command(ask, "EXEC");

    default: /* NGX_HTTP_SHARD_GUARD_EXEC */
        return ngx_http_shard_guard_result(ask, reply);
    }
}


static ngx_int_t
ngx_http_shard_guard_watch(ngx_http_shard_ask_t *ask)
{
    if (ask->tries++ == NGX_HTTP_SHARD_ASK_TRIES) {
        return ngx_http_shard_flow_busy(ask);
    }

    return ngx_http_shard_ask_command(ask, "WATCH %s",
                                      ngx_http_shard_ask_key(ask, "meta"));
}


static ngx_int_t
ngx_http_shard_guard_version(ngx_http_shard_ask_t *ask, redisReply *reply)
{
    if (!ngx_http_shard_flow_matches(ask, reply, NULL)) {
        return ngx_http_shard_flow_moved(ask, reply);
    }

    return ngx_http_shard_ask_command(ask, "MULTI");
}


/* nothing: meta was written since, by claims as well as by commits */

static ngx_int_t
ngx_http_shard_guard_result(ngx_http_shard_ask_t *ask, redisReply *reply)
{
    if (reply->type == REDIS_REPLY_NIL) {
        ask->step = NGX_HTTP_SHARD_GUARD_WATCHED;
        return ngx_http_shard_guard_watch(ask);
    }

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1) {
        return NGX_ERROR;
    }

    return ngx_http_shard_ask_render(ask, reply->element[0]);
}


ngx_int_t
ngx_http_shard_ask_commit(ngx_http_shard_ask_t *ask, redisReply *reply)
{
    if (reply && reply->type == REDIS_REPLY_ERROR
        && ask->step != NGX_HTTP_SHARD_COMMIT_RELEASED)
    {
        return ngx_http_shard_ask_refused(ask, reply);
    }

    switch (ask->step++) {

    case NGX_HTTP_SHARD_COMMIT_CLAIM:
        return ngx_http_shard_commit_claim(ask);

    case NGX_HTTP_SHARD_COMMIT_CLAIMED:
        return ngx_http_shard_commit_look(ask, reply);

    case NGX_HTTP_SHARD_COMMIT_SEEN:
        return ngx_http_shard_commit_write(ask, reply);

    case NGX_HTTP_SHARD_COMMIT_DONE:
        return ngx_http_shard_commit_result(ask, reply);

    default: /* NGX_HTTP_SHARD_COMMIT_RELEASED */
        return NGX_OK;
    }
}


static ngx_int_t
ngx_http_shard_commit_claim(ngx_http_shard_ask_t *ask)
{
    u_char  *p;

    p = ngx_pnalloc(ask->api.request->pool, SHARD_NAME_SIZE);
    if (p == NULL) {
        return NGX_ERROR;
    }

    /* nobody's name twice: two of one name would share the claim */

    *ngx_sprintf(p, "api-%P-%08xD%08xD", ngx_pid, (uint32_t) ngx_random(),
                 (uint32_t) ngx_random()) = '\0';
    ask->holder = (char *) p;

    return ngx_http_shard_ask_command(ask, "FCALL shard_claim 2 %s %s "
                                      "keyspace %s " NGX_HTTP_SHARD_CLAIM_TTL,
                                      ngx_http_shard_ask_key(ask, "meta"),
                                      ngx_http_shard_ask_key(ask, "claims"),
                                      ask->holder);
}


static ngx_int_t
ngx_http_shard_commit_look(ngx_http_shard_ask_t *ask, redisReply *reply)
{
    if (ask->token[0] == '\0') {

        if (ngx_http_shard_ask_outcome(reply, "held")) {
            return ngx_http_shard_api_error(&ask->api, NGX_HTTP_CONFLICT,
                                            "claimed", "the keyspace is "
                                            "claimed by %*s, try again",
                                            ngx_min(reply->element[1]->len,
                                                    64),
                                            reply->element[1]->str);
        }

        if (!ngx_http_shard_ask_outcome(reply, "ok")
            || reply->element[1]->len > NGX_INT64_LEN)
        {
            return NGX_ERROR;
        }

        (void) ngx_cpystrn((u_char *) ask->token,
                           (u_char *) reply->element[1]->str,
                           sizeof(ask->token));
    }

    return ngx_http_shard_ask_command(ask, "HMGET %s version policy",
                                      ngx_http_shard_ask_key(ask, "meta"));
}


static ngx_int_t
ngx_http_shard_commit_write(ngx_http_shard_ask_t *ask, redisReply *reply)
{
    char         op[SHARD_NAME_SIZE + 4];
    const char  *version;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
        return NGX_ERROR;
    }

    if (!ngx_http_shard_flow_matches(ask, reply->element[0],
                                     reply->element[1]))
    {
        (void) ngx_http_shard_flow_moved(ask, reply->element[0]);
        return ngx_http_shard_commit_release(ask);
    }

    version = reply->element[0]->type == REDIS_REPLY_STRING
              ? reply->element[0]->str : "0";

    *ngx_sprintf((u_char *) op, "op:%s", ask->holder) = '\0';

    return ngx_http_shard_ask_command(ask, "FCALL shard_commit 6 %s %s %s %s "
                                      "%s %s keyspace %s %s %s %s "
                                      "operator:api meta policy %b",
                                      ngx_http_shard_ask_key(ask, "meta"),
                                      ngx_http_shard_ask_key(ask, "table"),
                                      ngx_http_shard_ask_key(ask, "nodes"),
                                      ngx_http_shard_ask_key(ask, "log"),
                                      ngx_http_shard_ask_key(ask, "claims"),
                                      ngx_http_shard_ask_key(ask, op),
                                      ask->token, ask->holder, version,
                                      ask->holder, ask->body.data,
                                      ask->body.len);
}


static ngx_int_t
ngx_http_shard_commit_result(ngx_http_shard_ask_t *ask, redisReply *reply)
{
    u_char  *etag;

    if (ngx_http_shard_ask_outcome(reply, "ok")
        || ngx_http_shard_ask_outcome(reply, "duplicate"))
    {
        if (ngx_http_shard_api_buf(&ask->api, 64) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_http_shard_api_print(&ask->api, "{\"version\":%*s}\n",
                                 ngx_min(reply->element[1]->len, 20),
                                 reply->element[1]->str);

        etag = ngx_pnalloc(ask->api.request->pool, NGX_HTTP_SHARD_ETAG_SIZE);

        if (etag) {
            ask->api.etag.data = etag;
            ask->api.etag.len = ngx_http_shard_ask_policy_etag(etag,
                                                               ask->body.data,
                                                               ask->body.len);
        }

        return ngx_http_shard_commit_release(ask);
    }

    if (ngx_http_shard_ask_outcome(reply, "conflict")) {

        /* a shard was committed meanwhile: look again, whether it matters */

        if (ask->tries++ < NGX_HTTP_SHARD_ASK_TRIES) {
            ask->step = NGX_HTTP_SHARD_COMMIT_SEEN;
            return ngx_http_shard_commit_look(ask, reply);
        }

        (void) ngx_http_shard_flow_busy(ask);

    } else if (ngx_http_shard_ask_outcome(reply, "bad")) {
        (void) ngx_http_shard_api_error(&ask->api, NGX_HTTP_BAD_REQUEST,
                                        "bad_body", "%*s",
                                        ngx_min(reply->element[1]->len, 200),
                                        reply->element[1]->str);

    } else {
        (void) ngx_http_shard_api_error(&ask->api, NGX_HTTP_CONFLICT,
                                        "claimed", "the claim of the keyspace "
                                        "was lost, try again");
    }

    return ngx_http_shard_commit_release(ask);
}


/* whether this succeeds or not, the answer is made */

static ngx_int_t
ngx_http_shard_commit_release(ngx_http_shard_ask_t *ask)
{
    ask->answered = 1;
    ask->step = NGX_HTTP_SHARD_COMMIT_RELEASED;

    return ngx_http_shard_ask_command(ask, "FCALL shard_release 2 %s %s "
                                      "keyspace %s %s",
                                      ngx_http_shard_ask_key(ask, "meta"),
                                      ngx_http_shard_ask_key(ask, "claims"),
                                      ask->holder, ask->token);
}


/* by any tag of If-Match, if there is one */

static ngx_uint_t
ngx_http_shard_flow_matches(ngx_http_shard_ask_t *ask, redisReply *version,
    redisReply *policy)
{
    size_t       len;
    u_char       etag[NGX_HTTP_SHARD_ETAG_SIZE];
    shard_str_t  list, tag;

    if (ask->if_match.len == 0) {
        return 1;
    }

    len = 0;

    if (policy && policy->type == REDIS_REPLY_STRING) {
        len = ngx_http_shard_ask_policy_etag(etag, policy->str, policy->len);
    }

    list.data = (const char *) ask->if_match.data;
    list.len = ask->if_match.len;

    while (shard_etag_next(&list, &tag) == SHARD_OK) {

        if (tag.len == 1 && tag.data[0] == '*') {
            return policy == NULL || len;
        }

        if (ngx_http_shard_flow_is_version(tag, version)
            || (len && tag.len == len - 2
                && ngx_memcmp(tag.data, etag + 1, tag.len) == 0))
        {
            return 1;
        }
    }

    return 0;
}


/* "17", or "17-..." of a table with overrides */

static ngx_uint_t
ngx_http_shard_flow_is_version(shard_str_t tag, redisReply *version)
{
    const char  *dash;

    dash = memchr(tag.data, '-', tag.len);

    if (dash) {
        tag.len = (size_t) (dash - tag.data);
    }

    return version->type == REDIS_REPLY_STRING
           && tag.len == (size_t) version->len
           && ngx_memcmp(tag.data, version->str, tag.len) == 0;
}


static ngx_int_t
ngx_http_shard_flow_moved(ngx_http_shard_ask_t *ask, redisReply *version)
{
    return ngx_http_shard_api_error(&ask->api, NGX_HTTP_PRECONDITION_FAILED,
                                    "moved_on", "If-Match is %V, the table is "
                                    "at version %*s", &ask->if_match,
                                    version->type == REDIS_REPLY_STRING
                                    ? ngx_min(version->len, 20) : (size_t) 1,
                                    version->type == REDIS_REPLY_STRING
                                    ? version->str : "0");
}


static ngx_int_t
ngx_http_shard_flow_busy(ngx_http_shard_ask_t *ask)
{
    return ngx_http_shard_api_error(&ask->api, NGX_HTTP_SERVICE_UNAVAILABLE,
                                    "busy", "others wrote each time between "
                                    "looking and writing, try again");
}


size_t
ngx_http_shard_ask_policy_etag(u_char *buf, const void *data, size_t len)
{
    return ngx_sprintf(buf, "\"p%016xL\"", shard_key_position(data, len))
           - buf;
}
