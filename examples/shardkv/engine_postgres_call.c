
/*
 * Requests to shardkv --store postgres://, each one statement: who owns the
 * shard is decided in the same transaction or snapshot as what is done.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine_postgres.h"


#define OWNER  "SELECT o.role, o.epoch, o.held"

static const char *const  shardkv_pg_roles[] = { "none", "standby", "primary" };


typedef struct {
    const char  *sql;
    int          cols;              /* of its answer */
    unsigned     one:1;             /* row, always */
    unsigned     binary:1;
    void       (*params)(shardkv_pg_params_t *p, const shardkv_request_t *r);
    void       (*answer)(shardkv_request_t *r, const PGresult *res);
} shardkv_pg_call_t;


static int shardkv_pg_only(shardkv_pg_t *c, shardkv_request_t *r);

static void shardkv_pg_no_params(shardkv_pg_params_t *p,
    const shardkv_request_t *r);
static void shardkv_pg_key_params(shardkv_pg_params_t *p,
    const shardkv_request_t *r);
static void shardkv_pg_list_params(shardkv_pg_params_t *p,
    const shardkv_request_t *r);
static void shardkv_pg_delete_params(shardkv_pg_params_t *p,
    const shardkv_request_t *r);
static void shardkv_pg_write_params(shardkv_pg_params_t *p,
    const shardkv_request_t *r);
static void shardkv_pg_role_params(shardkv_pg_params_t *p,
    const shardkv_request_t *r);
static void shardkv_pg_hold_params(shardkv_pg_params_t *p,
    const shardkv_request_t *r);

static void shardkv_pg_health(shardkv_request_t *r, const PGresult *res);
static void shardkv_pg_get(shardkv_request_t *r, const PGresult *res);
static void shardkv_pg_list(shardkv_request_t *r, const PGresult *res);
static void shardkv_pg_written(shardkv_request_t *r, const PGresult *res);
static void shardkv_pg_appended(shardkv_request_t *r, const PGresult *res);
static void shardkv_pg_role(shardkv_request_t *r, const PGresult *res);
static void shardkv_pg_hold(shardkv_request_t *r, const PGresult *res);
static void shardkv_pg_stats(shardkv_request_t *r, const PGresult *res);


#define HOLD                                                                 \
    { "UPDATE shard.owner SET held = $2 WHERE shard = $1 AND epoch = "       \
      "coalesce($3, epoch) RETURNING held", 1, 0, 0,                         \
      shardkv_pg_hold_params, shardkv_pg_hold }

static const shardkv_pg_call_t  shardkv_pg_calls[] = {

    [SHARDKV_HEALTH] =
    { "SELECT 1", 1, 1, 0, shardkv_pg_no_params, shardkv_pg_health },

    [SHARDKV_KV_GET] =
    { OWNER ", d.value FROM shard.owner o LEFT JOIN shardkv.kv d "
      "ON d.shard = o.shard AND d.key = $2 WHERE o.shard = $1", 4, 0, 1,
      shardkv_pg_key_params, shardkv_pg_get },

    [SHARDKV_QUEUE_GET] =
    { OWNER ", d.n, d.value FROM shard.owner o LEFT JOIN (SELECT * "
      "FROM shardkv.entry WHERE shard = $1 AND key = $2 AND n > $3 "
      "ORDER BY n LIMIT $4) d ON d.shard = o.shard WHERE o.shard = $1 "
      "ORDER BY d.n", 5, 0, 1, shardkv_pg_list_params, shardkv_pg_list },

    [SHARDKV_KV_PUT] =
    { "SELECT shardkv.put($1, $2, $3, $4)", 1, 1, 0, shardkv_pg_write_params,
      shardkv_pg_written },

    [SHARDKV_KV_DELETE] =
    { "SELECT shardkv.del($1, $2, $3)", 1, 1, 0, shardkv_pg_delete_params,
      shardkv_pg_written },

    [SHARDKV_QUEUE_APPEND] =
    { "SELECT shardkv.append($1, $2, $3, $4)", 1, 1, 0,
      shardkv_pg_write_params, shardkv_pg_appended },

    [SHARDKV_ROLE] =
    { "SELECT shard.role($1, $2, $3)", 1, 1, 0, shardkv_pg_role_params,
      shardkv_pg_role },

    [SHARDKV_HOLD] = HOLD,
    [SHARDKV_RESUME] = HOLD,

    /* of a large shard counting takes its time: it is not done often */

    [SHARDKV_STATS] =
    { "SELECT s.role, s.epoch, s.pos, z.items, z.bytes, (SELECT count(*) "
      "FROM shardkv.entry WHERE shard = $1), s.held FROM shard.stats($1) s, "
      "shard.size($1) z", 7, 1, 0, shardkv_pg_shard, shardkv_pg_stats }
};


int
shardkv_pg_call(shardkv_pg_t *c, shardkv_request_t *r)
{
    int                       rc;
    PGresult                 *res;
    shardkv_pg_params_t       p;
    const shardkv_pg_call_t  *call;

    if (!r->route->data && r->route->call != SHARDKV_HEALTH
        && !r->sender.has_shard)
    {
        rc = shardkv_pg_only(c, r);

        if (rc != SHARD_OK) {
            return rc;
        }
    }

    call = &shardkv_pg_calls[r->route->call];
    call->params(&p, r);

    rc = shardkv_pg_exec(c, r, call->sql, &p, call->binary, &res);

    if (rc != SHARD_OK) {
        return rc;
    }

    if (PQnfields(res) != call->cols || (call->one && PQntuples(res) != 1)) {
        shardkv_refuse(&r->answer, 503, "store", "%s: an answer that nobody "
                       "understands", c->where);

    } else {
        call->answer(r, res);
    }

    PQclear(res);

    return SHARD_OK;
}


/* a request by hand names no shard: it is the only one we are primary of */

static int
shardkv_pg_only(shardkv_pg_t *c, shardkv_request_t *r)
{
    int                   n, rc;
    PGresult             *res;
    shard_str_t           id;
    shardkv_pg_params_t   p;

    shardkv_pg_no_params(&p, r);
    rc = shardkv_pg_exec(c, r, "SELECT shard FROM shard.owner WHERE role = "
                         "'primary' LIMIT 1000", &p, 0, &res);
    if (rc != SHARD_OK) {
        return rc;
    }

    n = PQntuples(res);
    id.data = n ? PQgetvalue(res, 0, 0) : "";
    id.len = strlen(id.data);

    if (n > 1) {
        shardkv_refuse(&r->answer, 400, "bad_request", "X-Shard-Id is "
                       "missing, and this node is primary of %d shards", n);

    } else if (shard_id_decode(id, &r->shard) != SHARD_OK) {
        shardkv_refuse(&r->answer, 421, "misdirected", "this node is primary "
                       "of no shard");

    } else {
        r->sender.has_shard = 1;
    }

    PQclear(res);

    return r->sender.has_shard ? SHARD_OK : SHARD_AGAIN;
}


static void
shardkv_pg_no_params(shardkv_pg_params_t *p, const shardkv_request_t *r)
{
    (void) r;

    memset(p, 0, sizeof(shardkv_pg_params_t));
}


static void
shardkv_pg_key_params(shardkv_pg_params_t *p, const shardkv_request_t *r)
{
    shardkv_pg_shard(p, r);
    shardkv_pg_bytes(p, r->key, r->klen);
}


static void
shardkv_pg_list_params(shardkv_pg_params_t *p, const shardkv_request_t *r)
{
    shardkv_pg_key_params(p, r);
    shardkv_pg_number(p, r->position);
    shardkv_pg_number(p, r->limit);
}


static void
shardkv_pg_delete_params(shardkv_pg_params_t *p, const shardkv_request_t *r)
{
    shardkv_pg_shard(p, r);
    shardkv_pg_epoch(p, r->sender.has_epoch, r->sender.epoch);
    shardkv_pg_bytes(p, r->key, r->klen);
}


static void
shardkv_pg_write_params(shardkv_pg_params_t *p, const shardkv_request_t *r)
{
    shardkv_pg_delete_params(p, r);
    shardkv_pg_bytes(p, r->body.data, r->body.len);
}


static void
shardkv_pg_role_params(shardkv_pg_params_t *p, const shardkv_request_t *r)
{
    shardkv_pg_shard(p, r);
    shardkv_pg_word(p, shardkv_pg_roles[r->role]);
    shardkv_pg_number(p, r->epoch);
}


static void
shardkv_pg_hold_params(shardkv_pg_params_t *p, const shardkv_request_t *r)
{
    shardkv_pg_shard(p, r);
    shardkv_pg_word(p, r->route->call == SHARDKV_HOLD ? "true" : "false");
    shardkv_pg_epoch(p, r->has_at, r->position);
}


static void
shardkv_pg_health(shardkv_request_t *r, const PGresult *res)
{
    (void) res;

    shardkv_json(&r->answer, "{\"status\":\"ok\"}\n");
}


/* the first three columns, binary: role, epoch, held; no row: no owner */

static int
shardkv_pg_owner(const PGresult *res, shardkv_request_t *r,
    shardkv_shard_t *s)
{
    int                   i, len;
    const unsigned char  *n;

    memset(s, 0, sizeof(shardkv_shard_t));

    if (PQntuples(res) == 0) {
        return shardkv_owner_check(s, &r->sender, r->route->write,
                                   &r->answer);
    }

    len = PQgetlength(res, 0, 0);

    for (i = 0; i < 3; i++) {
        if (strlen(shardkv_pg_roles[i]) == (size_t) len
            && memcmp(PQgetvalue(res, 0, 0), shardkv_pg_roles[i], len) == 0)
        {
            s->role = (shardkv_role_e) i;
        }
    }

    if (PQgetlength(res, 0, 1) == 8 && PQgetlength(res, 0, 2) == 1) {
        n = (const unsigned char *) PQgetvalue(res, 0, 1);
        s->epoch = (uint32_t) n[4] << 24 | (uint32_t) n[5] << 16
                   | (uint32_t) n[6] << 8 | n[7];
        s->held = PQgetvalue(res, 0, 2)[0] != 0;
    }

    return shardkv_owner_check(s, &r->sender, r->route->write, &r->answer);
}


static void
shardkv_pg_get(shardkv_request_t *r, const PGresult *res)
{
    shardkv_shard_t  s;

    if (shardkv_pg_owner(res, r, &s) != SHARD_OK) {
        return;
    }

    if (PQgetisnull(res, 0, 3)) {
        shardkv_refuse(&r->answer, 404, "not_found", "no such key");
        return;
    }

    r->answer.len = (size_t) PQgetlength(res, 0, 3);
    r->answer.body = malloc(r->answer.len + 1);

    if (r->answer.body == NULL) {
        shardkv_refuse(&r->answer, 503, "no_memory", "no memory");
        return;
    }

    memcpy(r->answer.body, PQgetvalue(res, 0, 3), r->answer.len);
    r->answer.type = "application/octet-stream";
    r->answer.status = 200;
}


/* {"n":1,"v":"..."} a line; n is a bigint in network order */

static void
shardkv_pg_lines(const PGresult *res, shardkv_answer_t *a)
{
    int                   i, k;
    size_t                size;
    uint64_t              n;
    const unsigned char  *number;

    size = 1;

    for (i = 0; i < PQntuples(res); i++) {
        size += 48 + ((size_t) PQgetlength(res, i, 4) + 2) / 3 * 4;
    }

    a->body = malloc(size);
    a->len = 0;

    if (a->body == NULL) {
        shardkv_refuse(a, 503, "no_memory", "no memory");
        return;
    }

    /* without an entry the owner's row has NULL there */

    for (i = 0; i < PQntuples(res) && PQgetlength(res, i, 3) == 8; i++) {
        number = (const unsigned char *) PQgetvalue(res, i, 3);
        n = 0;

        for (k = 0; k < 8; k++) {
            n = n << 8 | number[k];
        }

        a->len += (size_t) sprintf(a->body + a->len, "{\"n\":%llu,\"v\":\"",
                                   (unsigned long long) n);
        a->len += shardkv_base64_encode(a->body + a->len,
                                        PQgetvalue(res, i, 4),
                                        (size_t) PQgetlength(res, i, 4));
        memcpy(a->body + a->len, "\"}\n", 3);
        a->len += 3;
    }

    a->type = "application/x-ndjson";
    a->status = 200;
}


static void
shardkv_pg_list(shardkv_request_t *r, const PGresult *res)
{
    shardkv_shard_t  s;

    if (shardkv_pg_owner(res, r, &s) != SHARD_OK) {
        return;
    }

    if (s.held) {
        shardkv_refuse(&r->answer, 423, "held", "queues of this shard are "
                       "held; try again after POST resume");
        return;
    }

    shardkv_pg_lines(res, &r->answer);
}


static void
shardkv_pg_written(shardkv_request_t *r, const PGresult *res)
{
    if (PQgetvalue(res, 0, 0)[0] == '0') {
        shardkv_refuse(&r->answer, 404, "not_found", "no such key");
        return;
    }

    shardkv_done(&r->answer, 204);
}


static void
shardkv_pg_appended(shardkv_request_t *r, const PGresult *res)
{
    shardkv_json(&r->answer, "{\"n\":%.20s}\n", PQgetvalue(res, 0, 0));
}


static void
shardkv_pg_role(shardkv_request_t *r, const PGresult *res)
{
    shardkv_json(&r->answer, "{\"role\":\"%s\",\"epoch\":%u,"
                 "\"position\":%.20s}\n", shardkv_pg_roles[r->role], r->epoch,
                 PQgetvalue(res, 0, 0));
}


static void
shardkv_pg_hold(shardkv_request_t *r, const PGresult *res)
{
    if (r->has_at && PQntuples(res) == 0) {
        shardkv_refuse(&r->answer, 409, "epoch", "epoch= is not the shard's "
                       "epoch here");
        return;
    }

    shardkv_done(&r->answer, 204);
}


static void
shardkv_pg_stats(shardkv_request_t *r, const PGresult *res)
{
    shardkv_json(&r->answer, "{\"role\":\"%.10s\",\"epoch\":%.20s,"
                 "\"position\":%.20s,\"items\":%.20s,\"bytes\":%.20s,"
                 "\"queue_depth\":%.20s,\"write_rate\":0,\"held\":%s,"
                 "\"capacity\":%.6g,\"free_bytes\":%lld}\n",
                 PQgetvalue(res, 0, 0), PQgetvalue(res, 0, 1),
                 PQgetvalue(res, 0, 2), PQgetvalue(res, 0, 3),
                 PQgetvalue(res, 0, 4), PQgetvalue(res, 0, 5),
                 PQgetvalue(res, 0, 6)[0] == 't' ? "true" : "false",
                 r->server->capacity, (long long) INT64_MAX);
}
